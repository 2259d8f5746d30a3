"""What the watch makes of what name servers say: every class, every overlay, and the horizon."""

from __future__ import annotations

import asyncio
import base64

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rrset
import pytest
from msgspec.structs import replace

from cockpit.events import DnsSeen, HorizonSeen, Term
from cockpit.plan.zones import RecordSet
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.delegation import same_key
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.horizon import Horizon
from cockpit.probes.dns.pace import BURST, PER_SERVER
from cockpit.probes.dns.stages import Followed
from cockpit.probes.dns.teller import Teller
from cockpit.probes.dns.watch import DnsWatch
from tests.engine.world import Ticks
from tests.probes.naming import BOTH, NAME, NEW, OLD, RECORD, SERVERS, ZONE, Says, Stage, handed_on, says, silence, soa

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


# --- overlays -------------------------------------------------------------------------------------------------------------


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


# --- the course of a change -----------------------------------------------------------------------------------------------


async def test_a_new_answer_from_a_resolver_before_any_authority_changed_is_just_told() -> None:
    stage = Stage()
    stage.authorities[0].says["A"] = says(*OLD)
    stage.resolvers[0].says["A"] = says(*NEW)
    async with stage.watched():
        await stage.says(stage.resolvers[0], "new")
        assert (await stage.says(stage.authorities[0], "old")).flags == ()


async def test_after_going_back_an_honest_resolver_is_not_called_stale() -> None:
    stage = Stage(every=0.3)
    primary, resolver = stage.authorities[0], stage.resolvers[0]
    primary.says["A"] = resolver.says["A"] = says(*OLD, ttl=1)
    async with stage.watched():
        await stage.says(primary, "old")
        primary.says["A"] = resolver.says["A"] = says(*NEW, ttl=1)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        await asyncio.sleep(2.5)
        for _ in range(3):
            primary.says["A"] = resolver.says["A"] = says(*OLD, ttl=1)
            await stage.says(resolver, "old")
            primary.says["A"] = resolver.says["A"] = says(*NEW, ttl=1)
            await stage.says(resolver, "new")
    assert not [event for event in stage.events if isinstance(event, DnsSeen) and "stale" in event.flags]


async def test_a_name_is_not_asked_of_resolvers_before_every_authority_has_it() -> None:
    stage = Stage(authorities=2)
    resolver = stage.resolvers[0]
    for stub in (*stage.authorities, resolver):
        stub.says["A"] = says(negative=60, rcode="NXDOMAIN")
    async with stage.watched(replace(RECORD, old=())):
        await stage.says(stage.authorities[1], "old")
        stage.authorities[0].says["A"] = says(*NEW)
        await stage.says(stage.authorities[0], "new")
        await asyncio.sleep(0.2)
        assert resolver.asked["A"] == 0
        stage.authorities[1].says["A"] = resolver.says["A"] = says(*NEW)
        await stage.says(resolver, "new")


async def test_a_vantage_that_is_dead_delays_no_other() -> None:
    stage = Stage()
    stage.authorities[0].says["A"] = says(*OLD)
    stage.resolvers[0].says["A"] = silence
    async with stage.watched():
        await stage.says(stage.authorities[0], "old")
        before = stage.authorities[0].asked["A"]
        await stage.says(stage.resolvers[0], "timeout")
    assert stage.authorities[0].asked["A"] - before > 10


async def test_of_changes_one_after_the_other_the_one_under_way_is_followed() -> None:
    add = RecordSet(name=NAME, type="MX", old=("10 a.x.test",), new=("10 a.x.test", "20 b.x.test"))
    drop = RecordSet(name=NAME, type="MX", old=("10 a.x.test", "20 b.x.test"), new=("20 b.x.test",))
    stage = Stage(resolvers=0)
    primary = stage.authorities[0]
    told: list[tuple[str, int, int]] = []
    async with stage.watched(add, drop):
        for values in (
            ("10 a.x.test.",),
            ("10 a.x.test.", "20 b.x.test."),
            ("20 b.x.test.",),
            ("10 a.x.test.", "20 b.x.test."),
        ):
            primary.says["MX"] = says(*values, type="MX")
            answers = tuple(value.rstrip(".") for value in values)
            await stage.until(
                lambda answers=answers: (seen := stage.seen(primary)) is not None and seen.answers == answers
            )
            seen = stage.seen(primary)
            assert seen is not None
            told.append((seen.state, seen.stage, seen.stages))
    assert told == [("old", 1, 2), ("new", 1, 2), ("new", 2, 2), ("new", 1, 2)]


