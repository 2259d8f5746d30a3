"""Mail that came to old: what came while old was written to belongs there, what came after is late."""

from __future__ import annotations

import pytest

from cockpit import events as ev
from cockpit.reduce import reduce
from cockpit.state import RunState
from cockpit.ui.world.foot import extras
from tests.ui import evening


def box(since: int, newest: float = 0.0) -> ev.StragglersSeen:
    return ev.StragglersSeen(
        service="osf", host="xen", path="/var/mail/osf", count=40 + since, since=since, newest=newest
    )


def writer(side: ev.WriterSide) -> ev.WriterSeen:
    return ev.WriterSeen(service="osf", writer=side)


@pytest.mark.parametrize(
    ("told", "late"),
    [
        ((writer("old"), box(3), writer("none"), box(3)), ""),
        ((writer("old"), box(3), writer("new"), box(4, newest=99.0)), "1 straggler"),
        ((writer("old"), box(3), writer("new"), box(5, newest=99.0), box(6, newest=99.0)), "3 stragglers"),
        # Not read between its coming and the end of old's time: the newest one's time tells that it came before.
        ((writer("old"), box(3), writer("none"), box(5, newest=3.5)), ""),
        # Back to old, and over again.
        ((writer("old"), writer("new"), box(2, newest=99.0), writer("old"), box(4), writer("new"), box(4)), ""),
        # Nobody can say who is written to: all of it may be late.
        ((box(2),), "2 stragglers"),
    ],
)
def test_only_what_came_after_old_was_written_to_is_late(told: tuple[ev.AnyEvent, ...], late: str) -> None:
    state = RunState()
    for seq, event in enumerate((ev.RunStarted(run="r", plan=evening.plan()), *told), 1):
        state = reduce(state, ev.Record(seq=seq, utc=float(seq), mono=float(seq), actor="conductor", event=event))
    plan = evening.plan()
    said = "".join(text for text, _ in extras(plan, plan.service("osf"), state.services["osf"], 400, 10.0))
    assert ("straggler" in said) is bool(late)
    assert late in said
