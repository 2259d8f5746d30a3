"""Which record sets are watched, how often servers are asked, and what a resolver's TTLs give away."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.plan.model import Action, Manual, Plan, Service, Step
from cockpit.plan.zones import Dns, DnsChange, DnsTtl, RecordSet
from cockpit.probes.context import Context, Said
from cockpit.probes.dns.answer import Answer
from cockpit.probes.dns.eras import History, Published, seen
from cockpit.probes.dns.horizon import Horizon, news_of
from cockpit.probes.dns.pace import BURST, PER_SERVER, Pace
from cockpit.probes.dns.resolving import Known, Standing, flags_of, standing
from cockpit.probes.dns.stages import followed
from cockpit.probes.dns.watch import watches
from tests.engine.world import Ticks

A, B, C = "10 a.x.test", "20 b.x.test", "30 c.x.test"


def mx(old: tuple[str, ...], new: tuple[str, ...], name: str = "x.test") -> RecordSet:
    return RecordSet(name=name, type="MX", old=old, new=new)


def service(*actions: Action, records: tuple[RecordSet, ...] = ()) -> Service:
    steps = [Step(ref=f"s/{n}", id=str(n), service="s", phase="switch", action=one) for n, one in enumerate(actions)]
    return Service(id="s", records=records, steps=tuple(steps))


def test_changes_of_one_set_one_after_the_other_are_its_stages() -> None:
    add, drop = mx((A,), (A, B)), mx((A, B), (B,))
    [one] = followed(service(DnsChange(record=add), DnsTtl(names=(("X.test.", "MX"),), to=60), DnsChange(record=drop)))
    assert (one.stages, one.steps) == ((add, drop), ("s/0", "s/2", "s/1"))


def test_a_declared_set_that_is_the_whole_way_gives_way_to_its_stages_and_another_does_not() -> None:
    add, drop = mx((A,), (A, B)), mx((A, B), (B,))
    changes = DnsChange(record=add), DnsChange(record=drop)
    [one] = followed(service(*changes, records=(mx((A,), (B,)),)))
    assert one.stages == (add, drop)
    [one] = followed(service(*changes, records=(mx((A,), (C,)),)))
    assert one.stages == (mx((A,), (C,)),)


def test_the_same_change_with_another_ttl_is_no_stage_of_its_own() -> None:
    ours = RecordSet(name="x.test", type="MX", old=(A,), new=(B,), ttl=5)
    [one] = followed(service(DnsChange(record=ours), Manual(owner="o", message="m", observe=mx((A,), (f"{B}.",)))))
    assert (one.stages, one.makers) == ((ours,), (("s/0", "s/1"),))


def test_sets_of_one_message_and_of_a_third_party_are_watched() -> None:
    first, second, third = mx((A,), (B,)), mx((A,), (B,), "y.test"), mx((A,), (B,), "z.test")
    found = followed(service(DnsChange(record=first, more=(second,)), Manual(owner="o", message="m", observe=third)))
    assert [one.name for one in found] == ["x.test", "y.test", "z.test"]


def test_the_latest_stage_that_an_authority_serves_is_followed() -> None:
    [one] = followed(service(DnsChange(record=mx((A,), (A, B))), DnsChange(record=mx((A, B), (B,)))))
    serves = {
        values: seen(History(), {"x.test": Published(values, 60)}, 1.0)
        for values in ((A,), tuple(sorted((A, B))), (B,))
    }
    assert one.current({}) == 0
    assert one.current({"ns1": serves[(A,)]}) == 0
    assert one.current({"ns1": serves[(A, B)]}) == 0
    assert one.current({"ns1": serves[(A, B)], "ns2": serves[(B,)]}) == 1


def plan(count: int, resolvers: int = 2) -> Plan:
    dns = Dns(
        zone="x.test", primary="127.0.0.1:1", authorities=("127.0.0.1:2",), parent=("127.0.0.1:3",),
        resolvers=tuple(f"127.0.0.1:{4 + n}" for n in range(resolvers)),
    )  # fmt: skip
    return Plan(
        name="p",
        hash="0",
        dns=dns,
        services=(service(records=tuple(mx((A,), (B,), f"n{n}.x.test") for n in range(count))),),
    )


async def nobody(host: str, script: str, timeout: float) -> Said:
    raise AssertionError("no host is asked")


async def test_a_plan_s_delegation_is_watched_once_and_with_ns_changes_by_their_own_watch() -> None:
    def names(plan: Plan) -> list[str]:
        return [watch.name for watch in watches(Context(plan, lambda event: None, Ticks(), nobody))]

    assert names(plan(2)) == ["n0.x.test MX", "n1.x.test MX", "x.test at its parent"]
    servers = RecordSet(name="x.test.", type="NS", old=("a.",), new=("b.",))
    ours = plan(0)
    ours = Plan(name="p", hash="0", dns=ours.dns, services=(service(DnsChange(record=servers)),))
    assert names(ours) == ["x.test. NS"]
    assert names(Plan(name="p", hash="0")) == []


class Ahead(Ticks):
    """A clock that runs ahead by what is slept, however many sleep at once."""

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            await asyncio.sleep(0)
            if self.now < until:
                self.now = min(until, self.now + 0.001)


async def test_however_many_ask_a_server_is_asked_only_so_often() -> None:
    clock = Ahead()
    pace, asked = Pace(clock), list[float]()

    async def one() -> None:
        await pace.turn("ns1")
        asked.append(clock.now)

    began = clock.now
    await asyncio.gather(*(one() for _ in range(200)))
    assert len([at for at in asked if at - began < 1.0]) <= BURST + PER_SERVER + 1
    assert (200 - BURST) / PER_SERVER - 0.1 <= max(asked) - began <= (200 - BURST) / PER_SERVER + 0.5
    await pace.turn("ns2")


# --- TTLs of a resolver ---------------------------------------------------------------------------------------------------

OLD, NEW = ("192.0.2.1",), ("192.0.2.2",)
NEWS = news_of(NEW)


def answer(values: tuple[str, ...], ttl: int) -> Answer:
    return Answer(type="A", rcode="NOERROR", values=values, ttl=ttl, record_ttl=ttl)


def known(*published: tuple[float, tuple[str, ...], int], horizon: float = 0.0, moved: float = 0.0) -> Known:
    history = History()
    for at, values, ttl in published:
        history = seen(history, {"x": Published(values, ttl)}, at)
    return Known({"ns1": history}, NEWS, Horizon(horizon), 0.0, moved)


@settings(deadline=None)
@given(st.integers(1, 300), st.lists(st.floats(0.1, 30.0), min_size=2, max_size=40))
def test_an_honest_cache_is_never_flagged(full: int, pauses: list[float]) -> None:
    """It counts down from when it asked, in whole seconds, and asks again when it has nothing left."""
    world = known((0.0, OLD, full))
    now, expires, still = 0.0, 0.0, None
    for pause in pauses:
        now += pause
        if now >= expires:
            expires = now + full
        left = answer(OLD, int(expires - now + 0.999))
        still = standing(still, left, now)
        assert flags_of(left, "old", world, still, now) == set()


@pytest.mark.parametrize("floor", [30, 60])
def test_a_ttl_that_never_falls_below_a_floor_is_clamped(floor: int) -> None:
    world = known((0.0, OLD, 3600))
    still: Standing | None = None
    flags: set[str] = set()
    for second in range(3590, 3610):
        left = answer(OLD, max(floor, 3600 - second))
        still = standing(still, left, float(second))
        flags |= flags_of(left, "old", world, still, float(second))
    assert flags == {"clamped"}


def test_a_ttl_that_was_renewed_above_what_is_published_is_clamped() -> None:
    world = known((0.0, OLD, 5))
    still = standing(None, answer(OLD, 30), 0.0)
    assert flags_of(answer(OLD, 30), "old", world, still, 0.0) == set()
    still = standing(still, answer(OLD, 30), 31.0)
    assert flags_of(answer(OLD, 30), "old", world, still, 31.0) == {"clamped"}


def test_an_old_answer_within_the_horizon_says_nothing_and_after_it_is_stale() -> None:
    world = known((0.0, OLD, 60), (10.0, NEW, 60), horizon=71.0, moved=10.0)
    assert flags_of(answer(OLD, 20), "old", world, None, 50.0) == set()
    assert flags_of(answer(OLD, 60), "old", world, None, 50.0) == {"clamped"}
    assert flags_of(answer(OLD, 0), "old", world, None, 72.0) == {"stale"}
    assert flags_of(answer(NEW, 60), "new", world, None, 72.0) == set()


def test_a_negative_answer_that_was_published_before_is_old_as_well() -> None:
    nothing = Answer(type="A", rcode="NXDOMAIN", negative_ttl=30)
    world = known((0.0, ("NXDOMAIN",), 30), (10.0, NEW, 60), horizon=41.0)
    assert flags_of(nothing, "nxdomain", world, None, 50.0) == {"stale", "clamped"}
    assert flags_of(answer(("192.0.2.77",), 30), "other", world, None, 50.0) == set()


def test_two_answers_that_agree_are_no_clamp_and_three_rounds_of_them_are() -> None:
    world = known((0.0, OLD, 3600))
    still = standing(standing(None, answer(OLD, 60), 0.0), answer(OLD, 60), 5.0)
    assert flags_of(answer(OLD, 60), "old", world, still, 5.0) == set()
    still = standing(still, answer(OLD, 60), 10.0)
    assert flags_of(answer(OLD, 60), "old", world, still, 10.0) == {"clamped"}


# --- there and back -------------------------------------------------------------------------------------------------------

THERE = followed(service(DnsChange(record=mx((A,), (B,))), DnsChange(record=mx((B,), (A,)))))[0]


def serving(*values: str) -> dict[str, History]:
    """An authority that has served these one after the other."""
    history = History()
    for when, value in enumerate(values):
        history = seen(history, {"x.test": Published((value,), 60)}, float(when))
    return {"ns1": history}


def test_a_plan_that_goes_there_and_back_is_at_its_begin_before_anything_has_happened() -> None:
    assert THERE.makers == (("s/0",), ("s/1",))
    assert THERE.current(serving(A)) == 0
    assert THERE.current(serving(A), {"s/0": "ready", "s/1": "blocked"}) == 0
    assert THERE.current(serving(A, B), {"s/0": "done", "s/1": "ready"}) == 0
    assert THERE.current(serving(A, B, A), {"s/0": "done", "s/1": "running"}) == 1
    assert THERE.current(serving(A), {"s/0": "done", "s/1": "done"}) == 1


def test_an_undo_of_the_way_there_is_not_the_way_back() -> None:
    assert THERE.current(serving(A, B, A), {"s/0": "undone", "s/1": "blocked"}) == 0
    assert THERE.current(serving(A, B, A), {"s/0": "done", "s/1": "undone"}, before=1) == 0


def test_without_steps_the_way_back_counts_once_the_way_there_was_seen() -> None:
    assert THERE.current(serving(A, B)) == 0
    assert THERE.current(serving(A, B, A)) == 1
    assert THERE.current(serving(A), before=1) == 1
