"""The horizon against honest caches: random schedules of TTLs, changes, undo and lags on real servers.

BIND is the primary, Knot and NSD follow, three Unbounds resolve: one honest, one that serves what has expired, one that stretches
TTLs. A fleet of caches that ask a random authority every few milliseconds and hold each answer for exactly its TTL knows within
milliseconds when the last honest cache gave its last old answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.asyncquery
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import msgspec

from cockpit.clock import SystemClock
from cockpit.events import DnsSeen, Event, HorizonSeen
from cockpit.plan.zones import Dns, RecordSet
from cockpit.probes.dns.answer import Answer
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.stages import Followed
from cockpit.probes.dns.watch import DnsWatch
from tests.real.rig import RealHost, Rig
from tests.real.world.dns import PARENT, ZONE, Key, bind, delegation, flush, knot, nsd, unbound, zone_text

EVERY = 0.25
"""Seconds between two looks of the watch."""
PATIENCE = 2.0
"""How much later than the last old answer the horizon may be, seconds."""
NEGATIVE = 4
FLEET_GAP = 0.015
"""Seconds between two fetches of the fleet, for each name."""


class World:
    """The servers, with the switches that make them lag."""

    def __init__(self, rig: Rig) -> None:
        names = ("ns1", "ns2", "ns3", "parent", "honest", "stale", "clamping")
        self.hosts = {name: rig.host(name) for name in names}
        self.key = Key()
        self.servers = {name: self.hosts[name] for name in ("ns1", "ns2", "ns3")}
        ns1, ns2, ns3 = self.servers.values()
        parent = self.hosts["parent"]
        text = zone_text(self.servers, "nothing 5 IN TXT x", refresh=3, negative=NEGATIVE)
        bind(ns1, text, key=self.key, secondaries=[ns2, ns3])
        knot(ns2, primary=ns1)
        nsd(ns3, primary=ns1)
        nsd(parent, zone=PARENT, text=zone_text({"ns1": parent}, delegation(self.servers), zone=PARENT))
        unbound(self.hosts["honest"], parent)
        unbound(self.hosts["stale"], parent, "stale")
        unbound(self.hosts["clamping"], parent, "clamping")

    def address(self, name: str) -> str:
        return self.hosts[name].address

    @property
    def authorities(self) -> tuple[str, ...]:
        return tuple(host.address for host in self.servers.values())

    def dns(self) -> Dns:
        """It, as a plan names it."""
        return Dns(
            zone=ZONE,
            primary=self.address("ns1"),
            authorities=self.authorities,
            resolvers=tuple(self.address(name) for name in ("honest", "stale", "clamping")),
            every=EVERY,
        )

    async def change(self, *sets: tuple[str, str, int, tuple[str, ...]]) -> None:
        """Make each (name, type) hold these values with this TTL, in one update at the primary."""
        ring = dns.tsigkeyring.from_text({self.key.name: self.key.secret})
        update = dns.update.UpdateMessage(ZONE, keyring=ring, keyalgorithm=dns.tsig.HMAC_SHA256)
        for name, type, ttl, values in sets:
            owner = dns.name.from_text(name)
            update.delete(owner, type)
            for value in values:
                update.add(owner, ttl, type, value)
        response = await dns.asyncquery.tcp(update, self.address("ns1"), 10)
        assert response.rcode() == dns.rcode.NOERROR, response

    def hold_back(self, name: str) -> None:
        """A secondary learns nothing new from now on."""
        _run(self.hosts[name], f"ip route replace blackhole {self.address('ns1')}/32")

    def let_go(self, name: str) -> None:
        """It may again, and does so by its own timers or at once, as it likes."""
        _run(self.hosts[name], f"ip route del blackhole {self.address('ns1')}/32 2>/dev/null || :")
        catch_up = {
            "ns2": f"knotc -s /run/knot/knot.sock zone-refresh {ZONE}",
            "ns3": f"nsd-control -c /etc/nsd/rig.conf transfer {ZONE}",
        }
        _run(self.hosts[name], f"{catch_up[name]} >/dev/null 2>&1 || :")

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """A resolver reaches no authority meanwhile."""
        for server in (*self.authorities, self.address("parent")):
            _run(self.hosts[name], f"ip route replace blackhole {server}/32")
        try:
            yield
        finally:
            for server in (*self.authorities, self.address("parent")):
                _run(self.hosts[name], f"ip route del blackhole {server}/32 2>/dev/null || :")


def _run(host: RealHost, script: str) -> None:
    host.run(script, check=False)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one name. `before` are (pause, what, TTL) with what in old and new; `then` is the pause of the last
    change, counted from when all others have had theirs."""

    name: str
    kind: str
    type: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    first_ttl: int
    before: tuple[tuple[float, str, int], ...]
    then: float
    last_ttl: int
    link_ttl: int = 0

    def record(self) -> RecordSet:
        return RecordSet(name=self.name, type=self.type, old=self.old, new=self.new)

    def sets(self, what: str, ttl: int) -> list[tuple[str, str, int, tuple[str, ...]]]:
        """What the zone holds for it."""
        values = self.new if what == "new" else self.old
        if self.kind == "link":
            side = "2" if what == "new" else "1"
            return [(self.name, "CNAME", ttl, (f"web{side}.{self.name}.",))]
        if self.kind == "behind a link":
            return [(f"web1.{self.name}", "A", ttl, values)]
        return [(self.name, self.type, ttl, values)]

    def foundation(self) -> list[tuple[str, str, int, tuple[str, ...]]]:
        """What has to be there from the beginning."""
        more = []
        if self.kind == "link":
            more = [(f"web1.{self.name}", "A", 7, self.old), (f"web2.{self.name}", "A", 7, self.new)]
        elif self.kind == "behind a link":
            more = [(self.name, "CNAME", self.link_ttl, (f"web1.{self.name}.",))]
        return [*more, *self.sets("old", self.first_ttl)]

    def held(self, answer: Answer) -> int:
        """For how long an honest cache answers old after this answer, seconds: for a link that changes, what is behind it can
        be fetched again until the link has run out."""
        if self.kind == "link":
            return answer.chain[0].ttl if answer.chain else 0
        return answer.record_ttl if answer.values else answer.negative_ttl


