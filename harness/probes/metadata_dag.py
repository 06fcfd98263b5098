"""Carry this Airflow's metadata into a bundle, or a bundle into this Airflow, inside a task.

Put the file into the DAG folder, start the DAG once by hand, and read the log of its task
`transfer`. It needs nothing beyond what the Airflow image has. All other DAGs are paused while it
runs, and those that were not paused before run again afterwards, however it ends.

The run's conf may hold other values of the settings, under their names in lower case.
"""

# ruff: noqa: F821
# What stands above this line in the file that `mwaa-harness metadata dags` writes is the engine of
# the command itself; this part is what makes a DAG of it. Neither is to be edited: make it again.

import logging
import sys
import time

import airflow
from airflow import DAG, settings
from airflow.configuration import conf as airflow_configuration

try:
    from airflow.operators.python import PythonOperator
except ImportError:
    from airflow.operators.python_operator import PythonOperator

LOGGER = logging.getLogger("mwaa-harness")
STATE = "state/" + DAG_ID + ".json"


def setting(context, name):
    """A setting, as the run's conf or this file has it."""
    given = getattr(context.get("dag_run"), "conf", None) or {}
    return given.get(name.lower(), globals()[name])


def passphrase_of(context):
    """What seals the bundle's secrets: from AWS Secrets Manager, else from the environment."""
    secret = setting(context, "PASSPHRASE_SECRET")
    if secret:
        answer = aws_client("secretsmanager").get_secret_value(SecretId=secret)
        text = answer.get("SecretString") or answer["SecretBinary"].decode("utf-8")
        return text.strip().encode("utf-8")
    return os.environ.get("MWAA_HARNESS_PASSPHRASE", "").strip().encode("utf-8") or None


def own_fernet():
    """This Airflow's own key."""
    return Fernet(airflow_configuration.get("core", "fernet_key"), "fernet_key of this Airflow")


def own_database():
    """This Airflow's own database."""
    return connect(str(settings.SQL_ALCHEMY_CONN))


def shown(table, done, total):
    """Progress, for the task's log."""
    LOGGER.info("%s: %s of %s", table, done, total)


def log_lines(lines):
    for line in lines:
        LOGGER.info("%s", line)


def pause_others(**context):
    """Pause every other DAG, and keep in the bundle's place which of them were not paused.

    When that is kept already, a run before this one was killed before it could restore it.
    """
    store = store_of(setting(context, "BUNDLE"), setting(context, "KMS_KEY"))
    database = own_database()
    try:
        running = [
            row[0]
            for row in database.rows(
                "SELECT dag_id FROM dag WHERE NOT is_paused AND dag_id <> ?", (DAG_ID,)
            )
        ]
        if STATE in store.names():
            running = sorted(set(running) | set(json.loads(b"".join(store.read(STATE, 0, None)))))
        out = store.writer(STATE)
        out.write(json.dumps(running).encode("utf-8"))
        out.finish()
        database.begin()
        set_paused(database, running, True)
        database.commit()
        LOGGER.info("paused %s DAGs", len(running))
        wait_for_others(database, int(setting(context, "WAIT_SECONDS")))
    finally:
        database.close()


def set_paused(database, names, paused):
    for name in names:
        word = "(1 = 1)" if paused else "(1 = 0)"
        statement = f"UPDATE dag SET is_paused = {word} WHERE dag_id = ?"  # noqa: S608
        database.execute(statement, (name,))


def wait_for_others(database, seconds):
    """Let tasks that are running come to their end; what is still running then is carried so."""
    deadline = time.time() + seconds
    while True:
        count = database.value(
            "SELECT count(*) FROM task_instance WHERE state IN ('running', 'queued')"
            " AND dag_id <> ?",
            (DAG_ID,),
        )
        database.rollback()
        if not count:
            return
        if time.time() > deadline:
            LOGGER.warning("%s tasks of other DAGs are still running or queued", count)
            return
        time.sleep(5)


def restore_others(**context):
    """Let those DAGs run again that did before."""
    store = store_of(setting(context, "BUNDLE"), setting(context, "KMS_KEY"))
    if STATE not in store.names():
        return
    running = json.loads(b"".join(store.read(STATE, 0, None)))
    database = own_database()
    try:
        database.begin()
        set_paused(database, running, False)
        database.commit()
    finally:
        database.close()
    store.remove(STATE)
    LOGGER.info("%s DAGs run again", len(running))


def export_here(**context):
    """This Airflow's metadata → the bundle."""
    store = store_of(setting(context, "BUNDLE"), setting(context, "KMS_KEY"))
    options = ExportOptions(
        tables=tuple(setting(context, "ONLY_TABLES")),
        since=setting(context, "SINCE"),
        without=DAG_ID,
        overwrite=bool(setting(context, "OVERWRITE")),
    )
    passphrase = passphrase_of(context)
    seal = new_seal(passphrase) if passphrase else None
    with scratch("dag") as folder:
        script = str(folder / "decode.py")
        with open(script, "w") as file:
            file.write(DECODE)
        decoder = Decoder(
            sys.executable, script, [settings.DAGS_FOLDER, str(settings.PLUGINS_FOLDER)]
        )
        database = own_database()
        try:
            manifest = export(database, store, options, own_fernet(), seal, decoder, shown)
        finally:
            decoder.close()
            database.close()
    log_lines(export_lines(manifest, store.where, False))


def import_here(**context):
    """The bundle → this Airflow's metadata; then every row is compared with the bundle."""
    store = store_of(setting(context, "BUNDLE"))
    options = LoadOptions(
        target=airflow.__version__.partition("+")[0],
        tables=tuple(setting(context, "ONLY_TABLES")),
        policy=setting(context, "ON_CONFLICT"),
        keep_paused=True,
    )
    passphrase = passphrase_of(context)
    database = own_database()
    try:
        report = load(database, store, options, own_fernet(), passphrase, shown)
        log_lines(load_lines(report, "this Airflow", False))
        found = verify(database, store, options, own_fernet(), passphrase, shown)
    finally:
        database.close()
    log_lines(verify_lines(found, "this Airflow"))
    if not found.ok:
        raise MetadataError("Not everything survived; see above.")


def finished():
    """The last word: it is not reached when the transfer failed, and so the run fails."""


with DAG(
    DAG_ID,
    start_date=datetime.datetime(2021, 1, 1),
    schedule_interval=None,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "mwaa-harness", "retries": 0},
) as dag:
    # 1.10 hands the context over only when it is asked to; 2.x always does.
    asked = {"provide_context": True} if airflow.__version__.startswith("1.") else {}
    pause = PythonOperator(task_id="pause", python_callable=pause_others, **asked)
    work = PythonOperator(
        task_id="transfer",
        python_callable={"export": export_here, "import": import_here}[VERB],
        **asked,
    )
    restore = PythonOperator(
        task_id="restore",
        python_callable=restore_others,
        trigger_rule="all_done",
        retries=3,
        **asked,
    )
    last = PythonOperator(task_id="finished", python_callable=finished)
    pause >> work >> restore
    work >> last
