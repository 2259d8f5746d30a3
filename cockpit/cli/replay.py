"""`cockpit replay RUN`: the same screens, from the journal."""

from __future__ import annotations

import argparse
import json
import sys

from cockpit.cli.exporting import add_options


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "replay",
        help="the same screens from a journal",
        description="Play a recorded run: space plays, . and , one event, ] and [ one step, } and { failures, > and < speed.",
    )
    parser.add_argument(
        "name", nargs="?", default="last", metavar="RUN", help="the run's id, its beginning or end, or its folder"
    )
    parser.add_argument("--at", type=int, default=0, metavar="SEQ", help="begin right after this event, paused")
    parser.add_argument("--speed", type=float, default=1.0, help="¼ to 64 times; default 1")
    parser.add_argument("--headless", action="store_true", help="no screen: print what happened")
    parser.add_argument("--json", action="store_true", help="headless: print the summary")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 1 for a journal that is damaged; 2 when there is no such run."""
    from cockpit.cli.live import can_show, found
    from cockpit.journal.reader import JournalDamaged, records

    folder = found(options.name)
    if folder is None:
        return 2
    if options.export:
        from cockpit.cli.exporting import export

        return export(folder.journal, options)
    if options.screen is not None:
        from cockpit.cli.exporting import screens

        return screens(folder.journal, options)
    try:
        if options.headless:
            return _headless(folder.journal, options)
        from cockpit.replay.player import Player
        from cockpit.ui.app import CockpitApp

        if next(iter(records(folder.journal)), None) is None:
            print(f"cockpit: {folder.journal} holds no event", file=sys.stderr)
            return 2
        player = Player.of(folder.journal, options.speed, options.at, playing=not options.at)
    except JournalDamaged as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 1
    if not can_show():
        return 2
    app = CockpitApp(player)
    app.run()
    if app.farewell:
        print(app.farewell, file=sys.stderr)
    return app.return_code or 0


def _headless(journal: object, options: argparse.Namespace) -> int:
    from pathlib import Path

    from cockpit.conductor.headless import progress_line
    from cockpit.conductor.summary import summary
    from cockpit.journal.reader import End, walk
    from cockpit.reduce import reduce
    from cockpit.state import RunState

    file = Path(str(journal))
    state = RunState()
    there = End()
    for record, end in walk(file):
        if options.at and record.seq > options.at:
            break
        state, there = reduce(state, record), end
        line = "" if options.json else progress_line(record)
        if line:
            print(line)
    if options.json:
        print(json.dumps(summary(state, there.head), indent=2, ensure_ascii=False))
    return 0
