"""Everything that files need while they are imported was supplied, or is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.checks.diagnosis import diagnose
from harness.checks.fixes import input_fix
from harness.checks.load_rules import (
    MISSING_CONNECTION,
    MISSING_ENVIRONMENT_VARIABLE,
    MISSING_VARIABLE,
    NETWORK_AT_PARSE,
)
from harness.checks.loads import failed_side
from harness.checks.network import network_fix
from harness.checks.places import listed, original_line
from harness.checks.scene import Kind, Scene, plugin_scene
from harness.model import (
    Check,
    Config,
    Finding,
    Judged,
    Judgement,
    LookupObservation,
    Observation,
    Pair,
    Rule,
    Severity,
    Side,
    Unjudged,
)

ASSUMED_INPUT = Rule(
    id="assumed-input",
    title="A placeholder stood in for a missing value",
    why="What was judged is the DAG that the placeholder makes; the real value may make another.",
    fix="Supply the real value in the configuration.",
    severity=Severity.WARNING,
    example='lake = Variable.get("lake_bucket")  # with --assume-missing',
    keeps='lake = Variable.get("lake_bucket", default_var="lake")',
)

ASSUMED_EXTRA = Rule(
    id="assumed-extra",
    title="The bridge was given an extra that the requirements do not name",
    why="The code imports modules of Airflow 1.10 that work only with an extra. The bridge has it "
    "in the version of the constraints; the environment that runs the DAGs may have another.",
    fix="Name the extra in requirements.txt; on the target it becomes the provider.",
    severity=Severity.WARNING,
    example="from airflow.operators.docker_operator import DockerOperator  # --assume-missing",
    keeps="from airflow.operators.bash_operator import BashOperator",
)

MISSING = {
    "variable": MISSING_VARIABLE,
    "connection": MISSING_CONNECTION,
    "env": MISSING_ENVIRONMENT_VARIABLE,
}
WORDS = {"variable": "Variable", "connection": "Connection", "env": "environment variable"}


@dataclass(frozen=True, kw_only=True)
class Input:
    """One Variable, Connection or environment variable, and every place that reads it."""

    kind: str
    name: str
    value: str
    places: tuple[tuple[str, int], ...]


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge every input that was asked for while files were imported.

    An input that stopped a file is told by the check that judges the file; here the file counts
    as unjudged, and what else it would read is named, so that all can be added in one go.
    """
    for observation in (pair.bridge, pair.observed):
        if observation.failure:
            yield Unjudged(path=pair.repo.dags, reason=failed_side(observation))
            return
    stopped = dict(_stopped(pair))
    told = {blamed for blamed in stopped.values() if blamed}
    asked = [*_lookups(pair, Side.BRIDGE), *_lookups(pair, Side.TARGET)]
    for look in asked:
        yield Judged(path=look.path)
    for path, blamed in stopped.items():
        if blamed:
            kind, name = blamed
            yield Unjudged(path=path, reason=f"the {WORDS[kind]} {name} has no value")
    assumed = [look for look in asked if look.answer == "assumed"]
    for entry in _by_name([*assumed, *_placeholders(pair)]):
        yield _finding(pair, ASSUMED_INPUT, entry, f"was assumed: {_shown(entry.value)}")
    missing = [look for look in asked if look.answer == "missing"]
    for entry in _by_name([*missing, *_unread(pair, set(stopped))]):
        if (entry.kind, entry.name) not in told:
            yield _finding(pair, MISSING[entry.kind], entry, "has no value")
    yield from _extras(pair)
    yield from _refused(pair)


