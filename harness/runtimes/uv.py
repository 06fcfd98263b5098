"""Calls to uv, which makes the environments. What it says when it fails becomes a sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from uv import find_uv_bin

from harness.errors import HarnessError
from harness.launch import launched
from harness.package_index import for_uv
from harness.processes import Completed, run

LAST_LINES = 25

# What uv may see of our own environment: how to reach the package index and where its files go.
# Anything else could change what it resolves (UV_CONSTRAINT, UV_EXCLUDE_NEWER, VIRTUAL_ENV …) or
# would hand the user's credentials to the build scripts of source distributions.
KEPT = re.compile(
    r"""PATH | HOME | USER | LOGNAME | LANG | LC_ALL | TMPDIR | XDG_\w+_HOME | CC | CXX
      | (?:https?|no|all)_proxy
      | SSL_CERT_(?:FILE|DIR) | SSL_CLIENT_CERT | NETRC
      | UV_(?:DEFAULT_INDEX|INDEX|INDEX_\w+|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER
            |CACHE_DIR|LINK_MODE|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST|OFFLINE|CONFIG_FILE
            |HTTP_\w+|REQUEST_TIMEOUT|CONCURRENT_\w+|PYTHON_INSTALL_\w+|PYTHON_DOWNLOADS\w*)""",
    re.IGNORECASE | re.VERBOSE,
)

# What uv prints → what kind of trouble it is and what to do; the first that matches counts.
# Read off uv 0.5 … 0.13.
TROUBLES: tuple[tuple[str, str, str], ...] = (
    (
        "space",
        r"No space left on device|os error 28\b|Disk quota exceeded|File too large|os error 27\b",
        "Free some space, or set MWAA_HARNESS_CACHE and UV_CACHE_DIR to a disk that has it.",
    ),
    (
        "network",
        r"dns error|error sending request|client error \(Connect\)|Could not connect|timed out"
        r"|network is unreachable|Network connectivity is disabled|tcp connect error",
        "The package index could not be reached: check the network and the proxy, or name your own"
        " index in UV_DEFAULT_INDEX (pip's PIP_INDEX_URL is understood too).",
    ),
    (
        "access",
        r"401 Unauthorized|403 Forbidden",
        "The package index refuses access: check its credentials in UV_DEFAULT_INDEX or ~/.netrc.",
    ),
    (
        "metadata",
        r"has invalid metadata|Metadata for `.+` .*could not be parsed",
        "That release describes itself in a way that uv refuses, as apache-airflow 1.10.12 does:"
        " name another one (`--bridge 1.10.15`), or an image that has it (`--runtime docker"
        " --bridge-image`).",
    ),
    (
        "unsolvable",
        r"No solution found|not found in the package registry",
        "These requirements and constraints cannot be installed together.",
    ),
    (
        "build",
        r"Failed to (?:download and )?build|build backend (?:failed|returned an error)",
        "A package has no wheel for this Python and does not build here: install the compiler or"
        " the headers that it asks for above.",
    ),
    ("permission", r"Permission denied|os error 13\b", "Check who owns the cache folder."),
)


class UvFailed(HarnessError):
    """uv could not do it. ``kind`` is that of TROUBLES, "" = none of them; ``output`` the end of
    what uv said."""

    def __init__(self, task: str, output: str) -> None:
        troubles = (row for row in TROUBLES if re.search(row[1], output, re.IGNORECASE))
        self.kind, _, hint = next(troubles, ("", "", ""))
        self.output = output
        super().__init__(f"{task} failed:\n{output}", hint=hint)


# What a failed build says of itself, the telling one first.
_BUILD_ERRORS = (
    r"^.*?(fatal error: .+)$",
    r"^\s*((?:\w+\.)*\w*(?:Error|Exception): .+)$",
    r"^\s*(error: .+)$",
)
_BUILT = re.compile(r"^\s*hint: `([^`]+)` \(v([^)]+)\) was included", re.MULTILINE)


def in_short(error: UvFailed) -> str:
    """Why something was not installed, without the traceback of a build."""
    built = _BUILT.search(error.output)
    said = [re.findall(pattern, error.output, re.MULTILINE) for pattern in _BUILD_ERRORS]
    errors = next((found for found in said if found), None)
    if error.kind != "build" or built is None or errors is None:
        return error.output
    return f"{built[1]} {built[2]} does not build ({errors[-1].strip()})"


@cache
def uv_binary() -> str:
    """The uv of our own dependency, whatever is on PATH."""
    return find_uv_bin()


def uv(*arguments: str, task: str, cwd: Path | None = None) -> Completed:
    """Run uv to its end. ``task`` names the step in the error, e.g. "Installing Airflow".

    ``cwd`` must not lie in the user's repository, since uv reads settings from folders above it.
    ``UvFailed`` when its exit code is not 0.
    """
    argv = (uv_binary(), "--no-progress", "--color=never", *arguments)
    done = run(launched(argv), env=uv_environment(), cwd=cwd)
    if done.returncode != 0:
        raise UvFailed(task, last_lines(done.stderr or done.stdout))
    return done


def uv_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables that uv runs with."""
    kept = {name: value for name, value in environ.items() if KEPT.fullmatch(name)}
    return {**kept, **for_uv(environ), "PYTHONNOUSERSITE": "1", "UV_NO_PROGRESS": "1"}


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The end of what a command printed; its beginning is rarely the reason."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines()[-count:])
