"""Each screen at each size, and without colour, against a golden copy. COCKPIT_GOLDEN=write makes the copies anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Input

from cockpit.events import Asked
from cockpit.state import RunState
from cockpit.ui.app import CockpitApp
from cockpit.ui.asking import Question
from cockpit.ui.board import brief
from cockpit.ui.compose import screen
from cockpit.ui.dialogs import Ask
from cockpit.ui.paint import width_of
from cockpit.ui.view import View
from cockpit.ui.wheel import Seat
from tests.ui.scenes import SCENES, Scene, Stage, ansi, without_colour
from tests.ui.seat import started

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((80, 24), (120, 40), (200, 60))
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
HUE = re.compile(r"[34]8;2;(\d+);(\d+);(\d+)")


@pytest.fixture(scope="module")
def stage(recording: Path) -> Stage:
    return Stage(recording)


def compare(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.ans"
    if os.environ.get("COCKPIT_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"{file.name} is missing; COCKPIT_GOLDEN=write makes it"
    before = file.read_text(encoding="utf-8")
    if before != text:
        ours, theirs = COLOUR.sub("", text).splitlines(), COLOUR.sub("", before).splitlines()
        lines = [f"{n:3} - {b}\n    + {a}" for n, (a, b) in enumerate(zip(ours, theirs, strict=False), 1) if a != b]
        pytest.fail(
            f"{name} looks different (COCKPIT_GOLDEN=write accepts it):\n" + "\n".join(lines or ["colours only"])
        )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_screen_looks_as_it_did(stage: Stage, scene: Scene, size: tuple[int, int]) -> None:
    await looks_as_it_did(stage, scene, size)


async def looks_as_it_did(stage: Stage, scene: Scene, size: tuple[int, int]) -> None:
    """Fills its terminal, and is its golden copy."""
    text = await stage.show(scene, size, ansi)
    lines = COLOUR.sub("", text).rstrip("\n").split("\n")
    assert len(lines) == size[1]
    assert {cell_len(line) for line in lines} <= set(range(size[0] + 1))
    compare(f"{scene.name}-{size[0]}x{size[1]}", text)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_screen_without_colour_has_none_and_says_the_same(stage: Stage, scene: Scene) -> None:
    await says_the_same_without_colour(stage, scene)


async def says_the_same_without_colour(stage: Stage, scene: Scene) -> None:
    """Has no colour under NO_COLOR, and the same text."""
    coloured = COLOUR.sub("", await stage.show(scene, (120, 40), ansi))
    with without_colour():
        text = await stage.show(scene, (120, 40), ansi)
    assert all(red == green == blue for red, green, blue in HUE.findall(text)), "a colour is left"
    assert COLOUR.sub("", text) == coloured
    compare(f"{scene.name}-nocolor", text)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (300, 90)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_dialog_looks_as_it_did(size: tuple[int, int]) -> None:
    source = await started()
    app = CockpitApp(source)
    async with app.run_test(size=size) as pilot:
        while "ready: copy" not in COLOUR.sub("", ansi(app)):
            await pilot.pause(0.02)
        app.push_screen(
            Ask('Open gate "pilot-good"', "Is the pilot good?\nIt holds now.", exact="pilot-good", ok="Open")
        )
        await pilot.pause()
        await pilot.pause()
        compare(f"dialog-{size[0]}x{size[1]}", ansi(app))
    await source.rig.kill()


async def test_a_question_looks_as_it_did_and_hides_what_is_typed() -> None:
    source = await started()
    app = CockpitApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        while "ready: copy" not in COLOUR.sub("", ansi(app)):
            await pilot.pause(0.02)
        asked = Asked(name="vault", question="Password of the vault of s0 and s1")
        await source.rig.ledger.write(asked, "conductor")
        while not isinstance(app.screen, Question) or not any(field.has_focus for field in app.screen.query(Input)):
            await pilot.pause(0.02)
        app.screen.query_one(Input).cursor_blink = False
        await pilot.press(*"sesame")
        await pilot.pause()
        await pilot.pause()
        compare("question-80x24", ansi(app))
        assert "sesame" not in ansi(app)
    await source.rig.kill()


async def test_the_board_of_a_hundred_services_fits_every_size() -> None:
    source = await started(services=100)
    for size in ((80, 24), (100, 30), (137, 41), (300, 90)):
        app = CockpitApp(source)
        async with app.run_test(size=size) as pilot:
            while not app.state.seq:
                await pilot.pause(0.02)
            for key in ("end", "f", "down", "down", "escape", "9", "right", "t", "escape"):
                await pilot.press(key)
            app.look(service="s99")
            await pilot.pause()
            lines = COLOUR.sub("", ansi(app)).rstrip("\n").split("\n")
            assert len(lines) == size[1]
            assert any("100 s99" in line for line in lines)
    await source.rig.kill()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            'osf 192.0.2.1 - - [21/Nov/2026:08:47:29 +0000] "GET / HTTP/1.1" 503 9',
            'osf 192.0.2.1 08:47:29 "GET / HTTP/1.1" 503 9',
        ),
        (
            '192.0.2.1 - tom [21/Nov/2026:08:47:29 +0100] "GET / HTTP/1.1" 200 9',
            '192.0.2.1 - tom 08:47:29 "GET / HTTP/1.1" 200 9',
        ),
        (
            "Nov  1 08:47:29 mx postfix/smtpd[12]: NOQUEUE: reject: RCPT from",
            "08:47:29 postfix/smtpd[12]: NOQUEUE: reject: RCPT from",
        ),
        (
            "2026-11-21T08:47:29.123+00:00 mx exim[12]: frozen, and so on and on",
            "08:47:29 exim[12]: frozen, and so on and on",
        ),
        (
            "no date at all in a line that is longer than its tile, so it stays",
            "no date at all in a line that is longer than its tile, so it stays",
        ),
        (
            'jubilee.example.org 192.0.2.1 - - [21/Nov/2026:08:47:29 +0000] "GET /login HTTP/1.1" 503 9',
            'jubilee.example.org 192.0.2.1 08:47:29 "GET /login" 503 9',
        ),
        ("[21/Nov/2026:08:47:29 +0000] short", "[21/Nov/2026:08:47:29 +0000] short"),
    ],
)
def test_a_log_line_too_long_for_its_tile_goes_without_what_says_least(text: str, shown: str) -> None:
    assert brief(text, 50) == shown


@pytest.mark.parametrize("size", [(20, 5), (39, 40), (200, 6), (1, 1)])
def test_a_terminal_that_is_too_small_says_so(size: tuple[int, int]) -> None:
    lines = screen(RunState(), View(), Seat(can_drive=True, drives=True), "LIVE", size, 0.0)
    assert len(lines) == size[1]
    assert {width_of(line) for line in lines} == {size[0]}
    if size[0] > 30:
        assert "too small" in lines[0][0][0]
