"""The page in a real browser: it fits a phone, its parts work under its own policy, and it has
colours for the dark. A machine without a Chromium skips this and says so; CI gets one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from report_builder import HOSTILE, STORIES, hostile

from harness.report import View
from harness.report.html import lines

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on PATH"),
]

# Looks at the page in a frame of so many pixels, from outside: its policy lets nobody in.
LOOK = """<!doctype html><iframe src="page.html" style="border: 0; width: WIDTHpx; height: 800px">
</iframe><script>
const frame = document.querySelector("iframe")
frame.onload = () => {
  const page = frame.contentDocument
  const shown = (query) => [...page.querySelectorAll(query)].filter((e) => e.offsetParent).length
  const findings = () => shown("#findings article")
  const seen = { room: page.documentElement.clientWidth, taken: page.documentElement.scrollWidth }
  seen.broad = [...page.querySelectorAll("body *")]
    .filter((e) => e.offsetParent && e.getBoundingClientRect().right > seen.room + 1)
    .filter((e) => !e.closest("pre, .scroll, table")).length
  seen.paper = getComputedStyle(page.body).backgroundColor
  seen.title = page.querySelector("h1").textContent
  seen.all = findings()
  page.getElementById("only-errors")?.click()
  seen.errors = findings()
  document.body.innerHTML = "<pre id=seen></pre>"
  document.getElementById("seen").textContent = JSON.stringify(seen)
}
</script>"""


def look(folder: Path, html: str, width: int, *options: str) -> dict[str, object]:
    """What a person would see of a page at that width."""
    (folder / "page.html").write_text(html, "utf-8")
    (folder / "look.html").write_text(LOOK.replace("WIDTH", str(width)), "utf-8")
    argv = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    argv += ["--hide-scrollbars", "--allow-file-access-from-files", "--window-size=1400,1000"]
    argv += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *options]
    argv += ["--dump-dom", (folder / "look.html").as_uri()]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    _, found, rest = done.stdout.partition('<pre id="seen">')
    assert found, done.stderr[-2000:]
    seen: dict[str, object] = json.loads(rest.partition("</pre>")[0])
    return seen


@pytest.mark.parametrize("width", [1280, 360])
def test_every_story_fits_the_width(tmp_path: Path, width: int) -> None:
    pages = {name: report() for name, report in STORIES.items()}
    for name, report in {**pages, "hostile": hostile(HOSTILE[1])}.items():
        html = "\n".join(lines(report, View()))
        seen = look(tmp_path, html, width)
        assert (name, seen["room"], seen["taken"], seen["broad"]) == (name, width, width, 0)
        assert seen["title"]


def test_the_buttons_work_under_the_pages_own_policy(tmp_path: Path) -> None:
    seen = look(tmp_path, "\n".join(lines(STORIES["fails"](), View())), 1280)
    assert 0 < int(str(seen["errors"])) < int(str(seen["all"]))


def test_the_dark_has_colours_of_its_own(tmp_path: Path) -> None:
    html = "\n".join(lines(STORIES["passes"](), View()))
    light, dark = (
        look(tmp_path, html, 1280, f"--blink-settings=preferredColorScheme={scheme}")["paper"]
        for scheme in (1, 0)
    )
    assert light != dark
