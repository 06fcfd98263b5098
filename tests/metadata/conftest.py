"""A real PostgreSQL, real Airflows, and a fresh migrated database for every test."""

import functools
import itertools
from collections.abc import Callable, Iterator

import pytest
from airflows import VERSIONS, Airflow, provided, schema
from postgres_server import Server, running_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of the test run's own (`url`, `connect`, `create`, `drop`, `dump`)."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Airflow]:
    """Airflow version → the real one embedded one (`call`, `run`, `script`, `python`)."""

    @functools.cache
    def get(version: str) -> Airflow:
        return provided(version, tmp_path_factory.mktemp(f"airflow-{version}"))

    return get


@pytest.fixture
def database(postgres: Server, airflow: Callable[[str], Airflow]) -> Iterator[Callable[[str], str]]:
    """Airflow version → the URL of a PostgreSQL database which that version has just initialised.

    Each call gives another one; all are dropped after the test. ``database("")`` is empty.
    """
    made = []

    def create(version: str) -> str:
        template = schema(airflow(version), postgres) if version else "template0"
        name = f"test_{next(_numbers)}"
        made.append(name)
        return postgres.create(name, template)

    yield create
    for name in made:
        postgres.drop(name)


@pytest.fixture(params=VERSIONS)
def any_version(request: pytest.FixtureRequest) -> str:
    """Each Airflow of the metadata's tests, one after the other."""
    version: str = request.param
    return version
