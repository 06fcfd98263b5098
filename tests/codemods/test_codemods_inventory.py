"""Every public class and function of 1.10.15, in every spelling, against the targets' wheels."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

CACHE = Path(
    os.environ.get(
        "MWAA_HARNESS_WHEELS", Path(platformdirs.user_cache_dir("mwaa-harness")) / "wheels"
    )
)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.10.3", "2.11.0"])
def test_every_symbol_is_there_or_reported(version: str) -> None:
    """Rewritten to something that the wheels have, or reported with what to do instead."""
    from tools.inventory import NUMBERS, inventory, judge, target
    from tools.mine_wheels import BASELINE, CORE, fetch, local_wheels

    fetch({CORE: BASELINE}, CACHE)
    paths = inventory(local_wheels(CACHE)[CORE, BASELINE])
    assert len(paths) > 1_100
    pins, world = target(version, CACHE)
    verdicts = [v for path in paths for v in judge(path, pins, world)]
    assert [v for v in verdicts if v.outcome == "wrong"] == []
    counted = [
        sum(v.outcome == o for v in verdicts if v.spelling == "from")
        for o in ("same", "moved", "reported")
    ]
    row = next(r for r in NUMBERS.read_text("utf-8").splitlines() if r.startswith(version))
    assert row == " ".join(map(str, [version, len(paths), *counted]))
