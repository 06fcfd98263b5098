"""The plugin, run by a pytest of its own on fixture repositories."""

from pathlib import Path

import pytest

from harness.cache import VARIABLE, cache_folder

pytestmark = [pytest.mark.slow]

CACHE = cache_folder()


@pytest.fixture(autouse=True)
def shared_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """``pytester`` moves HOME, and with it the cache: both Airflows would be installed anew."""
    monkeypatch.setenv(VARIABLE, str(CACHE))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_one_item_per_file_and_side_and_check(
    pytester: pytest.Pytester, stories: Path, workers: str
) -> None:
    repo = stories / "hangs_at_import" / "before"
    result = pytester.runpytest_subprocess(
        f"--mwaa-repo={repo}", "--mwaa-target=2.11.0", "-n", workers, "-v", "-p", "no:cacheprovider"
    )
    outcomes = result.parseoutcomes()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    lines = result.outlines
    verdicts = {
        item: next(line for line in lines if item in line and ("PASS" in line or "FAIL" in line))
        for item in (
            "mwaa[dags/healthy.py-bridge-1.10.15]",
            "mwaa[dags/healthy.py-target-2.11.0]",
            "mwaa[dags/waits.py-bridge-1.10.15]",
            "mwaa[dags/waits.py-target-2.11.0]",
            "mwaa[parses-on-bridge-2.11.0]",
            "mwaa[plugins-load-2.11.0]",
        )
    }
    assert "PASSED" in verdicts["mwaa[dags/healthy.py-bridge-1.10.15]"]
    assert "PASSED" in verdicts["mwaa[dags/healthy.py-target-2.11.0]"]
    assert "FAILED" in verdicts["mwaa[dags/waits.py-bridge-1.10.15]"]
    assert "FAILED" in verdicts["mwaa[dags/waits.py-target-2.11.0]"]
    assert "FAILED" in verdicts["mwaa[parses-on-bridge-2.11.0]"]
    assert "PASSED" in verdicts["mwaa[plugins-load-2.11.0]"]
    # It is a journey of its own, and made only for those who ask for it.
    assert "metadata-survives" not in result.stdout.str()
    assert outcomes["failed"] >= 3
    result.stdout.fnmatch_lines(["*dags/waits.py*parse-timeout*"])


def test_a_good_repository_passes_beside_the_users_own_tests(
    pytester: pytest.Pytester, stories: Path
) -> None:
    pytester.makepyfile("def test_own(): pass")
    repo = stories / "movie_list" / "before"
    result = pytester.runpytest_subprocess(
        f"--mwaa-repo={repo}", "--mwaa-metadata", "-v", "-p", "no:cacheprovider"
    )
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["passed"] > 3
    for item in (
        "requirements.txt-bridge-1.10.15",
        "requirements.txt-target-2.11.0",
        "metadata-survives-2.11.0",
    ):
        result.stdout.fnmatch_lines([f"*mwaa?{item}? PASSED*"])


def test_without_the_option_the_plugin_does_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_own(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.parseoutcomes() == {"passed": 1}


def test_wrong_repository_is_a_usage_error(pytester: pytest.Pytester, tmp_path: Path) -> None:
    result = pytester.runpytest_subprocess(f"--mwaa-repo={tmp_path / 'no'}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in result.stdout.str()
