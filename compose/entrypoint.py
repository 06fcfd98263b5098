"""Start Airflow in a container the way MWAA starts an environment.

    entrypoint.py local-runner        everything, then scheduler and webserver
    entrypoint.py COMMAND ARGUMENT…   any other command, in the same environment

In MWAA's order: wait for the database; run startup/startup.sh and take over the variables that it
exports, but for those that MWAA keeps to itself; install requirements/requirements.txt under
MWAA's rules; migrate the database; make the administrator; start scheduler and webserver. A step
that fails or takes longer than MWAA would wait ends the container with a sentence that says so.

``rules.json`` beside this file comes from the harness' own tables. Standard library only (psycopg2
comes with the image); runs on Python 3.7 and later.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.environ.get("AIRFLOW_HOME", "/usr/local/airflow")
REQUIREMENTS = os.path.join(HOME, "requirements", "requirements.txt")
STARTUP = os.path.join(HOME, "startup", "startup.sh")

# How MWAA decides whether a file brings its own constraints: any line that has it, a comment too.
CONSTRAINT = re.compile(r"(?:-c|--constraint) ")

# What the variables of a startup script are printed after; it cannot come out of `env` itself.
MARK = b"\0mwaa-harness-environment\0"

# How a step that takes longer than MWAA waits can be made shorter.
INSTALL_LATE = (
    " So does MWAA: it ends the installation after nine minutes, and the environment is not made or"
    " goes back to what it was. To make it shorter: pin every version (`mwaa-harness requirements"
    " resolve`), so that pip does not try one after another; leave out what the image has; and"
    " where pip compiles, give it wheels (in plugins.zip, with `--find-links"
    " /usr/local/airflow/plugins`)."
)
STARTUP_LATE = (
    " So does MWAA, after just under five minutes. Leave to it what a start needs, and move Python"
    " packages to requirements.txt."
)


class Failed(Exception):
    """A step that ends the start. The text is for whoever reads the container's log."""


# --------------------------------------------------------------------- rules: values in, values out


def has_constraint(text):
    """Whether MWAA takes a requirements file for one that names its own constraint file."""
    return any(CONSTRAINT.search(line) for line in text.splitlines())


def constraint_files(text, rules, folder=HERE):
    """The constraint files that MWAA's installer adds to what the requirements file says.

    Its own since 2.9 where the file names none, and the essential pins since 2.9.2 in any case.
    """
    files = []
    if rules["forces_constraints"] and not has_constraint(text):
        files.append(os.path.join(folder, "constraints.txt"))
    essential = os.path.join(folder, "essential.txt")
    if os.path.exists(essential) and os.path.getsize(essential):
        files.append(essential)
    return files


def is_reserved(name, patterns):
    """Whether a startup script cannot set this variable; ``*`` at a pattern's end is any ending."""
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


def taken_over(before, after, patterns):
    """What a startup script's variables change: (environment afterwards, names not taken over)."""
    kept = dict(before)
    refused = []
    for name, value in sorted(after.items()):
        if before.get(name) == value or name in ("_", "SHLVL", "PWD", "OLDPWD"):
            continue
        if is_reserved(name, patterns):
            refused.append(name)
        else:
            kept[name] = value
    for name in set(before) - set(after):
        if not is_reserved(name, patterns):
            del kept[name]
    return kept, refused


def version_of(text):
    """``2.10.3`` → (2, 10, 3)."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def commands(version):
    """The arguments of ``airflow`` that migrate the database and make a user, by version."""
    if version < (2, 0):
        return ("initdb",), ("create_user",)
    migrate = ("db", "init") if version < (2, 7) else ("db", "migrate")
    return migrate, ("users", "create")


# ------------------------------------------------------------------------------------------- steps


def say(text):
    """One line of progress into the container's log."""
    print("mwaa-harness: " + text, flush=True)


def run(argv, env, limit, what, late=""):
    """Run a step to its end, all that it prints into the log; ``Failed`` when it fails or hangs.
    ``late`` is what to know when it takes too long."""
    process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise Failed(f"{what} took longer than {limit:.0f} s and was stopped.{late}") from None
    if code != 0:
        raise Failed(f"{what} failed (exit code {code}); see above.")


def limit(env, name, rules):
    """A time limit in seconds: MWAA's, unless the variable says otherwise (for tests)."""
    return float(env.get("MWAA_HARNESS_" + name.upper()) or rules[name])


def wait_for_database(env, rules):
    """Return when PostgreSQL lets us in."""
    url = env.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") or env.get(
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN", ""
    )
    if not url.startswith("postgresql"):
        return
    import psycopg2

    plain = "postgresql://" + url.partition("://")[2]
    seconds = limit(env, "database_seconds", rules)
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg2.connect(plain, connect_timeout=5).close()
            return
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise Failed(
                    f"The database did not let us in within {seconds:.0f} s: {error}"
                ) from error
            time.sleep(0.5)


