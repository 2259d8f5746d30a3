"""What the cockpit's events say of the world is what independent tools say at the same moments, for each state and overlay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call
from cockpit.events import DnsSeen
from cockpit.plan.model import Plan, Service, Step
from cockpit.plan.zones import Dns, DnsChange, RecordSet, Tsig
from cockpit.probes.dns.update import DnsHands
from cockpit.state import DnsView, RunState
from tests.real.outside import dig
from tests.real.rig import RealHost, Rig
from tests.real.watching import Digging, Watching
from tests.real.world import needs_world, until
from tests.real.world.dns import (
    PARENT,
    ZONE,
    Key,
    asked,
    bind,
    delegation,
    flush,
    knot,
    nsd,
    publish,
    unbound,
    update,
    zone_text,
)

pytestmark = needs_world

OLD, NEW = ("192.0.2.1", "192.0.2.2"), ("192.0.2.11", "192.0.2.12")
WWW = RecordSet(name=f"www.{ZONE}", type="A", old=OLD, new=NEW)


class Names:
    """A zone on three name servers of three makers, its parent, and three resolvers of three tempers."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.key = rig, Key()
        self.primary, self.knot, self.nsd, self.parent = (rig.host(name) for name in ("ns1", "ns2", "ns3", "parent"))
        self.honest, self.stale, self.clamping = (rig.host(name) for name in ("honest", "stale", "clamping"))
        self.servers = {"ns1": self.primary, "ns2": self.knot, "ns3": self.nsd}
        text = zone_text(self.servers, "", refresh=3)
        bind(self.primary, text, key=self.key, secondaries=[self.nsd])
        # Knot is told of no change: it finds out by itself, later than the others.
        knot(self.knot, primary=self.primary)
        nsd(self.nsd, primary=self.primary)
        nsd(self.parent, zone=PARENT, text=zone_text({"ns1": self.parent}, self.delegation(), zone=PARENT))
        unbound(self.honest, self.parent)
        unbound(self.stale, self.parent, "stale")
        unbound(self.clamping, self.parent, "clamping")
        self.dns = Dns(
            zone=ZONE,
            primary=self.primary.address,
            authorities=(self.knot.address, self.nsd.address),
            parent=(self.parent.address,),
            resolvers=(self.honest.address, self.stale.address, self.clamping.address),
            tsig=Tsig(name=self.key.name, file=str(self.key.file(rig.folder))),
            every=0.5,
        )

    def delegation(self) -> str:
        return delegation(self.servers)

    def set(self, *values: str, name: str = WWW.name, type: str = "A", ttl: int = 3) -> None:
        """What the zone holds for a name, by `nsupdate`."""
        adds = "\n".join(f"update add {name} {ttl} {type} {value}" for value in values)
        update(self.primary, self.key, f"update delete {name} {type}\n{adds}")

    def vantages(self) -> dict[str, bool]:
        """Every server that is asked, and whether it should be authoritative."""
        return {
            **{host.address: True for host in self.servers.values()},
            **{host.address: False for host in (self.honest, self.stale, self.clamping)},
        }

    def plan(self, *records: RecordSet, dns: Dns | None = None) -> Plan:
        """Just what is watched."""
        return Plan(
            name="agreement", hash="0" * 64, dns=dns or self.dns, services=(Service(id="www", records=records),)
        )


@pytest.fixture(scope="module")
def names(rig: Rig) -> Names:
    return Names(rig)


@pytest.fixture(autouse=True)
def fresh(names: Names, desk: Rig) -> None:
    """Every resolver begins with an empty cache, and the name with its old contents at every authority."""
    names.set(*OLD)
    for host in names.servers.values():
        until(lambda host=host: asked(host, WWW.name, "A") == sorted(OLD), lambda: "the zone's begin")
    for host in (names.honest, names.stale, names.clamping):
        flush(host)


