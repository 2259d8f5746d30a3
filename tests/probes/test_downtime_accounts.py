"""What becomes of readings: figures, alarms of budgets, the night, and what a resumption finds."""

from __future__ import annotations

import pytest

from cockpit.events import BudgetAlarm, DowntimeSeen
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Downtime
from cockpit.probes.downtime import accounts
from cockpit.probes.downtime.accounts import Account
from cockpit.probes.downtime.prober import meters
from cockpit.probes.downtime.wire import Reading
from cockpit.state import DownView


def test_the_night_counts_a_service_without_readers_by_its_writers() -> None:
    write = Downtime(url="http://a/", kind="write")
    read = Downtime(url="http://a/", id="r")
    plan = Plan(
        name="n",
        hash="",
        services=(
            Service(id="a", downtime=write, meters=(read,)),
            Service(id="b", downtime=write),
            Service(id="c", disposition="drop", downtime=read),
            Service(id="d"),
        ),
    )
    assert [(one.service, one.spec.id, one.night) for one in meters(plan)] == [
        ("a", "", False),
        ("a", "r", True),
        ("b", "", True),
    ]


def account(budget: float, before: DownView | None = None) -> Account:
    return Account("osf", "", "read", budget, 0.25, before or DownView())


def alarms(told: list[DowntimeSeen | BudgetAlarm]) -> list[tuple[float, float]]:
    return [(event.share, event.upper) for event in told if isinstance(event, BudgetAlarm)]


def reading(upper: float, **more: object) -> Reading:
    return Reading(meter=0, began=0.0, known=0.0, upper=upper, samples=1, **more)  # type: ignore[arg-type]


def test_a_budget_alarms_before_it_is_spent_and_when_it_is_each_once() -> None:
    ours = account(10.0)
    told: list[tuple[float, float]] = []
    for second in range(14):
        ours.take(reading(float(second), ongoing=True), second)
        told += alarms(ours.news(second, 0.25))
    assert told == [(0.8, 8.0), (1.0, 10.0)]


def test_a_budget_that_was_told_of_before_a_resumption_alarms_no_second_time() -> None:
    ours = account(10.0, DownView(upper=8.0))
    ours.take(reading(0.5), 1)
    assert alarms(ours.news(1, 0.25)) == []
    ours.take(reading(2.0), 2)
    assert alarms(ours.news(2, 0.25)) == [(1.0, 10.0)]


@pytest.mark.parametrize("deaths", [0, 1, 3])
def test_a_prober_that_dies_before_it_measured_makes_no_gap_smaller(deaths: int) -> None:
    ours = account(0.0, DownView(lower=1.0, upper=2.0, samples=10))
    ours.lose_sight(1000.0)
    for _ in range(deaths):
        ours.lose_sight()
    ours.take(Reading(meter=0, began=1100.0, known=1100.0, samples=1), 1100.5)
    [seen] = ours.news(1100.5, 0.25)
    assert isinstance(seen, DowntimeSeen)
    assert seen.upper == 102.0


def test_a_figure_says_up_to_when_it_is_right() -> None:
    ours = account(0.0)
    ours.take(Reading(meter=0, began=90.0, known=99.0, samples=1), 100.0)
    [seen] = ours.news(100.0, 0.25, 5000.0)
    assert isinstance(seen, DowntimeSeen)
    assert seen.known == 4999.0


def test_without_a_budget_there_is_no_alarm() -> None:
    ours = account(0.0)
    ours.take(reading(500.0), 1)
    assert alarms(ours.news(1, 0.25)) == []


def test_a_figure_is_told_when_it_changes_and_now_and_then_when_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "AGAIN", 5.0)
    ours, told = account(10.0), 0
    for tenth in range(101):
        ours.take(reading(0.0), tenth / 10)
        told += len(ours.news(tenth / 10, 0.25))
    assert told == 3


def test_the_bounds_that_are_told_are_rounded_away_from_the_truth() -> None:
    ours = account(10.0)
    ours.take(Reading(meter=0, began=0, known=0, lower=0.12349, upper=0.56781, samples=1), 1.0)
    [seen] = ours.news(1.0, 0.25)
    assert isinstance(seen, DowntimeSeen)
    assert (seen.lower, seen.upper) == (0.123, 0.568)
