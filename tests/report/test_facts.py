"""What the report says, counted another way: from the journal's lines as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit import events as ev
from cockpit.conductor.summary import summary
from cockpit.journal.reader import walk
from cockpit.plan.model import Gate
from cockpit.reduce import reduce
from cockpit.report.facts import Report
from cockpit.report.fold import made, of
from cockpit.report.forms import painted
from cockpit.report.read import Reading
from cockpit.report.schedule import critical, out_of_order, planned
from cockpit.state import RunState
from tests.report.making import began, plan, service, step, told


@pytest.fixture(scope="module")
def report(recording: Path) -> Report:
    return of(recording)


@pytest.fixture(scope="module")
def raw(recording: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["rec"] for line in recording.read_text().splitlines()]


def of_kind(raw: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [rec for rec in raw if rec["event"]["kind"] == kind]


def fed(*events: ev.Event | tuple[float, ev.Event]) -> Report:
    return made(told(events), Reading(Path("nothing")).journal)


def moved(ref: str, state: str, attempt: int = 1, op: str | None = None, detail: str = "") -> ev.StepMoved:
    return ev.StepMoved(ref=ref, attempt=attempt, state=state, op=op, detail=detail)  # type: ignore[arg-type]


def test_states_downtime_and_verdict_are_those_of_the_summary(recording: Path, report: Report) -> None:
    state, head = RunState(), ""
    for record, end in walk(recording):
        state, head = reduce(state, record), end.head
    told = summary(state, head)
    assert (report.run.verdict, report.run.exit, report.journal.head) == (told["verdict"], told["exit"], told["head"])
    assert report.journal.verified
    assert report.run.ticked == report.run.steps == 84
    for item in report.services:
        other = told["services"][item.id]
        assert (item.complete, item.rollback) == (other["complete"], other["rollback"])
        assert [(s.ref, s.state, s.forecast) for s in item.steps] == [
            (s["ref"], s["state"], s["forecast"]) for s in other["steps"]
        ]
        assert (item.writer_before, item.writer) == (other["writer"]["before"], other["writer"]["after"])
        down = next(meter for meter in report.downtime if meter.service == item.id)
        assert (round(down.lower, 3), round(down.upper, 3)) == (other["downtime"]["lower"], other["downtime"]["upper"])
        assert (down.samples, down.failed) == (other["downtime"]["samples"], other["downtime"]["failed"])
        assert down.budget == other["downtime"]["budget"]


def test_attempts_are_those_of_the_journal(report: Report, raw: list[dict[str, Any]]) -> None:
    intended = {(rec["event"]["ref"], rec["event"]["attempt"]): rec for rec in of_kind(raw, "step.intended")}
    acted = [item for item in report.attempts if item.intended_seq]
    assert {(item.ref, item.attempt): item.intended_seq for item in acted} == {
        key: rec["seq"] for key, rec in intended.items()
    }
    exits = {rec["seq"]: rec["event"].get("exit") for rec in of_kind(raw, "step.applied")}
    assert {item.applied_seq: item.exit for item in acted} == exits
    by_seq = {rec["seq"]: rec for rec in raw}
    moves = [move for item in report.attempts for move in item.moves]
    assert len(moves) == len(of_kind(raw, "step.moved"))
    assert all(by_seq[move.seq]["event"]["state"] == move.state for move in moves)


def test_each_row_s_event_is_about_what_the_row_says(report: Report, raw: list[dict[str, Any]]) -> None:
    by_seq = {rec["seq"]: rec for rec in raw}
    kinds = {"gates": "gate.", "drivers": "wheel.taken"}
    for name, kind in kinds.items():
        rows = getattr(report, name)
        assert rows
        assert all(by_seq[row.seq]["event"]["kind"].startswith(kind) for row in rows), name
    assert [by_seq[row.seq]["event"]["text"] for row in report.moments if row.what == "note"] == [
        rec["event"]["text"] for rec in of_kind(raw, "note")
    ]
    for down in report.downtime:
        event = by_seq[down.seq]["event"]
        assert (event["kind"], event["service"], event["upper"]) == ("downtime.seen", down.service, down.upper)
        assert all(by_seq[stretch.seq]["event"].get("ongoing") for stretch in down.stretches)
    for item in (fact for whole in report.services for fact in whole.steps):
        event = by_seq[item.seq]["event"]
        assert (event["kind"], event["ref"], event["state"]) == ("step.moved", item.ref, item.state)
    for spread in report.spread:
        for point in (*spread.points, *spread.vantages):
            event = by_seq[point.seq]["event"]
            assert (event["service"], event["name"], event["type"]) == (spread.service, spread.name, spread.type)
    for deviation in report.deviations:
        assert not deviation.ref or by_seq[deviation.seq]["event"]["ref"] == deviation.ref


def test_the_curve_of_the_authorities_is_what_they_said(report: Report, raw: list[dict[str, Any]]) -> None:
    spread = report.spread[0]
    said: dict[str, str] = {}
    curve: list[tuple[int, int]] = []
    for rec in of_kind(raw, "dns.seen"):
        event = rec["event"]
        if (event["service"], event["role"]) == (spread.service, "authority") or (
            (event["service"], event["role"]) == (spread.service, "primary")
        ):
            said[event["role"] + event["vantage"]] = event["state"]
            point = (list(said.values()).count("new"), len(said))
            curve += [point] if not curve or curve[-1] != point else []
    shown = [point.authorities for point in spread.points if point.authorities[1]]
    assert [point for number, point in enumerate(shown) if not number or shown[number - 1] != point] == curve
    assert curve[-1] == (3, 3)


def test_the_outages_of_a_service_add_up_to_its_downtime(report: Report) -> None:
    for down in report.downtime:
        assert sum(stretch.upper for stretch in down.stretches) == pytest.approx(down.upper)
        assert sum(stretch.lower for stretch in down.stretches) == pytest.approx(down.lower)


def test_what_was_undone_run_again_and_unverified_is_told_with_its_command_and_output(report: Report) -> None:
    undone = next(item for item in report.attempts if item.what == "undo")
    assert (undone.ref, undone.state, undone.by) == ("osf/stragglers", "undone", "tom")
    assert "undo" in undone.command
    bad = next(item for item in report.attempts if item.state == "unverified")
    assert bad.ref == "oxfam/hold-mail"
    assert bad.output[0] == "mail for oxfam.karl.test waits in the queue"
    assert bad.output[1].endswith("Connection refused")
    assert "apply()" in bad.command
    assert bad.logs
    told = [(item.what, item.ref) for item in report.deviations]
    assert ("undone", "osf/stragglers") in told
    assert ("run again", "osf/stragglers") in told
    assert ("failed", "oxfam/hold-mail") in told
    assert ("verified again", "oxfam/hold-mail") in told


def test_a_step_that_the_plan_leaves_out_is_no_deviation(report: Report) -> None:
    assert [item.ref for item in report.attempts if item.state == "skipped"]
    assert not [item for item in report.deviations if item.what == "skipped"]


def test_a_skip_by_a_person_is_told_with_its_reason() -> None:
    report = fed(
        began(plan(service("a", step("a/x")))),
        moved("a/x", "skipped", detail="the owner did it"),
        ev.RunEnded(verdict="ok"),
    )
    assert [(item.what, item.ref, item.text) for item in report.deviations] == [
        ("skipped", "a/x", "skipped by tom: the owner did it")
    ]


def test_the_json_is_the_facts(report: Report) -> None:
    assert msgspec.json.decode(painted(report, ".json"), type=Report, strict=True) == report


def test_an_override_a_refusal_and_a_loss_are_told() -> None:
    gate = Gate(id="good", question="is it?", before=("a/x",))
    report = fed(
        began(plan(service("a", step("a/x")), gates=(gate,))),
        ev.WheelTaken(driver="ann", uid=7),
        ev.IntentRefused(intent="{}", reason="nobody holds the wheel"),
        ev.GateOpened(gate="good", by="ann", override="the probe lies", evidence="red", head="abc"),
        ev.LossDeclared(service="a", writes=3),
        ev.NoticeSent(ref="a/x", attempt=1, to="ops", state="sending"),
        ev.NoticeSent(ref="a/x", attempt=1, to="ops", state="failed", detail="no route"),
        ev.WheelLost(driver="ann", reason="the terminal died"),
        ev.HostSeen(host="new", link="down", detail="reset"),
    )
    assert [(g.by, g.override, g.evidence, g.head, g.seq) for g in report.gates] == [
        ("ann", "the probe lies", "red", "abc", 4)
    ]
    assert ("override", 4) in [(item.what, item.seq) for item in report.deviations]
    assert [(loss.writes, loss.by) for loss in report.losses] == [(3, "tom")]
    assert [(n.to, n.state, n.seq) for n in report.notices] == [("ops", "failed", 7)]
    assert [(d.driver, d.uid, d.seq, d.until_seq, d.why) for d in report.drivers] == [
        ("ann", 7, 2, 8, "the terminal died")
    ]
    assert {(m.what, m.seq) for m in report.moments} == {("refused", 3), ("link", 9)}


def test_a_run_that_was_resumed_tells_when_and_what_was_cut_off() -> None:
    report = fed(
        began(plan(service("a", step("a/x"), step("a/y")))),
        ev.WheelTaken(driver="ann"),
        moved("a/x", "running"),
        ev.StepIntended(ref="a/x", attempt=1, op="apply", job="j"),
        (64.0, ev.RunResumed(pid=9, after=4, mended=12)),
        moved("a/x", "unknown", detail="the conductor died"),
        moved("a/x", "done", detail="looked up on its host"),
    )
    assert [(s.after, s.mended, s.idle) for s in report.sessions] == [(0, 0, 0.0), (4, 12, 60.0)]
    assert [(item.state, item.cut) for item in report.attempts] == [("unknown", True), ("done", False)]
    assert ("cut off", 6) in [(item.what, item.seq) for item in report.deviations]
    assert report.drivers[0].until_seq == 5
    assert not report.run.over


def test_a_run_that_goes_on_is_reported_as_far_as_it_came() -> None:
    report = fed(
        began(plan(service("a", step("a/x"), step("a/y"), budget=1.0))),
        moved("a/x", "running"),
        ev.DowntimeSeen(service="a", lower=1.5, upper=2.0, ongoing=True, samples=4),
    )
    assert not report.run.over
    attempt = report.attempts[0]
    assert (attempt.state, attempt.ended) == ("running", 0.0)
    assert report.services[0].steps[0].ended == 0.0
    assert (report.downtime[0].ongoing, report.downtime[0].verdict) == (True, "over")
    assert report.downtime[0].stretches[0].ended == 0.0
    assert "The run is not over" in painted(report, ".md")
    assert not [item for item in report.deviations if item.what == "not finished"]


def test_steps_that_the_end_left_are_deviations_and_open_items() -> None:
    report = fed(began(plan(service("a", step("a/x", phase="hypercare")))), ev.RunEnded(verdict="given up", exit=1))
    assert [(item.what, item.ref) for item in report.deviations] == [("not finished", "a/x")]
    assert [(item.what, item.open) for item in report.care][:1] == [("step", True)]


def test_the_critical_path_is_the_chain_that_ended_last() -> None:
    night = plan(
        service("a", step("a/1", estimate=5.0), step("a/2", "a/1", estimate=1.0)),
        service("b", step("b/1", estimate=2.0), step("b/2", "b/1", estimate=2.0)),
        service("c", step("c/1", estimate=3.0)),
        gates=(Gate(id="g", after=("a/2", "b/2"), before=("c/1",)),),
    )
    schedule = planned(night, {"b/2": 9.0})
    assert schedule.spans == {"a/1": (0, 5), "a/2": (5, 6), "b/1": (0, 2), "b/2": (2, 11), "c/1": (11, 14)}
    assert schedule.critical == ("b/1", "b/2", "c/1")
    ran = {"a/1": (0.0, 9.0), "a/2": (9.0, 12.0), "b/1": (0.0, 1.0), "b/2": (1.0, 3.0), "c/1": (13.0, 14.0)}
    assert critical(night, ran) == ("a/1", "a/2", "c/1")


def test_a_service_runs_one_step_at_a_time_in_the_forecast_too() -> None:
    night = plan(
        service("a", step("a/1", estimate=1.0), step("a/2", "a/1", estimate=2.0), step("a/3", "a/1", estimate=4.0))
    )
    assert planned(night, {}).spans == {"a/1": (0, 1), "a/2": (1, 3), "a/3": (3, 7)}


def test_a_circle_of_needs_does_not_hang_the_schedule() -> None:
    night = plan(service("a", step("a/1", "a/2", estimate=1.0), step("a/2", "a/1", estimate=1.0)))
    assert set(planned(night, {}).spans) == {"a/1", "a/2"}


def test_the_steps_that_left_the_plan_s_order_are_named() -> None:
    own = service("a", step("a/1"), step("a/2"), step("a/3"), step("a/4"))
    assert out_of_order(own, {"a/1": 1.0, "a/2": 2.0, "a/4": 4.0}) == ()
    assert out_of_order(own, {"a/1": 1.0, "a/3": 2.0, "a/2": 3.0, "a/4": 4.0}) == (("a/3", "a/2"),)
    assert out_of_order(own, {"a/4": 0.0, "a/1": 1.0, "a/2": 2.0, "a/3": 3.0}) == (("a/4", "a/1"),)


def test_an_overrun_is_told_and_ranked() -> None:
    report = fed(
        began(plan(service("a", step("a/x"), step("a/y"))), a__x=2.0, a__y=2.0),
        (10.0, moved("a/x", "running")),
        (22.0, moved("a/x", "done")),
        (23.0, moved("a/y", "running")),
        (24.0, moved("a/y", "done")),
    )
    first, second = report.services[0].steps
    assert (first.took, first.over) == (12.0, 10.0)
    assert (second.took, second.over) == (1.0, -1.0)
    assert [(item.what, item.ref) for item in report.deviations] == [("overrun", "a/x")]
    assert (report.run.took, report.run.planned) == (14.0, 4.0)
