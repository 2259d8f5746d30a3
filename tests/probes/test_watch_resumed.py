"""A watch that goes on after a resumption knows what the one before knew: links, last words, terms and stages."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from cockpit.events import DnsClass, DnsRole, DnsSeen, Event, HorizonSeen, Record, RunStarted, Term
from cockpit.plan.model import Plan, Service
from cockpit.plan.zones import RecordSet
from cockpit.probes.dns.before import seeds, stage_before
from cockpit.probes.dns.eras import GRAIN, History, Published, seen
from cockpit.probes.dns.horizon import horizon, news_of
from cockpit.probes.dns.stages import Followed
from cockpit.reduce import fold
from cockpit.state import DnsView, ServiceView, StepView
from tests.probes.naming import NAME, NEW, OLD, RECORD, SERVERS, ZONE, Says, Stage, Stub, handed_on, says, silence


def folded(*events: Event, utc: float = 1000.0) -> ServiceView:
    """The state that these events come to."""
    begun = RunStarted(run="r", plan=Plan(name="p", hash="0", services=(Service(id="s"),)))
    records = [
        Record(seq=n, utc=utc + n, mono=0.0, actor="t", event=one)  # type: ignore[arg-type]
        for n, one in enumerate((begun, *events), 1)
    ]
    return fold(records).services["s"]


async def resumed(stage: Stage, type: str = "A", new: Says | None = None) -> HorizonSeen:
    """The horizon when the primary has changed while nobody watched."""
    stage.authorities[0].says[type] = new or says(*NEW, ttl=5)
    await stage.resume(folded(*stage.events, utc=stage.clock.utc()))
    await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
    told = stage.horizon()
    assert told is not None
    assert {term.sure for term in told.terms} == {"bound"}
    return told


async def test_each_link_of_a_chain_keeps_its_own_ttl() -> None:
    stage = Stage(resolvers=0)
    stage.authorities[0].says["A"] = says(*OLD, ttl=60, chain=((NAME, "web1.x.test", 3600),))
    async with stage.watched():
        seen = await stage.says(stage.authorities[0], "old")
        assert (seen.ttl, seen.chain_ttls) == (60, (3600, 60))
        assert 3590 < (await resumed(stage)).at - stage.clock.utc() <= 3601


async def test_a_failure_as_the_last_word_takes_nothing_back() -> None:
    stage = Stage(resolvers=0)
    stage.authorities[0].says["A"] = says(*OLD, ttl=900)
    async with stage.watched():
        await stage.says(stage.authorities[0], "old")
        stage.authorities[0].says["A"] = says(rcode="SERVFAIL", aa=False)
        await stage.says(stage.authorities[0], "servfail")
        stage.authorities[0].says["A"] = silence
        await stage.says(stage.authorities[0], "timeout")
        assert 890 < (await resumed(stage)).at - stage.clock.utc() <= 901


async def test_a_parent_s_delegation_counts_with_its_own_ttl() -> None:
    stage, primary, parent = handed_on()
    async with stage.watched(SERVERS):
        await stage.says(primary, "old")
        await stage.says(parent, "old")
        parent.says["NS"] = says(delegation=(f"ns2.{ZONE}",), hand=900, aa=False)
        told = await resumed(stage, "NS", says(f"ns2.{ZONE}.", type="NS", name=ZONE, ttl=60))
        await stage.says(parent, "new")
        await stage.until(lambda: (last := stage.horizon()) is not None and last.at and len(last.terms) == 2)
        told = stage.horizon() or told
        assert 890 < told.at - stage.clock.utc() <= 901
    assert (told.terms[0].what, told.terms[0].sure) == (f"parent {parent.at}: old, TTL 900", "bound")


def test_a_term_of_one_server_hides_none_of_another() -> None:
    floor = Term(what="ns1: old, TTL 60", at=65.0)
    new = seen(History(), {NAME: Published(NEW, 60)}, 100)
    made = horizon({"ns1": new, "ns2": new}, news_of(NEW), known=600, floors=(floor,))
    assert made.at == 700 + GRAIN
    assert [term.what.partition(":")[0] for term in made.terms] == ["ns2", "ns1"]


def told(state: DnsClass, answers: tuple[str, ...] = OLD, ttl: int = 60, role: DnsRole = "authority") -> DnsSeen:
    return DnsSeen(
        service="s", name=NAME, type="A", vantage="ns1", role=role, state=state, answers=answers, ttl=ttl, stage=2, stages=2
    )  # fmt: skip


FOLLOWED = Followed(name=NAME, type="A", stages=(RECORD, RecordSet(name=NAME, type="A", old=NEW, new=OLD)))


@pytest.mark.parametrize("state", ["servfail", "refused", "lame", "timeout"])
def test_a_journal_without_ttls_of_links_is_read_by_the_smallest(state: DnsClass) -> None:
    before = folded(told("new"), told(state, (), -1))
    [era] = seeds(before, FOLLOWED)["ns1"].eras
    assert (era.name, era.content, era.ttl) == (NAME, OLD, 60)
    assert stage_before(before, FOLLOWED) == 1
    assert seeds(folded(told("old", role="resolver")), FOLLOWED) == {}


def test_a_kept_state_of_an_older_version_is_read_too() -> None:
    view = DnsView(
        service="s", name=NAME, type="A", vantage="ns1", role="primary", state="old", answers=OLD, ttl=60, serial=1,
        flags=(), utc=5.0, chain=("web1.x.test",),
    )  # fmt: skip
    link, end = seeds(ServiceView(id="s", dns={"whatever": view}), FOLLOWED)["ns1"].eras
    assert (link.link, link.content, link.ttl) == (True, ("CNAME web1.x.test",), 60)
    assert (end.name, end.content, end.ttl) == ("web1.x.test", OLD, 60)


# --- what was changed, told and captured before ---------------------------------------------------------------------------


def view(stub: Stub, ttl: int, utc: float) -> DnsView:
    return DnsView(
        service="s", name=NAME, type="A", vantage=stub.at, role="primary", state="old", answers=OLD, ttl=ttl, serial=1,
        flags=(), utc=utc,
    )  # fmt: skip


async def horizon_after(stage: Stage, before: ServiceView) -> HorizonSeen:
    stage.authorities[0].says["A"] = says(*NEW, ttl=5)
    async with stage.watched(before=before, steps=("s/dns",)):
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
    told = stage.horizon()
    assert told is not None
    return told


async def test_a_long_set_that_was_new_before_a_resumption_is_new_still() -> None:
    stage = Stage(resolvers=0)
    many = tuple(f"10.0.{n // 200}.{n % 200 + 1}" for n in range(80))
    record = replace(RECORD, new=many)
    stage.authorities[0].says["A"] = says(*many)
    seen = replace(view(stage.authorities[0], 60, stage.clock.utc() - 9), state="new", answers=many[:64])
    key = f"{NAME} A"
    before = ServiceView(
        id="s",
        dns={f"{key} {seen.vantage}": seen},
        horizon={key: 77.0},
        terms={key: (Term(what=f"{seen.vantage}: old, TTL 60", at=77.0),)},
    )
    async with stage.watched(record, before=before):
        await stage.says(stage.authorities[0], "new")
        await asyncio.sleep(0.2)
    assert {event.at for event in stage.events if isinstance(event, HorizonSeen)} == {77.0}


async def test_what_changed_while_nobody_watched_counts_with_the_ttl_that_was_seen_last() -> None:
    stage = Stage(resolvers=0)
    now = stage.clock.utc()
    seen = {f"{NAME} A {stage.authorities[0].at}": view(stage.authorities[0], 900, now - 500)}
    told = await horizon_after(stage, ServiceView(id="s", dns=seen))
    assert 899 < told.at - now < 910
    assert [term.sure for term in told.terms] == ["bound"]


async def test_a_ttl_that_a_step_captured_is_known_after_a_resumption() -> None:
    stage = Stage(resolvers=0)
    steps = {
        "s/dns": StepView(ref="s/dns", captured={"ttl": "700"}),
        "s/x": StepView(ref="s/x", captured={"ttl": "9000"}),
    }
    told = await horizon_after(stage, ServiceView(id="s", steps=steps))
    assert 699 < told.at - stage.clock.utc() < 702
    assert [term.sure for term in told.terms] == ["estimate"]


async def test_a_term_that_was_told_before_holds_on_and_an_estimate_of_then_does_not() -> None:
    stage = Stage(resolvers=0)
    now = stage.clock.utc()
    terms = (
        Term(what="r: a sampled cache that is stale", at=now + 9000, sure="estimate"),
        Term(what="ns1: old, TTL 3600", at=now + 3000),
    )
    key = f"{NAME} A"
    told = await horizon_after(stage, ServiceView(id="s", horizon={key: 0.0}, terms={key: terms}))
    assert told.at == now + 3000
    stage = Stage(resolvers=0)
    told = await horizon_after(stage, ServiceView(id="s", horizon={key: now - 5}, terms={key: terms[:1]}))
    assert told.at == now - 5
