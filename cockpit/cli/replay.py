"""`cockpit replay RUN`: the same screens, from the journal; or two runs beside each other."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.cli.exporting import add_options

if TYPE_CHECKING:
    from cockpit.replay.against import Comparison
    from cockpit.replay.player import Player
    from cockpit.replay.recording import Recording

SAID = 20
"""Damages that are told one by one."""


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "replay",
        help="the same screens from a journal",
        description="Play a recorded run: space plays, . and , one event, ] and [ one step, } and { failures, ) and ( markers, "
        "> and < speed, : goes to a moment, F finds what was said.",
        epilog="moments: 1h30s from the beginning, T+1h or T-5m, 22:41:07 (UTC), 37%%, an event's number (#1234), "
        "a step (osf/dns), start, end. "
        "With --against, two runs are aligned at a step and shown beside each other; --headless prints the table.",
    )
    parser.add_argument(
        "name", nargs="?", default="last", metavar="RUN", help="the run's id, its beginning or end, or its folder"
    )
    parser.add_argument("--at", default="", metavar="MOMENT", help="begin there, paused")
    parser.add_argument("--speed", type=float, default=1.0, help="¼ to 64 times; default 1")
    parser.add_argument(
        "--idle",
        type=_idle,
        default=3.0,
        metavar="SECONDS",
        help="cut longer pauses to this; `full` cuts none; default 3",
    )
    parser.add_argument("--against", default="", metavar="OTHER", help="compare with that run")
    parser.add_argument(
        "--align", default="", metavar="STEP", help="where both are aligned; default: the first step of both"
    )
    parser.add_argument("--headless", action="store_true", help="no screen: print what happened")
    parser.add_argument("--json", action="store_true", help="headless: print the summary, or the comparison, as JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 1 for a journal that is damaged: it says where, and what can be read is shown; 2 when there is no such run, no such
    moment, nothing to compare, or no event that can be read."""
    from cockpit.cli.live import can_show, found
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.replay.recording import Recording

    folder = found(options.name, packed=True)
    other = found(options.against, packed=True) if options.against else None
    if folder is None or (options.against and other is None):
        return 2
    if options.align and other is None:
        print("cockpit: --align needs --against, the run to compare with", file=sys.stderr)
        return 2
    if options.export or options.screen is not None:
        return _exported(folder.journal, options)
    if options.headless and other is None:
        return _headless(folder.journal, options)
    opened: list[Recording] = []
    try:
        for one in (folder, other) if other is not None else (folder,):
            opened.append(Recording.open(one.journal))
            if not len(opened[-1].timeline) and not opened[-1].wait_for_an_event():
                print(f"cockpit: {opened[-1].nothing()}", file=sys.stderr)
                return 2
        compared = _compared(opened[0], opened[1], options.align) if other is not None else None
        if other is not None and compared is None:
            return 2
        if options.headless and compared is not None:
            _print(compared, options.json)
            return 1 if any(recording.known.damaged for recording in opened) else 0
        if not can_show():
            return 2
        return _show(folder.journal, opened[0], compared, options)
    except JournalUnreadable as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    finally:
        for recording in opened:
            recording.close()


def _exported(journal: Path, options: argparse.Namespace) -> int:
    from cockpit.cli.exporting import export, screens
    from cockpit.journal.opening import JournalUnreadable

    if not options.export:
        return screens(journal, options)
    try:
        at = _last(journal, options.at) if options.at else 0
    except JournalUnreadable as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    return 2 if options.at and not at else export(journal, options, at)


def _show(journal: Path, recording: Recording, compared: Comparison | None, options: argparse.Namespace) -> int:
    from cockpit.replay.player import Player
    from cockpit.ui.app import CockpitApp
    from cockpit.ui.view import View

    player = Player(recording, options.speed, playing=not options.at, idle=options.idle, file=journal)
    if options.at and not _went(player, options.at):
        return 2
    app = CockpitApp(player, View(page="versus") if compared is not None else None)
    if compared is not None:
        from cockpit.ui.versus import Versus

        app.asides["versus"] = Versus(compared)
    app.run()
    if app.farewell:
        print(app.farewell, file=sys.stderr)
    for damage in recording.known.damages[:SAID]:
        print(f"cockpit: {damage.sentence(journal)}", file=sys.stderr)
    return app.return_code or (1 if recording.known.damaged else 0)


def _idle(text: str) -> float:
    """Seconds, or `full`."""
    from cockpit.replay.times import span

    seconds = math.inf if text in {"full", "inf"} else span(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text} is no span: write 3, 10s, 1m, or full")
    return seconds


def _went(player: Player, text: str) -> bool:
    """Whether the player could be set to a moment; says why not. That of an event's number is there as soon as that is read."""
    from cockpit.replay import times

    _wait(player.recording, times.number(text) or 0)
    why = player.transport.go(text)
    if why:
        print(f"cockpit: {why}", file=sys.stderr)
    return not why


def _wait(recording: Recording, seq: int = 0) -> None:
    """Until all of the recording is known: where a moment lies in it depends on that. With `seq` until that event is known."""
    began, told = time.monotonic(), False
    while not recording.complete and not (seq and len(recording.timeline) and recording.timeline.seqs[-1] >= seq):
        time.sleep(0.02)
        if sys.stderr.isatty() and time.monotonic() - began > 1:
            told = True
            print(f"\r{recording.condition} of the recording\x1b[K", end="", file=sys.stderr, flush=True)
    if told:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _compared(one: Recording, two: Recording, align: str) -> Comparison | None:
    """Both runs beside each other; None after saying why not."""
    from cockpit.replay.against import CannotAlign, compare, played
    from cockpit.state import RunState

    courses = []
    for recording in (one, two):
        _wait(recording)
        courses.append(played(recording.state_after(recording.total) or RunState(), recording.timeline))
    try:
        return compare(courses[0], courses[1], align)
    except CannotAlign as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return None


def _print(found: Comparison, as_json: bool) -> None:
    from cockpit.replay.against import table, told

    if as_json:
        print(json.dumps(told(found), indent=2, ensure_ascii=False))
    else:
        print("\n".join(table(found)))


def _last(journal: Path, text: str) -> int:
    """The number of the last event that is shown at a moment; 0 after saying why there is none."""
    from cockpit.replay.player import Player
    from cockpit.replay.recording import Recording

    recording = Recording.open(journal)
    try:
        player = Player(recording, playing=False)
        return recording.timeline.seqs[player.transport.place - 1] if _went(player, text) else 0
    finally:
        recording.close()


def _headless(journal: Path, options: argparse.Namespace) -> int:
    from cockpit.conductor.summary import summary
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.journal.salvage import Salvage
    from cockpit.progress import progress_line
    from cockpit.reduce import reduce
    from cockpit.state import RunState

    state = RunState()
    salvage = Salvage(journal)
    head = salvage.head
    try:
        last = _last(journal, options.at) if options.at else 0
        if options.at and not last:
            return 2
        for record in salvage.records():
            if last and record.seq > last:
                break
            state, head = reduce(state, record), salvage.head
            line = "" if options.json else progress_line(record)
            if line:
                print(line)
    except JournalUnreadable as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    for sentence in salvage.sentences(SAID):
        print(f"cockpit: {sentence}", file=sys.stderr)
    if not salvage.events:
        print(f"cockpit: {journal} holds no event that can be read", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(summary(state, head), indent=2, ensure_ascii=False))
    return 1 if salvage.damaged else 0
