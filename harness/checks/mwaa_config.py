"""What MWAA makes of the options in ``airflow.cfg``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.checks.mwaa_data import Moved, moved_option, mwaa_data
from harness.model import Finding, Rule, Severity, Target

NOT_READ = Rule(
    id="mwaa-config-not-read",
    title="MWAA does not read airflow.cfg",
    why="Options reach an MWAA environment through its configuration options only.",
    fix="Set the options you rely on as configuration options of the environment (section.key).",
    severity=Severity.NOTE,
    example="airflow.cfg",
    keeps="aws mwaa update-environment --airflow-configuration-options core.parallelism=64",
)
OVERWRITTEN = Rule(
    id="mwaa-config-overwritten",
    title="An option that MWAA always overwrites",
    why="MWAA decides it, whatever the environment's configuration options say.",
    fix="Leave it out of the environment's configuration options.",
    severity=Severity.NOTE,
    example="[core]\nexecutor = LocalExecutor",
    keeps="[core]\nparallelism = 64",
)
MOVED = Rule(
    id="mwaa-config-moved",
    title="An option that has another name in the target",
    why="The old name works with a warning to the end of 2.x and not in 3.",
    fix="Use the new name in the environment's configuration options.",
    severity=Severity.NOTE,
    example="[core]\ndag_concurrency = 8",
    keeps="[core]\nmax_active_tasks_per_dag = 8",
)
REMOVED = Rule(
    id="mwaa-config-removed",
    title="An option that Airflow 2 does not know",
    why="It is ignored without a word.",
    fix="Leave it out.",
    severity=Severity.NOTE,
    example="[webserver]\nrbac = True",
    keeps="[webserver]\nexpose_config = True",
)
VALUE = Rule(
    id="mwaa-config-value",
    title="A value that names something which moved",
    why="The class or choice exists in 1.10 only.",
    fix="Use the new value.",
    severity=Severity.WARNING,
    example="[secrets]\n"
    "backend = airflow.contrib.secrets.aws_secrets_manager.SecretsManagerBackend",
    keeps="[secrets]\nbackend = company.secrets.Backend",
)
FORM = Rule(
    id="mwaa-config-form",
    title="An option that MWAA's interface refuses",
    why="A configuration option of an environment is `[a-z]+([a-z0-9._]*[a-z0-9_]+)?` of at most "
    "64 characters, its value at most 65,536 printable ASCII characters.",
    fix="Shorten it, or set it in code.",
    severity=Severity.WARNING,
    example="[webserver]\ninstance_name = Prüfung",
    keeps="[webserver]\ninstance_name = Test",
)
RULES: tuple[Rule, ...] = (NOT_READ, OVERWRITTEN, MOVED, REMOVED, VALUE, FORM)

# Shapes of the service model. Source: botocore 1.44.5, mwaa/2020-07-01, ConfigKey and ConfigValue.
_KEY = re.compile(r"[a-z]+([a-z0-9._]*[a-z0-9_]+)?")
_VALUE = re.compile(r"[ -~]+")
_KEY_LENGTH, _VALUE_LENGTH = 64, 65536

_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_OPTION = re.compile(r"(?P<key>[^\s=:#;\[][^=:]*?)\s*[=:]\s*(?P<value>.*)")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One option of a configuration file: "section.key", its value's lines joined, its line."""

    key: str
    value: str
    line: int


def settings(text: str) -> Iterator[Setting]:
    """The options of an ini file with their line numbers, which configparser does not keep."""
    section, found = "", list[Setting]()
    for number, row in enumerate(text.splitlines(), 1):
        stripped = row.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        if row[0].isspace() and found:
            last = found.pop()
            found.append(Setting(key=last.key, value=f"{last.value} {stripped}", line=last.line))
        elif match := _SECTION.match(stripped):
            section = match["name"].strip().lower()
        elif match := _OPTION.match(stripped):
            key = f"{section}.{match['key'].lower()}"
            found.append(Setting(key=key, value=match["value"], line=number))
    yield from found


def judge_config(path: str, text: str, target: Target) -> Iterator[Finding]:
    """The findings in an airflow.cfg for a target, each at its line."""
    yield NOT_READ.finding(path, "MWAA does not read this file.", line=1)
    for setting in settings(text):
        rule, message = _judgement(setting, moved_option(setting.key, target.airflow))
        if rule:
            evidence = f"{setting.key} = {setting.value[:80]}"
            if "conn" in setting.key or "key" in setting.key or "password" in setting.key:
                evidence = setting.key  # the value may be a secret
            yield rule.finding(path, message, line=setting.line, evidence=evidence)


def _judgement(setting: Setting, moved: Moved | None) -> tuple[Rule | None, str]:
    data = mwaa_data()
    new = moved.new if moved else setting.key
    for row in data.replaced_values:
        if row.key in (setting.key, new) and row.old == setting.value.strip():
            return VALUE, f"{row.old} is now {row.new}."
    if setting.key in data.overwritten_configuration:
        return OVERWRITTEN, f"MWAA always sets {new} itself."
    if moved:
        return MOVED, f"{setting.key} is {new} since Airflow {moved.since}."
    if setting.key in data.removed_configuration:
        return REMOVED, f"Airflow 2 has no {setting.key}. {data.removed_configuration[setting.key]}"
    if len(setting.key) > _KEY_LENGTH or not _KEY.fullmatch(setting.key):
        return FORM, f"{setting.key} cannot be a configuration option of an environment."
    if setting.value and not _VALUE.fullmatch(setting.value):
        return FORM, f"The value of {setting.key} holds characters other than printable ASCII."
    if len(setting.value) > _VALUE_LENGTH:
        return FORM, f"The value of {setting.key} is longer than {_VALUE_LENGTH} characters."
    return None, ""
