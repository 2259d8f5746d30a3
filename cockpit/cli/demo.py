"""`cockpit demo`: a real cutover over real protocols, on servers that the program starts on loopback."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.journal.folder import RunFolder

DEMOS = (
    ("karl", "six clients' sites and mail move to a shared platform; one goes first, one owns its DNS zone"),
    ("release", "a new tag for two customers, built apart, switched at one stroke; a build and an evolve break off"),
    (
        "community",
        "a whole server: accounts, repositories, trackers, lists, mailboxes, a cron job, six names; RT goes first",
    ),
    ("floating", "a site relaunched behind a floating IP: a long import, partial freezes, one health file, no DNS"),
    ("charon", "five users leave a home server one by one, each with some of web, mail and a game; three name servers"),
)
"""Told here too, so that the list needs no network library; a test keeps it and the stages of the lab the same."""


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    listed = "\n".join(f"  {name:<10} {text}" for name, text in DEMOS)
    parser = sub.add_parser(
        "demo",
        help="the cockpit on servers of its own",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Start the embedded lab (SSH, web, mail and DNS servers on loopback) and the cockpit on it:\n"
        "a real cutover that nobody else sees. By default six clients move from an old host to a new one.",
        epilog=f"demos, each after the account of a migration that took place:\n{listed}",
    )
    parser.add_argument("--plan", default="karl", metavar="NAME", help="which migration (default: karl)")
    parser.add_argument("--list", action="store_true", help="list them, and end")
    parser.add_argument("--headless", action="store_true", help="without a screen: steps in order, progress on stderr")
    parser.add_argument(
        "--go", action="append", default=[], metavar="GATE", help="a gate to open when headless, or all"
    )
    parser.add_argument("--json", action="store_true", help="headless: print a summary when it has ended")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status as `cockpit run`."""
    if options.list:
        print("\n".join(f"{name:<10} {text}" for name, text in DEMOS))
        return 0
    begun = begin(options)
    if isinstance(begun, int):
        return begun
    from cockpit.cli.live import screen

    folder, pid = begun
    status = screen(folder, drive=True, starting=pid)
    finish(folder, pid)
    return status


def begin(options: argparse.Namespace, unseen: bool = False) -> tuple[RunFolder, int] | int:
    """Start the lab and its conductor: the run's folder and the conductor's pid, for a screen to open on. A status instead where
    there is none to open. `unseen` needs no terminal."""
    if options.plan not in dict(DEMOS):
        known = ", ".join(dict(DEMOS))
        print(f"cockpit demo: there is no demo {options.plan}; there are {known}", file=sys.stderr)
        return 2
    from cockpit.cli.live import can_show
    from cockpit.journal.folder import create

    if not options.headless and not unseen and not can_show():
        return 2
    folder = create(f"demo {options.plan}")
    arguments = ["--folder", str(folder.path), "--lab", options.plan]
    if options.headless:
        from cockpit.conductor.__main__ import main

        arguments += ["--headless", *(word for gate in options.go for word in ("--go", gate))]
        status = main([*arguments, *(["--json"] if options.json else [])])
        _tell(folder.path)
        return status
    from cockpit.conductor.launch import spawn

    return folder, spawn(folder.path, [*arguments, "--linger", "900"])


def finish(folder: RunFolder, pid: int) -> None:
    """End a demo, and say what became of its people."""
    from cockpit.cli.live import end

    end(pid)
    _tell(folder.path, 15.0)
    print(f"The demo has ended. `cockpit replay {folder.id}` plays it again.", file=sys.stderr)


def _tell(folder: Path, patience: float = 0.0) -> None:
    """What became of all that the demo's people did, once its lab has ended and has written it down."""
    file = folder / "lab" / "tally.json"
    until = time.monotonic() + (patience if (folder / "lab").is_dir() else 0.0)
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.1)
    try:
        print(json.loads(file.read_text(encoding="utf-8"))["sentence"], file=sys.stderr)
    except (OSError, ValueError, KeyError):
        return