def view(state: RunState, host: RealHost | str, record: RecordSet = WWW) -> DnsView | None:
    """What the state has of a vantage."""
    address = host if isinstance(host, str) else host.address
    return next(
        (
            seen
            for seen in state.services["www"].dns.values()
            if (seen.name, seen.type, seen.vantage) == (record.name, record.type, address)
        ),
        None,
    )


def says(host: RealHost, state: str, *flags: str, record: RecordSet = WWW) -> Callable[[RunState], bool]:
    """Whether the state has this of a vantage, with at least these flags."""

    def holds(run: RunState) -> bool:
        seen = view(run, host, record)
        return seen is not None and seen.state == state and set(flags) <= set(seen.flags)

    return holds


async def test_a_change_by_the_cockpit_is_seen_as_dig_sees_it_everywhere(names: Names) -> None:
    step = Step(
        ref="www/dns", id="dns", service="www", phase="switch", kind="dns", action=DnsChange(record=WWW), timeout=30
    )
    hands = DnsHands(names.dns, SystemClock())

    async def act(op: str, captured: dict[str, str]) -> dict[str, str]:
        outcome = await hands.act(
            Call(step=step, op=op, attempt=1, job=f"j.{op}", captured=captured), lambda event: None
        )  # type: ignore[arg-type]
        assert outcome.verdict == "ok", outcome
        return outcome.captured

    with Digging(names.rig, WWW, names.vantages()) as digging:
        async with Watching(names.plan(WWW), names.rig) as watching:
            for host in (*names.servers.values(), names.honest, names.stale):
                await watching.until(says(host, "old"))
            captured = await act("capture", {})
            await act("apply", captured)
            # Knot refreshes by itself: until then it lags behind the primary.
            await watching.until(says(names.knot, "old", "upstream-lag"))
            serials = [int(asked(host, ZONE, "SOA")[0].split()[2]) for host in (names.knot, names.primary)]
            assert serials[0] < serials[1] or says(names.knot, "new")(watching.state)
            await act("verify", captured)
            for host in (*names.servers.values(), names.honest):
                await watching.until(says(host, "new"))
            # A clamping resolver goes on with the old answer, and shows more time to live than was ever published.
            await watching.until(says(names.clamping, "old", "clamped"))
            assert dig(names.clamping.address, WWW.name, "A").ttl > 3
            await act("undo", captured)
            await act("verify_undo", captured)
            await watching.until(says(names.honest, "old"))
            await digging.once_more()
    assert not digging.contradictions(watching)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ((*NEW[:1],), "new-partial"),
        ((*OLD[:1],), "old-partial"),
        ((OLD[0], NEW[0]), "mixed"),
        (("192.0.2.77",), "other"),
    ],
)
async def test_a_half_made_change_has_its_own_word(names: Names, values: tuple[str, ...], state: str) -> None:
    with Digging(names.rig, WWW, names.vantages()) as digging:
        async with Watching(names.plan(WWW), names.rig) as watching:
            await watching.until(says(names.primary, "old"))
            names.set(*values)
            for host in (*names.servers.values(), names.honest):
                await watching.until(says(host, state))
            await digging.once_more()
    assert not digging.contradictions(watching)
    assert tuple(dig(names.honest.address, WWW.name, "A").values) == tuple(sorted(values))


async def test_no_such_record_and_no_such_name_are_told_apart(names: Names) -> None:
    with Digging(names.rig, WWW, names.vantages()) as digging:
        async with Watching(names.plan(WWW), names.rig) as watching:
            await watching.until(says(names.primary, "old"))
            names.set("hello", type="TXT")
            names.set()
            for host in (*names.servers.values(), names.honest):
                await watching.until(says(host, "nodata"))
            names.set(type="TXT")
            for host in (*names.servers.values(), names.honest):
                await watching.until(says(host, "nxdomain"))
            await digging.once_more()
    assert not digging.contradictions(watching)


