"""Telling people where they are: players of a game that runs, and whoever logs in over a real SSH server."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real.rig import RealHost, Rig, needs_rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import listening, until, write

pytestmark = needs_rig

GAME = """\
import socket, threading
players, server, admin = [], socket.create_server(("127.0.0.1", 4201)), socket.create_server(("127.0.0.1", 4202))
def play():
    while True:
        players.append(server.accept()[0])
        players[-1].sendall(b"Welcome\\r\\n")
def tell():
    while True:
        with admin.accept()[0] as god:
            said = b"".join(iter(lambda: god.recv(4096), b""))
            for line in said.splitlines():
                for player in players:
                    player.sendall(b"GOD: " + line + b"\\r\\n")
threading.Thread(target=play).start()
tell()
"""
SAY = "busybox nc 127.0.0.1 4202"
SEEN = "cat /srv/player.log"


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    """A host with a game on it, and somebody who plays."""
    host = rig.host("old")
    write(host, "/srv/game.py", GAME)
    host.spawn("python3", "/srv/game.py")
    until(lambda: listening(host, 4201) and listening(host, 4202), lambda: "the game does not run", 60)
    host.spawn("sh", "-c", "sleep 100000 | telnet 127.0.0.1 4201 > /srv/player.log 2>&1")
    until(lambda: "Welcome" in host.run(SEEN, check=False), lambda: "nobody plays", 60)
    return host


def test_players_are_told_inside_the_game(old: RealHost) -> None:
    """S51, S64: the service itself tells its people to drop and reconnect."""
    said = Trial(old, "announce", {"text": f"{EVIL}\nDrop and reconnect.", "command": SAY, "check": SEEN})
    said.there_and_back(already=False)
    seen = old.run(SEEN)
    assert seen.count("GOD: Drop and reconnect.") == (3 if os.environ.get("COCKPIT_SHELLS") == "all" else 2)
    assert f"GOD: {EVIL}" in seen
    said.cut_anywhere()


def test_what_nobody_sees_is_not_said(old: RealHost) -> None:
    lost = Trial(old, "announce", {"text": "Hello.", "command": "cat > /dev/null", "check": SEEN, "within": "0"})
    lost.capture()
    lost.must("apply")
    assert "did not come up" in lost.must("verify", 1)
    broken = Trial(old, "announce", {"text": "Hello.", "command": "busybox nc 127.0.0.1 9", "check": "cat /srv/none"})
    assert broken.ask("capture").status == 1
    assert "could not be said" in broken.must("apply", 1)
    assert Trial(old, "announce", {"text": "\nHello.", "command": SAY, "check": SEEN}).ask("probe").status == 2
    lost.refuses(only=("within",))
    # Some shells run what stands in a subscript of arithmetic.
    subscript = lost.given("within", "a[$(touch /tmp/owned)]")
    for op in ("apply", "verify"):
        assert "no number of seconds" in subscript.must(op, 2, "bash --posix")
    assert not evil_left(old)
    # A text of several lines stops at its first error.
    halting = Trial(old, "announce", {"text": "Hello.", "command": f"false\n{SAY}", "check": f"false\n{SEEN}"})
    assert halting.ask("capture").status == 1
    assert "could not be said" in halting.must("apply", 1)
    assert "GOD: Hello." not in old.run(SEEN)


def login(host: RealHost) -> str:
    """What somebody sees who logs in over SSH."""
    words = [
        "ssh", "-tt", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(host.rig.key), f"mover@{host.address}",
    ]  # fmt: skip
    with host.rig.standing():
        return subprocess.run(words, input=b"exit\n", capture_output=True, timeout=60).stdout.decode(errors="replace")


def test_whoever_logs_in_reads_the_notice_until_it_is_taken_back(old: RealHost, tmp_path: Path) -> None:
    old.run(
        "printf 'old news\\n\\377 no UTF-8' > /etc/motd; chmod 640 /etc/motd; chmod 644 /etc/motd; chown mover /etc/motd"
    )
    check = "cat /etc/motd"
    state = "ls -ln /etc/motd* | awk '{ print $1, $3, $4, $5, $9 }'; md5sum /etc/motd*"
    notice = Trial(old, "login-notice", {"text": f"{EVIL}\nRead only from ten on.", "check": check}, state=state)
    notice.there_and_back()
    notice.cut_anywhere()
    notice.capture()
    notice.must("apply")
    shown = login(old)
    assert "Read only from ten on." in shown
    assert shown.index("Read only") < shown.index("old news")
    unread = Trial(old, "login-notice", {**notice.params, "check": f"false\n{check}"})
    assert "cannot be asked" in unread.must("verify", 2)
    notice.must("undo")
    assert "Read only" not in login(old)
    old.run("mv /etc/motd /srv/kept; ln -s /srv/none/motd /etc/motd")
    assert "the link /etc/motd leads nowhere" in notice.must("apply", 2)
    old.run("mv /srv/kept /etc/motd")
    missing = Trial(old, "login-notice", {"text": "new", "file": "/etc/it's a notice"}, state="ls /etc | grep notice")
    missing.there_and_back()


@pytest.mark.parametrize("first", [0, 1])
def test_two_notices_in_one_file_go_away_in_either_order(old: RealHost, first: int) -> None:
    """Each is known wherever it stands, and is never put in twice; what others write around them stays."""
    state = "ls -ln /srv/motd* | awk '{ print $1, $3, $4, $5, $9 }'; md5sum /srv/motd*"
    old.run("printf 'old news\\n\\n\\377 no UTF-8' > /srv/motd; chown mover /srv/motd")
    texts = (f"{EVIL}\n\nRead only from ten on.", "Read only from ten on.\nAsk Ann.")
    notices = [Trial(old, "login-notice", {"text": text, "file": "/srv/motd"}, state=state) for text in texts]
    before = notices[0].seen()
    for notice in notices:
        notice.there()
    both = notices[0].seen()
    for notice in notices:
        assert notice.recognised()
        assert "already" in notice.must("apply")
        notice.must("verify")
    assert notices[0].seen() == both
    notices[first].back()
    notices[1 - first].must("verify")
    assert not notices[first].recognised()
    assert "not in" in notices[first].must("undo")
    notices[1 - first].back()
    notices[0].same(before, "two notices undone leave something")
    assert not evil_left(old)


def test_notices_that_go_up_at_once_are_all_there(old: RealHost) -> None:
    old.run("echo 'old news' > /srv/motd")
    notices = [Trial(old, "login-notice", {"text": f"Wave {n}\nmoves.", "file": "/srv/motd"}, "cat /srv/motd*") for n in range(6)]  # fmt: skip
    before = notices[0].seen()
    for notice in notices:
        notice.capture()
    with ThreadPoolExecutor(len(notices)) as pool:
        list(pool.map(lambda notice: notice.must("apply"), notices))
        list(pool.map(lambda notice: notice.must("verify"), notices))
        list(pool.map(lambda notice: notice.must("undo"), notices))
    for notice in notices:
        notice.must("verify_undo")
    notices[0].same(before, "notices undone at once leave something")


def test_what_said_the_same_before_is_not_the_notice(old: RealHost) -> None:
    old.run("printf 'Moved.\\nnews\\n' > /srv/motd")
    notice = Trial(old, "login-notice", {"text": "Moved.", "file": "/srv/motd"}, "cat /srv/motd")
    notice.capture()
    for op in ("apply", "verify", "undo", "verify_undo"):
        notice.must(op)
    assert notice.seen() == "Moved.\nnews\n"
    for wrong in (
        {"text": ""},
        {"text": " \n"},
        {"file": EVIL},
        {"file": "/srv/a\nb"},
        {"file": "/srv"},
        {"file": f"/{EVIL}/x"},
    ):
        bad = Trial(old, "login-notice", {**notice.params, **wrong})
        for op in ("probe", "capture", "apply", "undo"):
            assert "nothing was changed" in bad.must(op, 2), wrong
    assert not evil_left(old)
