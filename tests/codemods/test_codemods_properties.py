"""What holds for any file: of mixtures of all rules' examples, and of Python's own library."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from locks import read_lock

from codemods import RULES, migrate_bytes, migrate_source
from codemods.reading.values import quoted

PYTHONS = {"2.5.1": (3, 10), "2.10.3": (3, 11), "2.11.0": (3, 12)}
NAMED = {rule.id: rule for rule in RULES}
TEXTS = [e.before for rule in RULES for e in rule.examples if not e.python2]
LEAN: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
MIXTURES = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True)


def check(texts: list[str], order: list[str], version: str, unsafe: bool) -> None:
    """Applied twice is applied once, any order of the rules gives the same, and what comes out is
    Python of the target's."""
    text = "\n".join(texts)
    pins = read_lock(version)
    first = migrate_source(text, pins=pins, unsafe=unsafe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codemods.migrate.RULES", tuple(NAMED[name] for name in order))
        assert migrate_source(text, pins=pins, unsafe=unsafe) == first
    assert first.error is None, text
    if first.text is not None:
        ast.parse(first.text, feature_version=PYTHONS[version])
        again = migrate_source(first.text, pins=pins, unsafe=unsafe)
        assert again.text is None, f"{text}\n---- became\n{first.text}\n---- became\n{again.text}"


TWO_CLASSES = [
    "from airflow.providers.docker.operators.docker import DockerOperator\n\n"
    "DockerOperator(task_id='t', image='i', volumes=[read('D')])\n",
    "from airflow.operators.dagrun_operator import TriggerDagRunOperator\n\n"
    "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', python_callable=CHOOSE)\n",
]


@example(texts=TWO_CLASSES, order=sorted(NAMED, reverse=True), version="2.10.3", unsafe=False)
@given(
    texts=MIXTURES,
    order=st.permutations(sorted(NAMED)),
    version=st.sampled_from(sorted(PYTHONS)),
    unsafe=st.booleans(),
)
@settings(max_examples=25, derandomize=True, **LEAN)
def test_rules_get_along(texts: list[str], order: list[str], version: str, unsafe: bool) -> None:
    check(texts, order, version, unsafe)


@pytest.mark.slow
@given(MIXTURES, st.permutations(sorted(NAMED)), st.sampled_from(sorted(PYTHONS)), st.booleans())
@settings(max_examples=400, derandomize=True, **LEAN)  # of a commit, CI says the same twice
def test_rules_get_along_in_many_mixtures(
    texts: list[str], order: list[str], version: str, unsafe: bool
) -> None:
    check(texts, order, version, unsafe)


@given(st.text())
@settings(derandomize=True, **LEAN)
def test_a_quoted_text_means_the_text(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text


@pytest.mark.slow
def test_no_file_of_python_itself_is_touched(newest: dict[str, str]) -> None:
    """Files without Airflow, of every shape that Python has."""
    files = [
        path
        for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
        if "site-packages" not in path.parts and b"airflow" not in path.read_bytes()
    ]
    assert len(files) > 1000
    changed = [p for p in files if migrate_bytes(p.read_bytes(), pins=newest)[0] is not None]
    assert changed == []
