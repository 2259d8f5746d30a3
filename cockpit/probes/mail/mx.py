"""The mail servers of a domain, as the world finds them (RFC 5321 §5.1): each name, and each of its addresses, asked."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from cockpit.events import HealthSeen
from cockpit.plan.base import Side, Vantage
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Mail, Probe
from cockpit.probes.context import AGAIN, Context, Watch
from cockpit.probes.dns.ask import Answer, ask
from cockpit.probes.mail.ask import probe
from cockpit.probes.seen import Seen
from cockpit.probes.world import host_at
from cockpit.text import harmless

ADDRESSES = 8
"""Addresses of one name that are asked, at the most."""
NAMES = 20
"""Names of one domain that are asked, at the most."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One MX record."""

    name: str
    preference: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What DNS says of a domain: `exchanges` by preference, or in `problem` why there are none."""

    exchanges: tuple[Exchange, ...] = ()
    problem: str = ""


def watches(context: Context, service: Service, mail: Mail) -> Iterator[Watch]:
    """One watch for the domain."""
    if mail.domain:
        yield Watch(f"MX of {mail.domain}", Walk(context, service, mail).run)


def exchanges(answer: Answer, domain: str) -> Found:
    """The records of an answer. Without MX the domain itself takes its mail (RFC 5321 §5.1); `0 .` takes none (RFC 7505)."""
    if answer.rcode == "NXDOMAIN":
        return Found(problem=f"there is no {domain}")
    if answer.rcode != "NOERROR":
        return Found(problem=f"MX of {domain}: {harmless(answer.trouble or answer.rcode or 'no answer', 120)}")
    found: list[Exchange] = []
    for value in answer.values:
        preference, _, name = value.partition(" ")
        if preference.isdecimal():
            found.append(Exchange(name=bare(name), preference=int(preference)))
    if not found:
        return Found(exchanges=(Exchange(name=bare(domain), preference=0),))
    if all(not one.name for one in found):
        return Found(problem=f"{domain} says that it takes no mail (null MX)")
    named = [one for one in found if one.name]
    return Found(exchanges=tuple(sorted(named, key=lambda one: (one.preference, one.name))[:NAMES]))


def bare(name: str) -> str:
    """A host name in one form: lower case, without the last dot."""
    return harmless(name.strip().lower().rstrip("."), 255)


def declared(service: Service, domain: str) -> dict[str, frozenset[Side]]:
    """The names that the plan's own MX records of the domain have, and on which sides they stand."""
    found: dict[str, frozenset[Side]] = {}
    sides: tuple[tuple[Side, str], ...] = (("old", "old"), ("new", "new"))
    for record in service.records:
        if record.type != "MX" or bare(record.name) != bare(domain):
            continue
        for side, field in sides:
            for value in getattr(record, field):
                name = bare(value.split()[-1]) if value.split() else ""
                if name:
                    found[name] = found.get(name, frozenset()) | {side}
    return found


