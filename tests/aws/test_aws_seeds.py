"""What the configuration says is in the emulated AWS is there before anything asks."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.aws.emulation import emulated
from harness.aws.emulator import Emulator, EmulatorError
from harness.aws.seeds import fill
from harness.model import AwsConfig

pytestmark = pytest.mark.xdist_group("moto")


@pytest.fixture
def s3_folder(tmp_path: Path) -> Path:
    for name, text in {
        "incoming/2020/a.csv": "a",
        "incoming/b.csv": "b",
        "empty/.keep": "",
    }.items():
        file = tmp_path / "s3" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "secret").write_text("not for the bucket")
    (tmp_path / "s3" / "incoming" / "link.csv").symlink_to(tmp_path / "secret")
    return tmp_path / "s3"


def config(**fields: Mapping[str, str] | str) -> AwsConfig:
    return AwsConfig(emulator="moto", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_folders_are_buckets_and_files_are_objects(
    aws: Emulator, s3_folder: Path, region: str
) -> None:
    here = Emulator(name="moto", endpoint=aws.endpoint, region=region)
    fill(here, config(s3=str(s3_folder)))
    s3 = here.client("s3")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["empty", "incoming"]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="incoming")["Contents"]]
    assert keys == ["2020/a.csv", "b.csv"]
    assert s3.get_object(Bucket="incoming", Key="b.csv")["Body"].read() == b"b"


def test_secrets_and_parameters(aws: Emulator) -> None:
    fill(aws, config(secrets={"db/password": "p@ss"}, parameters={"/team/retries": "4"}))
    secret = aws.client("secretsmanager").get_secret_value(SecretId="db/password")
    assert secret["SecretString"] == "p@ss"
    ssm = aws.client("ssm")
    for decrypted in (True, False):
        found = ssm.get_parameter(Name="/team/retries", WithDecryption=decrypted)
        assert found["Parameter"]["Value"] == "4"


def test_what_the_emulator_does_not_take_is_named(aws: Emulator, tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    with pytest.raises(EmulatorError, match="did not take bucket 'ab'"):
        fill(aws, config(s3=str(tmp_path)))


@pytest.mark.slow
def test_the_emulator_of_a_configuration_is_filled_in_the_users_region() -> None:
    wanted = config(parameters={"a": "1"})
    with emulated(wanted, {"AWS_DEFAULT_REGION": "eu-west-1"}) as emulator:
        assert emulator is not None
        assert emulator.environment()["AWS_REGION"] == "eu-west-1"
        found = emulator.client("ssm").get_parameter(Name="a")
        assert ":eu-west-1:" in found["Parameter"]["ARN"]


def test_none_is_none() -> None:
    with emulated(AwsConfig(), {}) as emulator:
        assert emulator is None
