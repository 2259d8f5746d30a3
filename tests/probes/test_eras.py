"""The horizon against a world in which everything is known: what servers published when, and what caches took from them."""

from __future__ import annotations

import math
import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cockpit.events import Term
from cockpit.probes.dns.eras import GRAIN, MOST, NXDOMAIN, History, Published, seen, unheard
from cockpit.probes.dns.horizon import horizon, longest_ttl, news_of, was_old

OLD, NEW = ("192.0.2.10",), ("192.0.2.20",)
NEWS = news_of(NEW)
WWW, WEB1, WEB2 = "www.example.org", "web1.example.org", "web2.example.org"


def at(name: str, content: tuple[str, ...], ttl: int) -> dict[str, Published]:
    return {name: Published(content, ttl)}


def link(name: str, target: str, ttl: int) -> dict[str, Published]:
    return {name: Published((f"CNAME {target}",), ttl, True)}


def told(*answers: tuple[float, dict[str, Published]]) -> History:
    history = History()
    for when, said in answers:
        history = seen(history, said, when)
    return history


def test_a_ttl_that_was_lowered_shortly_before_the_change_counts_from_when_it_was_last_published() -> None:
    history = told((0, at(WWW, OLD, 3600)), (10, at(WWW, OLD, 60)), (100, at(WWW, NEW, 60)))
    made = horizon({"ns1": history}, NEWS)
    assert made.at == 10 + 3600 + GRAIN
    assert made.terms == (
        Term(what="ns1: old, TTL 3600", at=3610 + GRAIN),
        Term(what="ns1: old, TTL 60", at=160 + GRAIN),
    )


def test_there_is_no_horizon_while_one_authority_serves_old_and_its_terms_are_told_all_the_same() -> None:
    early = told((0, at(WWW, OLD, 60)), (5, at(WWW, NEW, 60)))
    late = told((0, at(WWW, OLD, 300)), (7, at(WWW, OLD, 60)))
    made = horizon({"ns1": early, "ns2": late}, NEWS)
    assert made.at == 0
    assert [(term.what, term.at) for term in made.terms] == [("ns2: old, TTL 300", 308), ("ns1: old, TTL 60", 66)]


def test_the_last_authority_to_change_decides() -> None:
    histories = {f"ns{n}": told((0, at(WWW, OLD, 60)), (n, at(WWW, NEW, 60))) for n in (3, 9, 5)}
    assert horizon(histories, NEWS).at == 9 + 60 + GRAIN


def test_going_back_takes_the_horizon_away_and_the_next_change_counts_anew() -> None:
    history = told((0, at(WWW, OLD, 60)), (5, at(WWW, NEW, 60)), (20, at(WWW, OLD, 60)))
    assert horizon({"ns1": history}, NEWS).at == 0
    assert horizon({"ns1": seen(history, at(WWW, NEW, 60), 50)}, NEWS).at == 50 + 60 + GRAIN


def test_a_name_that_did_not_exist_is_remembered_for_its_negative_ttl() -> None:
    history = told((0, at(WWW, NXDOMAIN, 900)), (5, at(WWW, NEW, 60)))
    made = horizon({"ns1": history}, NEWS)
    assert (made.at, made.terms[0].what) == (905 + GRAIN, "ns1: no such name, TTL 900")


def test_a_record_that_is_taken_away_is_new_once_nothing_is_there() -> None:
    history = told((0, at(WWW, OLD, 60)), (5, at(WWW, NXDOMAIN, 900)), (6, at(WWW, ("NODATA",), 900)))
    assert horizon({"ns1": history}, news_of(())).at == 65 + GRAIN


def test_a_link_that_changed_counts_with_its_own_ttl() -> None:
    old = link(WWW, WEB1, 300) | at(WEB1, OLD, 3600)
    new = link(WWW, WEB2, 300) | at(WEB2, NEW, 60)
    made = horizon({"ns1": told((0, old), (5, new))}, NEWS)
    assert made.at == 305 + GRAIN
    assert made.terms[0].what == f"ns1: {WWW} CNAME {WEB2}, TTL 300".replace(WEB2, WEB1)


