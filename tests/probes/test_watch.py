"""What the watch makes of what name servers say: every class and every overlay."""

from __future__ import annotations

import asyncio

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rrset
import pytest

from cockpit.events import DnsSeen, HorizonSeen
from cockpit.plan.zones import RecordSet
from tests.probes.naming import BOTH, NAME, NEW, OLD, RECORD, Says, Stage, says, silence, soa

WIDER = RecordSet(name=NAME, type="A", old=BOTH, new=("192.0.2.3", "192.0.2.4"))


STATES: list[tuple[str, RecordSet, Says]] = [
    ("new", RECORD, says(*NEW)),
    ("old", RECORD, says(*OLD)),
    ("mixed", RECORD, says(*BOTH)),
    ("new-partial", WIDER, says("192.0.2.3")),
    ("old-partial", WIDER, says("192.0.2.1")),
    ("other", RECORD, says("192.0.2.9")),
    ("nodata", RECORD, says(negative=5)),
    ("nxdomain", RECORD, says(negative=5, rcode="NXDOMAIN")),
    ("servfail", RECORD, says(rcode="SERVFAIL", aa=False)),
    ("refused", RECORD, says(rcode="REFUSED", aa=False)),
    ("timeout", RECORD, silence),
]


@pytest.mark.parametrize(("state", "record", "reply"), STATES, ids=[row[0] for row in STATES])
async def test_every_class_is_told_of_authorities_and_resolvers(state: str, record: RecordSet, reply: Says) -> None:
    stage = Stage()
    stage.authorities[0].says["A"] = stage.resolvers[0].says["A"] = reply
    async with stage.watched(record):
        primary = await stage.says(stage.authorities[0], state)
        resolver = await stage.says(stage.resolvers[0], state)
    assert (primary.role, resolver.role) == ("primary", "resolver")
    assert bool(primary.detail) == (state == "timeout")


async def test_an_authority_that_answers_without_authority_is_lame_and_a_resolver_is_not() -> None:
    stage = Stage(authorities=2)
    stage.authorities[0].says["A"] = says(*OLD)
    stage.authorities[1].says["A"] = stage.resolvers[0].says["A"] = says(*OLD, aa=False)
    async with stage.watched():
        await stage.says(stage.authorities[1], "lame")
        await stage.says(stage.resolvers[0], "old")


async def test_an_answer_that_says_itself_that_it_is_stale_is_flagged_and_its_new_never_counts() -> None:
    stage = Stage(samples=3)
    stage.authorities[0].says["A"] = says(*NEW)
    stage.resolvers[0].says["A"] = says(*NEW, error=3)
    async with stage.watched():
        seen = await stage.flagged(stage.resolvers[0], "stale")
    assert (seen.state, seen.samples, seen.moved, seen.errors) == ("new", 3, 0, (3,))


async def test_a_resolver_that_is_old_after_the_horizon_is_stale_and_does_not_move_the_horizon() -> None:
    stage = Stage()
    primary, resolver = stage.authorities[0], stage.resolvers[0]
    primary.says["A"] = says(*OLD, ttl=1)
    resolver.says["A"] = says(*OLD, ttl=1)
    async with stage.watched():
        await stage.says(primary, "old")
        primary.says["A"] = says(*NEW, ttl=1)
        seen = await stage.flagged(resolver, "stale")
        horizon = stage.horizon()
        assert horizon is not None
        assert seen.state == "old"
        told = len([event for event in stage.events if isinstance(event, HorizonSeen) and event.at])
        await asyncio.sleep(0.3)
        assert {event.at for event in stage.events if isinstance(event, HorizonSeen) and event.at} == {horizon.at}
    held = [term for term in horizon.terms if term.what.startswith(resolver.at)]
    assert told >= 1
    assert all(term.sure == "estimate" and term.at > horizon.at for term in held)


async def test_a_ttl_longer_than_was_ever_published_is_clamped() -> None:
    stage = Stage()
    primary, resolver = stage.authorities[0], stage.resolvers[0]
    primary.says["A"] = resolver.says["A"] = says(*OLD)
    async with stage.watched():
        await stage.says(resolver, "old")
        await asyncio.sleep(1.1)
        primary.says["A"] = says(*NEW, ttl=5)
        await stage.says(primary, "new")
        resolver.says["A"] = says(*NEW, ttl=300)
        seen = await stage.flagged(resolver, "clamped")
    assert (seen.state, seen.ttl) == ("new", 300)


async def test_a_long_ttl_that_was_taken_before_anybody_looked_is_no_clamp() -> None:
    stage = Stage()
    stage.authorities[0].says["A"] = says(*OLD, ttl=5)
    stage.resolvers[0].says["A"] = says(*OLD, ttl=300)
    async with stage.watched():
        await stage.says(stage.resolvers[0], "old")
        await asyncio.sleep(0.3)
    assert not [event for event in stage.events if isinstance(event, DnsSeen) and event.flags]


