"""`cockpit survey PLAN`: how large the data are, how fast they change, and how long the final copies should take."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cockpit.passes import Measured
    from cockpit.plan.model import Plan
    from cockpit.state import PassView


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "survey",
        help="size and rate of change of each data set, and the final copies predicted from both",
        description="Measures what the plan copies and dumps, keeps it beside the plan, and predicts the final copies.",
        epilog="exit status: 0 everything was measured, 1 something could not be, 2 the plan cannot be used",
    )
    parser.add_argument("plan", metavar="PLAN", help="the plan file")
    parser.add_argument("--show", action="store_true", help="measure nothing; show what is known")
    parser.add_argument(
        "--every", default="", metavar="TIME", help="measure again and again, as in 1h, until interrupted"
    )
    parser.add_argument("--times", type=int, default=0, metavar="N", help="with --every: so often")
    parser.add_argument("--gap", default="1h", metavar="TIME", help="from the last copy to the final one (1h)")
    parser.add_argument(
        "--rate", default="", metavar="RATE", help="bytes a second that go over, as in 20m, where no run told"
    )
    parser.add_argument("--book", default="", metavar="FILE", help="where measures are kept (PLAN.survey.jsonl)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status as in the epilog."""
    import time
    from pathlib import Path

    from cockpit.cli.plans import usable
    from cockpit.plan.shape import duration
    from cockpit.rate import rate
    from cockpit.survey import book

    plan = usable(args.plan)
    if plan is None:
        return 2
    gap, every = duration(args.gap), duration(args.every) if args.every else 0.0
    speed = rate(args.rate) if args.rate else 0
    wrong = args.gap if gap is None else args.every if every is None else args.rate if speed is None else ""
    if wrong or gap is None or every is None or speed is None:
        print(f"cockpit: {wrong} is not understood: write times as 30m or 2h, rates as 20m", file=sys.stderr)
        return 2
    file = Path(args.book) if args.book else book.beside(Path(args.plan))
    status, round = 0, 0
    while True:
        if not args.show:
            status = _measure(plan, file)
        _print(plan, file, gap, float(speed), args.json)
        round += 1
        if args.show or not every or round == args.times:
            return status
        time.sleep(every)


def _measure(plan: Plan, file: Path) -> int:
    import asyncio

    from cockpit.clock import SystemClock
    from cockpit.preflight.person import Person
    from cockpit.survey import book
    from cockpit.survey.measuring import measured

    asks = Person() if sys.stdin.isatty() and sys.stderr.isatty() else None
    found, troubles = asyncio.run(measured(plan, book.read(file), SystemClock(), asks))
    book.add(file, found)
    for trouble in troubles:
        print(f"cockpit: {trouble}", file=sys.stderr)
    return 1 if troubles else 0


def _print(plan: Plan, file: Path, gap: float, speed: float, as_json: bool) -> None:
    import msgspec

    from cockpit.survey import book
    from cockpit.survey.table import lines, survey

    passes, last = _earlier(plan)
    found = survey(plan, book.read(file), passes, last, gap, speed)
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(lines(found, gap)), flush=True)


def _earlier(plan: Plan) -> tuple[dict[str, list[PassView]], dict[str, Measured]]:
    """The copies of earlier runs of the plan by step, and the last final copy of each service."""
    from cockpit.events import RunStarted, SyncPassed
    from cockpit.journal.folder import list_runs, root
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.journal.salvage import Salvage
    from cockpit.passes import final_measured
    from cockpit.reduce import reduce
    from cockpit.state import RunState

    passes: dict[str, list[PassView]] = {}
    last: dict[str, Measured] = {}
    runs = [row for row in list_runs() if row.plan == plan.name][:5]
    for row in runs:
        state = RunState()
        try:
            # What can be read of a damaged one is still a measurement.
            for record in Salvage(root() / row.id / "journal.jsonl").records():
                # Nothing else bears on it, and a long run has a million events.
                if isinstance(record.event, RunStarted | SyncPassed):
                    state = reduce(state, record)
        except JournalUnreadable:
            continue
        for id, service in state.services.items():
            for one in service.passes:
                passes.setdefault(one.ref, []).append(one)
            found = final_measured(state, id)
            if found is not None:
                last.setdefault(id, found)
    return passes, last
