-- A 1.10.15 history of :tis task instances. -v dags= runs= tis= xcoms= logs= fails=
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, default_view, schedule_interval, fileloc, owners)
SELECT 'dag_' || d, d % 2 = 0, false, true, 'tree', '"@hourly"', '/dags/' || d || '.py', 'airflow'
FROM generate_series(1, :dags) d;

INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, conf, start_date, end_date)
SELECT 'dag_' || (1 + n % :dags), moment, 'success',
       CASE WHEN n % 7 = 0 THEN 'manual__' WHEN n % 5 = 0 THEN 'backfill_' ELSE 'scheduled__' END
       || to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
       n % 7 = 0,
       -- {'a': n}, pickled under protocol 3
       CASE WHEN n % 7 = 0 THEN '\x80037d71005801000000617101'::bytea || '\x4b'::bytea
            || set_byte('\x00'::bytea, 0, n % 256) || '\x732e'::bytea END,
       moment, moment + interval '1h'
FROM (SELECT n, timestamptz '2015-01-01 UTC' + (n / :dags) * interval '1h' AS moment
      FROM generate_series(0, :runs - 1) n) runs;

INSERT INTO job (state, job_type, start_date, end_date, latest_heartbeat, executor_class, hostname, unixname)
SELECT 'success', 'LocalTaskJob', now(), now(), now(), 'CeleryExecutor', 'ip-10-0-0-' || (n % 250), 'airflow'
FROM generate_series(1, :runs) n;

INSERT INTO task_instance (task_id, dag_id, execution_date, start_date, end_date, duration, state, try_number,
    hostname, unixname, job_id, pool, queue, priority_weight, operator, queued_dttm, pid, max_tries,
    executor_config, pool_slots)
SELECT 'task_' || k, r.dag_id, r.execution_date, r.start_date + k * interval '1.234567s',
       r.start_date + k * interval '2.5s', 1.265433 * k, CASE WHEN k % 50 = 0 THEN NULL ELSE 'success' END, 1,
       CASE WHEN k % 9 = 0 THEN '' ELSE 'ip-10-0-0-' || k || '.eu-west-1.compute.internal' END, 'airflow', r.id,
       'default_pool', 'default', 1, 'PythonOperator', r.start_date, 100 + k, 2, '\x80037d71002e'::bytea, 1
FROM dag_run r, generate_series(1, :tis / :runs) k;

INSERT INTO xcom (key, value, timestamp, execution_date, task_id, dag_id)
SELECT 'return_value', ('"value ' || r.id || ' of ' || k || '"')::bytea, r.start_date, r.execution_date,
       'task_' || k, r.dag_id
FROM dag_run r, generate_series(1, :xcoms / :runs) k;

INSERT INTO log (dttm, dag_id, task_id, event, execution_date, owner, extra)
SELECT now(), 'dag_1', 'task_1', 'success', now(), 'airflow', E'line\none\t{"a": "b\\c"}'
FROM generate_series(1, :logs) n;

INSERT INTO task_fail (task_id, dag_id, execution_date, start_date, end_date, duration)
SELECT 'task_' || k, r.dag_id, r.execution_date, r.start_date, r.end_date, 10
FROM dag_run r, generate_series(1, :fails / :runs) k;

ANALYZE;
