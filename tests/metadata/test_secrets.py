"""Nothing secret is in a bundle, in what is printed, or left behind in a file."""

import gzip
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from airflows import Airflow
from click.testing import CliRunner
from transfers import OLD_KEYS, PASSPHRASE

from harness.cli import cli
from harness.metadata.databases import opened
from harness.metadata.sealing import Fernet
from harness.runtimes.surroundings import FERNET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]


def test_no_secret_is_found_anywhere(
    old_database: str,
    database: Callable[[str], str],
    airflow: Callable[[str], Airflow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "zQ7 the secret 'nobody' may see"
    fernet = Fernet(OLD_KEYS, "")
    with opened(old_database) as there:
        for key, text, encrypted in (
            ("sealed", fernet.encrypt(secret.encode()).decode(), True),
            ("in the clear", secret, False),
        ):
            there.execute(
                "INSERT INTO variable (key, val, is_encrypted) VALUES (?, ?, ?)",
                (key, text, encrypted),
            )
            there.execute(
                "INSERT INTO connection (conn_id, conn_type, password, extra, is_encrypted,"
                " is_extra_encrypted) SELECT ?, 'http', v, v, ?, ? FROM (SELECT ?::text) x (v)",
                # A second row of one name is listed, not carried.
                ("twice", encrypted, encrypted, text),
            )
        there.commit()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name, content in (("old", OLD_KEYS), ("new", FERNET_KEY), ("pass", PASSPHRASE.decode())):
        (tmp_path / name).write_text(content)
    bundle, url = str(tmp_path / "bundle"), database("2.10.3")
    common = ["--passphrase-file", str(tmp_path / "pass")]
    new = ["--fernet-key-file", str(tmp_path / "new"), "--target", "2.10.3"]
    printed = ""
    for arguments in (
        ["export", "--from", old_database, "--to", bundle, "--fernet-key-file",
         str(tmp_path / "old"), "--bridge-python", str(airflow("1.10.15").python)],
        ["import", "--from", bundle, "--to", url, *new, "--format", "json"],
        ["verify", "--from", bundle, "--to", url, *new, "--no-values"],
    ):  # fmt: skip
        result = CliRunner().invoke(cli, ["metadata", *arguments, *common])
        assert result.exit_code == 0, result.output
        printed += result.output
    password = re.search(r":([^:@/]+)@", url)
    assert password
    files = {
        path: gzip.decompress(data) if path.suffix == ".gz" else data
        for path in [*Path(bundle).rglob("*"), *temporary.rglob("*")]
        if path.is_file()
        for data in [path.read_bytes()]
    }
    assert any(b"twice" in data for data in files.values())
    needles = [secret, "'nobody' may", password.group(1), PASSPHRASE.decode(), FERNET_KEY]
    for needle in needles:
        assert needle not in printed
        for path, data in files.items():
            assert needle.encode() not in data, (needle, path)
    with opened(url) as there:
        tokens = there.rows("SELECT val FROM variable WHERE key IN ('sealed', 'in the clear')")
    own = Fernet(FERNET_KEY, "")
    assert [own.decrypt(token.encode()) for (token,) in tokens] == [secret.encode()] * 2
