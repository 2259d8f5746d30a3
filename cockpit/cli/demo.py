"""`cockpit demo`: a real cutover over real protocols, on servers that the program starts on loopback."""

from __future__ import annotations

import argparse
import sys


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "demo",
        help="the cockpit on servers of its own",
        description="Start the embedded lab (SSH, web, mail and DNS servers on loopback) and the cockpit on it. "
        "Six clients move from an old host to a new one: a real cutover that nobody else sees.",
    )
    parser.add_argument("--plan", default="karl", metavar="NAME", help="which migration (default: karl)")
    parser.add_argument("--headless", action="store_true", help="without a screen: steps in order, progress on stderr")
    parser.add_argument(
        "--go", action="append", default=[], metavar="GATE", help="a gate to open when headless, or all"
    )
    parser.add_argument("--json", action="store_true", help="headless: print a summary when it has ended")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status as `cockpit run`."""
    from cockpit.cli.live import can_show, end, screen
    from cockpit.journal.folder import create

    if not options.headless and not can_show():
        return 2
    folder = create(f"demo {options.plan}")
    arguments = ["--folder", str(folder.path), "--lab", options.plan]
    if options.headless:
        from cockpit.conductor.__main__ import main

        arguments += ["--headless", *(word for gate in options.go for word in ("--go", gate))]
        return main([*arguments, *(["--json"] if options.json else [])])
    from cockpit.conductor.launch import spawn

    pid = spawn(folder.path, [*arguments, "--linger", "900"])
    status = screen(folder, drive=True, starting=pid)
    end(pid)
    print(f"The demo has ended. `cockpit replay {folder.id}` plays it again.", file=sys.stderr)
    return status
