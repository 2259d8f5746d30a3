"""`python -m tests.pairing.scene LOG [keep]`: the cockpit's screen over the engine in memory, in a session's pane. What it sends and
whom it sees goes to LOG, a line each."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from cockpit.events import Person
from cockpit.intents import AnyIntent
from cockpit.pairing.keeper import keep
from cockpit.ui.app import CockpitApp
from cockpit.ui.pair import Pair
from tests.ui.seat import RigSource, started


class Told(RigSource):
    """A source that writes down what it is told."""

    log: Path

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        self._write({"columns": columns, "rows": rows, "people": people})

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        self._write({"intent": intent, "by": by, "sure": sure})
        return await super().send(intent, by, sure)

    def _write(self, line: object) -> None:
        with self.log.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


async def shown(log: Path) -> int:
    source = Told((await started()).rig)
    source.log = log
    app = CockpitApp(source, pair=Pair.here())
    await app.run_async(mouse=False)
    return app.return_code or 0


if __name__ == "__main__":
    if "keep" in sys.argv:
        sys.exit(keep([sys.executable, "-m", "tests.pairing.scene", sys.argv[1]], lambda: False))
    sys.exit(asyncio.run(shown(Path(sys.argv[1]))))
