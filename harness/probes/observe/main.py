"""Observe what a payload asks for; see the top of this package."""

import fcntl
import gc
import io
import json
import os
import re
import sys

from .fan_out import fan_out
from .installation import import_airflow, installed
from .lookups import watch_environment, watch_lookups
from .names import PATHS
from .network import Network, guard_network
from .processes import PR_SET_CHILD_SUBREAPER, die_with, prctl, send
from .safely import clock, exit_now, to_json
from .warned import watch_warnings


def open_result(path):
    """Open RESULT so that foreign code is unlikely to meet it: high up, closed on exec; the
    descriptor that was inherited for it is closed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    inherited = re.match(r"^/(?:dev|proc/self)/fd/(\d+)$", path)
    if inherited and int(inherited.group(1)) > 2:
        os.close(int(inherited.group(1)))
    return high


def tame_output():
    """Standard output and error that show at once what was printed, whatever it is."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw = open(descriptor, "wb", 0, closefd=False)
        text = io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def main(payload_file, result_path):
    """Observe what the payload asks for. Never comes back."""
    began = clock()
    with open(payload_file, encoding="utf-8") as file:
        payload = json.load(file)
    descriptor = open_result(result_path)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    die_with(os.getppid())
    tame_output()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def emit(line):
        send(descriptor, line + b"\n")

    def emit_record(kind, **fields):
        emit(to_json(dict(fields, kind=kind)).encode("ascii"))

    PATHS.are(
        payload["repo_root"],
        [
            (os.environ.get("HOME", ""), "$HOME"),
            (sys.prefix, "$PREFIX"),
            # Logs, temporary files and the database of this run lie beside its configuration.
            (os.path.dirname(os.environ.get("AIRFLOW_CONFIG", "")), "$RUN"),
            (payload["airflow_home"], "$AIRFLOW_HOME"),
        ],
    )
    sys.path[:0] = payload["sys_path"]
    watch_warnings()
    watch_lookups(payload["assume_missing"], payload["samples"])
    watch_environment()
    guard_network(Network(payload["allowed_hosts"]))
    os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"  # ours is kept from outside
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "1")  # boto: what is refused stays refused
    gc.disable()  # nearly all that is made while Airflow is imported stays
    airflow = import_airflow(payload, lambda path: emit_record("plugin", path=path))
    emit_record(
        "start",
        airflow=airflow.version,
        python=".".join(map(str, sys.version_info[:3])),
        packages=installed(),
        seconds=round(clock() - began, 4),
    )
    emit_record("plugins", **airflow.plugins)
    fan_out(airflow, payload, emit, [descriptor])
    emit_record("end", seconds=round(clock() - began, 4))
    sys.stdout.flush()
    sys.stderr.flush()
    exit_now(0)  # to take Airflow down in an orderly way takes a while, and helps nobody
