"""`python -m tests.recordings.pictures`: the pictures in `screenshots/`, made by replaying the recorded demo."""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
import tempfile
from pathlib import Path

from tests.ui.scenes import SCENES, Stage, svg

RECORDING = Path(__file__).with_name("karl.jsonl.gz")
PICTURES = Path(__file__).resolve().parents[2] / "screenshots"
SHOWN = ("board", "service", "dns", "fleet", "timeline", "logs")
SIZE = (120, 40)


async def pictures(journal: Path) -> dict[str, str]:
    """Name → SVG of each picture."""
    stage = Stage(journal)
    return {scene.name: _plain(await stage.show(scene, SIZE, svg)) for scene in SCENES if scene.name in SHOWN}


def _plain(text: str) -> str:
    """Without the web font that the exporter names: whoever looks at a picture asks nobody for anything."""
    return re.sub(r"\s*@font-face \{.*?\}", "", text, flags=re.DOTALL)


def main() -> int:
    """Write them all."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.jsonl"
        journal.write_bytes(gzip.decompress(RECORDING.read_bytes()))
        made = asyncio.run(pictures(journal))
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        if old.stem not in made:
            old.unlink()
    for name, text in made.items():
        (PICTURES / f"{name}.svg").write_text(text, encoding="utf-8")
        print(f"screenshots/{name}.svg  {len(text):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
