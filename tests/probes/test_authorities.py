"""Who the authorities are, and what a step says while that is not known: "all serve" is said of all, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.plan.model import Op, Plan, Step
from cockpit.plan.zones import Dns, DnsChange, DnsTtl
from cockpit.probes.checks import observe_record
from cockpit.probes.dns.authorities import Found, found_authorities
from cockpit.probes.dns.held import held_at
from cockpit.probes.dns.update import DnsHands
from tests.probes.naming import NAME, NEW, RECORD, ZONE, Says, Stub, says, silence

NS = says("ns1.x.test.", "ns2.x.test.", type="NS", name=ZONE)


def owned(addresses: dict[str, str], otherwise: Says) -> Says:
    """Addresses of names, whatever the case of the question."""

    def reply(query, response):  # type: ignore[no-untyped-def]
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        if name in addresses:
            return says(addresses[name], name=name)(query, response)
        return otherwise(query, response)

    return reply


@asynccontextmanager
async def serving(*stubs: Stub) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for stub in stubs:
            await stub.server.start()
            stack.push_async_callback(stub.server.stop)
        yield


def primary_with(ns: Says, addresses: Says) -> Stub:
    stub = Stub()
    stub.says |= {"NS": ns, "A": addresses, "AAAA": says(negative=5)}
    return stub


def plan_of(primary: Stub, resolver: Stub) -> Dns:
    return Dns(zone=ZONE, primary=primary.at, resolvers=(resolver.at,))


BOTH = owned({"ns1.x.test": "192.0.2.51", "ns2.x.test": "192.0.2.52"}, says(*NEW))
ONE = owned({"ns1.x.test": "192.0.2.51"}, says(negative=5))


async def test_every_ns_with_an_address_is_found_and_nothing_lacks() -> None:
    primary, resolver = primary_with(NS, BOTH), Stub()
    async with serving(primary, resolver):
        assert await found_authorities(plan_of(primary, resolver), NAME) == Found(
            (primary.at, "192.0.2.51", "192.0.2.52")
        )


@pytest.mark.parametrize(
    ("ns", "addresses", "lacking"),
    [
        (silence, BOTH, "does not tell the NS of x.test: no answer in time"),
        (says(rcode="SERVFAIL"), BOTH, "does not tell the NS of x.test: SERVFAIL"),
        (says(negative=5), BOTH, "does not tell the NS of x.test: it knows none"),
        (NS, ONE, "no address of ns2.x.test is found: REFUSED"),
    ],
    ids=["lost", "servfail", "none", "no address"],
)
async def test_what_cannot_be_looked_up_is_told_and_no_step_is_done_by_it(
    ns: Says, addresses: Says, lacking: str
) -> None:
    primary, resolver = primary_with(ns, addresses), Stub()
    async with serving(primary, resolver):
        plan = plan_of(primary, resolver)
        found = await found_authorities(plan, ZONE)
        assert found.servers[0] == primary.at
        assert any(lacking in why for why in found.lacking), found
        outcome = await act(plan, "verify")
        assert outcome.verdict != "ok", outcome
        assert "but not all authorities are known" in outcome.detail
        assert not (await observe_record(RECORD, Plan(name="p", hash="0", dns=plan), 0.1))[0]


async def test_a_step_whose_ns_are_read_late_is_done_all_the_same() -> None:
    lost = [3]

    def late(query, response):  # type: ignore[no-untyped-def]
        lost[0] -= 1
        return (says(rcode="SERVFAIL") if lost[0] > 0 else says("ns1.x.test.", type="NS", name=ZONE))(query, response)

    primary, resolver = primary_with(late, owned({"ns1.x.test": "127.0.0.1"}, says(*NEW))), Stub()
    async with serving(primary, resolver):
        outcome = await act(plan_of(primary, resolver), "verify", 3)
    # Its second authority is found then, and nothing listens there.
    assert (outcome.verdict, outcome.detail[:18]) == ("no", "1 of 2 authorities"), outcome


async def test_an_unknown_ns_of_the_zone_above_stands_for_no_zone_of_its_own() -> None:
    resolver = Stub()
    resolver.says |= {"NS": silence, "A": says(negative=5), "CNAME": silence}
    async with serving(resolver):
        found = await found_authorities(Dns(zone="ours.test", primary="127.0.0.1:9", resolvers=(resolver.at,)), NAME)
    assert found == Found((), (f"no resolver tells the NS of {NAME}: no answer in time",))


async def act(plan: Dns, op: Op, timeout: float = 0.5) -> Outcome:
    step = Step(ref="s/a", id="a", service="s", phase="switch", kind="dns", action=DnsChange(record=RECORD), timeout=timeout)  # fmt: skip
    return await DnsHands(plan, SystemClock()).act(Call(step=step, op=op, attempt=1, job="j"), lambda event: None)


class Lowered:
    """A `ttl` step to 5 s over an authority and a resolver that a test speaks for."""

    def __init__(self, **more: object) -> None:
        self.primary, self.resolver = Stub(), Stub()
        self.primary.says["A"] = says(*NEW, ttl=5)
        self.plan = Dns(
            zone=ZONE, primary=self.primary.at, authorities=(self.primary.at,), resolvers=(self.resolver.at,)
        )
        self.plan = msgspec.structs.replace(self.plan, **more)
        self.step = Step(ref="s/a", id="a", service="s", phase="switch", kind="ttl", timeout=1.0,
                         action=DnsTtl(names=((NAME, "A"),), to=5))  # fmt: skip

    async def __call__(self, op: Op, captured: dict[str, str] | None = None) -> Outcome:
        hands = DnsHands(self.plan, SystemClock())
        call = Call(step=self.step, op=op, attempt=1, job="j", captured=captured or {})
        return await hands.act(call, lambda event: None)


@pytest.mark.parametrize("said", [silence, says(rcode="SERVFAIL"), says(rcode="REFUSED")])
async def test_a_ttl_that_was_low_before_is_not_verified_by_caches_that_say_nothing(said: Says) -> None:
    lowered = Lowered()
    lowered.resolver.says["A"] = said
    async with serving(lowered.primary, lowered.resolver):
        assert (await lowered("probe")).verdict == "ok"
        outcome = await lowered("verify")
    assert outcome.verdict == "unknown", outcome
    assert "whether caches still hold a longer TTL cannot be told: www.x.test A" in outcome.detail


async def test_a_ttl_that_was_low_before_waits_for_what_caches_have_left_and_calls_it_an_estimate() -> None:
    lowered = Lowered()
    # Asked over TCP: no resolver of a plan is passed over.
    lowered.plan = msgspec.structs.replace(lowered.plan, resolvers=("system", f"tcp://{lowered.resolver.at}"))
    lowered.resolver.says["A"] = says(*NEW, ttl=90, aa=False)
    async with serving(lowered.primary, lowered.resolver):
        outcome = await lowered("verify")
        assert outcome.verdict == "wait", outcome
        assert "90 s of a longer TTL left: an estimate" in outcome.detail
        assert (await lowered("verify", outcome.captured)).until == outcome.until
        lowered.resolver.says["A"] = says(*NEW, ttl=4, aa=False)
        outcome = await lowered("verify")
    assert outcome.verdict == "ok", outcome
    assert "an estimate, no bound" in outcome.detail


async def test_an_authority_that_does_not_tell_its_ttl_leaves_the_wait_unknown() -> None:
    lowered, silent = Lowered(), Stub()
    silent.says["A"] = says(rcode="SERVFAIL")
    lowered.plan = msgspec.structs.replace(lowered.plan, authorities=(lowered.primary.at, silent.at))
    async with serving(lowered.primary, silent):
        outcome = await lowered("capture")
    assert outcome.verdict == "unknown", outcome
    assert f"{silent.at} says SERVFAIL" in outcome.detail


async def test_one_lost_datagram_is_no_trouble_and_names_are_read_letter_by_letter() -> None:
    stub, lost = Stub(), [1]

    def first_lost(query, response):  # type: ignore[no-untyped-def]
        if lost[0]:
            lost[0] -= 1
            return None
        return says("Mixed.Case.test.", "WWW.x.test.", type="NS", ttl=7)(query, response)

    stub.says["NS"] = first_lost
    async with serving(stub):
        held = await held_at(stub.at, NAME, "NS")
    assert not held.trouble
    assert held.values[0] == "Mixed.Case.test."
    assert held.ttl == 7
