"""MWAA's own rules over small files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import findings, judged, pair, side

from harness.checks import mwaa_config, mwaa_startup
from harness.checks.mwaa_config import judge_config
from harness.checks.mwaa_data import mwaa_data
from harness.checks.mwaa_rules import CHECK
from harness.checks.mwaa_startup import commands, judge_startup, option_of
from harness.model import ArchiveMember, Finding, Pair, Resolution, Side
from harness.targets import get_target

OFFICIAL = "https://raw.githubusercontent.com/apache/airflow/constraints-{}/constraints-{}.txt"
OWN = f'--constraint "{OFFICIAL.format("2.11.0", "3.12")}"\n'


def about(texts: dict[str, str], airflow: str = "2.11.0", **fields: object) -> Pair:
    made = pair(texts=texts, rewritten_texts=texts, **fields)
    repo = replace(
        made.repo,
        requirements="requirements.txt" if "requirements.txt" in texts else None,
        startup="startup.sh" if "startup.sh" in texts else None,
        airflow_cfg="airflow.cfg" if "airflow.cfg" in texts else None,
        plugins="plugins" if any(path.startswith("plugins/") for path in texts) else None,
        files=tuple(sorted(texts)),
    )
    return replace(made, repo=repo, target=get_target(airflow))


def found(texts: dict[str, str], airflow: str = "2.11.0") -> list[tuple[str, str, int]]:
    said = findings("mwaa-rules", about(texts, airflow))
    return [(finding.rule, finding.path, finding.line) for finding in said]


def requirements(text: str, airflow: str = "2.11.0", **more: str) -> list[tuple[str, int]]:
    texts = {"requirements.txt": text, **{name.replace("__", "/"): t for name, t in more.items()}}
    return [(rule, line) for rule, _, line in found(texts, airflow)]


# ------------------------------------------------------------------------------- requirements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{OWN}requests\n", []),
        ("# nothing asked for\n", []),
        ("requests\n", [("mwaa-constraint-missing", 1)]),
        ("requests\n# -c \n", [("mwaa-constraint-commented", 2)]),
        ("requests  # --constraint later\n", [("mwaa-constraint-commented", 1)]),
        ("-c /usr/local/airflow/dags/no.txt\nsix\n", [("mwaa-constraint-file-missing", 1)]),
        (f"-c {OFFICIAL.format('2.5.1', '3.10')}\n", [("mwaa-constraint-other-version", 1)]),
        (f"-c {OFFICIAL.format('2.11.0', '3.11')}\n", [("mwaa-constraint-other-version", 1)]),
        (f"{OWN}-r no.txt\n", [("mwaa-requirements-path", 2)]),
        (f"{OWN}/usr/local/airflow/plugins/a.whl\n", [("mwaa-requirements-path", 2)]),
        (f"{OWN}git+https://example.com/a.git\n", []),
    ],
)
def test_constraint_lines_and_paths(text: str, expected: list[tuple[str, int]]) -> None:
    assert requirements(text) == expected


def test_a_file_beside_the_requirements_is_not_on_mwaa() -> None:
    text = f"{OWN}-r common.txt\n"
    assert requirements(text, **{"common.txt": "six\n"}) == [("mwaa-requirements-not-uploaded", 2)]
    text = f"{OWN}-r /usr/local/airflow/dags/common.txt\n"
    assert requirements(text, **{"dags__common.txt": "six\n"}) == []


@pytest.mark.parametrize(
    ("included", "expected"),
    [
        (f"{OWN}six\n", []),
        ("six\n", [("mwaa-constraint-missing", "requirements.txt", 1)]),
        (
            f"six\n-c {OFFICIAL.format('2.5.1', '3.10')}\n",
            [("mwaa-constraint-other-version", "dags/common.txt", 2)],
        ),
    ],
)
def test_an_included_file_may_name_the_constraints(
    included: str, expected: list[tuple[str, str, int]]
) -> None:
    texts = {"requirements.txt": "-r /usr/local/airflow/dags/common.txt\n"}
    assert found({**texts, "dags/common.txt": included}) == expected


def test_install_time_counts_what_the_image_lacks() -> None:
    heavy = dict.fromkeys(("tensorflow", "pyspark", "xgboost", "catboost"), "1")
    light = {**get_target("2.11.0").preinstalled, "six": "1"}
    for pins, rules in ((heavy, ["mwaa-install-time"]), (light, [])):
        resolution = Resolution(judge="pip-tools", ok=True, pins=pins)
        made = about({"requirements.txt": OWN + "six\n"})
        made = replace(made, observed=side(Side.TARGET, (), resolution=resolution))
        assert [finding.rule for finding in findings("mwaa-rules", made)] == rules


def test_what_was_looked_at_is_said() -> None:
    texts = {"requirements.txt": OWN, "startup.sh": "", "airflow.cfg": "", "plugins/a.py": ""}
    assert judged("mwaa-rules", about(texts)) == [
        "requirements.txt",
        "startup.sh",
        "airflow.cfg",
        "plugins",
    ]


# ------------------------------------------------------------------------------------ startup

SCRIPT = """\
#!/bin/sh
# export PYTHONPATH=/comment
export COMPANY=1 PYTHONPATH="/a b:$PYTHONPATH"
MWAA__A__B=2; X=3
AWS_REGION=eu-west-1 aws s3 ls
echo "export AIRFLOW_HOME=/quoted"
cat <<EOF > /tmp/file
export AIRFLOW_HOME=/here-document
EOF
cat <<-'END' <<OTHER
\texport ECS_A=1
\tEND
export ECS_B=1
OTHER
declare -x AIRFLOW_HOME='/z'
if true; then export AIRFLOW_VERSION=1; fi
text="a
export ECS_C=1
"
export A=${B#prefix} \\
  ECS_D=1
export PYTHONPATH
readonly AIRFLOW__CORE__EXECUTOR=LocalExecutor
"""


def startup(text: str, airflow: str = "2.11.0") -> list[Finding]:
    return list(judge_startup("startup.sh", text, get_target(airflow)))


def test_variables_that_a_script_sets() -> None:
    said = startup(SCRIPT)
    assert [(finding.line, finding.message.split()[-1].strip(".")) for finding in said] == [
        (3, "PYTHONPATH"),
        (4, "MWAA__A__B"),
        (15, "AIRFLOW_HOME"),
        (16, "AIRFLOW_VERSION"),
        (20, "ECS_D"),
        (23, "itself"),
    ]
    assert said[0].evidence == 'export COMPANY=1 PYTHONPATH="/a b:$PYTHONPATH"'


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("sudo apt-get install -y gcc", "mwaa-startup-package-manager"),
        ("if x; then sudo dnf install -y gcc; fi", "mwaa-startup-time"),
        ("python3 -m pip install x", "mwaa-startup-time"),
        ("/usr/bin/pip3 install x", "mwaa-startup-time"),
        ("export A=1\r\n", "mwaa-startup-line-ends"),
    ],
)
def test_commands_of_a_script(text: str, rule: str) -> None:
    assert [finding.rule for finding in startup(text)] == [rule]


@pytest.mark.parametrize(
    ("setting", "airflow", "said"),
    [
        ("CORE__DAGS_FOLDER=/opt/dags", "2.11.0", ("mwaa-startup-folder", "airflow/dags.")),
        ("CORE__DAGS_FOLDER='/usr/local/airflow/dags2'", "2.5.1", ("mwaa-startup-folder", "dags.")),
        ("CORE__PLUGINS_FOLDER=$X/plugins", "2.11.0", ("mwaa-startup-folder", "plugins.")),
        ("CORE__DAGS_FOLDER=$AIRFLOW_HOME/dags", "2.11.0", None),
        ('CORE__DAGS_FOLDER="${HOME}/dags/team"', "2.11.0", None),
        ("CORE__DAGBAG_IMPORT_TIMEOUT=60", "2.11.0", None),
        # By the name that the option has in the target.
        (
            "CORE__SQL_ALCHEMY_CONN=sqlite://",
            "2.11.0",
            ("mwaa-startup-overwritten-option", "database.sql_alchemy_conn itself."),
        ),
        (
            "CORE__SQL_ALCHEMY_CONN=sqlite://",
            "2.2.2",
            ("mwaa-startup-overwritten-option", "core.sql_alchemy_conn itself."),
        ),
        ("WEBSERVER__BASE_URL=http://x", "2.11.0", ("mwaa-startup-reserved-variable", "BASE_URL.")),
    ],
)
def test_airflow_options_that_are_mwaas(
    setting: str, airflow: str, said: tuple[str, str] | None
) -> None:
    found = startup(f"# ours\nexport AIRFLOW__{setting}\n", airflow)
    assert len(found) == bool(said)
    for finding in found:
        assert (finding.rule, finding.line) == (said[0], 2) if said else False
        assert finding.message.endswith(said[1] if said else "")


@pytest.mark.parametrize("text", ["echo apt-get", "# yum", "'", '"', "<<", "a <<E\nexport", "\\"])
def test_text_that_is_no_such_command(text: str) -> None:
    assert startup(text) == []
    list(commands(text))


SHELL = st.sampled_from(
    [
        "export A=1",
        "'",
        '"',
        "\\",
        "\n",
        "<<E",
        "E",
        "#",
        ";",
        "$(",
        ")",
        " ",
        "\t",
        "é",
        "x=1",
        "<",
    ]
)


@settings(deadline=None)
@given(st.lists(SHELL).map("".join))
def test_any_text_is_read_and_lines_are_within_it(text: str) -> None:
    lines = [command.line for command in commands(text)]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@pytest.mark.parametrize("name", mwaa_data().reserved_variables)
def test_every_reserved_variable_is_seen(name: str) -> None:
    variable = name.replace("*", "ANY")
    (finding,) = startup(f"export {variable}=1\n")
    assert finding.rule == "mwaa-startup-reserved-variable"


@pytest.mark.parametrize(
    ("variable", "option"),
    [
        ("AIRFLOW__CORE__EXECUTOR", "core.executor"),
        (
            "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE",
            "kubernetes_executor.pod_template_file",
        ),
        ("AIRFLOW__X", ""),
        ("OTHER__CORE__X", ""),
    ],
)
def test_option_of(variable: str, option: str) -> None:
    assert option_of(variable) == option


# -------------------------------------------------------------------------------------- config


def config(text: str, airflow: str = "2.11.0") -> list[Finding]:
    first, *rest = judge_config("airflow.cfg", text, get_target(airflow))
    assert first.rule == "mwaa-config-not-read"
    return rest


@pytest.mark.parametrize(
    ("text", "rule", "word"),
    [
        ("[core]\nexecutor = LocalExecutor\n", "mwaa-config-overwritten", "core.executor"),
        ("[core]\nsql_alchemy_conn = x\n", "mwaa-config-overwritten", "database.sql_alchemy_conn"),
        ("[core]\ndag_concurrency: 8\n", "mwaa-config-moved", "max_active_tasks_per_dag"),
        ("[webserver]\nrbac = True\n", "mwaa-config-removed", "webserver.rbac"),
        ("[webserver]\ndag_default_view = tree\n", "mwaa-config-value", "grid"),
        ("[webserver]\ninstance_name = Prüfung\n", "mwaa-config-form", "ASCII"),
        ("[company]\nsome-thing = 1\n", "mwaa-config-form", "company.some-thing"),
        (f"[core]\n{'x' * 60} = 1\n", "mwaa-config-form", "core.x"),
    ],
)
def test_options(text: str, rule: str, word: str) -> None:
    (finding,) = config(text)
    assert (finding.rule, finding.line) == (rule, 2)
    assert word in finding.message


def test_options_that_are_fine() -> None:
    assert config("# [core]\n[core]\nparallelism = 64\n; executor = x\nempty =\n") == []


def test_a_name_that_moved_later_than_the_target_is_no_finding() -> None:
    text = "[webserver]\nupdate_fab_perms = False\n"
    assert config(text, "2.5.1") == []
    assert [finding.rule for finding in config(text, "2.10.3")] == ["mwaa-config-moved"]


def test_secrets_are_not_evidence() -> None:
    (finding,) = config("[core]\nfernet_key = hunter2\n")
    assert "hunter2" not in str(finding)


def test_continued_values_and_lines() -> None:
    read = list(mwaa_config.settings("[A]\nx = 1,\n    2\n\ny=3\n"))
    assert [(one.key, one.value, one.line) for one in read] == [("a.x", "1, 2", 2), ("a.y", "3", 5)]


# ------------------------------------------------------------------------------------- plugins

PLUGIN = "from airflow.plugins_manager import AirflowPlugin\n"


@pytest.mark.parametrize(
    ("texts", "airflow", "expected"),
    [
        ({"plugins/company/hooks.py": ""}, "2.11.0", []),
        ({"plugins/plugins/a.py": ""}, "2.11.0", ["mwaa-plugins-layout"]),
        ({"plugins/dags/a.py": ""}, "2.11.0", ["mwaa-dags-in-plugins"]),
        ({"plugins/a.py": PLUGIN}, "2.11.0", ["mwaa-plugins-lazy"]),
        ({"plugins/a.py": PLUGIN}, "2.0.2", ["mwaa-plugins-lazy", "mwaa-plugins-web-server"]),
    ],
)
def test_plugins(texts: dict[str, str], airflow: str, expected: list[str]) -> None:
    assert [rule for rule, _, _ in found(texts, airflow)] == expected


def test_plugins_that_are_loaded_eagerly() -> None:
    texts = {"plugins/a.py": PLUGIN, "airflow.cfg": "[core]\nlazy_load_plugins = False\n"}
    assert [rule for rule, _, _ in found(texts)] == ["mwaa-config-not-read"]


@pytest.mark.parametrize(
    ("names", "size", "expected"),
    [
        (["company.py", "hooks/a.py"], 10, []),
        (["plugins/", "plugins/company.py"], 10, ["mwaa-plugins-zip-wrapped"]),
        (["plugins/company.py", "company.py"], 10, []),
        (["plugins"], 10, []),
        (["a.py", "../dags/b.py"], 10, ["mwaa-plugins-zip-outside"]),
        (["/etc/passwd", "a.py"], 10, ["mwaa-plugins-zip-outside"]),
        (["..\\dags\\b.py", "a.py"], 10, ["mwaa-plugins-zip-outside"]),
        (["C:\\a.py", "a.py"], 10, ["mwaa-plugins-zip-outside"]),
        (["a..b.py", "b.py"], 10, []),
        (["a.py", "b.py"], 600 * 1024**2, ["mwaa-plugins-zip-large"]),
        ([], 0, []),
    ],
)
def test_plugins_zip(names: list[str], size: int, expected: list[str]) -> None:
    members = tuple(ArchiveMember(name=name, size=size) for name in names)
    looked_at = replace(about({}), archives={"plugins.zip": members, "dags/x.zip": members})
    assert [finding.rule for finding in findings("mwaa-rules", looked_at)] == expected
    assert judged("mwaa-rules", looked_at) == ["plugins.zip"]


# --------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("rule", CHECK.rules, ids=lambda rule: rule.id)
def test_every_rule_explains_itself(rule) -> None:
    assert all((rule.title, rule.why, rule.fix, rule.example, rule.keeps))


@pytest.mark.parametrize("rule", mwaa_startup.RULES, ids=lambda rule: rule.id)
def test_the_examples_of_the_startup_rules(rule) -> None:
    example = rule.example.replace("\\r", "\r\n")
    assert rule.id in [finding.rule for finding in startup(example)]
    assert rule.id not in [finding.rule for finding in startup(rule.keeps)]


@pytest.mark.parametrize("rule", mwaa_config.RULES[1:], ids=lambda rule: rule.id)
def test_the_examples_of_the_configuration_rules(rule) -> None:
    assert rule.id in [finding.rule for finding in config(rule.example)]
    assert rule.id not in [finding.rule for finding in config(rule.keeps)]
