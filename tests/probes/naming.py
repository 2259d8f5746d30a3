"""Name servers that say what a test tells them to, for what real ones are hard to bring to say."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from cockpit.clock import SystemClock
from cockpit.events import DnsSeen, Event, HorizonSeen
from cockpit.lab.wire import DnsServer
from cockpit.plan.zones import Dns, RecordSet
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.authorities import found_authorities
from cockpit.probes.dns.desk import Desk, Find
from cockpit.probes.dns.stages import Followed
from cockpit.probes.dns.watch import DnsWatch
from cockpit.state import ServiceView

ZONE, NAME = "x.test", "www.x.test"
OLD, NEW, BOTH = ("192.0.2.1",), ("192.0.2.2",), ("192.0.2.1", "192.0.2.2")
RECORD = RecordSet(name=NAME, type="A", old=OLD, new=NEW)

Says = Callable[[dns.message.Message, dns.message.Message], dns.message.Message | None]
"""(question, empty response) to the response, or None for silence."""


def says(
    *values: str,
    ttl: int = 60,
    type: str = "A",
    name: str = NAME,
    aa: bool = True,
    rcode: str = "NOERROR",
    negative: int = -1,
    serial: int = 1,
    chain: tuple[tuple[str, str, int], ...] = (),
    error: int = -1,
    ad: bool = False,
    delegation: tuple[str, ...] = (),
    glue: tuple[tuple[str, str], ...] = (),
    hand: int = 60,
) -> Says:
    """An answer: `values` at the end of `chain`, a negative one by `negative`, a referral by `delegation` and `glue`."""

    def reply(query: dns.message.Message, response: dns.message.Message) -> dns.message.Message | None:
        response.set_rcode(dns.rcode.from_text(rcode))
        response.flags |= (dns.flags.AA if aa else 0) | (dns.flags.AD if ad else 0)
        for owner, target, life in chain:
            response.answer.append(dns.rrset.from_text(f"{owner}.", life, "IN", "CNAME", f"{target}."))
        if values:
            end = chain[-1][1] if chain else name
            response.answer.append(dns.rrset.from_text(f"{end}.", ttl, "IN", type, *values))
        if negative >= 0:
            text = f"ns1.{ZONE}. host.{ZONE}. {serial} 60 60 60 {negative}"
            response.authority.append(dns.rrset.from_text(f"{ZONE}.", negative, "IN", "SOA", text))
        if delegation:
            servers = [f"{server}." for server in delegation]
            response.authority.append(dns.rrset.from_text(f"{ZONE}.", hand, "IN", "NS", *servers))
        for server, address in glue:
            response.additional.append(dns.rrset.from_text(f"{server}.", hand, "IN", "A", address))
        if error >= 0:
            response.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(dns.edns.EDECode.make(error))])
        return response

    return reply


def silence(query: dns.message.Message, response: dns.message.Message) -> None:
    """No answer at all."""


def soa(serial: int) -> Says:
    return says(f"ns1.{ZONE}. host.{ZONE}. {serial} 60 60 60 60", type="SOA", name=ZONE)


def free_port() -> int:
    """A port of the loopback that is free for UDP and for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                tcp.bind(udp.getsockname())
                return int(udp.getsockname()[1])