class Walk:
    """Asks the mail servers of one domain, again and again. `run` until cancelled."""

    def __init__(self, context: Context, service: Service, mail: Mail) -> None:
        self._context = context
        self._service = service
        self._mail = mail
        self._declared = declared(service, mail.domain)
        self._told: dict[tuple[str, Vantage], tuple[object, float]] = {}
        self._listed: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Walk every `every` seconds until cancelled."""
        clock = self._context.clock
        due = clock.monotonic()
        while True:
            await self.walk()
            due = max(due + self._mail.every, clock.monotonic() - self._mail.every)
            await clock.sleep(max(0.0, due - clock.monotonic()))

    async def walk(self) -> None:
        """One walk: the records, then every name at every address, and pinned to the plan's hosts."""
        answer = await resolved(self._context.plan, self._mail.domain, "MX")
        found = exchanges(answer, self._mail.domain)
        listed = {one.name: one.preference for one in found.exchanges}
        shown = " ".join(f"{one.preference} {one.name}" for one in found.exchanges)
        facts = {"mx": ", ".join(f"{one.preference} {one.name}" for one in found.exchanges)} if shown else {}
        self._tell("mx", "world", Seen(ok=not found.problem, detail=found.problem or f"MX {facts['mx']}", facts=facts))
        if answer.rcode not in {"NOERROR", "NXDOMAIN"}:
            listed = dict.fromkeys(self._listed, 0)  # Neither silence nor a failure says what is listed.
        names = dict.fromkeys((*listed, *self._declared))
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._world(name, name in listed))
                for side in self._sides(name):
                    group.create_task(self._pinned(name, side))
        for name in self._listed - names.keys():
            self._tell(f"mx {name}", "world", Seen(ok=True, detail=f"it is no longer an MX of {self._mail.domain}"))
        self._listed = frozenset(listed)

    def _sides(self, name: str) -> frozenset[Side]:
        """Where a name is asked pinned: a name that is declared on one side only is that side's own."""
        both: frozenset[Side] = frozenset({"old", "new"})
        return self._declared.get(name, both)

    async def _world(self, name: str, listed: bool) -> None:
        """The name at each of its addresses; the worst answer is told."""
        addresses = await addresses_of(self._context.plan, name)
        if not addresses:
            self._tell(f"mx {name}", "world", Seen(ok=False, detail=f"{name} has no address"))
            return
        seen = await asyncio.gather(*(self._ask(name, address) for address in addresses[:ADDRESSES]))
        worst = min(seen, key=lambda one: one.ok)
        good = sum(one.ok for one in seen)
        facts = {
            "addresses": "; ".join(f"{one.via} {'good' if one.ok else one.detail}" for one in seen)[:1000],
            "listed": "yes" if listed else "no",
        }
        detail = (
            worst.detail if len(seen) == 1 else f"{good} of {len(seen)} addresses good: {worst.via}: {worst.detail}"
        )
        self._tell(f"mx {name}", "world", replace(worst, detail=detail, facts=worst.facts | facts))

    async def _pinned(self, name: str, side: Side) -> None:
        host = host_at(self._context.plan, side, self._service.id)
        address = self._context.plan.hosts[host].address if host else ""
        if address:
            self._tell(f"mx {name}", side, await self._ask(name, address))

    async def _ask(self, name: str, address: str) -> Seen:
        mail = self._mail
        question = Probe(
            id=f"mx {name}",
            proto="smtp",
            target=f"{name}:{mail.port}",
            tls="starttls" if mail.starttls else "none",
            recipient=mail.recipient,
            refuses=mail.refuses,
            ca=mail.ca,
        )
        async with self._context.most:
            return await probe(question, name, address, {}, mail.timeout)

    def _tell(self, id: str, at: Vantage, seen: Seen) -> None:
        what = (seen.ok, seen.status, seen.via, seen.detail)
        now = self._context.clock.monotonic()
        before, when = self._told.get((id, at), (None, 0.0))
        if what == before and now - when < AGAIN:
            return
        self._told[id, at] = (what, now)
        self._context.emit(
            HealthSeen(
                service=self._service.id,
                probe=id,
                at=at,
                ok=seen.ok,
                ms=seen.ms,
                status=seen.status,
                detail=seen.detail,
                via=seen.via,
                proto="smtp",
                facts=seen.facts,
                certificate=seen.certificate,
            )
        )


async def resolved(plan: Plan, name: str, type: str) -> Answer:
    """What the plan's first resolver that answers says, this machine's own when the plan names none."""
    answer = Answer(trouble="no resolver answers")
    for resolver in await resolvers(plan):
        answer = await ask(resolver, name, type, recurse=True, timeout=2.0)
        if answer.rcode in {"NOERROR", "NXDOMAIN"}:
            return answer
    return answer


async def resolvers(plan: Plan) -> tuple[str, ...]:
    """The plan's resolvers, else those of this machine."""
    if plan.dns is not None and plan.dns.resolvers:
        return plan.dns.resolvers
    return await asyncio.to_thread(_own)


def _own() -> tuple[str, ...]:
    from dns.exception import DNSException
    from dns.resolver import Resolver

    try:
        return tuple(str(server) for server in Resolver().nameservers)
    except (DNSException, OSError):
        return ()


async def addresses_of(plan: Plan, name: str) -> tuple[str, ...]:
    """Every address of a name, IPv4 first; a name that is an address is its own."""
    try:
        return (str(ipaddress.ip_address(name.strip("[]"))),)
    except ValueError:
        pass
    answers = await asyncio.gather(*(resolved(plan, name, type) for type in ("A", "AAAA")))
    return tuple(dict.fromkeys(value for answer in answers for value in answer.values))
