"""`cockpit confirm RUN GATE`: the second person's yes, without a screen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.text import harmless

if TYPE_CHECKING:
    from cockpit.conductor.visit import Visit
    from cockpit.state import RunState


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "confirm",
        help="confirm a gate as the second person",
        description="Wait until the gate is asked for, show the evidence, and confirm it when its name is typed. It is done from "
        "another Unix account than the opener's, which was let in with `cockpit access`.",
        epilog="exit status: 0 confirmed, 1 refused or not confirmed, 2 no such run or gate, 3 it was not asked for in time",
    )
    parser.add_argument("name", metavar="RUN", help="the path that `cockpit access` and `cockpit runs` tell")
    parser.add_argument("gate", metavar="GATE", help="the gate's name")
    parser.add_argument(
        "--wait", type=float, default=900.0, metavar="SECONDS", help="how long to wait for the question (default: 900)"
    )
    parser.add_argument(
        "--no", metavar="REASON", dest="refuse", help="say no, with a reason, and leave the gate closed"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status as in the epilog."""
    import asyncio

    from cockpit.cli.live import socket_of

    socket = socket_of(options.name)
    if socket is None:
        return 2
    try:
        return asyncio.run(_visit(socket, options))
    except ConnectionError as error:
        _complain(str(error))
        return 2


async def _visit(socket: Path, options: argparse.Namespace) -> int:
    from cockpit import intents as it
    from cockpit.cli.live import operator
    from cockpit.conductor.visit import visiting

    async with visiting(socket, operator()) as visit:
        gate = options.gate
        if gate not in visit.state.gates:
            _complain(f"the plan has no gate {gate}; it has {', '.join(visit.state.gates)}")
            return 2
        if visit.state.gates[gate].asked is None and not visit.state.gates[gate].open:
            print(f"Gate {gate} is not asked for yet; waiting.", file=sys.stderr)
        if not await visit.until(lambda state: state.gates[gate].asked or state.gates[gate].open, options.wait):
            _complain(visit.over or f"nobody asked for gate {gate} in time")
            return 3
        asked = visit.state.gates[gate].asked
        if asked is None:
            print(f"Gate {gate} is open already.", file=sys.stderr)
            return 1
        print(question(visit.state, gate))
        if options.refuse is not None:
            return _told(await visit.ask(it.Decline(gate=gate, reason=options.refuse)), f"Gate {gate} was refused.")
        typed = await _typed(visit, gate, asked.seq)
        if typed is None:
            _complain(f"the question is over: {visit.state.gates[gate].reason or visit.over}")
            return 1
        if not typed:
            _complain("nothing was typed, which is no yes")
            return 1
        yes = it.Confirm(
            gate=gate, typed=typed, run=visit.state.run, plan=asked.plan, asked=asked.seq, digest=asked.digest
        )  # fmt: skip
        return _told(await visit.ask(yes), f"Gate {gate} is confirmed.")


def question(state: RunState, gate: str) -> str:
    """What the second person confirms, in full. It is another account's: none of it acts on the terminal."""
    from cockpit.engine.second import gate_of, put

    planned = gate_of(state, gate)
    lines = put(state, planned) if planned is not None else []
    word = planned.typed if planned is not None else gate
    lines.append(f"To confirm, type {word} and Enter; anything else is a no.")
    return "\n".join(harmless(line) for line in lines)


async def _typed(visit: Visit, gate: str, seq: int) -> str | None:
    """The line that was typed; None when the question was over first. Whatever else was typed is no yes."""
    import asyncio
    import threading

    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        text = sys.stdin.readline()
        loop.call_soon_threadsafe(lambda: None if line.done() else line.set_result(text.strip()))

    # A thread that ends with the program: nothing else can be done about somebody who types nothing.
    threading.Thread(target=read, name="typed", daemon=True).start()

    def gone(state: RunState) -> bool:
        asked = state.gates[gate].asked
        return asked is None or asked.seq != seq

    over = asyncio.create_task(visit.until(gone, 3600.0))
    try:
        racing: set[asyncio.Future[Any]] = {line, over}
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        return line.result() if line.done() else None
    finally:
        over.cancel()
        await asyncio.gather(over, return_exceptions=True)


def _told(refusal: str, done: str) -> int:
    if refusal:
        _complain(refusal)
        return 1
    print(done)
    return 0


def _complain(why: str) -> None:
    print(f"cockpit: {harmless(why)}", file=sys.stderr)
