"""`cockpit runs`: the runs on this machine, and whether their journals are whole."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

SAID = 100
"""Damages that are told one by one."""


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
    from cockpit.conductor.door import open_doors
    from cockpit.conductor.summary import stamp
    from cockpit.journal.folder import list_runs
    from cockpit.text import harmless

    if options.action == "pack":
        return _pack(options.name, options.output, options.force)
    if options.verify:
        return _verify(options.verify)
    rows = list_runs()
    if options.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(rows), indent=2))
        return 0
    doors = open_doors()
    for door in doors:
        # Any account can make a folder there, and call what is in it as it likes.
        line = f"cockpit watch {shlex.quote(harmless(str(door)))}"
        print(f"{harmless(door.stem):<52} of another account, open to you: {line}")
    if not rows and not doors:
        print("There are no runs yet. `cockpit demo` makes one.")
    for row in rows:
        state = "live" if row.live and not row.ended else row.verdict or "not ended"
        print(f"{row.id:<52} {row.mode:<9} {(stamp(row.started) or '?')[:19]}  {row.size:>11,} bytes  {state}")
    return 0


def _verify(name: str) -> int:
    from cockpit.cli.live import found
    from cockpit.journal.beside import Beside
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.journal.salvage import Salvage

    folder = found(name, packed=True)
    if folder is None:
        return 2
    salvage, beside = Salvage(folder.journal), Beside(folder.journal)
    try:
        for record in salvage.records():
            beside.seen(record, salvage.head, salvage.lines, salvage.events)
    except JournalUnreadable as error:
        print(error, file=sys.stderr)
        return 2
    for note in beside.found():
        print(note.sentence(folder.journal), file=sys.stderr)
    if not salvage.whole:
        for sentence in salvage.sentences(SAID):
            print(sentence, file=sys.stderr)
        rest = f"{salvage.events} events can be read; head {salvage.head}" if salvage.events else "no event can be read"
        print(f"{folder.id}: damaged; {rest}", file=sys.stderr)
        return 1
    torn = f", and {salvage.torn} bytes of a torn tail" if salvage.torn else ""
    print(f"{folder.id}: {salvage.events} events whole{torn}; head {salvage.head}")
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
