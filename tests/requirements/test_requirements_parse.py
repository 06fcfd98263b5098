"""The reader of requirements files: lossless, and it sees what pip sees."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.requirements.parse import Line, distribution_of, parse

NASTY = """\
\ufeff# company requirements
requests>=2  # http
--constraint "https://example.com/constraints-2.5.1/constraints-3.10.txt"
--constraint=here.txt
-chere.txt
  # -c commented
six==1 \\
   --hash=sha256:abc \\
   --hash sha256:def   # both
Foo.Bar[a,B] ; python_version < "3.8"
-r other.txt
git+https://example.com/a/b.git@main#egg=bee[x]
name @ https://example.com/x.whl
/usr/local/airflow/plugins/foo_bar-1.0-py3-none-any.whl
./local[all] ; sys_platform == "linux"
-e .
--find-links /usr/local/airflow/plugins --no-index
bad bad
--nonsense
--extra-index https://example.com/simple

end \\"""


def by_text(text: str) -> Line:
    (line,) = parse(text)
    return line


def test_kinds_and_numbers() -> None:
    assert [(line.number, line.kind) for line in parse(NASTY)] == [
        (1, "comment"),
        (2, "requirement"),
        (3, "constraint"),
        (4, "constraint"),
        (5, "constraint"),
        (6, "comment"),
        (7, "requirement"),
        (10, "requirement"),
        (11, "include"),
        (12, "requirement"),
        (13, "requirement"),
        (14, "requirement"),
        (15, "requirement"),
        (16, "requirement"),
        (17, "index"),
        (18, "invalid"),
        (19, "invalid"),
        (20, "index"),
        (21, "blank"),
        (22, "requirement"),
    ]


def test_requirement_with_everything() -> None:
    line = by_text('Foo_Bar [b, A] >=1,<2 ; python_version < "3.8"  # why\n')
    assert (line.name, line.extras, line.comment) == ("foo-bar", ("a", "b"), "# why")
    assert set(line.specifier.split(",")) == {">=1", "<2"}
    assert line.marker == 'python_version < "3.8"'


def test_continued_line_keeps_hashes_and_comment() -> None:
    line = parse(NASTY)[6]
    assert line.hashes == ("sha256:abc", "sha256:def")
    assert (line.name, line.specifier, line.comment) == ("six", "==1", "# both")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-c a.txt", "a.txt"),
        ("-ca.txt", "a.txt"),
        ("--constraint a.txt", "a.txt"),
        ("--constraint=a.txt", "a.txt"),
        ('--constraint "a b.txt"', "a b.txt"),
        ("--const a.txt", "a.txt"),
    ],
)
def test_spellings_of_a_constraint(text: str, value: str) -> None:
    line = by_text(text)
    assert (line.kind, line.value) == ("constraint", value)


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("git+https://e.com/b.git#egg=Bee", "bee", "git+https://e.com/b.git#egg=Bee"),
        ("./libs/one", "", "./libs/one"),
        ("./a_b-1.2.tar.gz", "a-b", "./a_b-1.2.tar.gz"),
        ("a_b-1.2-py3-none-any.whl", "a-b", "a_b-1.2-py3-none-any.whl"),
        ("file:///x/a_b-1.2-py3-none-any.whl", "a-b", "file:///x/a_b-1.2-py3-none-any.whl"),
    ],
)
def test_urls_and_paths(text: str, name: str, url: str) -> None:
    line = by_text(text)
    assert (line.kind, line.name, line.url) == ("requirement", name, url)
    assert distribution_of(url) == name


@pytest.mark.parametrize(
    "text", ["bad bad", "foo>=2004d", "--nonsense", "-r", "-c", "--pre=1", "'"]
)
def test_what_pip_refuses_is_invalid_and_says_why(text: str) -> None:
    line = by_text(text)
    assert line.kind == "invalid"
    assert line.problem


def test_a_comment_ends_a_continued_line() -> None:
    lines = parse("a\\\n# comment\nb\n")
    assert [(line.number, line.name) for line in lines] == [(1, "a"), (3, "b")]


PIECES = st.sampled_from(
    [
        *NASTY.splitlines(keepends=True),
        "\\\n",
        "#",
        " ",
        "\r\n",
        "\n",
        "\x0c",
        "\ufeff",
        "'",
        "-",
        "é==1",
    ]
)


@settings(deadline=None)
@example("\ufeff")
@given(st.lists(PIECES).map("".join) | st.text())
def test_nothing_is_lost(text: str) -> None:
    lines = parse(text)
    assert "".join(line.raw for line in lines) == text
    physical = [len(line.raw.splitlines()) for line in lines]
    assert [line.number for line in lines] == [1 + sum(physical[:i]) for i in range(len(lines))]
