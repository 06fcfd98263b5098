"""The rules of Amazon MWAA that a repository can break without Airflow minding.

Facts: Amazon MWAA User Guide; aws-mwaa-local-runner; amazon-mwaa-docker-images @ 9d2bebb.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from packaging.version import Version

from harness.checks import mwaa_archive, mwaa_config, mwaa_startup
from harness.checks.mwaa_archive import judge_archive
from harness.checks.mwaa_data import mwaa_data
from harness.checks.places import original_line, source_line
from harness.checks.requirements import requirements_path
from harness.model import Check, Finding, Judged, Judgement, Pair, Rule, Severity, Side
from harness.requirements.applied import constraint_lines, forces_constraints, mentions_constraints
from harness.requirements.sources import SourceFile, gather, official_version, text_tree

CONSTRAINT_MISSING = Rule(
    id="mwaa-constraint-missing",
    title="The requirements file names no constraint file",
    why="From Airflow 2.7.2 on MWAA then forces its own; before that pip is free to replace "
    "Airflow. Either way what gets installed is decided outside the repository.",
    fix="Put a --constraint line with the constraint file of the target's Airflow and Python on "
    "top.",
    severity=Severity.WARNING,
    example="requests",
    keeps='--constraint "/usr/local/airflow/dags/constraints.txt"\nrequests',
)
CONSTRAINT_COMMENTED = Rule(
    id="mwaa-constraint-commented",
    title="A comment switches the constraints off",
    why="MWAA looks for `-c ` or `--constraint ` on any line, comments included. A comment with it "
    "makes MWAA leave its own constraint file out, and nothing takes its place.",
    fix="Name a constraint file in a line of its own, or drop the comment.",
    severity=Severity.WARNING,
    example="# -c constraints.txt",
    keeps="# constraints: see below",
)
CONSTRAINT_LOST = Rule(
    id="mwaa-constraint-file-missing",
    title="The constraint file is not there",
    why="pip stops at once when it cannot open a constraint file: nothing is installed.",
    fix="Put the file into the DAG folder and name it by its path on MWAA: "
    "/usr/local/airflow/dags/constraints.txt.",
    example='--constraint "/usr/local/airflow/dags/constraints.txt"  # no such file in dags/',
    keeps='--constraint "/usr/local/airflow/dags/constraints.txt"  # with that file',
)
CONSTRAINT_OTHER = Rule(
    id="mwaa-constraint-other-version",
    title="The constraint file is of another Airflow or Python version",
    why="Its pins contradict what the image has.",
    fix="Name the file of the target's version.",
    example='--constraint ".../constraints-1.10.12/constraints-3.7.txt"',
    keeps='--constraint ".../constraints-2.11.0/constraints-3.12.txt"',
)
PATH_LOST = Rule(
    id="mwaa-requirements-path",
    title="The requirements file names something that is not in the repository",
    why="MWAA sees the DAG folder under /usr/local/airflow/dags, the unpacked plugins.zip under "
    "/usr/local/airflow/plugins, and nothing else of the repository.",
    fix="Put the file into dags/ or plugins/, and name it by its path there.",
    severity=Severity.WARNING,
    example="/usr/local/airflow/plugins/company-1.0-py3-none-any.whl  # not in plugins/",
    keeps="/usr/local/airflow/plugins/company-1.0-py3-none-any.whl  # it is in plugins/",
)
NOT_UPLOADED = Rule(
    id="mwaa-requirements-not-uploaded",
    title="The requirements file names a file that MWAA does not get",
    why="Of the requirements MWAA copies one file; a path beside it leads nowhere there.",
    fix="Put the file into dags/ and name it /usr/local/airflow/dags/…, or copy its lines.",
    example="-r common.txt",
    keeps="-r /usr/local/airflow/dags/common.txt",
)
INSTALL_TIME = Rule(
    id="mwaa-install-time",
    title="Installing the requirements may take too long",
    why="MWAA ends the installation after nine minutes, in every container. The time is an "
    "estimate: one second a distribution that the image lacks, and four megabytes a second.",
    fix="Drop what DAGs do not import; build large ones into wheels in plugins.zip; run heavy "
    "work in containers of its own (ECS, EKS, Batch).",
    severity=Severity.WARNING,
    example="tensorflow\npyspark\nxgboost\ncatboost",
    keeps="requests",
)
PLUGINS_WRAPPED = Rule(
    id="mwaa-plugins-layout",
    title="The plugins lie one folder too deep",
    why="plugins.zip is unpacked in /usr/local/airflow/plugins: with a wrapping folder in it, "
    "imports and paths differ from those here.",
    fix="Zip the contents of the plugins folder, not the folder.",
    severity=Severity.WARNING,
    example="plugins/plugins/company.py",
    keeps="plugins/company/plugins.py",
)
DAGS_IN_PLUGINS = Rule(
    id="mwaa-dags-in-plugins",
    title="A folder dags/ lies among the plugins",
    why="Airflow looks for DAGs in the DAG folder only.",
    fix="Move it into the DAG folder.",
    severity=Severity.WARNING,
    example="plugins/dags/etl.py",
    keeps="dags/etl.py",
)
PLUGINS_LAZY = Rule(
    id="mwaa-plugins-lazy",
    title="Airflow 2 loads plugins late",
    why="Listeners, macros and hooks that plugins patch in at import are not there in time; MWAA's "
    "guide asks for the option below.",
    fix="Set the configuration option core.lazy_load_plugins to False.",
    severity=Severity.NOTE,
    example="plugins/company.py with an AirflowPlugin in it",
    keeps="plugins/company.py without one",
)
PLUGINS_NOT_ON_WEB = Rule(
    id="mwaa-plugins-web-server",
    title="The web server of this version gets no plugins",
    why="On Airflow 2.0.2 MWAA installs plugins and requirements for scheduler and workers only; "
    "links and views of plugins do not appear.",
    fix="Choose 2.2.2 or newer.",
    severity=Severity.WARNING,
    example="plugins/company.py with an AirflowPlugin in it, on 2.0.2",
    keeps="the same on 2.5.1",
)
REQUIREMENTS_RULES = (
    CONSTRAINT_MISSING,
    CONSTRAINT_COMMENTED,
    CONSTRAINT_LOST,
    CONSTRAINT_OTHER,
    PATH_LOST,
    NOT_UPLOADED,
    INSTALL_TIME,
)
PLUGIN_RULES = (PLUGINS_WRAPPED, DAGS_IN_PLUGINS, PLUGINS_LAZY, PLUGINS_NOT_ON_WEB)

INSTALL_LIMIT = 9 * 60
_SECONDS_EACH, _MEGABYTES_EACH, _MEGABYTES_PER_SECOND = 1.0, 2, 4.0


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge the files of the rewritten copy that MWAA itself reads."""
    path = requirements_path(pair)
    if path and path in pair.rewritten_texts:
        yield Judged(path=path)
        yield from _requirements(pair, path)
    startup = pair.repo.startup
    if startup and startup in pair.texts:
        yield Judged(path=startup)
        yield from mwaa_startup.judge_startup(startup, pair.texts[startup], pair.target)
    config = pair.repo.airflow_cfg
    if config and config in pair.texts:
        yield Judged(path=config)
        yield from mwaa_config.judge_config(config, pair.texts[config], pair.target)
    if pair.repo.plugins:
        yield Judged(path=pair.repo.plugins)
        yield from _plugins(pair, pair.repo.plugins)
    for archive, members in pair.archives.items():
        if archive.rpartition("/")[2] == "plugins.zip":
            yield Judged(path=archive)
            yield from judge_archive(archive, members)


