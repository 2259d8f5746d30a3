"""Propagation: what every authority, the parent and every resolver answers, and until when caches may hold old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from cockpit.events import DnsClass, DnsRole, DnsSeen, Term, Trouble
from cockpit.probes.context import Context, Watch
from cockpit.probes.dns import resolving
from cockpit.probes.dns.answer import Answer
from cockpit.probes.dns.authorities import within
from cockpit.probes.dns.before import floors, known_ttl, seeds, stage_before
from cockpit.probes.dns.classify import classify, published, why, worst
from cockpit.probes.dns.delegation import Delegation, DelegationWatch, handed_on, referred
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.eras import NODATA, NXDOMAIN, History, Published, seen, unheard
from cockpit.probes.dns.horizon import Horizon, horizon, news_of
from cockpit.probes.dns.stages import Followed, followed
from cockpit.probes.dns.teller import Teller
from cockpit.state import ServiceView
from cockpit.text import harmless

LEAST = 0.05
"""Seconds between two looks at a vantage, at the least."""
NO_GLUE = 60.0
"""Seconds until a parent that hands on nothing of a name is asked again."""


def watches(context: Context) -> Iterator[Watch]:
    """A watch for each record set of each service, and one for the delegation of the plan's zone."""
    plan, dns = context.plan, context.plan.dns
    if dns is None:
        return
    sets = [(service, one) for service in plan.services if service.disposition != "drop" for one in followed(service)]
    each = len({dns.primary, *dns.authorities}) + len(dns.resolvers)
    desk = Desk(dns, context.asker, context.emit, context.clock, len(sets) * each)
    for service, one in sets:
        before, states = context.before.services.get(service.id), partial(context.steps, service.id)
        yield Watch(f"{one.name} {one.type}", DnsWatch(service.id, one, desk, before, states).run)
    declared = any(one.type == "NS" and _same(one.name, dns.zone) for _, one in sets)
    if sets and dns.parent and not declared:
        yield Watch(f"{dns.zone} at its parent", DelegationWatch(sets[0][0].id, desk).run)


Said = Mapping[str, Published] | None
"""What an answer says of each name on its way, the first link first; None for nothing that a cache would keep."""


