"""`cockpit preflight PLAN`: try all that the plan will need, and say how to mend what is not there."""

from __future__ import annotations

import argparse
import sys


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "preflight",
        help="try all that a plan will need: hosts, keys, rights, tools, room, clocks",
        description="Connects to every host of the plan at the same time and changes nothing there.",
        epilog="exit status: 0 nothing stands in the way, 1 something does, 2 the plan cannot be used",
    )
    parser.add_argument("plan", metavar="PLAN", help="the plan file")
    parser.add_argument("--json", action="store_true", help="print the rows as a JSON array")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status as in the epilog."""
    import asyncio
    import time

    import msgspec

    from cockpit.cli.plans import usable
    from cockpit.clock import SystemClock
    from cockpit.preflight.person import Person
    from cockpit.preflight.trial import preflight, table

    plan = usable(args.plan)
    if plan is None:
        return 2
    began = time.monotonic()
    asks = Person() if sys.stdin.isatty() and sys.stderr.isatty() else None
    rows = asyncio.run(preflight(plan, SystemClock(), asks))
    bad = [row for row in rows if row.grade == "fail"]
    if args.json:
        print(msgspec.json.encode(rows).decode())
    else:
        print("\n".join(table(rows)))
        warned = sum(row.grade == "warn" for row in rows)
        took = time.monotonic() - began
        print(f"{len(rows)} things tried in {took:.1f} s: {len(bad)} in the way, {warned} to look at", file=sys.stderr)
    return 1 if bad else 0