# ------------------------------------------------------------------------------- requirements


def _requirements(pair: Pair, path: str) -> Iterator[Finding]:
    tree = text_tree(pair.repo, pair.rewritten_texts, path=path)
    files, problems = gather(pair.rewritten_texts[path], tree)
    lines = files[0].lines
    yield from _constraints(pair, path, files)
    for problem in problems:
        rule = CONSTRAINT_LOST if problem.kind == "constraint" else PATH_LOST
        yield _at(pair, rule, problem.path, problem.message, problem.line)
    for line in lines:
        place = tree.locate(line.value) if line.kind in ("include", "constraint") else None
        if (
            place
            and tree.has(place)
            and not line.value.strip("'\"").startswith(("/", "$", "file:"))
        ):
            message = f"MWAA copies {path} alone: {line.value} is not beside it there."
            yield _at(pair, NOT_UPLOADED, path, message, line.number)
    yield from _install_time(pair, path)


def _constraints(pair: Pair, path: str, files: Sequence[SourceFile]) -> Iterator[Finding]:
    named = list(constraint_lines(files))
    for where, line in named:
        version = official_version(line.value, airflow=pair.target.airflow)
        if version and version != (pair.target.airflow, pair.target.python):
            message = f"This is the constraint file of Airflow {version[0]}, Python {version[1]}."
            yield _at(pair, CONSTRAINT_OTHER, where, message, line.number)
    asked = (line.kind for file in files if not file.constraints for line in file.lines)
    if named or "requirement" not in asked:
        return
    lines = files[0].lines
    if mentions_constraints(lines):
        line = next(line for line in lines if mentions_constraints([line]))
        left_out = (
            "leaves its own constraint file out"
            if forces_constraints(pair.target)
            else ("takes this for a constraint file")
        )
        message = f"{line.raw.strip()!r}: MWAA {left_out}, and nothing takes its place."
        yield _at(pair, CONSTRAINT_COMMENTED, path, message, line.number)
    else:
        message = "No line names a constraint file."
        yield _at(pair, CONSTRAINT_MISSING, path, message, 1)


