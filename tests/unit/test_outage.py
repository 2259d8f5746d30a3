"""What samples prove about an outage, and what an answer proves about a change."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.events import DnsClass
from cockpit.probes.dns.ask import Answer
from cockpit.probes.dns.classify import classify
from cockpit.probes.outage import Bounds, Outage, Sample
from cockpit.probes.spans import Spans

EVERY = 0.25
SLOW = 1.0
JITTER = 0.02
EPS = 1e-9


class Away(NamedTuple):
    """A true outage: closed from `begin` to `end`, or frozen, so that what was asked is answered afterwards."""

    begin: float
    end: float
    frozen: bool


class World(NamedTuple):
    """When a service was really away, and what a prober saw of it. `at` is the instant at which a sample saw what it saw."""

    away: list[Away]
    samples: list[Sample]
    at: list[float]

    def really(self, until: float) -> float:
        return sum(max(0.0, min(one.end, until) - one.begin) for one in self.away)

    def seen(self, count: int, until: float) -> float:
        """Of the outages that one of the first samples saw."""
        bad = [at for sample, at in zip(self.samples[:count], self.at[:count], strict=True) if sample.saw != "good"]
        return sum(
            max(0.0, min(one.end, until) - one.begin)
            for one in self.away
            if any(one.begin <= at < one.end for at in bad)
        )


def asked(sent: float, took: float, worked: float, away: list[Away]) -> tuple[Sample, float]:
    """What a request sees that takes so long where nothing is wrong, and reaches the service after a share of that."""
    at = sent + took * worked
    for one in away:
        if one.begin <= at < one.end:
            if not one.frozen:
                return Sample(sent, sent + took, "failed"), at
            answered = one.end + took * (1 - worked)
            if answered - sent > SLOW:
                return Sample(sent, sent + SLOW, "stalled"), at
            return Sample(sent, answered), one.end
    return Sample(sent, sent + took), at


@st.composite
def worlds(draw: st.DrawFn, latency: float = SLOW / 2, shortest: float = 0.01) -> World:
    """Outages of any length; between two of them there is room for one request that sees the service there."""
    away: list[Away] = []
    at = 0.0
    clear = EVERY + JITTER + latency
    for _ in range(draw(st.integers(0, 4))):
        at += draw(st.floats(clear, 4.0))
        long = draw(st.floats(shortest, 5.0))
        away.append(Away(at, at + long, draw(st.booleans())))
        at += long
    end = at + draw(st.floats(clear, 4.0))
    chance = random.Random(draw(st.integers(0, 2**32)))
    samples: list[Sample] = []
    seen: list[float] = []
    for number in range(int(end / EVERY) + 1):
        sent = number * EVERY + chance.uniform(0, JITTER)
        took = chance.choice((chance.uniform(0.001, min(0.05, latency)), chance.uniform(0.001, latency)))
        sample, instant = asked(sent, took, chance.random(), away)
        samples.append(sample)
        seen.append(instant)
    return World(away, samples, seen)


def measured(samples: list[Sample]) -> Outage:
    outage = Outage(SLOW)
    for sample in samples:
        outage.add(sample)
    return outage


@given(worlds())
def test_the_true_outage_is_between_the_bounds(world: World) -> None:
    last = max(sample.ended for sample in world.samples)
    bounds = measured(world.samples).bounds(last)
    assert bounds.lower <= world.really(last) + EPS
    assert bounds.upper >= world.seen(len(world.samples), max(world.at)) - EPS


@given(worlds(), st.data())
def test_the_bounds_hold_at_every_moment_while_it_goes_on(world: World, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(world.samples)))
    now = max(sample.ended for sample in world.samples[:count])
    bounds = measured(world.samples[:count]).bounds(now)
    assert 0 <= bounds.lower <= world.really(now) + EPS
    assert bounds.lower <= bounds.upper + EPS
    # What was away after the last sample was decided cannot be known yet.
    assert bounds.upper >= world.seen(count, min(max(world.at[:count]), now)) - EPS
    assert bounds.ongoing is (world.samples[count - 1].saw != "good")


@given(worlds(), st.data())
def test_the_lower_bound_never_goes_down(world: World, data: st.DataObject) -> None:
    outage, before = Outage(SLOW), 0.0
    for sample in world.samples:
        outage.add(sample)
        lower = outage.bounds(sample.ended).lower
        assert lower >= before
        before = lower


@given(worlds(latency=0.02))
def test_the_bounds_are_two_intervals_and_the_share_of_the_time_out_apart_for_each_outage(world: World) -> None:
    bounds = measured(world.samples).bounds(max(sample.ended for sample in world.samples))
    width = sum(2 * (EVERY + JITTER) + 4 * 0.02 + (2 * SLOW if one.frozen else 0) for one in world.away)
    assert bounds.upper - bounds.lower <= width + EPS


@given(worlds(latency=0.02, shortest=EVERY + JITTER + SLOW + 0.04))
def test_no_outage_longer_than_an_interval_is_missed(world: World) -> None:
    bounds = measured(world.samples).bounds(max(sample.ended for sample in world.samples))
    assert world.seen(len(world.samples), 1e9) == pytest.approx(world.really(1e9))
    assert bounds.upper >= world.really(max(world.at)) - EPS


@given(worlds(), st.integers(0, 60), st.integers(1, 40))
def test_what_happens_while_no_sample_can_be_sent_is_in_the_upper_bound(world: World, first: int, count: int) -> None:
    first = min(first, len(world.samples) - 1) + 1
    behind = world.samples[first + count :]
    outage = measured(world.samples[:first])
    if not behind:
        return
    outage.miss(count, behind[0].sent)
    for sample in behind:
        outage.add(sample)
    last = max(sample.ended for sample in world.samples)
    bounds = outage.bounds(last)
    gone = range(first, first + count)
    kept = [
        number for number in range(len(world.samples)) if number not in gone and world.samples[number].saw != "good"
    ]
    begin, end = world.samples[first - 1].ended, behind[0].sent
    wanted = sum(
        min(one.end, max(world.at)) - one.begin
        for one in world.away
        if (begin <= one.begin and one.end <= end) or any(one.begin <= world.at[n] < one.end for n in kept)
    )
    assert bounds.lower <= world.really(last) + EPS
    assert bounds.upper >= wanted - EPS
    assert bounds.missed == count


@given(worlds())
def test_stalled_and_failed_are_counted_apart(world: World) -> None:
    bounds = measured(world.samples).bounds(world.samples[-1].ended)
    assert bounds.stalled == sum(sample.saw == "stalled" for sample in world.samples)
    assert bounds.failed == sum(sample.saw == "failed" for sample in world.samples)
    assert bounds.samples == len(world.samples)


@given(worlds(), worlds())
def test_the_night_counts_the_time_when_any_service_was_away_once(one: World, other: World) -> None:
    lower, upper = Spans(), Spans()
    outages = [Outage(SLOW, lower, upper), Outage(SLOW, lower, upper)]
    last = 0.0
    for outage, world in zip(outages, (one, other), strict=True):
        for sample in world.samples:
            outage.add(sample)
            last = max(last, sample.ended)
    bounds = [outage.bounds(last) for outage in outages]
    still = [(outage.open, last) for outage in outages if outage.open is not None]
    assert max(each.lower for each in bounds) <= lower.total() + EPS
    assert lower.total() <= sum(each.lower for each in bounds) + EPS
    assert max(each.upper for each in bounds) <= upper.total(still) + EPS  # type: ignore[arg-type]
    assert upper.total(still) <= sum(each.upper for each in bounds) + EPS  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 12))),
    st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 12))),
)
def test_spans_are_a_union(given: list[tuple[int, int]], more: list[tuple[int, int]]) -> None:
    spans = Spans()
    for begin, long in given:
        spans.add(begin, begin + long)
    covered = {second for begin, long in given for second in range(begin, begin + long)}
    assert spans.total() == len(covered)
    also = covered | {second for begin, long in more for second in range(begin, begin + long)}
    assert spans.total([(begin, begin + long) for begin, long in more]) == len(also)


def test_without_samples_there_is_no_outage() -> None:
    assert Outage().bounds(100.0) == Bounds(known=100.0)


def test_one_failure_between_good_answers_has_no_lower_bound_but_an_upper_one() -> None:
    outage = Outage()
    outage.add(Sample(0.0, 0.1))
    outage.add(Sample(1.0, 1.1, "failed"))
    outage.add(Sample(2.0, 2.1))
    bounds = outage.bounds(5.0)
    assert (bounds.lower, bounds.upper, bounds.ongoing) == (0.0, 2.1, False)


def test_an_outage_that_goes_on_grows_above_with_the_clock_and_below_with_the_samples() -> None:
    outage = Outage()
    outage.add(Sample(0.0, 0.1))
    outage.add(Sample(1.0, 1.1, "failed"))
    outage.add(Sample(2.0, 2.1, "failed"))
    outage.add(Sample(3.0, 3.1, "failed"))
    first, later = outage.bounds(4.0), outage.bounds(5.0)
    assert first.ongoing
    assert first.lower == later.lower == pytest.approx(0.9)
    assert later.upper == pytest.approx(5.0)


def test_a_service_that_was_never_seen_is_away_since_the_first_request() -> None:
    outage = Outage()
    outage.add(Sample(10.0, 10.1, "failed"))
    assert outage.bounds(12.0).upper == pytest.approx(2.0)


def test_two_outages_are_added_and_the_time_between_them_is_not() -> None:
    outage = Outage()
    for second in range(20):
        down = second in {3, 4, 5, 12, 13, 14}
        outage.add(Sample(second, second + 0.1, "failed" if down else "good"))
    bounds = outage.bounds(30.0)
    assert bounds.lower == pytest.approx(2 * 1.9)
    assert bounds.upper == pytest.approx(2 * 4.1)


def test_a_gap_between_good_answers_is_in_the_upper_bound_alone() -> None:
    outage = Outage()
    outage.add(Sample(0.0, 0.1))
    outage.miss(3, 4.0)
    outage.add(Sample(4.0, 4.1))
    bounds = outage.bounds(9.0)
    assert (bounds.lower, bounds.upper, bounds.missed) == (0.0, pytest.approx(4.1), 3)


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
