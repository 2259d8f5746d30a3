"""Two copies of a zone side by side, changes out of a transfer, and what a step writes down for its undo."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.plan.zones import RecordSet
from cockpit.preflight.compare import MOST, differences, rows
from cockpit.probes.dns import captured
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.history import _is, steps_of
from cockpit.probes.dns.message import Swap


def held(name: str, type: str, *values: str, ttl: int = 300) -> Held:
    return Held(name=name, type=type, values=tuple(sorted(values)), ttl=ttl)


HERE = [
    held("x.test", "SOA", "ns1.x.test. host.x.test. 7 3600 600 86400 30"),
    held("x.test", "NS", "ns1.x.test."),
    held("www.x.test", "A", "192.0.2.1", "192.0.2.2"),
    held("x.test", "MX", "10 Mail.x.test."),
    held("old.x.test", "TXT", '"a b"'),
    held("www.x.test", "RRSIG", "A 13 …"),
]


def changed(there: list[Held], *ignore: str) -> list[tuple[str, str]]:
    return [(one.key, one.kind) for one in differences(HERE, there, ignore)]


def test_the_same_zone_written_otherwise_is_alike() -> None:
    there = [
        held("X.test.", "SOA", "NS1.x.test. host.x.test. 9999 3600 600 86400 30"),
        held("x.test", "NS", "ns1.X.TEST"),
        held("WWW.x.test", "A", "192.0.2.2", "192.0.2.1"),
        held("x.test.", "MX", "10 mail.x.test"),
        held("old.x.test", "TXT", "a b"),
    ]
    assert changed(there) == []
    assert [row.grade for row in rows("x.test", "new", HERE, there, ())] == ["ok"]


def test_what_is_missing_extra_or_other_is_told_and_what_is_ignored_is_not() -> None:
    there = [
        held("x.test", "SOA", "ns1.x.test. host.x.test. 7 3600 600 86400 31"),
        held("x.test", "NS", "ns.new.test."),
        held("www.x.test", "A", "192.0.2.1"),
        held("x.test", "MX", "10 mail.x.test.", ttl=5),
        held("fresh.x.test", "AAAA", "2001:db8::1"),
    ]
    assert changed(there) == [
        ("x.test MX", "ttl"),
        ("x.test NS", "values"),
        ("x.test SOA", "values"),
        ("fresh.x.test AAAA", "extra"),
        ("old.x.test TXT", "missing"),
        ("www.x.test A", "values"),
    ]
    assert changed(there, "NS", "soa", "x.test. MX", "OLD.x.test TXT") == [
        ("fresh.x.test AAAA", "extra"),
        ("www.x.test A", "values"),
    ]


def test_a_place_that_tells_no_soa_or_ttl_is_not_blamed_for_it() -> None:
    there = [held(one.name, one.type, *one.values, ttl=-1) for one in HERE[1:]]
    assert changed(there) == []


def test_a_zone_that_differs_all_over_ends_in_a_bounded_table() -> None:
    there = [held(f"h{number}.x.test", "A", "192.0.2.9") for number in range(500)]
    told = list(rows("x.test", "new", HERE, there, ()))
    assert len(told) == MOST + 2
    assert f"{500 + 5 - 1 - MOST} more record sets differ" in told[-2].found, told[-2]


def test_signing_at_one_place_only_is_told_once() -> None:
    told = list(rows("x.test", "new", [*HERE, held("x.test", "DNSKEY", "257 3 13 x")], HERE, ()))
    assert [row.found for row in told if row.grade == "warn"] == ["signed here, not there"]


NAMES = st.sampled_from(["a.x.test", "b.x.test"])
TYPES = st.sampled_from(["A", "MX", "TXT"])
TEXTS = {"A": "192.0.2.{}", "MX": "{} mail.x.test.", "TXT": '"text {}"'}


@st.composite
def sets(draw: st.DrawFn) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
    keys = draw(st.sets(st.tuples(NAMES, TYPES), max_size=4))
    return {
        key: (
            draw(st.integers(1, 3)),
            frozenset(TEXTS[key[1]].format(n) for n in draw(st.sets(st.integers(1, 4), min_size=1, max_size=3))),
        )
        for key in keys
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(sets(), min_size=2, max_size=5))
def test_of_all_changes_in_a_history_each_is_found_and_no_other(
    zones: list[dict[tuple[str, str], tuple[int, frozenset[str]]]],
) -> None:
    """An incremental transfer of random zones: a swap is recognised in exactly the steps that did it."""

    def soa(serial: int) -> tuple[str, str, str, int]:
        return ("x.test.", "SOA", f"ns. host. {serial} 1 1 1 1", 5)

    def flat(zone: dict[tuple[str, str], tuple[int, frozenset[str]]]) -> set[tuple[str, str, str, int]]:
        return {(f"{name}.", type, value, ttl) for (name, type), (ttl, values) in zone.items() for value in values}

    history = [soa(len(zones) - 1)]
    for serial, (one, other) in enumerate(itertools.pairwise(zones)):
        history += [soa(serial), *sorted(flat(one) - flat(other)), soa(serial + 1), *sorted(flat(other) - flat(one))]
    steps = steps_of([*history, soa(len(zones) - 1)], since=0)
    assert steps is not None
    for one, other in itertools.pairwise(zones):
        for key in one.keys() | other.keys():
            was, becomes = one.get(key, (0, frozenset()))[1], other.get(key, (0, frozenset()))
            if (becomes[0], becomes[1]) == one.get(key, (0, frozenset())):
                continue
            swap = Swap(name=key[0], type=key[1], was=tuple(was), becomes=tuple(becomes[1]), ttl=becomes[0])
            assert any(_is(step, [swap]) for step in steps), (swap, steps)
    never = Swap(name="a.x.test", type="A", was=("198.51.100.1",), becomes=("198.51.100.2",), ttl=1)
    assert not any(_is(step, [never]) for step in steps)


def test_a_transfer_of_the_whole_zone_is_no_history() -> None:
    soa = ("x.test.", "SOA", "ns. host. 9 1 1 1 1", 5)
    assert steps_of([soa, ("a.x.test.", "A", "192.0.2.1", 5), soa], since=3) is None
    assert steps_of([], since=3) is None
    assert steps_of([soa], since=9) == []
    assert steps_of([soa], since=3) is None, "a server that has no room for the changes says its serial only"


@settings(max_examples=100, deadline=None)
@given(sets())
def test_what_is_written_down_is_what_undo_brings_back(zone: dict[tuple[str, str], tuple[int, frozenset[str]]]) -> None:
    before = [held(name, type, *values, ttl=ttl) for (name, type), (ttl, values) in zone.items()]
    records = [
        RecordSet(name=one.name, type=one.type, old=tuple(v.lower() for v in one.values), new=("x",), ttl=9)
        for one in before
    ]
    kept = captured.written(before, 7)
    assert all(isinstance(value, str) for value in kept.values())
    back = captured.back(records, kept)
    assert [(swap.becomes, swap.ttl) for swap in back] == [(one.values, one.ttl) for one in before]
    assert [swap.was for swap in back] == [("x",)] * len(before)


def test_what_an_older_run_wrote_down_is_still_read() -> None:
    record = RecordSet(name="a.x.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",))
    short = {"ttl": "77", "values": "192.0.2.1", "serial": "3"}
    assert captured.back([record], short) == (
        Swap(name="a.x.test", type="A", was=("192.0.2.2",), becomes=("192.0.2.1",), ttl=77),
    )
    assert captured.forward([record], short)[0].ttl == 77
    assert captured.forward([record], {})[0].ttl == captured.FALLBACK


def test_a_set_that_was_not_as_the_plan_says_goes_back_to_what_the_update_demanded() -> None:
    record = RecordSet(name="a.x.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",))
    kept = captured.written([held("a.x.test", "A", "192.0.2.99", ttl=40)], 7)
    swap = captured.back([record], kept)[0]
    assert (swap.becomes, swap.ttl) == (("192.0.2.1",), 40)


def test_a_ttl_of_nothing_is_a_ttl() -> None:
    record = RecordSet(name="a.x.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",))
    kept = captured.written([held("a.x.test", "A", "192.0.2.1", ttl=0)], 7)
    assert (captured.forward([record], kept)[0].ttl, captured.back([record], kept)[0].ttl) == (0, 0)
