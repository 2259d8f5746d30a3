"""A tree with everything in it, copied between real hosts by each transport, and killed on the way again and again.

Each death is another: the conductor goes away and another one asks what became of it, rsync dies on either host, an SSH server goes
down with all its sessions, the network is cut. At last the copy must be verified, and both trees must read the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from cockpit.engine.ports import Outcome
from cockpit.plan.model import Step
from tests.hosts.told import call_of
from tests.real.rig import RealHost, missing, rigged
from tests.real.syncing import Syncing, agent, step, syncing
from tests.real.trees import look, many

DEATHS = ("conductor", "tool on new", "tool on old", "sshd of old", "sshd of new", "network")


def die(kind: str, old: RealHost, new: RealHost) -> None:
    """One death. Blocks."""
    match kind:
        case "tool on new":
            new.run("pkill -9 -x 'rsync|tar'; :")
        case "tool on old":
            old.run("pkill -9 -x 'rsync|tar'; :")
        case "sshd of old":
            old.restart_sshd()
        case "sshd of new":
            new.restart_sshd()
        case "network":
            new.cut()
            time.sleep(0.3)
            new.mend()


async def settled(at: Syncing, planned: Step, job: str, captured: dict[str, str]) -> Outcome:
    """What became of an apply, as a conductor that was started anew asks until it knows."""
    while True:
        call = msgspec.structs.replace(call_of(planned, "apply", captured), job=f"{job}.apply")
        found = await at.hands.recall(call, at.told)
        if found.verdict != "unknown":
            return found
        await asyncio.sleep(0.2)


async def copied(
    folder: Path,
    old: RealHost,
    new: RealHost,
    via: str,
    deaths: int,
    pause: float,
    say: Callable[[str], None],
    bwlimit: int = 0,
) -> list[str]:
    """Copy, dying so many times. Returns the sentences of what went wrong."""
    planned = step(via="auto" if via == "tar" else via, bwlimit=bwlimit)
    chance = random.Random(deaths)
    async with syncing(folder, old, new) as at:
        attempt, captured = 0, {}
        done = Outcome(verdict="no")
        died = 0
        while done.verdict != "ok":
            attempt += 1
            job = f"run.osf.{via}.{attempt}"
            found = await at.act(planned, "capture", captured, job)
            if found.verdict != "ok":
                say(f"  capture: {found.verdict} {found.detail}")
                await asyncio.sleep(0.2)
                continue
            captured = {**found.captured, **captured}
            acting = asyncio.create_task(at.act(planned, "apply", captured, job))
            while died < deaths:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(chance.uniform(0.1, pause)):
                        await asyncio.shield(acting)
                if acting.done():
                    break
                kind = DEATHS[died % len(DEATHS)]
                died += 1
                say(f"  {via}: death {died}, {kind}")
                if kind == "conductor":
                    acting.cancel()
                    await asyncio.gather(acting, return_exceptions=True)
                    at = at.reborn()
                    acting = asyncio.create_task(settled(at, planned, job, captured))
                else:
                    await asyncio.to_thread(die, kind, old, new)
            done = await acting
            if done.verdict == "unknown":
                done = await settled(at, planned, job, captured)
            say(f"  {via}: attempt {attempt}: {done.verdict} {done.detail}")
            if attempt > 3 * deaths + 10:
                return [f"{via}: it came to no end: {done}"]
        wrong = [] if died >= deaths else [f"{via}: the copy was over after {died} deaths; slow it down"]
        for _ in range(5):
            verified = await at.act(planned, "verify", captured, f"run.osf.{via}.{attempt}")
            if verified.verdict != "unknown":
                break
        if verified.verdict != "ok":
            wrong.append(f"{via}: {verified.detail}")
        one, two = (
            await asyncio.to_thread(look, old.root / "srv/tree"),
            await asyncio.to_thread(look, new.root / "srv/tree"),
        )
        unlike = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        if unlike:
            name = unlike[0]
            wrong.append(f"{via}: {len(unlike)} of {len(one)} differ, {name!r}: {one.get(name)} {two.get(name)}")
        for host in (old, new):
            once = host.file("root/.cockpit/once")
            left = [path.name for path in once.iterdir() if path.name != "lock"] if once.is_dir() else []
            if left or b"cockpit-once" in host.file("root/.ssh/authorized_keys").read_bytes():
                wrong.append(f"{via}: {host.name} has {left} of the one-time key")
        return wrong


def run(files: int = 100_000, deaths: int = 20) -> int:
    """Every transport. 0 when nothing went wrong."""
    if missing():
        print(missing())
        return 1
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, rigged(Path(folder)) as rig:
        with_rsync, new = rig.host("old", disk="3g"), rig.host("new", disk="3g")
        bare = rig.host("bare", disk="3g", without=("rsync",))
        for host in (with_rsync, bare):
            many(host.root / "srv/tree", files)
        # No tar carries a socket.
        bare.run("rm /srv/tree/socket; touch -d @1000000000 /srv/tree")
        for via in ("key", "agent", "relay", "tar"):
            began = time.monotonic()
            old = bare if via == "tar" else with_rsync
            new.run("rm -rf /srv/tree /root/.cockpit")
            with rig.standing(), agent(rig) as socket:
                os.environ["SSH_AUTH_SOCK"] = socket
                found = asyncio.run(copied(Path(folder) / via, old, new, via, deaths, 1.5, print))
            wrong += found
            print(f"{via}: {files:,} files, {deaths} deaths, {time.monotonic() - began:.0f} s: {found or 'identical'}")
    return 1 if wrong else 0
