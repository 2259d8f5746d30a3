"""Pictures: a moment as SVG and as text; changed cells bring a terminal to the same screen as all of them."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cockpit.cli.main import main
from cockpit.export.film import caption
from cockpit.journal.reader import records
from cockpit.picture.ansi import BEGIN, Terminal
from cockpit.picture.ink import Picture, cells, text_of
from cockpit.picture.svg import NotOurs, again, svg
from cockpit.reduce import fold
from cockpit.ui.actions import Seat
from cockpit.ui.compose import screen
from cockpit.ui.view import View
from tests.export.terminals import Emulator, looks_of
from tests.report.making import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
INKS = ("", "bold", "#00ff00", "bold #ff0000 on #262626", "on #0000ff")
signs = some.text(some.sampled_from("ab0 \x1b\t\u202e漢字é─■✓✗"), max_size=12)
screens = some.lists(some.lists(some.tuples(signs, some.sampled_from(INKS)), max_size=4), max_size=5)


@settings(max_examples=40, deadline=None)
@given(some.lists(screens, min_size=1, max_size=4))
def test_what_changed_brings_a_terminal_to_the_same_screen_as_everything(
    films: list[list[list[tuple[str, str]]]],
) -> None:
    terminal, emulator = Terminal(16, 5), Emulator(16, 5)
    emulator.feed(BEGIN)
    for lines in films:
        emulator.feed(terminal.show(lines))
        whole = Emulator(16, 5)
        whole.feed(BEGIN + Terminal(16, 5).show(lines))
        assert emulator.looks() == whole.looks()
        assert terminal.show(lines) == ""


@settings(max_examples=100, deadline=None)
@given(some.lists(some.tuples(some.text(max_size=20), some.sampled_from(INKS)), max_size=5))
def test_a_line_is_as_wide_as_it_is_told_to_be(line: list[tuple[str, str]]) -> None:
    row = cells(line, 10)
    assert len(row) == 10
    assert row[0][0] != ""


@settings(max_examples=60, deadline=None)
@given(screens, some.text(max_size=30))
def test_any_picture_is_well_formed_and_comes_out_of_its_own_reader_unchanged(
    lines: list[list[tuple[str, str]]], title: str
) -> None:
    picture = Picture(16, 5, tuple(tuple(line) for line in lines))
    text = svg(picture, title)
    assert svg(picture, title) == text
    ElementTree.fromstring(text)
    assert _gist(again(text.encode())) == _gist(text)


def _gist(text: str) -> list[tuple[str, dict[str, str], str]]:
    return [(item.tag, dict(item.attrib), (item.text or "").strip()) for item in ElementTree.fromstring(text).iter()]


def test_a_picture_holds_no_script_link_or_address_whatever_stands_on_the_screen() -> None:
    text = svg(Picture(400, 2, (((HOSTILE, "bold"),), ((HOSTILE, "url(x)"),))), HOSTILE, HOSTILE)
    tags = {item.tag.removeprefix(SVG) for item in ElementTree.fromstring(text).iter()}
    assert tags == {"svg", "title", "desc", "rect", "text"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    names = {name for item in ElementTree.fromstring(text).iter() for name in item.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name or name in {"style", "class", "id"}}


@pytest.mark.parametrize(
    "evil",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'></svg>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><rect fill='url(http://evil.example/)'/></svg>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><svg/></svg>",
        b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg xmlns='http://www.w3.org/2000/svg'>&a;</svg>",
        b"<svg><rect/></svg>",
        b"<html/>",
        b"<svg",
        b"\xff\x00",
        b"",
    ],
)
def test_a_file_that_is_no_picture_of_ours_is_not_taken_for_one(evil: bytes) -> None:
    with pytest.raises(NotOurs):
        again(evil)


def test_the_svg_of_a_moment_shows_the_text_of_its_screen(recording: Path, tmp_path: Path) -> None:
    file = tmp_path / "moment.svg"
    words = ["replay", str(recording), "--at", "700", "--page", "service", "--focus", "oxfam"]
    assert main([*words, "--export", "svg", str(file)]) == 0
    assert main([*words, "--export", "text", str(tmp_path / "moment.txt")]) == 0
    state = fold(itertools.islice(records(recording), 700))
    seat = Seat(can_drive=False, drives=False, replay=True, moves=True)
    lines = screen(
        state,
        View(page="service", service="oxfam"),
        seat,
        "REPLAY",
        (120, 40),
        state.utc,
        bar=caption(state, state.utc, 120),
    )
    wanted = ["".join(text for text, _ in line).rstrip() for line in lines]
    told = (tmp_path / "moment.txt").read_text().splitlines()
    assert told == wanted
    assert "event 700" in told[37]
    drawn: dict[int, list[str]] = {}
    for item in ElementTree.fromstring(file.read_text()).iter(f"{SVG}text"):
        drawn.setdefault(int(item.attrib["y"]), []).append(item.text or "")
    assert ["".join("".join(texts).split()) for _, texts in sorted(drawn.items())] == [
        "".join(line.split()) for line in told if line
    ]


def test_the_colours_of_a_picture_are_those_of_the_screen(recording: Path) -> None:
    state = fold(itertools.islice(records(recording), 700))
    from cockpit.ui.inks import picture

    seat = Seat(can_drive=False, drives=False, replay=True, moves=True)
    shown = picture(screen(state, View(), seat, "REPLAY", (80, 24), state.utc), (80, 24))
    colours = {look[1] for row in looks_of(shown.lines, 80) for look in row if look[0].strip()} - {"default"}
    fills = {item.attrib["fill"][1:] for item in ElementTree.fromstring(svg(shown, "x")).iter(f"{SVG}text")}
    assert fills == colours | {"e0e0e0"}
    assert text_of(shown).count("\n") == 24