async def test_a_link_counts_with_its_own_ttl_and_the_chain_is_told() -> None:
    stage = Stage(resolvers=0)
    primary = stage.authorities[0]
    primary.says["A"] = says(*OLD, ttl=3600, chain=((NAME, "web1.x.test", 60),))
    async with stage.watched():
        assert (await stage.says(primary, "old")).chain == ("web1.x.test",)
        primary.says["A"] = says(*NEW, ttl=3600, chain=((NAME, "web2.x.test", 60),))
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
    assert told is not None
    assert 58 < told.at - stage.clock.utc() <= 61
    assert told.terms[0].what.endswith(f"{NAME} CNAME web1.x.test, TTL 60")


async def test_a_chain_that_leaves_the_server_is_told_and_no_horizon_is_promised() -> None:
    stage = Stage(resolvers=0)
    stage.authorities[0].says["A"] = says(chain=((NAME, "cdn.example.net", 60),))
    async with stage.watched():
        seen = await stage.says(stage.authorities[0], "other")
    assert "the chain leads to cdn.example.net" in seen.detail
    assert [event.at for event in stage.events if isinstance(event, HorizonSeen)] in ([], [0.0])


async def test_a_name_server_that_goes_counts_with_the_parent_s_ttl() -> None:
    stage, primary, parent = handed_on()
    async with stage.watched(SERVERS):
        seen = await stage.says(parent, "old")
        assert (seen.role, seen.answers, seen.ttl) == ("parent", (f"ns1.{ZONE}",), 900)
        primary.says["NS"] = says(f"ns2.{ZONE}.", type="NS", name=ZONE, ttl=60)
        await stage.says(primary, "new")
        assert stage.horizon() is None or not stage.horizon().at  # type: ignore[union-attr]
        parent.says["NS"] = says(delegation=(f"ns2.{ZONE}",), hand=900, aa=False)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
    assert told is not None
    assert 895 < told.at - stage.clock.utc() <= 901
    assert told.terms[0].what.startswith(f"parent {parent.at}: old, TTL 900")


async def test_a_zone_that_is_handed_on_by_its_own_parent_is_known_by_the_referral() -> None:
    below = f"sub.{ZONE}"
    record = RecordSet(name=below, type="NS", old=("ns1.old.net",), new=("ns1.new.net",))

    def hands_on(server: str) -> Says:
        def reply(query: dns.message.Message, response: dns.message.Message) -> dns.message.Message | None:
            response.authority.append(dns.rrset.from_text(f"{below}.", 300, "IN", "NS", f"{server}."))
            return response

        return reply

    stage = Stage(authorities=2, resolvers=0)
    for stub in stage.authorities:
        stub.says["NS"] = hands_on("ns1.old.net")
    async with stage.watched(record):
        assert (await stage.says(stage.authorities[0], "old")).ttl == 300
        for stub in stage.authorities:
            stub.says["NS"] = hands_on("ns1.new.net")
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
        stage.authorities[1].says["NS"] = says("ns1.new.net.", type="NS", name=below, aa=False)
        await stage.says(stage.authorities[1], "lame")
    assert told is not None
    assert 298 < told.at - stage.clock.utc() <= 301


async def test_many_record_sets_together_ask_a_server_no_more_often_than_its_pace() -> None:
    stage = Stage(resolvers=1)
    stage.authorities[0].says["A"] = stage.resolvers[0].says["A"] = says(*OLD)
    async with stage.watched() as one, Asker() as asker:
        desk = Desk(stage.dns, asker, stage.take, stage.clock)
        sets = [Followed(name=f"n{n}.{ZONE}", type="A", stages=(RECORD,)) for n in range(60)]
        began, before = one.clock.monotonic(), stage.resolvers[0].asked["A"]
        tasks = [asyncio.create_task(DnsWatch("s", each, desk).run()) for each in sets]
        await asyncio.sleep(1.5)
        took, asked = one.clock.monotonic() - began, stage.resolvers[0].asked["A"] - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    alone = took / stage.dns.every
    assert 0 < asked <= BURST + PER_SERVER * took + alone + 2


async def test_glue_that_still_says_old_is_stale_and_keeps_the_horizon_away() -> None:
    record = replace(RECORD, name=f"ns1.{ZONE}")
    stage = Stage(resolvers=0, parents=1)
    primary, parent = stage.authorities[0], stage.parents[0]
    primary.says["A"] = says(*NEW, name=record.name)
    parent.says["A"] = says(delegation=(record.name,), glue=((record.name, OLD[0]),), aa=False)
    async with stage.watched(record):
        seen = await stage.flagged(parent, "glue-stale")
        assert (seen.state, seen.answers) == ("old", OLD)
        assert stage.horizon() is None or not stage.horizon().at  # type: ignore[union-attr]
        parent.says["A"] = says(delegation=(record.name,), glue=((record.name, NEW[0]),), aa=False)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)