def _install_time(pair: Pair, path: str) -> Iterator[Finding]:
    resolution = pair.observed.resolution
    # Of some images only the providers are known: what Airflow itself needs would count as new.
    if resolution is None or "apache-airflow" not in pair.target.preinstalled:
        return
    new = {name for name in resolution.pins if name not in pair.target.preinstalled}
    weights = {name: mwaa_data().megabytes.get(name, _MEGABYTES_EACH) for name in new}
    seconds = len(new) * _SECONDS_EACH + sum(weights.values()) / _MEGABYTES_PER_SECOND
    if seconds > INSTALL_LIMIT / 2:
        heaviest = sorted(weights, key=lambda name: (-weights[name], name))[:3]
        message = (
            f"{len(new)} distributions that the image lacks, about {sum(weights.values())} MB: "
            f"some {seconds / 60:.0f} minutes of the nine. The largest: {', '.join(heaviest)}."
        )
        yield _at(pair, INSTALL_TIME, path, message, 0)


def _at(pair: Pair, rule: Rule, path: str, message: str, line: int) -> Finding:
    """A finding at a line of the rewritten file, placed in the original."""
    original = original_line(pair, Side.TARGET, path, line)
    evidence = source_line(pair, path, original)
    return rule.finding(path, message, line=original, evidence=evidence, side=Side.TARGET.value)


# ------------------------------------------------------------------------------------ plugins


def _plugins(pair: Pair, folder: str) -> Iterator[Finding]:
    inside = [
        posixpath.relpath(path, folder) for path in pair.repo.files if path.startswith(f"{folder}/")
    ]
    tops = {path.partition("/")[0] for path in inside if "/" in path}
    if "plugins" in tops:
        message = f"{folder}/plugins/ becomes /usr/local/airflow/plugins/plugins/ on MWAA."
        yield PLUGINS_WRAPPED.finding(f"{folder}/plugins", message)
    if "dags" in tops:
        yield DAGS_IN_PLUGINS.finding(f"{folder}/dags", "MWAA does not look for DAGs here.")
    registering = [
        path
        for path in (f"{folder}/{name}" for name in inside if name.endswith(".py"))
        if "AirflowPlugin" in pair.rewritten_texts.get(path, "")
    ]
    if not registering:
        return
    if not _eager(pair):
        message = "The environment needs core.lazy_load_plugins = False for this plugin."
        yield PLUGINS_LAZY.finding(registering[0], message)
    if Version(pair.target.airflow) < Version("2.2.2"):
        message = f"Airflow {pair.target.airflow} on MWAA: the web server gets no plugins."
        yield PLUGINS_NOT_ON_WEB.finding(registering[0], message)


def _eager(pair: Pair) -> bool:
    text = pair.texts.get(pair.repo.airflow_cfg or "", "")
    return any(
        setting.key == "core.lazy_load_plugins" and setting.value.strip().lower() == "false"
        for setting in mwaa_config.settings(text)
    )


CHECK = Check(
    id="mwaa-rules",
    title="The repository keeps MWAA's rules",
    why="MWAA installs, starts and configures in ways of its own; what it overwrites or ends after "
    "minutes works everywhere else.",
    rules=(
        *REQUIREMENTS_RULES,
        *mwaa_startup.RULES,
        *mwaa_config.RULES,
        *PLUGIN_RULES,
        *mwaa_archive.RULES,
    ),
    judge=judge,
)
