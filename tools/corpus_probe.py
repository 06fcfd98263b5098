"""Runs in an environment of Airflow: imports files and says how each of them went.

Standard input: {"files": [[id, root, path], …], "image": [distribution, …] or null, "asked":
{root: [requirement, …]}}; standard output, one line of JSON a file: {"id", "error", "file",
"line", "warnings"}. With ``image`` a file that imports a distribution which neither the image nor
the requirements of its repository bring is an error as well, though this environment has it. Each
file is imported in a fork of its own. Python 3.6.
"""

import ast
import contextlib
import importlib
import importlib.util
import json
import logging
import os
import re
import resource
import signal
import sys
import traceback
import warnings

# Of the processor, and by the clock.
SECONDS, PATIENCE = 60, 600
# Slow to import, and none of them warns: the forks find them there.
SLOW = (
    "pandas",
    "boto3",
    "kubernetes.client",
    "googleapiclient.discovery",
    "google.cloud.bigquery",
    "google.cloud.storage",
    "google.cloud.aiplatform",
    "google.cloud.automl_v1",
    "google.cloud.bigtable",
    "google.cloud.container_v1",
    "google.cloud.dataproc_v1",
    "google.cloud.dlp_v2",
    "google.cloud.vision_v1",
    "apache_beam",
    "sqlalchemy.orm",
    "airflow.providers.google.cloud.operators.bigquery",
    "airflow.providers.google.cloud.operators.cloud_sql",
    "airflow.providers.google.cloud.operators.dataproc",
    "airflow.providers.amazon.aws.operators.emr",
    "airflow.providers.cncf.kubernetes.operators.pod",
    "airflow.providers.sftp.operators.sftp",
    "airflow.providers.snowflake.hooks.snowflake",
)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions():
    """File of a module → the distribution that brought it, and what each distribution requires."""
    from importlib import metadata

    from packaging.requirements import Requirement

    files, needs = {}, {}
    for dist in metadata.distributions():
        name = canonical(dist.metadata["Name"])
        top = str(dist.locate_file(""))
        for line in (dist.read_text("RECORD") or "").splitlines():
            place = line.rsplit(",", 2)[0]
            if place.endswith((".py", ".so")):
                files[os.path.join(top, place)] = name
        needs[name] = [Requirement(row) for row in dist.requires or ()]
    return files, needs


def closure(names, needs, known):
    """The distributions and all that they require, as this environment has them."""
    left, seen = [(name, frozenset([""])) for name in names], set()
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        if one not in known:
            known[one] = [
                (canonical(need.name), frozenset(need.extras or [""]))
                for need in needs.get(one[0], ())
                if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in one[1])
            ]
        left += known[one]
    return {name for name, _ in seen}


def imported(path):
    """(line, dotted name) of what a file imports at its top level, try statements passed over."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read())
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, node.module + "." + alias.name


def unasked(path, by_file, allowed):
    """(line, module, distribution) of the first import that nothing of the repository asks for."""
    for line, dotted in imported(path):
        for name in (dotted, dotted.rpartition(".")[0]):
            file = getattr(sys.modules.get(name), "__file__", None)
            if file:
                dist = by_file.get(file)
                if dist and dist not in allowed:
                    return line, name, dist
                break
    return None


def package_of(path, root):
    """The dotted name of a file that lies in packages below ``root``; "" for a loose one."""
    parts = [os.path.splitext(os.path.basename(path))[0]]
    folder = os.path.dirname(path)
    while folder.startswith(root) and os.path.exists(os.path.join(folder, "__init__.py")):
        if folder == root:
            return ""
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    if parts[-1] == "__init__":
        parts.pop()
    loose = len(parts) < 2 or parts[0] in sys.modules or not all(p.isidentifier() for p in parts)
    return "" if loose else ".".join(parts)


def load(path, root):
    """Import a module of a package by its name, and a loose file the way Airflow does."""
    folder = os.path.dirname(path)
    above = [os.path.dirname(folder)] if os.path.basename(path) == "__init__.py" else []
    sys.path[:0] = [root, folder, *above]
    name = package_of(path, root)
    if name:
        top = os.path.join(root, name.split(".")[0])
        if not os.path.isdir(top):
            sys.path.insert(0, path[: -len(name.replace(".", "/") + ".py")])
        importlib.import_module(name)
        return
    stem = re.sub(r"\W", "_", os.path.splitext(os.path.basename(path))[0])
    spec = importlib.util.spec_from_file_location("loaded_" + stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def attempt(path, root):
    """(error or "", file and line of the repository where it arose, Airflow's deprecations)."""
    error, place = "", ["", 0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            load(path, root)
        except BaseException as problem:
            error = "%s: %s" % (type(problem).__name__, str(problem)[:300])
            frames = traceback.extract_tb(sys.exc_info()[2])
            ours = [f for f in frames if f.filename.startswith(root + os.sep)]
            if isinstance(problem, SyntaxError) and problem.filename:
                place = [problem.filename, problem.lineno or 0]
            elif ours:
                place = [ours[-1].filename, ours[-1].lineno]
    said = [
        "%s: %s" % (w.category.__name__, " ".join(str(w.message).split())[:300])
        for w in caught
        if w.category.__module__.startswith("airflow")
        or (
            issubclass(w.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))
            and "airflow" in str(w.message).lower()
        )
    ]
    return error, place, sorted(set(said))


def alone(work):
    """What ``work`` answers, done in a fork that its doings die with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        signal.alarm(PATIENCE)
        os.close(reading)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        data = json.dumps(work())
        with os.fdopen(writing, "w") as out:
            out.write(data)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        data = answer.read()
    os.waitpid(child, 0)
    return json.loads(data) if data else None


def main():
    asked = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    import airflow.models  # what every file needs is imported once
    import airflow.operators  # noqa: F401

    for name in SLOW:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    by_file, allowed = {}, {}
    if asked["image"] is not None:
        by_file, needs = distributions()
        known = {}
        image = closure(asked["image"], needs, known)
        for root, rows in asked["asked"].items():
            allowed[root] = image | closure(rows, needs, known)
    out = os.fdopen(os.dup(1), "w")
    for name, root, path in asked["files"]:

        def work(path=path, root=root):
            error, place, said = attempt(path, root)
            if not error and by_file:
                lacking = unasked(path, by_file, allowed[root])
                if lacking:
                    place = [path, lacking[0]]
                    error = "NotRequired: %s is in %s, which nothing asks for" % lacking[1:]
            return {"error": error, "file": place[0], "line": place[1], "warnings": said}

        row = alone(work) or {"error": "died", "file": "", "line": 0, "warnings": []}
        out.write(json.dumps(dict(row, id=name)) + "\n")
        out.flush()


main()
