"""`python -m cockpit.lab`: a lab in a process of its own; prints one JSON line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from cockpit.lab import Lab, LabError, Stage, stage
from cockpit.lab.control import serve


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal, or with --until-stdin-closes until standard input ends. 0, or 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.lab", description="The embedded lab alone.")
    parser.add_argument("--folder", type=Path, help="where the hosts live (default: a temporary folder)")
    parser.add_argument("--clients", default="", help="which clients of karl, with commas (default: all six)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    parser.add_argument("--plan", default="karl", metavar="NAME", help="which migration is to be practised")
    parser.add_argument("--quiet", action="store_true", help="no visitors: servers alone")
    options = parser.parse_args(arguments)
    clients = tuple(name for name in options.clients.split(",") if name)
    try:
        chosen = stage(options.plan)
        chosen = chosen.of(clients) if clients else chosen
        asyncio.run(run(options.folder, chosen, until_eof=options.until_stdin_closes, traffic=not options.quiet))
    except LabError as error:
        print(f"cockpit lab: {error}", file=sys.stderr)
        return 1
    return 0


async def run(folder: Path | None, chosen: Stage, *, until_eof: bool = False, traffic: bool = True) -> None:
    """Start a lab, say so on standard output, wait for the end. Raises LabError."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    async with Lab.open(chosen, folder, traffic=traffic) as lab, serve(lab):
        print(json.dumps(ready(lab)), flush=True)
        if until_eof:
            loop.add_reader(sys.stdin.fileno(), _read, sys.stdin.fileno(), ended)
        await ended.wait()
        if until_eof:
            loop.remove_reader(sys.stdin.fileno())


def _read(number: int, ended: asyncio.Event) -> None:
    """Swallow what comes in; its end ends the lab."""
    if not os.read(number, 4096):
        ended.set()


def ready(lab: Lab) -> dict[str, object]:
    """What the ready line says: where the plan is, and every address."""
    where = lab.where
    sides = {side: lab.hosts[side].address for side in ("old", "new") if side in lab.hosts}
    names = {"authorities": list(where.authorities), "resolvers": list(where.resolvers)} if lab.zones else {}
    return {
        "ready": True,
        "plan": str(lab.plan_path),
        "folder": str(lab.folder),
        "control": str(lab.control_path),
        "hosts": {id: host.address for id, host in lab.hosts.items()},
        **sides,
        **names,
        "ports": where.ports,
        "answers": list(lab.stage.answers),
        **lab.stage.ready(lab),
    }


if __name__ == "__main__":
    sys.exit(main())
