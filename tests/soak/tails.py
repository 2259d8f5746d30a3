"""`python -m tests.soak tails`: exactness of tails on real hosts, over rotations of every kind and lost connections.

Every line that was written must be told once, in order, and every byte must be in the raw file once.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cockpit.events import LogGap, LogSeen, Trouble
from cockpit.hosts.tail import Tails
from cockpit.plan.model import Log
from tests.hosts.told import Told, pooled
from tests.real.rig import RealHost, Rig, rigged
from tests.soak.rotation import KINDS, PLAIN_KINDS, Rotated, Writer, wrong


class Load(msgspec.Struct, frozen=True):
    """What is done to a host: `rate` is lines a second of each log."""

    logs: int = 10
    rate: float = 2000
    rotations: int = 50
    drops: int = 20
    seconds: float = 20


HOSTS: dict[str, dict[str, Any]] = {
    "OpenSSH, Python": {},
    "OpenSSH, dash without Python": {"without": ("python3", "python3.11", "python3.12", "python3.13")},
    "Dropbear, busybox": {"server": "dropbear", "tools": "busybox", "shell": "busybox"},
}


def seen(told: Told, log: Rotated) -> list[str]:
    """All lines that were told of a log."""
    return [
        line for event in told.of(LogSeen) if event.file.rpartition("/")[2] == log.path.name for line in event.lines
    ]


async def night(host: RealHost, load: Load, seed: int, folder: Path) -> list[str]:
    """Write, rotate, drop, compare. Returns the sentences of what went wrong."""
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    (folder / "raw").mkdir(parents=True)
    place = host.file(f"/srv/logs-{seed}")
    host.run(f"mkdir -p /srv/logs-{seed}")
    kinds = PLAIN_KINDS if host.server == "dropbear" else KINDS
    logs = [Rotated(place / f"app{number}.log", kinds) for number in range(load.logs)]
    told = Told()
    told._folder = folder / "raw"
    followed = tuple(Log(host=host.name, file=f"/srv/logs-{seed}/{log.path.name}") for log in logs)
    async with pooled({host.name: host.plan()}, told) as pool:
        tails = Tails(pool, followed, told, told.raw)
        running = asyncio.create_task(tails.run())
        writer = Writer(logs, load.rate, load.rotations, load.seconds, seed)
        try:
            await told.until(lambda: any(getattr(event, "link", "") == "up" for event in told.events), 20)
            await asyncio.sleep(1.5)
            writer.start()
            for _ in range(load.drops):
                await asyncio.sleep(load.seconds / load.drops)
                host.restart_sshd()  # On this thread: it stands at the desk.
            await asyncio.to_thread(writer.join)
            until = time.monotonic() + 90
            while time.monotonic() < until and any(
                log.line(log.lines - 1) not in seen(told, log)[-20:] for log in logs
            ):
                await asyncio.sleep(0.25)
            await asyncio.sleep(1)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    if writer.trouble is not None:
        raise writer.trouble
    found = [text for log in logs if (text := wrong(log, seen(told, log)))]
    for log in logs:
        [raw] = (folder / "raw").glob(f"*{log.path.name}")
        if raw.read_bytes() != "".join(log.line(number) + "\n" for number in range(log.lines)).encode():
            found.append(f"{log.path.name}: its raw file is not what was written")
    found += [f"{event}" for event in told.events if isinstance(event, (LogGap, Trouble))]
    host.run(f"rm -rf /srv/logs-{seed}")
    return found


def nights(load: Load, rounds: int, say: Callable[[str], None]) -> int:
    """Each kind of host for so many rounds. Returns how many went wrong."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tails", ignore_cleanup_errors=True) as root:
        folder = Path(root)
        with rigged(folder) as rig, rig.standing():
            for number, (name, kind) in enumerate(HOSTS.items()):
                host = rig.host(f"host{number}", **kind)
                for seed in range(1, rounds + 1):
                    found = asyncio.run(night(host, load, seed, folder / "journal"))
                    failed += bool(found)
                    say(
                        f"{name}: {load.logs} files, {load.logs * load.rate:,.0f} lines/s in all, {load.rotations} rotations, "
                        f"{load.drops} reconnects, {load.seconds:.0f} s: {'; '.join(found) or 'every line once, in order'}"
                    )
    return failed


def run(rounds: int = 3) -> int:
    """The count; 0 when every line was told once."""

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    failed = nights(Load(), rounds, say)
    say(f"{failed} went wrong" if failed else "nothing was lost, nothing doubled")
    return 1 if failed else 0


__all__ = ["HOSTS", "Load", "Rig", "night", "nights", "run"]
