"""The rows of data/targets.toml and what is asked of them."""

from __future__ import annotations

import re
from datetime import date

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.errors import HarnessError
from harness.model import Constraints
from harness.targets import (
    DATA,
    UnknownTarget,
    default_bridge,
    default_target,
    get_target,
    image_overrides,
    image_requirements,
    load_targets,
    lock_path,
    lock_pins,
    parse_pins,
    target_pins,
)

TARGETS = load_targets()
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.airflow)

# Rows from here on carry the pins that MWAA enforces.
FIRST_WITH_ESSENTIAL = Version("2.9.2")


def test_every_version_mwaa_ever_had_on_1_10_and_2_is_a_row() -> None:
    assert [target.airflow for target in TARGETS] == [
        "1.10.12",
        "1.10.15",
        "2.0.2",
        "2.2.2",
        "2.4.3",
        "2.5.1",
        "2.6.3",
        "2.7.2",
        "2.8.1",
        "2.9.2",
        "2.10.1",
        "2.10.3",
        "2.11.0",
        "2.11.2",
    ]


@each_target
def test_row_is_complete(target) -> None:
    assert target.role == ("bridge" if Version(target.airflow) < Version("2") else "target")
    assert target.mwaa in {"creatable", "retired", "image-only", "never-managed"}
    assert re.fullmatch(r"3\.\d+", target.python)
    assert date(2020, 1, 1) < date.fromisoformat(target.released)
    assert target.constraints_url.endswith(
        f"/constraints-{target.airflow}/constraints-{target.python}.txt"
    )
    assert re.fullmatch(r"[\w-]+@\S+( \S+)?", target.source)
    assert target.preinstalled
    assert bool(target.essential) == (Version(target.airflow) >= FIRST_WITH_ESSENTIAL)


@each_target
def test_pins_are_canonical_names_and_versions(target) -> None:
    for pins in (target.preinstalled, target.essential, lock_pins(target)):
        for name, version in pins.items():
            assert canonicalize_name(name) == name
            Version(version)


@each_target
def test_airflow_pins_are_the_rows_own(target) -> None:
    for pins in (target.preinstalled, target.essential):
        assert pins.get("apache-airflow", target.airflow) == target.airflow


def test_uploads_follow_the_versions() -> None:
    # 1.10.15 was released after 2.0.1, so each series is ordered by itself.
    for role in ("bridge", "target"):
        dates = [target.released for target in TARGETS if target.role == role]
        assert dates == sorted(dates)


def test_every_data_file_belongs_to_a_row() -> None:
    versions = {target.airflow for target in TARGETS}
    for folder in ("images", "essential"):
        assert {path.stem for path in (DATA / folder).iterdir()} <= versions
    assert set((DATA / "locks").iterdir()) == {lock_path(target) for target in TARGETS}


def test_defaults() -> None:
    assert default_target().airflow == "2.11.0"
    assert default_bridge().airflow == "1.10.15"


def test_get_target() -> None:
    assert get_target("2.5.1").python == "3.10"


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("2.10.2", "2.10.3"),
        ("2.11.99", "2.11.2"),
        ("1.9.0", "1.10.12"),
        ("2.6.9", "2.6.3"),
        ("2.3.4", "2.4.3"),
        ("3.0.6", "2.11.2"),
    ],
)
def test_unknown_version_offers_the_nearest_and_lists_all(asked: str, nearest: str) -> None:
    with pytest.raises(UnknownTarget) as caught:
        get_target(asked)
    text = str(caught.value)
    assert repr(asked) in text
    assert all(target.airflow in text for target in TARGETS)
    assert text.endswith(f"The nearest is {nearest}.")


def test_unknown_text_offers_nothing_but_the_list() -> None:
    with pytest.raises(HarnessError) as caught:
        get_target("latest")
    assert caught.value.exit_code == 2
    assert "2.11.0" in caught.value.hint
    assert "nearest" not in str(caught.value)


def test_parse_pins_reads_only_exact_pins() -> None:
    text = (
        "# header ==1\n\nFlask_Login==0.6.3  # why\nKombu[sqs]==5.3.1\n-c other.txt\n"
        "six>=1.0\nlib==1.*\napp==1,<2\nodd==abc\npywin32 == 306 ; sys_platform == 'win32'\n"
    )
    assert parse_pins(text) == {"flask-login": "0.6.3", "kombu": "5.3.1", "pywin32": "306"}


def test_image_requirements_give_way_to_the_constraints() -> None:
    bridge = get_target("1.10.15")
    lines = image_requirements(bridge, {"boto3": "1.10.50"})
    assert bridge.preinstalled["boto3"] != "1.10.50"
    assert "boto3==1.10.50" in lines
    assert f"celery=={bridge.preinstalled['celery']}" in lines
    assert "apache-airflow==1.10.15" in lines


def test_image_requirements_need_no_system_headers() -> None:
    names = {
        version: {line.partition("==")[0] for line in image_requirements(get_target(version), {})}
        for version in ("1.10.15", "2.11.0")
    }
    assert {"psycopg2-binary"} == names["1.10.15"] & {"psycopg2", "psycopg2-binary", "pycurl"}
    assert {"psycopg2-binary", "pycurl"} == names["2.11.0"] & {
        "psycopg2",
        "psycopg2-binary",
        "pycurl",
    }


@each_target
def test_image_requirements_always_name_airflow(target) -> None:
    assert f"apache-airflow=={target.airflow}" in image_requirements(target, lock_pins(target))


@pytest.mark.parametrize(
    ("airflow", "left_out"), [("2.4.3", ("psycopg2 ; python_version < '0'",)), ("2.5.1", ())]
)
def test_what_a_provider_asks_for_needs_no_headers_either(
    airflow: str, left_out: tuple[str, ...]
) -> None:
    """2.4.3's provider of PostgreSQL asks for psycopg2, later ones for the binary one."""
    target = get_target(airflow)
    pins = lock_pins(target)
    assert image_overrides(target, pins) == left_out
    assert ("psycopg2-binary==2.9.5" in image_requirements(target, pins)) is bool(left_out)


@pytest.mark.parametrize(("origin", "wins"), [("official", False), ("user", True)])
def test_only_a_constraint_file_of_the_users_wins_over_the_image(origin: str, wins: bool) -> None:
    target = get_target("2.11.0")
    name = "apache-airflow-providers-http"
    pins = {name: "0.1", "new": "1", "apache-airflow": "9"}
    found = target_pins(target, Constraints(origin=origin, location="", text="", pins=pins))
    assert found[name] == ("0.1" if wins else target.preinstalled[name])
    assert (found["new"], found["apache-airflow"]) == ("1", "2.11.0")
