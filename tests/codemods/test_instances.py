"""What an expression is an instance of: here, what the text's own plain classes keep."""

from textwrap import dedent

from locks import LOCKS, read_lock

from codemods.migrate import migrate_source

PINS = read_lock(next(path.name.split("-py")[0] for path in LOCKS.glob("2.11.0-py*.txt")))
HEAD = "from airflow.contrib.hooks.gcs_hook import GoogleCloudStorageHook\n"


def migrated(code: str) -> str:
    return migrate_source(HEAD + dedent(code), pins=PINS).text or ""


def test_a_hook_that_a_plain_class_keeps_is_known():
    code = """
    class Files:
        def __init__(self):
            self.client = GoogleCloudStorageHook()

        def names(self):
            return self.client.list(bucket="b")


    class More(Files):
        def put(self):
            self.client.upload(bucket="b", object="o", filename="f")


    Files().client.exists(bucket="b", object="o")
    """
    text = migrated(code)
    assert 'self.client.list(bucket_name="b")' in text
    assert 'self.client.upload(bucket_name="b", object_name="o", filename="f")' in text
    assert 'Files().client.exists(bucket_name="b", object_name="o")' in text


def test_what_a_plain_class_may_keep_besides_is_left():
    code = """
    class Files:
        def __init__(self, client):
            self.client = client or GoogleCloudStorageHook()

        def names(self):
            return self.client.list(bucket="b")
    """
    assert 'self.client.list(bucket="b")' in migrated(code)


def test_a_task_that_a_function_is_given_is_known():
    code = """
    from airflow.models import BaseOperator


    def alone(task: BaseOperator):
        task._upstream_task_ids.clear()
    """
    assert "task.upstream_task_ids.clear()" in migrated(code)


def test_where_the_bucket_is_given_the_sensor_keeps_it():
    code = """
    from airflow.sensors.s3_key_sensor import S3KeySensor


    class Found(S3KeySensor):
        def execute(self, context):
            super().execute(context)
            return self.bucket_name, self.bucket_key


    Found(task_id="a", bucket_key="k", bucket_name="b")
    """
    told = [n.line for n in migrate_source(dedent(code), pins=PINS).notes]
    assert told == []
    told = [n.line for n in migrate_source(dedent(code).split("\n\n\nFound")[0], pins=PINS).notes]
    assert told == [8, 8]


def test_a_timeout_that_nobody_gave_is_told():
    code = """
    from airflow.contrib.operators.ssh_operator import SSHOperator


    class Far(SSHOperator):
        def execute(self, context):
            return self.get_conn().exec_command("ls", timeout=self.timeout)
    """
    told = [n.message for n in migrate_source(dedent(code), pins=PINS).notes]
    assert any("NOTSET" in message for message in told)
    given = dedent(code) + "\n\nFar(task_id='a', timeout=5)\n"
    told = [n.message for n in migrate_source(given, pins=PINS).notes]
    assert not any("NOTSET" in message for message in told)
