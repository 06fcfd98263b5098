"""Backslashes that begin no escape: the value of a literal stays, the warning goes."""

from __future__ import annotations

import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemods.reading.escapes import plain_escapes

PIECES = ["\\", "d", "n", "N", "u", "0", "{", "}", "'", '"', "é", "\n", " ", "\\\\", "\\'"]


def _read(code: str) -> tuple[str, list[str]] | None:
    """What a text means, and what Python warns about; nothing where it is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError):
            return None
    return ast.dump(tree).replace("kind='u'", ""), [str(w.message) for w in caught]


@given(
    prefix=st.sampled_from(["", "b", "u", "f", "r", "Rb", "F"]),
    quote=st.sampled_from(["'", '"', '"""']),
    body=st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
)
def test_a_literal_keeps_its_value_and_loses_its_warning(
    prefix: str, quote: str, body: str
) -> None:
    code = f"é = f({prefix}{quote}{body}{quote}, '\\w')  # \\w\n"
    before = _read(code)
    new, edits = plain_escapes(code)
    if before is not None:
        assert _read(new) == (before[0], [])
        assert edits
        assert plain_escapes(new) == (new, ())


@pytest.mark.parametrize("text", ["'\\d", "x = (\n'\\d'", "  '\\d'\n 'a'\n", "'''\\d\n"])
def test_what_is_no_python_stays(text: str) -> None:
    assert plain_escapes(text) == (text, ())
