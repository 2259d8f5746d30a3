"""`cockpit attach RUN`: a new screen on a running conductor."""

from __future__ import annotations

import argparse


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "attach",
        help="a new screen on a running conductor",
        description="Open a screen where the last one was. It takes the wheel if nobody holds it; `c` claims it later.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        default="last",
        metavar="RUN",
        help="the run's id, or its beginning or end; default: the newest live one",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0, or 2 when there is no such run."""
    from cockpit.cli.live import can_show, live, screen

    folder = live(options.name) if can_show() else None
    return 2 if folder is None else screen(folder, drive=True)
