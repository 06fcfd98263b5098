"""What tasks that are run for real may touch: as root, as nobody, where nothing is permitted."""

import ctypes
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.probes import runs

pytestmark = pytest.mark.slow

PR_SET_DUMPABLE = 4
NOBODY = pwd.getpwnam("nobody")
IDENTITIES = ["root", "nobody", "nobody in a chroot"] if os.geteuid() == 0 else ["itself"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in which everybody may write, so that no mere permission is what keeps files."""
    folder = Path(tempfile.mkdtemp(prefix="mwaa-harness-isolation-"))
    try:
        for path in (folder, folder / "own"):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
        (folder / "kept").write_text("as it was")
        (folder / "kept").chmod(0o666)
        yield folder
    finally:
        shutil.rmtree(folder)


def _seen(place: Path, identity: str) -> dict[str, Any]:
    """What a process of that identity can do after it has isolated itself."""
    answer, answer_in = os.pipe()
    child = os.fork()
    if child == 0:
        found: dict[str, Any] = {}
        try:
            if "chroot" in identity:
                os.chroot(place)
                place = Path("/")
            if "nobody" in identity:
                os.setgroups([])
                os.setgid(NOBODY.pw_gid)
                os.setuid(NOBODY.pw_uid)
                # As after an exec; else the files below /proc/self stay root's.
                ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
            found["isolated"] = runs.isolate(str(place / "own"))
            found["inside"] = _writes(place / "own" / "new")
            found["outside"] = _writes(place / "kept")
            found["again"] = runs.isolate(str(place / "own")) and _writes(place / "kept")
        finally:
            os.write(answer_in, json.dumps(found).encode())
            os._exit(0)
    os.close(answer_in)
    with os.fdopen(answer, "rb") as stream:
        answered: dict[str, Any] = json.loads(stream.read())
    os.waitpid(child, 0)
    return answered


def _writes(path: Path) -> bool:
    try:
        path.write_text("changed")
    except OSError:
        return False
    return True


def _permitted(identity: str) -> bool:
    """Whether the kernel lets that identity have namespaces, as another program finds."""
    who: dict[str, Any] = (
        {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid} if "nobody" in identity else {}
    )
    asked = ("unshare", "--mount", *(() if identity == "root" else ("--user",)), "true")
    return "chroot" not in identity and not subprocess.run(asked, check=False, **who).returncode


@pytest.mark.parametrize("identity", IDENTITIES)
def test_only_their_own_folder_can_be_written_to(place: Path, identity: str) -> None:
    permitted = _permitted(identity)
    assert _seen(place, identity) == {
        "isolated": permitted,
        "inside": True,
        # Where it is not permitted nobody says that it was, and no task with code is run.
        "outside": not permitted,
        # What is read-only stays so, whatever the isolated process asks for.
        "again": False,
    }
    assert (place / "kept").read_text() == ("as it was" if permitted else "changed")