class Stub:
    """One name server. What it says is by type, or by (name, type); it can be changed at any time."""

    def __init__(self) -> None:
        port = free_port()
        self.at = f"127.0.0.1:{port}"
        self.says: dict[str | tuple[str, str], Says] = {"SOA": soa(1)}
        self.asked: Counter[str] = Counter()
        self.server = DnsServer("stub", "127.0.0.1", port, self._reply)

    async def _reply(self, message: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        name = message.question[0].name.to_text(omit_final_dot=True)
        type = dns.rdatatype.to_text(message.question[0].rdtype)
        self.asked[type] += 1
        what = self.says.get((name, type)) or self.says.get(type) or says(rcode="REFUSED", aa=False)
        return what(message, dns.message.make_response(message))


class Stage:
    """Stubs in their roles, one record set watched at all of them, and what was told."""

    def __init__(
        self,
        authorities: int = 1,
        resolvers: int = 1,
        parents: int = 0,
        samples: int = 1,
        every: float = 0.05,
        find: Find | None = None,
    ) -> None:
        """With `find` the plan names the primary only, and the others are looked up with it."""
        self.authorities = [Stub() for _ in range(authorities)]
        self.resolvers = [Stub() for _ in range(resolvers)]
        self.parents = [Stub() for _ in range(parents)]
        self.dns = Dns(
            zone=ZONE,
            primary=self.authorities[0].at,
            authorities=tuple(stub.at for stub in self.authorities) if find is None else (),
            resolvers=tuple(stub.at for stub in self.resolvers),
            parent=tuple(stub.at for stub in self.parents),
            samples=samples,
            every=every,
        )
        self.find = find or found_authorities
        self.events: list[Event] = []
        self.clock = SystemClock()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None]
        self._begin: Callable[[ServiceView | None], asyncio.Task[None]]

    @asynccontextmanager
    async def watched(
        self,
        *stages: RecordSet,
        before: ServiceView | None = None,
        steps: tuple[str, ...] = (),
        makers: tuple[tuple[str, ...], ...] = (),
        states: Callable[[], Mapping[str, str]] = dict,
    ) -> AsyncIterator[Stage]:
        """The watch at work."""
        stages = stages or (RECORD,)
        async with AsyncExitStack() as stack:
            for stub in (*self.authorities, *self.resolvers, *self.parents):
                await stub.server.start()
                stack.push_async_callback(stub.server.stop)
            asker = await stack.enter_async_context(Asker())
            followed = Followed(name=stages[0].name, type=stages[0].type, stages=stages, steps=steps, makers=makers)
            desk = Desk(self.dns, asker, self.take, self.clock, find=self.find)
            self._begin = lambda before: asyncio.create_task(DnsWatch("s", followed, desk, before, states).run())
            self._task = self._begin(before)
            try:
                yield self
            finally:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
        if not self._task.cancelled() and self._task.exception() is not None:
            raise AssertionError("the watch ended") from self._task.exception()

    async def resume(self, before: ServiceView) -> None:
        """The watch ends, and another one goes on with what the state has of it. What was told so far is forgotten."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.events.clear()
        self._task = self._begin(before)

    def take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def seen(self, stub: Stub) -> DnsSeen | None:
        """The last that was told of a vantage."""
        found = (event for event in reversed(self.events) if isinstance(event, DnsSeen) and event.vantage == stub.at)
        return next(found, None)

    def horizon(self) -> HorizonSeen | None:
        """The last horizon that was told."""
        return next((event for event in reversed(self.events) if isinstance(event, HorizonSeen)), None)

    async def until(self, holds: Callable[[], object], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def says(self, stub: Stub, state: str, seconds: float = 10) -> DnsSeen:
        """Wait until a vantage is told in this state."""
        await self.until(lambda: (seen := self.seen(stub)) is not None and seen.state == state, seconds)
        seen = self.seen(stub)
        assert seen is not None
        return seen

    async def flagged(self, stub: Stub, flag: str, seconds: float = 10) -> DnsSeen:
        """Wait until a vantage is told with this flag."""
        await self.until(lambda: (seen := self.seen(stub)) is not None and flag in seen.flags, seconds)
        seen = self.seen(stub)
        assert seen is not None
        return seen


SERVERS = RecordSet(name=ZONE, type="NS", old=(f"ns1.{ZONE}",), new=(f"ns2.{ZONE}",))
"""A zone whose name server changes."""


def handed_on() -> tuple[Stage, Stub, Stub]:
    """A stage on which the zone and its parent, whose TTL is the longer one, both name the old server; the zone's server, and
    the parent."""
    stage = Stage(resolvers=0, parents=1)
    primary, parent = stage.authorities[0], stage.parents[0]
    primary.says["NS"] = says(f"ns1.{ZONE}.", type="NS", name=ZONE, ttl=60)
    parent.says["NS"] = says(delegation=(f"ns1.{ZONE}",), hand=900, aa=False)
    return stage, primary, parent
