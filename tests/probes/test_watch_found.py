"""Authorities that the plan does not name: who they are, who could not be found, and what a fault at one of them ends."""

from __future__ import annotations

import asyncio

import pytest

from cockpit.events import DnsSeen, Record, RunStarted, Trouble
from cockpit.plan.model import Plan, Service
from cockpit.plan.zones import Dns
from cockpit.probes.dns import desk as desks
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.authorities import Found
from cockpit.reduce import fold
from cockpit.reduce.world import propagation
from cockpit.state import ServiceView
from tests.probes.naming import NAME, NEW, OLD, ZONE, Stage, says

MISSING = f"other NS of {ZONE}"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers is looked up every moment."""
    for name in ("LOOK_UP", "LACKING", "AGAIN"):
        monkeypatch.setattr(desks, name, 0.05)


def folded(stage: Stage) -> ServiceView:
    """The state that the events so far come to."""
    events = [RunStarted(run="r", plan=Plan(name="p", hash="0", services=(Service(id="s"),))), *stage.events]
    records = [Record(seq=n, utc=stage.clock.utc(), mono=0.0, actor="t", event=one) for n, one in enumerate(events, 1)]  # type: ignore[arg-type]
    return fold(records).services["s"]


class Ns:
    """What the zone's NS say, as a test changes it."""

    def __init__(self) -> None:
        self.found = Found(())

    async def __call__(self, dns: Dns, name: str) -> Found:
        await asyncio.sleep(0)
        return self.found


async def test_an_authority_that_only_the_ns_name_is_asked_and_keeps_the_horizon_away() -> None:
    ns = Ns()
    stage = Stage(authorities=2, resolvers=0, find=ns)
    primary, other = stage.authorities
    primary.says["A"], other.says["A"] = says(*NEW, ttl=5), says(*OLD, ttl=60)
    ns.found = Found((primary.at,))
    async with stage.watched():
        await stage.says(primary, "new")
        ns.found = Found((primary.at, other.at))
        assert (await stage.says(other, "old")).role == "authority"
        await stage.until(lambda: (told := stage.horizon()) is not None and not told.at)
        assert propagation(folded(stage))[0] == (1, 2)
        other.says["A"] = says(*NEW, ttl=5)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
    assert told is not None
    assert 58 < told.at - stage.clock.utc() <= 61


async def test_an_authority_that_cannot_be_found_has_not_answered_until_it_is_found() -> None:
    ns = Ns()
    stage = Stage(authorities=2, resolvers=0, find=ns)
    primary, other = stage.authorities
    primary.says["A"] = other.says["A"] = says(*NEW, ttl=5)
    ns.found = Found((primary.at,), ("no address of ns2 is found: it has none",))

    def missing() -> DnsSeen | None:
        found = [event for event in stage.events if isinstance(event, DnsSeen) and event.vantage == MISSING]
        return found[-1] if found else None

    async with stage.watched():
        await stage.says(primary, "new")
        await stage.until(missing)
        await asyncio.sleep(0.3)
        seen = missing()
        assert seen is not None
        assert (seen.state, seen.detail) == ("timeout", "no address of ns2 is found: it has none")
        assert propagation(folded(stage))[0] == (1, 2)
        assert stage.horizon() is None or not stage.horizon().at  # type: ignore[union-attr]
        ns.found = Found((primary.at, other.at))
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        await stage.says(other, "new")
        await stage.until(lambda: (seen := missing()) is not None and seen.gone)
        assert propagation(folded(stage))[0] == (2, 2)


async def test_no_horizon_is_told_before_it_is_known_who_answers() -> None:
    there = asyncio.Event()

    async def find(dns: Dns, name: str) -> Found:
        await there.wait()
        return Found((dns.primary,))

    stage = Stage(resolvers=0, find=find)
    stage.authorities[0].says["A"] = says(*NEW)
    async with stage.watched():
        await stage.says(stage.authorities[0], "new")
        await asyncio.sleep(0.2)
        assert stage.horizon() is None
        there.set()
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)


async def test_a_primary_that_is_mute_for_a_moment_takes_back_nothing_of_a_whole_list() -> None:
    ns = Ns()
    stage = Stage(authorities=2, find=ns)
    async with Asker() as asker:
        desk = desks.Desk(stage.dns, asker, stage.take, stage.clock, find=ns)
        ns.found = whole = Found((stage.dns.primary, stage.authorities[1].at))
        assert await desk.authorities() == whole
        ns.found = Found((stage.dns.primary,), (f"{stage.dns.primary} does not tell the NS of {ZONE}: no answer",))
        await asyncio.sleep(0.1)
        assert await desk.authorities() == whole
        ns.found = part = Found(whole.servers, ("no address of ns3 is found: it has none",))
        await asyncio.sleep(0.1)
        assert await desk.authorities() == part


async def test_an_authority_that_was_found_before_a_resumption_is_asked_from_the_begin() -> None:
    ns = Ns()
    stage = Stage(authorities=2, resolvers=0, find=ns)
    primary, other = stage.authorities
    primary.says["A"] = other.says["A"] = says(*OLD, ttl=900)
    ns.found = Found((primary.at, other.at))
    async with stage.watched():
        await stage.says(other, "old")
        primary.says["A"] = other.says["A"] = says(*NEW, ttl=5)
        ns.found = Found((primary.at,))
        await stage.resume(folded(stage))
        await stage.says(other, "new")
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
    assert told is not None
    assert [term.what for term in told.terms if term.what.startswith(other.at)] == [f"{other.at}: old, TTL 900"]


async def test_a_fault_at_one_vantage_is_told_once_and_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    resolver = stage.resolvers[0]
    stage.authorities[0].says["A"] = resolver.says["A"] = says(*OLD)
    asking = Asker.ask

    async def faulty(self: Asker, server: str, *args: object, **options: object) -> object:
        if server == resolver.at:
            raise UnicodeError("label too long")
        return await asking(self, server, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Asker, "ask", faulty)
    async with stage.watched():
        await stage.says(stage.authorities[0], "old")
        asked = stage.authorities[0].asked["A"]
        await asyncio.sleep(0.5)
        assert stage.authorities[0].asked["A"] > asked + 3
        monkeypatch.setattr(Asker, "ask", asking)
        await stage.says(resolver, "old")
    troubles = [event.message for event in stage.events if isinstance(event, Trouble)]
    assert troubles == [f"DNS {NAME} A at {resolver.at}: UnicodeError: label too long"]
