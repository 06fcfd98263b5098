"""Where answers that can be made again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "MWAA_HARNESS_CACHE"


def cache_folder(room: str = "") -> Path:
    """The cache folder, or one room of it; it may not exist. ``MWAA_HARNESS_CACHE`` moves it."""
    named = os.environ.get(VARIABLE)
    folder = Path(named).absolute() if named else user_cache_path("mwaa-harness")
    return folder / room if room else folder