async def test_an_old_answer_that_would_live_on_past_the_horizon_is_clamped_and_told_as_an_estimate() -> None:
    stage = Stage()
    primary, resolver = stage.authorities[0], stage.resolvers[0]
    primary.says["A"] = says(*OLD, ttl=5)
    resolver.says["A"] = says(*OLD, ttl=300)
    async with stage.watched():
        await stage.says(resolver, "old")
        primary.says["A"] = says(*NEW, ttl=5)
        await stage.flagged(resolver, "clamped")
        await stage.until(lambda: (told := stage.horizon()) is not None and len(told.terms) == 2)
        told = stage.horizon()
    assert told is not None
    assert [term.sure for term in told.terms] == ["estimate", "bound"]
    assert told.terms[1].at == told.at
    assert 290 < told.terms[0].at - told.at < 300


async def test_an_authority_behind_the_primary_lags() -> None:
    stage = Stage(authorities=2)
    for stub in stage.authorities:
        stub.says["A"] = says(*OLD)
    async with stage.watched():
        await stage.says(stage.authorities[1], "old")
        stage.authorities[0].says["SOA"] = soa(2)
        by_serial = await stage.flagged(stage.authorities[1], "upstream-lag")
        stage.authorities[1].says["SOA"] = soa(2)
        await stage.until(lambda: (seen := stage.seen(stage.authorities[1])) is not None and not seen.flags)
        stage.authorities[0].says["A"] = says(*NEW)
        by_answer = await stage.flagged(stage.authorities[1], "upstream-lag")
        assert stage.horizon() is None or not stage.horizon().at  # type: ignore[union-attr]
    assert (by_serial.state, by_serial.serial, by_answer.state) == ("old", 1, "old")


async def test_a_serial_that_wrapped_is_not_behind() -> None:
    stage = Stage(authorities=2)
    for stub, serial in zip(stage.authorities, (2**32 - 1, 3), strict=True):
        stub.says |= {"A": says(*OLD), "SOA": soa(serial)}
    async with stage.watched():
        seen = await stage.says(stage.authorities[1], "old")
        await asyncio.sleep(0.2)
    assert seen.serial == 3
    assert not [event for event in stage.events if isinstance(event, DnsSeen) and event.flags]


async def test_a_resolver_that_fetched_old_after_the_primary_had_changed_lags_with_what_it_asked() -> None:
    stage = Stage(authorities=2)
    for stub in (*stage.authorities, *stage.resolvers):
        stub.says["A"] = says(*OLD, ttl=60)
    async with stage.watched():
        await stage.says(stage.resolvers[0], "old")
        stage.authorities[0].says["A"] = says(*NEW, ttl=60)
        seen = await stage.flagged(stage.resolvers[0], "upstream-lag")
    assert seen.flags == ("upstream-lag",)


async def test_a_failure_that_becomes_an_answer_without_validation_is_bogus_and_another_is_not() -> None:
    def validating(query: dns.message.Message, response: dns.message.Message) -> dns.message.Message | None:
        without = query.flags & dns.flags.CD
        return (says(*OLD, aa=False) if without else says(rcode="SERVFAIL", aa=False))(query, response)

    stage = Stage(resolvers=2)
    stage.authorities[0].says["A"] = says(*OLD)
    stage.resolvers[0].says["A"] = validating
    stage.resolvers[1].says["A"] = says(rcode="SERVFAIL", aa=False)
    async with stage.watched():
        assert (await stage.flagged(stage.resolvers[0], "bogus")).state == "servfail"
        assert (await stage.says(stage.resolvers[1], "servfail")).flags == ()


async def test_an_authentic_answer_is_told_only_when_every_sample_is() -> None:
    stage = Stage(resolvers=2, samples=2)
    stage.authorities[0].says["A"] = says(*OLD)
    stage.resolvers[0].says["A"] = says(*OLD, ad=True, aa=False)
    answers = iter(range(10**9))

    def every_other(query: dns.message.Message, response: dns.message.Message) -> dns.message.Message | None:
        return says(*OLD, ad=next(answers) % 2 == 0, aa=False)(query, response)

    stage.resolvers[1].says["A"] = every_other
    async with stage.watched():
        await stage.flagged(stage.resolvers[0], "authentic")
        assert (await stage.says(stage.resolvers[1], "old")).flags == ()


async def test_of_many_caches_behind_one_resolver_the_worst_is_told_and_those_that_moved_are_counted() -> None:
    stage = Stage(samples=4)
    stage.authorities[0].says["A"] = says(*NEW)
    turn = iter(range(10**9))

    def caches(query: dns.message.Message, response: dns.message.Message) -> dns.message.Message | None:
        return says(*(OLD if next(turn) % 4 == 0 else NEW), ttl=30, aa=False)(query, response)

    stage.resolvers[0].says["A"] = caches
    async with stage.watched():
        seen = await stage.says(stage.resolvers[0], "old")
    assert (seen.samples, seen.moved) == (4, 3)
