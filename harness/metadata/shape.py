"""A bundle's row → the row of one target version.

Columns that the target does not have go, values that only it has come, surrogate ids are shifted
or mapped, pickled and secret values are written in the target's own way. Most tables of many rows
need a cut at both ends of a line and no more, which is what keeps a million rows cheap.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from harness.metadata.bundle import TableEntry
from harness.metadata.copytext import NULL, bytes_field, escape, fields, unescape
from harness.metadata.outgoing import MEMO, place_of
from harness.metadata.problems import BundleProblem
from harness.metadata.schema import Column, Table, has
from harness.metadata.sealing import Fernet, Seal
from harness.metadata.values import Unrepresentable, pickled, xcom_value

DETAILS = 100


@dataclass(frozen=True)
class Plan:
    """How an import meets what the target already has; it stays the same when started again.

    ``offsets`` is table → what is added to its surrogate ids, ``mapped`` table → source id →
    target id, ``staged`` the tables that share rows with the target, ``log_template`` the id that
    imported runs get (None leaves it NULL).
    """

    policy: str = "fail"
    offsets: Mapping[str, int] = field(default_factory=dict)
    mapped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    staged: Tuple[str, ...] = ()
    log_template: Optional[int] = None
    keep_paused: bool = False


@dataclass
class Refusals:
    """Rows that the target cannot keep after all, and values that changed on the way."""

    rows: int = 0
    notes: Dict[str, int] = field(default_factory=dict)
    details: List[Dict[str, Any]] = field(default_factory=list)

    def add(self, key: Dict[str, str], reason: str, refused: bool) -> None:
        """One more."""
        self.rows += refused
        self.notes[reason] = self.notes.get(reason, 0) + 1
        if len(self.details) < DETAILS:
            self.details.append({"key": key, "reason": reason, "refused": refused})


class Refused(Exception):
    """The row that is being shaped stays in the bundle; the message says why."""


class Shape:
    """How rows of one table of one bundle are written for one target version.

    ``plain_secrets`` leaves secrets in the clear, for a comparison in memory.
    """

    def __init__(
        self,
        table: Table,
        entry: TableEntry,
        version: str,
        plan: Plan,
        fernet: Fernet,
        seal: Optional[Seal],
        plain_secrets: bool = False,
    ) -> None:
        self.table, self.version, self.plan = table, version, plan
        self.fernet, self.seal, self.plain_secrets = fernet, seal, plain_secrets
        self.refusals = Refusals()
        known = {column.name: column for column in table.columns}
        self.source = [name for name, _ in entry.columns]
        unknown = [name for name in self.source if name not in known]
        if unknown:
            raise BundleProblem(f"{table.name}: the bundle has unknown columns: {unknown}")
        kept = [known[name] for name in self.source if has(known[name], version)]
        fills = {
            column.name: column.fill.encode("ascii")
            for column in table.columns
            if not column.carried and column.fill is not None and has(column, version)
        }
        if table.name == "dag_run" and plan.log_template is not None:
            fills["log_template_id"] = str(plan.log_template).encode("ascii")
        self.columns: Tuple[Column, ...] = (*kept, *(known[name] for name in fills))
        self.suffix = b"".join(b"\t" + value for value in fills.values())
        self.positions = [self.source.index(column.name) for column in kept]
        self.changes: List[Tuple[int, Callable[[bytes, List[bytes]], bytes]]] = [
            (position, change)
            for position, column in zip(self.positions, kept)
            for change in [self._change(column)]
            if change is not None
        ]
        self._memo: Dict[bytes, bytes] = {NULL: NULL}

    @property
    def names(self) -> List[str]:
        """The target's columns, in the order of the fields of a shaped line."""
        return [column.name for column in self.columns]

    @property
    def types(self) -> List[str]:
        """Their types."""
        return [column.type for column in self.columns]

    def lines(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Blocks of a bundle's lines as lines (or blocks of lines) of the target."""
        count = len(self.source)
        dropped = count - len(self.positions)
        front = self.positions == list(range(dropped, count))
        last_only = [position for position, _ in self.changes] in ([], [count - 1])
        if front and not self.changes and not dropped and not self.suffix:
            return iter(blocks)
        if front and last_only:
            return self._cut(blocks, dropped)
        return self._apart(blocks)

    def refuse(self, line: bytes, reason: str) -> None:
        """Note that the target does not take a shaped line's row."""
        row = dict(zip(self.names, fields(line)))
        names = [name for name in self.table.key or self.table.source_key if name in row]
        key = {name: row[name].decode("utf-8", "backslashreplace") for name in names}
        self.refusals.add(key, reason, True)

    def _cut(self, blocks: Iterable[bytes], dropped: int) -> Iterator[bytes]:
        end = self.suffix + b"\n"
        change = self.changes[0][1] if self.changes else None
        memo = self._memo
        for block in blocks:
            done = []
            for line in block.split(b"\n"):
                if not line:
                    continue
                rest = line.split(b"\t", dropped)[dropped] if dropped else line
                if change is not None:
                    head, _, raw = rest.rpartition(b"\t")
                    value = memo.get(raw)
                    if value is None:
                        try:
                            value = change(raw, fields(line))
                        except Refused:
                            continue
                    rest = head + b"\t" + value
                done.append(rest + end)
            yield b"".join(done)

    def _apart(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        positions, suffix = self.positions, self.suffix + b"\n"
        for block in blocks:
            done = []
            for line in block.split(b"\n"):
                if not line:
                    continue
                values = line.split(b"\t")
                try:
                    for position, change in self.changes:
                        values[position] = change(values[position], values)
                except Refused:
                    continue
                done.append(b"\t".join([values[position] for position in positions]) + suffix)
            yield b"".join(done)

    # --- one value ---

    def _change(self, column: Column) -> Optional[Callable[[bytes, List[bytes]], bytes]]:
        if column.transform == "pickle":
            return self._pickle
        if column.transform == "xcom":
            return self._xcom
        if column.transform in ("fernet", "seal"):
            return self._secret(column)
        if any(other.flag == column.name for other in self.table.columns):
            return self._flag(column)
        table = column.references or (self.table.name if column.name == self.table.identity else "")
        if table in self.plan.mapped:
            return self._mapped(self.plan.mapped[table])
        offset = self.plan.offsets.get(table, 0)
        return self._shifted(offset) if offset else None

    @staticmethod
    def _shifted(offset: int) -> Callable[[bytes, List[bytes]], bytes]:
        def change(value: bytes, values: List[bytes]) -> bytes:
            return value if value == NULL else b"%d" % (int(value) + offset)

        return change

    @staticmethod
    def _mapped(ids: Mapping[str, str]) -> Callable[[bytes, List[bytes]], bytes]:
        known = {old.encode("ascii"): new.encode("ascii") for old, new in ids.items()}

        def change(value: bytes, values: List[bytes]) -> bytes:
            return known.get(value, NULL)

        return change

    def _remember(self, raw: bytes, value: bytes) -> bytes:
        if len(raw) < 256 and len(self._memo) < MEMO:
            self._memo[raw] = value
        return value

    def _pickle(self, raw: bytes, values: List[bytes]) -> bytes:
        known = self._memo.get(raw)
        if known is not None:
            return known
        tagged = json.loads((unescape(raw) or b"null").decode("ascii"))
        return self._remember(raw, bytes_field(pickled(tagged)))

    def _xcom(self, raw: bytes, values: List[bytes]) -> bytes:
        known = self._memo.get(raw)
        if known is not None:
            return known
        tagged = json.loads((unescape(raw) or b"null").decode("ascii"))
        try:
            value, note = xcom_value(tagged, self.version)
        except Unrepresentable as error:
            self.refusals.add(self._key(values), str(error), True)
            raise Refused from None
        if note:
            self.refusals.add(self._key(values), note, False)
            return bytes_field(value)
        return self._remember(raw, bytes_field(value))

    def _key(self, values: List[bytes]) -> Dict[str, str]:
        row = dict(zip(self.source, values))
        return {
            name: row[name].decode("utf-8", "backslashreplace")
            for name in self.table.key
            if name in row
        }

    def _secret(self, column: Column) -> Callable[[bytes, List[bytes]], bytes]:
        def change(raw: bytes, values: List[bytes]) -> bytes:
            if raw == NULL or self.seal is None:
                return raw
            row = dict(zip(self.source, values))
            plain = self.seal.open(raw, *place_of(self.table, row, column))
            if self.plain_secrets or not column.flag or not self._encrypts(column, plain):
                return escape(plain)
            return escape(self.fernet.encrypt(plain))

        return change

    def _encrypts(self, column: Column, plain: bytes) -> bool:
        """Whether Airflow would encrypt it: a Variable always, a Connection's part if not empty."""
        return self.fernet.encrypts and bool(plain or self.table.name == "variable")

    def _flag(self, column: Column) -> Callable[[bytes, List[bytes]], bytes]:
        """``is_encrypted`` as it will be; where there is nothing to encrypt it stays as it was."""
        (owner,) = (other for other in self.table.columns if other.flag == column.name)
        position = self.source.index(owner.name)

        def change(value: bytes, values: List[bytes]) -> bytes:
            # The secret itself has been replaced by now, by something that is empty if it was.
            raw = values[position]
            if raw == NULL or not (raw or self.table.name == "variable"):
                return value
            return b"t" if self.fernet.encrypts else b"f"

        return change
