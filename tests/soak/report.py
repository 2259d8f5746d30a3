"""The report of the recorded demo in headless Chromium: three widths, light and dark, in print, by keyboard, and under axe.

Needs `apt-get install chromium nodejs npm`; axe-core and puppeteer-core come from npm into a folder that is thrown away."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from cockpit.report.fold import of
from cockpit.report.forms import painted
from cockpit.report.screens import shown
from tests.conftest import RECORDINGS
from tests.report.screened import screened

MODULES = ("axe-core@4", "puppeteer-core@24")
SERIOUS = {"serious", "critical"}


def run(modules: str = "") -> int:
    """0 when axe found nothing serious, nothing came from anywhere else, no page scrolls sideways and the keyboard gets
    everywhere. `modules` is a folder in which the npm packages are already."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or shutil.which("npm") is None:
        print("no chromium, or no npm: apt-get install -y chromium nodejs npm")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        at = Path(modules) if modules else folder
        if not modules:
            words = ["npm", "install", "--prefix", name, "--no-audit", "--no-fund", "--ignore-scripts", *MODULES]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        plain = folder / "recording.jsonl"
        plain.write_bytes(gzip.decompress((RECORDINGS / "karl.jsonl.gz").read_bytes()))
        report = of(screened(plain, folder, (120, 40)))
        (folder / "report.html").write_text(painted(report, ".html", shown(folder, report)), encoding="utf-8")
        script = Path(__file__).with_suffix(".mjs")
        words = ["node", str(script), str(at.resolve()), chromium, str(folder / "report.html")]
        began = time.monotonic()
        ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=900)
        if ran.returncode:
            print(ran.stderr)
            return 1
        return _told(json.loads(ran.stdout), folder, time.monotonic() - began)


def _told(found: dict[str, Any], folder: Path, took: float) -> int:
    wrong = 0
    views = [*found["views"], {"view": f"print, {found['print']['pages']} pages", "sideways": 0, **found["print"]}]
    for view in views:
        serious = [item for item in view["violations"] if item["impact"] in SERIOUS]
        others = [item for item in view["violations"] if item["impact"] not in SERIOUS]
        wrong += len(serious) + (view["sideways"] > 0)
        unsure = f", to be looked at: {', '.join(view['unsure'])}" if view["unsure"] else ""
        print(
            f"{view['view']}: {view['passes']} rules of axe hold, {len(serious)} serious findings, {len(others)} others, "
            f"{max(view['sideways'], 0)} px sideways{unsure}"
        )
        for item in view["violations"]:
            print(f"  {item['impact']}: {item['id']}: {item['help']} ({item['count']}): {item['first']}")
    closed, control = found["print"]["closed"], found["print"]["control"]
    print(f"print: of {control} parts that are folded on the screen {closed} are not on paper")
    wrong += closed > 0 or control == 0
    keys = found["keyboard"]
    print(
        f"keyboard: {keys['stops']} stops of {keys['all']}, {keys['unseen']} without a visible focus, first {keys['first']}, "
        f"it goes to {keys['jumped']}, Enter opens: {keys['opened']}"
    )
    wrong += keys["stops"] != keys["all"] or keys["unseen"] > 0 or not keys["opened"] or keys["jumped"] != "#main"
    elsewhere = {url for url in found["asked"] if not url.startswith(folder.resolve().as_uri())}
    print(
        f"network: {len(elsewhere)} addresses asked for beside the file; console: {len(found['troubles'])} lines; {took:.0f} s"
    )
    wrong += len(elsewhere) + len(found["troubles"])
    return 1 if wrong else 0
