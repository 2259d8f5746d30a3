"""A real session with two and three real terminals of different sizes: what each sees, who acts, who is told to have acted."""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.pairing.config import character
from cockpit.ui.actions import ACTIONS
from tests.pairing.people import KEYS, Person, Table, needs_tmux, table, until

pytestmark = [needs_tmux, pytest.mark.xdist_group("pairing")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    with table(tmp_path_factory.mktemp("table"), keeper=True) as there:
        yield there


@pytest.fixture
def pair(shared: Table) -> Iterator[tuple[Person, Person]]:
    """Ann with a large terminal and bob with a smaller one, at a board that nobody has paused."""
    ann, bob = shared.joins("ann", (120, 40)), shared.joins("bob", (100, 30))
    ann.escapes()  # From wherever the last one left it.
    ann.sees("copy")
    yield ann, bob
    for person in shared.people:
        person.close()
    shared.people.clear()
    until(lambda: not shared.clients(), what="both leave")


def body(person: Person, columns: int, rows: int) -> list[str]:
    """What stands in the upper left part of a terminal."""
    return [row[:columns].rstrip() for row in person.rests()[:rows]]


def test_the_window_is_as_large_as_the_smallest_terminal_of_those_who_act(
    shared: Table, pair: tuple[Person, Person]
) -> None:
    ann, bob = pair
    assert shared.size() == "100x29", "a row is the status line's"
    until(lambda: shared.told() == (100, 29), what="the screen fills the window")
    assert body(ann, 100, 29) == body(bob, 100, 29)
    third = shared.joins("carl", (140, 50))
    assert shared.size() == "100x29", "a larger one changes nothing"
    assert shared.told() == (100, 29)
    third.close()
    until(lambda: shared.clients() == 2, what="carl leaves")
    assert shared.size() == "100x29"


def test_nobody_s_screen_jumps_when_an_observer_comes_and_goes(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, bob = pair
    before, hers = shared.size(), body(ann, 100, 29)
    small = shared.joins("olga", (60, 16), observe=True)
    large = shared.joins("otto", (150, 50), observe=True)
    assert shared.size() == before
    assert body(ann, 100, 29) == hers
    assert body(bob, 100, 29) == hers
    assert body(large, 100, 29) == hers
    assert body(small, 60, 15) == [row[:60].rstrip() for row in hers[:15]], (
        "the upper left part, wherever the cursor is"
    )
    ann.types("d")
    bob.sees("vantage")
    assert body(small, 60, 15) == [row[:60].rstrip() for row in body(ann, 100, 15)]
    ann.escapes()
    ann.sees("copy")
    for person in (small, large):
        person.close()
    until(lambda: shared.clients() == 2, what="the observers leave")
    assert shared.size() == before
    until(lambda: len(shared.present()) == 2, what="their leaving is told")
    assert body(ann, 100, 29) == hers


def test_an_observer_cannot_act(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, _ = pair
    observer = shared.joins("olga", (120, 40), observe=True)
    assert [seen["readonly"] for seen in shared.present() if seen["name"] == "olga"] == [True]
    before, picture = len(shared.sent()), body(ann, 100, 29)
    for key in KEYS:
        observer.types(character(key))
        observer.picture(0.02)
    observer.types("\r\x1b[A\x1b[B\x10j\x02]\x02d")  # Enter, arrows, the palette, a letter that is no action; then out.
    observer.gone()
    assert body(ann, 100, 29) == picture
    ann.types("p")
    until(lambda: len(shared.sent()) > before, what="ann's key")
    new = shared.sent()[before:]
    assert [line["by"] for line in new] == ["ann"], "what the observer typed has come to nothing"
    ann.types("p")
    until(lambda: len(shared.sent()) == before + 2, what="ann's other key")


def test_who_pressed_is_told_right_a_hundred_times_of_a_hundred(shared: Table, pair: tuple[Person, Person]) -> None:
    """Ann presses `p`, bob presses `!`, within milliseconds and in any order; each intent has the name of the one whose key leads
    to it."""
    ann, bob = pair
    before, dice = len(shared.sent()), random.Random(6)
    for _ in range(100):
        first = [(ann, "p"), (bob, "!")]
        dice.shuffle(first)
        first[0][0].types(first[0][1])
        time.sleep(dice.choice((0.0, 0.0005, 0.001, 0.003)))
        first[1][0].types(first[1][1])
        time.sleep(dice.choice((0.0, 0.002, 0.01)))
    until(lambda: len(shared.sent()) >= before + 200, what="two hundred keys")
    new = shared.sent()[before:]
    assert len(new) == 200
    for line in new:
        panic = line["intent"]["intent"] == "panic"  # type: ignore[index]
        assert line["by"] == ("bob" if panic else "ann")
        assert f"client pid {(bob if panic else ann).pid} account" in str(line["sure"])
        assert str(line["sure"]).endswith("in-band")
    if new[-1]["intent"] != {"intent": "continue"}:
        ann.types("p")
        until(lambda: len(shared.sent()) > before + 200, what="going on")


def test_a_dialog_is_the_deed_of_the_one_who_confirms_it(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, bob = pair
    before = len(shared.sent())
    bob.types("m")
    bob.sees("Note")
    for letter in "new pins? no!":
        bob.types(letter)
    bob.sees("new pins? no!")
    ann.types("\r")
    until(lambda: len(shared.sent()) > before, what="the note")
    [line] = shared.sent()[before:]
    assert line["intent"] == {"intent": "note", "text": "new pins? no!"}
    assert line["by"] == "ann"


def test_letters_of_all_languages_and_pasted_text_arrive_as_they_are(
    shared: Table, pair: tuple[Person, Person]
) -> None:
    ann, bob = pair
    before = len(shared.sent())
    bob.types("\x1b[200~run N now! open\x1b[201~")
    bob.picture(0.3)
    assert len(shared.sent()) == before, "what is pasted on a page is no key"
    bob.types("m")
    bob.sees("Note")
    bob.types("grün ")
    bob.types("\x1b[200~n、p und !q\x1b[201~")
    bob.types(" é")
    ann.sees("grün n、p und !q é")
    bob.types("\r")
    until(lambda: len(shared.sent()) > before, what="the note")
    [line] = shared.sent()[before:]
    assert line["intent"] == {"intent": "note", "text": "grün n、p und !q é"}
    assert line["by"] == "bob"


def test_escape_is_told_apart_from_the_key_behind_it(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, bob = pair
    for gap, second in ((0.03, ann), (0.03, bob), (0.0, bob)):
        before = len(shared.sent())
        ann.types("d")
        ann.sees("vantage")
        ann.types("\x1b")
        time.sleep(gap)
        second.types("p")
        until(lambda before=before: len(shared.sent()) == before + 1, what="the key")  # type: ignore[misc]
        assert shared.sent()[-1]["by"] == ("ann" if second is ann else "bob")
        ann.sees("copy")
        second.types("p")
        until(lambda before=before: len(shared.sent()) == before + 2, what="going on")  # type: ignore[misc]


def test_an_action_out_of_the_palette_has_no_more_than_the_last_one_at_the_keys(
    shared: Table, pair: tuple[Person, Person]
) -> None:
    ann, _ = pair
    before = len(shared.sent())
    ann.types("\x10")
    ann.sees("Search for commands")
    ann.types("panic")
    ann.sees("touch nothing")
    ann.types("\x1b[B")
    ann.rests()
    ann.types("\r")
    until(lambda: len(shared.sent()) > before, what="the palette's choice")
    assert shared.sent()[-1]["by"] == "ann"
    assert "in-band" not in str(shared.sent()[-1]["sure"])
    ann.types("p")
    until(lambda: len(shared.sent()) == before + 2, what="going on")


def test_arrows_and_unbound_keys_pass(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, _ = pair
    ann.types("\x1b[C")
    ann.types("\r")
    ann.sees("s1")
    ann.sees("gate pilot-good is closed")
    ann.escapes()
    ann.types("1\r")
    ann.sees("s0  wave 1")
    ann.escapes()


def test_a_copy_is_in_the_buffer_of_both_and_goes_to_the_terminal_of_the_one_who_pressed(
    shared: Table, pair: tuple[Person, Person]
) -> None:
    ann, bob = pair
    bob.rests()
    bob.types("t")  # The timeline: `y` copies the page as text.
    bob.sees("timeline")
    bob.rests()
    ann.rests()
    ann.raw = bob.raw = b""
    bob.types("y")
    ann.sees("characters in the buffer (C-b ] pastes); for bob's clipboard, too")
    buffer = shared.server.run("show-buffer")
    assert "timeline" in buffer
    bob.picture(0.3)
    offered = base64.b64encode(buffer.encode())
    assert b"\x1b]52;" in bob.raw
    assert offered in bob.raw
    assert b"\x1b]52;" not in ann.raw, "nobody else's clipboard is touched"
    ann.escapes()
    before = len(shared.sent())
    ann.types("m")
    ann.sees("Note")
    shared.server.run("set-buffer", "n and p")
    bob.types("\x02]")
    ann.sees("n and p")
    ann.types("\r")
    until(lambda: len(shared.sent()) > before, what="the note")
    assert shared.sent()[-1]["intent"] == {"intent": "note", "text": "n and p"}


def test_leaving_lets_only_the_one_go_who_pressed_the_key(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, _ = pair
    third = shared.joins("carl", (120, 40))
    third.types("q")
    third.gone()
    until(lambda: [seen["name"] for seen in shared.present()] == ["ann", "bob"], what="carl's leaving is told")
    ann.types("?")
    ann.sees("run the next step of the service in focus")
    ann.escapes()


def test_a_screen_that_dies_is_opened_again_for_everybody(shared: Table, pair: tuple[Person, Person]) -> None:
    ann, bob = pair
    shown = int(shared.server.run("list-panes", "-t", "cockpit", "-F", "#{pane_pid}"))
    children = Path(f"/proc/{shown}/task/{shown}/children").read_text().split()
    os.kill(int(children[0]), 9)
    ann.sees("The screen ended with signal SIGKILL")
    for person in (ann, bob):
        person.sees("ready: copy")
    until(lambda: len(shared.present()) == 2, what="both are seen again")


def test_every_key_of_the_registry_is_bound_and_the_settings_hold(shared: Table) -> None:
    bound = {line.split()[3] for line in shared.server.run("list-keys", "-T", "root").splitlines()}
    named = {"slash": "/", "question_mark": "?", "exclamation_mark": "!", "space": "Space"}
    named |= {"colon": ":", "plus": "+", "minus": "-", "dollar_sign": "\\$"}
    assert bound == {named.get(action.key, action.key) for action in ACTIONS} | {"Enter", "Escape"}
    left = {line.split()[3] for line in shared.server.run("list-keys", "-T", "prefix").splitlines()}
    assert left == {"d", "r", "]", "?"}
    for table_of_keys in ("copy-mode", "copy-mode-vi"):
        assert table_of_keys not in shared.server.run("list-keys"), "nobody freezes the screen for all"
    wanted = {
        "escape-time": "10", "set-clipboard": "on", "assume-paste-time": "0", "window-size": "smallest", "mouse": "off",
        "destroy-unattached": "off", "exit-empty": "on", "prefix": "C-b", "prefix2": "None", "status": "on",
    }  # fmt: skip
    for name, value in wanted.items():
        found = shared.server.run("show-options", "-Ag", name) or shared.server.run("show-options", "-s", name)
        assert found.split()[-1] == value, name
