"""`cockpit replay RUN`: the same screens, from the journal; or two runs beside each other."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import TYPE_CHECKING

from cockpit.cli.exporting import add_options

if TYPE_CHECKING:
    from cockpit.journal.folder import RunFolder
    from cockpit.replay.against import Comparison
    from cockpit.replay.player import Player
    from cockpit.replay.recording import Recording


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
    """0; 1 for a journal that is damaged; 2 when there is no such run, no such moment, or nothing to compare."""
    from cockpit.cli.live import can_show, found
    from cockpit.journal.reader import JournalDamaged

    folder = found(options.name)
    other = found(options.against) if options.against else None
    if folder is None or (options.against and other is None):
        return 2
    if options.align and other is None:
        print("cockpit: --align needs --against, the run to compare with", file=sys.stderr)
        return 2
    if options.export or options.screen is not None:
        return _exported(folder, options)
    if not options.headless and not can_show():
        return 2
    try:
        if other is not None and options.headless:
            compared = _compared(folder, other, options.align)
            return 2 if compared is None else _print(compared, options.json)
        if options.headless:
            return _headless(folder, options)
        player = _player(folder, options)
        if player is None:
            return 2
        compared = _compared(folder, other, options.align) if other is not None else None
        if other is not None and compared is None:
            return 2
    except JournalDamaged as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 1
    return _show(player, compared)


def _exported(folder: RunFolder, options: argparse.Namespace) -> int:
    from cockpit.cli.exporting import export, screens

    if not options.export:
        return screens(folder.journal, options)
    at = _place(folder, options)
    return 2 if at is None else export(folder.journal, options, at)


def _place(folder: RunFolder, options: argparse.Namespace) -> int | None:
    """The number of the event at the moment that --at names, 0 for none; None after saying why there is no such moment."""
    if options.at.removeprefix("#").isdigit():
        return int(options.at.removeprefix("#"))
    if not options.at:
        return 0
    player = _player(folder, options)
    return None if player is None else player.recording.timeline.seqs[player.transport.place - 1]


def _show(player: Player, compared: Comparison | None) -> int:
    from cockpit.ui.app import CockpitApp
    from cockpit.ui.view import View

    app = CockpitApp(player, View(page="versus") if compared is not None else None)
    if compared is not None:
        from cockpit.ui.versus import Versus

        app.asides["versus"] = Versus(compared)
    app.run()
    if app.farewell:
        print(app.farewell, file=sys.stderr)
    return app.return_code or 0


def _idle(text: str) -> float:
    """Seconds, or `full`."""
    from cockpit.replay.times import span

    seconds = math.inf if text in {"full", "inf"} else span(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text} is no span: write 3, 10s, 1m, or full")
    return seconds


def _player(folder: RunFolder, options: argparse.Namespace) -> Player | None:
    """The player at its moment; None after saying why not."""
    from cockpit.replay.player import Player

    player = Player.of(folder.journal, options.speed, playing=not options.at, idle=options.idle)
    if player.recording.complete and not len(player.recording.timeline):
        print(f"cockpit: {folder.journal} holds no event", file=sys.stderr)
        return None
    if options.at and not _went(player, options.at):
        return None
    return player


def _went(player: Player, text: str) -> bool:
    """Whether the player could be set to a moment; says why not."""
    _wait(player.recording)
    why = player.transport.go(text)
    if why:
        print(f"cockpit: {why}", file=sys.stderr)
    return not why


def _wait(recording: Recording) -> None:
    """Until all of the recording is known: where a moment lies in it depends on that."""
    while not recording.complete:
        time.sleep(0.02)


def _compared(folder: RunFolder, other: RunFolder, align: str) -> Comparison | None:
    """Both runs beside each other; None after saying why not."""
    from cockpit.replay.against import CannotAlign, Course, compare, course
    from cockpit.replay.recording import Recording
    from cockpit.state import RunState

    courses: list[Course] = []
    for one in (folder, other):
        recording = Recording.open(one.journal)
        _wait(recording)
        courses.append(course(recording.state_after(recording.total) or RunState(), recording.timeline))
        recording.close()
    try:
        return compare(courses[0], courses[1], align)
    except CannotAlign as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return None


def _print(found: Comparison, as_json: bool) -> int:
    from cockpit.replay.against import table, told

    if as_json:
        print(json.dumps(told(found), indent=2, ensure_ascii=False))
    else:
        print("\n".join(table(found)))
    return 0


def _headless(folder: RunFolder, options: argparse.Namespace) -> int:
    from cockpit.conductor.summary import summary
    from cockpit.journal.reader import End, walk
    from cockpit.progress import progress_line
    from cockpit.reduce import reduce
    from cockpit.state import RunState

    last = _place(folder, options)
    if last is None:
        return 2
    state = RunState()
    there = End()
    for record, end in walk(folder.journal):
        if last and record.seq > last:
            break
        state, there = reduce(state, record), end
        line = "" if options.json else progress_line(record)
        if line:
            print(line)
    if options.json:
        print(json.dumps(summary(state, there.head), indent=2, ensure_ascii=False))
    return 0