class DnsWatch:
    """Watches one record set of one service at every vantage."""

    def __init__(
        self,
        service: str,
        record: Followed,
        desk: Desk,
        before: ServiceView | None = None,
        states: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`before` is what was known of the service before a resumption: what authorities served, a horizon that was told, and
        TTLs that steps found before they changed anything hold on. `states` tells the present state of the service's steps."""
        self._service = service
        self._record = record
        self._desk = desk
        dns = desk.dns
        self._states = states
        # A name of another zone is asked of the servers that the plan names: it says nothing of who else has it.
        self._looks_up = not dns.authorities and within(record.name, dns.zone)
        known = seeds(before, record) if before is not None else {}
        authorities = dict.fromkeys((dns.primary, *dns.authorities, *(known if self._looks_up else ())))
        self._vantages: list[tuple[str, DnsRole]] = [
            (server, "primary" if server == dns.primary else "authority") for server in authorities
        ]
        if record.type == "NS" or record.type in {"A", "AAAA"}:
            self._vantages += [(server, "parent") for server in dns.parent if server not in authorities]
        self._vantages += [(server, "resolver") for server in dict.fromkeys(dns.resolvers)]
        self._began = 0.0
        self._histories: dict[str, History] = {server: History() for server in authorities}
        self._parents: dict[str, History] = {}
        self._unfound: tuple[str, ...] = ("who else answers is not known yet",) if self._looks_up else ()
        self._looked = not self._looks_up
        self._serials: dict[str, int] = {}
        self._stage = 0
        self._moved = 0.0
        self._teller = Teller(desk)
        self._flags: dict[str, frozenset[str]] = {}
        self._standing: dict[str, resolving.Standing] = {}
        self._held: dict[str, Term] = {}
        self._horizon = Horizon()
        self._turn = 0
        self._heard: dict[str, int] = {}
        self._floors: tuple[Term, ...] = ()
        self._known = -1
        self._delegation = Delegation(desk, record.name)
        if before is not None:
            self._histories |= {server: known[server] for server in authorities if server in known}
            self._parents |= {
                server: history
                for server, history in seeds(before, record, parents=True).items()
                if (server, "parent") in self._vantages
            }
            self._stage = stage_before(before, record)
            self._floors, self._known = floors(before, record), known_ttl(before, record)

    async def run(self) -> None:
        """Ask every vantage at its own pace, so that one that is dead delays no other, until cancelled."""
        self._began = self._desk.clock.utc()
        async with asyncio.TaskGroup() as group:
            for server, role in self._vantages:
                group.create_task(self._again_and_again(server, role))
            if self._looks_up:
                group.create_task(self._look_up(group))

    async def _look_up(self, group: asyncio.TaskGroup) -> None:
        """Where the plan names the primary only, every other authority that the zone's NS name is a vantage too. It is asked from
        then on, whatever the NS say later: who still has the former NS asks it as well."""
        missing = f"other NS of {self._desk.dns.zone}"
        while True:
            found = await self._desk.authorities()
            for server in found.servers:
                if server not in self._histories:
                    self._histories[server] = History()
                    self._vantages.append((server, "authority"))
                    group.create_task(self._again_and_again(server, "authority"))
            was_missing = self._looked and self._unfound
            self._unfound, self._looked = found.lacking, True
            if self._heard:
                self._follow(self._desk.clock.utc())
            if found.lacking:
                nothing = Answer(type=self._record.type, trouble="; ".join(found.lacking))
                self._tell(missing, "authority", "timeout", nothing, ttl=-1, flags=set())
            elif was_missing:
                self._tell(
                    missing, "authority", "timeout", Answer(type=self._record.type), ttl=-1, flags=set(), gone=True
                )
            await self._desk.clock.sleep(self._desk.again)

    async def _again_and_again(self, server: str, role: DnsRole) -> None:
        clock, told = self._desk.clock, ""
        while True:
            began = clock.monotonic()
            pause = self._desk.dns.every
            try:
                pause = await self._look(server, role)
            except Exception as error:
                # One vantage's fault ends no other's watch.
                said = harmless(
                    f"DNS {self._record.name} {self._record.type} at {server}: {type(error).__name__}: {error}", 300
                )
                if said != told:
                    told = said
                    self._desk.emit(Trouble(message=said))
            await clock.sleep(max(LEAST, pause - (clock.monotonic() - began)))

    async def _look(self, server: str, role: DnsRole) -> float:
        """One look at a vantage; the seconds from its begin to the next one's."""
        pause = self._desk.dns.every
        if role == "resolver":
            if self._may_be_asked():
                await self._look_at_resolver(server)
        elif role == "parent":
            return pause if await self._look_at_parent(server) else max(pause, NO_GLUE)
        else:
            await self._look_at_authority(server, role)
        return pause

    # --- authorities ------------------------------------------------------------------------------------------------------

    async def _look_at_authority(self, server: str, role: DnsRole) -> None:
        record = self._record
        answer, said, referral = await self._hear(server)
        serial = answer.serial
        if serial < 0 and answer.rcode:
            serial = await self._desk.serial(server, record.name)
        self._serials[server] = serial
        state = self._class(answer, authority=not referral)
        flags: set[str] = set()
        primary = self._desk.dns.primary
        if role == "authority" and (
            _behind(serial, self._serials.get(primary, -1)) or (state != "new" and self._serves_new(primary))
        ):
            flags.add("upstream-lag")
        shown = answer.ttl if answer.values else answer.negative_ttl
        self._tell(server, role, state, answer, ttl=shown, serial=serial, flags=flags, said=said)

    async def _hear(self, server: str) -> tuple[Answer, Said, bool]:
        """One authority's answer, what it publishes by that, taken into its history, and whether it is a referral: what an
        authority says of a zone that it has handed on itself."""
        record = self._record
        self._turn += 1
        turn = self._turn
        answer = await self._desk.ask(server, record.name, record.type)
        now = self._desk.clock.utc()
        said = published(answer, record.name, authority=True)
        referral = said is None and record.type == "NS" and not answer.values and bool(answer.delegation)
        if referral:
            answer = referred(answer, record.name, "NS")
            said = handed_on(answer, record.name)
        if turn >= self._heard.get(server, 0):
            # Of two questions under way the later one knows better, whichever answer comes first.
            self._heard[server] = turn
            history = self._histories[server]
            self._histories[server] = unheard(history, now) if said is None else seen(history, said, now)
            self._follow(now)
        return answer, said, referral

    def _follow(self, now: float) -> None:
        """Which change is followed, since when the primary has made it, and the horizon."""
        stage = self._record.current(self._histories, self._states(), self._stage)
        if stage != self._stage:
            self._stage, self._moved = stage, 0.0
        if not self._serves_new(self._desk.dns.primary):
            self._moved = 0.0
        elif not self._moved:
            self._moved = now
        histories = self._histories | {f"parent {server}": history for server, history in self._parents.items()}
        # Who could not be found has not answered: he may still publish old.
        histories |= {words: History() for words in self._unfound}
        self._horizon = horizon(histories, self._news, known=self._known, floors=self._floors)
        self._tell_horizon()

    @property
    def _news(self) -> frozenset[tuple[str, ...]]:
        return news_of(self._record.new(self._stage))

    def _serves_new(self, server: str) -> bool:
        history = self._histories[server]
        return not history.silent and history.end is not None and history.end.content in self._news

    def _class(self, answer: Answer, *, authority: bool) -> DnsClass:
        stage = self._record.stages[self._stage]
        return classify(answer, stage.old, stage.new, authority=authority)

    # --- the parent -------------------------------------------------------------------------------------------------------

    async def _look_at_parent(self, server: str) -> bool:
        """False when the parent hands on nothing of this name."""
        record = self._record
        raw = await self._desk.ask(server, record.name, record.type)
        now = self._desk.clock.utc()
        answer = referred(raw, record.name, record.type)
        said = handed_on(answer, record.name)
        ours = record.type == "NS" or bool(answer.values)
        if not ours and server not in self._parents:
            return False
        history = self._parents.get(server, History())
        self._parents[server] = unheard(history, now) if said is None else seen(history, said, now)
        self._follow(now)
        flags = set(await self._delegation.flags(server, raw)) if record.type == "NS" else set[str]()
        state = self._class(answer, authority=False)
        if record.type != "NS" and state == "old" and self._serves_new(self._desk.dns.primary):
            flags.add("glue-stale")
        self._tell(server, "parent", state, answer, ttl=answer.ttl, flags=flags, said=said)
        return True

    # --- resolvers --------------------------------------------------------------------------------------------------------

    def _may_be_asked(self) -> bool:
        """Whether resolvers are asked: one that is asked for a name before it is there will remember for a while that it is
        not, and tell its clients (RFC 2308 §5)."""
        if self._record.stages[self._stage].old:
            return True
        if not self._looked:
            return False
        heard = [history.end for history in self._histories.values() if not history.silent]
        return bool(heard) and all(end is not None and end.content not in {NXDOMAIN, NODATA} for end in heard)

    async def _look_at_resolver(self, server: str) -> None:
        record, desk = self._record, self._desk
        asking = (desk.ask(server, record.name, record.type, recurse=True) for _ in range(max(desk.dns.samples, 1)))
        answers = list(await asyncio.gather(*asking))
        now = desk.clock.utc()
        alone = answers[0] if len(answers) == 1 and answers[0].rcode in {"NOERROR", "NXDOMAIN"} else None
        if alone is not None:
            self._standing[server] = resolving.standing(self._standing.get(server), alone, now)
        states = [self._class(answer, authority=False) for answer in answers]
        flags = self._flags_of(server, answers, states, now, alone is not None)
        if ({"stale", "clamped"} & flags) - self._flags.get(server, frozenset()):
            # What an authority said a moment ago may be over: somebody may just have gone back.
            await asyncio.gather(*(self._hear(authority) for authority in self._histories))
            states = [self._class(answer, authority=False) for answer in answers]
            flags = self._flags_of(server, answers, states, now, alone is not None)
        if "servfail" in states and await self._is_bogus(server):
            flags.add("bogus")
        self._flags[server] = frozenset(flags)
        answered = [n for n, answer in enumerate(answers) if answer.rcode]
        state = worst(states)
        shown = max((answers[n] for n in range(len(answers)) if states[n] == state), key=resolving.remaining)
        self._note_held(server, state, shown, flags, now)
        moved = sum(states[n] == "new" and "stale" not in flags for n in answered) if len(answers) > 1 else -1
        self._tell(
            server, "resolver", state, shown, ttl=resolving.remaining(shown), flags=flags,
            samples=max(len(answered), 1), moved=moved,
        )  # fmt: skip

    def _flags_of(
        self, server: str, answers: list[Answer], states: list[DnsClass], now: float, alone: bool
    ) -> set[str]:
        known = resolving.Known(self._histories, self._news, self._horizon, self._began, self._moved)
        still = self._standing.get(server) if alone else None
        each = [
            resolving.flags_of(answer, state, known, still, now)
            for answer, state in zip(answers, states, strict=True)
            if answer.rcode
        ]
        flags = set[str]().union(*each) - {"authentic"}
        return flags | {"authentic"} if each and all("authentic" in one for one in each) else flags

    async def _is_bogus(self, server: str) -> bool:
        """A failure that becomes an answer when nobody validates is one of validation (RFC 4035 §3.2.2)."""
        answer = await self._desk.ask(server, self._record.name, self._record.type, recurse=True, cd=True)
        return answer.rcode in {"NOERROR", "NXDOMAIN"}

    def _note_held(self, server: str, state: DnsClass, answer: Answer, flags: set[str], now: float) -> None:
        """What a resolver that keeps no TTL will probably hold, as an estimate beside the horizon of the honest ones."""
        until = now + resolving.remaining(answer) + 1
        self._held.pop(server, None)
        if {"stale", "clamped"} & flags and state != "new" and until > self._horizon.at > 0:
            why = "stale" if "stale" in flags else "clamped"
            self._held[server] = Term(what=f"{server}: a sampled cache that is {why}", at=until, sure="estimate")
        self._tell_horizon()

    # --- telling ----------------------------------------------------------------------------------------------------------

    def _tell(
        self,
        server: str,
        role: DnsRole,
        state: DnsClass,
        answer: Answer,
        *,
        ttl: int,
        flags: set[str],
        serial: int = -1,
        samples: int = 1,
        moved: int = -1,
        said: Said = None,
        gone: bool = False,
    ) -> None:
        record = self._record
        self._teller.seen(
            DnsSeen(
                service=self._service,
                name=record.name,
                type=record.type,
                vantage=server,
                role=role,
                state=state,
                answers=tuple(harmless(value, 1000) for value in answer.values[:64]),
                ttl=ttl,
                serial=serial,
                flags=tuple(sorted(flags)),
                ms=answer.ms,
                samples=samples,
                moved=moved,
                errors=answer.errors,
                chain=tuple(harmless(link.target, 255) for link in answer.chain),
                detail=why(answer),
                stage=self._stage + 1,
                stages=len(record.stages),
                chain_ttls=tuple(one.ttl for one in said.values()) if said is not None else (),
                gone=gone,
            )
        )

    def _tell_horizon(self) -> None:
        record = self._record
        if not self._looked:
            return
        self._teller.horizon(self._service, record.name, record.type, self._horizon, self._held.values())


def _behind(serial: int, primary: int) -> bool:
    """Whether a serial is older than the primary's (RFC 1982 §3.2)."""
    return serial >= 0 and primary >= 0 and 0 < (primary - serial) % (1 << 32) < 1 << 31


def _same(name: str, other: str) -> bool:
    return name.lower().rstrip(".") == other.lower().rstrip(".")
