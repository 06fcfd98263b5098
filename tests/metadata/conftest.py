"""A real PostgreSQL, real Airflows, and a fresh migrated database for every test."""

import functools
import itertools
from collections.abc import Callable, Iterator

import pytest
from airflows import BRIDGE, VERSIONS, Airflow, provided, schema
from population import populated
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


@pytest.fixture(scope="session")
def populated_template(postgres: Server, airflow: Callable[[str], Airflow]) -> str:
    """The name of what ``old_database`` is a copy of; nobody may be connected to it."""
    return populated(airflow(BRIDGE), postgres)


@pytest.fixture
def old_database(postgres: Server, populated_template: str) -> Iterator[str]:
    """The URL of a 1.10.15 database of the test's own, with a history and all hard rows in it.

    Its Fernet key is ``population.FERNET_KEY``.
    """
    name = f"old_{next(_numbers)}"
    yield postgres.create(name, populated_template)
    postgres.drop(name)
