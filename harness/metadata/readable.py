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
from harness.metadata.copytext import escape, fields, lines_of, unescape
from harness.metadata.inside import Inside
from harness.metadata.outgoing import place_of
from harness.metadata.readback import Read, digest, new_secret, readback
from harness.metadata.schema import Table
from harness.metadata.sealing import Seal
from harness.metadata.stores import Store
from harness.metadata.tables import TABLES
from harness.metadata.values import Unrepresentable, plain, xcom_value

SHOWN = 50
DIGEST = 16
"""Bytes that are remembered of a key and its value."""

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
    """Where a table of the readback comes from: the bundle's table, the row's key, its value.

    ``pickled``: the value is the last column, and most often an empty dict, which is only counted.
    """

    name: str
    table: str
    key: tuple[str, ...]
    value: Callable[[Row, _Bundle], Any]
    pickled: bool = False


EMPTY = b"\t{}\n"


class NotExpected(Exception):
    """The target cannot hold this value, and the import has said so."""


class _Bundle:
    """What a value needs of its bundle: the seal, this run's secret, the target's version."""

    def __init__(self, store: Store, manifest: Manifest, seal: Seal | None, target: str) -> None:
        self.store, self.manifest, self.seal, self.target = store, manifest, seal, target
        self.secret = new_secret()

    def entry(self, name: str) -> TableEntry | None:
        """The carried table of that name."""
        found = self.manifest.table(name)
        return found if found is not None and found.file is not None else None

    def lines(self, name: str) -> Iterator[bytes]:
        """Its rows as blocks of lines."""
        entry = self.entry(name)
        if entry is not None and entry.file is not None:
            for chunk in entry.chunks:
                yield from blocks(self.store, entry.file.name, chunk)

    def names(self, name: str) -> list[str]:
        """Its columns."""
        entry = self.entry(name)
        return [column for column, _ in entry.columns] if entry is not None else []

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
    Source("dag_run.conf", "dag_run", ("dag_id", "run_id"), _pickle("conf"), True),
    Source(
        "task_instance.executor_config", "task_instance", INSTANCE, _pickle("executor_config"), True
    ),
    Source("xcom.value", "xcom", (*INSTANCE, "key"), _xcom),
    Source("variable", "variable", ("key",), _variable),
    Source("connection", "connection", ("conn_id",), _connection),
    Source("slot_pool", "slot_pool", ("pool",), _pool),
)


def read_back(
    store: Store,
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
    if () in logs:
        known[()] = logs.pop(())
        yield Unreadable(LOG_NAME, (), f"not all can be read: {known[()].error}")
    names = bundle.names("task_instance")
    positions = [names.index(name) for name in INSTANCE]
    raw = {tuple(escape(str(part).encode("utf-8")) for part in key) for key in logs}
    first = max(positions) + 1
    for block in bundle.lines("task_instance"):
        for line in lines_of(block):
            values = line.split(b"\t", first)
            if tuple([values[position] for position in positions]) not in raw:
                continue
            row = dict(zip(names, fields(line), strict=True))
            key = tuple(_field(row, name) for name in INSTANCE)
            known[key] = read = logs[key]
            expected = f"{key[0]}/{key[1]}/{_moment(str(_field(row, 'execution_date')))}/1.log"
            if read.error:
                yield Unreadable(LOG_NAME, key, f"the name of its log is not known: {read.error}")
            elif read.value != expected:
                yield Unreadable(LOG_NAME, key, f"its log is looked for as {read.value}")
    logs.clear()
    logs.update(known)


def _moment(text: str) -> str:
    """A time as 1.10 writes it; one that Python has no value for as it is."""
    try:
        return datetime.datetime.fromisoformat(text).isoformat()
    except ValueError:
        return text


class _Digests:
    """Key → digest of its value, 16 bytes a value: a dict of a million takes 200 MB."""

    def __init__(self) -> None:
        self.buckets = [bytearray() for _ in range(1 << 12)]
        self.count = 0

    def _place(self, key: Key) -> tuple[bytearray, bytes]:
        short = _short(key)
        return self.buckets[int.from_bytes(short[:2], "big") >> 4], short

    def put(self, key: Key, value: bytes) -> None:
        """One more."""
        bucket, short = self._place(key)
        bucket += short + value
        self.count += 1

    def pop(self, key: Key) -> bytes | None:
        """The digest of a key's value, which goes; None for a key that is not there."""
        bucket, short = self._place(key)
        place = bucket.find(short)
        while place % DIGEST and place >= 0:
            place = bucket.find(short, place + 1)
        if place < 0:
            return None
        value = bytes(bucket[place + DIGEST // 2 : place + DIGEST])
        del bucket[place : place + DIGEST]
        self.count -= 1
        return value


class _Sides:
    """One table: digests of what the bundle says, crossed off as the target says the same."""

    def __init__(self, source: Source, bundle: _Bundle) -> None:
        self.source = source
        self.expected = _Digests()
        self.count = self.equal = self.wrong = self.empty = self.empty_read = 0
        self.shown = 0
        names = bundle.names(source.table)
        for block in bundle.lines(source.table):
            for line in lines_of(block):
                if source.pickled and line.endswith(EMPTY):
                    self.empty += 1
                else:
                    self._expect(dict(zip(names, fields(line), strict=True)), bundle)
        self.count += self.empty

    def _expect(self, row: Row, bundle: _Bundle) -> None:
        try:
            value = self.source.value(row, bundle)
        except NotExpected:
            return
        self.count += 1
        key = tuple(_field(row, name) for name in self.source.key)
        self.expected.put(key, self._digest(value))

    def take(self, read: Read) -> Iterator[Unreadable]:
        """What the target says of one row."""
        if not read.key:
            yield from self._wrong((), f"the table cannot be read: {read.error}")
            return
        expected = self.expected.pop(read.key)
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
        missing = self.expected.count
        if missing:
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
    return hashlib.blake2b(text.encode("ascii"), digest_size=DIGEST // 2).digest()


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
