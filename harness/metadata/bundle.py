"""A bundle: one compressed file a table, and a manifest that is written last.

    manifest.json                 what is in it; a bundle without one is not a bundle
    tables/<table>.copy.gz        a header line (JSON), then one row a line (see ``copytext``)
    listed/<table>.jsonl.gz       rows and values that are not carried, with key and reason

A table's file is a chain of gzip members: the header, then one member a chunk. Everything that
reads gzip reads it as one file; an import goes straight to the chunk where it was stopped.
``manifest.json`` names each file's size and SHA-256 and each chunk's place and rows. Where the
bundle is sealed, the manifest is signed with the passphrase, so that nobody without it can change
a bundle unnoticed.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import collections
import hashlib
import json
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Callable, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from harness.metadata.copytext import BLOCK, lines_of
from harness.metadata.options import CHUNK_ROWS
from harness.metadata.problems import BundleProblem
from harness.metadata.stores import Store
from harness.metadata.tables import TABLES

FORMAT = "mwaa-harness/metadata-bundle/1"
FAMILY = "mwaa-harness/metadata-bundle/"
MANIFEST = "manifest.json"
LEVEL = 1
AHEAD = 8
"""How many blocks may wait to be compressed: what bounds the memory."""


@dataclass(frozen=True)
class Chunk:
    """One gzip member of a table's file: its place in the file, and how many rows it holds."""

    offset: int
    length: int
    rows: int


