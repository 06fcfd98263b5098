"""Reports to write: three stories told with the real model, and one made of hostile text.

``passes`` is a repository that survives; ``fails`` shows every kind of thing a report can hold;
``unknown`` is a run whose target could not be brought up. ``hostile`` puts text that is meant to
break a format into every field that comes from outside. ``large`` is a repository of many files.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from harness.model import (
    REPORT_SCHEMA,
    CheckResult,
    Environment,
    FileRewrite,
    FileRow,
    Finding,
    Report,
    RewriteEdit,
    RewriteNote,
    Rule,
    Severity,
    Unjudged,
    Verdict,
)

CHECKS = {
    "parses-on-bridge": "Every DAG file loads on the bridge",
    "parses-on-target": "Every rewritten DAG file loads on the target",
    "dags-survive": "No DAG disappears or changes its id",
    "structure-survives": "Tasks, edges and settings stay the same",
    "plugins-load": "Plugins load on both sides",
    "no-deprecations": "No Airflow deprecation is left",
    "requirements-resolve": "Requirements resolve under the constraints",
    "mwaa-rules": "The repository keeps MWAA's rules",
}

RULES = {
    "structure-differs": Rule(
        id="structure-differs",
        title="A DAG's structure changes with the move",
        why="A task, an edge or a setting is not the same on both sides.",
        fix="Set the value in the DAG file so that both sides agree.",
    ),
    "missing-variable": Rule(
        id="missing-variable",
        title="A Variable is read at import that is not there",
        why="The file cannot be loaded without it.",
        fix="Add it to variables.json.",
    ),
}

OFFICIAL = "https://raw.githubusercontent.com/apache/airflow/constraints-{}/constraints-{}.txt"


def environment(side: str, airflow: str, python: str, target: str, **changes: Any) -> Environment:
    """An environment with official constraints and a few packages."""
    given: dict[str, Any] = {
        "side": side,
        "airflow": airflow,
        "python": python,
        "target": target,
        "runtime": "venv",
        "constraints_origin": "official",
        "constraints_location": OFFICIAL.format(airflow, python),
        "packages": {"apache-airflow": airflow, "boto3": "1.17.42", "sqlalchemy": "1.3.24"},
    }
    return Environment(**given | changes)


def result(check: str, target: str, status: Verdict, judged: int, **changes: Any) -> CheckResult:
    """A check's answer under its real title."""
    return CheckResult(
        check=check, title=CHECKS[check], target=target, status=status, judged=judged, **changes
    )


MOVIES = """\
from datetime import timedelta

from airflow import DAG
from airflow.operators.python_operator import PythonOperator
from airflow.utils.dates import days_ago

dag = DAG('movie-list-dag', schedule_interval='*/10 * * * *', start_date=days_ago(2))

clean_up = PythonOperator(
    task_id='clean_up_csv',
    python_callable=clean,
    provide_context=True,
    dag=dag,
)
"""

MOVIES_DIFF = """\
--- dags/movie_list.py
+++ dags/movie_list.py
@@ -3,3 +3,3 @@
 from airflow import DAG
-from airflow.operators.python_operator import PythonOperator
+from airflow.operators.python import PythonOperator
 from airflow.utils.dates import days_ago
"""


def passes() -> Report:
    """One DAG file, rewritten, everything proven on one target."""
    target = "2.11.0"
    return Report(
        schema=REPORT_SCHEMA,
        version="0.1.0",
        verdict=Verdict.PASS,
        repo="movie-list",
        bridge="1.10.15",
        targets=(target,),
        checks=tuple(result(check, target, Verdict.PASS, 1) for check in CHECKS),
        files=(
            FileRow(
                path="dags/movie_list.py",
                target=target,
                bridge="ok",
                observed="ok",
                bridge_dags=("movie-list-dag",),
                observed_dags=("movie-list-dag",),
                rewritten=True,
            ),
        ),
        rewrites=(
            FileRewrite(
                target=target,
                path="dags/movie_list.py",
                diff=MOVIES_DIFF,
                edits=(
                    RewriteEdit(
                        rule="moved-import",
                        line=4,
                        message="airflow.operators.python_operator is airflow.operators.python",
                    ),
                ),
            ),
        ),
        environments=(
            environment("bridge", "1.10.15", "3.7", ""),
            environment("target", target, "3.12", target, constraints_origin="reconstructed"),
        ),
        timings={"bridge": 1.2, "target": 1.9, "total": 2.6},
    )


