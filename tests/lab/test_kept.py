"""What was on the screen of a live run, from the keys to the report: a real conductor, hosts of the lab, and a screen that drives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from cockpit import __version__
from cockpit import intents as it
from cockpit.cli.live import alive, gone
from cockpit.cli.main import main
from cockpit.conductor.client import LiveSource
from cockpit.conductor.launch import said, spawn
from cockpit.events import Record, ScreenKept
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from cockpit.lab import Lab
from cockpit.ui.app import CockpitApp
from cockpit.ui.dialogs import Ask
from tests.hosts.told import hosts_of
from tests.ui.test_keys import shown, until

SIZE = (110, 34)
GOOD = {"probe": "test -e moved", "apply": "touch moved", "verify": "test -e moved"}
BAD = {"apply": 'echo "no such table: users" >&2; exit 3', "verify": "true", "undo": "true", "verify_undo": "true"}


def night(lab: Lab) -> Path:
    """A plan with a gate, behind it a step that cannot be taken back, and one that fails."""
    hosts = {id: msgspec.to_builtins(host) for id, host in hosts_of(lab).items()}
    for host in hosts.values():
        del host["id"]
    steps = [
        {"id": "cut", "phase": "switch", "on": "new", "point_of_no_return": "hard", "run": GOOD},
        {"id": "load", "phase": "switch", "on": "new", "run": BAD},
    ]
    plan = {
        "cutover": 1,
        "name": "night",
        "hosts": hosts,
        "gates": [{"id": "pilot-good", "before": {"service": "osf"}, "question": "Is the pilot good?"}],
        "services": [{"id": "osf", "steps": steps}],
    }
    file = lab.folder / "night.yaml"
    file.write_text(json.dumps(plan))
    return file


async def driven(run: RunFolder, plan: Path) -> None:
    """Somebody opens the gate, passes the point of no return, and meets a failure: by keys alone."""
    pid = spawn(run.path, ["--folder", str(run.path), "--plan", str(plan)])
    source = LiveSource(run.socket, "ann", run.token(), wait=60.0, alive=lambda: alive(pid))
    app = CockpitApp(source)
    try:
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, lambda: app.over or (bool(app.state.services) and source.drives), 60)
            assert not app.over, said(run.path)
            await pilot.press("g")
            await until(pilot, lambda: isinstance(app.screen, Ask) and bool(app.screen.query("#ok")))
            await pilot.press(*"pilot-good")
            await pilot.pause()
            await pilot.press("enter")
            await until(pilot, lambda: app.state.gates["pilot-good"].open)
            await pilot.press("n")
            await until(pilot, lambda: app.state.step("osf/cut").state == "done", 30)
            await pilot.press("n")
            await until(pilot, lambda: app.state.step("osf/load").state == "failed", 30)
            await shown(pilot, "✗")
            for _ in range(100):
                await pilot.pause(0.05)
                if any(found.of == "osf/load" for _, found in kept(run)):
                    break
            assert not await source.send(it.End())
    finally:
        if not gone(pid, 20.0):
            os.kill(pid, signal.SIGTERM)
            gone(pid, 20.0)
    assert run.journal.exists(), said(run.path)


def kept(run: RunFolder) -> list[tuple[Record, ScreenKept]]:
    return [(record, record.event) for record in records(run.journal) if isinstance(record.event, ScreenKept)]


def text_of(picture: Path) -> str:
    """All that is written in an SVG."""
    return "".join(ElementTree.parse(picture).getroot().itertext())


async def test_what_they_saw_at_a_gate_a_point_of_no_return_and_a_failure_is_in_the_replay_and_the_report(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    await driven(run, night(lab))
    found = {(event.why, event.of): (record, event) for record, event in kept(run)}
    assert list(found) == [
        ("confirmed", "open-gate pilot-good"),
        ("confirmed", "next osf/cut"),
        ("no return", "osf/cut"),
        ("failed", "osf/load"),
    ]
    asked = {
        ("confirmed", "open-gate pilot-good"): ("Is the pilot good?", "It holds now.", "▊  pilot-good  "),
        ("confirmed", "next osf/cut"): ("you drive", "osf"),
        ("no return", "osf/cut"): ("cut", "running"),
        ("failed", "osf/load"): ("load", "failed"),
    }

    assert await asyncio.to_thread(main, ["replay", str(run.path), "--screen"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [str(record.seq) for record, _ in found.values()]
    for key, (record, event) in found.items():
        assert (event.version, event.by.partition(" ")[0], (event.width, event.height)) == (__version__, "ann", SIZE)
        assert 0 < event.shown < record.seq
        assert await asyncio.to_thread(main, ["replay", str(run.path), "--screen", str(record.seq)]) == 0
        text = capsys.readouterr().out
        picture = tmp_path / f"{record.seq}.svg"
        export = ["replay", str(run.path), "--screen", str(record.seq), "--export", "svg", str(picture)]
        assert await asyncio.to_thread(main, export) == 0
        capsys.readouterr()
        for word in asked[key]:
            assert word in text, f"{key}: {word!r} is not in\n{text}"
            assert word.replace(" ", "") in "".join(text_of(picture).split())

    assert await asyncio.to_thread(main, ["report", str(run.path), "-o", str(tmp_path / "night.html")]) == 0
    assert await asyncio.to_thread(main, ["report", str(run.path), "-o", str(tmp_path / "night.json")]) == 0
    page, facts = (tmp_path / "night.html").read_text(), json.loads((tmp_path / "night.json").read_text())
    assert page.count('class="screen"') == len(found)
    assert "Is the pilot good?" in page
    assert [(fact["why"], fact["of"], fact["version"]) for fact in facts["screens"]] == [
        (why, of, __version__) for why, of in found
    ]
    gate = next(fact for fact in facts["gates"] if fact["gate"] == "pilot-good")
    assert gate["screen"] == found["confirmed", "open-gate pilot-good"][0].seq
