"""Archives out of a pull request: whatever they hold, they cost neither a traceback, nor the
memory, nor a file outside of where they belong."""

import io
import zipfile
from pathlib import Path

import pytest

from harness import archives, plugins_zip
from harness.archives import python_members
from harness.model import Config
from harness.repo import copy_tree, load

DAG = b"from airflow import DAG\n" + b"x = 1\n" * 200
PLAIN = b"PK\x01\x02\x14\x03\x14\x00\x00\x00"  # how an entry of the table of contents begins
FIRST_BYTES = slice(40, 60)  # of the first member's content, behind its head


def packed(*names: str, kind: int = zipfile.ZIP_DEFLATED) -> bytearray:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name in names:
            archive.writestr(name, DAG)
    return bytearray(made.getvalue())


def damaged(kind: int) -> bytes:
    data = packed("a.py", kind=kind)
    data[FIRST_BYTES] = bytes(byte ^ 0xFF for byte in data[FIRST_BYTES])
    return bytes(data)


UNREADABLE = {
    "deflate": damaged(zipfile.ZIP_DEFLATED),
    "bzip2": damaged(zipfile.ZIP_BZIP2),
    "lzma": damaged(zipfile.ZIP_LZMA),
    "checksum": damaged(zipfile.ZIP_STORED),
    "name": bytes(packed("é.py").replace("é".encode(), b"\xff\xfe")),
    "encrypted": bytes(packed("a.py").replace(PLAIN, PLAIN[:-2] + b"\1\0")),
    "cut": bytes(packed("a.py")[:-30]),
    "empty": b"",
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_one_that_cannot_be_read_has_a_problem_and_no_members(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "packed.zip"
    path.write_bytes(data)
    assert archives.problem_of(path).startswith(("cannot be read (", "is encrypted"))
    assert list(python_members(path)) == []


def test_one_that_unpacks_to_too_much_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(packed("a.py", "b.py"))
    assert [name for name, _ in python_members(path)] == ["a.py", "b.py"]
    monkeypatch.setattr(archives, "MOST_BYTES", 2 * len(DAG) - 1)
    assert archives.problem_of(path).startswith("holds more than")
    assert list(python_members(path)) == []


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("a", "a/b.py"), "holds a file and a folder of one name ('a')"),
        ((".",), "holds a file and a folder of one name ('.')"),
        (("x" * 300 + ".py",), "holds a name of more than 255 bytes"),
        (("../a.py",), "names a place outside of it ('../a.py')"),
        (("/a.py",), "names a place outside of it ('/a.py')"),
    ],
)
def test_one_that_fits_on_no_disk_is_not_unpacked(
    tmp_path: Path, names: tuple[str, ...], why: str
) -> None:
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags/a.py").write_bytes(DAG)
    (repo / "plugins.zip").write_bytes(packed(*names))
    found = load(repo, config=Config())
    assert found.problems == {
        "plugins.zip": f"is not looked into, it {why}: unpack it into plugins/"
    }
    copy = copy_tree(found, tmp_path / "copy")
    assert plugins_zip.unpack(copy) == copy
