"""The metadata that the DAGs leave on the bridge arrives on the target, and can be read there."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model import (
    Check,
    Finding,
    Judged,
    Judgement,
    Pair,
    Rule,
    SurvivalProblem,
    SurvivalTable,
    Unjudged,
)

LOST = Rule(
    id="metadata-lost",
    title="Rows of the metadata do not arrive on the target",
    why="History that is gone cannot be told from history that never was: a DAG with catchup runs "
    "again for the dates whose runs are missing.",
    fix="Please report it: what the import cannot carry it lists with its reason, and this was "
    "neither carried nor listed.",
    example="task_instance: 100 rows on the bridge, 99 carried, none listed",
    keeps="task_instance: 100 rows on the bridge, 98 carried, 2 listed: no-dag-run",
)
UNREADABLE = Rule(
    id="metadata-unreadable",
    title="The target reads something else than the bridge wrote",
    why="A conf, an XCom or a connection that cannot be read stops every task that asks for it, "
    "although its row is there.",
    fix="Please report it with the row's key; until then leave the table out with --tables.",
    example="xcom daily, load, manual__1, -1, return_value: it reads as something else",
    keeps="xcom daily, load, manual__1, -1, return_value: the same value on both sides",
)


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge what became of a history of the DAGs that was carried to the target."""
    survival = pair.survival
    if survival is None:
        yield Unjudged(path="metadata", reason="No metadata was carried in this run.")
        return
    if survival.failure:
        yield Unjudged(path="metadata", reason=survival.failure)
        return
    if not survival.tables:
        yield Unjudged(path="metadata", reason="There is no DAG whose history could be carried.")
    for table in survival.tables:
        yield Judged(path=f"metadata/{table.name}")
        yield from _lost(table)
    for problem in survival.problems:
        yield _unreadable(problem)


def _lost(table: SurvivalTable) -> Iterator[Finding]:
    gone = table.rows - table.carried - table.listed
    told = {
        "neither carried nor listed": gone,
        "missing in the target": table.missing,
        "different in the target": table.different,
    }
    for what, count in told.items():
        if count:
            yield Finding(
                rule=LOST.id,
                path=f"metadata/{table.name}",
                message=f"{count} of {table.rows} rows are {what}.",
                evidence=f"sums: {table.source_checksum} before, {table.target_checksum} after",
                fix=LOST.fix,
            )


def _unreadable(problem: SurvivalProblem) -> Finding:
    key = ", ".join(problem.key)
    return Finding(
        rule=UNREADABLE.id,
        path=f"metadata/{problem.table}",
        message=f"{key}: {problem.reason}" if key else problem.reason,
        fix=UNREADABLE.fix,
    )


CHECK = Check(
    id="metadata-survives",
    title="The DAGs' history arrives on the target",
    why="A migration without its history starts every DAG anew, or not at all.",
    rules=(LOST, UNREADABLE),
    judge=judge,
)
