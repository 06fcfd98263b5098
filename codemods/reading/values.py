"""How the value of an argument is written where the target's class takes another shape.

A row of ``arguments_by_hand.txt`` names one of ``SHAPES``. Each takes the value and the text that
holds it, and gives the new code, or None when only a person can tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from codemods.reading.source import Source

Shape = Callable[[ast.expr, Source], str | None]

_FILES = (".sql", ".json", ".hql", ".q", ".pig", ".pg")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
# Where Dataproc finds a file by itself; 1.10 uploaded anything else.
_REMOTE = ("gs://", "hdfs://", "file://", "s3://", "{{")


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """A call that gathers arguments: ``@name`` as a key in a row."""

    path: str
    tail: str = ""


WRAPPERS: Mapping[str, Wrapper] = {
    "ClusterGenerator": Wrapper(
        path="airflow.providers.google.cloud.operators.dataproc.ClusterGenerator", tail=".make()"
    ),
    "DataflowConfiguration": Wrapper(
        path="airflow.providers.google.cloud.operators.dataflow.DataflowConfiguration"
    ),
}


def text_of(value: ast.expr) -> str | None:
    """The text of a string constant."""
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def whole_texts(source: Source) -> Iterator[ast.Constant]:
    """Every string constant that is no piece of an f-string."""
    pieces = {id(v) for text in source.every(ast.JoinedStr) for v in text.values}
    for node in source.every(ast.Constant):
        if isinstance(node.value, str) and id(node) not in pieces:
            yield node


def quoted(text: str) -> str:
    """A string literal in double quotes."""
    both = "'\""  # then repr always takes single quotes
    return '"' + repr(both + text)[4:-1].replace("\\'", "'").replace('"', '\\"') + '"'


def known(value: ast.expr, source: Source) -> ast.expr:
    """The expression itself, or the one that its name always stands for."""
    if isinstance(value, ast.Name):
        values = source.assigned.get(value.id, [])
        return values[0] if len(values) == 1 else value
    return value


def readable(value: ast.expr, source: Source, place: str) -> str:
    """As much of a text as its code shows, with ``place`` for what it does not."""
    if isinstance(value, ast.Name):
        return text_of(known(value, source)) or place
    if isinstance(value, ast.JoinedStr):
        return "".join(text_of(part) or place for part in value.values)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return "".join(readable(side, source, place) for side in (value.left, value.right))
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
        return re.sub(r"%(\(\w+\))?[a-z]", place, readable(value.left, source, place))
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        text = readable(value.func.value, source, place) if value.func.attr == "format" else place
        return re.sub(r"({{|}})|{[^{}]*}", lambda m: m[1][0] if m[1] else place, text)
    return text_of(value) or place


def returned(source: Source, name: str) -> ast.expr | None:
    """What the one function of that name always returns."""
    functions = [n for n in source.tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    returns = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Return)]
    return returns[0].value if len(functions) == len(returns) == 1 else None


def _included(value: ast.expr, source: Source) -> str | None:
    """A template that was rendered as a file's name is included where only text is rendered."""
    meant = known(value, source)
    text = text_of(meant)
    if text is not None and text.endswith(_FILES):
        inside = quoted("{% include '" + text + "' %}")
        if meant is value:
            return inside
        return f'"{{% include \'" + {source.segment(value)} + "\' %}}"'
    if isinstance(meant, ast.Call) and isinstance(meant.func, ast.Name):
        meant = returned(source, meant.func.id) or meant
    pieces = pieces_of(meant, source)
    plain = pieces is not None and not pieces[-1][0].endswith(_FILES)
    if plain or (
        isinstance(meant, ast.Call)
        and isinstance(meant.func, ast.Attribute)
        and meant.func.attr == "read"
    ):
        return source.segment(value)
    return None


def _query(value: ast.expr, source: Source) -> str | None:
    """One query; BigQuery's operators render a file's name wherever it stands."""
    meant = known(value, source)
    if isinstance(meant, ast.List | ast.Tuple | ast.Set | ast.ListComp | ast.GeneratorExp):
        return None  # 1.10 ran each as a job of its own
    return _included(value, source) or source.segment(value)


def _queries(value: ast.expr, source: Source) -> str | None:
    included = _included(value, source)
    return f"[{included}]" if included is not None else None


