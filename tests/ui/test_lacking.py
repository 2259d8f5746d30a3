"""What a plan does not have is not asked about on the screen: a writer, an old host, a side's logs, a gate."""

from __future__ import annotations

import re

from msgspec.structs import replace

from cockpit.events import LogSeen, Record, RunStarted, StepMoved
from cockpit.plan.model import Host, Log, Plan, Service, Shell, Step
from cockpit.plan.watched import Probe, Writer
from cockpit.reduce import fold
from cockpit.state import RunState
from cockpit.ui.actions import ACTIONS
from cockpit.ui.compose import screen
from cockpit.ui.view import Page, View
from cockpit.ui.wheel import Seat

SEAT = Seat(can_drive=True, drives=True)
LINE = "a line of the log that is longer than half of the screen is wide, and ends with the word end"


def plan() -> Plan:
    """One service on one host, which is no old one: a step, a probe, a log."""
    step = Step(ref="s/go", id="go", service="s", phase="prepare", kind="shell", action=Shell(host="box"), host="box")
    service = Service(
        id="s",
        title="Site",
        steps=(step,),
        health=(Probe(id="front", url="http://site.test/"),),
        logs=(Log(host="box", file="access.log"),),
    )
    hosts = {"box": Host(id="box", ssh="a@box", role="new", address="192.0.2.1")}
    return Plan(name="A release", hash="0", hosts=hosts, services=(service,), phases=("prepare",))


def state(plan: Plan) -> RunState:
    """All its steps are done."""
    events = [
        RunStarted(run="r", plan=plan),
        StepMoved(ref="s/go", attempt=1, state="done", op="verify", verified=True),
        LogSeen(host="box", file="access.log", lines=(LINE,)),
    ]
    return fold([Record(seq=n, utc=1.0, mono=1.0, actor="conductor", event=event) for n, event in enumerate(events, 1)])


def text(found: RunState, page: Page = "board") -> str:
    lines = screen(found, View(page=page), SEAT, "LIVE", (120, 40), 400.0)
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def test_without_a_writer_in_the_plan_nobody_asks_who_writes() -> None:
    with_writer = replace(plan().services[0], writer=Writer(url="http://site.test/whoami", old="a", new="b"))
    asked: tuple[Page, ...] = ("board", "service")
    for page in asked:
        assert "writer" not in text(state(plan()), page)
        assert "writer ?" in text(state(replace(plan(), services=(with_writer,))), page)


def test_without_an_old_host_nothing_is_missing_before_it_can_go() -> None:
    assert re.search(r"all done +│", text(state(plan())))
    old = Host(id="former", ssh="a@former", role="old", address="192.0.2.2")
    both = replace(plan(), hosts={**plan().hosts, "former": old})
    assert re.search(r"all done  old: \d+ missing", text(state(both)))


def test_logs_of_one_side_only_have_the_whole_width_and_show_their_first_line_too() -> None:
    pages: tuple[Page, ...] = ("board", "logs")
    for page in pages:
        assert LINE in text(state(plan()), page)
    old = Host(id="former", ssh="a@former", role="old", address="192.0.2.2")
    service = replace(plan().services[0], logs=(*plan().services[0].logs, Log(host="former", file="access.log")))
    both = replace(plan(), hosts={**plan().hosts, "former": old}, services=(service,))
    assert LINE not in text(state(both))


def test_where_there_is_no_gate_none_is_said_to_be_open() -> None:
    gate = next(action for action in ACTIONS if action.id == "gate")
    assert gate.why_not(state(plan()), View(), SEAT) == "the plan has no gate"
