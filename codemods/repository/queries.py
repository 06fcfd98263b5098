"""Whether SQL gives rows, as far as its text tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

PLACE = "*"  # stands for what is not known of a text
_HIDDEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/|\{\#.*?\#\}|\{%.*?%\})
    |(?P<value>\{\{.*?\}\}|'(?:[^'\\]|''|\\.)*'|"[^"]*"|`[^`]*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)""",
    re.DOTALL | re.VERBOSE,
)
_INSIDE = re.compile(r"\([^()]*\)")
_WORD = re.compile(r"[A-Za-z_]\w*|\*")
_GIVING = {"DESC", "DESCRIBE", "EXPLAIN", "FETCH", "PRAGMA", "SELECT", "SHOW", "TABLE", "VALUES"}
_CHANGING = {"DELETE", "INSERT", "MERGE", "REPLACE", "UPDATE"}
_UNKNOWN = {PLACE, "CALL", "EXEC", "EXECUTE"}


def gives_rows(sql: str) -> bool | None:
    """Whether the last statement of a text gives rows; None where only the database knows."""
    plain = _HIDDEN.sub(lambda m: " " if m["comment"] else PLACE, sql)
    statements = [s for s in plain.split(";") if s.strip()]
    if not statements:
        return None
    last, inside = statements[-1].strip().lstrip("("), 1
    while inside:
        last, inside = _INSIDE.subn(" ", last)
    words = [word.upper() for word in _WORD.findall(last)]
    if words[:1] == ["WITH"]:
        words = words[next((i for i, w in enumerate(words) if w in _GIVING | _CHANGING), 0) :]
    first = words[0] if words else PLACE
    if first in _UNKNOWN:
        return None
    return "RETURNING" in words if first in _CHANGING else first in _GIVING and "INTO" not in words


def file_gives_rows(files: Mapping[str, bool | None], name: str) -> bool | None:
    """The same of the template file that an operator calls ``name``, out of the repository's, where
    all that it may be agree."""
    told = name.strip(PLACE + "/.")
    ends = "*/" + re.sub(r"\{\{.*?\}\}", PLACE, told)
    found = {rows for path, rows in files.items() if fnmatchcase(f"/{path}", ends)}
    return found.pop() if len(found) == 1 else True if True in found else None
