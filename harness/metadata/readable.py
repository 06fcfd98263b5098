"""Whether the target's users will see what the bundle holds: value by value, through its Airflow.

``verify`` compares what the database keeps. This compares what Airflow makes of it: each conf,
XCom, executor_config, variable, connection, pool and user is read by the target's own models and
held against the bundle. Secrets are compared as digests; no value is shown.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.metadata.bundle import Manifest, TableEntry, blocks
from harness.metadata.copytext import unescape
from harness.metadata.export import place_of
from harness.metadata.inside import Inside
from harness.metadata.readback import Read, digest, new_secret, readback
from harness.metadata.sealing import Seal
from harness.metadata.tables import TABLES, Table
from harness.metadata.values import Unrepresentable, plain, xcom_value

SHOWN = 50

INSTANCE = ("dag_id", "task_id", "run_id", "map_index")
NUMBERS = frozenset({"map_index", "port", "slots"})

Row = Mapping[str, bytes]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Unreadable:
    """One value that the target does not give back: its table and key, and what happens."""

    table: str
    key: Key
    reason: str


@dataclass(frozen=True)
class ReadTable:
    """``expected`` values of the bundle, ``equal`` ones in the target, ``wrong`` others of them."""

    name: str
    expected: int
    equal: int
    wrong: int


@dataclass(frozen=True)
class Readable:
    """What was read back. ``unreadable`` holds the first of the wrong ones of each table."""

    tables: tuple[ReadTable, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def ok(self) -> bool:
        """Whether every value is what it was."""
        return not any(table.wrong for table in self.tables)


@dataclass(frozen=True)
class Source:
    """Where a table of the readback comes from: the bundle's table, the row's key, its value."""

    name: str
    table: str
    key: tuple[str, ...]
    value: Callable[[Row, _Bundle], Any]


class NotExpected(Exception):
    """The target cannot hold this value, and the import has said so."""


class _Bundle:
    """What a value needs of its bundle: the seal, this run's secret, the target's version."""

    def __init__(self, store: Any, manifest: Manifest, seal: Seal | None, target: str) -> None:
        self.store, self.manifest, self.seal, self.target = store, manifest, seal, target
        self.secret = new_secret()

    def entry(self, name: str) -> TableEntry | None:
        """The carried table of that name."""
        found = self.manifest.table(name)
        return found if found is not None and found.file is not None else None

    def rows(self, name: str) -> Iterator[Row]:
        """Its rows, raw fields by column."""
        entry = self.entry(name)
        if entry is None or entry.file is None:
            return
        names = [column for column, _ in entry.columns]
        for chunk in entry.chunks:
            for block in blocks(self.store, entry.file.name, chunk):
                for line in block.split(b"\n"):
                    if line:
                        yield dict(zip(names, line.split(b"\t"), strict=True))

    def hidden(self, table: Table, row: Row, column: str) -> Any:
        """The digest of a secret; NotExpected where the bundle cannot open it itself."""
        raw = row[column]
        if _text(raw) is None:
            return None
        if self.seal is None:
            flag = next(c.flag for c in table.columns if c.name == column)
            if row[flag] == b"t":
                raise NotExpected
            return digest(_text(raw), self.secret)
        (found,) = (c for c in table.columns if c.name == column)
        opened = self.seal.open(raw, *place_of(table, row, found))
        return digest(opened.decode("utf-8"), self.secret)


def _text(raw: bytes) -> str | None:
    value = unescape(raw)
    return None if value is None else value.decode("utf-8")


def _field(row: Row, name: str) -> Any:
    text = _text(row[name])
    return int(text) if text is not None and name in NUMBERS else text


def _tagged(raw: bytes) -> Any:
    return json.loads(_text(raw) or "null")


def _pickle(column: str) -> Callable[[Row, _Bundle], Any]:
    def value(row: Row, _: _Bundle) -> Any:
        if _text(row[column]) is None:
            raise NotExpected  # NULL, or it could not be decoded and is listed
        return _tagged(row[column])

    return value


def _xcom(row: Row, bundle: _Bundle) -> Any:
    tagged = _tagged(row["value"])
    try:
        xcom_value(tagged, bundle.target)
    except Unrepresentable:
        raise NotExpected from None
    return tagged


_TABLES = {table.name: table for table in TABLES}


def _variable(row: Row, bundle: _Bundle) -> Any:
    return bundle.hidden(_TABLES["variable"], row, "val")


def _connection(row: Row, bundle: _Bundle) -> Any:
    shown = ("conn_type", "host", "schema", "login", "port")
    hidden = {name: bundle.hidden(_TABLES["connection"], row, name) for name in SECRETS}
    return {**{name: _field(row, name) for name in shown}, **hidden}


SECRETS = ("password", "extra")


def _pool(row: Row, _: _Bundle) -> Any:
    return {name: _field(row, name) for name in ("slots", "description")}


SOURCES = (
    Source("dag_run.conf", "dag_run", ("dag_id", "run_id"), _pickle("conf")),
    Source("task_instance.executor_config", "task_instance", INSTANCE, _pickle("executor_config")),
    Source("xcom.value", "xcom", (*INSTANCE, "key"), _xcom),
    Source("variable", "variable", ("key",), _variable),
    Source("connection", "connection", ("conn_id",), _connection),
    Source("slot_pool", "slot_pool", ("pool",), _pool),
)


def read_back(
    store: Any,
    manifest: Manifest,
    seal: Seal | None,
    where: Inside,
    url: str,
    *,
    target: str,
    fernet_key: str,
    tables: Iterable[str] = (),
) -> Readable:
    """Hold every value of the bundle against what the Airflow of ``where`` reads in ``url``.

    ``tables`` are the bundle's tables that were imported, () = all. Raises ``ReadbackFailed`` when
    that Airflow cannot read its database at all.
    """
    bundle = _Bundle(store, manifest, seal, target)
    wanted = set(tables)
    asked = [
        source
        for source in SOURCES
        if bundle.entry(source.table) and (not wanted or source.table in wanted)
    ]
    if not asked:
        return Readable((), ())
    sides = {source.name: _Sides(source, bundle) for source in asked}
    problems: list[Unreadable] = []
    logs: dict[Key, Read] = {}

    def take(read: Read) -> None:
        if read.table in sides:
            problems.extend(sides[read.table].take(read))
        elif read.table == LOG_NAME:
            logs[read.key] = read

    readback(
        where,
        url,
        fernet_key=fernet_key,
        secret=bundle.secret,
        tables=[*sides, *((LOG_NAME,) if "task_instance.executor_config" in sides else ())],
        on_read=take,
        on_empty=lambda table, count: sides[table].take_empty(count),
    )
    for side in sides.values():
        problems.extend(side.rest())
    results = [side.result() for side in sides.values()]
    if logs:
        found = list(_lost_logs(bundle, logs))
        results.append(ReadTable(LOG_NAME, len(logs), len(logs) - len(found), len(found)))
        problems.extend(found[:SHOWN])
    return Readable(tuple(results), tuple(problems))


LOG_NAME = "log_name"


def _lost_logs(bundle: _Bundle, logs: dict[Key, Read]) -> Iterator[Unreadable]:
    """The instances, of those that were asked for, whose log the target looks for elsewhere than
    where the bridge has written it. ``logs`` keeps those that the bundle knows."""
    known: dict[Key, Read] = {}
    for row in bundle.rows("task_instance"):
        key = tuple(_field(row, name) for name in INSTANCE)
        read = logs.get(key)
        if read is None:
            continue
        known[key] = read
        moment = datetime.datetime.fromisoformat(str(_field(row, "execution_date")))
        expected = f"{key[0]}/{key[1]}/{moment.isoformat()}/1.log"
        if read.error:
            yield Unreadable(LOG_NAME, key, f"the name of its log is not known: {read.error}")
        elif read.value != expected:
            yield Unreadable(LOG_NAME, key, f"its log is looked for as {read.value}")
    logs.clear()
    logs.update(known)


class _Sides:
    """One table: digests of what the bundle says, crossed off as the target says the same."""

    def __init__(self, source: Source, bundle: _Bundle) -> None:
        self.source = source
        self.expected: dict[bytes, bytes] = {}
        self.count = self.equal = self.wrong = self.empty = self.empty_read = 0
        self.shown = 0
        for row in bundle.rows(source.table):
            try:
                value = source.value(row, bundle)
            except NotExpected:
                continue
            self.count += 1
            key = tuple(_field(row, name) for name in source.key)
            if value == {} and source.name != "xcom.value":
                self.empty += 1
                continue
            self.expected[_short(key)] = self._digest(value)

    def take(self, read: Read) -> Iterator[Unreadable]:
        """What the target says of one row."""
        if not read.key:
            yield from self._wrong((), f"the table cannot be read: {read.error}")
            return
        expected = self.expected.pop(_short(read.key), None)
        if expected is None:
            return  # the target's own
        if read.error:
            yield from self._wrong(read.key, f"it cannot be read: {read.error}")
        elif self._digest(read.value) != expected:
            yield from self._wrong(read.key, "it reads as something else")
        else:
            self.equal += 1

    def _digest(self, value: Any) -> bytes:
        return _short(canonical(value, text_keys=self.source.name == "xcom.value"))

    def take_empty(self, count: int) -> None:
        """How many rows hold an empty dict in the target."""
        self.empty_read = count

    def rest(self) -> Iterator[Unreadable]:
        """What the target has said nothing of."""
        self.equal += min(self.empty, self.empty_read)
        if self.empty > self.empty_read:
            missing = self.empty - self.empty_read
            yield from self._wrong((), f"{missing} empty values are not there", missing)
        if self.expected:
            missing = len(self.expected)
            yield from self._wrong((), f"{missing} values are not there", missing)

    def _wrong(self, key: Key, reason: str, count: int = 1) -> Iterator[Unreadable]:
        self.wrong += count
        self.shown += 1
        if self.shown <= SHOWN:
            yield Unreadable(self.source.name, key, reason)

    def result(self) -> ReadTable:
        """The table's counts."""
        return ReadTable(self.source.name, self.count, self.equal, self.wrong)


