"""Write ``docs/rules``: a page for each check, rule and codemod, and an index.

    python tools/make_docs.py            write the pages
    python tools/make_docs.py --check    say which are stale; exit 1 when one is

The pages are made from the rules themselves (``harness/explain.py``); never edit them by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "rules"


def wanted() -> Mapping[str, str]:
    """Every file of the folder, by name."""
    from harness.explain import linked_index, pages, render

    return {f"{page.id}.md": render(page) for page in pages().values()} | {
        "index.md": linked_index()
    }


def stale(folder: Path) -> tuple[str, ...]:
    """The names of files that are missing, differ, or belong to nothing any more."""
    texts = wanted()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return tuple(
        sorted(name for name in texts.keys() | there.keys() if texts.get(name) != there.get(name))
    )


def write(folder: Path) -> tuple[str, ...]:
    """Bring the folder up to date; gives the names of what was changed."""
    changed, texts = stale(folder), wanted()
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in texts:
            (folder / name).write_text(texts[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def main(arguments: list[str]) -> int:
    """Write the pages, or only check them; gives the exit code."""
    if arguments == ["--check"]:
        names = stale(FOLDER)
        print("\n".join(f"stale: docs/rules/{name}" for name in names) or "docs/rules is current")
        return 1 if names else 0
    for name in write(FOLDER):
        print(f"wrote docs/rules/{name}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
