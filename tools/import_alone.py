"""Import every module in an interpreter of its own, with warnings as errors.

    python tools/import_alone.py

Probes are left out: they run on another Python. Exits 1 and names the modules that fail.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent


def modules() -> list[str]:
    """Dotted names of all modules of both packages, ``__main__`` and probes left out."""
    paths = [path for name in ("harness", "codemods") for path in (ROOT / name).rglob("*.py")]
    dotted = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if path.name != "__main__.py"
    }
    return sorted(name for name in dotted if not name.startswith("harness.probes."))


def failure(module: str) -> str:
    """What the import of ``module`` printed when it failed; "" when it did not."""
    argv = [sys.executable, "-W", "error", "-c", f"import {module}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    return f"{module}\n{done.stderr}" if done.returncode else ""


if __name__ == "__main__":
    with ThreadPoolExecutor() as pool:
        failures = [text for text in pool.map(failure, modules()) if text]
    print("\n".join(failures) or f"{len(modules())} modules import alone without a warning")
    sys.exit(bool(failures))
