"""Files that requirements files name, on MWAA and here; and what is to be installed of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from requirement_sets import repo_on_disk, target, tree

from harness.requirements.install import requirements_for_side
from harness.requirements.sources import disk_tree, gather, is_remote, official_version

FILES = {
    "requirements.txt": "",
    "dags/c.txt": "x==1\n",
    "common.txt": "-r requirements.txt\nsix\n",
    "plugins/a.whl": "",
}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/usr/local/airflow/dags/c.txt", "dags/c.txt"),
        ("${AIRFLOW_HOME}/dags/c.txt", "dags/c.txt"),
        ("file:///usr/local/airflow/plugins/a.whl", "plugins/a.whl"),
        ("/usr/local/airflow/dags", "dags"),
        ("./common.txt", "common.txt"),
        ("../outside.txt", None),
        ("/usr/local/airflow/dags/../../../../etc/passwd", None),
        ("/etc/passwd", None),
        ("https://example.com/c.txt", None),
    ],
)
def test_locate(location: str, expected: str | None) -> None:
    assert tree(FILES).locate(location) == expected


@pytest.mark.parametrize(
    ("location", "remote"),
    [
        ("https://example.com/x", True),
        ("git+ssh://git@example.com/x", True),
        ("file:///x", False),
        ("git+file:///x", False),
        ("./x", False),
    ],
)
def test_is_remote(location: str, remote: bool) -> None:
    assert is_remote(location) is remote


def test_includes_are_read_once_and_cycles_end() -> None:
    files, problems = gather("-r common.txt\n-c /usr/local/airflow/dags/c.txt\n", tree(FILES))
    assert [(file.path, file.constraints) for file in files] == [
        ("requirements.txt", False),
        ("common.txt", False),
        ("dags/c.txt", True),
    ]
    assert problems == ()


def test_what_is_missing_is_named_with_its_line() -> None:
    text = "six\n-r nowhere.txt\n--find-links /usr/local/airflow/plugins/wheels\n./lib.whl\n"
    _, problems = gather(text, tree(FILES))
    assert [(problem.kind, problem.line) for problem in problems] == [
        ("include", 2),
        ("index", 3),
        ("requirement", 4),
    ]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://x/constraints-2.5.1/constraints-3.10.txt", ("2.5.1", "3.10")),
        ("https://x/constraints-2.5.1/constraints-no-providers-3.10.txt", ("2.5.1", "3.10")),
        ("https://x/constraints-${AIRFLOW_VERSION}/constraints-3.10.txt", ("2.9.2", "3.10")),
        ("https://x/company/constraints.txt", None),
    ],
)
def test_official_version(location: str, expected: tuple[str, str] | None) -> None:
    assert official_version(location, airflow="2.9.2") == expected


def test_lines_to_install(tmp_path: Path) -> None:
    repo = repo_on_disk(tmp_path, {**FILES, "plugins/co-1.0-py3-none-any.whl": ""})
    text = (
        "-c /usr/local/airflow/dags/c.txt\napache-airflow==1.10.12\n-r common.txt\nbad bad\n"
        "requests  # http\n/usr/local/airflow/plugins/co-1.0-py3-none-any.whl\n./missing.whl\n"
    )
    lines = requirements_for_side(text, target=target(), repo=repo, extra=("company", "six"))
    assert lines == (
        "requests",
        f"{tmp_path}/plugins/co-1.0-py3-none-any.whl",
        "six",
        "company",
    )


@pytest.mark.parametrize(
    ("line", "bridge"),
    [
        ("apache-airflow[gcp, slack]==1.10.9", ("apache-airflow[gcp,slack]==1.10.15",)),
        (
            'apache_airflow[mysql]>=1.10; python_version < "3.8"',
            ('apache-airflow[mysql]==1.10.15 ; python_version < "3.8"',),
        ),
        ("apache-airflow[ssh]", ("apache-airflow[ssh]==1.10.15",)),
        ("apache-airflow==1.10.9", ()),
        ("apache-airflow[ssh]>=2", ()),
    ],
)
def test_the_bridge_keeps_the_extras_of_another_release(line: str, bridge: tuple[str, ...]) -> None:
    assert requirements_for_side(line, target=target("1.10.15")) == bridge
    assert requirements_for_side(line, target=target()) == ()


def test_a_link_that_leads_out_of_the_repository_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("six\n")
    root = tmp_path / "repo"
    repo = repo_on_disk(root, FILES)
    (root / "link.txt").symlink_to(tmp_path / "secret")
    assert not disk_tree(repo, path="requirements.txt").has("link.txt")
    assert disk_tree(repo, path="requirements.txt").read("link.txt") is None


def test_only_the_path_of_a_line_is_replaced(tmp_path: Path) -> None:
    repo = repo_on_disk(tmp_path, FILES)
    lines = requirements_for_side('. ; python_version < "3.8"\n', target=target(), repo=repo)
    assert lines == (f'{tmp_path} ; python_version < "3.8"',)
