"""`cockpit check PLAN`: every finding as `file:line:column: severity code message`."""

from __future__ import annotations

import argparse


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers the command."""
    parser = sub.add_parser("check", help="every error and warning of a plan, with its place")
    parser.add_argument("plan", metavar="PLAN", help="the plan file")
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON array")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 clean, 1 findings, 2 the file cannot be read as a plan."""
    from pathlib import Path

    import msgspec

    from cockpit.plan.load import load

    loaded = load(Path(args.plan))
    if args.json:
        print(msgspec.json.encode(loaded.findings).decode())
    else:
        for finding in loaded.findings:
            print(str(finding).encode("utf-8", "backslashreplace").decode())
    if not loaded.readable:
        return 2
    return 1 if loaded.findings else 0
