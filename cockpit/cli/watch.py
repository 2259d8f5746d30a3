"""`cockpit watch RUN`: the same screen without the wheel."""

from __future__ import annotations

import argparse


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "watch",
        help="a read-only view of a live run",
        description="The cockpit's screens on a live run, with their own size and scroll, and nothing to act with.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        default="last",
        metavar="RUN",
        help="the run's id, or its beginning or end, or the path that `cockpit access` tells another account; "
        "default: the newest live one",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0, or 2 when there is no such run."""
    from cockpit.cli.live import can_show, live, screen, show, socket_of

    if not can_show():
        return 2
    if "/" in options.name and (socket := socket_of(options.name)) is not None:
        return show(socket)
    folder = live(options.name)
    return 2 if folder is None else screen(folder, drive=False)
