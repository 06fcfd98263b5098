"""No DAG disappears, changes its id or comes from another file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from harness.checks.loads import Both, comparable
from harness.checks.places import listed, quoted_line
from harness.model import (
    Check,
    DagObservation,
    Finding,
    Judged,
    Judgement,
    Observation,
    Pair,
    Rule,
    Severity,
    Unjudged,
)

DISAPPEARED = Rule(
    id="dag-disappeared",
    title="A DAG is not there on the target",
    why="Its file loads and no longer makes the DAG: nothing fails, it simply never runs again.",
    fix="See what the file makes its DAGs from; the condition or name depends on the version.",
    example="if airflow.__version__.startswith('1.'):\n    dag = DAG('nightly')",
    keeps="dag = DAG('nightly')",
)
RENAMED = Rule(
    id="dag-renamed",
    title="A DAG has another id on the target",
    why="History, pause state, Variables and alarms hang on the id: for Airflow this is a new DAG "
    "that starts from its start date.",
    fix="Give the DAG the id it has on the bridge.",
    example="DAG('load_' + airflow.__version__)",
    keeps="DAG('load')",
)
APPEARED = Rule(
    id="dag-appeared",
    title="A DAG is there on the target only",
    why="It starts to run on the day of the move.",
    fix="Make the DAG on both sides, or set is_paused_upon_creation.",
    severity=Severity.WARNING,
    example="if not airflow.__version__.startswith('1.'):\n    dag = DAG('extra')",
    keeps="dag = DAG('extra')",
)
MOVED = Rule(
    id="dag-moved",
    title="A DAG comes from another file on the target",
    why="Two files make it, or the file that wins is another one: what runs is other code.",
    fix="Let one file make the DAG.",
    example="# a.py and b.py both make DAG('sales'); the bridge shows a.py's, the target b.py's",
    keeps="from a import dag  # the same DAG, seen through a second file",
)
DUPLICATE = Rule(
    id="duplicate-dag-id",
    title="Two files define a DAG of the same id",
    why="The scheduler shows the one it happened to parse last, and a DagBag of 2.x refuses the "
    "second. Which one runs is chance.",
    fix="Give each DAG an id of its own.",
    example="DAG('sales')  # in sales.py and in sales_new.py",
    keeps="DAG('sales_new')",
)


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each file that loads on both sides by the DAGs it makes there."""
    homes = _homes(pair.observed)
    for item in comparable(pair):
        if isinstance(item, Unjudged):
            yield item
            continue
        yield Judged(path=item.path)
        yield from _judge_file(pair, item, homes)
    yield from _duplicates(pair)


def _judge_file(pair: Pair, both: Both, homes: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    old = {dag.dag_id: dag for dag in both.bridge.dags}
    new = {dag.dag_id: dag for dag in both.target.dags}
    lost = {dag_id: dag for dag_id, dag in old.items() if dag_id not in new}
    fresh = {dag_id: dag for dag_id, dag in new.items() if dag_id not in old}
    for dag_id, dag in lost.items():
        line = quoted_line(pair.texts.get(both.path, ""), dag_id)
        twin = _twin(dag, fresh)
        if twin:
            del fresh[twin]
            yield RENAMED.finding(
                both.path, f"DAG {dag_id} is called {twin} on the target", line=line
            )
        elif dag_id in homes:
            where = listed(homes[dag_id])
            yield MOVED.finding(
                both.path, f"DAG {dag_id} comes from {where} on the target", line=line
            )
        else:
            yield DISAPPEARED.finding(
                both.path,
                f"DAG {dag_id} is not there on the target",
                line=line,
                evidence=f"{_count(old)} on the bridge: {listed(old)}\n"
                f"{_count(new)} on the target: {listed(new) or 'none'}",
            )
    for dag_id in fresh:
        yield APPEARED.finding(
            both.path,
            f"DAG {dag_id} is there on the target only",
            line=quoted_line(pair.texts.get(both.path, ""), dag_id),
        )
    for dag_id in old.keys() & new.keys():
        before, after = old[dag_id].path, new[dag_id].path
        if before != after and after in pair.repo.files:
            yield MOVED.finding(
                both.path,
                f"DAG {dag_id} is defined in {before} on the bridge, in {after} on the target",
            )


def _twin(dag: DagObservation, fresh: Mapping[str, DagObservation]) -> str:
    """The only new DAG with exactly the tasks of ``dag``, when it has any ("" = there is none)."""
    tasks = {task.task_id for task in dag.tasks}
    twins = [dag_id for dag_id, other in fresh.items() if {t.task_id for t in other.tasks} == tasks]
    return twins[0] if tasks and len(twins) == 1 else ""


def _homes(observation: Observation) -> Mapping[str, tuple[str, ...]]:
    """The files that make each DAG on one side, in the order of their paths."""
    homes: dict[str, set[str]] = defaultdict(set)
    for seen in observation.files:
        for dag in seen.dags:
            if not dag.parent:
                homes[dag.dag_id].add(dag.path or seen.path)
    return {dag_id: tuple(sorted(paths)) for dag_id, paths in homes.items()}


def _duplicates(pair: Pair) -> Iterator[Finding]:
    """One finding for each further file that defines a DAG of the same id."""
    bridge = _homes(pair.bridge)
    for dag_id, paths in sorted(_homes(pair.observed).items()):
        for path in paths[1:]:
            already = len(bridge.get(dag_id, ())) > 1
            yield DUPLICATE.finding(
                path,
                f"DAG {dag_id} is also defined in {paths[0]}"
                + (", on the bridge already" if already else ""),
                line=quoted_line(pair.texts.get(path, ""), dag_id),
            )


def _count(dags: Mapping[str, DagObservation]) -> str:
    return "1 DAG" if len(dags) == 1 else f"{len(dags)} DAGs"


CHECK = Check(
    id="dags-survive",
    title="No DAG disappears or changes its id",
    why="A DAG that is gone raises no alarm: it just never runs again.",
    rules=(DISAPPEARED, RENAMED, APPEARED, MOVED, DUPLICATE),
    judge=judge,
)