def pieces_of(value: ast.expr, source: Source) -> list[tuple[str, bool]] | None:
    """A string as (text, whether it is literal): constants, f-strings, sums, simple ``%`` and
    ``.format``."""
    text = text_of(value)
    if text is not None:
        return _literal(text)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        sides = [(side, pieces_of(side, source)) for side in (value.left, value.right)]
        if all(pieces is None for _, pieces in sides):
            return None
        return [p for side, pieces in sides for p in pieces or [(source.segment(side), False)]]
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
        given = value.right.elts if isinstance(value.right, ast.Tuple) else [value.right]
        return _filled_in(text_of(value.left) or "", "%s", "%", given, source)
    if isinstance(value, ast.JoinedStr):
        found: list[tuple[str, bool]] = []
        for part in value.values:
            if isinstance(part, ast.FormattedValue):
                if part.conversion != -1 or part.format_spec is not None:
                    return None
                found.append((source.segment(part.value), False))
            else:
                found += _literal(text_of(part) or "")
        return found
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "format"
        and (text := text_of(value.func.value)) is not None
        and not value.keywords
        and "{{" not in text
    ):
        return _filled_in(text, "{}", "{", value.args, source)
    return None


def _filled_in(
    text: str, place: str, mark: str, given: Sequence[ast.expr], source: Source
) -> list[tuple[str, bool]] | None:
    """A text with values in the places of it; ``mark`` is what anything else begins with."""
    parts = text.split(place)
    if len(parts) != len(given) + 1 or any(mark in p for p in parts):
        return None
    found = _literal(parts[0])
    for value, rest in zip(given, parts[1:], strict=True):
        found += [(source.segment(value), False), *_literal(rest)]
    return found


def _literal(text: str) -> list[tuple[str, bool]]:
    """Jinja expressions count as values: what is inside them is not split."""
    found: list[tuple[str, bool]] = []
    at = 0
    for match in _TEMPLATE.finditer(text):
        found += [(text[at : match.start()], True), (match[0], True)]
        at = match.end()
    return [*found, (text[at:], True)]


def joined(pieces: list[tuple[str, bool]]) -> str:
    """The code of a text made of pieces."""
    pieces = [p for p in pieces if p[0]]
    if all(literal for _, literal in pieces):
        return quoted("".join(text for text, _ in pieces))
    if len(pieces) == 1:
        return pieces[0][0]
    inner = "".join(
        text.replace("{", "{{").replace("}", "}}") if literal else "{" + text + "}"
        for text, literal in pieces
    )
    if ('"' in inner and "'" in inner) or "\\" in inner or "\n" in inner:
        return " + ".join(quoted(t) if literal else f"str({t})" for t, literal in pieces)
    return f"f'{inner}'" if '"' in inner else f'f"{inner}"'


def split_pieces(pieces: list[tuple[str, bool]], at: str) -> list[list[tuple[str, bool]]]:
    """The pieces between the separators that ``at`` matches in the literal parts."""
    groups: list[list[tuple[str, bool]]] = [[]]
    for text, literal in pieces:
        if not literal or _TEMPLATE.fullmatch(text):
            groups[-1].append((text, literal))
            continue
        first, *more = re.split(at, text)
        groups[-1].append((first, True))
        groups += [[(part, True)] for part in more]
    return groups


def _table(value: ast.expr, source: Source) -> str | None:
    """``project.dataset.table`` as BigQuery's TableReference; the project must be in sight."""
    pieces = pieces_of(known(value, source), source)
    if pieces is None:
        return None
    groups = split_pieces(pieces, r"[.:]")
    if len(groups) != 3 or not all(any(t for t, _ in g) for g in groups):
        return None
    names = ("projectId", "datasetId", "tableId")
    inside = (f'"{n}": {joined(g)}' for n, g in zip(names, groups, strict=True))
    return "{" + ", ".join(inside) + "}"


def _table_parts(value: ast.expr, source: Source) -> list[str] | None:
    """The code of dataset and table, and of a project before them when there is one."""
    pieces = pieces_of(known(value, source), source)
    groups = split_pieces(pieces, r"[.:]") if pieces is not None else []
    if len(groups) not in (2, 3) or not all(any(t for t, _ in g) for g in groups):
        return None
    parts = [joined(g) for g in groups]
    if len(parts) == 2 and not _dataset(groups[0], parts[0], source):
        return None  # it may hold the project as well
    return parts


def _dataset(pieces: list[tuple[str, bool]], code: str, source: Source) -> bool:
    """Whether a part of a table's name is the dataset alone: a text, or named so elsewhere."""
    if all(literal and not _TEMPLATE.fullmatch(text) for text, literal in pieces):
        return True
    return any(
        node.arg == "dataset_id" and source.segment(node.value) == code
        for node in source.every(ast.keyword)
    )


def _part(place: int) -> Shape:
    def part(value: ast.expr, source: Source) -> str | None:
        parts = _table_parts(value, source)
        return parts[place] if parts is not None and len(parts) >= -place else None

    return part


def _table_sketch(value: ast.expr, source: Source) -> str:
    """What can be said of a TableReference whose project is the connection's."""
    pieces = pieces_of(known(value, source), source)
    groups = split_pieces(pieces, r"[.:]") if pieces is not None else []
    names = [joined(g) for g in groups] if len(groups) == 2 else ["...", "..."]
    return (
        f'{{"projectId": "<the connection\'s project>", "datasetId": {names[0]}, '
        f'"tableId": {names[1]}}}'
    )


