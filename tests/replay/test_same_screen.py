"""The replay is the live run: what a screen showed at fifty moments of a demo, its replay shows at the same moments."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import msgspec
import pytest

from cockpit import intents as it
from cockpit.cli.live import gone
from cockpit.conductor.client import LiveSource
from cockpit.conductor.launch import said, spawn
from cockpit.engine import rules
from cockpit.journal.folder import RunFolder
from cockpit.replay.player import Player
from cockpit.replay.recording import Recording
from cockpit.replay.rewind import Rewind
from cockpit.state import RunState
from cockpit.ui.app import CockpitApp
from cockpit.ui.view import View
from tests.lab.demos import lab

pytestmark = pytest.mark.xdist_group("demos")

SIZE = (150, 46)
BAR = 2
"""Lines that the transport bar takes at that width."""

MOMENTS = 50
VIEWS = (
    View(),
    View(page="service", service="osf"),
    View(page="logs"),
    View(page="dns", service="osf"),
    View(page="world", service="osf"),
    View(page="timeline"),
    View(page="fleet"),
    View(page="tails"),
    View(page="logs", merged=True),
    View(page="service", service="osf", step="osf/hold-mail"),
)


class Shot(msgspec.Struct, frozen=True):
    """What a screen showed: after which event, at what time, of what, and its lines."""

    seq: int
    utc: float
    view: View
    text: str


class Night(msgspec.Struct, frozen=True):
    """A demo that is over: its journal, and what was seen of it."""

    run: RunFolder
    shots: tuple[Shot, ...]
    rewound: dict[str, object]


class Stamped(LiveSource):
    """The time of the last paint is what the screen was given, and nothing else."""

    at = 0.0

    def now(self) -> float:
        self.at = super().now()
        return self.at


def shot(app: CockpitApp, source: Stamped, view: View) -> Shot:
    """Paint a page now, and take its text."""
    app.view = view
    app.flush()
    return Shot(app.state.seq, source.at, view, app.canvas.text())


async def watched(run: RunFolder, seen: dict[str, object]) -> None:
    """Watch the run, pause, go back, and return to now."""
    source = Rewind(LiveSource(run.socket, "bea"), run.journal, run.socket, "bea")
    app = CockpitApp(source)
    async with app.run_test(size=(120, 40)) as pilot:
        async with asyncio.timeout(30):
            while app.state.seq < 60 or not len(source.recording.timeline):
                await pilot.pause(0.05)
        await pilot.press("space")
        paused, text = app.state.seq, app.canvas.text()
        await pilot.pause(0.6)
        seen["stays"] = app.state.seq == paused and "behind" in app.canvas.text() and "READ-ONLY" in text
        await pilot.press("2")
        async with asyncio.timeout(10):
            while app.state.seq >= paused or app.state.seq == 0:
                await pilot.pause(0.05)
        seen["back"] = app.state
        await pilot.press("n")
        await pilot.pause(0.15)
        seen["refused"] = "only watches" in app.canvas.text()
        await pilot.press("dollar_sign")
        async with asyncio.timeout(10):
            while app.state.seq <= paused:
                await pilot.pause(0.05)
        seen["live"] = app.state
        await pilot.pause(0.15)
        seen["bar"] = "● live" in app.canvas.text()


async def lived(plan: str, folder: Path) -> Night:
    """Drive the demo's one client to its end, and look at each page in turn meanwhile."""
    run = RunFolder(folder)
    pid = spawn(folder, ["--folder", str(folder), "--plan", plan])
    source = Stamped(run.socket, "ann", run.token(), wait=60.0)
    app = CockpitApp(source)
    shots: list[Shot] = []
    rewound: dict[str, object] = {}
    try:
        async with app.run_test(size=SIZE) as pilot:
            async with asyncio.timeout(60):
                while not app.state.services or not source.drives:
                    await pilot.pause(0.05)
            assert not await source.send(it.RunToGate())
            watching = asyncio.create_task(watched(run, rewound))
            async with asyncio.timeout(90):
                while not rules.complete(app.state, "osf"):
                    if len(shots) < MOMENTS - 8:
                        shots.append(shot(app, source, VIEWS[len(shots) % len(VIEWS)]))
                    await pilot.pause(0.2)
                await watching
            assert not await source.send(it.AddNote(text="all quiet"))
            while len(shots) < MOMENTS:
                shots.append(shot(app, source, VIEWS[len(shots) % len(VIEWS)]))
                await pilot.pause(0.1)
            assert not await source.send(it.End())
    finally:
        if not gone(pid, 20.0):
            os.kill(pid, signal.SIGTERM)
            gone(pid, 20.0)
    assert run.journal.exists(), said(folder)
    return Night(run, tuple(shots), rewound)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """One client's evening on the lab, with a screen and a watcher."""
    folder = tmp_path_factory.mktemp("night")
    with lab("karl", folder / "lab", "--clients", "osf") as where:
        return asyncio.run(lived(where["plan"], folder / "run"))


def comparable(text: str, bar: int) -> list[str]:
    """The lines of a screen without the transport bar and the keys below it, and without what tells a replay from a live run by
    its nature: the label, the clock of this moment in the header, and who it is that drives."""
    lines = text.split("\n")
    lines = lines[: len(lines) - 1 - bar]
    lines[0] = re.sub(r"● \w+ ( PAUSED)? *T\+[\d:]+", "", lines[0]).replace("you drive", "ann drives")
    return [line.rstrip() for line in lines]


async def test_the_replay_shows_what_the_live_screen_showed_at_fifty_moments(night: Night) -> None:
    player = Player.of(night.run.journal, playing=False)
    timeline = player.recording.timeline
    app = CockpitApp(player)
    assert len(night.shots) == MOMENTS
    assert len({shot.seq for shot in night.shots}) > MOMENTS // 2
    async with app.run_test(size=(SIZE[0], SIZE[1] + BAR)) as pilot:
        for number, taken in enumerate(night.shots):
            place = timeline.after_seq(taken.seq)
            player.transport.stop_at(place, taken.utc - timeline.utc[place - 1])
            async with asyncio.timeout(10):
                while app.state.seq != taken.seq:
                    await pilot.pause(0.02)
            app.view = taken.view
            app.flush()
            ours, theirs = comparable(app.canvas.text(), BAR), comparable(taken.text, 0)
            differing = [f"live   {a}\nreplay {b}" for a, b in zip(theirs, ours, strict=True) if a != b]
            assert not differing, f"moment {number}, {taken.view.page}, event {taken.seq}:\n" + "\n".join(differing)


def test_a_watcher_pauses_goes_back_and_returns_to_the_live_run(night: Night) -> None:
    seen = night.rewound
    back, live = seen["back"], seen["live"]
    assert isinstance(back, RunState)
    assert isinstance(live, RunState)
    recording = Recording.open(night.run.journal)
    for state in (back, live):
        assert state == recording.state_after(recording.timeline.after_seq(state.seq))
    assert seen["stays"]
    assert seen["refused"]
    assert seen["bar"]
