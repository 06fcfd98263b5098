"""Where databases and bundles are: what is wrong with a place is said, and no password."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.metadata.databases import connect, hide_password
from harness.metadata.problems import BundleProblem
from harness.metadata.stores import store_of


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://air:pa#ss@127.0.0.1:1/db",
        "postgresql+psycopg2://air:pa/ss@127.0.0.1:1/db",
        "postgres://air:p?a@ss@127.0.0.1:1/db",
        "mysql+pymysql://air:pa/ss@h/db",
        "postgresql://air:pass@127.0.0.1:99999/db",
        "postgresql://air:pass@127.0.0.1:port/db",
        "oracle://air:pass@h/db",
    ],
)
def test_what_cannot_be_one_is_said_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as problem:
        connect(url)
    assert "ss@" not in str(problem.value)
    assert "air:***@" in str(problem.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql:///db?user=a&password=b&sslpassword=c", "postgresql:///db?user=a&password=***&sslpassword=***"),
        ("postgresql://a@h/db", "postgresql://a@h/db"),
        ("", ""),
        ("postgresql://h:5432/db", "postgresql://h:5432/db"),
        ("sqlite:////folder/a@b.db", "sqlite:////folder/a@b.db"),
    ],
)  # fmt: skip
def test_passwords_are_hidden_wherever_they_are(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_a_place_that_can_hold_no_bundle_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BundleProblem, match="no bundle can be kept there"):
            store_of(str(place)).writer("tables/log.copy.gz")
    with pytest.raises(UsageError, match="names no place"):
        store_of("")
