"""What goes wrong with containers, and what is said then."""

import hashlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cache import cache_folder
from harness.containers.engine import (
    Engine,
    EngineError,
    EngineTooOld,
    ImageMissing,
    PortTaken,
    WrongArchitecture,
    connect,
    sweep_run,
)
from harness.containers.images import (
    BuildFailed,
    build,
    need_image,
    pack_context,
    provide_image,
)
from harness.containers.once import END, pack_files
from harness.containers.pair import start_service, up
from harness.containers.plan import PARTS, Asked, Service
from harness.containers.readiness import (
    AirflowHealthy,
    ContainerDied,
    EngineHealthy,
    NeverHealthy,
)
from harness.model import Side
from harness.pipeline import Options, check
from harness.runtimes.constraints import find_constraints
from harness.runtimes.docker import DockerRuntime
from harness.targets import default_bridge

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]


@pytest.fixture
def network(engine: Engine) -> Iterator[str]:
    """A network of the test's own; containers and network go with it."""
    made = engine.client.networks.create(f"test-{engine.run}", labels=engine.labels())
    yield made.name
    sweep_run(engine)


def python(base: str, script: str, **fields: object) -> Service:
    return Service(name="bridge", image=base, command=("python3", "-c", script), **fields)  # type: ignore[arg-type]


def test_a_container_that_dies_at_its_start(engine: Engine, base: str, network: str) -> None:
    service = python(base, "print('last words'); raise SystemExit(7)")
    started = start_service(engine, service, Asked(), network, engine.labels())
    with pytest.raises(ContainerDied, match=r"(?s)bridge ended.*exit code 7.*last words"):
        AirflowHealthy(service="bridge", seconds=30).wait_until_ready(started)


def test_an_airflow_that_never_answers(engine: Engine, base: str, network: str) -> None:
    service = python(base, "import time; print('thinking', flush=True); time.sleep(60)", port=8080)
    started = start_service(engine, service, Asked(), network, engine.labels())
    with pytest.raises(NeverHealthy) as caught:
        AirflowHealthy(service="bridge", seconds=2).wait_until_ready(started)
    assert re.search(
        r"(?s)is running and was not ready after 2 s: its web server does not answer.*thinking",
        caught.value.message,
    )
    assert "--wait" in caught.value.hint


def test_an_airflow_whose_scheduler_is_dead(engine: Engine, base: str, network: str) -> None:
    script = (
        "import http.server as h, json\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "  def do_GET(s):\n"
        "    s.send_response(200); s.end_headers()\n"
        "    s.wfile.write(json.dumps({'metadatabase': {'status': 'healthy'},"
        " 'scheduler': {'status': 'unhealthy'}}).encode())\n"
        "h.HTTPServer(('', 8080), H).serve_forever()"
    )
    started = start_service(
        engine, python(base, script, port=8080), Asked(), network, engine.labels()
    )
    with pytest.raises(NeverHealthy, match="the scheduler is unhealthy"):
        AirflowHealthy(service="bridge", seconds=4).wait_until_ready(started)


@pytest.fixture(scope="module")
def airflow_image(engine: Engine) -> str:
    """The bridge's own."""
    row = default_bridge()
    return provide_image(
        engine, row, find_constraints(row), cache=cache_folder(), on_step=print
    ).name


def test_a_database_that_does_not_answer(engine: Engine, airflow_image: str, network: str) -> None:
    service = Service(
        name="bridge",
        image=airflow_image,
        command=("local-runner",),
        env={
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://a:b@bridge-db:5432/airflow",
            "MWAA_HARNESS_DATABASE_SECONDS": "1",
        },
    )
    started = start_service(engine, service, Asked(), network, engine.labels())
    with pytest.raises(ContainerDied, match=r"did not let us in within 1 s: .*bridge-db"):
        AirflowHealthy(service="bridge", seconds=120).wait_until_ready(started)


