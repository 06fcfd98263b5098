"""How two observed values are compared, and how a difference is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import msgspec

from harness.checks.clock import Clock, same
from harness.checks.places import quoted_line
from harness.model import Finding, Rule, TaskObservation

# Follows a dotted path of the bridge to where the target has it; a path that did not move, or that
# nobody knows, comes back as it is.
Resolve = Callable[[str], str]

OPAQUE = re.compile(r"<(?P<path>[A-Za-z_][\w.]*)>")
_DEFAULT = re.compile(r" \| default(?=\s|[}|)]|$)")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two values of one file are compared by. ``files`` are those of the repository before
    the rewrite."""

    clock: Clock
    resolve: Resolve
    files: frozenset[str]
    template: Resolve = str  # a template of the bridge as the rewrite writes it

    def same(self, old: Any, new: Any) -> bool:
        """Whether two plain values mean the same."""
        return same(old, new, self.clock) or same(self._moved(old, new), new, self.clock)

    def same_class(self, old: TaskObservation, new: TaskObservation) -> bool:
        """Whether two tasks are of one class, or the new one of a descendant of the old.

        1.10 has subclasses that only warn and bear the name of what they stand for; and a class of
        Airflow that kept its name is itself, wherever it moved.
        """
        name = old.operator.rpartition(".")[2]
        stands_for = (base for base in old.bases if base.rpartition(".")[2] == name)
        lineage = {new.operator, *new.bases}
        return (
            any(
                path in lineage or self.resolve(path) in lineage
                for path in (old.operator, *stands_for)
            )
            or (_is_airflow_class(old.operator, name) and _is_airflow_class(new.operator, name))
            or self._moved_with_its_file(old.operator, new.operator)
        )

    def _moved(self, old: Any, new: Any) -> Any:
        """``old`` with the classes in it named by their new places, where ``new`` has them too."""
        if isinstance(old, str) and isinstance(new, str):
            opaque = OPAQUE.fullmatch(old)
            if opaque:
                return f"<{self.resolve(opaque['path'])}>"
            if self._moved_with_its_file(old, new):
                return new
            made = self.template(old) if old != new and "{" in old else old
            return new if _only_defaults_more(made, new) else made
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return {key: self._moved(value, new.get(key)) for key, value in old.items()}
        if isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
            return [self._moved(before, after) for before, after in zip(old, new, strict=True)]
        return old

    def _moved_with_its_file(self, old: str, new: str) -> bool:
        """Whether ``a.py:Name`` became ``b.py:Name`` with ``b.py`` made by the rewrite."""
        before, _, name = old.partition(".py:")
        after, _, new_name = new.partition(".py:")
        return (
            bool(name) and name == new_name and f"{after}.py" not in self.files - {f"{before}.py"}
        )


def _only_defaults_more(old: str, new: str) -> bool:
    """Whether a template only says of more names that they may be undefined, as 1.10 took all."""
    plain, defaults = _DEFAULT.subn("", new)
    before, fewer = _DEFAULT.subn("", old)
    return plain == before and defaults > fewer


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a DAG or task stands, for the findings about it."""

    path: str
    text: str
    dag: str
    task: str = ""

    @property
    def line(self) -> int:
        """The line of the task, else of its DAG: ids may be made at run time. A sub-DAG's id ends
        in the id of its task."""
        names = (self.task, self.dag, self.dag.rpartition(".")[2])
        lines = (quoted_line(self.text, name) for name in names if name)
        return next((line for line in lines if line), 0)

    def finding(self, rule: Rule, attribute: str, old: Any, new: Any, **fields: Any) -> Finding:
        """One difference, told with both values."""
        owner = f"DAG {self.dag}, task {self.task}" if self.task else f"DAG {self.dag}"
        before, after = shown_apart(old, new)
        return rule.finding(
            self.path,
            f"{owner}: {attribute} is {before} on the bridge, {after} on the target",
            line=self.line,
            evidence=f"bridge: {shown(old, 400)}\ntarget: {shown(new, 400)}",
            **fields,
        )


def _is_airflow_class(path: str, name: str) -> bool:
    return path.startswith("airflow.") and path.endswith(f".{name}")


def shown(value: Any, width: int = 80) -> str:
    return _cut(_text(value), width)


def shown_apart(old: Any, new: Any, width: int = 80) -> tuple[str, str]:
    """Two values as text, cut so that the place where they part is in sight."""
    before, after = _text(old), _text(new)
    pairs = zip(before, after, strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    start = common - width // 4 if max(len(before), len(after)) > width else 0
    if start <= 0:
        return _cut(before, width), _cut(after, width)
    return f"…{_cut(before[start:], width - 1)}", f"…{_cut(after[start:], width - 1)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
