"""A sync of 100,000 files between real OpenSSH hosts beside bare rsync over ssh on the same hosts: first copy, and a pass in which
nothing changed. Judged is the apply of a sync step: the pass that an operator waits for. What the step does around it is shown.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from cockpit.plan.model import Op
from tests.real.rig import RealHost, missing, rigged
from tests.real.syncing import Syncing, step, syncing

TARGET = 1.1
FILES = 100_000
ROUNDS = 5


def plant(top: Path) -> None:
    """So many small files in a thousand folders, as a web root or a mail store has them."""
    for number in range(FILES // 100):
        folder = top / f"{number // 40:03d}" / f"{number:04d}"
        folder.mkdir(parents=True)
        for index in range(100):
            (folder / f"file-{index:02d}").write_bytes(b"x" * (100 + number * index % 3000))


def bare(old: RealHost, new: RealHost, options: str) -> float:
    """Seconds of an rsync that new runs by hand, pulling from old."""
    began = time.perf_counter()
    new.run(f"rsync {options} root@{old.address}:/srv/tree/ /srv/tree/")
    return time.perf_counter() - began


async def ours(at: Syncing, job: str, new: RealHost, via: str) -> dict[str, float]:
    """Seconds of each op of a step."""
    planned = step(via=via)
    took: dict[str, float] = {}
    captured: dict[str, str] = {}
    ops: tuple[Op, ...] = ("probe", "capture", "apply", "verify")
    for op in ops:
        began = time.perf_counter()
        done = await at.act(planned, op, captured, job)
        took[op] = time.perf_counter() - began
        if done.verdict not in {"ok", "no"}:
            raise RuntimeError(f"{op}: {done.detail}")
        captured = captured or done.captured
    return took


def line(name: str, seconds: list[float]) -> float:
    """Print a row; its best, which other work on the machine disturbs least."""
    best = min(seconds)
    median = statistics.median(seconds)
    print(f"  {name:<44} median {median:6.2f} s   best {min(seconds):6.2f} s   worst {max(seconds):6.2f} s")
    return best


def measure(rounds: int = 0) -> bool:
    """Print both, and whether ours is within the target in both cases."""
    if missing():
        print(missing())
        return False
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, rigged(Path(folder)) as rig:
        old, new = rig.host("old", disk="4g"), rig.host("new", disk="4g")
        plant(old.root / "srv/tree")
        (new.root / "root/.ssh/id_ed25519").write_bytes(rig.key.read_bytes())
        new.run(f"chmod 600 /root/.ssh/id_ed25519; echo '{old.address} {old.host_key}' >/root/.ssh/known_hosts")

        def note(name: str, seconds: float) -> None:
            found.setdefault(name, []).append(seconds)

        async def all_rounds() -> None:
            async with syncing(Path(folder) / "raw", old, new) as at:
                for number in range(rounds or ROUNDS):
                    for options in ("-a", "-aHAXS --numeric-ids"):
                        new.run("rm -rf /srv/tree; sync")
                        note(f"first {options}", await asyncio.to_thread(bare, old, new, options))
                        note(f"same {options}", await asyncio.to_thread(bare, old, new, options))
                    for via in ("key", "relay"):
                        new.run("rm -rf /srv/tree /root/.cockpit; sync")
                        for case in ("first", "same"):
                            took = await ours(at, f"run.osf.copy.{number}{via}{case}", new, via)
                            for op, seconds in took.items():
                                note(f"{case} {via} {op}", seconds)

        with rig.standing():
            asyncio.run(all_rounds())
    good = True
    for case, title in (("first", "first copy"), ("same", "pass in which nothing changed")):
        print(f"{title} of {FILES:,} files")
        base = line("bare rsync -a", found[f"{case} -a"])
        line("bare rsync -aHAXS --numeric-ids", found[f"{case} -aHAXS --numeric-ids"])
        mine = line("ours by key: apply", found[f"{case} key apply"])
        for op in ("probe", "capture", "verify"):
            line(f"  and around it: {op}", found[f"{case} key {op}"])
        line("ours through the cockpit (relay): apply", found[f"{case} relay apply"])
        print(f"  apply by key is {mine / base:.2f} times bare rsync -a; target: at most {TARGET}")
        good = good and mine / base <= TARGET
    return good
