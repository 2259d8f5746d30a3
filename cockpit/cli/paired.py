"""What `cockpit pair` does: begins a session, goes in, lets others in and out, tells who is there, ends it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import msgspec

from cockpit.cli.live import alive, can_show, found, operator
from cockpit.journal.folder import RunFolder, answers
from cockpit.pairing import access, session
from cockpit.pairing.place import Place, clear, place_of, places
from cockpit.pairing.presence import list_format, read
from cockpit.pairing.tmux import SESSION, NoTmux, Server

Version = tuple[int, int]


def begun(options: argparse.Namespace, version: Version) -> int:
    """Start the run and its session, and go in; where a session is on that plan already, go into that."""
    if not options.detached and not can_show():
        return 2
    there = None if options.resume else _already(options)
    if there is not None and options.detached:
        print(f"{there.run.name} is on it already, in its session.\n{_line(RunFolder(there.run))}", file=sys.stderr)
        return 0
    if there is not None:
        print(f"{there.run.name} is on it already: you join its session.", file=sys.stderr)
        return _inside(there, observe=False)
    if options.demo:
        from cockpit.cli import demo

        wanted = argparse.Namespace(plan=options.demo_plan, headless=False, go=[], json=False)
        started = demo.begin(wanted, options.detached)
    else:
        from cockpit.cli import run

        wanted = argparse.Namespace(
            plan=options.plan, resume=options.resume, headless=False, rehearsal=options.rehearsal, go=[], answer=[],
            json=False, run_folder=options.run_folder, detach=False, second_wait=0.0,
        )  # fmt: skip
        started = run.begin(wanted, options.detached)
    if isinstance(started, int):
        return started
    folder, pid = started
    plan = "" if options.plan is None else str(options.plan.resolve())
    began = Began(pid, options.demo_plan) if options.demo else Began(pid, "", plan)
    place = _session(folder, version, began)
    print(_line(folder), file=sys.stderr)
    if options.detached:
        return 0
    return _inside(place, observe=False, conductor=pid)


def went_in(name: str, version: Version, *, observe: bool) -> int:
    """Go into the session of a run, or of a socket's path."""
    if not can_show():
        return 2
    given = Path(name)
    if given.is_socket() or (given / "tmux").is_socket():
        socket = given if given.is_socket() else given / "tmux"
        return _attached(Server(socket), observe=observe, names=socket.parent / "names")
    place = _found(name)
    if place is None:
        folder = found(name) if name != "last" else None
        if folder is None or observe or not answers(folder.socket):
            if folder is not None or name == "last":
                print(f"cockpit: {_none(name)}", file=sys.stderr)
            return 2
        place = _session(folder, version, Began())
    return _inside(place, observe=observe)


def let_in(name: str, user: str, version: Version, *, write: bool) -> int:
    """Let another account in, and print the line that they type."""
    place = _up(name)
    said = access.allow(place, user, version, write=write)
    print("\n".join(said))
    reads = "" if write else " -r"
    print(f"{user} types:  tmux -u -S {place.socket} attach -t {SESSION}{reads}")
    return 0


def let_out(name: str, user: str, version: Version) -> int:
    """Throw another account out."""
    print("\n".join(access.disallow(_up(name), user, version)))
    return 0


def who_is_there(name: str, version: Version) -> int:
    """A line for each client."""
    place = _up(name)
    people = read(place.server.run("list-clients", "-F", list_format(version)), place.name_of)
    for one in people:
        since = time.strftime("%H:%M:%S", time.localtime(one.since))
        does = "observes" if one.readonly else "may type"
        size = f"{one.columns}×{one.rows}"
        print(
            f"{one.name:<20} account {one.account:<12} {size:>8}  {does}  since {since}  {one.client} (pid {one.pid})"
        )
    if not people:
        print(f"Nobody is in the session of {place.run.name}; {_line(RunFolder(place.run))}")
    return 0


def over(name: str) -> int:
    """End a session. A demo ends with it."""
    place = _up(name)
    folder = RunFolder(place.run)
    began = _began(place)
    session.end(place)
    if began.demo and began.pid and alive(began.pid):
        from cockpit.cli.demo import finish

        finish(folder, began.pid)
    elif answers(folder.socket):
        print(f"The session has ended; the run goes on. `cockpit attach {folder.called}` opens a screen on it.")
    else:
        print(f"The session of {folder.id} has ended.")
    return 0


