"""What export, import and verify say: lines for people, or one JSON document.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Dict, Iterator, Sequence

from harness.metadata.bundle import Manifest
from harness.metadata.load import LoadReport
from harness.metadata.verify import VerifyReport

REPORT_SCHEMA = "mwaa-harness/metadata/1"


def _counts(counts: Any) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))


def _grid(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns under each other: the first to the left, numbers to the right, the last as it is."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])]
        yield "  ".join([*cells, row[-1]]).rstrip()


def export_lines(manifest: Manifest, where: str, dry_run: bool) -> Iterator[str]:
    """One line a table that has rows."""
    verb = "would be exported" if dry_run else "exported"
    yield (
        f"{verb}: Airflow {manifest.airflow or 'of revision ' + manifest.revision} on "
        f"{manifest.dialect} → {where}"
    )
    grid = [["table", "rows", "carried", "listed", "left out", "notes"]]
    for entry in manifest.tables:
        if not entry.source_rows:
            continue
        notes = [_counts(entry.transformed), _counts(entry.listed), entry.why_not]
        if entry.values:
            notes.append("values listed: " + _counts(entry.values))
        grid.append(
            [
                entry.name,
                str(entry.source_rows),
                str(entry.rows),
                str(sum(entry.listed.values())),
                str(entry.left_out),
                "; ".join(note for note in notes if note),
            ]
        )
    yield from _grid(grid)
    for name, count in sorted(manifest.unknown_tables.items()):
        rows = "rows that you may not read" if count is None else f"{count} rows"
        yield f"{name}: {rows} of a table that is not Airflow's; not carried"
    for name in manifest.unknown_columns:
        yield f"{name}: a column that Airflow 1.10 does not have; not carried"


def load_lines(report: LoadReport, where: str, dry_run: bool) -> Iterator[str]:
    """One line a table that has rows."""
    if report.already:
        yield f"this bundle is in {where} already; nothing was written"
    elif dry_run:
        yield f"would be imported into {where} (Airflow {report.target}); nothing was written"
    else:
        word = "import completed" if report.resumed else "imported"
        yield f"{word}: {where} (Airflow {report.target})"
    if not report.key_checked and not report.already:
        yield "the target has encrypted nothing yet, so its Fernet key could not be tried on it"
    rows = [["table", "rows", "written", "same", "replaced", "refused", "notes"]]
    for table in report.tables:
        if not table.rows:
            continue
        rows.append(
            [
                table.name,
                str(table.rows),
                "-" if dry_run else str(table.written),
                str(table.same),
                str(table.merged),
                str(table.refused),
                _counts(table.notes),
            ]
        )
    yield from _grid(rows)
    for handed in report.handed:
        yield (
            f"{handed.name}: {handed.written} of {handed.rows} written to Secrets Manager,"
            f" {handed.same} there already, {len(handed.refused)} refused"
        )
        for name in handed.refused:
            yield f"{handed.name} {name}: empty, or a name that Secrets Manager does not allow"
    for table in report.tables:
        for detail in table.details:
            key = " / ".join(detail["key"].values())
            yield f"{table.name} {key}: {detail['reason']}"


def verify_lines(report: VerifyReport, where: str) -> Iterator[str]:
    """One line a table that has rows, then each row that differs."""
    answer = "survived" if report.ok else "did NOT survive"
    yield f"the metadata {answer}: {where} (Airflow {report.target})"
    rows = [["table", "rows", "found", "missing", "different", "extra", "checksums"]]
    for table in report.tables:
        if not (table.expected or table.extra):
            continue
        sums = (
            f"{table.expected_checksum} on both sides"
            if table.ok
            else f"{table.expected_checksum} ≠ {table.found_checksum}"
        )
        numbers = (table.expected, table.found, table.missing, table.different, table.extra)
        rows.append([table.name, *[str(number) for number in numbers], sums])
    yield from _grid(rows)
    for table in report.tables:
        for difference in table.differences:
            columns = f" in {', '.join(difference.columns)}" if difference.columns else ""
            yield f"{table.name} {' / '.join(difference.key)}: {difference.kind}{columns}"


def export_document(manifest: Manifest, where: str) -> str:
    """The export as JSON; the seal's parameters are no secret, but nobody needs them there."""
    document = asdict(manifest)
    for name in ("seal", "signature"):
        document.pop(name)
    return _document("export", where, document)


def load_document(report: LoadReport, where: str) -> str:
    """The import as JSON."""
    return _document("import", where, asdict(report))


def verify_document(report: VerifyReport, where: str, **more: Any) -> str:
    """The verification as JSON; ``more`` is what others have verified, each with its ``ok``."""
    ok = report.ok and all(part["ok"] for part in more.values())
    return _document("verify", where, {**asdict(report), **more, "ok": ok})


def _document(verb: str, where: str, content: Dict[str, Any]) -> str:
    ordered: Dict[str, Any] = {"schema": REPORT_SCHEMA, "verb": verb, "where": where, **content}
    return json.dumps(ordered, indent=2)
