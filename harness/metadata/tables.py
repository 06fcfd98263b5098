"""What of Airflow's metadata is carried: one row a table, one entry a column.

A row says how a table of 1.10 becomes the same table of any 2.x. The bundle holds the superset:
every column that the source has or that SQL can derive from it. A target takes of it what its own
version has (``since``, ``until``) and ``fill`` where it wants a value that the source never had.
Nothing here is proven against itself: the tests compare the names with the catalogues of
databases that the real Airflows have made.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

from harness.metadata.schema import Column, Reject, Table

OLD_LOG_TEMPLATE = (
    "{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log",
    "{dag_id}-{task_id}-{execution_date}-{try_number}",
)
"""Where 1.10 writes a task's log, and its id in Elasticsearch; the airflow.cfg defaults."""


RUN = "LEFT JOIN dag_run r ON r.dag_id = t.dag_id AND r.execution_date = t.execution_date"
INSTANCE = (
    "LEFT JOIN task_instance ti ON ti.dag_id = t.dag_id AND ti.task_id = t.task_id"
    " AND ti.execution_date = t.execution_date"
)
NO_RUN = Reject(reason="no-dag-run", when="r.run_id IS NULL")
NO_INSTANCE = Reject(reason="no-task-instance", when="ti.task_id IS NULL")
RUN_ID = Column("run_id", since="2.2.0", expression="r.run_id")
MAP_INDEX = Column("map_index", "integer", since="2.3.0", expression="-1")
OLD_EXECUTION_DATE = Column("execution_date", "timestamptz", until="2.2.0")

# As the migration of 2.0 does it, whose LIKE 'backfill__%' takes `_` for any character.
RUN_TYPE = (
    "CASE WHEN substr(t.run_id, 1, 8) = 'backfill' AND substr(t.run_id, 10, 1) <> ''"
    " THEN 'backfill'"
    " WHEN substr(t.run_id, 1, 9) = 'scheduled' AND substr(t.run_id, 11, 1) <> ''"
    " THEN 'scheduled'"
    " ELSE 'manual' END"
)

# 2.x has an index on the name in lower case; of users whose names differ in nothing else the newest
# is carried, and stands for the others.
NEWEST_USER = (
    "LEFT JOIN (SELECT o.id, n.newest FROM ab_user o JOIN (SELECT lower(username) AS name,"
    " max(id) AS newest FROM ab_user GROUP BY lower(username)) n ON n.name = lower(o.username))"
    " {0} ON {0}.id = t.{1}"
)