def _short(thing: Any) -> bytes:
    text = json.dumps(thing, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).digest()


def canonical(tagged: Any, *, text_keys: bool = False) -> Any:
    """Tagged JSON without what no target keeps: the name of a zone beside its offset, the classes
    that mean the same as the plain ones, the order of keys. With ``text_keys`` also without what
    JSON does not keep: that the keys of a dict were no texts."""
    if isinstance(tagged, list):
        return [canonical(item, text_keys=text_keys) for item in tagged]
    if not isinstance(tagged, dict):
        return tagged
    if "$" not in tagged:
        return {key: canonical(value, text_keys=text_keys) for key, value in tagged.items()}
    kind, content = tagged["$"], tagged["v"]
    if kind == "dict":
        pairs = [(key, canonical(value, text_keys=text_keys)) for key, value in content]
        if text_keys or all(isinstance(key, str) and key != "$" for key, _ in pairs):
            return {str(plain(key)): value for key, value in pairs}
        return {"$": kind, "v": sorted(([canonical(k), v] for k, v in pairs), key=json.dumps)}
    if kind in ("tuple", "set", "frozenset"):
        return {"$": kind, "v": [canonical(item, text_keys=text_keys) for item in content]}
    return {"$": kind, "v": content}


# ------------------------------------------------------------------------------- what is said


def read_lines(found: Readable, target: str) -> Iterator[str]:
    """One line for all that was read, then each value that is not what it was."""
    count = sum(table.expected for table in found.tables)
    answer = "are what they were" if found.ok else "are NOT all what they were"
    each = ", ".join(f"{table.name} {table.equal}/{table.expected}" for table in found.tables)
    yield f"read through Airflow {target}: {count} values {answer} ({each})"
    for one in found.unreadable:
        key = " / ".join(str(part) for part in one.key)
        yield f"{one.table}{' ' + key if key else ''}: {one.reason}"


def read_document(found: Readable) -> dict[str, Any]:
    """The same as JSON values."""
    return {**asdict(found), "ok": found.ok}