def test_requirements_that_mwaa_would_not_wait_for(
    engine: Engine, airflow_image: str, network: str, tmp_path: Path
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("--index-url https://198.51.100.1/\nnothing-of-that-name\n")
    service = Service(
        name="bridge",
        image=airflow_image,
        command=("local-runner",),
        env={"MWAA_HARNESS_INSTALL_SECONDS": "2"},
        mounts={str(requirements): PARTS["requirements"]},
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    started = start_service(engine, service, Asked(), network, engine.labels())
    said = (
        r"Installing the requirements took longer than 2 s and was stopped\. So does MWAA: .*nine"
    )
    with pytest.raises(ContainerDied, match=said):
        AirflowHealthy(service="bridge", seconds=120).wait_until_ready(started)


def test_a_health_check_that_fails(engine: Engine, base: str, network: str) -> None:
    service = python(
        base, "import time; time.sleep(60)", health=("python3", "-c", "exit('no database')")
    )
    started = start_service(engine, service, Asked(), network, engine.labels())
    with pytest.raises(NeverHealthy, match="its health is starting"):
        EngineHealthy(service="bridge", seconds=4).wait_until_ready(started)


def test_a_port_that_is_taken(engine: Engine, base: str, network: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = python(base, "import time; time.sleep(60)", port=8080, host_port=port)
        with pytest.raises(PortTaken, match=f"port {port} for the bridge is taken") as caught:
            start_service(engine, service, Asked(), network, engine.labels())
    assert "--bridge-port" in caught.value.hint


def test_an_image_that_is_nowhere(engine: Engine) -> None:
    name = "registry.invalid/mwaa-harness/nothing:1"
    with pytest.raises(ImageMissing, match="is not on this machine and cannot be pulled") as caught:
        need_image(engine, name, lambda _: None)
    assert name in caught.value.message
    assert "--target-image" in caught.value.hint


def test_an_image_for_another_processor(engine: Engine) -> None:
    other = "arm64" if engine.architecture == "amd64" else "amd64"
    name = f"mwaa-harness/test-architecture:{engine.run}"
    engine.client.images.load(image_file(name, other))
    try:
        with pytest.raises(WrongArchitecture, match=f"is for {other}, the engine runs") as caught:
            need_image(engine, name, lambda _: None)
        assert "--target-image" in caught.value.hint
    finally:
        engine.client.images.remove(name, force=True)


def image_file(name: str, architecture: str) -> bytes:
    """An image of one empty layer, as `docker save` writes them."""
    layer = END
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    contents = {
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
        "layer.tar": layer,
    }
    return pack_files(contents, uid=0, gid=0) + END


def test_an_engine_that_is_too_old(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is here, when a later interface were needed."""
    monkeypatch.setattr("harness.containers.engine.OLDEST_API", "9.0")
    with pytest.raises(EngineTooOld) as caught:
        connect()
    assert f"{engine.version} is too old: its interface is" in caught.value.message
    assert "--runtime venv" in caught.value.hint


def test_a_container_on_a_full_disk(engine: Engine, base: str, network: str) -> None:
    """Its log says so; the hint is about disks then."""
    volume = engine.client.volumes.create(
        labels=engine.labels(),
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=777"},
    )
    script = "open('/data/table', 'wb').write(bytes(1 << 22))"
    service = python(base, script, volumes={volume.name: "/data"})
    started = start_service(engine, service, Asked(), network, engine.labels())
    with pytest.raises(ContainerDied, match="No space left on device") as caught:
        AirflowHealthy(service="bridge", seconds=60).wait_until_ready(started)
    assert "docker system df" in caught.value.hint


def test_an_up_that_fails_leaves_nothing_new(
    engine: Engine, tmp_path: Path, of_the_pair: Callable[[], list[str]]
) -> None:
    """Not even the databases; what it says is what the container said."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "x.py").write_text("from airflow import DAG\n")
    (tmp_path / "startup.sh").write_text("echo the reason; exit 3\n")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    asked = Asked(repo=tmp_path)
    said = r"(?s)bridge ended(?=.*the reason).*exit code 3"  # two streams, in either order
    with pytest.raises(ContainerDied, match=said) as caught:
        up(engine, asked, lambda _: None)
    assert "startup script" in caught.value.hint
    assert of_the_pair() == []


def test_a_build_that_fails_shows_its_end(engine: Engine, base: str) -> None:
    text = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo the reason && exit 9\n"
    context = pack_context({"Dockerfile": text.encode()})
    with pytest.raises(BuildFailed, match=r"(?s)Airflow 9\.9.*code: 9.*the reason"):
        build(engine, context, "mwaa-harness/test:never", {"BASE_IMAGE": base}, what="Airflow 9.9")


def test_a_build_on_a_full_disk(engine: Engine, base: str) -> None:
    """The engine passes on what the command says; /dev/full is a disk without room."""
    text = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN dd if=/dev/zero of=/dev/full bs=1024 count=1\n"
    context = pack_context({"Dockerfile": text.encode()})
    with pytest.raises(EngineError, match="No space left on device") as caught:
        build(engine, context, "mwaa-harness/test:never", {"BASE_IMAGE": base}, what="Airflow 9.9")
    assert type(caught.value).__name__ == "DiskFull"
    assert "docker system df" in caught.value.hint


def test_an_image_without_airflow_makes_the_verdict_unknown(
    engine: Engine, base: str, tmp_path: Path
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "x.py").write_text("from airflow import DAG\n")
    images = {Side.BRIDGE: base, Side.TARGET: base}
    report = check(Options(path=tmp_path), DockerRuntime(engine=engine, images=images))
    assert report.verdict == "unknown"
    for environment in report.environments:
        assert "cannot be asked what is in it" in environment.failure
        assert environment.image == base