async def test_a_parent_that_hands_on_nothing_of_a_name_is_no_vantage() -> None:
    stage = Stage(resolvers=0, parents=1)
    stage.authorities[0].says["A"] = says(*OLD, ttl=1)
    stage.parents[0].says["A"] = says(delegation=(f"ns1.{ZONE}",), aa=False)
    async with stage.watched():
        await stage.says(stage.authorities[0], "old")
        stage.authorities[0].says["A"] = says(*NEW, ttl=1)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
    assert stage.seen(stage.parents[0]) is None
    assert stage.parents[0].asked["A"] == 1


def key_of(seed: bytes) -> str:
    return f"257 3 15 {base64.b64encode(seed * 32).decode()}"


def ds_of(key: str, digest: str = "SHA256") -> str:
    return dns.dnssec.make_ds(dns.name.from_text(ZONE), dns.rdata.from_text("IN", "DNSKEY", key), digest).to_text()


async def test_a_ds_that_fits_no_key_is_stale_and_so_is_glue_that_the_zone_does_not_give() -> None:
    record = RecordSet(name=ZONE, type="NS", old=(f"ns9.{ZONE}",), new=(f"ns1.{ZONE}",))
    stage = Stage(resolvers=0, parents=2)
    primary = stage.authorities[0]
    primary.says |= {
        "NS": says(f"ns1.{ZONE}.", type="NS", name=ZONE),
        "DNSKEY": says(key_of(b"a"), type="DNSKEY", name=ZONE),
        "A": says("192.0.2.53", name=f"ns1.{ZONE}"),
    }
    for stub, seed, address in zip(stage.parents, (b"a", b"b"), ("192.0.2.53", "192.0.2.99"), strict=True):
        glue = ((f"ns1.{ZONE}", address),)
        stub.says |= {
            "NS": says(delegation=(f"ns1.{ZONE}",), glue=glue, aa=False),
            "DS": says(ds_of(key_of(seed)), type="DS", name=ZONE),
        }
    async with stage.watched(record):
        good = await stage.says(stage.parents[0], "new")
        bad = await stage.says(stage.parents[1], "new")
    assert (good.flags, bad.flags) == ((), ("ds-stale", "glue-stale"))


def test_a_ds_is_known_by_each_digest_that_is_in_use() -> None:
    for digest in ("SHA256", "SHA384"):
        assert same_key(ZONE, [ds_of(key_of(b"a"), digest).upper()], [key_of(b"b"), key_of(b"a")])
        assert not same_key(ZONE, [ds_of(key_of(b"a"), digest)], [key_of(b"b"), "no key at all"])
    assert not same_key(ZONE, [ds_of(key_of(b"a"))], [])


# --- what is told ---------------------------------------------------------------------------------------------------------


async def test_a_plan_that_goes_back_is_old_until_its_steps_have_begun() -> None:
    there, back = RECORD, replace(RECORD, old=NEW, new=OLD)
    stage = Stage(resolvers=0)
    primary = stage.authorities[0]
    primary.says["A"] = says(*OLD)
    states = {"s/there": "blocked", "s/back": "blocked"}
    async with stage.watched(there, back, makers=(("s/there",), ("s/back",)), states=lambda: states):
        assert (await stage.says(primary, "old")).stage == 1
        states["s/there"] = "done"
        primary.says["A"] = says(*NEW)
        assert (await stage.says(primary, "new")).stage == 1
        states["s/back"] = "running"
        primary.says["A"] = says(*OLD)
        await stage.until(lambda: (told := stage.seen(primary)) is not None and told.stage == 2)
        assert (await stage.says(primary, "new")).answers == OLD


async def test_a_cache_that_never_lets_go_is_told_again_only_when_what_was_told_has_passed() -> None:
    events: list[HorizonSeen] = []
    clock = Ticks()
    async with Asker() as asker:
        teller = Teller(Desk(Stage().dns, asker, lambda event: events.append(event), clock))  # type: ignore[arg-type]
        fixed = Horizon(clock.utc() - 100, (Term(what="ns1: old, TTL 5", at=clock.utc() - 100),))
        for _ in range(600):
            clock.now += 0.5
            held = Term(what="r: a sampled cache that is stale", at=clock.utc() + 31, sure="estimate")
            teller.horizon("s", NAME, "A", fixed, [held])
        assert 2 <= len(events) <= 300 / 31 + 1
        teller.horizon("s", NAME, "A", fixed, [])
    assert events[-1].terms == fixed.terms
    assert {event.at for event in events} == {fixed.at}