def _stopped(pair: Pair) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Every file that its surroundings stopped, and the (kind, name) of the input to blame."""
    for side, observation in ((Side.TARGET, pair.observed), (Side.BRIDGE, pair.bridge)):
        broken = [seen for seen in observation.files if seen.outcome == "error"]
        scenes = [Scene(pair=pair, side=side, seen=seen) for seen in broken]
        scenes += [plugin_scene(pair, side, error) for error in observation.plugin_errors]
        for scene in scenes:
            cause = diagnose(scene)
            if cause.kind is Kind.SURROUNDINGS:
                yield scene.seen.path, cause.input


def _lookups(pair: Pair, side: Side) -> Iterator[LookupObservation]:
    """What was asked for on one side, at lines of the original files."""
    observation = pair.bridge if side is Side.BRIDGE else pair.observed
    for path, look in _all_lookups(observation):
        yield LookupObservation(
            kind=look.kind,
            name=look.name,
            path=look.path or path,
            line=original_line(pair, side, look.path, look.line),
            answer=look.answer,
            value=look.value,
        )


def _all_lookups(observation: Observation) -> Iterator[tuple[str, LookupObservation]]:
    for look in observation.plugin_lookups:
        yield look.path, look
    for seen in observation.files:
        for look in seen.lookups:
            yield seen.path, look


def _placeholders(pair: Pair) -> Iterator[LookupObservation]:
    """Environment variables that were set to a placeholder before Airflow was started."""
    if pair.config.assume_missing:
        yield from _needs(pair, "env", answer="assumed")


def _unread(pair: Pair, stopped: set[str]) -> Iterator[LookupObservation]:
    """What the stopped files would have read further down."""
    if not pair.config.assume_missing:
        for kind in WORDS:
            for look in _needs(pair, kind, answer="missing"):
                if look.path in stopped:
                    yield look


def _needs(pair: Pair, kind: str, *, answer: str) -> Iterator[LookupObservation]:
    given = _given(pair.config, kind)
    for need in pair.needs:
        if need.kind == kind and not need.optional and need.name not in given:
            yield LookupObservation(
                kind=kind,
                name=need.name,
                path=need.path,
                line=need.line,
                answer=answer,
                value=need.sample,
            )


def _given(config: Config, kind: str) -> Iterable[str]:
    return {
        "variable": config.variables,
        "connection": config.connections,
        "env": config.env,
    }[kind]


def _by_name(looks: Iterable[LookupObservation]) -> Iterator[Input]:
    """One entry for each input, with its places in order and without repetition."""
    groups: dict[tuple[str, str], list[LookupObservation]] = {}
    for look in looks:
        groups.setdefault((look.kind, look.name), []).append(look)
    for (kind, name), found in sorted(groups.items()):
        yield Input(
            kind=kind,
            name=name,
            value=next((look.value for look in found if look.value), ""),
            places=tuple(sorted({(look.path, look.line) for look in found})),
        )


def _finding(pair: Pair, rule: Rule, entry: Input, what: str) -> Finding:
    (path, line), *others = entry.places
    also = f"; also read in {listed(f'{p}:{n}' for p, n in others)}" if others else ""
    return rule.finding(
        path,
        f"The {WORDS[entry.kind]} {entry.name} {what}{also}",
        severity=Severity.WARNING,
        line=line,
        fix=input_fix(entry.kind, entry.name, sample=entry.value or _sample(pair, entry)),
    )


def _sample(pair: Pair, entry: Input) -> str:
    wanted = (n for n in pair.needs if (n.kind, n.name) == (entry.kind, entry.name))
    return next((need.sample for need in wanted), "")


def _shown(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:79]}…"


def _extras(pair: Pair) -> Iterator[Judgement]:
    """What the bridge was given, or was to be given, beyond the requirements."""
    for extra in pair.assumed_extras:
        yield Judged(path=extra.path)
        why = pair.bridge.not_installed.get(extra.requirement, "")
        became = f"could not be installed here: {why}" if why else "was assumed"
        here = " Here a compiler, the headers of a library or another release is missing first."
        yield ASSUMED_EXTRA.finding(
            extra.path,
            f"{extra.requirement}, which {extra.module} needs, {became}",
            line=extra.line,
            fix=f"Add {extra.requirement} to {pair.repo.requirements or 'requirements.txt'}; on "
            f"the target it becomes the provider.{here if why else ''}",
        )


def _refused(pair: Pair) -> Iterator[Finding]:
    """Files that were refused the network and loaded all the same."""
    hosts: dict[str, dict[str, None]] = {}
    for observation in (pair.bridge, pair.observed):
        for seen in observation.files:
            if seen.outcome == "ok" and seen.egress:
                hosts.setdefault(seen.path, {}).update(dict.fromkeys(seen.egress))
    for path, names in sorted(hosts.items()):
        yield NETWORK_AT_PARSE.finding(
            path,
            f"The file reaches for {listed(names)} while it is imported, and goes on without",
            severity=Severity.WARNING,
            fix=network_fix(tuple(names), pair.config),
        )


CHECK = Check(
    id="inputs-complete",
    title="What files read at import was supplied",
    why="A DAG may depend on Variables, Connections, environment variables and services; what is "
    "judged without them is not the DAG that runs.",
    rules=(ASSUMED_INPUT, ASSUMED_EXTRA, *MISSING.values(), NETWORK_AT_PARSE),
    judge=judge,
)
