"""Text from a host on its way to a terminal: whatever it holds, it comes out as one bounded line that does nothing."""

from __future__ import annotations

import time
import tracemalloc
import unicodedata

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cockpit.text import LINE_LIMIT, harmless

TAIL = len(" … 18446744073709551615 more")
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
PIECES = st.sampled_from(
    [
        "\x1b",
        "\x1b[",
        "\x1b]",
        "\x1bP",
        "\x1b\\",
        "\x9b",
        "\x9d",
        "\x9c",
        "\x07",
        "\x18",
        "[31m",
        "52;c;",
        "0",
        "\t",
        "\n",
    ]
)
HOSTILE = st.lists(st.one_of(PIECES, st.text(max_size=8), st.sampled_from(list(BIDI))), max_size=40).map("".join)
RAW = st.one_of(HOSTILE, st.text(), st.binary(), HOSTILE.map(lambda text: text.encode("utf-8", "surrogatepass")))


def is_tame(text: str) -> bool:
    return not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in BIDI for char in text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;1;2;3mtrue colour\x1b[m", "true colour"),
        ("\x1b[?1049h\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b[0 qcursor", "cursor"),
        ("a\x1b(Bb\x1b7c\x1bMd", "abcd"),
        ("\x1bcreset", "reset"),
        ("\x9b31mred", "red"),
    ],
)
def test_control_sequences_leave_without_a_trace(raw: str, shown: str) -> None:
    assert harmless(raw) == shown
    assert harmless(raw.encode()) == shown


@pytest.mark.parametrize("start", ["\x1b]", "\x9d"])
@pytest.mark.parametrize("end", ["\x07", "\x1b\\", "\x9c"])
def test_a_clipboard_write_leaves_with_its_payload(start: str, end: str) -> None:
    assert harmless(f"before{start}52;c;cm0gLXJmIC8={end}after") == "beforeafter"


def test_a_clipboard_write_without_end_takes_no_text_before_it_along() -> None:
    assert harmless("before\x1b]52;c;cm0gLXJmIC8=") == "before"
    assert harmless(b"before\x1b]52;c;" + b"A" * 100_000).startswith("before")


@pytest.mark.parametrize("start", ["\x1bP", "\x1bX", "\x1b^", "\x1b_"])
def test_device_control_and_its_kin_leave_with_their_strings(start: str) -> None:
    assert harmless(f"a{start}$q m\x1b\\b") == "ab"


def test_a_sequence_put_together_by_removing_another_one_has_no_escape_left() -> None:
    assert harmless("\x1b\x1b[31m[2J") == "[2J"
    assert harmless("\x1b[\x1b[0m31m") == "31m"


def test_eight_bit_controls_as_single_bytes_are_shown_as_invalid_bytes() -> None:
    assert harmless(b"\x9b31m\x9d0;title\x9c\x90q") == r"\x9b31m\x9d0;title\x9c\x90q"


def test_markup_is_text() -> None:
    text = "[red]not red[/red] [@click=app.quit]x[/] [bold"
    assert harmless(text) == text


def test_invalid_utf8_shows_its_bytes_and_loses_nothing_around_them() -> None:
    assert harmless(b"caf\xe9 \xff\xfe ok \xc3\xa9") == r"caf\xe9 \xff\xfe ok é"
    assert harmless(b"\xed\xa0\x80|\xf4\x90\x80\x80") == r"\xed\xa0\x80|\xf4\x90\x80\x80"


def test_a_name_of_undecodable_bytes_can_be_written_down() -> None:
    name = b"r\xe9sum\xe9.doc".decode("utf-8", "surrogateescape")
    shown = harmless(f"2 entries differ, the first: {name}")
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown
    assert "sum" in shown


def test_control_characters_are_shown_as_dots_and_tabs_as_spaces() -> None:
    assert harmless("a\x00b\x08c\rd\x7fe\nf") == "a·b·c·d·e·f"
    assert harmless("a\tb") == "a   b"


@pytest.mark.parametrize("char", BIDI)
def test_text_cannot_turn_its_direction(char: str) -> None:
    assert harmless(f"rm {char}txt.exe") == "rm ·txt.exe"


@pytest.mark.parametrize("char", ["\u200b", "\u2028", "\u2029", "\u2060", "\ufeff"])
def test_invisible_characters_are_seen(char: str) -> None:
    assert harmless(f"ro{char}ot") == "ro·ot"


def test_names_in_other_scripts_stay_as_they_are() -> None:
    text = "übersicht – été 概要 Обзор مرحبا 🚀"
    assert harmless(text) == text


def test_what_was_cut_is_counted() -> None:
    assert harmless("x" * 10, 4) == "xxxx … 6 more"
    assert harmless(b"x" * 10, 4) == "xxxx … 6 more"
    assert harmless("x" * LINE_LIMIT) == "x" * LINE_LIMIT
    assert harmless(b"x" * 1_000_000) == "x" * LINE_LIMIT + f" … {1_000_000 - LINE_LIMIT} more"


@pytest.mark.parametrize(
    "unit", [b"x", b"\0", b"\t", b"\x1b", b"\x1b[", b"\x1b]", b"\x1b[1;", b"\xff", b"\xc2\x9b", "漢".encode()]
)
@pytest.mark.parametrize("kind", [bytes, str])
def test_a_line_of_fifty_megabytes_takes_neither_time_nor_memory(unit: bytes, kind: type) -> None:
    raw: bytes | str = unit * (50_000_000 // len(unit))
    if kind is str:
        text = unit.decode("utf-8", "replace")
        raw = text * (50_000_000 // len(text))
    tracemalloc.start()
    try:
        began = time.perf_counter()
        shown = harmless(raw)
        took = time.perf_counter() - began
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(shown) <= LINE_LIMIT + TAIL
    assert is_tame(shown)
    assert "more" in shown
    assert took < 5
    assert peak < 2_000_000


@given(RAW, st.integers(1, 60))
@example("\x1b[31", 1)
@example("\ud800\udfff", 10)
@example("\t" * 40, 3)
def test_nothing_hostile_comes_out_and_never_more_than_the_limit(raw: bytes | str, limit: int) -> None:
    shown = harmless(raw, limit)
    assert is_tame(shown)
    assert len(shown) <= limit + TAIL
    shown.encode()


@given(RAW)
def test_what_is_harmless_stays_as_it_is(raw: bytes | str) -> None:
    once = harmless(raw)
    assert harmless(once) == once
    assert harmless(once.encode()) == once


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters=list(BIDI)), max_size=200))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert harmless(text) == text
    assert harmless(text.encode()) == text
