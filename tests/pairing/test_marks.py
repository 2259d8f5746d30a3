"""Marks in the pane's input, the configuration that makes them, who is there, and the screen that is kept open. Pure parts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from cockpit.pairing import tmux
from cockpit.pairing.config import binding, character, configuration
from cockpit.pairing.keeper import keep
from cockpit.pairing.marks import END, START, Changed, Hand, Marks, Piece, Pressed
from cockpit.pairing.place import tidy
from cockpit.pairing.presence import FIELDS, line, list_format, read, sure, whose
from cockpit.ui.actions import ACTIONS
from cockpit.ui.driver import Input
from cockpit.ui.hand import hand_of

SECRET = "0123456789abcdef" * 2
ANN, BOB = Hand(101, 1000), Hand(102, 1001)


def marked(hand: Hand, key: str) -> str:
    return f"{START}{SECRET} key {hand.client} {hand.uid} {int(hand.observes)}{END}{key}"


HOOK = f"{START}{SECRET} here{END}"


def joined(pieces: list[Piece]) -> list[Piece]:
    """Text beside text is one text."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    return found


plain = st.sampled_from(["j", "é", "\x1b[A", "\x1bOP", "\t", "日", "5"])
keys = st.builds(Pressed, st.sampled_from([ANN, BOB]), st.sampled_from(["n", "!", "\r", "\x1b", " "]))
pasted = st.lists(st.one_of(st.text(alphabet="nop q[0~é", max_size=5), keys, st.just(Changed())), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(plain, keys, st.just(Changed()), pasted), max_size=8),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_marks_are_found_however_the_input_is_cut(course: list[object], cuts: list[int]) -> None:
    stream, wanted = "", []
    for piece in course:
        if isinstance(piece, list):  # A paste: keys in it are letters, hooks are nothing to it.
            inside = [
                marked(p.hand, p.key) if isinstance(p, Pressed) else HOOK if isinstance(p, Changed) else p
                for p in piece
            ]
            letters = [p.key if isinstance(p, Pressed) else p for p in piece]
            stream += START + "".join(inside) + END
            wanted += [START, *letters, END]
        else:
            stream += (
                marked(piece.hand, piece.key)
                if isinstance(piece, Pressed)
                else HOOK
                if isinstance(piece, Changed)
                else str(piece)
            )
            wanted.append(piece)
    marks, got, at = Marks(SECRET), [], 0
    for cut in sorted(cut for cut in cuts if cut < len(stream)):
        got += marks.feed(stream[at:cut])
        at = cut
    got += marks.feed(stream[at:]) + marks.release()
    assert joined(got) == joined([piece for piece in wanted if piece != ""])  # type: ignore[misc]


def test_a_mark_with_another_secret_is_somebody_s_paste() -> None:
    forged = f"{START}{'f' * 32} key 101 1000 0{END}n"
    assert joined(Marks(SECRET).feed(forged)) == [forged]


def taken(chunks: list[str], rest: bool = True) -> list[tuple[str, Hand | None]]:
    """The keys that come of chunks of input, each with its hand."""
    sent: list[Message] = []
    into = Input(SECRET, sent.append, lambda: None)
    for chunk in chunks:
        into.feed(chunk)
        if rest and into.waiting:
            into.rest()
    return [(event.key, hand_of(event)) for event in sent if isinstance(event, events.Key)]


def test_a_key_has_the_hand_of_its_own_mark_and_the_next_one_has_none() -> None:
    assert taken([marked(ANN, "n") + "j" + marked(BOB, "!")]) == [("n", ANN), ("j", None), ("exclamation_mark", BOB)]


def test_escape_and_the_key_behind_it_are_two_in_one_chunk_too() -> None:
    assert taken([marked(ANN, "\x1b") + marked(BOB, "n") + marked(ANN, "\x1b") + "j"]) == [
        ("escape", ANN),
        ("n", BOB),
        ("escape", ANN),
        ("j", None),
    ]


def test_an_escape_without_a_mark_is_a_key_once_nothing_follows() -> None:
    assert taken(["\x1b", marked(BOB, "n")]) == [("escape", None), ("n", BOB)]
    assert taken(["\x1b[A"]) == [("up", None)]


def test_a_key_that_is_marked_as_an_observer_s_is_dropped() -> None:
    assert taken([marked(Hand(103, 1000, observes=True), "n") + marked(ANN, "p")]) == [("p", ANN)]


def test_every_key_of_the_registry_can_be_bound() -> None:
    text = configuration([action.key for action in ACTIONS], SECRET, (3, 3))
    for action in ACTIONS:
        assert f"send-keys -H {ord(character(action.key)):02x}'" in text
    with pytest.raises(ValueError, match="not a key of one"):
        character("f5")
    assert "client_uid" not in configuration(["n"], SECRET, (3, 2))
    assert binding("exclamation_mark", "M").startswith("bind-key -T root '!' run-shell -C ")


def test_versions_are_read_and_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert tmux.version("tmux 3.3a") == (3, 3)
    assert tmux.version("tmux next-3.8") == (3, 8)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tmux.NoTmux, match="apt-get install tmux"):
        tmux.installed()
    old = tmp_path / "tmux"
    old.write_text("#!/bin/sh\necho tmux 2.9a\n")
    old.chmod(0o755)
    with pytest.raises(tmux.NoTmux, match=r"tmux 2\.9a is too old"):
        tmux.installed()


def test_people_are_read_and_a_name_that_is_not_theirs_does_not_count() -> None:
    me, other = os.getuid(), os.getuid() + 1
    listed = (
        f"12 {me} 120 40 0 1700000001 attached,UTF-8 /dev/pts/3\n"
        f"11 {other} 80 24 1 1700000000 attached,ignore-size,read-only /dev/pts/2\n"
        "nonsense\n"
    )
    people = read(listed, lambda pid: {12: "ann", 11: "root"}.get(pid, ""))
    assert [(one.pid, one.name, one.readonly, one.ignored) for one in people] == [
        (11, people[0].account, True, True),
        (12, "ann", False, False),
    ]
    assert line(people).endswith("ann 120×40")
    assert " observes · " in line(people)
    assert whose(Hand(12, me), people) is people[1]
    assert whose(Hand(12, other), people) is None, "a pid that another account has now"
    assert "pid 12 account" in sure(Hand(12, me), (3, 3))
    assert sure(Hand(12, me), (3, 3)).endswith("in-band")
    assert "in-band" not in sure(Hand(12, me, likely=True), (3, 3))
    assert list_format((3, 2)).count(" ") == len(FIELDS) - 1
    assert tidy("a\x1b]52;#(reboot)nn\n") == "a52rebootnn"


def test_a_screen_that_dies_is_opened_again_and_one_that_dies_at_once_waits_for_a_person() -> None:
    said: list[str] = []
    asked: list[int] = []
    lives = iter([False] * 4 + [True])
    status = keep(
        [sys.executable, "-c", "raise SystemExit(70)"],
        lambda: next(lives),
        show=said.append,
        ask=lambda: asked.append(len(said)),
        now=lambda: 0.0,
    )
    assert status == 70
    assert "status 70" in said[0]
    assert "opened again" in said[0]
    assert asked == [3]
    assert "Enter opens it again" in said[2]
