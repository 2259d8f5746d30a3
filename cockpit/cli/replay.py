"""`cockpit replay RUN`: the same screens, from the journal."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

SAID = 20
"""Damages that are told one by one."""


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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 1 for a journal that is damaged: it says where, and what can be read is shown; 2 when there is no such run, or no event
    in it can be read."""
    from cockpit.cli.live import can_show, found
    from cockpit.journal.opening import JournalUnreadable

    folder = found(options.name)
    if folder is None:
        return 2
    try:
        if options.headless:
            return _headless(folder.journal, options)
        from cockpit.replay.recording import Recording

        recording = Recording.open(folder.journal)
    except JournalUnreadable as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    try:
        if not len(recording.timeline) and not recording.wait_for_an_event():
            print(f"cockpit: {recording.nothing()}", file=sys.stderr)
            return 2
        if not can_show():
            return 2
        from cockpit.replay.player import Player
        from cockpit.ui.app import CockpitApp

        app = CockpitApp(Player(recording, options.speed, options.at, playing=not options.at))
        app.run()
        if app.farewell:
            print(app.farewell, file=sys.stderr)
        for damage in recording.known.damages[:SAID]:
            print(f"cockpit: {damage.sentence(folder.journal)}", file=sys.stderr)
        return app.return_code or (1 if recording.known.damaged else 0)
    finally:
        recording.close()


def _headless(journal: Path, options: argparse.Namespace) -> int:
    from cockpit.conductor.headless import progress_line
    from cockpit.conductor.summary import summary
    from cockpit.journal.salvage import Salvage
    from cockpit.reduce import reduce
    from cockpit.state import RunState

    state = RunState()
    salvage = Salvage(journal)
    head = salvage.head
    for record in salvage.records():
        if options.at and record.seq > options.at:
            break
        state, head = reduce(state, record), salvage.head
        line = "" if options.json else progress_line(record)
        if line:
            print(line)
    for sentence in salvage.sentences(SAID):
        print(f"cockpit: {sentence}", file=sys.stderr)
    if not salvage.events:
        print(f"cockpit: {journal} holds no event that can be read", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(summary(state, head), indent=2, ensure_ascii=False))
    return 1 if salvage.damaged else 0