def random_schedule(dice: random.Random, name: str) -> Schedule:
    """A TTL of a few seconds, perhaps lowered before, perhaps changed and taken back before the last change."""
    kind = dice.choice(["address", "address", "new name", "taken away", "mail", "link", "behind a link"])
    type, old, new = "A", ("192.0.2.1",), ("192.0.2.2",)
    if kind == "new name":
        old = ()
    elif kind == "taken away":
        new = ()
    elif kind == "mail":
        type, old, new = "MX", ("10 old.example.net.",), ("10 old.example.net.", "20 new.example.net.")
    first = dice.randint(2, 6)
    before: list[tuple[float, str, int]] = []
    ttl = first
    if dice.random() < 0.6 and kind != "new name":
        ttl = dice.randint(1, 2)
        before.append((dice.uniform(0.7, 3.0), "old", ttl))
    if dice.random() < 0.5:
        before.append((dice.uniform(0.7, 3.0), "new", dice.randint(1, 4)))
        before.append((dice.uniform(0.7, 3.0), "old", dice.choice([first, ttl])))
    return Schedule(
        name=name, kind=kind, type=type, old=old, new=new, first_ttl=first, before=tuple(before),
        then=dice.uniform(0.2, 2.0), last_ttl=dice.randint(1, 5), link_ttl=dice.randint(1, 6),
    )  # fmt: skip


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one schedule came to. `late` is how much later than the last old answer of an honest cache the horizon was, seconds;
    negative would be too early. `resolver` is the same for the honest Unbound, `held_up` for how long the machine kept this process
    from looking."""

    schedule: Schedule
    late: float
    resolver: float
    held_up: float
    stale_flagged: bool
    stale_unflagged: int
    stale_moved: int
    clamped_flagged: bool
    fetches: int
    wrong: tuple[str, ...]


class Batch:
    """Some names under way at the same time, watched by one desk."""

    def __init__(self, world: World, dice: random.Random, number: int, size: int) -> None:
        self._world = world
        self._dice = dice
        self._schedules = [random_schedule(dice, f"n{number}x{n}.{ZONE}") for n in range(size)]
        self._events: dict[str, list[tuple[float, Event]]] = {one.name: [] for one in self._schedules}
        self._last: dict[str, float] = dict.fromkeys(self._events, 0.0)
        self._fetches: dict[str, int] = dict.fromkeys(self._events, 0)
        self._resolver: dict[str, float] = dict.fromkeys(self._events, 0.0)
        self._stale: dict[str, list[float]] = {name: [] for name in self._events}
        self._clock = SystemClock()
        self._held_up = 0.0

    async def run(self) -> list[Verdict]:
        """Everything from the first record to the last answer."""
        world, clock = self._world, self._clock
        await world.change(*(part for one in self._schedules for part in one.foundation()))
        async with Asker() as asker, Asker() as others:
            await self._everywhere(others)
            desk = Desk(world.dns(), asker, self._take, clock)
            tasks = [asyncio.create_task(self._hold_up())]
            try:
                for one in self._schedules:
                    followed = Followed(name=one.name, type=one.type, stages=(one.record(),))
                    tasks.append(asyncio.create_task(DnsWatch("s", followed, desk).run()))
                    tasks.append(asyncio.create_task(self._fleet(one, others)))
                    tasks.append(asyncio.create_task(self._sample(one, others)))
                await asyncio.sleep(1.0)
                await asyncio.gather(*(self._prepare(one) for one in self._schedules))
                await self._prime(others)
                lagging = asyncio.create_task(self._lag())
                with world.cut_off("stale"):
                    await asyncio.gather(*(self._finish(one) for one in self._schedules))
                    await lagging
                    await self._past_the_horizons(tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return [self._judge(one) for one in self._schedules]

    async def _hold_up(self) -> None:
        """How long at the most this process was kept from looking by the machine, seconds: no fault of the watch."""
        while True:
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(0.02)
            self._held_up = max(self._held_up, asyncio.get_running_loop().time() - began - 0.02)

    def _take(self, event: Event) -> None:
        if isinstance(event, DnsSeen | HorizonSeen):
            self._events[event.name].append((self._clock.utc(), event))

    async def _everywhere(self, asker: Asker) -> None:
        """Until each authority has what was there from the beginning."""
        for one in self._schedules:
            for server in self._world.authorities:
                async with asyncio.timeout(30):
                    while (await asker.ask(server, one.name, one.type, recurse=False)).values != self._old(one):
                        await asyncio.sleep(0.1)

    async def _prime(self, asker: Asker) -> None:
        """The stale resolver holds what is old, whatever it saw of a change that was taken back."""
        await asyncio.to_thread(flush, self._world.hosts["stale"])
        for one in self._schedules:
            async with asyncio.timeout(30):
                while True:
                    answer = await asker.ask(self._world.address("stale"), one.name, one.type, recurse=True)
                    if answer.rcode in {"NOERROR", "NXDOMAIN"} and answer.values == self._old(one):
                        break
                    await asyncio.sleep(0.1)
                    await asyncio.to_thread(flush, self._world.hosts["stale"], one.name)

    def _old(self, one: Schedule) -> tuple[str, ...]:
        return tuple(sorted(value.rstrip(".") for value in one.old))

    def _new(self, one: Schedule) -> tuple[str, ...]:
        return tuple(sorted(value.rstrip(".") for value in one.new))

    async def _prepare(self, one: Schedule) -> None:
        for pause, what, ttl in one.before:
            await asyncio.sleep(pause)
            await self._world.change(*one.sets(what, ttl))

    async def _finish(self, one: Schedule) -> None:
        await asyncio.sleep(one.then)
        await self._world.change(*one.sets("new", one.last_ttl))

    async def _lag(self) -> None:
        """Perhaps a secondary learns of it some seconds late."""
        slow = self._dice.choice(["", "ns2", "ns3"])
        if slow:
            await asyncio.to_thread(self._world.hold_back, slow)
            await asyncio.sleep(self._dice.uniform(1.0, 5.0))
            await asyncio.to_thread(self._world.let_go, slow)

    async def _fleet(self, one: Schedule, asker: Asker) -> None:
        """Honest caches: each asks one authority once and holds what it said."""
        new = self._new(one)
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._fetch(one, new, asker))
                await asyncio.sleep(FLEET_GAP)

    async def _fetch(self, one: Schedule, new: tuple[str, ...], asker: Asker) -> None:
        server = self._dice.choice(self._world.authorities)
        answer = await asker.ask(server, one.name, one.type, recurse=False, timeout=1.0)
        now = self._clock.utc()
        if answer.rcode not in {"NOERROR", "NXDOMAIN"}:
            return
        self._fetches[one.name] += 1
        if answer.values != new:
            self._last[one.name] = max(self._last[one.name], now + one.held(answer))

    async def _sample(self, one: Schedule, asker: Asker) -> None:
        """What the honest Unbound and the stale one say."""
        new = self._new(one)
        while True:
            for name in ("honest", "stale"):
                answer = await asker.ask(self._world.address(name), one.name, one.type, recurse=True, timeout=1.0)
                now = self._clock.utc()
                if answer.rcode in {"NOERROR", "NXDOMAIN"} and answer.values != new:
                    if name == "honest":
                        self._resolver[one.name] = now
                    else:
                        self._stale[one.name].append(now)
            await asyncio.sleep(0.1)

    async def _past_the_horizons(self, tasks: list[asyncio.Task[None]]) -> None:
        async with asyncio.timeout(60):
            while not all(0 < self._horizon(one.name) < self._clock.utc() - 1.5 for one in self._schedules):
                for task in tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.1)

    def _horizon(self, name: str) -> float:
        return next((event.at for _, event in reversed(self._events[name]) if isinstance(event, HorizonSeen)), 0.0)

    def _judge(self, one: Schedule) -> Verdict:
        horizon, stale = self._horizon(one.name), self._world.address("stale")
        seen = [(at, event) for at, event in self._events[one.name] if isinstance(event, DnsSeen)]
        last = self._last[one.name]
        stale_seen = [(at, event) for at, event in seen if event.vantage == stale]
        after = [at for at in self._stale[one.name] if at > horizon + 2 * EVERY]
        flagged = [at for at, event in stale_seen if "stale" in event.flags and event.state != "new"]
        unflagged = [at for at in after if not self._flagged_at(stale_seen, at)]
        moved = [at for at in after if self._counted_at(stale_seen, at)]
        clamping = self._world.address("clamping")
        clamped = any("clamped" in event.flags for _, event in seen if event.vantage == clamping)
        late, resolver = horizon - last, horizon - self._resolver[one.name]
        wrong: list[str] = []
        if min(late, resolver) < 0:
            wrong.append(f"the horizon was {-min(late, resolver):.3f} s too early")
        if late > PATIENCE + self._held_up:
            wrong.append(f"the horizon was {late:.3f} s later than the last old answer")
        if not after or not flagged:
            wrong.append("the stale resolver was not flagged")
        if unflagged:
            wrong.append(f"{len(unflagged)} stale answers were seen while nothing was flagged")
        if moved:
            wrong.append("the stale resolver counted as moved")
        terms = next((e.terms for _, e in reversed(self._events[one.name]) if isinstance(e, HorizonSeen)), ())
        if any(term.sure != "bound" for term in terms if term.at <= horizon):
            wrong.append("the horizon is no bound")
        return Verdict(
            schedule=one, late=late, held_up=self._held_up, resolver=resolver, stale_flagged=bool(flagged), stale_unflagged=len(unflagged),
            stale_moved=len(moved), clamped_flagged=clamped, fetches=self._fetches[one.name], wrong=tuple(wrong),
        )  # fmt: skip

    @staticmethod
    def _counted_at(seen: list[tuple[float, DnsSeen]], at: float) -> bool:
        """Whether the figure of moved caches had the resolver in it at that moment."""
        return any(
            e.state == "new" and "stale" not in e.flags for e in [event for when, event in seen if when <= at][-1:]
        )

    @staticmethod
    def _flagged_at(seen: list[tuple[float, DnsSeen]], at: float) -> bool:
        """What the watch said of the stale resolver at that moment, or in the next two rounds."""
        current = [event for when, event in seen if when <= at][-1:]
        soon = [event for when, event in seen if at < when <= at + 4 * EVERY]
        return any("stale" in event.flags for event in (*current, *soon))


def run_batches(rig: Rig, count: int, seed: int, say: Callable[[str], None], size: int = 5) -> list[Verdict]:
    """`count` random schedules on a new world, some at a time. The same seed makes the same schedules."""
    dice = random.Random(seed)
    with rig.standing():
        world = World(rig)
        verdicts: list[Verdict] = []
        while len(verdicts) < count:
            batch = Batch(world, dice, len(verdicts), min(size, count - len(verdicts)))
            for verdict in asyncio.run(batch.run()):
                verdicts.append(verdict)
                one = verdict.schedule
                say(
                    f"{len(verdicts):3} {one.kind:14} TTL {one.first_ttl} {len(one.before)} before  late {verdict.late:6.3f} s  "
                    f"honest Unbound {verdict.resolver:6.3f} s  {verdict.fetches} fetches  "
                    f"stale {'flagged' if verdict.stale_flagged else '-'}  clamped {'flagged' if verdict.clamped_flagged else '-'}"
                    f"  {'; '.join(verdict.wrong)}"
                )
        return verdicts
