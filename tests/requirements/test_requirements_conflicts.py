"""Conflicts out of what pip and uv really said (recorded; versions of paths and hosts left out)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.requirements.conflicts import Pin, Root, Setting, from_pip, from_uv

RECORDED = Path(__file__).parent / "recorded"
BRIDGE = "the constraints of Airflow 1.10.15"
NEWEST = "the constraints of Airflow 2.11.0"
PINS = {
    "backport": {"boto3": ("1.10.50", BRIDGE), "botocore": ("1.13.50", BRIDGE)},
    "dbt_core": {
        "click": ("8.2.0", NEWEST),
        "protobuf": ("5.29.4", NEWEST),
        "sqlparse": ("0.5.3", NEWEST),
    },
    "direct_pin": {"requests": ("2.32.3", NEWEST), "flask": ("2.2.5", NEWEST)},
    "upgrade": {"apache-airflow": ("2.11.0", "MWAA's essential constraints for 2.11.0")},
}
# case: the file's lines, the Python, the conflict's line, what stands against it, a word of why
CASES = {
    "backport": (
        ["apache-airflow-backport-providers-amazon"],
        "3.7.16",
        1,
        {"pip": "boto3==1.10.50", "uv": "botocore==1.13.50"},
    ),
    "dbt_core": (["dbt-core"], "3.12.1", 1, {"pip": "click==8.2.0", "uv": "click==8.2.0"}),
    "direct_pin": (
        ["requests<2", "flask"],
        "3.12.1",
        1,
        {"pip": "requests==2.32.3", "uv": "requests==2.32.3"},
    ),
    "upgrade": (
        ["apache-airflow==2.6.0"],
        "3.12.1",
        1,
        {"pip": "apache-airflow==2.11.0", "uv": "apache-airflow==2.11.0"},
    ),
    "no_such": (
        ["nosuch-xyzzy-qq"],
        "3.12.1",
        1,
        {"pip": "the package index", "uv": "the package index"},
    ),
    "not_in_index": (
        ["requests==99"],
        "3.11.7",
        1,
        {"pip": "the package index", "uv": "the package index"},
    ),
    "python": (
        ["# -c ", "numpy==2.4.0"],
        "3.10.13",
        2,
        {"pip": "Python 3.10.13", "uv": "Python 3.10.13"},
    ),
    "python37": (["flask==3.0.0"], "3.7.16", 1, {"pip": "Python 3.7.16", "uv": "Python 3.7.16"}),
    "two_lines": (
        ["# -c ", "flask==3.0.0", "werkzeug<2.2"],
        "3.10.13",
        3,
        {"pip": "flask 3.0.0 needs Werkzeug>=3.0.0", "uv": "flask==3.0.0"},
    ),
}


def setting(case: str) -> Setting:
    lines, python, _, _ = CASES[case]
    roots = {
        ("requirements.in", number): Root(
            name=text.partition("=")[0].partition("<")[0], text=text, line=number
        )
        for number, text in enumerate(lines, 1)
        if not text.startswith("#")
    }
    pins = {
        name: (Pin(version=version, label=label),)
        for name, (version, label) in PINS.get(case, {}).items()
    }
    return Setting(roots=roots, pins=pins, python=python)


def recorded(case: str) -> dict[str, object]:
    return json.loads((RECORDED / f"{case}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_pip_names_both_ends(case: str) -> None:
    answer = recorded(case)
    conflicts = from_pip(answer["pip"]["causes"], log=answer["log"], setting=setting(case))
    lines, _, line, against = CASES[case]
    assert (conflicts[0].requirement, conflicts[0].line) == (lines[line - 1], line)
    assert conflicts[0].against == against["pip"]
    assert conflicts[0].message.endswith(".")


@pytest.mark.parametrize("case", CASES)
def test_uv_names_both_ends(case: str) -> None:
    (conflict,) = from_uv(recorded(case)["uv"], setting=setting(case))
    lines, _, line, against = CASES[case]
    assert (conflict.requirement, conflict.line) == (lines[line - 1], line)
    assert conflict.against == against["uv"]


def test_every_recording_is_a_case() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == set(CASES)


def test_the_message_says_who_needs_what_and_whose_pin_it_is() -> None:
    answer = recorded("backport")
    (conflict,) = from_pip(answer["pip"]["causes"], log="", setting=setting("backport"))
    assert conflict.message == (
        "apache-airflow-backport-providers-amazon 2021.3.3 needs boto3<1.16.0,>=1.15.0: "
        "the constraints of Airflow 1.10.15 pin it to 1.10.50."
    )


def test_text_without_a_proof_is_no_conflict() -> None:
    assert from_uv("error: Request failed after 3 retries", setting=setting("backport")) == ()
