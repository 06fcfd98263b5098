"""The pair with the targets besides the default one, for real, and how big all images are."""

import shutil
from pathlib import Path

import pytest

from harness.cache import cache_folder
from harness.containers.engine import RUN_LABEL, Engine
from harness.containers.images import provide_image
from harness.containers.pair import SERVICE_LABEL, running
from harness.containers.plan import Asked
from harness.model import Side
from harness.runtimes.constraints import find_constraints
from harness.targets import default_bridge, default_target, get_target

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

# One of each kind that the default target is not: as its local runner had it, and as the images
# with enforced pins have it; and the emulated AWS beside each.
TARGETS = {"2.5.1": "moto", "2.10.3": "localstack"}
MOST_MEGABYTES = 600


@pytest.mark.parametrize("airflow", [default_bridge().airflow, default_target().airflow, *TARGETS])
def test_images_are_small(engine: Engine, airflow: str) -> None:
    row = get_target(airflow)
    image = provide_image(
        engine, row, find_constraints(row), cache=cache_folder(), on_step=lambda _: None
    )
    assert engine.client.images.get(image.id).attrs["Size"] <= MOST_MEGABYTES * 1_000_000


LISTS = """
import boto3
found = boto3.client("s3").list_objects_v2(Bucket="incoming", Prefix="2020-01-01/orders")
print([each["Key"] for each in found["Contents"]])
queue = boto3.client("sqs").create_queue(QueueName="from-inside")["QueueUrl"]
boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="hello")
"""


@pytest.mark.parametrize(("target", "emulator"), TARGETS.items())
def test_the_pair_with_it_is_healthy(
    engine: Engine,
    stories: Path,
    tmp_path: Path,
    localstack_image: str,
    target: str,
    emulator: str,
) -> None:
    """And the emulated AWS is the configuration's, with what it is said to hold."""
    repo = tmp_path / "repo"
    shutil.copytree(stories / "lists_s3_at_import" / "before", repo)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    configuration = repo / "mwaa-harness.toml"
    asked = f'"{emulator}"' + (f'\nimage = "{localstack_image}"' if emulator != "moto" else "")
    configuration.write_text(configuration.read_text().replace('"moto"', asked))
    with running(engine, Asked(target=target, repo=repo, name=f"t-{target}"), print) as pair:
        assert {member.state for member in pair} == {"healthy"}
        assert [member.about for member in pair][-1] == f"Airflow {target}"
        for side in Side:
            labels = [f"{RUN_LABEL}={engine.run}", f"{SERVICE_LABEL}={side}"]
            (container,) = engine.client.containers.list(filters={"label": labels})
            code, output = container.exec_run(["python3", "-c", LISTS])
            assert (code, output.split(b"\n")[0]) == (0, b"['2020-01-01/orders.csv']"), output
