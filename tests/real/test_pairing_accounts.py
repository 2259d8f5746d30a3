"""Two real Unix accounts at one tmux session: let in by name, seen, thrown out; what tmux lets a reader do."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cockpit.pairing import access, session
from cockpit.pairing.place import Place, clear, made, place_of
from cockpit.pairing.presence import list_format, read
from cockpit.pairing.tmux import LISTED, SESSION, installed
from tests.pairing.people import Person, lacking, until
from tests.real.accounts import accounts, become, missing

OWNER, OTHER = f"ck-ann-{os.getpid()}", f"ck-bob-{os.getpid()}"


def absent() -> str:
    """Why two accounts cannot be at one session here; '' when they can."""
    if missing() or lacking():
        return missing() or lacking()
    if shutil.which("setpriv") is None:
        return "setpriv missing: sudo apt-get install -y util-linux"
    return "" if installed() >= LISTED else "tmux is older than 3.3: sudo apt-get install -y tmux"


pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(absent()), reason=absent()),
    pytest.mark.xdist_group("pairing-accounts"),
]


@pytest.fixture(scope="module")
def people() -> Iterator[None]:
    with accounts(OWNER, OTHER, grouped=True):
        yield


def acting(deed: Callable[[], str]) -> str:
    """Do something as the owner, in a process of its own; what it says."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become(OWNER)
            os.write(into, deed().encode())
            status = 0
        except BaseException as error:
            os.write(into, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(status)
    os.close(into)
    with os.fdopen(out) as said:
        words = said.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, words
    return words


@pytest.fixture
def place(people: None, tmp_path: Path) -> Iterator[Place]:
    """A session of the owner's, whose pane shows what is typed."""

    def begin() -> str:
        there = place_of(tmp_path)
        pane = ["sh", "-c", "stty raw -echo; echo the board; exec cat -v"]
        session.begin(there, tmp_path, ["n", "p"], pane, installed(), (80, 24))
        return str(there.path)

    there = Place(Path(acting(begin)))
    yield there
    acting(lambda: (session.end(there), "")[1] if there.server.answers() else "")
    acting(lambda: (clear(there), "")[1])


def arrives(place: Place, *words: str) -> Person:
    """The other account types the line that it was told."""
    as_other = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--init-groups"]
    return Person([*as_other, "tmux", "-u", "-S", str(place.socket), "attach", "-t", SESSION, *words], (220, 24))


def seen(place: Place) -> list[tuple[str, bool]]:
    listed = acting(lambda: place.server.run("list-clients", "-F", list_format(installed())))
    return [(one.name, one.readonly) for one in read(listed, place.name_of)]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def turned_away(place: Place) -> str:
    person = arrives(place)
    person.gone()
    words = "\n".join(person.picture())
    person.close()
    return words


@pytest.mark.parametrize("common", [True, False], ids=["a group in common", "no group in common"])
def test_an_account_is_let_in_by_name_seen_and_thrown_out(place: Place, common: bool) -> None:
    if common:
        subprocess.run(["usermod", "-a", "-G", OTHER, OWNER], check=True, capture_output=True)
    try:
        assert (mode(place.path), mode(place.socket) & 0o066) == (0o700, 0)
        assert "Permission denied" in turned_away(place)
        words = acting(lambda: "\n".join(access.allow(place, OTHER, installed(), write=True)))
        assert f"opens a shell as {OWNER} with one command" in words
        assert mode(place.path) == (0o710 if common else 0o711)
        assert ("belongs to the group" if common else "access list alone") in words
        bob = arrives(place)
        bob.sees("the board")
        until(lambda: seen(place) == [(OTHER, False)], what="bob is seen")
        bob.types("p")
        bob.sees(f" key {bob.pid} {pwd.getpwnam(OTHER).pw_uid} 0")
        acting(lambda: "\n".join(access.disallow(place, OTHER, installed())))
        bob.gone()
        bob.sees("access not allowed")
        bob.close()
        assert (mode(place.path), mode(place.socket) & 0o066) == (0o700, 0)
        assert seen(place) == []
        assert "Permission denied" in turned_away(place)
    finally:
        if common:
            subprocess.run(["gpasswd", "-d", OWNER, OTHER], check=False, capture_output=True)


def test_a_third_account_that_reaches_the_socket_is_turned_away_by_tmux(place: Place) -> None:
    acting(lambda: "\n".join(access.allow(place, OTHER, installed(), write=True)))
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    tried = subprocess.run(
        [*nobody, "tmux", "-S", str(place.socket), "list-sessions"], capture_output=True, text=True, check=False
    )
    assert "access not allowed" in tried.stdout + tried.stderr


@pytest.fixture
def desk(people: None) -> Iterator[Path]:
    """A folder of the owner's: not below pytest's own, which other accounts cannot enter."""
    made = Path(tempfile.mkdtemp(prefix="ck-", dir="/tmp"))
    os.chown(made, pwd.getpwnam(OWNER).pw_uid, -1)
    yield made
    shutil.rmtree(made)


def test_a_reader_types_nothing_but_reading_is_no_wall(place: Place, desk: Path) -> None:
    """What docs/pairing.md warns of: a reader runs a program as the owner through a format."""
    words = acting(lambda: "\n".join(access.allow(place, OTHER, installed(), write=False)))
    assert "against slips, not against intent" in words
    bob = arrives(place, "-r")
    bob.sees("the board")
    until(lambda: seen(place) == [(OTHER, True)], what="bob is seen")
    bob.types("pn\r")
    bob.picture(0.5)
    assert "key" not in "\n".join(bob.picture())
    left = desk / "by-the-owner"
    as_other = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--init-groups"]
    trick = [*as_other, "tmux", "-S", str(place.socket), "list-clients", "-F", f"#(touch {left})"]

    def tried() -> bool:
        """tmux ends a job with the client that asked for it: it takes a few tries."""
        subprocess.run(trick, capture_output=True, check=False)
        return left.exists()

    until(tried, what="the program of the reader")
    assert left.owner() == OWNER
    bob.close()


def test_who_cannot_be_let_in_is_told_why(place: Place) -> None:
    def refused() -> str:
        found = []
        for name in ("nobody-of-that-name", "root", OWNER):
            try:
                access.allow(place, name, installed(), write=True)
            except access.NoAccess as error:
                found.append(str(error))
        try:
            access.disallow(place, OTHER, installed())
        except access.NoAccess as error:
            found.append(str(error))
        try:
            access.allow(place, OTHER, (3, 2), write=True)
        except access.NoAccess as error:
            found.append(str(error))
        return "\n".join(found)

    no_such, root, own, out, old = acting(refused).splitlines()
    assert "no account nobody-of-that-name" in no_such
    assert "root comes in without" in root
    assert "is this account" in own
    assert f"{OTHER} was not let in" in out
    assert "has no access list" in old


def test_a_folder_that_another_account_has_put_there_is_not_used(people: None, tmp_path: Path) -> None:
    trap = place_of(tmp_path)
    trap.path.mkdir()
    os.chown(trap.path, pwd.getpwnam(OTHER).pw_uid, -1)
    try:
        with pytest.raises(PermissionError, match="is not a folder of this account alone"):
            made(trap)
    finally:
        trap.path.rmdir()
