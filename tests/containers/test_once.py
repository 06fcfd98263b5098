"""What goes into a container in one piece."""

import io
import tarfile
from pathlib import Path

from harness.containers.once import END, pack_files, pack_folders, pack_link, pack_tree


def test_entries_can_be_joined(tmp_path: Path) -> None:
    """Contents that look like a tar's end among them, and names that need entries of their own."""
    long = "x" * 200
    (tmp_path / long).write_bytes(b"tree")
    zeros = b"1" + bytes(3 * tarfile.BLOCKSIZE)
    joined = b"".join(
        [
            pack_folders([Path("/run/home")], uid=7),
            pack_files({"/run/zeros": zeros, "/run/empty": b""}, uid=1, gid=2),
            pack_link(Path("/run/link"), Path("/run/zeros")),
            pack_tree(tmp_path, Path("/tree"), uid=3, gid=4),
            pack_files({"/last": b"last"}, uid=0, gid=0, mode=0o755),
        ]
    )
    with tarfile.open(fileobj=io.BytesIO(joined + END)) as tar:
        found = {entry.name: entry for entry in tar}
        assert list(found) == [
            *("run/home", "run/zeros", "run/empty", "run/link"),
            *("tree", f"tree/{long}", "last"),
        ]
        assert tar.extractfile("run/zeros").read() == zeros
        assert tar.extractfile(f"tree/{long}").read() == b"tree"
    assert (found["run/zeros"].uid, found[f"tree/{long}"].gid, found["last"].mode) == (1, 4, 0o755)
