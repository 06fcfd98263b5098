"""compose/compose.yml starts what ``mwaa-harness up`` starts."""

import re
from typing import Any

import pytest
import yaml

from harness.containers.images import Image, compose_folder
from harness.containers.plan import PARTS, Asked, Secrets, Service, plan
from harness.model import AwsConfig, Side
from harness.targets import default_bridge, default_target, get_target

IMAGES = {
    name: Image(name=f"{name}-image", id="sha256:1", digest="sha256:1")
    for name in ("bridge", "target", "aws", "postgres")
}


def services(target: str = "") -> dict[str, Service]:
    row = get_target(target) if target else default_target()
    rows = {Side.BRIDGE: default_bridge(), Side.TARGET: row}
    volumes = {Side.BRIDGE: "one", Side.TARGET: "two"}
    asked = Asked(bridge_port=8081, target_port=8080)
    planned = plan(asked, rows, IMAGES, Secrets(seed="x"), volumes, {}, AwsConfig())
    return {service.name: service for service in planned}


def composed() -> dict[str, Any]:
    text = (compose_folder() / "compose.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)["services"]
    return loaded


def test_the_services_are_the_same() -> None:
    assert set(composed()) == set(services())


@pytest.mark.parametrize("name", list(services()))
def test_each_service_is_the_same(name: str) -> None:
    theirs, ours = composed()[name], services()[name]
    assert set(theirs.get("environment", {})) == set(ours.env)
    for key, value in theirs.get("environment", {}).items():
        if "${" not in str(value):
            assert ours.env[key] == value
    assert tuple(theirs.get("command", ())) == tuple(ours.command)
    assert theirs["mem_limit"] == ours.memory
    assert theirs["cap_drop"] == ["ALL"]
    assert tuple(theirs.get("cap_add", ())) == tuple(ours.capabilities)
    assert theirs["security_opt"] == ["no-new-privileges"]
    assert theirs.get("healthcheck", {}).get("test", ["CMD"])[1:] == list(ours.health)
    inside = {volume.removesuffix(":ro").rpartition(":")[2] for volume in theirs.get("volumes", ())}
    repository = PARTS.values() if name in list(Side) else ()
    assert inside == {*ours.mounts.values(), *ours.volumes.values(), *repository}


@pytest.mark.parametrize("name", list(services()))
def test_only_the_loopback_is_published(name: str) -> None:
    ports = composed()[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert [int(port.rpartition(":")[2]) for port in ports] == [services()[name].port or None][
        : len(ports)
    ]
    assert bool(ports) is bool(services()[name].port)


def test_no_secret_is_written_down() -> None:
    text = (compose_folder() / "compose.yml").read_text(encoding="utf-8")
    assert not re.search(r"(?:PASSWORD|SECRET|FERNET_KEY): (?!\$\{|testing)", text)


def test_secrets_differ_between_pairs_and_uses() -> None:
    one, two = Secrets(seed="1"), Secrets(seed="2")
    words = [x for s in (one, two) for x in (s.admin, s.fernet_key, s.word("a"), s.word("b"))]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("target", "section"), [("2.2.2", "CORE"), ("2.5.1", "DATABASE")])
def test_the_database_is_named_where_that_airflow_reads_it(target: str, section: str) -> None:
    env = services(target)["target"].env
    assert env[f"AIRFLOW__{section}__SQL_ALCHEMY_CONN"].endswith("@target-db:5432/airflow")


def test_a_ready_made_image_finds_its_database() -> None:
    """What the entrypoint of aws-mwaa-local-runner reads says the same as our own settings."""
    service = services()["target"]
    env = service.env
    built = (
        f"postgresql+psycopg2://{env['POSTGRES_USER']}:{env['POSTGRES_PASSWORD']}"
        f"@{env['POSTGRES_HOST']}:{env['POSTGRES_PORT']}/{env['POSTGRES_DB']}"
    )
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == built
    assert service.command == ("local-runner",)
