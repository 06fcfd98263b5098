"""What DAGs, hooks and operators do to reach AWS, each on its own: prints name → result as JSON.

Runs inside the real Airflows, on Python 3.7 and later; ``plan`` picks the calls by name.
"""

import asyncio
import importlib
import json
import sys
import traceback

import boto3

BUCKET = "data"


def first(*names):
    """The first of some dotted names that there is."""
    for name in names:
        module, _, attribute = name.rpartition(".")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ImportError:
            continue
    raise ImportError(" / ".join(names))


def s3_hook(conn_id="aws_default"):
    return first("airflow.providers.amazon.aws.hooks.s3.S3Hook", "airflow.hooks.S3_hook.S3Hook")(
        aws_conn_id=conn_id
    )


def hook_client(conn_id, service):
    base = first(
        "airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook",
        "airflow.contrib.hooks.aws_hook.AwsHook",
    )
    if base.__name__ == "AwsHook":
        return base(aws_conn_id=conn_id).get_client_type(service)
    return base(aws_conn_id=conn_id, client_type=service).get_conn()


def plain_client():
    return [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]


def plain_resource():
    return [item.key for item in boto3.resource("s3").Bucket(BUCKET).objects.all()]


def own_session():
    session = boto3.session.Session(aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106
    return sorted(session.client("sqs", region_name="eu-west-1").list_queues().get("QueueUrls", []))


def named_endpoint():
    """The endpoint that a Region's own code names."""
    client = boto3.client("s3", endpoint_url="https://s3.eu-central-1.amazonaws.com")
    return [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET)["Contents"]]


def client_config():
    """What production code asks for: acceleration, virtual hosts, a proxy."""
    from botocore.config import Config

    config = Config(
        retries={"max_attempts": 1},
        proxies={"http": "http://192.0.2.1:3128"},
        s3={"addressing_style": "virtual", "use_accelerate_endpoint": True},
    )
    client = boto3.client("s3", config=config)
    return client.get_object(Bucket=BUCKET, Key="a.txt")["Body"].read().decode()


def hook_reads():
    hook = s3_hook()
    hook.load_string("written", key="hook.txt", bucket_name=BUCKET, replace=True)
    assert hook.check_for_bucket(BUCKET)
    assert "a.txt" in hook.list_keys(bucket_name=BUCKET)
    return hook.read_key("hook.txt", bucket_name=BUCKET)


def hook_with_role():
    return sorted(hook_client("with_role", "sqs").list_queues().get("QueueUrls", []))


def hook_with_role_s3():
    return s3_hook("with_role").read_key("a.txt", bucket_name=BUCKET)


def hook_with_extra():
    return s3_hook("with_extra").read_key("a.txt", bucket_name=BUCKET)


def athena_operator():
    operator = first(
        "airflow.providers.amazon.aws.operators.athena.AthenaOperator",
        "airflow.contrib.operators.aws_athena_operator.AWSAthenaOperator",
    )
    task = operator(
        task_id="query",
        query="SELECT 1",
        database="default",
        output_location=f"s3://{BUCKET}/athena/",
        sleep_time=0,
    )
    return type(task.execute({})).__name__


def secrets_backend():
    backend = first(
        "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        "airflow.contrib.secrets.aws_secrets_manager.SecretsManagerBackend",
    )(connections_prefix="airflow/connections", variables_prefix="airflow/variables")
    return backend.get_variable("from_secret")


def asynchronous():
    """As deferrable operators do; None where there is no aiobotocore."""
    try:
        from aiobotocore.session import get_session
    except ImportError:
        return None

    async def read():
        async with get_session().create_client("s3") as client:
            answer = await client.list_objects_v2(Bucket=BUCKET)
            return [item["Key"] for item in answer["Contents"]]

    return asyncio.run(read())


def every_service():
    """The endpoints that the clients of all services have, and how many there are."""
    session = boto3.session.Session()
    services = session.get_available_services()
    return sorted({session.client(name).meta.endpoint_url for name in services}), len(services)


def leaks():
    """Ways past boto3: each must fail before a name is resolved."""
    import socket
    import urllib.request

    refused = []
    for attempt in (
        lambda: urllib.request.urlopen("https://sts.amazonaws.com/", timeout=5),
        lambda: urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5),
        lambda: socket.create_connection(("dynamodb.us-east-1.api.aws", 443), 5),
        lambda: socket.gethostbyname("s3.cn-north-1.amazonaws.com.cn"),
    ):
        try:
            attempt()
        except OSError as error:
            refused.append("lets nothing reach the real AWS" in str(error))
    return refused


def result(name):
    try:
        return globals()[name]()
    except Exception:
        return {"error": traceback.format_exc()[-2000:]}


if __name__ == "__main__":
    answers = {name: result(name) for name in sys.argv[1:]}
    print("\n" + json.dumps(answers))  # noqa: T201
