"""A game on a real host is started, shut down, frozen and saved by the recipes of charon's plan; its players lose no line that
was acknowledged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from cockpit.plan.model import Shell
from tests.real.mush import CHECK, RECIPES, START, ask, furnish, start
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until

pytestmark = needs_world

FOLDER, PORT = "/home/kit/mush", 4201
GAME = {"user": "kit", "folder": FOLDER, "port": str(PORT)}
STATE = f"ls -lA --time-style=+ {FOLDER} {FOLDER}/data; cat {FOLDER}/data/save.db; ss -Hltn 'sport = :{PORT}' | wc -l; pgrep -u kit -c python3"


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    host = rig.host("old")
    host.run("useradd -m kit")
    furnish(host, "kit", FOLDER, "kitsune")
    start(host, "kit", FOLDER, PORT)
    ask(host, PORT, "connect ann", "@build one", "@build two", "look")
    shut(host)
    return host


def shut(host: RealHost) -> None:
    ask(host, PORT, "connect wizard xyzzy", "@shutdown")
    until(lambda: not host.run("pgrep -u kit python3 || :").strip(), lambda: "the game goes down", 30)


def up(host: RealHost) -> Trial:
    return Trial(host, "mush-up", {**GAME, "start": START}, state=STATE, folder=RECIPES)


def down(host: RealHost, says: str = "going to neko-base") -> Trial:
    params = {**GAME, "start": START, "says": says, "grace": "0", "check": CHECK}
    return Trial(host, "mush-down", params, state=STATE, folder=RECIPES)


def test_a_game_is_started_once_and_shut_down_again(old: RealHost) -> None:
    # Where it has never run there is no folder for what it says: none is left.
    old.run(f"rm -r {FOLDER}/run")
    trial = up(old)
    trial.there_and_back()
    trial.cut_anywhere()
    assert not old.file(f"{FOLDER}/run").exists()


def test_two_games_out_of_one_folder_are_refused(old: RealHost) -> None:
    up(old).must("apply")
    second = replace(up(old), params={**GAME, "port": "4299", "start": START})
    assert "another game runs" in second.must("apply", 1)
    assert "@shutdown" not in ask(old, 4299)
    shut(old)


def test_a_game_that_does_not_come_up_says_what_it_said(old: RealHost) -> None:
    old.run(f"cp -p {FOLDER}/data/save.db /root/save.db; echo damaged >>{FOLDER}/data/save.db")
    said = replace(up(old), params={**GAME, "start": "timeout 5 ./start"}).must("apply", 1)
    assert "did not come up" in said
    assert "save.db cannot be read" in said
    old.run(f"cp -p /root/save.db {FOLDER}/data/save.db; rm /root/save.db")


def test_a_game_is_shut_down_after_its_players_were_told_and_comes_back(old: RealHost) -> None:
    start(old, "kit", FOLDER, PORT)
    trial = down(old, EVIL)
    trial.there_and_back()
    trial.cut_anywhere()
    assert not evil_left(old)
    assert f"announced: {EVIL}" in old.run(f"cat {FOLDER}/run/log")
    shut(old)


def test_players_who_leave_when_they_are_told_are_not_thrown_out(old: RealHost) -> None:
    start(old, "kit", FOLDER, PORT)
    player = old.spawn("/usr/bin/python3", "-c", (
        "import socket\ns = socket.create_connection(('127.0.0.1', 4201)); s.sendall(b'connect bob\\n@build three\\n')\n"
        "while b'Announcement' not in s.recv(9999): pass"
    ))  # fmt: skip
    until(lambda: "players=1" in ask(old, PORT, "INFO"), lambda: "a player comes", 30)
    said = replace(down(old), params={**down(old).params, "grace": "30"}).must("apply")
    assert "1 players were told, 0 were still there" in said
    assert player.wait(30) == 0
    assert "3 things" in down(old).must("verify")


def test_after_the_announcement_players_stay_and_what_they_change_is_not_saved(old: RealHost) -> None:
    start(old, "kit", FOLDER, PORT)
    trial = Trial(old, "mush-freeze", {**GAME, "says": f"no more changes: {EVIL}"}, state=STATE, folder=RECIPES)
    trial.there_and_back()
    trial.capture()
    trial.must("apply")
    assert "it will be lost" in ask(old, PORT, "connect ann", "@build four")
    assert "players are there" in trial.must("verify")
    shut(old)
    assert "3 things" in down(old).must("verify")
    assert trial.ask("apply").status, "a game that is down was frozen"


def test_who_stayed_is_sent_over_before_the_game_goes_down_by_the_words_of_the_plan(
    old: RealHost, tmp_path: Path
) -> None:
    """S64. Taken back, the game is up and what players change is lost, as it was announced."""
    examples()["charon"].write(tmp_path / "charon.yaml")
    action = load_plan(tmp_path / "charon.yaml").step("daichi/game-off").action
    assert isinstance(action, Shell)
    assert action.recipe == "drain-sessions"
    port = int(action.params["port"])
    old.run("useradd -m daichi")
    furnish(old, "daichi", "/home/daichi/mush", "daichi-mush")
    start(old, "daichi", "/home/daichi/mush", port)
    ask(old, port, "connect wizard xyzzy", "@freeze no more changes")
    drain = Trial(
        old,
        action.recipe,
        action.params,
        state=f"ss -Hlnt 'sport = :{port}' | wc -l; ls -lA --time-style=+ /home/daichi/mush/data",
    )
    assert "changes=lost" in ask(old, port, "INFO")
    player = old.spawn("/usr/bin/python3", "-c", (
        f"import socket\ns = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'connect bob\\n')\n"
        "while b'drop and reconnect' not in s.recv(9999): pass"
    ))  # fmt: skip
    until(lambda: "players=1" in ask(old, port, "INFO"), lambda: "a player comes", 30)
    drain.capture()
    assert "0 were dropped" in drain.must("apply")
    assert player.wait(30) == 0
    drain.must("verify")
    drain.back()
    assert "changes=lost" in ask(old, port, "INFO")
    drain.there()


def test_a_good_save_is_kept_apart_and_a_damaged_one_is_refused(old: RealHost) -> None:
    check = f'python3 {FOLDER}/mush.py --check "$save"'
    params = {"user": "kit", "save": f"{FOLDER}/data/save.db", "into": "/home/kit/backup", "check": check}
    trial = Trial(old, "mush-backup", params, state=f"{STATE}; ls -lAR --time-style=+ /home/kit/backup", folder=RECIPES)
    trial.there_and_back()
    trial.cut_anywhere()
    old.run(f"cp -p {FOLDER}/data/save.db /root/save.db; echo damaged >>{FOLDER}/data/save.db")
    before = trial.seen()
    assert "no good save" in trial.must("apply", 1)
    assert trial.seen() == before
    old.run(f"cp -p /root/save.db {FOLDER}/data/save.db; rm /root/save.db")


@pytest.mark.parametrize("recipe", ["mush-up", "mush-down", "mush-freeze", "mush-backup"])
def test_what_can_be_no_game_is_refused_before_anything_is_changed(old: RealHost, recipe: str) -> None:
    good = {
        **GAME,
        "start": START,
        "says": "x",
        "save": f"{FOLDER}/data/save.db",
        "into": "/home/kit/backup",
        "check": "true",
    }
    for param in ("user", "port", "folder", "says", "save", "into"):
        for value in (EVIL, "two\nlines", "-x"):
            if (recipe == "mush-backup") != (param in {"save", "into"}) and param != "user":
                continue
            if param == "says" and (recipe == "mush-up" or value != "two\nlines"):
                continue
            trial = Trial(old, recipe, {**good, param: value}, state=f"{STATE}; ls -A /home/kit", folder=RECIPES)
            before = trial.seen()
            said = trial.ask("apply")
            assert said.status, f"{param}={value!r} was taken: {said}"
            assert said.said.strip()
            assert trial.seen() == before
    assert not evil_left(old)
