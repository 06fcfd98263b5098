"""The rewrite of requirements files: what changes, what stays, and that twice is once."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requirement_sets import constraints, target, tree

from harness.requirements.extras import EXTRAS, OBSOLETE
from harness.requirements.parse import parse
from harness.requirements.rewrite import (
    RULES,
    RequirementsRewrite,
    constraints_after,
    rewrite_requirements,
)
from harness.requirements.sources import gather

HEAD = (
    '--constraint "https://raw.githubusercontent.com/apache/airflow/'
    'constraints-2.11.0/constraints-3.12.txt"\n'
)
OLD = HEAD.replace("2.11.0", "1.10.12").replace("3.12", "3.7")


def rewrite(text: str, *needs: str, airflow: str = "2.11.0", **files: str) -> RequirementsRewrite:
    """``files`` are what lies beside the file, without ".txt"."""
    row, beside = target(airflow), tree({f"{name}.txt": text for name, text in files.items()})
    applied = constraints_after(
        gather(text, beside)[0], target=row, constraints=constraints(), tree=beside
    )
    return rewrite_requirements(
        text, target=row, constraints=constraints(), applied=applied, needs=needs
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing asked for\n\n",
        f"{HEAD}requests\n",
        f"{HEAD}apache-airflow==2.11.0\n",
        f"{HEAD}apache-airflow-providers-slack==9.1.0  # chat\n",
        f'{HEAD}dataclasses ; python_version < "3.7"\n',
        f"{HEAD}company-library @ https://example.com/company_library-1.0.tar.gz\n",
        f"{HEAD}enum34 @ https://example.com/enum34-1.1.10.tar.gz\n",
        "-c /usr/local/airflow/dags/constraints.txt\nrequests\n",
        f"{HEAD}nonsense here\n",
    ],
)
def test_noop(text: str) -> None:
    assert rewrite(text) == RequirementsRewrite(text=text)


@pytest.mark.parametrize(
    "line",
    [
        "apache-airflow[slack] @ https://example.com/apache_airflow-1.10.15.tar.gz",
        "-e git+https://example.com/airflow.git@v1-10-stable#egg=apache-airflow[slack]",
    ],
)
def test_an_airflow_from_elsewhere_is_told(line: str) -> None:
    done = rewrite(f"{HEAD}{line}\n")
    assert done.text == f"{HEAD}{line}\n"
    assert [(n.rule, n.line) for n in done.notes] == [("requirements-airflow-line", 2)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("requests\n", f"{HEAD}requests\n", id="constraint line on top"),
        pytest.param("\ufeffrequests\n", f"\ufeff{HEAD}requests\n", id="byte order mark first"),
        pytest.param(
            f"{HEAD}pip install -U  six==1.16.0  # own\nsudo pip3 install 'x y'\n",
            f"{HEAD}six==1.16.0  # own\nsudo pip3 install 'x y'\n",
            id="a command of pip",
        ),
        pytest.param(f"{HEAD}six = 1.16.0=py37_0\n", f"{HEAD}six==1.16.0\n", id="conda's ="),
        pytest.param(f"{OLD}requests\n", f"{HEAD}requests\n", id="constraint line of 1.10"),
        pytest.param(
            f"{HEAD}apache-airflow[aws,slack]==1.10.12  # base\nsix\n",
            f"{HEAD}apache-airflow-providers-amazon==9.8.0  # base\n"
            "apache-airflow-providers-slack==9.1.0\nsix\n",
            id="extras",
        ),
        pytest.param(
            f"{HEAD}apache-airflow[slack]==1.10.12\napache-airflow-backport-providers-slack\n",
            f"{HEAD}apache-airflow-providers-slack==9.1.0\n",
            id="extra and backport are one provider",
        ),
        pytest.param(
            f"{HEAD}apache-airflow==1.10.12  # do not touch\nsix\n",
            f"{HEAD}# do not touch\nsix\n",
            id="airflow itself",
        ),
        pytest.param(
            f"{HEAD}apache-airflow[slack]>=2.0\n",
            f"{HEAD}apache-airflow>=2.0\napache-airflow-providers-slack==9.1.0\n",
            id="airflow that fits stays",
        ),
        pytest.param(
            f'{HEAD}apache_airflow.backport-providers-google[x]==2021.3.3 ; python_version > "3"\n',
            f'{HEAD}apache-airflow-providers-google[x]==15.1.0 ; python_version > "3"\n',
            id="backport with extras and marker",
        ),
        pytest.param(
            f'{HEAD}apache-airflow[slack]==1.10.15 ; python_version < "3.8"\n',
            f"{HEAD}apache-airflow-providers-slack==9.1.0\n",
            id="a marker that only says that the line is of 1.10",
        ),
        pytest.param(
            f'{HEAD}apache-airflow[slack]==1.10.15 ; sys_platform == "win32"\n',
            f'{HEAD}apache-airflow-providers-slack==9.1.0 ; sys_platform == "win32"\n',
            id="a marker of another kind",
        ),
        pytest.param(
            f"{HEAD}apache-airflow-backport-providers-jira\n",
            f"{HEAD}apache-airflow-providers-atlassian-jira==3.0.0\n",
            id="renamed provider",
        ),
        pytest.param(
            f"{HEAD}apache-airflow-backport-providers-plexus==2021.3.3\n",
            f"{HEAD}# apache-airflow-backport-providers-plexus==2021.3.3\n",
            id="backport without successor",
        ),
        pytest.param(f"{HEAD}enum34\nsix\n", f"{HEAD}six\n", id="standard module"),
        pytest.param(f"{HEAD}airflow\nsix\n", f"{HEAD}apache-airflow\nsix\n", id="old name"),
        pytest.param(f"{HEAD}airflow==1.8.0\nsix\n", f"{HEAD}six\n", id="old name, pinned"),
        pytest.param(
            f"{HEAD}pycrypto==2.6.1 ; sys_platform == 'linux'  # old\n",
            f'{HEAD}pycryptodome ; sys_platform == "linux"  # old\n',
            id="another name",
        ),
        pytest.param(f"{HEAD}boto3 == 1.20.0  # s3\n", f"{HEAD}boto3 ==1.37.3  # s3\n", id="pin"),
    ],
)
def test_transformed(before: str, after: str) -> None:
    done = rewrite(before)
    assert done.text == after
    assert done.edits
    assert rewrite(after).text == after


def test_needed_providers_are_added_with_the_reason() -> None:
    done = rewrite(
        f"{HEAD}apache-airflow-providers-slack==9.1.0",
        "apache-airflow-providers-sftp",
        "apache-airflow-providers-slack",
        "apache-airflow-providers-amazon",  # in the image
    )
    *_, last = done.text.splitlines()
    assert last.startswith("apache-airflow-providers-sftp==5.3.0  # ")
    assert done.text.count("providers") == 2


@pytest.mark.parametrize(
    ("version", "said"), [("2.10.3", "; not in MWAA's"), ("2.5.1", "; not known to be in MWAA's")]
)
def test_no_more_is_said_of_an_image_than_is_published(version: str, said: str) -> None:
    assert said in rewrite("", "cowsay", airflow=version).text


def test_a_new_file_is_made_when_something_is_needed() -> None:
    done = rewrite("", "apache-airflow-providers-sftp")
    assert done.text.startswith(HEAD)
    assert rewrite(done.text, "apache-airflow-providers-sftp").text == done.text


def test_a_provider_that_the_constraints_do_not_know_is_noted() -> None:
    done = rewrite("", "apache-airflow-providers-plexus")
    assert "apache-airflow-providers-plexus  #" in done.text
    assert [note.rule for note in done.notes] == ["requirements-missing-provider"]


def test_windows_line_ends_stay() -> None:
    done = rewrite("requests\r\nenum34\r\n", "apache-airflow-providers-sftp")
    assert done.text.count("\r\n") == done.text.count("\n") == 3


@pytest.mark.parametrize(
    ("name", "version", "safe"), [("pandas", "0.25.3", False), ("requests", "2.0.0", True)]
)
def test_a_pin_is_never_changed_without_a_word(name: str, version: str, safe: bool) -> None:
    done = rewrite(f"{HEAD}{name}=={version}\n")
    pin = constraints().pins[name]
    assert done.text == f"{HEAD}{name}=={pin}\n"
    assert [edit.safe for edit in done.edits] == [safe]
    (note,) = done.notes
    assert (note.rule, note.line) == ("requirements-pin", 2)
    for said in (version, pin, "constraints of Airflow 2.11.0"):
        assert said in note.message


@pytest.mark.parametrize(
    "text",
    ["requests<2\n", "requests==1.0 --hash=sha256:ab\n", 'requests==1.0 ; python_version > "3"\n'],
)
def test_what_cannot_be_decided_is_only_noted(text: str) -> None:
    done = rewrite(HEAD + text)
    assert done.text == HEAD + text
    assert [(note.rule, note.line) for note in done.notes] == [("requirements-pin", 2)]


OWN = "-c own.txt\n"


@pytest.mark.parametrize(
    ("own", "before", "after"),
    [
        pytest.param("pandas==0.25.3\n", "pandas==0.25.3", "pandas==0.25.3", id="its pin is met"),
        pytest.param("six==1.15.0\n", "pandas==0.25.3", "pandas==0.25.3", id="it does not bind"),
        pytest.param("pandas==1.5.3\n", "pandas==0.25.3", "pandas==1.5.3", id="its pin"),
        pytest.param(
            "apache-airflow-providers-slack==8.0.0\n",
            "apache-airflow-backport-providers-slack==2021.3.3",
            "apache-airflow-providers-slack==8.0.0",
            id="a backport's successor in its version",
        ),
        pytest.param(
            "apache-airflow-providers-slack<9\n",
            "apache-airflow[slack]==1.10.12",
            "apache-airflow-providers-slack",
            id="a range without Airflow's version",
        ),
    ],
)
def test_a_constraint_file_of_the_users_own_binds_alone(own: str, before: str, after: str) -> None:
    done = rewrite(f"{OWN}{before}\n", own=own)
    assert done.text == f"{OWN}{after}\n"
    assert rewrite(done.text, own=own).text == done.text
    assert not [note for note in done.notes if "Airflow 2.11.0" in note.message]


def test_what_is_added_comes_in_the_version_of_the_users_own_file() -> None:
    sftp, slack = (f"apache-airflow-providers-{name}" for name in ("sftp", "slack"))
    done = rewrite(f"{OWN}six\n", sftp, slack, own=f"{sftp}==5.0.0\n{slack}>=8\n")
    assert [row.partition("  #")[0] for row in done.text.splitlines()[2:]] == [
        f"{sftp}==5.0.0",
        f"{slack}==9.1.0",
    ]


def test_where_a_comment_switches_the_constraints_off_no_pin_is_touched() -> None:
    assert rewrite("pandas==0.25.3\n# -c off\n").text == "pandas==0.25.3\n# -c off\n"


@pytest.mark.parametrize("specifier", [">=2.11.1", "==3.0.*", "~=2.12", ">2.11.0"])
def test_a_newer_airflow_than_the_target_is_a_question(specifier: str) -> None:
    done = rewrite(f"{HEAD}apache-airflow{specifier}\n")
    assert done.text == f"{HEAD}apache-airflow{specifier}\n"
    assert [(note.rule, note.line) for note in done.notes] == [("requirements-airflow-line", 2)]


@pytest.mark.parametrize("specifier", ["<2", "==2.2.2", "==1.10.*", ">=1.10,<2", "~=2.5.0"])
def test_an_older_airflow_is_what_the_move_leaves_behind(specifier: str) -> None:
    assert rewrite(f"{HEAD}apache-airflow{specifier}\nsix\n").text == f"{HEAD}six\n"


def test_a_commented_constraint_is_left_and_noted() -> None:
    done = rewrite("six\n# -c \n")
    assert done.text == "six\n# -c \n"
    assert [(note.rule, note.line) for note in done.notes] == [("requirements-constraint-line", 2)]


def test_extras_that_are_nothing_on_mwaa() -> None:
    done = rewrite(f"{HEAD}apache-airflow[crypto,celery,ldap]==1.10.12\nsix\n")
    assert done.text == f"{HEAD}six\n"
    assert ["ldap" in note.message for note in done.notes] == [True]


def test_every_rule_is_used_by_some_edit_or_note() -> None:
    done = rewrite(
        f"{OLD}apache-airflow[all]==1.10.12\napache-airflow-backport-providers-slack\nenum34\n"
        "pandas==0.1\npip install six\n",
        "apache-airflow-providers-sftp",
    )
    assert {edit.rule for edit in done.edits} == {rule.id for rule in RULES}


PIECES = st.sampled_from(
    [
        "apache-airflow[aws,ldap,nonsense]==1.10.15",
        "apache-airflow",
        "pip install enum34",
        "pip install pandas=0.25.3 # own",
        "apache-airflow-backport-providers-slack==2021.3.3  # chat",
        "apache-airflow-backport-providers-papermill",
        "apache-airflow-providers-jira",
        "apache-airflow-providers-http==1.0",
        "boto3==1.9",
        "pandas==0.25.3 \\\n  # odd",
        "requests<2",
        *(row.name for row in OBSOLETE),
        *(f"apache-airflow[{row.name}]" for row in EXTRAS),
        OLD.strip(),
        "# -c off",
        "# comment",
        "",
        "\ufeff",
        "six==1.0 \\",
    ]
)


@settings(deadline=None)
@example(["\ufeff"], "\n", False, set())
@example(["six==1.0 \\"], "\n", False, {"apache-airflow-providers-sftp"})
@given(
    st.lists(PIECES, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sets(st.sampled_from(["apache-airflow-providers-sftp", "apache-airflow-providers-qubole"])),
)
def test_twice_is_once(rows: list[str], newline: str, ends: bool, needs: set[str]) -> None:
    text = newline.join(rows) + (newline if ends else "")
    once = rewrite(text, *needs)
    assert rewrite(once.text, *needs).text == once.text
    comments = [line.comment for line in parse(text) if line.kind == "comment"]
    kept = [line.comment for line in parse(once.text)]
    assert all(comment in kept for comment in comments)


def test_a_note_leaves_the_hashes_of_its_line_out() -> None:
    """They are long, and nothing is wrong with them."""
    done = rewrite(f"{HEAD}pandas==0.25.3 \\\n    --hash=sha256:{'a' * 64}\n")
    assert done.notes[0].message.startswith("pandas==0.25.3: pandas is pinned to ")