def test_behind_a_link_that_stays_the_record_set_counts() -> None:
    stays = link(WWW, WEB1, 3600)
    history = told((0, stays | at(WEB1, OLD, 60)), (5, stays | at(WEB1, NEW, 60)))
    assert horizon({"ns1": history}, NEWS).at == 65 + GRAIN


def test_the_slowest_link_of_a_chain_wins() -> None:
    old = link(WWW, "a.example.org", 30) | link("a.example.org", WEB1, 900) | at(WEB1, OLD, 60)
    both = link(WWW, "b.example.org", 30) | link("a.example.org", WEB2, 30) | at(WEB2, NEW, 60)
    new = link(WWW, "a.example.org", 30) | link("a.example.org", WEB2, 30) | at(WEB2, NEW, 60)
    assert horizon({"ns1": told((0, old), (5, new))}, NEWS).at == 905 + GRAIN
    assert horizon({"ns1": told((0, old), (5, both))}, NEWS).at == 905 + GRAIN


def test_a_chain_that_leaves_the_server_is_no_new_answer() -> None:
    assert horizon({"ns1": told((0, link(WWW, "cdn.example.net", 60)))}, NEWS).at == 0


def test_an_authority_that_says_nothing_makes_an_estimate_and_its_new_answer_a_bound() -> None:
    good = told((0, at(WWW, OLD, 60)), (5, at(WWW, NEW, 60)))
    mute = unheard(unheard(told((0, at(WWW, OLD, 300))), 3), 9)
    made = horizon({"ns1": good, "ns2": mute}, NEWS)
    assert (made.at, made.terms[0].sure) == (303 + GRAIN, "estimate")
    back = seen(mute, at(WWW, NEW, 60), 50)
    made = horizon({"ns1": good, "ns2": back}, NEWS)
    assert (made.at, made.terms[0].sure) == (350 + GRAIN, "bound")


def test_an_authority_that_has_never_answered_is_taken_for_as_slow_as_the_others() -> None:
    good = told((0, at(WWW, OLD, 600)), (5, at(WWW, NEW, 60)))
    made = horizon({"ns1": good, "ns2": unheard(History(), 2)}, NEWS)
    assert [(term.at, term.sure) for term in made.terms] == [(605 + GRAIN, "bound"), (602 + GRAIN, "estimate")]
    assert horizon({"ns1": good, "ns2": History()}, NEWS).at == 0


def test_when_nobody_is_heard_any_more_nothing_has_changed() -> None:
    mute = unheard(told((0, at(WWW, OLD, 60))), 3)
    assert horizon({"ns1": mute, "ns2": mute}, NEWS).at == 0
    assert horizon({"ns1": unheard(History(), 1), "ns2": unheard(History(), 1)}, NEWS).at == 0
    new = unheard(told((0, at(WWW, OLD, 60)), (5, at(WWW, NEW, 60))), 9)
    assert horizon({"ns1": new, "ns2": unheard(History(), 1)}, NEWS).at == 66
    assert horizon({"ns1": told((5, at(WWW, NEW, 60))), "ns2": unheard(History(), 1)}, NEWS).at == 0


def test_what_had_changed_before_anybody_looked_is_an_estimate() -> None:
    made = horizon({"ns1": told((50, at(WWW, NEW, 60)))}, NEWS)
    assert (made.at, [term.sure for term in made.terms]) == (110 + GRAIN, ["estimate"])
    assert horizon({"ns1": told((50, at(WWW, NEW, 60)))}, NEWS, known=600).at == 650 + GRAIN


def test_what_was_told_before_a_resumption_holds_on() -> None:
    floor = Term(what="ns1: old, TTL 3600", at=3605.0)
    made = horizon({"ns1": told((50, at(WWW, NEW, 60)))}, NEWS, floors=(floor,))
    assert (made.at, made.terms) == (3605, (floor,))
    assert horizon({"ns1": told((50, at(WWW, OLD, 60)))}, NEWS, floors=(floor,)).at == 0