def _session(folder: RunFolder, version: Version, began: Began) -> Place:
    """A session on a run. Raises NoTmux."""
    from cockpit.ui.actions import ACTIONS

    place = place_of(folder.path)
    if not place.server.answers():
        size = shutil.get_terminal_size((120, 40))
        pane = session.own_words("pair", "--keep", str(folder.path), "--starting", str(began.pid))
        keys = [action.key for action in ACTIONS]
        session.begin(place, folder.path, keys, pane, version, (size.columns, size.lines))
        (place.path / "began").write_bytes(msgspec.json.encode(began))
        place.server.run("set-option", "-g", "@join", f"cockpit pair --join {folder.called}")
    return place


def _inside(place: Place, *, observe: bool, conductor: int = 0) -> int:
    """Go in, and say afterwards what goes on."""
    folder = RunFolder(place.run)
    began = _began(place)
    status = _attached(place.server, observe=observe, names=place.names, conductor=conductor)
    if place.server.answers():
        print(
            f"The session goes on. `cockpit pair --join {folder.called}` goes back in, --end ends it.", file=sys.stderr
        )
        return status
    clear(place)
    if began.demo and began.pid and alive(began.pid):
        from cockpit.cli.demo import finish

        finish(folder, began.pid)
    elif answers(folder.socket):
        print(
            f"The session has ended; the run goes on. `cockpit attach {folder.called}` opens a screen on it.",
            file=sys.stderr,
        )
    else:
        print(
            f"The session has ended, and nobody conducts {folder.id}. `cockpit replay {folder.called}` shows it.",
            file=sys.stderr,
        )
    return status


def _attached(server: Server, *, observe: bool, names: Path, conductor: int = 0) -> int:
    hint = session.nested()
    if hint:
        print(hint, file=sys.stderr)
    name = os.environ.get("COCKPIT_NAME", "") or operator()

    def reap() -> None:
        """The conductor is our child: one that has died must not look alive to the screen."""
        if conductor:
            alive(conductor)

    return session.enter(server, observe=observe, name=name, names=names, tick=reap)


def _already(options: argparse.Namespace) -> Place | None:
    """The session that is on this plan, or on this demo."""
    for place in places():
        began = _began(place)
        if options.demo and began.demo == options.demo_plan:
            return place
        if not options.demo and not began.demo and _on(place, began, options.plan.resolve()):
            return place
    return None


def _on(place: Place, began: Began, plan: Path) -> bool:
    """Whether a session is on that plan. One that did not begin with a plan's file is on the one that its run's journal names."""
    if began.plan:
        return Path(began.plan) == plan
    from cockpit.cli.run import plan_of
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.journal.reader import JournalDamaged

    try:
        recorded = plan_of(place.run)
    except (OSError, JournalUnreadable, JournalDamaged):
        return False
    # A source is text: what of a path is none is written into it as the plan's reader does.
    return recorded is not None and recorded.source == os.fsencode(plan).decode("utf-8", "backslashreplace")


def _found(name: str) -> Place | None:
    """The session of a run that is up; `last` is the newest session. A run that begins has a session before it has a journal."""
    up = places()
    if name == "last":
        return next(iter(up), None)
    named = [place for place in up if place.run.name.startswith(name) or place.run.name.endswith(name)]
    if len(named) == 1:
        return named[0]
    folder = found(name)
    place = place_of(folder.path) if folder is not None else None
    return place if place is not None and place.server.answers() else None


def _up(name: str) -> Place:
    place = _found(name)
    if place is None:
        raise NoTmux(_none(name))
    return place


def _none(name: str) -> str:
    what = "no session is up" if name == "last" else f"{name} has no session that is up"
    return f"{what}: `cockpit pair PLAN` begins one, `cockpit pair --join RUN` on a run that is live"


class Began(msgspec.Struct, frozen=True):
    """How a session began: the conductor's pid where it was started with it, which demo or which plan it is on."""

    pid: int = 0
    demo: str = ""
    plan: str = ""


def _began(place: Place) -> Began:
    try:
        return msgspec.json.decode((place.path / "began").read_bytes(), type=Began)
    except (OSError, msgspec.MsgspecError):
        return Began()


def _line(folder: RunFolder) -> str:
    return f"Your colleague types:  cockpit pair --join {folder.called}"
