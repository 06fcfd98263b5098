"""Sources of Python 2 and of Python before 3.7: what is wrong with them, and their translation.

The translation is fissix's, the maintained copy of lib2to3 (which Python 3.13 dropped). What it
leaves is done here: indentation in which a tab counts as eight columns, and ``async`` and
``await`` as names, which 3.7 made keywords.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from codemods.base import Edit
from codemods.reading.parsing import parsed

ID = "python2-source"

# All of fissix's own but these: matters of taste, and ``import x`` as ``from . import x``, which
# is wrong in a DAG folder: it is no package, it is on sys.path.
_LEFT_OUT = {"asserts", "buffer", "idioms", "import", "set_literal", "sorted", "ws_comma"}

# What Python 2, Python before 3.7 or none took and 3 does not: pattern in the line → what to say.
_WRONG: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), says)
    for pattern, says in (
        (r"^\s*(?:.*[:;]\s*)?print\b(?!\s*[(=.,)\]]|\s*$)", "print is a function in Python 3"),
        (r"^\s*(?:.*[:;]\s*)?print\s*>>", "print >> file is print(…, file=file) in Python 3"),
        (r"^\s*(?:.*[:;]\s*)?exec\s+[^\s(=.]", "exec is a function in Python 3"),
        (r"\bexcept\s+[^:]+,\s*\w+\s*:", "`except X, e` is `except X as e` in Python 3"),
        (r"\braise\s+[\w.]+\s*,", "`raise X, 'text'` is `raise X('text')` in Python 3"),
        (r"`[^`]+`", "backticks are repr() in Python 3"),
        (r"<>", "`<>` is `!=` in Python 3"),
        (r"(?<![\w.])0[0-7]+[lL]?\b(?!\.)", "an octal number is 0o… in Python 3"),
        (r"(?<![\w.])(?:0[xX][\da-fA-F]+|\d+)[lL]\b", "Python 3 has no long numbers (1L)"),
        (r"\b[uU][rR]['\"]", "ur'' strings are gone: use r''"),
        (r"\bdef\s+\w+\s*\([^)]*\(\s*\w+\s*,", "a parameter cannot be a tuple in Python 3"),
        (r"\blambda\s*\(", "a parameter cannot be a tuple in Python 3"),
        (
            r"\b(?:async|await)\s*(?=[=,.)\]:]|$)|[.]\s*(?:async|await)\b|\bdef\s+(?:async|await)\b"
            r"|\bimport\s+(?:async|await)\b",
            "async and await are keywords since Python 3.7 and cannot be names",
        ),
        (
            r"\{%|%\}",
            "this is a Jinja template, of which something else makes the Python: migrate what it "
            "makes, and carry the changes over to the template",
        ),
    )
)


def what_is_wrong(text: str, error: SyntaxError) -> str:
    """``line N: …`` for a text that the parser refused, in words that say what to change."""
    line = error.lineno or 1
    rows = text.split("\n")
    if isinstance(error, TabError):
        return f"line {line}: {error.msg}: tabs and spaces are mixed"
    # The parser may stop a line behind what it did not understand.
    for number in (line, line - 1):
        row = _without_strings(rows[number - 1]) if 0 < number <= len(rows) else ""
        for pattern, says in _WRONG:
            if pattern.search(row):
                return f"line {number}: {error.msg}: {says}"
    return f"line {line}: {error.msg}"


# The same, cheaper and less exact. Each begins with letters, which the search looks for first;
# what must stand before them on the line is looked at after.
_ANYWHERE = tuple(
    (re.compile(pattern, re.MULTILINE), re.compile(before))
    for pattern, before in (
        (r"print(?:[ \t]+[\w'\"{%]|[ \t]*>>)", r"(?:.*[:;])?\s*\Z"),
        (r"except\s+(?:[\w.]+|\([^)\n]*\))\s*,\s*\w+\s*:", r"\s*\Z"),
        (r"raise\s+[\w.]+\s*,", r"(?:.*[:;])?\s*\Z"),
        (r"exec\s+[\w'\"]", r"(?:.*[:;])?\s*\Z"),
        (r"`[^`\n]+`", r".*[=(,+%]\s*\Z"),
        (r"<>", r""),
        (r"0[0-7]+[lL]?\b(?![.:/-])", r".*[=(,\[+*|&<>-]\s*\Z|.*\breturn\s*\Z"),
        (r"[0-9][lL]\b", r".*[^\w.]\d*\Z|\d*\Z"),
        (r"[uU][rR]['\"]", r".*\W\Z|\Z"),
        (r"async\b(?!\s+(?:def|for|with)\b)", r"[^#]*\Z"),
        (r"await\b(?!\s+[\w(\[])", r"[^#]*\Z"),
        (r"def\s+\w+\([^)\n]*\(\s*\w+\s*,", r"\s*\Z"),
        (r"lambda\s*\(", r""),
    )
)


def may_be_old(text: str) -> bool:
    """Whether some line looks like what Python 3.7 refuses: cheap, and may be wrong."""
    for pattern, before in _ANYWHERE:
        for found in pattern.finditer(text):
            start = text.rfind("\n", 0, found.start()) + 1
            if before.match(text[start : found.start()]):
                return True
    return "\n\t" in text and "\n " in text


_STRINGS = re.compile(r"(?<![uUbB][rR])(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")


def _without_strings(row: str) -> str:
    """A line whose plain strings are empty and whose comment is gone."""
    kept = _STRINGS.sub(lambda m: m[0][0] * 2, row)
    return kept.partition("#")[0]


_PRINT_TO = re.compile(r"^\s*print\s*>>", re.MULTILINE)  # parses, and fails when it runs


def convert(text: str) -> tuple[str, tuple[Edit, ...]]:
    """The text as Python 3, and an edit for each line that changed.

    A text that parses comes back as it is. Raises SyntaxError when it is not Python 2 either.
    """
    if parsed(text) is not None and not _PRINT_TO.search(text):
        return text, ()
    ended = text if text.endswith("\n") else text + "\n"
    try:
        new = _renamed(_translated(ended))
        ast.parse(new)
    except SyntaxError:  # tabs that stand for spaces, perhaps
        new = _renamed(_translated(_spaces(ended)))
        ast.parse(new)
    if ended != text:
        new = new.removesuffix("\n")
    return new, tuple(_edits(text, new))


def translates(text: str) -> bool:
    """Whether ``convert`` makes Python 3 of a text that is none."""
    try:
        return convert(text)[0] != text
    except (SyntaxError, ValueError, RecursionError):
        return False


@lru_cache(maxsize=1)
def _tool() -> Any:
    from fissix.refactor import RefactoringTool, get_fixers_from_package

    names = get_fixers_from_package("fissix.fixes")
    return RefactoringTool([n for n in names if n.partition("fix_")[2] not in _LEFT_OUT])


def _translated(text: str) -> str:
    from fissix.pgen2.parse import ParseError
    from fissix.pgen2.tokenize import TokenError

    tool = _tool()
    # With the future import a print statement is none; fissix must not take it for one.
    tool.driver.grammar = _grammar("print_function" in text)
    try:
        tree = tool.refactor_string(text, "<source>")
    except (ParseError, TokenError, IndentationError) as error:
        context = getattr(error, "context", None)
        line = context[1][0] if context else 1
        raise SyntaxError("neither Python 3 nor Python 2", ("<source>", line, 1, "")) from error
    return str(tree) if tree is not None else text


def _grammar(with_function: bool) -> Any:
    from fissix import pygram

    return pygram.python_grammar_no_print_statement if with_function else pygram.python_grammar


def _spaces(text: str) -> str:
    """Indentation with every tab as the spaces that it stood for in Python 2."""
    if "\t" not in text:
        return text
    inside = _inside_strings(text)
    rows = text.split("\n")
    for index, row in enumerate(rows):
        indent = row[: len(row) - len(row.lstrip(" \t"))]
        if "\t" in indent and index + 1 not in inside:
            rows[index] = indent.expandtabs(8) + row[len(indent) :]
    return "\n".join(rows)


def _inside_strings(text: str) -> set[int]:
    """The lines that begin inside a string."""
    from fissix.pgen2 import token
    from fissix.pgen2.tokenize import TokenError, generate_tokens

    found: set[int] = set()
    try:
        for kind, _, (first, _), (last, _), _ in generate_tokens(io.StringIO(text).readline):
            if kind == token.STRING:
                found |= set(range(first + 1, last + 1))
    except (TokenError, IndentationError):
        pass  # the translation says so
    return found


def _renamed(text: str) -> str:
    """``async`` and ``await`` where they are names, with an underscore."""
    if parsed(text) is not None or not re.search(r"\b(?:async|await)\b", text):
        return text
    rows = text.split("\n")
    places: list[tuple[int, int]] = []
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    for before, this, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if this.string not in {"async", "await"} or this.type != tokenize.NAME:
            continue
        named = before is not None and before.string in {".", "def", "import", "as", "class"}
        alone = after is None or after.string in set("=,.):]}") or after.type == tokenize.NEWLINE
        if named or alone:
            places.append(this.end)
    for line, column in reversed(places):
        row = rows[line - 1]
        rows[line - 1] = f"{row[:column]}_{row[column:]}"
    return "\n".join(rows)


def _edits(before: str, after: str) -> Iterator[Edit]:
    old, new = before.split("\n"), after.split("\n")
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, first, last, start, stop in matcher.get_opcodes():
        if kind == "equal":
            continue
        for offset in range(max(last - first, 1)):
            was = old[first + offset].strip() if first + offset < last else ""
            now = new[start + offset].strip() if start + offset < stop else ""
            line = min(first + offset, max(len(old) - 1, 0)) + 1
            yield Edit(rule=ID, line=line, message=f"Python 2: {_cut(was)} is {_cut(now)}")


def _cut(row: str) -> str:
    return row if len(row) <= 60 else f"{row[:57]}…"
