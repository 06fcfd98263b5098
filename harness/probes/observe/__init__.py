"""Load every DAG file of a repository in the Airflow installed here, and print what came of it.

Run inside a runtime, never imported by the harness:

    python -B -s observe PAYLOAD.json RESULT

PAYLOAD.json holds ``repo_root``, ``airflow_home``, ``dags_folder``, ``plugins_folder`` (or null),
``files`` (DAG files relative to the root), ``sys_path`` (folders to prepend), ``workers``,
``timeout`` (seconds a file), ``memory`` (MiB a file), ``allowed_hosts`` (host or host:port),
``assume_missing`` and ``samples`` ({"variable": {name: text}, "connection": {name: URI}}), and if
wanted ``files_a_process``; other keys are ignored. The environment (AIRFLOW_HOME, AIRFLOW__*,
AIRFLOW_VAR_* …) and the metadata database are the runtime's work. RESULT is a file or descriptor
that JSON lines are appended to; each has a ``kind``:

    start    airflow, python, packages {name: version}, seconds
    plugins  plugins[], errors[], warnings[], lookups[]
    begin    path
    file     the fields of harness.model.FileObservation
    end      seconds

Airflow is imported once; every file is then loaded by Airflow's own DagBag in a forked child, so
that no file can change what the next one sees. A fork costs more than most files, so a child goes
on to another file as long as each has left it as it found it; what does not load in such company is
loaded again, alone. The parent alone writes RESULT, keeps the time and clears up after each child.

From the ground up: what things are called and look like (``safely names values errors``), what is
noted while foreign code runs (``notes warned lookups``), how it is contained (``network
processes``), how Airflow is asked (``dags plugins installation loading``), which files leave
nothing behind (``harm tidiness``), who runs whom (``child worker fan_out main``).

Standard library and Airflow only; Python 3.6 syntax; the folder is copied into the runtime.
"""