def fails() -> Report:
    """Two targets, and every kind of finding, status and outcome."""
    old, new = targets = ("2.5.1", "2.11.0")
    findings = [
        *(
            Finding(
                rule="structure-differs",
                check="structure-survives",
                path="dags/movie_list.py",
                line=12,
                column=5,
                side="target",
                target=target,
                message="DAG movie-list-dag, task clean_up_csv: retries is 3 on the bridge, "
                "0 on the target",
                evidence="bridge: 3\ntarget: 0",
                fix="Set retries=3 in the task or in default_args.",
            )
            for target in targets
        ),
        Finding(
            rule="import-error",
            check="parses-on-target",
            path="dags/legacy/ünïcode path.py",
            line=3,
            side="target",
            target=new,
            message="ImportError: cannot import name 'SSHHook' from 'airflow.contrib.hooks'",
            evidence="Traceback (most recent call last):\n"
            + "\n".join(
                f'  File "dags/legacy/part_{n}.py", line {n}, in load' for n in range(1, 31)
            )
            + "\nImportError: cannot import name 'SSHHook'",
            fix="Install apache-airflow-providers-ssh and import airflow.providers.ssh.hooks.ssh.",
        ),
        *(
            Finding(
                rule="missing-variable",
                check="parses-on-bridge",
                path=f"dags/team_{number:02}/load.py",
                line=7,
                column=11,
                side="bridge",
                target=target,
                message="Variable 'bucket' is read at import and is not there",
                fix='Add "bucket": "…" to variables.json.',
            )
            for number in range(1, 16)
            for target in targets
        ),
        Finding(
            rule="deprecated-argument",
            check="no-deprecations",
            path="dags/movie_list.py",
            line=7,
            column=27,
            severity=Severity.WARNING,
            side="target",
            target=new,
            message="schedule_interval is deprecated; use schedule",
            fix="Write schedule='*/10 * * * *'.",
        ),
        Finding(
            rule="requirements-conflict",
            check="requirements-resolve",
            path="requirements.txt",
            line=2,
            target=new,
            message="apache-airflow-backport-providers-amazon==2021.3.3 needs boto3<1.16, "
            "the constraints pin boto3==1.17.42",
            fix="Drop the backport provider: the target has apache-airflow-providers-amazon.",
        ),
        Finding(
            rule="assumed-variable",
            check="parses-on-bridge",
            path="dags/movie_list.py",
            severity=Severity.NOTE,
            target=old,
            message="Variable 'region' was assumed to be 'placeholder'",
        ),
        *(
            Finding(
                rule="constraint-line",
                check="mwaa-rules",
                path="requirements.txt",
                severity=Severity.WARNING,
                target=target,
                message="no constraint line",
                ignored="our image adds it",
            )
            for target in targets
        ),
    ]
    statuses = {
        "parses-on-bridge": Verdict.FAIL,
        "parses-on-target": Verdict.FAIL,
        "structure-survives": Verdict.FAIL,
        "requirements-resolve": Verdict.FAIL,
        "dags-survive": Verdict.UNKNOWN,
    }
    checks = []
    for target in targets:
        for check in CHECKS:
            found = [f for f in findings if (f.check, f.target) == (check, target)]
            status = statuses.get(check, Verdict.PASS)
            serious = any(f.severity is Severity.ERROR for f in found)
            if status is Verdict.FAIL and not serious:
                status = Verdict.PASS
            unjudged = ()
            if status is Verdict.UNKNOWN:
                unjudged = tuple(
                    Unjudged(
                        path=f"dags/team_{n:02}/load.py", reason="the file loads on neither side"
                    )
                    for n in range(1, 16)
                )
            checks.append(result(check, target, status, 18, findings=len(found), unjudged=unjudged))
    files = []
    for target in targets:
        files.append(
            FileRow(
                path="dags/movie_list.py",
                target=target,
                bridge="ok",
                observed="ok",
                bridge_dags=("movie-list-dag",),
                observed_dags=("movie-list-dag",),
                rewritten=True,
            )
        )
        files.append(
            FileRow(
                path="dags/legacy/ünïcode path.py",
                target=target,
                bridge="ok",
                observed="error" if target == new else "ok",
                bridge_dags=("legacy_a", "legacy_b"),
                observed_dags=() if target == new else ("legacy_a", "legacy_b"),
            )
        )
        files.extend(
            FileRow(
                path=f"dags/team_{n:02}/load.py", target=target, bridge="error", observed="timeout"
            )
            for n in range(1, 16)
        )
    rewrites = [
        FileRewrite(
            target=target,
            path="dags/movie_list.py",
            diff=MOVIES_DIFF,
            edits=(
                RewriteEdit(rule="moved-import", line=4, message="python_operator is python"),
                RewriteEdit(rule="dropped-argument", line=12, message="provide_context is gone"),
            ),
            notes=(
                RewriteNote(
                    rule="by-hand",
                    line=7,
                    column=1,
                    message="days_ago moves with the clock",
                    fix="Write a fixed start date.",
                ),
            ),
        )
        for target in targets
    ]
    rewrites.append(
        FileRewrite(
            target=new, path="dags/print.py", diff="", error="line 2: not Python 3: print 'x'"
        )
    )
    return Report(
        schema=REPORT_SCHEMA,
        version="0.1.0",
        verdict=Verdict.FAIL,
        repo="movie-list",
        bridge="1.10.15",
        targets=targets,
        checks=tuple(checks),
        findings=tuple(findings),
        files=tuple(files),
        rewrites=tuple(rewrites),
        environments=(
            environment("bridge", "1.10.15", "3.7", ""),
            environment(
                "target", old, "3.10", old, constraints_origin="user", constraints_location="c.txt"
            ),
            environment("target", new, "3.12", new, constraints_origin="reconstructed"),
        ),
        timings={"bridge": 21.5, "target": 30.25, "total": 41.2},
        sources={"dags/movie_list.py": MOVIES},
    )