def test_a_server_that_publishes_something_else_each_time_costs_bounded_memory() -> None:
    history = told((0, at(WWW, OLD, 3600)))
    for number in range(500):
        history = seen(history, at(WWW, (f"10.0.{number // 250}.{number % 250}",), 1), 1 + number)
    assert len(history.eras) <= MOST + 1
    assert horizon({"ns1": seen(history, at(WWW, NEW, 60), 600)}, NEWS).at == 3601 + GRAIN


def test_what_was_published_is_known_by_its_content() -> None:
    histories = {"ns1": told((0, at(WWW, OLD, 60)), (5, at(WWW, OLD, 30)), (9, at(WWW, NEW, 5)))}
    assert was_old(histories, OLD, NEWS)
    assert not was_old(histories, NEW, NEWS)
    assert not was_old(histories, ("10.0.0.1",), NEWS)
    assert [longest_ttl(histories, content) for content in (OLD, NEW, ("10.0.0.1",))] == [60, 5, -1]


# --- against everything that can happen --------------------------------------------------------------------------------

Timeline = list[tuple[float, tuple[str, ...], int]]
"""When a server began to publish what with which TTL; it ends with new."""


@st.composite
def timelines(draw: st.DrawFn, gap: float) -> Timeline:
    """What one server publishes: each for longer than the gap between two questions."""
    moments: Timeline = [(0.0, OLD, draw(st.integers(1, 20)))]
    for _ in range(draw(st.integers(0, 5))):
        last = moments[-1]
        when = last[0] + draw(st.floats(gap * 1.1, 8.0))
        what = draw(st.sampled_from([OLD, NEW, ("10.9.9.9",), NXDOMAIN]))
        moments.append((when, what, draw(st.integers(0, 20))))
    moments.append((moments[-1][0] + draw(st.floats(gap * 1.1, 8.0)), NEW, 5))
    return moments


def published(timeline: Timeline, when: float) -> tuple[tuple[str, ...], int]:
    return next((what, ttl) for since, what, ttl in reversed(timeline) if since <= when)


@settings(deadline=None)
@given(st.data(), st.randoms(use_true_random=False))
def test_the_horizon_is_never_earlier_than_the_last_old_answer_and_at_most_a_round_later(
    data: st.DataObject, dice: random.Random
) -> None:
    gap = data.draw(st.floats(0.05, 2.0), label="longest time between two answers of a server")
    servers = data.draw(st.lists(timelines(gap), min_size=1, max_size=3), label="servers")
    over = max(timeline[-1][0] for timeline in servers) + gap * 2
    histories: dict[str, History] = {}
    for number, timeline in enumerate(servers):
        history, when = History(), 0.0
        while when <= over:
            what, ttl = published(timeline, when)
            late = dice.uniform(0, gap / 4)
            history = seen(history, at(WWW, what, ttl), when + late)
            when += dice.uniform(gap / 2, gap * 0.7)
        histories[f"ns{number}"] = history
    made = horizon(histories, NEWS)
    last = max(_last_old(timeline) for timeline in servers)
    assert made.at >= last + GRAIN - 1e-6, "a cache that counts whole seconds keeps it one second longer"
    assert made.at <= last + GRAIN + gap + 1e-6
    assert all(term.sure == "bound" for term in made.terms)


def _last_old(timeline: Timeline) -> float:
    """When the luckiest honest cache gave its last old answer: it asked in the last moment of some era."""
    ends = [after[0] for after in timeline[1:]]
    return max(end + ttl for (_, what, ttl), end in zip(timeline, ends, strict=False) if what != NEW)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.999])
def test_a_cache_that_counts_whole_seconds_has_let_go_by_the_horizon(fraction: float) -> None:
    """Unbound answers from its cache while the second of the clock is not past the second of asking plus the TTL."""
    asked = 100 + fraction
    history = told((0, at(WWW, OLD, 5)), (asked, at(WWW, NEW, 5)))
    last_second = math.floor(asked) + 5
    assert horizon({"ns1": history}, NEWS).at >= last_second + 1 - 1e-9
