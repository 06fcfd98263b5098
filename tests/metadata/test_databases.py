"""The test world itself: every version's database is migrated, separate and quickly made."""

from collections.abc import Callable

import psycopg
import pytest
from postgres_server import Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata")]

# Source: the migration heads that each release prints (`airflow db check-migrations`), as
# recorded from databases that the releases made themselves.
HEADS = {
    "1.10.15": "03afc6b6f902",
    "2.5.1": "290244fb8b83",
    "2.10.3": "5f2621c13b39",
    "2.11.0": "5f2621c13b39",
}


def test_each_version_has_its_own_fresh_database(
    any_version: str, database: Callable[[str], str], postgres: Server
) -> None:
    first, second = database(any_version), database(any_version)
    with psycopg.connect(first) as connection:
        head = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        assert head == [(HEADS[any_version],)]
        connection.execute("INSERT INTO variable (key, val) VALUES ('left', 'behind')")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM variable").fetchone() == (0,)
