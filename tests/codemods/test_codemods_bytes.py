"""Files as bytes: what is not changed stays byte for byte, what cannot be read is an error."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemods import migrate_bytes, migrate_source
from codemods.editing.changes import EditCall, EditDict
from codemods.editing.splices import expression_splices
from codemods.migrate import RULES
from codemods.reading.source import Source
from codemods.rules import RULES as REGISTERED

PINS = {"apache-airflow": "2.11.0"}
OLD = "from airflow.operators.bash_operator import BashOperator"
NEW = "from airflow.operators.bash import BashOperator"


@pytest.mark.parametrize(
    ("head", "encoding", "newline"),
    [
        ("", "utf-8", "\n"),
        ("", "utf-8", "\r\n"),
        ("", "utf-8-sig", "\n"),
        ("# -*- coding: latin-1 -*-\n", "latin-1", "\n"),
        ("# -*- coding: cp1252 -*-\n", "cp1252", "\r\n"),
    ],
)
def test_encoding_and_newlines_stay(head: str, encoding: str, newline: str) -> None:
    def data(line: str) -> bytes:
        text = f"{head}# größer\n{line}\nx = 'ß'\n"
        return text.replace("\n", newline).encode(encoding)

    new, migration = migrate_bytes(data(OLD), pins=PINS)
    assert migration.error is None
    assert new == data(NEW)


def test_columns_count_characters_not_bytes() -> None:
    before = f"{OLD}\n\nx = 'größe', BashOperator(task_id='ß', bash_command='é', xcom_push=True)\n"
    after = (
        f"{NEW}\n\nx = 'größe', BashOperator(task_id='ß', bash_command='é', do_xcom_push=True)\n"
    )
    assert migrate_source(before, pins=PINS).text == after


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"import airflow\nprint 'x'\n", "line 2: Missing parentheses in call to 'print'"),
        (b"import airflow\nexcept_ = 1\nexec 'x'\n", "line 3: Missing parentheses"),
        (b"import airflow\ntry:\n    x\nexcept A, b:\n    pass\n", "line 4: "),
        (b"import airflow\ndef f(async=True):\n    pass\n", "line 2: "),
        (b"import airflow\nx = '\xe9'\n", "line 2: byte 0xe9 is not utf-8"),
        (b"# coding: nonsense\nimport airflow\n", "line 1: unknown encoding"),
        (b"# coding: rot13\nimport airflow\n", "line 1: 'rot13' is not a text encoding"),
        (b"# coding: utf-7\nx = '+AOk-'\n" + OLD.encode() + b"\n", "line 1: utf-7 loses bytes"),
        (b"import airflow\nx = " + b"-" * 9000 + b"1\n", "line 1: it is nested more deeply"),
        (b"import airflow\x00\n", "line 1: "),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, part: str) -> None:
    new, migration = migrate_bytes(data, pins=PINS)
    assert new is None
    assert migration.text is None
    assert migration.error is not None
    assert migration.error.startswith(part)


@given(st.binary())
@settings(max_examples=200)
def test_bytes_without_airflow_are_passed_over(data: bytes) -> None:
    if b"airflow" not in data:
        assert migrate_bytes(data, pins=PINS)[0] is None


LINES = st.sampled_from(
    [
        OLD,
        "from airflow import DAG",
        "from airflow.operators.dummy_operator import DummyOperator",
        "from airflow.utils.dates import days_ago  # keep",
        "from airflow.operators import PythonOperator, HttpSensor",
        "a = DummyOperator(task_id='a', xcom_push=True)",
        "d = DAG('d', schedule_interval=None, start_date=days_ago(1), concurrency=2)",
        "b = PythonOperator(task_id='b', python_callable=print, provide_context=True)",
        "x = 1  # größer",
        "",
        "if x:\n    from airflow.hooks.base_hook import BaseHook\n    BaseHook.get_connection('a')",
        "def f(DummyOperator):\n    return DummyOperator(task_id='a')",
        "c = [DummyOperator(task_id=str(i)) for i in range(3)]",
        "e = PythonOperator(\n    task_id='b',  # größer\n    provide_context=True,\n)",
        "class K(object):\n    @apply_defaults\n    def __init__(self):\n        pass",
        "from airflow.utils.decorators import apply_defaults",
        "EmptyOperator = None",
    ]
)


@given(st.lists(LINES, min_size=1, max_size=12), st.sampled_from(["\r\n", "\r"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_mixture_settles_at_once_and_leaves_other_lines_alone(
    rows: list[str], newline: str, ended: bool
) -> None:
    text = "\n".join(rows) + "\n" * ended
    first = migrate_source(text, pins=PINS)
    other = migrate_source(text.replace("\n", newline), pins=PINS)
    assert first.error is None
    assert other.text == (first.text and first.text.replace("\n", newline))
    assert (other.edits, other.notes) == (first.edits, first.notes)
    if first.text is not None:
        compile(first.text, "<migrated>", "exec")
        assert migrate_source(first.text, pins=PINS).text is None
        kept = [row for row in text.split("\n") if "größer" in row]
        assert [row for row in first.text.split("\n") if "größer" in row] == kept


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(a=1, b=2, c=3)", "(a=1, c=3)"),
        ("(b=2, a=1, )", "(a=1, )"),
        ("(a=1, b=2)", "(a=1)"),
        ("(b=2)", "()"),
        ("(\n  a=1,  # a\n  b=2,  # gone\n)", "(\n  a=1,  # a\n)"),
        ("(\n  a=1,  # a\n  b=2  # gone\n  )", "(\n  a=1  # a\n  )"),
        ("(a=1,  # a\n  b=2)", "(a=1  # a\n  )"),
        ("(a=1,\n  b=2)", "(a=1)"),
        ("(  # f\n  b=2,  # gone\n  # of a\n  a=1,\n)", "(  # f\n  # of a\n  a=1,\n)"),
        ("(\n  a=1,\n  # x\n  b=2,\n\n  # y\n  c=3,\n)", "(\n  a=1,\n  # x\n  # y\n  c=3,\n)"),
        ("(\n  a=1,\n  b=2,  # gone\n  # end\n)", "(\n  a=1,\n  # end\n)"),
    ],
)
def test_comments_stay_where_arguments_and_keys_go(before: str, after: str) -> None:
    def dropped(code: str, make: type[EditCall] | type[EditDict], kind: type[ast.expr]) -> str:
        source = Source(code)
        (node,) = (n for n in ast.walk(source.tree) if isinstance(n, kind))
        operation = make(node=node, drop=frozenset("b"))  # type: ignore[arg-type]
        ((start, end, new),) = expression_splices(source, [operation])
        return code[:start] + new + code[end:]

    assert dropped(f"f{before}\n", EditCall, ast.Call) == f"f{after}\n"
    keys = [re.sub(r"(\w)=", r"'\1': ", f"{{{code[1:-1]}}}\n") for code in (before, after)]
    assert dropped(keys[0], EditDict, ast.Dict) == keys[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(a=1)", "(a=1, n=2)"),
        ("(a=1, )", "(a=1, n=2, )"),
        ("()", "(n=2)"),
        ("(\n  a=1  # a\n)", "(\n  a=1,  # a\n  n=2\n)"),
        ("(\n  a=1,  # a\n  # end\n)", "(\n  a=1,  # a\n  n=2,\n  # end\n)"),
        ("(\n  # of a\n  a=1,\n)", "(\n  # of a\n  a=1,\n  n=2,\n)"),
    ],
)
def test_an_argument_comes_on_a_line_like_the_others(before: str, after: str) -> None:
    source = Source(f"f{before}\n")
    operation = EditCall(node=source.plain_calls[0], add={"n": "2"})
    ((_, _, new),) = expression_splices(source, [operation])
    assert new == f"f{after}"


def test_mixed_newlines_stay_with_their_lines() -> None:
    data = b"import os\r\n# a\n" + OLD.encode() + b"\nx = 1\r\rBashOperator(\r\n)\n"
    new, migration = migrate_bytes(data, pins=PINS)
    assert migration.error is None
    assert new == data.replace(OLD.encode(), NEW.encode())


@pytest.mark.parametrize("odd", ["\x0c", "\u2028", "\x85", "\x1c"])
def test_what_ends_no_line_for_python_ends_none_here(odd: str) -> None:
    before = (
        f"from airflow.operators import (BashOperator,  # a {odd} b\n    HttpSensor)\n\ny = 1\n"
    )
    after = (
        f"{NEW}  # a {odd} b\nfrom airflow.providers.http.sensors.http import HttpSensor\n\ny = 1\n"
    )
    pins = {**PINS, "apache-airflow-providers-http": "5.2.2"}
    assert migrate_source(before, pins=pins).text == after


def test_order_of_rules_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(
        [
            OLD,
            "from airflow import DAG",
            "from airflow.utils.dates import days_ago",
            "from airflow.operators.docker_operator import DockerOperator",
            "args = {'task_concurrency': 1}",
            "d = DAG('d', start_date=days_ago(1), concurrency=2, default_args=args)",
            "DockerOperator(task_id='t', image='i', auto_remove=True, volumes=['/a:/b'], dag=d)",
            "BashOperator(task_id='a', bash_command='b', trigger_rule='dummy', xcom_push=True)",
            "",
        ]
    )
    pins = {**PINS, "apache-airflow-providers-docker": "4.4.0"}
    forward = migrate_source(text, pins=pins)
    assert len({e.rule for e in forward.edits}) >= 6
    monkeypatch.setattr("codemods.migrate.RULES", tuple(reversed(RULES)))
    backward = migrate_source(text, pins=pins)
    assert backward.text == forward.text
    assert backward.edits == forward.edits
    assert REGISTERED == RULES
