"""The course of a change as the watch tells it, and how often it asks and tells."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from cockpit.events import DnsSeen, HorizonSeen, Term
from cockpit.plan.zones import RecordSet
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.horizon import Horizon
from cockpit.probes.dns.pace import BURST, PER_SERVER
from cockpit.probes.dns.stages import Followed
from cockpit.probes.dns.teller import Teller
from cockpit.probes.dns.watch import DnsWatch
from tests.engine.world import Ticks
from tests.probes.naming import NAME, NEW, OLD, RECORD, ZONE, Stage, says, silence


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
