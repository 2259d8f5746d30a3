"""Scenes of the recorded evening: which moment, which page. The snapshots and the pictures are both made from them."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from cockpit.events import Record
from cockpit.journal.reader import records
from cockpit.reduce import reduce
from cockpit.replay.player import Player
from cockpit.state import RunState
from cockpit.ui.app import CockpitApp
from cockpit.ui.view import View
from tests.ui.evening import START


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A page at the first moment at which `holds` is true."""

    name: str
    view: View
    holds: Callable[[RunState], bool]


def _all_busy(state: RunState) -> bool:
    return bool(state.services) and state.services["wwf"].steps["wwf/hold-mail"].state == "verifying"


def _failure(state: RunState) -> bool:
    return any(step.state == "unverified" for service in state.services.values() for step in service.steps.values())


def _spreading(state: RunState) -> bool:
    if not state.services:
        return False
    seen = [answer.state for answer in state.services["osf"].dns.values() if answer.role == "resolver"]
    return bool(seen) and 0 < seen.count("new") < len(seen)


def _over(state: RunState) -> bool:
    return bool(state.ended)


SCENES: tuple[Scene, ...] = (
    Scene(name="board", view=View(), holds=_all_busy),
    Scene(name="service", view=View(page="service", service="oxfam"), holds=_failure),
    Scene(name="fleet", view=View(page="fleet", service="harbor"), holds=_all_busy),
    Scene(name="dns", view=View(page="dns", service="osf"), holds=_spreading),
    Scene(name="timeline", view=View(page="timeline"), holds=_failure),
    Scene(name="notes", view=View(page="notes"), holds=_over),
    Scene(name="logs", view=View(page="logs", search="POST"), holds=_all_busy),
    Scene(name="merged", view=View(page="logs", merged=True, search="POST"), holds=_all_busy),
    Scene(name="help", view=View(page="help"), holds=_over),
    Scene(name="done", view=View(), holds=_over),
)


def moment(found: list[Record], holds: Callable[[RunState], bool]) -> int:
    """Number of the first event after which it holds."""
    state = RunState()
    for record in found:
        state = reduce(state, record)
        if holds(state):
            return record.seq
    raise LookupError("the recording has no such moment; was it made again?")


WORLD: tuple[Scene, ...] = (
    Scene(name="world-board", view=View(), holds=lambda state: state.utc >= START + 400),
    Scene(name="world-dns", view=View(page="dns", service="osf"), holds=lambda state: state.utc >= START + 400),
    Scene(name="world", view=View(page="world", service="osf"), holds=lambda state: state.utc >= START + 400),
    Scene(
        name="world-compared",
        view=View(page="world", service="osf", item="url https://osf.example.org/contact?lang=en"),
        holds=lambda state: state.utc >= START + 400,
    ),
    Scene(
        name="world-certificate",
        view=View(page="world", service="osf", item="probe login@new"),
        holds=lambda state: state.utc >= START + 400,
    ),
    Scene(name="world-service", view=View(page="service", service="osf"), holds=lambda state: state.utc >= START + 400),
    Scene(name="world-timeline", view=View(page="timeline"), holds=lambda state: state.utc >= START + 400),
)
"""Pages of the evening that is told by events alone (`tests.ui.evening`)."""


class Stage:
    """Shows scenes of a journal, or of records, on the real screen."""

    def __init__(self, journal: Path | list[Record]) -> None:
        self._records = list(records(journal)) if isinstance(journal, Path) else journal

    async def show(self, scene: Scene, size: tuple[int, int], picture: Callable[[CockpitApp], str]) -> str:
        """What `picture` makes of the screen once it shows the scene's moment."""
        at = moment(self._records, scene.holds)
        app = CockpitApp(Player(self._records, at=at, playing=False), scene.view)
        async with app.run_test(size=size) as pilot:
            async with asyncio.timeout(10):
                while app.state.seq < at:
                    await pilot.pause(0.02)
            app.look()
            await pilot.pause()
            return picture(app)


def ansi(app: CockpitApp) -> str:
    """The screen as text with colour codes: `cat` shows it again."""
    size = app.size
    console = Console(
        width=size.width, height=size.height, file=io.StringIO(), force_terminal=True, color_system="truecolor",
        record=True, legacy_windows=False, no_color=False,
    )  # fmt: skip
    update = app.screen._compositor.render_update(full=True)
    console.print(update)
    text = re.sub(r"\x1b\[\d+;1H", "", console.export_text(styles=True))
    # The theme's own two colours go without saying.
    text = text.replace(";48;2;18;18;18m", "m")
    return re.sub(r"\x1b\[38;2;224;224;224m([^\x1b]*)\x1b\[0m", r"\1", text)


def svg(app: CockpitApp) -> str:
    """The screen as a picture."""
    return app.export_screenshot(title="cockpit")


@contextmanager
def without_colour() -> Iterator[None]:
    """NO_COLOR as a user sets it."""
    import os

    before = os.environ.get("NO_COLOR")
    os.environ["NO_COLOR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["NO_COLOR"]
        else:
            os.environ["NO_COLOR"] = before
