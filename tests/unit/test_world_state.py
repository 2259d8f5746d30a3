"""What the state keeps of the world's view: bounded pasts, and a timeline that tells once what matters."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit import events as ev
from cockpit.events.world import DnsClass
from cockpit.reduce import reduce
from cockpit.reduce.world import propagation
from cockpit.state import PAST, RunState
from tests.ui import evening

NAME = "osf.example.org"


def folded(*told: ev.AnyEvent) -> RunState:
    """The state of the evening's plan after these events, a second apart."""
    state = RunState()
    for seq, event in enumerate((ev.RunStarted(run="r", plan=evening.plan()), *told), 1):
        state = reduce(state, ev.Record(seq=seq, utc=float(seq), mono=float(seq), actor="conductor", event=event))
    return state


def alarms(state: RunState, word: str = "alarm") -> list[str]:
    return [entry.text for entry in state.timeline if entry.word == word]


def seen(state: DnsClass = "old", vantage: str = "203.0.113.7", **more: object) -> ev.DnsSeen:
    return ev.DnsSeen(service="osf", name=NAME, type="A", vantage=vantage, role="resolver", state=state, **more)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(get_args(DnsClass)), st.booleans()), min_size=1, max_size=3 * PAST))
def test_a_vantage_s_past_is_its_changes_bounded_with_the_first_look_kept(told: list[tuple[DnsClass, bool]]) -> None:
    state = folded(*(seen(word, flags=("stale",) if stale else ()) for word, stale in told))
    past = state.services["osf"].dns[f"{NAME} A resolver 203.0.113.7"].past
    assert len(past) <= PAST
    assert (past[0].state, past[0].wrong, past[0].utc) == (*told[0], 2.0)
    assert (past[-1].state, past[-1].wrong) == told[-1]
    changes = [each for index, each in enumerate(told) if not index or told[index - 1] != each]
    if len(changes) <= PAST:
        assert [(each.state, each.wrong) for each in past] == changes
    assert [each.utc for each in past] == sorted({each.utc for each in past})


def test_an_answer_that_is_told_again_makes_no_new_past() -> None:
    state = folded(seen(ttl=300), seen(ttl=299), seen(ttl=298))
    assert len(state.services["osf"].dns[f"{NAME} A resolver 203.0.113.7"].past) == 1


def test_a_stale_resolver_is_told_once_however_often_it_is_seen() -> None:
    state = folded(*(seen(flags=("stale",) if turn % 2 else ()) for turn in range(20)))
    assert len(alarms(state)) == 1
    assert "203.0.113.7 is stale" in alarms(state)[0]
    other = folded(seen(flags=("stale",)), seen(vantage="203.0.113.8", flags=("stale", "bogus")))
    assert len(alarms(other)) == 3


def test_a_resolver_that_many_services_ask_is_told_stale_once() -> None:
    plan = evening.plan()
    told = [
        ev.DnsSeen(
            service=each.id, name=NAME, type="A", vantage="203.0.113.7", role="resolver", state="old", flags=("stale",)
        )
        for each in plan.services
        for _ in range(3)
    ]
    assert len(alarms(folded(*told))) == 1


def test_what_is_stale_or_bogus_never_counts_as_moved() -> None:
    state = folded(seen("new", "a"), seen("new", "b", flags=("stale",)), seen("new", "c", flags=("bogus",)))
    assert propagation(state.services["osf"])[1] == (1, 3)


def test_the_figures_of_one_record_set_leave_the_others_out() -> None:
    other = ev.DnsSeen(service="osf", name=NAME, type="MX", vantage="203.0.113.7", role="resolver", state="old")
    state = folded(seen("new"), other)
    assert propagation(state.services["osf"], f"{NAME} A")[1] == (1, 1)
    assert propagation(state.services["osf"])[1] == (1, 2)


def test_two_writers_alarm_when_it_begins_and_not_while_it_lasts() -> None:
    both = ev.WriterSeen(service="osf", writer="both", detail="old says xen, new says shared")
    state = folded(both, both, both, ev.WriterSeen(service="osf", writer="new"), both)
    assert len(alarms(state)) == 2


def test_the_horizon_is_told_when_the_last_authority_has_changed() -> None:
    def horizon(at: float) -> ev.HorizonSeen:
        return ev.HorizonSeen(service="osf", name=NAME, type="A", at=at)

    state = folded(horizon(0.0), horizon(0.0), horizon(500.0), horizon(500.0), horizon(501.0))
    assert len(alarms(state, "horizon")) == 1
    assert len(alarms(folded(horizon(500.0), horizon(501.0)), "horizon")) == 1, "it was known at the first look"


def test_a_cache_that_becomes_stale_is_a_point_of_the_curve() -> None:
    state = folded(seen("new"), seen("new", flags=("stale",)), seen("new", flags=("stale",)))
    assert [point.caches for point in state.services["osf"].curve] == [(1, 1), (0, 1)]


def test_a_change_that_another_one_follows_has_not_moved() -> None:
    state = folded(seen("new", stage=1, stages=2), seen("new", stage=2, stages=2))
    assert [point.caches for point in state.services["osf"].curve] == [(0, 1), (1, 1)]


def test_a_count_keeps_when_a_client_was_heard_and_when_something_was_not_counted() -> None:
    def told(total: int, unread: int = 0, lost: int = 0) -> ev.TrafficSeen:
        return ev.TrafficSeen(service="osf", host="xen", side="old", rate=0.0, total=total, unread=unread, lost=lost)

    state = folded(told(0), told(1), told(1), told(1, 1), told(1, 1), told(1, 1, 9), told(1, 1, 9))
    view = state.services["osf"].traffic["xen"]
    assert (view.since, view.heard, view.unsure) == (7.0, 3.0, 7.0)


def test_a_lost_message_is_told_when_it_is_lost_and_a_later_loss_again_only_after_one_arrived() -> None:
    def token(state: str) -> ev.TokenSeen:
        return ev.TokenSeen(service="osf", through="new", token="t", state=state, detail="why")  # type: ignore[arg-type]

    told = folded(
        *(
            token(word)
            for word in ("sent", "arrived", "sent", "lost", "sent", "lost", "sent", "lost", "sent", "arrived", "lost")
        )
    )
    assert len(alarms(told)) == 2
    assert told.services["osf"].tokens["new"].lost == 4


def test_the_first_url_that_differs_is_told_and_no_further_one() -> None:
    def url(number: int, same: bool) -> ev.CompareSeen:
        differences = () if same else (ev.Difference(what="status", old="200", new="404"),)
        return ev.CompareSeen(service="osf", url=f"https://{NAME}/{number}", same=same, differences=differences, of=100)

    state = folded(url(0, True), *(url(number, False) for number in range(1, 100)))
    assert alarms(state) == [f"osf: new differs from old at https://{NAME}/1: status; W shows it"]


def test_an_access_log_keeps_its_last_rates_alone() -> None:
    state = folded(*(ev.TrafficSeen(service="osf", host="xen", side="old", rate=float(n)) for n in range(3 * PAST)))
    assert state.services["osf"].traffic["xen"].rates == tuple(float(n) for n in range(2 * PAST, 3 * PAST))
