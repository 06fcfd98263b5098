"""Which row of the causes fits a file that did not load, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.checks.causes import CAUSES
from harness.checks.conditions import unset
from harness.checks.fixes import fix_input
from harness.checks.load_rules import BROKEN_ON_BRIDGE, BROKEN_ON_TARGET
from harness.checks.places import bare, left_to_do, listed, steady
from harness.checks.scene import Cause, Diagnosis, Hit, Kind, Scene
from harness.model import Rule, Side

FALLBACK: Mapping[Side, tuple[Rule, Kind]] = {
    Side.BRIDGE: (BROKEN_ON_BRIDGE, Kind.OWN),
    Side.TARGET: (BROKEN_ON_TARGET, Kind.OWN),
}


def rules_for(side: Side) -> tuple[Rule, ...]:
    """Every rule that a file may break on ``side``, each once, in the order of the table."""
    found = [cause.rule for cause in CAUSES if cause.side in (None, side)]
    return tuple({rule.id: rule for rule in [*found, FALLBACK[side][0]]}.values())


def diagnose(scene: Scene) -> Diagnosis:
    """Why the file of ``scene`` did not load, and what to do about it."""
    for cause in CAUSES:
        hit = _match(cause, scene)
        if hit:
            return Diagnosis(
                rule=cause.rule,
                kind=cause.kind,
                message=cause.says.format_map(_Words({**_facts(scene), **hit.words})),
                fix=_by_hand(scene) or _fix(cause, hit) or cause.rule.fix,
                input=(cause.input, hit.name) if cause.input else None,
                machine=cause.machine,
            )
    rule, kind = FALLBACK[scene.side]
    said = f"{bare(scene.error.type)}: {scene.error.message}".strip(": ")
    first = steady(said.splitlines()[0]) if said else "it did not load"
    return Diagnosis(rule=rule, kind=kind, message=first, fix=_by_hand(scene) or rule.fix)


def _fix(cause: Cause, hit: Hit) -> str:
    if cause.fix:
        return cause.fix(hit)
    return fix_input(cause.input, hit) if cause.input else ""


def _match(cause: Cause, scene: Scene) -> Hit | None:
    """What the groups of ``cause`` caught, or None when it is not the cause."""
    error = scene.error
    if scene.seen.outcome != cause.outcome or cause.side not in (None, scene.side):
        return None
    if cause.types and error.type.rpartition(".")[2] not in cause.types:
        return None
    words: dict[str, str] = {}
    if cause.message:
        found = _search(cause.message, (error.message, *error.chain))
        if found is None:
            return None
        words = {group: steady(text) for group, text in found.groupdict().items() if text}
        if "other" in words:
            words["name"] = words.pop("other")
        if "module" in words:
            words["module"] = _whole_module(words["module"], scene.source)
        if "arguments" in words:
            words["name"] = listed(_keys(words["arguments"]))
    hit = Hit(scene=scene, words=words)
    return hit if cause.when is None or cause.when(hit) else None


def _whole_module(missing: str, source: str) -> str:
    """The module that ``source`` imports; Python names only the part of it that is missing."""
    whole = re.search(rf"(?<![\w.]){re.escape(missing)}(?:\.\w+)*", source)
    return whole[0] if whole else missing


def _keys(arguments: str) -> list[str]:
    """The keys of a dict as Python prints it, whatever its values print."""
    inner = arguments.strip("{}")
    while (flat := re.sub(r"[\[({][^\[\](){}]*[\])}]", "", inner)) != inner:
        inner = flat
    return re.findall(r"'(\w+)':", inner)


def _search(pattern: str, texts: Iterable[str]) -> re.Match[str] | None:
    hits = (re.search(pattern, text) for text in texts)
    return next((hit for hit in hits if hit), None)


def _by_hand(scene: Scene) -> str:
    """What the rewrite left to do at the line where its copy stops; the bridge has the original."""
    if scene.side is Side.BRIDGE:
        return ""
    return left_to_do(scene.pair, scene.seen.path, scene.line)


def _facts(scene: Scene) -> dict[str, object]:
    assumed = (look.name for look in scene.seen.lookups if look.answer == "assumed")
    return {
        "airflow": scene.observation.airflow,
        "python": scene.observation.python,
        "path": scene.seen.path,
        "timeout": scene.pair.config.timeout,
        "memory": scene.pair.config.memory,
        "egress": listed(scene.seen.egress),
        "assumed": listed(dict.fromkeys(assumed)),
        "unset": listed(unset(scene)),
        "called": _called(scene.source),
    }


def _called(source: str) -> str:
    """The class that a line of the rewritten copy makes an instance of."""
    found = re.search(r"\b[A-Z]\w*(?=\()", source)
    return found[0] if found else "A class of the target"


class _Words(dict[str, object]):
    """Words for a sentence; one that the message did not hold is told by a general word."""

    def __missing__(self, key: str) -> str:
        return {"owner": "The class", "module": "Its package"}.get(key, "it")
