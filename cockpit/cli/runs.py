"""`cockpit runs`: the runs on this machine, and whether their journals are whole."""

from __future__ import annotations

import argparse
import json
import sys


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "runs", help="list runs, verify a journal, or pack a run into one file", description=__doc__
    )
    parser.add_argument("action", nargs="?", choices=("pack",), help="pack: one file that can be sent and replayed")
    parser.add_argument("name", nargs="?", default="last", metavar="RUN", help="the run that is packed")
    parser.add_argument("-o", "--output", default="", metavar="FILE", help="the pack; default: RUN.cockpit")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument(
        "--verify", metavar="RUN", help="check every line of a run's journal and print the chain's head"
    )
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 1 for a damaged journal; 2 when there is no such run."""
    from cockpit.conductor.summary import stamp
    from cockpit.journal.folder import list_runs

    if options.action == "pack":
        return _pack(options.name, options.output, options.force)
    if options.verify:
        return _verify(options.verify)
    rows = list_runs()
    if options.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(rows), indent=2))
        return 0
    if not rows:
        print("There are no runs yet. `cockpit demo` makes one.")
    for row in rows:
        state = "live" if row.live and not row.ended else row.verdict or "not ended"
        print(f"{row.id:<52} {row.mode:<9} {(stamp(row.started) or '?')[:19]}  {row.size:>11,} bytes  {state}")
    return 0


def _verify(name: str) -> int:
    from cockpit.cli.live import found
    from cockpit.journal.reader import JournalDamaged, end

    folder = found(name)
    if folder is None:
        return 2
    try:
        there = end(folder.journal)
    except JournalDamaged as error:
        print(error, file=sys.stderr)
        return 1
    torn = f", and {there.torn} bytes of a torn tail" if there.torn else ""
    print(f"{folder.id}: {there.seq} events whole{torn}; head {there.head}")
    return 0


def _pack(name: str, output: str, force: bool) -> int:
    from cockpit.cli.live import found
    from cockpit.export.file import Refused, written
    from cockpit.journal import pack
    from cockpit.journal.reader import JournalDamaged

    folder = found(name)
    if folder is None:
        return 2
    file = output or f"{folder.id}{pack.SUFFIX}"
    try:
        with written(file, force) as target:
            note = pack.write(folder, target)
    except JournalDamaged as error:
        print(f"cockpit: {error}; only a whole run is packed: `cockpit report` tells what can be read", file=sys.stderr)
        return 1
    except Refused as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    print(
        f"{file}: {note.events} events of {note.run}; head {note.head}", file=sys.stderr if file == "-" else sys.stdout
    )
    return 0