TABLES = (
    Table(
        name="slot_pool",
        key=("pool",),
        source_key=("id",),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("pool"),
            Column("slots", "integer"),
            Column("description"),
            Column("include_deferred", "boolean", since="2.7.0", fill="f"),
        ),
        rejects=(Reject(reason="no-pool-name", when="t.pool IS NULL"),),
    ),
    Table(
        name="variable",
        key=("key",),
        source_key=("id", "key"),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("key"),
            Column("val", transform="fernet", flag="is_encrypted"),
            Column("is_encrypted", "boolean"),
            Column("description", since="2.1.0"),
        ),
        rejects=(Reject(reason="no-key", when="t.key IS NULL"),),
        secret=("val",),
    ),
    Table(
        name="connection",
        key=("conn_id",),
        source_key=("id", "conn_id"),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("conn_id"),
            # NULL is legal in 1.10 and not in 2.x, whose word for "no type in particular" it is.
            Column("conn_type", expression="coalesce(t.conn_type, 'generic')"),
            Column("description", since="2.0.0"),
            Column("host"),
            Column("schema"),
            Column("login"),
            Column("password", transform="fernet", flag="is_encrypted"),
            Column("port", "integer"),
            Column("extra", transform="fernet", flag="is_extra_encrypted"),
            Column("is_encrypted", "boolean"),
            Column("is_extra_encrypted", "boolean"),
        ),
        rejects=(
            Reject(reason="no-conn-id", when="t.conn_id IS NULL"),
            Reject(
                reason="duplicate-conn-id",
                when="EXISTS (SELECT 1 FROM connection n WHERE n.conn_id = t.conn_id"
                " AND n.id > t.id)",
            ),
        ),
        secret=("password", "extra"),
    ),
    Table(
        name="ab_role",
        key=("name",),
        source_key=("id",),
        identity="id",
        columns=(Column("id", "integer"), Column("name")),
        merge=("name",),
    ),
    Table(
        name="ab_user",
        key=("username",),
        source_key=("id", "username"),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("first_name"),
            Column("last_name"),
            Column("username"),
            Column("password", transform="seal"),
            Column("active", "boolean"),
            Column("email"),
            Column("last_login", "timestamp"),
            Column("login_count", "integer"),
            Column("fail_login_count", "integer"),
            Column("created_on", "timestamp"),
            Column("changed_on", "timestamp"),
            Column("created_by_fk", "integer", references="ab_user", expression="maker.newest"),
            Column("changed_by_fk", "integer", references="ab_user", expression="changer.newest"),
        ),
        joins=" ".join(
            (
                NEWEST_USER.format("own", "id"),
                NEWEST_USER.format("maker", "created_by_fk"),
                NEWEST_USER.format("changer", "changed_by_fk"),
            )
        ),
        rejects=(Reject(reason="same-name", when="t.id <> coalesce(own.newest, t.id)"),),
        also_unique=("{0}.email", "lower({0}.username)"),
        secret=("password",),
    ),
    Table(
        name="ab_user_role",
        key=("user_id", "role_id"),
        source_key=("id",),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("user_id", "integer", references="ab_user"),
            Column("role_id", "integer", references="ab_role"),
        ),
        rejects=(
            Reject(
                reason="no-user-or-role",
                when="t.user_id IS NULL OR t.role_id IS NULL",
            ),
            Reject(
                reason="same-name",
                when="t.user_id IS NOT NULL AND t.user_id <> coalesce(own.newest, t.user_id)",
            ),
        ),
        joins=NEWEST_USER.format("own", "user_id"),
        after=("ab_role", "ab_user"),
        merge=("user_id",),
    ),
    Table(
        name="dag",
        key=("dag_id",),
        source_key=("dag_id",),
        columns=(
            Column("dag_id"),
            Column("root_dag_id"),
            Column("is_paused", "boolean"),
            Column("is_subdag", "boolean"),
            Column("is_active", "boolean"),
            Column("last_scheduler_run", "timestamptz", until="2.0.2"),
            Column(
                "last_parsed_time", "timestamptz", since="2.0.2", expression="t.last_scheduler_run"
            ),
            Column("last_pickled", "timestamptz"),
            Column("last_expired", "timestamptz"),
            Column("scheduler_lock", "boolean"),
            Column("pickle_id", "integer"),
            Column("fileloc"),
            Column("owners"),
            Column("description"),
            Column(
                "default_view",
                expression="CASE WHEN t.default_view = 'tree' THEN 'grid' ELSE t.default_view END",
            ),
            Column("schedule_interval"),
            # The values of the migrations that add these columns.
            Column("concurrency", "integer", since="2.0.0", until="2.2.0", fill="16"),
            Column("max_active_tasks", "integer", since="2.2.0", fill="16"),
            Column("has_task_concurrency_limits", "boolean", since="2.0.0", fill="t"),
            Column("max_active_runs", "integer", since="2.1.4"),
            Column("max_consecutive_failed_dag_runs", "integer", since="2.9.0", fill="0"),
            Column("has_import_errors", "boolean", since="2.2.3"),
            Column("next_dagrun", "timestamptz", since="2.0.0"),
            Column("next_dagrun_create_after", "timestamptz", since="2.0.0"),
            Column("next_dagrun_data_interval_start", "timestamptz", since="2.2.0"),
            Column("next_dagrun_data_interval_end", "timestamptz", since="2.2.0"),
            Column("timetable_description", since="2.3.0"),
            Column("processor_subdir", since="2.4.0"),
            Column("dag_display_name", since="2.9.0"),
            Column("dataset_expression", "json", since="2.9.0"),
        ),
        merge=("is_paused",),
    ),
    Table(
        name="dag_tag",
        key=("name", "dag_id"),
        source_key=("name", "dag_id"),
        columns=(Column("name"), Column("dag_id")),
        joins="LEFT JOIN dag d ON d.dag_id = t.dag_id",
        rejects=(Reject(reason="no-dag", when="d.dag_id IS NULL"),),
        after=("dag",),
        merge=("name",),
    ),
    Table(
        name="job",
        source_key=("id",),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("dag_id"),
            Column("state"),
            Column("job_type"),
            Column("start_date", "timestamptz"),
            Column("end_date", "timestamptz"),
            Column("latest_heartbeat", "timestamptz"),
            Column("executor_class"),
            Column("hostname"),
            Column("unixname"),
        ),
        when="start_date",
    ),
    Table(
        name="dag_run",
        key=("dag_id", "run_id"),
        source_key=("id", "dag_id", "run_id", "execution_date"),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("dag_id"),
            Column("execution_date", "timestamptz"),
            Column("state"),
            Column("run_id"),
            Column("external_trigger", "boolean"),
            Column("end_date", "timestamptz"),
            Column("start_date", "timestamptz"),
            Column("run_type", since="2.0.0", expression=RUN_TYPE),
            Column("conf", "bytea", transform="pickle"),
            Column("creating_job_id", "integer", since="2.0.0"),
            Column("dag_hash", since="2.0.0"),
            Column("last_scheduling_decision", "timestamptz", since="2.0.0"),
            Column("queued_at", "timestamptz", since="2.1.0"),
            Column("data_interval_start", "timestamptz", since="2.2.0"),
            Column("data_interval_end", "timestamptz", since="2.2.0"),
            Column("log_template_id", "integer", since="2.3.0"),
            Column("updated_at", "timestamptz", since="2.4.0"),
            Column("clear_number", "integer", since="2.8.0"),
        ),
        rejects=(
            Reject(reason="no-dag-id", when="t.dag_id IS NULL"),
            Reject(reason="no-run-id", when="t.run_id IS NULL"),
            Reject(reason="no-execution-date", when="t.execution_date IS NULL"),
        ),
        also_unique=("{0}.dag_id, {0}.execution_date",),
        when="execution_date",
    ),
    Table(
        name="task_instance",
        key=("dag_id", "task_id", "run_id", "map_index"),
        source_key=("dag_id", "task_id", "execution_date"),
        columns=(
            OLD_EXECUTION_DATE,
            Column("task_id"),
            Column("dag_id"),
            RUN_ID,
            MAP_INDEX,
            Column("start_date", "timestamptz"),
            Column("end_date", "timestamptz"),
            Column("duration", "float"),
            Column("state"),
            Column("try_number", "integer"),
            Column("hostname"),
            Column("unixname"),
            Column("job_id", "integer", references="job"),
            # NULL until 1.10.4, for what its migration calls by this name.
            Column("pool", expression="coalesce(t.pool, 'default_pool')"),
            Column("queue"),
            Column("priority_weight", "integer"),
            Column("operator"),
            Column("queued_dttm", "timestamptz"),
            Column("pid", "integer"),
            Column("max_tries", "integer"),
            Column("pool_slots", "integer", expression="coalesce(t.pool_slots, 1)"),
            Column("executor_config", "bytea", transform="pickle"),
            Column("external_executor_id", since="2.0.0"),
            Column("queued_by_job_id", "integer", since="2.0.0"),
            Column("trigger_id", "integer", since="2.2.0"),
            Column("trigger_timeout", "timestamp", since="2.2.0"),
            Column("next_method", since="2.2.0"),
            Column("next_kwargs", "json", since="2.2.0"),
            Column("updated_at", "timestamptz", since="2.5.0"),
            Column("custom_operator_name", since="2.6.0"),
            Column("rendered_map_index", since="2.9.0"),
            Column("task_display_name", since="2.9.0"),
            Column("executor", since="2.10.0"),
        ),
        joins=RUN,
        rejects=(NO_RUN,),
        after=("dag_run", "job"),
        when="execution_date",
    ),
    Table(
        name="task_fail",
        source_key=("id",),
        identity="id",
        columns=(
            OLD_EXECUTION_DATE,
            Column("id", "integer"),
            Column("task_id"),
            Column("dag_id"),
            RUN_ID,
            MAP_INDEX,
            Column("start_date", "timestamptz"),
            Column("end_date", "timestamptz"),
            Column("duration", "integer"),
        ),
        joins=RUN + " " + INSTANCE,
        rejects=(NO_RUN, NO_INSTANCE),
        after=("task_instance",),
        when="execution_date",
    ),
    Table(
        name="task_reschedule",
        source_key=("id",),
        identity="id",
        columns=(
            OLD_EXECUTION_DATE,
            Column("id", "integer"),
            Column("task_id"),
            Column("dag_id"),
            RUN_ID,
            MAP_INDEX,
            Column("try_number", "integer"),
            Column("start_date", "timestamptz"),
            Column("end_date", "timestamptz"),
            Column("duration", "integer"),
            Column("reschedule_date", "timestamptz"),
        ),
        joins=RUN + " " + INSTANCE,
        rejects=(NO_RUN, NO_INSTANCE),
        after=("task_instance",),
        when="execution_date",
    ),
    Table(
        name="xcom",
        key=("dag_run_id", "task_id", "map_index", "key"),
        source_key=("id", "dag_id", "task_id", "key", "execution_date"),
        columns=(
            Column("execution_date", "timestamptz", until="2.3.0"),
            Column("id", "integer", until="2.0.0"),
            Column("dag_run_id", "integer", since="2.3.0", expression="r.id", references="dag_run"),
            Column("task_id"),
            MAP_INDEX,
            Column("key"),
            Column("dag_id"),
            Column("run_id", since="2.3.0", expression="r.run_id"),
            Column("timestamp", "timestamptz"),
            Column("value", "bytea", transform="xcom"),
        ),
        joins=RUN + " " + INSTANCE,
        rejects=(
            Reject(reason="no-key", when="t.key IS NULL"),
            NO_RUN,
            NO_INSTANCE,
            Reject(
                reason="older-duplicate",
                when="EXISTS (SELECT 1 FROM xcom n WHERE n.dag_id = t.dag_id"
                " AND n.task_id = t.task_id AND n.key = t.key"
                " AND n.execution_date = t.execution_date AND (n.timestamp > t.timestamp"
                " OR (n.timestamp = t.timestamp AND n.id > t.id)))",
            ),
        ),
        after=("task_instance",),
        when="execution_date",
    ),
    Table(
        name="rendered_task_instance_fields",
        key=("dag_id", "task_id", "run_id", "map_index"),
        source_key=("dag_id", "task_id", "execution_date"),
        columns=(
            Column("execution_date", "timestamptz", until="2.3.0"),
            Column("dag_id"),
            Column("task_id"),
            Column("run_id", since="2.3.0", expression="r.run_id"),
            MAP_INDEX,
            Column("rendered_fields", "json"),
            Column("k8s_pod_yaml", "json", since="2.0.0"),
        ),
        joins=RUN + " " + INSTANCE,
        rejects=(NO_RUN, NO_INSTANCE),
        after=("task_instance",),
        when="execution_date",
    ),
    Table(
        name="sla_miss",
        key=("task_id", "dag_id", "execution_date"),
        source_key=("task_id", "dag_id", "execution_date"),
        columns=(
            Column("task_id"),
            Column("dag_id"),
            Column("execution_date", "timestamptz"),
            Column("email_sent", "boolean"),
            Column("timestamp", "timestamptz"),
            Column("description"),
            Column("notification_sent", "boolean"),
        ),
        when="execution_date",
    ),
    Table(
        name="log",
        source_key=("id",),
        identity="id",
        columns=(
            Column("id", "integer"),
            Column("dttm", "timestamptz"),
            Column("dag_id"),
            Column("task_id"),
            Column("event"),
            Column("execution_date", "timestamptz"),
            Column("owner"),
            Column("extra"),
            Column("map_index", "integer", since="2.3.0"),
            Column("owner_display_name", since="2.8.0"),
            Column("run_id", since="2.9.0"),
            Column("try_number", "integer", since="2.10.0"),
        ),
        when="dttm",
    ),
    # What stays behind.
    Table(
        name="users",
        source_key=("id",),
        keep=True,
        secret=("password",),
        why_not="the users of the web server without RBAC; 2.x knows only those of ab_user",
    ),
    Table(name="chart", source_key=("id",), keep=True, why_not="2.x has no ad-hoc charts"),
    Table(name="known_event", source_key=("id",), keep=True, why_not="2.x has no known events"),
    Table(
        name="known_event_type", source_key=("id",), keep=True, why_not="2.x has no known events"
    ),
    Table(
        name="ab_permission_view_role",
        source_key=("id",),
        keep=True,
        why_not="permissions have other names in 2.x; Airflow gives its own roles theirs, a role"
        " of your own has to be given them again",
    ),
    Table(name="ab_permission_view", why_not="made by the target's own web server"),
    Table(name="ab_permission", why_not="made by the target's own web server"),
    Table(name="ab_view_menu", why_not="made by the target's own web server"),
    Table(
        name="ab_register_user",
        source_key=("id",),
        keep=True,
        secret=("password", "registration_hash"),
        why_not="registrations that were never confirmed",
    ),
    Table(name="serialized_dag", why_not="the target's scheduler writes it from the DAG files"),
    Table(name="dag_code", why_not="the target's scheduler writes it from the DAG files"),
    Table(name="dag_pickle", why_not="DAGs pickled by 1.10 cannot be loaded by 2.x"),
    Table(name="import_error", why_not="the target's scheduler writes it from the DAG files"),
    Table(name="kube_resource_version", why_not="state of the bridge's own executor"),
    Table(name="kube_worker_uuid", why_not="state of the bridge's own executor"),
    Table(name="alembic_version", why_not="the schema's own version"),
)