def sketch(shape: str, value: ast.expr, source: Source) -> str:
    """How to write a value that is not mechanical, with what is in sight of it."""
    return _table_sketch(value, source) if shape == "table" else SHAPES[shape][1]


def _remote(value: ast.expr, source: Source) -> str | None:
    """A file that Dataproc can read by itself."""
    pieces = [p for p in pieces_of(known(value, source), source) or () if p[0]]
    text, literal = pieces[0] if pieces else ("", True)
    # what starts with a value that is not in sight counts as well
    return source.segment(value) if text.startswith(_REMOTE) or not literal else None


def _several(value: ast.expr, source: Source) -> str | None:
    """A list where 1.10 took one text as well: protobuf would take its letters."""
    code = source.segment(value)
    return code if pieces_of(known(value, source), source) is None else f"[{code}]"


def _sole(value: ast.expr, source: Source) -> str | None:
    """The one element of a list."""
    meant = known(value, source)
    if isinstance(meant, ast.List | ast.Tuple) and len(meant.elts) == 1:
        return None if isinstance(meant.elts[0], ast.Starred) else source.segment(meant.elts[0])
    return None


def _fields(value: ast.expr, source: Source) -> str | None:
    return f'{{"fields": {source.segment(value)}}}'


def _suffix_glob(value: ast.expr, source: Source) -> str | None:
    """What 1.10 called a delimiter was the end of the name."""
    pieces = pieces_of(value, source)
    return joined([("**/*", True), *pieces]) if pieces is not None else None


def _folder(value: ast.expr, source: Source) -> str | None:
    """A folder of S3 as a pattern of all that is below it."""
    pieces = [p for p in pieces_of(known(value, source), source) or () if p[0]]
    text, literal = pieces[-1] if pieces else ("", False)
    plain = "".join(t for t, lit in pieces if lit and not _TEMPLATE.fullmatch(t))
    if not literal or any(mark in plain for mark in "*?["):
        return None  # it may end in "/" or not, or has a pattern's signs
    if pieces_of(value, source) is None:  # a name stays
        pieces = [(source.segment(value), False)]
    return joined([*pieces, ("*" if text.endswith("/") else "/*", True)])


def _ssh(value: ast.expr, source: Source) -> str | None:
    """The connection of a hook that has nothing but that."""
    hook = known(value, source)
    if not isinstance(hook, ast.Call) or len(hook.args) + len(hook.keywords) != 1:
        return None
    path = source.path_of(hook.func) or ""
    given = {k.arg: k.value for k in hook.keywords} or {"ssh_conn_id": hook.args[0]}
    connection = given.get("ssh_conn_id")
    if connection is None or path.rpartition(".")[2] != "SSHHook":
        return None
    return source.segment(connection)


def _text(value: ast.expr, source: Source) -> str | None:
    """A number as the text that it was read as."""
    if pieces_of(known(value, source), source) is not None:
        return source.segment(value)
    if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
        return None if isinstance(value.value, bool) else f'"{value.value}"'
    return None


def _dill(value: ast.expr, _: Source) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        return '"dill"' if value.value else '"pickle"'
    return None


def _exists(value: ast.expr, _: Source) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        return '"ignore"' if value.value else '"log"'
    return None


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: ast.expr, _: Source) -> str | None:
    """``10m`` as a Duration."""
    match = re.fullmatch(r"(\d+)([smhd])", text_of(value) or "")
    return f'{{"seconds": {int(match[1]) * _UNITS[match[2]]}}}' if match else None


SHAPES: Mapping[str, tuple[Shape, str]] = {
    "include": (_included, "a file as {% include %}"),
    "query": (
        _query,
        "one text; where 1.10 ran a list, make a task of each",
    ),
    "queries": (_queries, "a list of texts, a file as {% include %}"),
    "table": (_table, '{"projectId": ..., "datasetId": ..., "tableId": ...}, all three given'),
    "project": (_part(-3), "the project of a table's full name"),
    "dataset": (_part(-2), "the dataset of a table's full name"),
    "name": (_part(-1), "the table of a table's full name"),
    "remote": (_remote, "a file that Dataproc can read (gs://...): 1.10 uploaded local ones"),
    "several": (_several, "a list"),
    "sole": (_sole, "the one element of the list: several have to become one package"),
    "fields": (_fields, '{"fields": [...]}'),
    "folder": (_folder, '"<prefix>/*"'),
    "ssh": (_ssh, "the connection of the hook; or give sftp_hook=SFTPHook(...)"),
    "glob": (_suffix_glob, '"**/*" and the end of the name'),
    "dill": (_dill, '"dill" or "pickle"'),
    "exists": (_exists, '"ignore" or "log"'),
    "seconds": (_seconds, '{"seconds": ...}'),
    "text": (_text, "a string"),
}
