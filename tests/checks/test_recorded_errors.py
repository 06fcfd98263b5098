"""Files that really failed on apache-airflow 1.10.15 and 2.11.0, and the cause that is told.

``recorded_errors.json`` holds what the probe printed for each file (without times and output), the
source as that side had it, and the rule, which was checked by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pairs import dag, pair, seen, side

from harness.checks.diagnosis import diagnose
from harness.checks.scene import Scene
from harness.model import FileObservation, Need, Side

ROWS = json.loads(Path(__file__).with_name("recorded_errors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['side']}-{r['seen']['path'][5:]}" for r in ROWS])
def test_a_real_failure_is_understood(row: dict[str, Any]) -> None:
    which = Side(row["side"])
    file = msgspec.convert(row["seen"], FileObservation)
    other = seen(dag(), path=file.path)
    bridge, target = (file, other) if which is Side.BRIDGE else (other, file)
    about = pair(
        side(Side.BRIDGE, [bridge]),
        side(Side.TARGET, [target]),
        files=["src/common/dates.py"],
        texts={file.path: row["source"]},
        rewritten_texts={file.path: row["source"]},
        needs=msgspec.convert(row["needs"], tuple[Need, ...]),
    )
    assert diagnose(Scene(pair=about, side=which, seen=file)).rule.id == row["rule"]
