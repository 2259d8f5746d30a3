"""What samples prove about an outage, and what an answer proves about a change."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.events import DnsClass
from cockpit.probes.classify import classify
from cockpit.probes.outage import Bounds, Outage, Sample
from cockpit.probes.resolve import Answer

EVERY = 0.25
EPS = 1e-9


class World(NamedTuple):
    """When a service was really away, and what a prober saw of it. `seen` is the moment at which each sample was decided."""

    away: list[tuple[float, float]]
    samples: list[Sample]
    seen: list[float]

    def really(self, until: float) -> float:
        return sum(max(0.0, min(end, until) - begin) for begin, end in self.away if begin < until)


@st.composite
def worlds(draw: st.DrawFn, timeout: float = 2.0, clear: float = 3.0) -> World:
    """Outages that stand far enough apart for every one, and every time between two, to be seen by a sample."""
    away: list[tuple[float, float]] = []
    at = 0.0
    for _ in range(draw(st.integers(0, 3))):
        at += draw(st.floats(clear, 6.0))
        long = draw(st.floats(clear, 8.0))
        away.append((at, at + long))
        at += long
    end = at + draw(st.floats(clear, 6.0))
    chance = random.Random(draw(st.integers(0, 2**32)))
    samples: list[Sample] = []
    seen: list[float] = []
    number = 0
    while number * EVERY < end:
        sent = number * EVERY + chance.uniform(0, 0.02)
        took = chance.choice((chance.uniform(0.001, 0.05), chance.uniform(0.001, timeout)))
        decided = sent + took * chance.random()
        down = any(begin <= decided < finish for begin, finish in away)
        samples.append(Sample(sent, sent + took, ok=not down, stalled=down and chance.random() < 0.5))
        seen.append(decided)
        number += 1
    return World(away, samples, seen)


@given(worlds())
def test_the_true_outage_is_between_the_bounds(world: World) -> None:
    outage = Outage()
    for sample in world.samples:
        outage.add(sample)
    last = world.samples[-1].ended
    bounds = outage.bounds(last)
    assert bounds.lower <= world.really(last) + EPS
    assert bounds.upper >= world.really(world.seen[-1]) - EPS


@given(worlds(), st.data())
def test_the_bounds_hold_at_every_moment_while_it_goes_on(world: World, data: st.DataObject) -> None:
    outage = Outage()
    count = data.draw(st.integers(1, len(world.samples)))
    for sample in world.samples[:count]:
        outage.add(sample)
    now = max(sample.ended for sample in world.samples[:count])
    bounds = outage.bounds(now)
    assert 0 <= bounds.lower <= world.really(now) + EPS
    assert bounds.lower <= bounds.upper
    # What was away after the last sample was decided cannot be known yet.
    assert bounds.upper >= world.really(min(world.seen[count - 1], now)) - EPS
    assert bounds.ongoing is not world.samples[count - 1].ok


@given(worlds(timeout=0.05))
def test_the_bounds_are_two_intervals_and_two_answers_apart_for_each_outage(world: World) -> None:
    outage = Outage()
    for sample in world.samples:
        outage.add(sample)
    bounds = outage.bounds(world.samples[-1].ended)
    assert bounds.upper - bounds.lower <= len(world.away) * (2 * EVERY + 4 * 0.05 + 0.04) + EPS


@given(worlds())
def test_stalled_and_failed_are_counted_apart(world: World) -> None:
    outage = Outage()
    for sample in world.samples:
        outage.add(sample)
    bounds = outage.bounds(world.samples[-1].ended)
    assert bounds.stalled == sum(sample.stalled for sample in world.samples)
    assert bounds.failed == sum(not sample.ok and not sample.stalled for sample in world.samples)
    assert bounds.samples == len(world.samples)


def test_without_samples_there_is_no_outage() -> None:
    assert Outage().bounds(100.0) == Bounds()


def test_one_failure_between_good_answers_has_no_lower_bound_but_an_upper_one() -> None:
    outage = Outage()
    outage.add(Sample(0.0, 0.1, ok=True))
    outage.add(Sample(1.0, 1.1, ok=False))
    outage.add(Sample(2.0, 2.1, ok=True))
    bounds = outage.bounds(5.0)
    assert (bounds.lower, bounds.upper, bounds.ongoing) == (0.0, 2.1, False)


def test_an_outage_that_goes_on_grows_above_with_the_clock_and_below_with_the_samples() -> None:
    outage = Outage()
    outage.add(Sample(0.0, 0.1, ok=True))
    outage.add(Sample(1.0, 1.1, ok=False))
    outage.add(Sample(2.0, 2.1, ok=False))
    first, later = outage.bounds(3.0), outage.bounds(4.0)
    assert first.ongoing
    assert first.lower == later.lower == pytest.approx(0.9)
    assert later.upper == pytest.approx(4.0)


def test_a_service_that_was_never_seen_is_away_since_the_first_request() -> None:
    outage = Outage()
    outage.add(Sample(10.0, 10.1, ok=False))
    assert outage.bounds(12.0).upper == pytest.approx(2.0)


def test_two_outages_are_added_and_the_time_between_them_is_not() -> None:
    outage = Outage()
    for second in range(20):
        down = second in {3, 4, 5, 12, 13, 14}
        outage.add(Sample(second, second + 0.1, ok=not down))
    bounds = outage.bounds(30.0)
    assert bounds.lower == pytest.approx(2 * 1.9)
    assert bounds.upper == pytest.approx(2 * 4.1)


OLD, NEW = ("192.0.2.10", "192.0.2.11"), ("192.0.2.20", "192.0.2.21")


def said(*values: str, rcode: str = "NOERROR", aa: bool = True) -> Answer:
    return Answer(rcode=rcode, authoritative=aa, values=tuple(sorted(values)), ttl=5 if values else -1)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (said(*NEW), "new"),
        (said(*OLD), "old"),
        (said(NEW[0]), "new-partial"),
        (said(OLD[1]), "old-partial"),
        (said(OLD[0], NEW[0]), "mixed"),
        (said(*OLD, *NEW), "mixed"),
        (said("198.51.100.1"), "other"),
        (said(*NEW, "198.51.100.1"), "other"),
        (said(), "nodata"),
        (said(rcode="NXDOMAIN"), "nxdomain"),
        (said(rcode="SERVFAIL"), "servfail"),
        (said(rcode="REFUSED"), "refused"),
        (said(rcode="NOTIMP"), "other"),
        (said(*NEW, aa=False), "lame"),
        (said(aa=False), "lame"),
        (Answer(), "timeout"),
        (Answer(trouble="no answer in time"), "timeout"),
    ],
)
def test_an_answer_of_an_authority_has_its_class(answer: Answer, state: DnsClass) -> None:
    assert classify(answer, OLD, NEW, authority=True) == state


def test_a_resolver_needs_no_authority() -> None:
    assert classify(said(*NEW, aa=False), OLD, NEW, authority=False) == "new"


def test_values_are_compared_without_case_and_final_dot() -> None:
    answer = said("10 mail.example.org")
    assert classify(answer, ("10 old.example.org.",), ("10 Mail.Example.ORG.",), authority=True) == "new"


def test_a_set_that_grows_or_shrinks_is_told_from_the_old_one() -> None:
    assert classify(said("a"), ("a",), ("a", "b"), authority=True) == "old"
    assert classify(said("a", "b"), ("a",), ("a", "b"), authority=True) == "new"
    assert classify(said("a"), ("a", "b"), ("a",), authority=True) == "new"
    assert classify(said("b"), ("a",), ("a", "b"), authority=True) == "new-partial"


def test_a_member_of_both_sets_proves_neither() -> None:
    both = ("a", "b"), ("b", "c")
    assert classify(said("b"), *both, authority=True) == "mixed"
    assert classify(said("a"), *both, authority=True) == "old-partial"
    assert classify(said("c"), *both, authority=True) == "new-partial"


@given(*(st.frozensets(st.sampled_from("abcde"), max_size=4) for _ in range(3)))
def test_new_is_said_of_the_new_set_alone(have: frozenset[str], old: frozenset[str], new: frozenset[str]) -> None:
    state = classify(said(*have), tuple(old), tuple(new), authority=True)
    assert (state == "new") == (have == new)
    assert (state == "old") == (have == old != new)
    assert (state == "other") == bool(have - old - new)
    if state == "new-partial":
        assert have < new
        assert have - old
    if state == "old-partial":
        assert have < old
        assert have - new
