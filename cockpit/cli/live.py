"""What `run`, `demo`, `attach` and `watch` share: a conductor beside us, and the screen on it."""

from __future__ import annotations

import gc
import getpass
import os
import resource
import signal
import stat
import sys
import time
from pathlib import Path

from cockpit.journal.folder import NoSuchRun, RunFolder, answers, find, list_runs
from cockpit.text import harmless


def operator() -> str:
    """The name that a driver's deeds are written down under: $COCKPIT_NAME, else the account."""
    return os.environ.get("COCKPIT_NAME") or getpass.getuser()


def screen(run: RunFolder, *, drive: bool, starting: int = 0) -> int:
    """Show the cockpit on a run's conductor until it is left. `starting` is the pid of a conductor that is coming up."""
    status, seen = _shown(run.socket, run.token() if drive else "", starting, None if drive else run.journal)
    if starting and not seen and not alive(starting):
        from cockpit.conductor.launch import said

        print(f"cockpit: the conductor did not begin: {said(run.path)}", file=sys.stderr)
        return 2
    return status


def show(socket: Path) -> int:
    """Show the cockpit on a conductor's socket, without anything to drive with."""
    return _shown(socket, "", 0)[0]


def _shown(socket: Path, token: str, starting: int, journal: Path | None = None) -> tuple[int, int]:
    """(exit status, number of the last event seen) of a screen. Without a token time can be moved in it: over `journal`, where
    this account may read that."""
    # Importing makes much and throws little away; the screen turns collection on again with its first frame.
    gc.disable()
    from cockpit.conductor.client import LiveSource

    # What is typed into a dialog must not be in a core dump.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source = LiveSource(socket, operator(), token, alive=lambda: alive(starting) if starting else True)
    source.dial()
    from cockpit.ui.app import CockpitApp
    from cockpit.ui.pair import Pair

    state = source.early()
    pair = Pair.here()
    if token:
        app = CockpitApp(source, state=state, pair=pair)
    else:
        from cockpit.replay.rewind import Rewind

        app = CockpitApp(Rewind(source, journal, socket, operator(), state), state=state, pair=pair)
    # In a shared session the mouse belongs to the terminals: each selects text in their own.
    app.run(mouse=pair is None)
    if app.farewell:
        print(app.farewell, file=sys.stderr)
    return app.return_code or 0, source.last


def socket_of(name: str) -> Path | None:
    """Where the run of that name is asked: a door that was opened to this account, else the run's own socket. None after saying
    why there is none."""
    path = Path(name)
    try:
        if stat.S_ISSOCK(path.stat().st_mode):
            return path
    except PermissionError:
        print(
            f"cockpit: {name} is not open to this account: its owner gives access with `cockpit access`",
            file=sys.stderr,
        )
        return None
    except OSError:
        if path.suffix == ".sock":
            print(f"cockpit: there is no {name} (any more): no run is open to this account there", file=sys.stderr)
            return None
    run = live(name)
    return run.socket if run is not None else None


def can_show() -> bool:
    """Whether there is a terminal that can show a screen; says what is missing."""
    if not all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stderr__)):
        print("cockpit: a screen needs a terminal; --headless, where there is it, does without", file=sys.stderr)
        return False
    encoding = (sys.__stderr__.encoding if sys.__stderr__ is not None else "") or ""
    if not encoding.lower().startswith("utf"):
        print(f"cockpit: the screen needs UTF-8, not {encoding}: set LC_ALL=C.UTF-8", file=sys.stderr)
        return False
    return True


def live(name: str) -> RunFolder | None:
    """The run of that name that a conductor is at work on, `last` the newest of them; None after saying why not."""
    if name == "last":
        rows = [row for row in list_runs() if row.live and not row.ended]
        if not rows:
            print("cockpit: no run is live; `cockpit runs` lists all of them", file=sys.stderr)
            return None
        name = rows[0].id
    run = found(name)
    if run is not None and not answers(run.socket):
        words = f"`cockpit run --resume {name}` goes on with it, `cockpit replay {name}` shows it"
        print(f"cockpit: nobody conducts {run.id}: {words}", file=sys.stderr)
        return None
    return run


def found(name: str, *, packed: bool = False) -> RunFolder | None:
    """The run of that name; with `packed` also that of a pack in a file of that name, for whoever only reads: its folder goes
    when this process ends. None after saying why not."""
    from cockpit.cli.unpacked import LONGEST, unpacked
    from cockpit.journal import pack

    file = Path(name)
    try:
        if not file.is_file() or not pack.looks_like_one(file):
            return find(name)
        if not packed:
            raise NoSuchRun(f"{name} is a pack: it can be replayed, reported and verified, but not run")
        return unpacked(file)
    except NoSuchRun as error:
        print(f"cockpit: {harmless(str(error), LONGEST)}", file=sys.stderr)
        return None


def end(pid: int) -> None:
    """Ask a conductor to stop and wait a little; its journal is whole at any moment."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    gone(pid)


def gone(pid: int, wait: float = 5.0) -> bool:
    """Whether a process has ended, giving it so many seconds."""
    until = time.monotonic() + wait
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