def unknown() -> Report:
    """The target could not be brought up: nothing is wrong, and nothing is proven."""
    target = "2.11.0"
    reason = "no Python 3.12 was found and none could be downloaded"
    blocked = ("parses-on-target", "dags-survive", "structure-survives", "no-deprecations")
    return replace(
        passes(),
        verdict=Verdict.UNKNOWN,
        checks=tuple(
            result(check, target, Verdict.UNKNOWN, 0, unjudged=(Unjudged(path="", reason=reason),))
            if check in blocked
            else result(check, target, Verdict.PASS, 1)
            for check in CHECKS
        ),
        files=(
            FileRow(
                path="dags/movie_list.py",
                target=target,
                bridge="ok",
                observed="absent",
                bridge_dags=("movie-list-dag",),
            ),
        ),
        environments=(
            environment("bridge", "1.10.15", "3.7", ""),
            environment(
                "target",
                target,
                "3.12",
                target,
                constraints_origin="",
                constraints_location="",
                packages={},
                failure=f"{reason}\nuv: error: connection refused",
            ),
        ),
    )


STORIES = {"passes": passes, "fails": fails, "unknown": unknown}

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}[bold]x[/bold]",
    "\x1b[31mred\x1b]0;title\x07\x00\x85\x9b31m",
    "a\r\n::error::injected\r::warning::x\n##[error]y\n \u2003::stop-commands::z ##vso[task.x]",
    "]]>&amp;<!--",
    "bytes \udcff\ud800 \ufffe\uffff end",
    "left \u202eright\u2066\u2028next",
    "percent %0A %25 comma, colon: semicolon;",
    "' ; rm -rf / #",
    "x" * 500,
    "文件 📁 é",
)


def hostile(text: str, report: Report | None = None) -> Report:
    """``fails`` with ``text`` added to every free text in it."""
    closed = {"schema", "check", "bridge", "observed", "severity", "status", "verdict", "side"}

    def spoil(value: Any, name: str = "") -> Any:
        if isinstance(value, Enum) or name in closed or not value:
            return value
        if isinstance(value, str):
            return value + text
        if isinstance(value, tuple):
            return tuple(spoil(each) for each in value)
        if isinstance(value, dict):
            return {spoil(key): spoil(each) for key, each in value.items()}
        if is_dataclass(value):
            changes = {f.name: spoil(getattr(value, f.name), f.name) for f in fields(value)}
            return replace(value, **changes)  # type: ignore[type-var]
        return value

    return spoil(report or fails())


def large(files: int = 1000, findings: int = 300) -> Report:
    """``fails`` with many files, findings and rewrites besides."""
    report = fails()
    new = report.targets[-1]
    paths = [f"dags/domain_{n % 37}/pipeline_{n:04}.py" for n in range(files)]
    return replace(
        report,
        files=(
            *report.files,
            *(
                FileRow(
                    path=path,
                    target=target,
                    bridge="ok",
                    observed="ok" if n % 50 else "error",
                    bridge_dags=(f"pipeline_{n}",),
                    observed_dags=(f"pipeline_{n}",) if n % 50 else (),
                    rewritten=n % 2 == 0,
                )
                for target in report.targets
                for n, path in enumerate(paths)
            ),
        ),
        findings=(
            *report.findings,
            *(
                replace(
                    report.findings[n % len(report.findings)],
                    path=paths[n * 3 % files],
                    line=n,
                    ignored="",
                    message=f"finding {n} about a task that is not as it was",
                    target=new,
                )
                for n in range(findings)
            ),
        ),
        rewrites=(
            *report.rewrites,
            *(replace(report.rewrites[0], path=path, target=new) for path in paths[::2]),
        ),
        sources={**report.sources, **dict.fromkeys(paths, MOVIES * 30)},
        environments=tuple(
            replace(each, packages={f"package-{n}": f"1.{n}" for n in range(400)})
            for each in report.environments
        ),
    )
