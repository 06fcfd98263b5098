import contextlib
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.files import write_atomically
from harness.scratch import scratch

HOLD = """
from harness.scratch import scratch
with scratch("probe") as folder:
    (folder / "left").write_text("x")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for us and for what we start."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_it_is_private_and_gone_after_an_exception(place: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), scratch("x") as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o077 == 0
        raise ZeroDivisionError
    assert not list(place.iterdir())


def test_what_a_killed_process_left_goes_with_the_next_and_a_living_ones_stays(place: Path) -> None:
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        left = Path(child.stdout.readline().strip())
        with scratch("x"):
            assert (left / "left").exists()
        child.kill()
    assert left.exists()
    with scratch("x"):
        assert not left.exists()


@pytest.mark.parametrize("name", ["mwaa-harness-x", "mwaa-harness-run-0x1-abc", f"x-{2**22 + 1}-a"])
def test_what_is_not_its_own_stays(place: Path, name: str) -> None:
    (place / name).mkdir()
    with scratch("x"):
        pass
    assert (place / name).exists()


def test_a_link_of_that_name_leads_to_nothing_of_ours(place: Path) -> None:
    theirs = place / "home" / "documents"
    theirs.mkdir(parents=True, mode=0o755)
    (place / f"mwaa-harness-run-{2**22 + 1}-abc").symlink_to(place / "home")
    with scratch("x"):
        assert theirs.stat().st_mode & 0o777 == 0o755


@pytest.fixture
def nobody(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Not to be root for the test, who may enter every folder."""
    if os.geteuid() != 0:
        yield
        return
    user = pwd.getpwnam("nobody").pw_uid
    os.chown(place, user, -1)
    monkeypatch.chdir(place)  # the folders above it are root's alone
    monkeypatch.setattr(tempfile, "tempdir", ".")
    os.seteuid(user)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("nobody")
def test_a_folder_that_was_closed_is_removed_all_the_same() -> None:
    with scratch("x") as folder:
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "outside").symlink_to("/")
        (folder / "deep").chmod(0)
        with pytest.raises(PermissionError):
            list((folder / "deep").iterdir())
    assert not folder.exists()


def test_what_cannot_be_written_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is whole before it takes the old one's place, in one step."""
    place = tmp_path / "place"
    place.write_bytes(b"old")

    def refused(new: Path, at: Path) -> None:
        assert (new.read_bytes(), at.read_bytes()) == (b"new", b"old")
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="denied"):
        write_atomically(place, b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"place": b"old"}
