"""The stand-in for MWAA's control plane, as a real boto3 sees it."""

import base64
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from harness.aws.mwaa import Answer, Failure, Standin, SteppingClock, mwaa
from harness.aws.mwaa.environments import Environments
from harness.aws.mwaa.interface import model
from harness.aws.mwaa.rules import check_upgrade, creatable
from harness.aws.mwaa.server import _method

NETWORK = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
LEAST: Mapping[str, Any] = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/mwaa",
    "SourceBucketArn": "arn:aws:s3:::dags-of-ours",
    "DagS3Path": "dags",
    "NetworkConfiguration": NETWORK,
}
HOUR = 3600.0


class Airflow:
    """A backend that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def cli(self, environment: str, command: str) -> Answer:
        self.asked.append((environment, command))
        if command.startswith("dags"):
            return Answer(stdout="dag_id\nmövie\n")
        return Answer(stderr="invalid choice\n", returncode=2)

    def rest(
        self, environment: str, method: str, path: str, query: Mapping[str, Any], body: Any
    ) -> tuple[int, Any]:
        self.asked.append((environment, method, path, dict(query), body))
        return {"/dags": 200, "/missing": 404, "/broken": 500}[path], {"dags": [1, None, "x"]}


@pytest.fixture
def backend() -> Airflow:
    return Airflow()


@pytest.fixture
def standin(backend: Airflow) -> Iterator[Standin]:
    with mwaa(backend=backend) as running:
        yield running


@pytest.fixture
def client(standin: Standin) -> Any:
    return standin.client()


def create(client: Any, name: str = "lake", **settings: Any) -> str:
    arn: str = client.create_environment(Name=name, **{**LEAST, **settings})["Arn"]
    return arn


def status(client: Any, name: str = "lake") -> str:
    found: str = client.get_environment(Name=name)["Environment"]["Status"]
    return found


def statuses(client: Any, name: str = "lake") -> list[str]:
    """Every status that polling sees, to one that stays."""
    seen: list[str] = []
    while not seen or not seen[-1].endswith(("AVAILABLE", "FAILED")):
        try:
            now = status(client, name)
        except client.exceptions.ResourceNotFoundException:
            return [*seen, "(not found)"]
        if not seen or seen[-1] != now:
            seen.append(now)
    assert {status(client, name) for _ in range(5)} == {seen[-1]}
    return seen


def refused(call: Any, code: str = "ValidationException", **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    message: str = caught.value.response["Error"]["Message"]
    return message


# ------------------------------------------------------------------------------ life of one


def test_an_environment_is_created_and_described(client: Any, standin: Standin) -> None:
    arn = create(
        client,
        AirflowVersion="2.10.3",
        AirflowConfigurationOptions={"core.lazy_load_plugins": "False"},
        LoggingConfiguration={"TaskLogs": {"Enabled": True, "LogLevel": "INFO"}},
        Tags={"Stage": "test"},
    )
    before = client.get_environment(Name="lake")["Environment"]
    assert before["Status"] == "CREATING"
    assert "WebserverUrl" not in before
    standin.clock.advance(HOUR)
    found = client.get_environment(Name="lake")["Environment"]
    assert (found["Status"], found["Arn"]) == ("AVAILABLE", arn)
    assert (found["AirflowVersion"], found["EnvironmentClass"]) == ("2.10.3", "mw1.small")
    assert (found["Schedulers"], found["MinWorkers"], found["MaxWorkers"]) == (2, 1, 10)
    assert found["AirflowConfigurationOptions"] == {"core.lazy_load_plugins": "False"}
    assert found["NetworkConfiguration"] == NETWORK
    assert found["Tags"] == {"Stage": "test"}
    logs = found["LoggingConfiguration"]
    assert logs["TaskLogs"]["CloudWatchLogGroupArn"].endswith(":log-group:airflow-lake-Task")
    assert logs["WorkerLogs"] == {"Enabled": False, "LogLevel": "INFO"}
    assert found["WebserverUrl"].startswith("https://")
    assert found["CreatedAt"] == before["CreatedAt"]


def test_the_newest_version_is_the_default(client: Any) -> None:
    create(client)
    found = client.get_environment(Name="lake")["Environment"]
    assert found["AirflowVersion"] == creatable()[-1]


def test_statuses_come_in_the_services_order() -> None:
    with mwaa(clock=SteppingClock(step=120)) as standin:
        client = standin.client()
        create(client, AirflowVersion="2.10.3")
        assert statuses(client) == ["CREATING", "AVAILABLE"]
        client.update_environment(Name="lake", AirflowVersion="2.11.0")
        assert statuses(client) == ["CREATING_SNAPSHOT", "UPDATING", "AVAILABLE"]
        found = client.get_environment(Name="lake")["Environment"]
        assert found["AirflowVersion"] == "2.11.0"
        assert found["LastUpdate"]["Status"] == "SUCCESS"
        client.delete_environment(Name="lake")
        assert statuses(client) == ["DELETING", "(not found)"]
        create(client)  # its name is free again
        assert status(client) == "CREATING"


def test_a_creation_may_fail(standin: Standin) -> None:
    why = Failure(code="INCORRECT_CONFIGURATION", message="No route to the bucket.")
    with mwaa(clock=SteppingClock(step=120), on_create=lambda *_: why) as failing:
        client = failing.client()
        create(client)
        assert statuses(client) == ["CREATING", "CREATE_FAILED"]
        update = client.get_environment(Name="lake")["Environment"]["LastUpdate"]
        assert update["Error"] == {
            "ErrorCode": "INCORRECT_CONFIGURATION",
            "ErrorMessage": "No route to the bucket.",
        }
        assert "CREATE_FAILED" in refused(client.update_environment, Name="lake", MaxWorkers=2)
        client.delete_environment(Name="lake")


@pytest.mark.parametrize(("final", "end"), [(False, "UPDATE_FAILED"), (True, "UNAVAILABLE")])
def test_an_update_that_fails_is_rolled_back(final: bool, end: str) -> None:
    def fails(name: str, settings: Mapping[str, Any]) -> Failure | None:
        if settings.get("RequirementsS3Path") != "broken.txt":
            return None
        return Failure(code="UPDATE_REQUIREMENTS", message="They do not install.", final=final)

    with mwaa(clock=SteppingClock(step=120), on_update=fails) as standin:
        client = standin.client()
        standin.environments.existing("lake", AirflowVersion="2.5.1", **LEAST)
        client.update_environment(
            Name="lake", AirflowVersion="2.11.0", RequirementsS3Path="broken.txt"
        )
        assert statuses(client) == ["CREATING_SNAPSHOT", "UPDATING", "ROLLING_BACK", end]
        found = client.get_environment(Name="lake")["Environment"]
        assert found["AirflowVersion"] == "2.5.1"
        assert found["LastUpdate"]["Status"] == "FAILED"
        assert found["LastUpdate"]["Error"]["ErrorCode"] == "UPDATE_REQUIREMENTS"
        if not final:
            client.update_environment(Name="lake", AirflowVersion="2.11.0")


def test_endpoints_of_the_customers_own_are_waited_for(client: Any, standin: Standin) -> None:
    for name in ("made", "late"):
        create(client, name, EndpointManagement="CUSTOMER")
    standin.clock.advance(HOUR)
    assert status(client, "made") == "PENDING"
    standin.environments.endpoints_are_made("made")
    assert status(client, "made") == "CREATING"
    standin.clock.advance(72 * HOUR)
    assert status(client, "made") == "AVAILABLE"
    assert status(client, "late") == "CREATE_FAILED"


def test_nothing_happens_at_the_wrong_time(client: Any, standin: Standin) -> None:
    create(client)
    assert "is CREATING" in refused(client.update_environment, Name="lake", MaxWorkers=3)
    assert "is CREATING" in refused(client.delete_environment, Name="lake")
    assert "already exists" in refused(client.create_environment, Name="lake", **LEAST)
    refused(client.create_cli_token, "ResourceNotFoundException", Name="lake")
    standin.clock.advance(HOUR)
    client.update_environment(Name="lake", MaxWorkers=3)
    assert "CREATING_SNAPSHOT" in refused(client.update_environment, Name="lake", MaxWorkers=4)
    client.create_cli_token(Name="lake")  # it goes on answering meanwhile


# ------------------------------------------------------------------------------ what is checked


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Name": "1lake"}, "regular expression pattern"),
        ({"Name": "l" * 81}, "length less than or equal to 80"),
        (
            {"NetworkConfiguration": {**NETWORK, "SubnetIds": ["subnet-1"]}},
            "'networkConf.*equal to 2",
        ),
        (
            {"NetworkConfiguration": {**NETWORK, "SecurityGroupIds": []}},
            "greater than or equal to 1",
        ),
        (
            {
                "NetworkConfiguration": {
                    **NETWORK,
                    "SecurityGroupIds": [f"sg-{n}" for n in range(6)],
                }
            },
            "less than or equal to 5",
        ),
        (
            {"NetworkConfiguration": {**NETWORK, "SubnetIds": ["a", "subnet-2"]}},
            r"subnetIds\.1\.mem",
        ),
        ({"AirflowConfigurationOptions": {"core.x y": "1"}}, "expression pattern"),
        ({"AirflowConfigurationOptions": {"c" * 65: "1"}}, "less than or equal to 64"),
        ({"AirflowConfigurationOptions": {"core.x": "Prüfung"}}, "expression pattern"),
        ({"AirflowConfigurationOptions": {"core.x": "x" * 65537}}, "less than or equal to 65536"),
        ({"ExecutionRoleArn": "mwaa"}, "executionRoleArn"),
        ({"WebserverAccessMode": "PUBLIC"}, "enum value set"),
        ({"WeeklyMaintenanceWindowStart": "SUN:0330"}, "weeklyMaintenanceWindowStart"),
        ({"EnvironmentClass": "mw1.huge"}, "mw1.huge is not one of"),
        ({"Schedulers": 1}, "Schedulers is 1; for mw1.small it must be from 2 to 5"),
        ({"Schedulers": 6}, "value less than or equal to 5"),
        ({"EnvironmentClass": "mw1.micro", "Schedulers": 2}, "for mw1.micro it must be 1"),
        ({"MaxWorkers": 0}, "value greater than or equal to 1"),
        ({"MaxWorkers": 26}, "from 1 to 25"),
        ({"MinWorkers": 5, "MaxWorkers": 4}, "MinWorkers is 5"),
        ({"WebserverAccessMode": "PUBLIC_AND_PRIVATE"}, "not available"),
        ({"AirflowVersion": "1.10.12"}, "1.10.12 is not supported"),
        ({"AirflowVersion": "2.5.1"}, "2.5.1 is not supported"),
        ({"AirflowVersion": "latest!"}, "expression pattern"),
        ({"DagS3Path": None}, "Member must not be null"),
    ],
)
def test_what_the_service_refuses_is_refused(
    standin: Standin, settings: Mapping[str, Any], message: str
) -> None:
    """boto3 would refuse some of these itself; other clients would not."""
    client = standin.client(config=Config(parameter_validation=False))
    arguments = {"Name": "lake", **LEAST, **settings}
    arguments = {key: value for key, value in arguments.items() if value is not None}
    said = refused(client.create_environment, **arguments)
    assert re.search(message, said)
    assert client.list_environments()["Environments"] == []


def test_boto3s_own_checks_are_the_same_models(client: Any) -> None:
    with pytest.raises(ParamValidationError):
        client.create_environment(
            Name="lake", **{**LEAST, "NetworkConfiguration": {"SubnetIds": 1}}
        )


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("1.10.12", "2.11.0", False),
        ("2.0.2", "2.11.0", True),
        ("2.5.1", "2.10.3", True),
        ("2.10.3", "2.5.1", False),  # not creatable any more
        ("2.11.0", "2.10.3", True),  # the service downgrades
        ("2.10.3", "3.0.6", False),
        ("2.11.0", "3.0.6", True),
        ("3.0.6", "2.11.0", False),
        ("2.11.0", "2.11.2", False),  # in the image repository only
    ],
)
def test_ways_to_upgrade(client: Any, standin: Standin, old: str, new: str, allowed: bool) -> None:
    standin.environments.existing("lake", AirflowVersion=old, **LEAST)
    if not allowed:
        assert new in refused(client.update_environment, Name="lake", AirflowVersion=new)
        return
    client.update_environment(Name="lake", AirflowVersion=new)
    standin.clock.advance(HOUR)
    assert client.get_environment(Name="lake")["Environment"]["AirflowVersion"] == new


def test_versions_are_those_that_the_services_model_names() -> None:
    shape = model().shape_for("CreateEnvironmentInput").members["AirflowVersion"]
    named = re.findall(r"<code>(\d+\.\d+\.\d+)</code>", shape.documentation)
    assert list(creatable()) == named
    check_upgrade("2.11.0", named[-1])


def test_an_update_keeps_what_it_does_not_name(client: Any, standin: Standin) -> None:
    standin.environments.existing(
        "lake",
        AirflowVersion="2.10.3",
        LoggingConfiguration={"TaskLogs": {"Enabled": True, "LogLevel": "DEBUG"}},
        **LEAST,
    )
    client.update_environment(
        Name="lake",
        EnvironmentClass="mw1.micro",
        MaxWorkers=1,
        NetworkConfiguration={"SecurityGroupIds": ["sg-9"]},
        LoggingConfiguration={"WorkerLogs": {"Enabled": True, "LogLevel": "ERROR"}},
        WorkerReplacementStrategy="GRACEFUL",
    )
    standin.clock.advance(HOUR)
    found = client.get_environment(Name="lake")["Environment"]
    assert found["NetworkConfiguration"] == {**NETWORK, "SecurityGroupIds": ["sg-9"]}
    assert found["LoggingConfiguration"]["TaskLogs"]["LogLevel"] == "DEBUG"
    assert found["LoggingConfiguration"]["WorkerLogs"]["LogLevel"] == "ERROR"
    assert (found["EnvironmentClass"], found["Schedulers"]) == ("mw1.micro", 1)
    assert found["LastUpdate"]["WorkerReplacementStrategy"] == "GRACEFUL"


# -------------------------------------------------------------------------------- lists and tags


def test_lists_come_in_pages(client: Any, standin: Standin) -> None:
    names = [f"lake-{number:02}" for number in range(27)]
    for name in names:
        standin.environments.existing(name, **LEAST)
    assert len(client.list_environments()["Environments"]) == 25
    pages = list(
        client.get_paginator("list_environments").paginate(PaginationConfig={"PageSize": 10})
    )
    assert [len(page["Environments"]) for page in pages] == [10, 10, 7]
    assert [name for page in pages for name in page["Environments"]] == names
    assert "NextToken" in refused(client.list_environments, NextToken="\x00é")
    assert "MaxResults" in str(refused(client.list_environments, MaxResults=26)).replace(
        "max", "Max"
    )


def test_tags(client: Any, standin: Standin) -> None:
    arn = standin.environments.existing("lake", Tags={"a": "1"}, **LEAST)
    client.tag_resource(ResourceArn=arn, Tags={"b": "zwölf +1", "c": "3"})
    client.untag_resource(ResourceArn=arn, tagKeys=["a", "c"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"b": "zwölf +1"}
    many = {f"k{number}": "v" for number in range(50)}
    assert "at most 50" in refused(client.tag_resource, ResourceArn=arn, Tags=many)
    refused(
        client.list_tags_for_resource,
        "ResourceNotFoundException",
        ResourceArn=arn.replace("lake", "sea"),
    )


# --------------------------------------------------------------------- the environment's own doors


def post_cli(standin: Standin, token: str, command: str) -> tuple[int, str, str]:
    request = urllib.request.Request(  # noqa: S310
        standin.cli_url,
        data=command.encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/plain"},
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            code, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            code, body = error.code, error.read()
    said = json.loads(body)
    if "stdout" not in said:
        return code, said["Message"], ""
    return code, *(base64.b64decode(said[name]).decode() for name in ("stdout", "stderr"))


def test_cli_commands_reach_the_backend(client: Any, standin: Standin, backend: Airflow) -> None:
    standin.environments.existing("lake", AirflowVersion="2.5.1", **LEAST)
    given = client.create_cli_token(Name="lake")
    assert "/" not in given["WebServerHostname"]
    assert post_cli(standin, given["CliToken"], "dags list") == (200, "dag_id\nmövie\n", "")
    assert post_cli(standin, given["CliToken"], "nonsense; rm -rf /") == (
        400,
        "",
        "invalid choice\n",
    )
    assert backend.asked == [("lake", "dags list"), ("lake", "nonsense; rm -rf /")]


def test_tokens_are_for_one_door_and_a_minute(client: Any, standin: Standin) -> None:
    standin.environments.existing("lake", **LEAST)
    web = client.create_web_login_token(Name="lake")
    cli = client.create_cli_token(Name="lake")["CliToken"]
    assert web["AirflowIdentity"]
    assert post_cli(standin, web["WebToken"], "dags list")[0] == 403
    assert post_cli(standin, "cli-guessed", "dags list")[0] == 403
    standin.clock.advance(61)
    assert post_cli(standin, cli, "dags list") == (403, "The token is not valid", "")


def test_rest_calls_reach_the_backend(client: Any, standin: Standin, backend: Airflow) -> None:
    standin.environments.existing("lake", AirflowVersion="2.10.3", **LEAST)
    answer = client.invoke_rest_api(
        Name="lake",
        Path="/dags",
        Method="POST",
        QueryParameters={"limit": 1},
        Body={"a": [1.5, None]},
    )
    assert answer["RestApiStatusCode"] == 200
    assert answer["RestApiResponse"] == {"dags": [1, None, "x"]}
    assert backend.asked == [("lake", "POST", "/dags", {"limit": 1}, {"a": [1.5, None]})]
    with pytest.raises(client.exceptions.RestApiClientException) as caught:
        client.invoke_rest_api(Name="lake", Path="/missing", Method="GET")
    assert caught.value.response["RestApiStatusCode"] == 404
    with pytest.raises(client.exceptions.RestApiServerException):
        client.invoke_rest_api(Name="lake", Path="/broken", Method="GET")


def test_rest_calls_need_a_newer_airflow(client: Any, standin: Standin) -> None:
    standin.environments.existing("old", AirflowVersion="2.2.2", **LEAST)
    said = refused(client.invoke_rest_api, Name="old", Path="/dags", Method="GET")
    assert "2.4.3" in said


def test_a_mistake_of_the_backends_is_an_answer(client: Any, standin: Standin) -> None:
    standin.environments.existing("lake", **LEAST)
    refused(
        standin.client(config=Config(retries={"max_attempts": 0})).invoke_rest_api,
        "InternalServerException",
        Name="lake",
        Path="/unheard",
        Method="GET",
    )


# ------------------------------------------------------------------------------------- the rest


# What an operation needs besides the environment's name or ARN.
BESIDES: Mapping[str, Mapping[str, Any]] = {
    "InvokeRestApi": {"Path": "/dags", "Method": "GET"},
    "TagResource": {"Tags": {"a": "b"}},
    "UntagResource": {"tagKeys": ["a"]},
}
ARN = "arn:aws:airflow:us-east-1:123456789012:environment/"


def named(operation: str, name: str) -> dict[str, Any]:
    """The arguments of an operation on the environment of that name."""
    tagged = "ResourceArn" in model().operation_model(operation).input_shape.members
    which = {"ResourceArn": f"{ARN}{name}"} if tagged else {"Name": name}
    return {**which, **BESIDES.get(operation, {})}


OF_NONE = {"CreateEnvironment", "ListEnvironments", "PublishMetrics"}

# Any operation of AWS' may answer with these, named in its model or not.
COMMON = {"ValidationException"}


@pytest.mark.parametrize(
    ("name", "code"), [("lake", "ResourceNotFoundException"), ("?", "ValidationException")]
)
@pytest.mark.parametrize("operation", sorted({*model().operation_names} - OF_NONE))
def test_an_error_is_one_of_the_models(
    standin: Standin, operation: str, name: str, code: str
) -> None:
    """What is not there, and what cannot be there, for every operation on an environment."""
    shapes = model().operation_model(operation).error_shapes
    assert code in {shape.name for shape in shapes} | COMMON
    client = standin.client(config=Config(parameter_validation=False))
    refused(getattr(client, _method(operation)), code, **named(operation, name))


def test_access_may_be_denied() -> None:
    def allows(key: str, action: str) -> bool:
        return (key, action) != ("testing", "airflow:CreateEnvironment")

    with mwaa(allows=allows) as standin:
        client = standin.client()
        client.list_environments()
        message = refused(client.create_environment, "AccessDeniedException", Name="lake", **LEAST)
        assert "not authorized to perform: airflow:CreateEnvironment" in message


@pytest.mark.parametrize(
    ("method", "path", "body", "signed", "status"),
    [
        ("GET", "/environments", b"", False, 403),
        ("GET", "/nowhere", b"", True, 404),
        ("PUT", "/environments/lake", b"{", True, 400),
        ("PUT", "/environments/lake", b"[]", True, 400),
        ("PUT", "/environments/lake", b'{"MaxWorkers": true}', True, 400),
        ("PUT", "/environments/lake", b'{"NetworkConfiguration": "x"}', True, 400),
        ("GET", "/environments?MaxResults=x", b"", True, 400),
        ("POST", "/aws_mwaa/cli", b"dags list", False, 403),
        ("GET", "/aws_mwaa/cli", b"", False, 403),
    ],
)
def test_other_clients_get_errors_of_the_same_form(
    standin: Standin, method: str, path: str, body: bytes, signed: bool, status: int
) -> None:
    scope = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/airflow/aws4_request, Signature=0"
    connection = http.client.HTTPConnection(standin.endpoint.removeprefix("http://"), timeout=10)
    headers = {"Authorization": scope} if signed else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    assert answer.status == status
    assert answer.getheader("x-amzn-ErrorType")
    assert {name.lower() for name in json.loads(answer.read())} == {"message"}
    connection.close()


def test_every_operation_of_the_model_is_there() -> None:
    for name in model().operation_names:
        assert callable(getattr(Environments, _method(name)))


def test_it_listens_on_the_loopback(standin: Standin) -> None:
    assert standin.endpoint.startswith("http://127.0.0.1:")
