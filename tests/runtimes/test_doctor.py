"""What doctor finds on machines made for it."""

from pathlib import Path

import pytest

from harness import doctor
from harness.containers.engine import Engine
from harness.doctor import Diagnosis, diagnose
from harness.listing import diagnosis_lines
from harness.targets import load_targets


def found(diagnoses: tuple[Diagnosis, ...]) -> dict[str, Diagnosis]:
    return {entry.name: entry for entry in diagnoses}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any Python, and only the system's PATH."""
    for name in ("PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    return tmp_path


def test_everything_is_named(tmp_path: Path) -> None:
    entries = found(diagnose(cache=tmp_path / "cache", offline=True))
    pythons = {f"Python {row.python}" for row in load_targets()}
    assert pythons <= entries.keys()
    for name in ("uv", "pip-tools", "cache folder", "package index", "official constraints"):
        assert entries[name].ok, entries[name]
    assert "not asked" in entries["package index"].detail
    assert (tmp_path / "cache").is_dir()


def test_a_missing_python_says_what_to_do(bare: Path) -> None:
    entries = found(diagnose(cache=bare / "cache", offline=True))
    missing = entries["Python 3.7"]
    assert not missing.ok
    assert "1.10.15" in missing.detail
    for way in ("uv python install 3.8", "pyenv install 3.7", "--python-bridge"):
        assert way in missing.hint
    assert entries["Python 3.10"].ok, "only rows that nobody asked for need it"
    assert "docker engine" in entries
    assert entries["docker engine"].ok
    assert any(line.startswith("MISSING") for line in diagnosis_lines(entries.values()))


def test_a_broken_shim_is_shown_with_its_reason(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = bare / "shims" / "python3.7"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.7: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    entry = found(diagnose(cache=bare / "cache", offline=True))["Python 3.7"]
    assert f"skipped: {shim} – it exits with code 127 (pyenv: python3.7" in entry.detail


def test_a_cache_that_cannot_be_used(bare: Path) -> None:
    (bare / "file").write_text("")
    entry = found(diagnose(cache=bare / "file" / "cache", offline=True))["cache folder"]
    assert not entry.ok
    assert "MWAA_HARNESS_CACHE" in entry.hint


def test_a_cache_without_room(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED_BYTES", 1 << 60)
    assert not found(diagnose(cache=bare, offline=True))["cache folder"].ok


def test_the_size_counts_shared_files_once(bare: Path) -> None:
    (bare / "a").write_bytes(b"x" * (8 << 20))
    (bare / "b").hardlink_to(bare / "a")
    assert "holds 8 MiB" in found(diagnose(cache=bare, offline=True))["cache folder"].detail


def test_an_index_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    entry = doctor.package_index()
    assert not entry.ok
    assert "UV_DEFAULT_INDEX" in entry.hint


def test_an_engine_that_is_not_there_is_no_trouble(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    entry = found(diagnose(cache=bare / "cache", offline=True))["docker engine"]
    assert entry.ok
    assert "there is no such socket" in entry.detail
    assert "venv" in entry.detail


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_an_engine_that_answers(bare: Path, engine: Engine) -> None:
    entry = found(diagnose(cache=bare / "cache", offline=True))["docker engine"]
    assert entry.ok
    assert entry.detail.startswith(f"{engine.version}, interface {engine.api_version}")


def test_a_configuration_file_of_pip_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    file = bare / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[global]\nindex-url = https://pypi.example/simple\n")
    entry = found(diagnose(cache=bare / "cache", offline=True))["pip's configuration"]
    assert entry.ok
    assert str(file) in entry.detail
    assert "not read" in entry.detail
