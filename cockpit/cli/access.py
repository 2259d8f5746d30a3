"""`cockpit access RUN`: which other accounts may look at a live run, given and taken by name."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cockpit.text import harmless


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "access",
        help="let another account watch, hold and confirm, or no more",
        description="Let another account of this machine into a live run: it watches, can hold the run, and confirms gates as "
        "the second person. It never drives: it cannot read the run's token. Without an option, the list.",
    )
    parser.add_argument(
        "name", nargs="?", default="last", metavar="RUN", help="the run's id; default: the newest live one"
    )
    parser.add_argument("--give", metavar="ACCOUNT", help="let that account in")
    parser.add_argument("--watch", action="store_true", help="with --give: to watch and hold, not to confirm gates")
    parser.add_argument("--take", metavar="ACCOUNT", help="let it in no more; its connections are cut at once")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0, or 2 when there is no such run or account."""
    import asyncio

    from cockpit.cli.live import live

    if options.give and options.take:
        print("cockpit: give or take, one at a time", file=sys.stderr)
        return 2
    if options.watch and not options.give:
        print("cockpit: --watch belongs to --give", file=sys.stderr)
        return 2
    folder = live(options.name)
    if folder is None:
        return 2
    try:
        return asyncio.run(_visit(folder.socket, folder.token(), options))
    except ConnectionError as error:
        print(f"cockpit: {harmless(str(error))}", file=sys.stderr)
        return 2


async def _visit(socket: Path, token: str, options: argparse.Namespace) -> int:
    from cockpit import intents as it
    from cockpit.cli.live import operator
    from cockpit.conductor.visit import visiting

    async with visiting(socket, operator(), token) as visit:
        refusal = ""
        if options.give:
            may = "watch" if options.watch else "confirm"
            refusal = await visit.ask(it.GiveAccess(account=options.give, may=may))  # type: ignore[arg-type]
        elif options.take:
            refusal = await visit.ask(it.TakeAccess(account=options.take))
        if refusal:
            print(f"cockpit: {harmless(refusal)}", file=sys.stderr)
            return 2
        if options.give:
            await visit.until(lambda state: options.give in state.access and state.door, 5.0)
        elif options.take:
            await visit.until(lambda state: options.take not in state.access, 5.0)
        state = visit.state
    if not state.access:
        print("No other account has access.")
        return 0
    for name, view in state.access.items():
        what = "watches, holds, confirms" if view.may == "confirm" else "watches, holds"
        print(harmless(f"{name:<16} {what:<26} given by {view.by}"))
    print(harmless(f"They type: cockpit watch {state.door}"))
    asked = [gate.id for gate in state.plan.gates if gate.second] if state.plan is not None else []
    for gate in asked:
        print(harmless(f"  or, without a screen: cockpit confirm {state.door} {gate}"))
    print(harmless(f"What lets them in: {state.door_how}; the conductor asks the kernel who each of them is."))
    return 0
