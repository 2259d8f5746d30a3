"""A session's secret is on nobody's screen, however early somebody comes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cockpit.pairing.place import Place, clear
from cockpit.pairing.session import begin
from cockpit.pairing.tmux import SESSION, environment, installed
from tests.pairing.people import needs_tmux
from tests.terminal import Terminal

pytestmark = needs_tmux

SLOW = "import sys; print('not yet', flush=True); sys.stdin.readline(); print('a line came', flush=True); sys.stdin.readline()"
"""A screen that is not up yet, on a terminal that is as tmux made it."""


def test_a_mark_that_comes_before_the_screen_is_up_is_not_shown(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    begin(place, tmp_path, ["n"], [sys.executable, "-c", SLOW], installed(), (80, 24))
    try:
        person = Terminal(["tmux", "-u", "-S", str(place.socket), "attach", "-t", SESSION], environment(), (80, 24))
        person.expect("not yet")
        person.send("n")
        # What is typed behind it has come to the terminal: so has whatever the key sends there.
        person.send("\r")
        person.expect("a line came")
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            person.read(0.2)
        shown = place.server.run("capture-pane", "-p", "-t", SESSION)
        assert "not yet" in shown
        assert place.secret not in shown
        assert place.secret.encode() not in person.seen
        person.kill()
    finally:
        place.server.run("kill-server")
        clear(place)
