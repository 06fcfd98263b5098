"""harness.config: every key, every error, and values that never show."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import KEYS, connection_uri, load_config, parse_env
from harness.errors import UsageError
from harness.model import AwsConfig, Config, Ignored

PRIVATE = "hunter2"


def own(root: Path, text: str, **files: str) -> Config:
    for name, content in files.items():
        (root / name).write_text(content, "utf-8")
    (root / "mwaa-harness.toml").write_text(text, "utf-8")
    return load_config(root)


def refused(root: Path, text: str, **files: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        own(root, text, **files)
    assert PRIVATE not in str(caught.value)
    return caught.value


# ---------------------------------------------------------------------------- where it stands


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "pins.txt").write_text("")
    config = own(
        tmp_path,
        """
        targets = ["2.11.0", "2.10.3"]
        bridge = "1.10.15"
        dags = "d"
        plugins = "p"
        requirements = ["ours==1"]
        paths = ["src"]
        allowed-hosts = "example.com"
        python-bridge = "3.8"
        python-target = "/usr/bin/python3.12"
        assume-missing = true
        timeout = 12
        memory = 512
        variables = {a = "text", b = {c = [1, true]}, n = 3}
        connections = {db = "postgres://u:p@h/s"}
        env = {STAGE = "test", N = 1}
        ignore = [{rule = "r", reason = "why"}, {rule = "s", path = "dags/x*", reason = "y"}]
        [constraints]
        "2.11.0" = "pins.txt"
        "1.10.15" = "https://example.com/c.txt"
        """,
    )
    assert config == Config(
        source="mwaa-harness.toml",
        targets=("2.11.0", "2.10.3"),
        bridge="1.10.15",
        dags="d",
        plugins="p",
        requirements=("ours==1",),
        paths=("src",),
        allowed_hosts=("example.com",),
        python_bridge="3.8",
        python_target="/usr/bin/python3.12",
        assume_missing=True,
        timeout=12.0,
        memory=512,
        variables={"a": "text", "b": '{"c": [1, true]}', "n": "3"},
        connections={"db": "postgres://u:p@h/s"},
        env={"STAGE": "test", "N": "1"},
        ignored=(
            Ignored(rule="r", reason="why"),
            Ignored(rule="s", path="dags/x*", reason="y"),
        ),
        constraints={
            "2.11.0": str(tmp_path.resolve() / "pins.txt"),
            "1.10.15": "https://example.com/c.txt",
        },
    )


def test_every_field_of_config_has_a_key() -> None:
    fields = set(Config.__dataclass_fields__) - {"source"}
    assert {key.field for key in KEYS} == fields


def test_the_documentation_names_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs/configuration.md").read_text("utf-8")
    assert not [key.name for key in KEYS if f"`{key.name}`" not in text]


def test_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mwaa-harness]\nbridge = "1.10.12"\n')
    config = load_config(tmp_path)
    assert (config.source, config.bridge) == ("pyproject.toml", "1.10.12")


@pytest.mark.parametrize("text", ["[tool.other]\nx = 1", "[broken"])
def test_a_pyproject_that_does_not_speak_of_us_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert load_config(tmp_path) == Config()


def test_both_at_once_is_an_error(tmp_path: Path) -> None:
    error = refused(tmp_path, "", **{"pyproject.toml": "[tool.mwaa-harness]\nmemory = 1"})
    assert "mwaa-harness.toml" in error.message
    assert "pyproject.toml" in error.message


def test_overrides_win_and_none_is_no_override(tmp_path: Path) -> None:
    own(tmp_path, 'bridge = "1.10.12"\ntimeout = 5')
    config = load_config(tmp_path, overrides={"bridge": "1.10.15", "timeout": None})
    assert (config.bridge, config.timeout) == ("1.10.15", 5.0)
    assert load_config(tmp_path / "x", overrides={"memory": 7}) == Config(memory=7)


def test_overrides_are_read_like_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "variables.json").write_text('{"a": {"b": 1}}')
    monkeypatch.chdir(elsewhere)
    overrides = {
        "variables": "variables.json",
        "assume-missing": True,
        "python-bridge": "3.8",
        "constraints": {"2.11.0": "https://example.com/c.txt"},
    }
    config = load_config(tmp_path, overrides=overrides)
    assert dict(config.variables) == {"a": '{"b": 1}'}
    assert (config.assume_missing, config.python_bridge) == (True, "3.8")
    assert config.constraints["2.11.0"] == "https://example.com/c.txt"
    with pytest.raises(UsageError, match="command line: timeout"):
        load_config(tmp_path, overrides={"timeout": -1})


def test_the_emulated_aws(tmp_path: Path) -> None:
    (tmp_path / "buckets").mkdir()
    (tmp_path / "parameters.json").write_text('{"/team/key": "v", "/TEAM/KEY": [1]}')
    (tmp_path / "mwaa-harness.toml").write_text(
        '[aws]\nemulator = "localstack"\ns3 = "buckets"\nparameters = "parameters.json"\n'
        'secrets = {"db" = {user = "u"}}'
    )
    aws = load_config(tmp_path).aws
    assert (aws.emulator, aws.s3) == ("localstack", str(tmp_path / "buckets"))
    assert dict(aws.parameters) == {"/team/key": "v", "/TEAM/KEY": "[1]"}
    assert dict(aws.secrets) == {"db": '{"user": "u"}'}
    overridden = load_config(tmp_path, overrides={"aws": "none"}).aws
    assert (overridden.emulator, overridden.s3) == ("none", aws.s3)
    (tmp_path / "mwaa-harness.toml").write_text('aws = "moto"')
    assert load_config(tmp_path).aws == AwsConfig(emulator="moto")


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('target = ["2.11.0"]', r"line 1: .*'target'; did you mean targets\?"),
        ('\nallowed_hosts = "x"', r"line 2: .*did you mean allowed-hosts\?"),
        ("zzzzzz = 1", r"no key 'zzzzzz'; Known are allowed-hosts, assume"),
        ("targets = 2.11", r"targets is not a list of texts.\nAllowed is a list of Airflow"),
        ("targets = [1]", "targets is not a list of texts"),
        ('dags = ""', "dags is not a text"),
        ('timeout = "fast"', "timeout is not a positive number"),
        ("timeout = inf", "timeout is not a positive number"),
        ("timeout = true", "timeout is not a positive number"),
        ("memory = 1.5", "memory is not a positive whole number"),
        ("assume-missing = 1", "neither true nor false"),
        ('paths = ["nowhere"]', "'nowhere', which is no folder"),
        ('aws = "floci"', "aws names no emulator.\nAllowed is “none”, “moto” or “localstack”"),
        ('aws = {s3 = "."}', "aws has no emulator"),
        ('aws = {emulator = "moto", s3 = "nowhere"}', "aws names 'nowhere' for s3, which is no"),
        ('aws = {emulator = "moto", secret = {}}', r"'secret'; did you mean secrets\?"),
        ('constraints = {"2.11.0" = "nowhere.txt"}', "'nowhere.txt' for '2.11.0', which is no"),
        ('constraints = {"2.11.0" = 1}', "no file or URL for '2.11.0'"),
        ("ignore = 1", "ignore is not a list of tables"),
        ('ignore = [{rule = "r"}]', "number 1 has no reason"),
        ('ignore = [{rule = "r", reason = " "}]', "number 1 has no reason"),
        ('ignore = [{reason = "r"}]', "number 1 has no rule"),
        ('ignore = [{rule = "r", resaon = "x"}]', r"number 1: .*did you mean reason\?"),
        ("variables = 1", "variables is not a table"),
        ("variables = {d = 2020-01-01}", "'d' has no JSON form"),
        ('variables = {"a=b" = 1}', "'a=b' is empty or has a “=” in it"),
        ("variables = {ab = 1, AB = 2}", "'ab' and 'AB' differ in case only"),
        ("env = {A = [1]}", "'A' is not a name with a text"),
        ('variables = "missing.json"', "missing.json: no such file"),
        ('variables = "x.yaml"', "of that kind are not read"),
        ('connections = {c = "hunter2"}', "connection 'c': it is not a URI"),
        ('connections = {c = {password = "hunter2", hots = "h"}}', r"did you mean host\?"),
        ('connections = {c = {password = ["hunter2"]}}', "its password is not a text"),
        ('connections = {c = {port = "hunter2"}}', "its port is not a number"),
        ("connections = {c = {port = 70000}}", "between 1 and 65535"),
        ('connections = {c = {conn_type = "a b"}}', "conn_type may hold"),
        ("connections = {c = 1}", "neither a URI nor a table"),
        ("connections = {c = '{\"hunter2'}", "connection 'c'"),
        ("timeout = ", "not valid TOML"),
    ],
)
def test_errors_say_what_and_where(tmp_path: Path, text: str, message: str) -> None:
    error = refused(tmp_path, text, **{"x.yaml": ""})
    assert str(tmp_path) in error.message
    with pytest.raises(UsageError, match=message):
        raise error


def test_errors_in_pyproject_name_the_line_in_our_table(tmp_path: Path) -> None:
    text = "[project]\ntargets = 1\n\n[tool.mwaa-harness]\n\ntargets = 2\n"
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=r"pyproject.toml, line 6: targets is not"):
        load_config(tmp_path)


@pytest.mark.parametrize("text", ["[", "[1]", '{"a": "hunter2" b}', '{"a": ' + "[" * 100_000])
def test_broken_exports(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, 'variables = "v.json"', **{"v.json": text})
    assert "v.json" in error.message


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "mwaa-harness.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_config(tmp_path)


# ----------------------------------------------------------------------- variables, connections


def test_exports_are_read(tmp_path: Path) -> None:
    """As ``airflow variables export`` and ``airflow connections export`` of 2.x write them."""
    variables = {"n": 1, "flag": True, "text": "x", "json": {"k": ["v"]}, "none": None}
    connection = {
        "conn_type": "google_cloud_platform",
        "description": None,
        "login": "u",
        "password": PRIVATE,
        "host": "h",
        "port": 5432,
        "schema": "s",
        "extra": '{"a": "b"}',
    }
    config = own(
        tmp_path,
        'variables = "v.json"\nconnections = "c.json"\nenv = "e.env"',
        **{
            "v.json": json.dumps(variables),
            "c.json": json.dumps({"gcp": connection, "uri": "http://h"}),
            "e.env": "export A=1\n",
        },
    )
    assert config.variables == {
        "n": "1",
        "flag": "true",
        "text": "x",
        "json": '{"k": ["v"]}',
        "none": "null",
    }
    assert config.connections == {
        "gcp": f"google-cloud-platform://u:{PRIVATE}@h:5432/s?a=b",
        "uri": "http://h",
    }
    assert config.env == {"A": "1"}


def test_connections_as_an_env_file(tmp_path: Path) -> None:
    """``airflow connections export c.env`` writes ``id=URI`` or ``id=JSON`` a line."""
    config = own(
        tmp_path,
        'connections = "c.env"',
        **{"c.env": 'db=postgres://u:p%23@h/s\nweb={"conn_type": "http", "host": "h"}\n'},
    )
    assert config.connections == {"db": "postgres://u:p%23@h/s", "web": "http://h"}


@pytest.mark.parametrize("key", ["variables", "connections", "env"])
@pytest.mark.parametrize("value", ["x://a\\u0000b", "x://a\\ud800b"])
def test_what_no_environment_can_hold_is_refused(tmp_path: Path, key: str, value: str) -> None:
    error = refused(tmp_path, f'{key} = "v.json"', **{"v.json": f'{{"name": "{value}"}}'})
    assert f"{key}: 'name'" in error.message


@pytest.mark.parametrize(
    ("given", "portable"),
    [
        ("postgres://u:p@h:1/s?a=b", "postgres://u:p@h:1/s?a=b"),
        ("aws://?__extra__=%7B%22a%22%3A+%22b%22%7D", "aws:///?a=b"),
        ("aws://?__extra__=%7B%22n%22%3A+%5B1%5D%7D", "aws:///?n=%5B1%5D"),
        ("http://https://u:p@h:8/s", "http://u:p@https%3A%2F%2Fh:8/s"),
        ("http://https://h", "http://https%3A%2F%2Fh"),
        ("google_cloud_platform://?a=b", "google-cloud-platform:///?a=b"),
        ("//h", "//h"),
    ],
)
def test_uris_are_left_alone_unless_the_generations_differ(
    tmp_path: Path, given: str, portable: str
) -> None:
    config = own(tmp_path, f"connections = {{c = {json.dumps(given)}}}")
    assert config.connections == {"c": portable}


def test_a_host_keeps_its_case() -> None:
    uri = connection_uri({"conn_type": "snowflake", "host": "MyAccount.Region"})
    assert unquote(urlsplit(uri).hostname or "") == "MyAccount.Region"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(
    host=TEXT,
    login=TEXT,
    password=TEXT,
    schema=TEXT,
    port=st.none() | st.integers(1, 65535),
    extra=st.dictionaries(TEXT, TEXT, max_size=3),
)
def test_a_uri_gives_back_its_fields(
    host: str,
    login: str,
    password: str,
    schema: str,
    port: int | None,
    extra: Mapping[str, str],
) -> None:
    uri = connection_uri(
        {
            "conn_type": "a_b",
            "host": host,
            "login": login,
            "password": password,
            "schema": schema,
            "port": port,
            "extra": json.dumps(extra),
        }
    )
    parts = urlsplit(uri)
    assert uri.isascii()
    assert (parts.scheme, parts.port) == ("a-b", port)
    assert unquote(parts.netloc.rpartition("@")[2].partition(":")[0]) == host
    assert unquote(parts.username or "") == login
    assert unquote(parts.password or "") == password
    assert unquote(parts.path[1:]) == schema
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == extra


# --------------------------------------------------------------------------------- env files


def test_env_files() -> None:
    text = """
# a comment
A=1
export B = two words  # and a comment
C='lit $x \\n # no comment'   # one
D="a\\tb\\"c\\\\ \\$x"
E=
F=a#b
G="two
lines"
H=#nothing
"""
    assert parse_env(text) == {
        "A": "1",
        "B": "two words",
        "C": "lit $x \\n # no comment",
        "D": 'a\tb"c\\ $x',
        "E": "",
        "F": "a#b",
        "G": "two\nlines",
        "H": "",
    }


@pytest.mark.parametrize("text", ["A=1\nnothing\n", "A=1\nB='open\n", 'A=1\nB="open', "A=1\n=x"])
def test_env_errors_name_the_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"x\.env, line 2"):
        parse_env(text, "x.env")


@given(st.dictionaries(st.text("ABC_1", min_size=1), st.text(), max_size=4))
def test_quoted_values_come_back(values: dict[str, str]) -> None:
    lines = [
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
        for name, value in values.items()
    ]
    assert parse_env("\n".join(lines)) == values


@given(st.text("A=#'\" \\\n\r\texport", max_size=20))
def test_no_env_file_hangs_or_breaks(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert "" not in parse_env(text)