@dataclass(frozen=True)
class File:
    """One file of a bundle."""

    name: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class TableEntry:
    """What a bundle says of one table.

    ``source_rows`` = rows of ``file`` + the sum of ``listed`` + ``left_out`` (by ``--since``).
    ``listed`` is reason → rows; ``values`` is reason → values that are listed although their row
    is carried; ``transformed`` is transform → values that it changed. ``columns`` are pairs of
    name and type. ``ranges`` is column → smallest and largest value, as text.
    """

    name: str
    source_rows: int
    columns: Tuple[Tuple[str, str], ...] = ()
    file: File | None = None
    chunks: Tuple[Chunk, ...] = ()
    listed_file: File | None = None
    listed: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)
    transformed: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0
    ranges: Mapping[str, Tuple[str, str]] = field(default_factory=dict)
    why_not: str = ""

    @property
    def rows(self) -> int:
        """How many rows are carried."""
        return self.file.rows if self.file else 0


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds, and where it comes from."""

    airflow: str
    revision: str
    dialect: str
    exported: str
    tables: Tuple[TableEntry, ...]
    since: str = ""
    seal: Mapping[str, Any] = field(default_factory=dict)
    unknown_tables: Mapping[str, Optional[int]] = field(default_factory=dict)
    unknown_columns: Tuple[str, ...] = ()
    signature: str = ""
    format: str = FORMAT

    @property
    def identity(self) -> str:
        """What tells this bundle from every other one."""
        return hashlib.sha256(manifest_bytes(replace(self, signature=""))).hexdigest()

    def table(self, name: str) -> TableEntry | None:
        """The entry of a table."""
        return next((entry for entry in self.tables if entry.name == name), None)


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as its file's content; the same manifest is always the same bytes."""
    return (json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n").encode("utf-8")


def parse_manifest(data: bytes, where: str) -> Manifest:
    """The manifest that a file holds. Raises BundleProblem when it is none of ours."""
    try:
        raw = json.loads(data.decode("utf-8"))
        format_ = raw["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleProblem(
            f"{where}: {MANIFEST} is damaged ({error}).", hint="Export again."
        ) from None
    if format_ != FORMAT:
        known = str(format_).startswith(FAMILY)
        raise BundleProblem(
            f"{where}: the bundle's format is {format_!r}, this program reads {FORMAT!r}.",
            hint="Use the version of mwaa-harness that wrote it, or export again."
            if known
            else "This is not a bundle of `mwaa-harness metadata export`.",
        )
    try:
        tables = tuple(_entry(entry) for entry in raw.pop("tables"))
        raw["unknown_columns"] = tuple(raw.get("unknown_columns", ()))
        return Manifest(tables=tables, **raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleProblem(
            f"{where}: {MANIFEST} is damaged ({error}).", hint="Export again."
        ) from None


def _entry(raw: Dict[str, Any]) -> TableEntry:
    if raw["name"] not in {table.name for table in TABLES}:
        raise ValueError(f"unknown table {raw['name']!r}")
    raw["columns"] = tuple((str(name), str(kind)) for name, kind in raw["columns"])
    raw["chunks"] = tuple(Chunk(**chunk) for chunk in raw["chunks"])
    for key in ("file", "listed_file"):
        raw[key] = File(**raw[key]) if raw[key] else None
    entry = TableEntry(**raw)
    # Names come from us, never from the file: a manifest cannot lead anywhere else.
    if entry.file and entry.file.name != table_file(entry.name):
        raise ValueError(f"unexpected file {entry.file.name!r}")
    if entry.listed_file and entry.listed_file.name != listed_file(entry.name):
        raise ValueError(f"unexpected file {entry.listed_file.name!r}")
    if sum(chunk.rows for chunk in entry.chunks) != entry.rows:
        raise ValueError(f"{entry.name}: the chunks do not add up to the rows")
    return entry


def table_file(table: str) -> str:
    """The name of a table's file."""
    return f"tables/{table}.copy.gz"


def listed_file(table: str) -> str:
    """The name of the file of a table's rows that are not carried."""
    return f"listed/{table}.jsonl.gz"


def _packer() -> Any:
    return zlib.compressobj(LEVEL, zlib.DEFLATED, 31)


class TableWriter:
    """Writes a file of a bundle in blocks of lines, cut into chunks of rows.

    Compressing and storing is done by a thread of its own, a few blocks behind: memory does not
    grow with the rows, and a block that cannot be stored makes one of the next calls raise.
    """

    def __init__(
        self, store: Store, name: str, header: Mapping[str, Any], chunk_rows: int = CHUNK_ROWS
    ) -> None:
        self.name = name
        self.rows = 0
        self._out = store.writer(name)
        self._hash = hashlib.sha256()
        self._size = self._begin = 0
        self._chunk_rows = chunk_rows
        self._chunks: List[Chunk] = []
        self._in_chunk = 0
        self._packer = _packer()
        self._thread = ThreadPoolExecutor(1)
        self._ahead: Deque[Future[None]] = collections.deque()
        if header:
            line = json.dumps(header, sort_keys=True, ensure_ascii=True).encode("ascii") + b"\n"
            self._later(self._pack, line)
            self._later(self._end_member, 0)

    def write(self, block: bytes) -> None:
        """Some rows, each with its newline."""
        rows = block.count(b"\n")
        if self._in_chunk + rows <= self._chunk_rows:
            self._add(block, rows)
            return
        lines = lines_of(block)
        while lines:
            room = self._chunk_rows - self._in_chunk
            part, lines = lines[:room], lines[room:]
            self._add(b"".join(part), len(part))

    def _add(self, block: bytes, rows: int) -> None:
        self._later(self._pack, block)
        self.rows += rows
        self._in_chunk += rows
        if self._in_chunk == self._chunk_rows:
            self._end_chunk()

    def _end_chunk(self) -> None:
        self._later(self._end_member, self._in_chunk)
        self._in_chunk = 0

    def _later(self, work: Callable[[Any], None], argument: Any) -> None:
        self._ahead.append(self._thread.submit(work, argument))
        while len(self._ahead) > AHEAD:
            self._ahead.popleft().result()

    # --- in the thread ---

    def _pack(self, block: bytes) -> None:
        self._put(self._packer.compress(block))

    def _end_member(self, rows: int) -> None:
        """End a gzip member; one with rows is a chunk."""
        self._put(self._packer.flush())
        self._packer = _packer()
        if rows:
            self._chunks.append(Chunk(self._begin, self._size - self._begin, rows))
        self._begin = self._size

    def _put(self, data: bytes) -> None:
        if data:
            self._hash.update(data)
            self._size += len(data)
            self._out.write(data)

    # --- its end ---

    def finish(self) -> Tuple[File, Tuple[Chunk, ...]]:
        """Complete the file under its name."""
        if self._in_chunk:
            self._end_chunk()
        while self._ahead:
            self._ahead.popleft().result()
        self._thread.shutdown()
        self._out.finish()
        file = File(self.name, self._size, self._hash.hexdigest(), self.rows)
        return file, tuple(self._chunks)

    def abort(self) -> None:
        """Leave nothing behind."""
        for future in self._ahead:
            future.cancel()
        self._thread.shutdown()
        self._out.abort()


def blocks(store: Store, name: str, chunk: Chunk) -> Iterator[bytes]:
    """A chunk's rows, as blocks of whole lines. Raises BundleProblem for a damaged chunk."""
    unpacker = zlib.decompressobj(31)
    begun: List[bytes] = []  # of a line whose end is yet to come
    try:
        for data in store.read(name, chunk.offset, chunk.length):
            while data:
                block = unpacker.decompress(data, BLOCK)
                data = unpacker.unconsumed_tail
                end = block.rfind(b"\n") + 1
                if end:
                    yield b"".join([*begun, block[:end]])
                    begun = []
                begun.append(block[end:])
        begun.append(unpacker.flush())
    except zlib.error as error:
        raise BundleProblem(f"{store.where}: {name} is damaged ({error}).") from None
    rest = b"".join(begun)
    if rest:
        yield rest
    if not unpacker.eof:
        raise BundleProblem(f"{store.where}: {name} is cut off.", hint="Export again.")


def header_of(store: Store, entry: TableEntry) -> Dict[str, Any]:
    """The first line of a table's file."""
    if entry.file is None:
        return {}
    end = entry.chunks[0].offset if entry.chunks else entry.file.bytes
    text = b"".join(blocks(store, entry.file.name, Chunk(0, end, 0)))
    header: Dict[str, Any] = json.loads(text.decode("ascii"))
    return header


def check_files(store: Store, manifest: Manifest, names: Sequence[str]) -> None:
    """Compare the files of those tables with the manifest, byte for byte.

    Raises BundleProblem that names every file that is missing, cut off or changed.
    """
    wrong = []
    for entry in manifest.tables:
        for file in (entry.file, entry.listed_file):
            if file is None or entry.name not in names:
                continue
            size, digest = 0, hashlib.sha256()
            try:
                for data in store.read(file.name, 0, None):
                    size += len(data)
                    digest.update(data)
            except FileNotFoundError:
                wrong.append(f"{file.name} is missing")
                continue
            if size < file.bytes:
                wrong.append(f"{file.name} is cut off: {size} of {file.bytes} bytes")
            elif size != file.bytes or digest.hexdigest() != file.sha256:
                wrong.append(f"{file.name} is not what was exported (SHA-256 differs)")
    if wrong:
        raise BundleProblem(
            f"{store.where} is damaged: {'; '.join(wrong)}.",
            hint="Nothing was written. Copy the bundle again, or export again.",
        )


def read_manifest(store: Store) -> Manifest:
    """The manifest of the bundle in a store. Raises BundleProblem when there is none."""
    try:
        data = b"".join(store.read(MANIFEST, 0, None))
    except FileNotFoundError:
        raise BundleProblem(
            f"{store.where}: there is no complete bundle ({MANIFEST} is missing).",
            hint="An export writes the manifest last: run it again to its end.",
        ) from None
    return parse_manifest(data, store.where)
