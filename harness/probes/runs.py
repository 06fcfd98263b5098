"""Run those tasks of a repository's DAGs for real that need nothing but this machine.

Run inside a bridge, never imported by the harness, in a network with nothing in it:

    python -B -s runs.py PAYLOAD.json RESULT

PAYLOAD.json holds ``folder`` (the only one that tasks may write to), ``dags`` (ids of those whose
tasks are wanted), ``task`` and ``total`` (seconds for one task and for all of them). The database,
the DAG folder and the Fernet key are the environment's. RESULT is a file or descriptor that JSON
lines are appended to; each has a ``kind``:

    start    airflow, python, isolated (whether files outside of ``folder`` are read-only)
    failed   error (instead of the others)
    task     dag_id, task_id, and ``state`` after a real run, or ``left`` (why there was none)
    end      count (of task records)

A task is run if its operator is one of ``HARMLESS`` itself, not a subclass of it: what others do
depends on services that are not here. Those that run code of the repository are run only where
the kernel lets all files but those of ``folder`` become read-only first, and under no privileges.
Each is run by Airflow's own TaskInstance, in a process of its own, in the order of the DAG; so its
trigger rule decides whether it runs, and what it leaves – states, XComs, failures, log events – is
Airflow's own doing.

Standard library and Airflow only; Python 3.6 syntax. decode.py has to lie beside it.
"""

import ctypes
import datetime
import importlib.machinery
import json
import os
import platform
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))

# Operator → whether it runs code of the repository.
HARMLESS = {
    ("airflow.operators.dummy_operator", "DummyOperator"): False,
    ("airflow.operators.latest_only_operator", "LatestOnlyOperator"): False,
    ("airflow.operators.bash_operator", "BashOperator"): True,
    ("airflow.operators.python_operator", "PythonOperator"): True,
    ("airflow.operators.python_operator", "BranchPythonOperator"): True,
    ("airflow.operators.python_operator", "ShortCircuitOperator"): True,
}
EPOCH = datetime.datetime(2021, 1, 1, tzinfo=datetime.timezone.utc)


def sibling(name):
    """Another probe as a module, by its place: nothing else may answer to its name."""
    module = types.ModuleType("probe_" + name)
    loader = importlib.machinery.SourceFileLoader(module.__name__, os.path.join(HERE, name + ".py"))
    loader.exec_module(module)
    return module


decode = sibling("decode")


# ------------------------------------------------------------------------------- isolation

# <linux/sched.h>, <linux/mount.h>, <linux/prctl.h>, <linux/capability.h>
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
PR_SET_NO_NEW_PRIVS, CAPABILITIES = 38, 0x20080522


def isolate(folder):
    """Make all files read-only but those of ``folder``, and give up every privilege; False = the
    kernel does not let us (then nothing has changed that matters)."""
    if platform.system() != "Linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS):
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS):
            return False
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            try:
                with open("/proc/self/" + name, "w") as file:
                    file.write(text)
            except OSError:
                return False
    place = os.fsencode(folder)

    def set_attributes(path, add, remove):
        wanted = (ctypes.c_uint64 * 4)(add, remove, 0, 0)
        size = ctypes.sizeof(wanted)
        return libc.syscall(
            MOUNT_SETATTR, AT_FDCWD, path, AT_RECURSIVE, ctypes.byref(wanted), ctypes.c_size_t(size)
        )

    failed = (
        libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
        or libc.mount(place, place, None, MS_BIND | MS_REC, None)
        or set_attributes(b"/", READ_ONLY, 0)
        or set_attributes(place, 0, READ_ONLY)
        or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        or libc.capset(
            ctypes.byref((ctypes.c_uint32 * 2)(CAPABILITIES, 0)),
            ctypes.byref((ctypes.c_uint32 * 6)()),
        )
    )
    os.chdir(folder)  # the folder that we stood in is not the one that is there now
    return not failed


# ------------------------------------------------------------------------------- running


def reason_against(task, isolated):
    """Why a task is not run; "" for none."""
    kind = type(task)
    runs_code = HARMLESS.get((kind.__module__, kind.__name__))
    if runs_code is None:
        return "operator"
    if runs_code and not isolated:
        return "not-isolated"
    return ""


def run_dag(dag, isolated, seconds, deadline):
    """(task_id, state or None, why not) of the tasks of one new run of the DAG."""
    from airflow.models import DagRun, TaskInstance
    from airflow.ti_deps.dep_context import DepContext
    from airflow.utils.state import State

    order = dag.topological_sort()
    against = {task.task_id: reason_against(task, isolated) for task in order}
    if all(against.values()):
        for task in order:
            yield task.task_id, None, against[task.task_id]
        return
    begins = [date for date in [dag.start_date] + [task.start_date for task in order] if date]
    # Seconds that no schedule has, so that it is no run that is there.
    date = max([*begins, EPOCH]) + datetime.timedelta(seconds=11)
    run = dag.create_dagrun(
        run_id="manual__" + date.isoformat(),
        execution_date=date,
        state=State.RUNNING,
        external_trigger=True,
        conf={"by": "mwaa-harness"},
    )
    for task in order:
        why = against[task.task_id]
        if not why and decode.clock() > deadline:
            why = "no-time-left"
        if not why:
            late = run_task(task, date, min(seconds, max(1, deadline - decode.clock())))
            instance = TaskInstance(task, date)
            instance.refresh_from_db()
            if late:
                instance.handle_failure(f"it did not end within {seconds} seconds")
                instance.refresh_from_db()
            if instance.state is None:
                # What the scheduler says of a task whose upstream has failed or was skipped.
                instance.are_dependencies_met(DepContext(flag_upstream_failed=True))
                instance.refresh_from_db()
            if instance.state is None:
                why = "trigger-rule"
        yield task.task_id, None if why else instance.state, why
    run = DagRun.find(dag_id=dag.dag_id, run_id=run.run_id)[0]
    run.dag = dag
    run.update_state()


def run_task(task, date, seconds):
    """Run one instance in a process of its own; whether it took too long."""

    def work(_stream, _out):
        from airflow import settings
        from airflow.models import TaskInstance

        settings.engine.dispose()
        instance = TaskInstance(task, date)
        instance.run(ignore_depends_on_past=True)
        decode.exit_now(0)

    child = decode.Child(work, ())
    _, stopped = child.hear(seconds, whole=True)
    child.finish()
    return stopped == "time"


def main(payload_file, result_path):
    """Run what can be run; see the top of this file."""
    sys.path[:] = [path for path in sys.path if path != HERE]  # no DAG's modules lie here
    with open(payload_file, encoding="utf-8") as file:
        payload = json.load(file)
    result = decode.open_result(result_path)

    def emit(**record):
        decode.send(result, decode.to_json(record).encode("ascii") + b"\n")

    deadline = decode.clock() + payload["total"]
    count = 0
    try:
        isolated = isolate(payload["folder"])
        import airflow
        from airflow.models import DagBag

        version = ".".join(map(str, sys.version_info[:3]))
        emit(kind="start", airflow=airflow.__version__, python=version, isolated=isolated)
        found = DagBag(include_examples=False).dags
    except Exception as error:
        emit(kind="failed", error=decode.sentence(error))
        sys.exit(1)
    for dag_id in payload["dags"]:
        if dag_id in found and not found[dag_id].is_subdag:
            for task_id, state, why in run_dag(found[dag_id], isolated, payload["task"], deadline):
                told = {"left": why} if why else {"state": state}
                emit(kind="task", dag_id=dag_id, task_id=task_id, **told)
                count += 1
    emit(kind="end", count=count)


if __name__ == "__main__":
    main(*sys.argv[1:])
