"""Writers that race for the same record sets on a real BIND, with answers lost on the way, and the winner's way back."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.plan.model import Op, Step
from cockpit.plan.zones import Dns, DnsChange, RecordSet
from cockpit.probes.dns.update import DnsHands
from tests.real.lossy import Fate, Lossy
from tests.real.named import Named, missing, running

ZONE = """$TTL 3600
@ IN SOA ns1 hostmaster 1 3600 600 86400 30
@ IN NS ns1
ns1 3600 IN A 127.0.0.1
www 271 IN A 192.0.2.10
www 271 IN A 192.0.2.11
www 93 IN AAAA 2001:db8::10
@ 1801 IN MX 10 Mail.Old.example.
@ 1801 IN MX 20 mail2.old.EXAMPLE.
txt 7 IN TXT "Kept As It Is" "in two; parts"
other 55 IN A 192.0.2.99
""" + "".join(f"host{number} IN A 192.0.2.{number}\n" for number in range(1, 120))
"""The hosts make it as large as zones are: of a tiny one BIND sends the whole where its changes are asked for."""
OLD = (
    ("www.race.test", "A", ("192.0.2.10", "192.0.2.11")),
    ("www.race.test", "AAAA", ("2001:db8::10",)),
    ("race.test", "MX", ("10 mail.old.example.", "20 mail2.old.example")),
    ("txt.race.test", "TXT", ('"Kept As It Is" "in two; parts"',)),
)
FATES: tuple[Fate, ...] = ("pass", "lose-answer", "lose-answer", "lose-request", "twice")


class Writer:
    """One operator with values of its own, through one way to the server."""

    def __init__(self, number: int, zone: Dns, *, over_udp: bool) -> None:
        self.over_udp = over_udp
        new = (
            (f"203.0.113.{number}", f"203.0.113.{number + 100}"),
            (f"2001:db8::{number}:1",),
            (f"5 mx{number}.new.example.",),
            (f'"writer {number}"',),
        )
        records = [
            RecordSet(name=name, type=type, old=old, new=mine, ttl=60 + number)
            for (name, type, old), mine in zip(OLD, new, strict=True)
        ]
        self.value = new[0][0]
        self._hands = DnsHands(zone, SystemClock())
        action = DnsChange(record=records[0], more=tuple(records[1:]))
        self._step = Step(ref="s/dns", id="dns", service="s", phase="switch", kind="dns", action=action, timeout=30)
        self._captured: dict[str, str] = {}

    async def __call__(self, op: Op) -> Outcome:
        call = Call(step=self._step, op=op, attempt=1, job=f"j.{op}", captured=self._captured)
        outcome = await self._hands.act(call, lambda event: None)
        if op == "capture":
            self._captured = outcome.captured
        return outcome


async def rounds(count: int, folder: Path, seed: int, writers: int = 4) -> Counter[str]:
    """So many races. What must never be raises AssertionError; the counter says what was met."""
    chance = random.Random(seed)
    met: Counter[str] = Counter()
    with running(folder, "race.test", ZONE) as server:
        async with (
            Lossy(server.port, lambda: chance.choice(FATES)) as over_tcp,
            Lossy(server.port, lambda: chance.choice(FATES), tcp=False) as over_udp,
        ):
            before = await asyncio.to_thread(server.whole)
            for number in range(count):
                ways = [chance.choice((server.server, over_tcp.server, over_udp.server)) for _ in range(writers)]
                racers = [
                    Writer(index + 1, server.plan(way), over_udp=way == over_udp.server)
                    for index, way in enumerate(ways)
                ]
                await _race(server, racers, met, peer=number % 4 == 0)
                after = await asyncio.to_thread(server.whole)
                assert after == before, f"round {number}: the way back left\n{after}\nwhere there was\n{before}"
                met["rounds"] += 1
            met["lost over tcp"], met["lost over udp"] = over_tcp.lost, over_udp.lost
    return met


async def _race(server: Named, racers: list[Writer], met: Counter[str], *, peer: bool) -> None:
    """One race: exactly one wins, whole; then it goes back."""
    for racer in racers:
        assert (await racer("capture")).verdict == "ok"
    since = await asyncio.to_thread(server.serial)
    script = (
        "prereq yxrrset www.race.test. A 192.0.2.10\nprereq yxrrset www.race.test. A 192.0.2.11\n"
        "update delete www.race.test. A\nupdate add www.race.test. 60 A 203.0.113.250"
    )
    outside = asyncio.create_task(asyncio.to_thread(server.nsupdate, script)) if peer else None
    outcomes = await asyncio.gather(*(racer("apply") for racer in racers))
    peer_won = await outside if outside is not None else False
    won = [racer for racer, outcome in zip(racers, outcomes, strict=True) if outcome.verdict == "ok"]
    said = [(outcome.verdict, outcome.detail) for outcome in outcomes]
    assert len(won) + peer_won == 1, said
    assert await asyncio.to_thread(server.serial) == since + 1, f"one change was made more than once: {said}"
    # Where a server is reached over UDP alone its history cannot be asked: a loser whose answer was lost does not know.
    for racer, outcome in zip(racers, outcomes, strict=True):
        met[
            f"{outcome.verdict} without tcp" if racer.over_udp and outcome.verdict == "unknown" else outcome.verdict
        ] += 1
    met["after a lost answer"] += sum("lost" in outcome.detail for outcome in outcomes)
    served = server.dig("www.race.test", "A", "+short").split()
    if peer_won:
        met["won by nsupdate"] += 1
        assert served == ["203.0.113.250"], served
        back = "update delete www.race.test. A\n" + "".join(f"update add www.race.test. 271 A {a}\n" for a in OLD[0][2])
        assert await asyncio.to_thread(server.nsupdate, back)
        return
    assert won[0].value in served, (served, said)
    undone = await won[0]("undo")
    assert undone.verdict == "ok", undone
    assert (await won[0]("verify_undo")).verdict == "ok"
    assert await asyncio.to_thread(server.serial) == since + 2, "the way back was gone twice"


def run(count: int) -> int:
    """0 when every race had one winner and left no trace."""
    if missing():
        print(missing())
        return 2
    seed = random.randrange(2**32)
    print(f"{count} races, seed {seed}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        met = asyncio.run(rounds(count, Path(folder) / "named", seed))
    print(
        f"{met['rounds']} races in {time.monotonic() - began:.0f} s: " + ", ".join(f"{n} {k}" for k, n in met.items())
    )
    return 0