async def test_servers_that_refuse_fail_lie_or_are_gone_have_their_words(names: Names) -> None:
    """A parent that is taken for an authority only refers on (lame), a server that does not have the zone refuses, one that is
    paused does not answer."""
    dns = replace(names.dns, authorities=(names.knot.address, names.nsd.address, names.parent.address), parent=())
    elsewhere = RecordSet(name="www.elsewhere.invalid", type="A", old=OLD, new=NEW)
    vantages = names.vantages() | {names.parent.address: True}
    with Digging(names.rig, WWW, vantages) as digging:
        async with Watching(names.plan(WWW, elsewhere, dns=dns), names.rig) as watching:
            await watching.until(says(names.parent, "lame"))
            await watching.until(says(names.primary, "refused", record=elsewhere))
            assert dig(names.primary.address, elsewhere.name, "A", "+norecurse").status == "REFUSED"
            names.knot.signal("STOP", "knotd")
            try:
                await watching.until(says(names.knot, "timeout"))
                await digging.once_more()
            finally:
                names.knot.signal("CONT", "knotd")
            await watching.until(says(names.knot, "old"))
            await digging.once_more()
    assert not digging.contradictions(watching)


async def test_a_resolver_that_serves_what_has_expired_is_stale(names: Names) -> None:
    """Its way to the authorities is cut, so that it cannot know better: what it says is stale, and dig's EDE says so, too."""
    with Digging(names.rig, WWW, {names.stale.address: False}) as digging:
        async with Watching(names.plan(WWW), names.rig) as watching:
            await watching.until(says(names.stale, "old"))
            ways = " ".join(f"ip route add blackhole {host.address};" for host in names.servers.values())
            names.stale.run(ways)
            try:
                names.set(*NEW)
                await watching.until(says(names.primary, "new"))
                await watching.until(says(names.stale, "old", "stale"), 30)
                assert 3 in dig(names.stale.address, WWW.name, "A").ede
            finally:
                names.stale.run(ways.replace("add", "del"))
            await digging.once_more()
    assert not digging.contradictions(watching)


async def test_a_zone_whose_servers_all_fail_is_servfail_at_the_resolver(names: Names) -> None:
    gone = RecordSet(name=f"www.gone.{PARENT}", type="A", old=OLD, new=NEW)
    lost = delegation({"ns1": names.honest}, zone=f"gone.{PARENT}")
    serial = int(asked(names.parent, PARENT, "SOA")[0].split()[2]) + 1
    publish(names.parent, zone_text({"ns1": names.parent}, names.delegation() + lost, zone=PARENT, serial=serial))
    until(lambda: asked(names.parent, PARENT, "SOA")[0].split()[2] == str(serial), lambda: "the parent's new text")
    with Digging(names.rig, gone, {names.stale.address: False}) as digging:
        async with Watching(names.plan(gone), names.rig) as watching:
            await watching.until(says(names.stale, "servfail", record=gone), 30)
            await digging.once_more()
    assert not digging.contradictions(watching)
    assert dig(names.stale.address, gone.name, "A").status == "SERVFAIL"


def all_told(watching: Watching) -> set[str]:
    """The states that were told."""
    return {told.event.state for told in watching.told if isinstance(told.event, DnsSeen)}


async def test_where_the_plan_names_the_primary_only_every_server_of_the_zone_is_watched(names: Names) -> None:
    dns = replace(names.dns, authorities=())
    others = {names.knot.address, names.nsd.address}
    async with Watching(names.plan(WWW, dns=dns), names.rig) as watching:
        for host in names.servers.values():
            await watching.until(says(host, "old"))
        names.set(*NEW)
        await watching.until(says(names.primary, "new"))
        if any((seen := view(watching.state, address)) is None or seen.state == "old" for address in others):
            assert not watching.state.services["www"].horizon.get(WWW.key, 0.0), "who is found by the NS serves old"
        for host in names.servers.values():
            await watching.until(says(host, "new"))
        await watching.until(lambda state: state.services["www"].horizon.get(WWW.key))
    roles = {seen.vantage: seen.role for seen in watching.state.services["www"].dns.values() if seen.role != "resolver"}
    assert {address for address, role in roles.items() if role == "authority"} == others
