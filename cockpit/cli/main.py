"""The command line: one thin module a command; what is heavy is imported inside the command."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

COMMANDS = (
    "demo",
    "run",
    "check",
    "show",
    "preflight",
    "survey",
    "attach",
    "watch",
    "pair",
    "access",
    "confirm",
    "replay",
    "report",
    "runs",
    "recipes",
    "schema",
    "init",
    "lab",
)


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line; with `only`, that command's module alone is imported."""
    top = argparse.ArgumentParser(
        prog="cockpit",
        description="Run a live server cutover from one screen: act, verify, take back, replay.",
        epilog="`cockpit demo` shows it on servers of its own, on loopback. `cockpit help COMMAND` says more.",
    )
    top.add_argument("--version", action="store_true", help="print the version")
    sub = top.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS if only is None else (only,):
        importlib.import_module(f"cockpit.cli.{name}").add(sub)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `cockpit` script. Returns the exit status; never shows a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A locale that cannot print an arrow gets its number, not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    named = words[0] if words and words[0] in COMMANDS else None
    top = parser(named)
    options = top.parse_args(words)
    if options.version:
        from cockpit import __version__

        print(f"cockpit {__version__}")
        return 0
    if options.command is None:
        top.print_help()
        return 0
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("COCKPIT_DEBUG"):
            raise
        why = _of_the_world(error)
        if why:
            print(f"cockpit: {why}", file=sys.stderr)
            return 2
        print(
            f"cockpit: {type(error).__name__}: {error}\n"
            "This is a fault of ours; COCKPIT_DEBUG=1 shows where. The journal of a run is whole: `cockpit runs` lists them.",
            file=sys.stderr,
        )
        return 70


def _of_the_world(error: Exception) -> str:
    """The sentence for what is no fault of ours: a file that cannot be read or written, a journal that is damaged."""
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.journal.reader import JournalDamaged

    if isinstance(error, JournalDamaged | JournalUnreadable):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return ""