def run_startup(env, rules):
    """Run the startup script; the environment afterwards."""
    if not os.path.isfile(STARTUP):
        return env
    say("running startup/startup.sh")
    seconds = limit(env, "startup_seconds", rules)
    # As MWAA does: the script is sourced, so that what it exports can be read off afterwards.
    script = 'source "$0" 1>&2 && printf "\\0mwaa-harness-environment\\0" && env --null'
    process = subprocess.Popen(
        ["bash", "-c", script, STARTUP],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failed(
            f"startup.sh took longer than {seconds:.0f} s and was stopped.{STARTUP_LATE}"
        ) from None
    if process.returncode != 0 or MARK not in printed:
        raise Failed(f"startup.sh failed (exit code {process.returncode}); see above.")
    pairs = printed.partition(MARK)[2].split(b"\0")
    after = dict(os.fsdecode(pair).partition("=")[::2] for pair in pairs if b"=" in pair)
    kept, refused = taken_over(env, after, rules["reserved_variables"])
    if refused:
        say("startup.sh cannot set {}: MWAA keeps them to itself".format(", ".join(refused)))
    return kept


def install_requirements(env, rules):
    """Install the requirements file as MWAA does."""
    if not os.path.isfile(REQUIREMENTS):
        return
    with open(REQUIREMENTS, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if not text.strip():
        return
    files = constraint_files(text, rules)
    path = REQUIREMENTS
    own = os.path.join(HERE, "constraints.txt")
    if rules["constraints_url"] in text:
        # The official file of this very version is in the image: no host has to be reached for it.
        path = os.path.join(tempfile.mkdtemp(), "requirements.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(rules["constraints_url"], own))
    options = [part for path in files for part in ("--constraint", path)]
    names = ", ".join(os.path.basename(path) for path in files) or "no constraint file of MWAA's"
    say("installing requirements/requirements.txt under " + names)
    argv = [sys.executable, "-m", "pip", "install", "--user", "--disable-pip-version-check"]
    argv += ["--no-warn-script-location", "--requirement", path]
    seconds = limit(env, "install_seconds", rules)
    run(argv + options, env, seconds, "Installing the requirements", INSTALL_LATE)


def prepare_airflow(env, version):
    """Migrate the database, then make the administrator.

    In this order and before the webserver starts: 1.10's webserver makes the permissions as well,
    and two at once end in a unique violation.
    """
    migrate, create = commands(version)
    say("airflow " + " ".join(migrate))
    run(("airflow", *migrate), env, 600, "Migrating the database")
    password = env.get("MWAA_HARNESS_PASSWORD")
    if password:
        say("making the administrator")
        user = ["--username", env.get("MWAA_HARNESS_USER", "admin"), "--password", password]
        user += ["--role", "Admin", "--email", "admin@example.com"]
        user += ["--firstname", "Local", "--lastname", "Admin"]
        run(["airflow", *create, *user], env, 300, "Making the administrator")


def serve(env):
    """Run scheduler and webserver until one of them ends or we are told to; the exit code."""
    say("starting scheduler and webserver")
    # Left over from a container that was killed: the webserver would believe that it runs.
    for name in ("airflow-webserver.pid", "airflow-webserver-monitor.pid"):
        if os.path.exists(os.path.join(HOME, name)):
            os.remove(os.path.join(HOME, name))
    started = {
        name: subprocess.Popen(("airflow", name), env=env, start_new_session=True)
        for name in ("scheduler", "webserver")
    }
    told = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.append(True))
    while not told and all(process.poll() is None for process in started.values()):
        time.sleep(0.5)
    ended = {name: process.returncode for name, process in started.items()}
    for process in started.values():
        if process.poll() is None:
            # What the other would say of its end hides why the first has ended.
            os.killpg(process.pid, signal.SIGTERM if told else signal.SIGKILL)
    deadline = time.monotonic() + 8
    for process in started.values():
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if told:
        return 0
    name, code = next((name, code) for name, code in ended.items() if code is not None)
    raise Failed(f"The {name} ended by itself (exit code {code}); see above.")


def main(arguments):
    """Do what ``arguments`` say; see the top of this file."""
    if arguments and arguments[0] != "local-runner":
        os.execvp(arguments[0], arguments)
    with open(os.path.join(HERE, "rules.json"), encoding="utf-8") as file:
        rules = json.load(file)
    version = version_of(rules["airflow"])
    env = dict(os.environ)
    try:
        wait_for_database(env, rules)
        env = run_startup(env, rules)
        install_requirements(env, rules)
        prepare_airflow(env, version)
        return serve(env)
    except Failed as error:
        say(f"ERROR: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
