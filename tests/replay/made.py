"""Small recordings made by hand: events at the seconds that a test wants."""

from __future__ import annotations

from datetime import UTC, datetime

from cockpit import events as ev
from tests.engine.world import small_plan

START = datetime(2026, 11, 21, 23, 50, tzinfo=UTC).timestamp()


def record(seq: int, at: float, event: ev.AnyEvent, actor: str = "ann") -> ev.Record:
    """An event `at` seconds after the start, ten minutes before midnight UTC."""
    return ev.Record(seq=seq, utc=START + at, mono=at, actor=actor, event=event)


def moved(ref: str, state: ev.StepState, took: float = 0.0, detail: str = "") -> ev.StepMoved:
    """A step's move."""
    return ev.StepMoved(ref=ref, attempt=1, state=state, took=took, detail=detail)


def recording(*told: tuple[float, ev.AnyEvent]) -> list[ev.Record]:
    """A run of the small plan with these events at these seconds."""
    first = ev.RunStarted(run="made", plan=small_plan(1))
    return [record(seq, at, event) for seq, (at, event) in enumerate([(0.0, first), *told], 1)]


def evening() -> list[ev.Record]:
    """An hour and a half: a copy, a note, twenty quiet minutes, a freeze that fails and is tried again, an outage, a switch."""
    return recording(
        (1, moved("s0/copy", "running")),
        (31, moved("s0/copy", "done", 30)),
        (40, ev.Noted(text="all quiet", ref="s0/copy")),
        (1240, moved("s0/freeze", "running")),
        (1242, moved("s0/freeze", "failed", 2, "no such flag")),
        (1250, moved("s0/freeze", "running")),
        (1251, ev.DowntimeSeen(service="s0", lower=0.0, upper=0.5, ongoing=True)),
        (1252, moved("s0/freeze", "done", 2)),
        (1253, ev.StepOutput(ref="s0/freeze", attempt=1, op="apply", stream="out", lines=("one", "Zwölf Äpfel"))),
        (1255, moved("s0/switch", "running")),
        (1256, ev.DowntimeSeen(service="s0", lower=4.8, upper=5.3, ongoing=False)),
        (1257, moved("s0/switch", "done", 2)),
        (1258, ev.LogSeen(host="new", file="/var/log/mail.log", lines=("a", 'said "NOQUEUE: reject"', "b"))),
        (5400, ev.RunEnded(verdict="1 of 1 services are cut over")),
    )
