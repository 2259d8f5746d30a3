"""What the events of logs do to the state."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.reduce.tell import tell
from cockpit.state import RING, LogView, RunState

ALARM_AGAIN = 30.0
"""Seconds after which the timeline tells again of alarms in the same log."""


def of_log(state: RunState, record: ev.Record, event: ev.LogSeen) -> RunState:
    """The state right after the event, with a log's new lines, its rate, and an alarm on the timeline."""
    key = f"{event.host}:{event.file}"
    log = state.logs.get(key) or LogView(host=event.host, file=event.file)
    alarms = frozenset(event.alarms)
    over = max(0, len(event.lines) - RING)
    fresh = [
        (log.count + index, record.utc, text, index in alarms) for index, text in enumerate(event.lines[over:], over)
    ]
    gap = record.utc - log.utc if log.utc else 1.0
    # A rate over the last second or so: each batch moves it by the share of a second that it covers.
    weight = min(max(gap, 0.001), 1.0)
    rate = log.rate * (1 - weight) + (len(event.lines) / max(gap, 0.001)) * weight
    log = replace(
        log,
        lines=(*log.lines[max(0, len(log.lines) + len(fresh) - RING) :], *fresh),
        count=log.count + len(event.lines),
        lag=event.lag,
        dropped=log.dropped + event.dropped,
        alarms=log.alarms + len(alarms),
        rate=rate,
        utc=record.utc,
        behind=event.behind,
        position=event.position or log.position,
        raw_end=event.offset + event.length if event.position else log.raw_end,
    )
    state = replace(state, seq=record.seq, utc=record.utc, logs=state.logs | {key: log})
    if not event.alarms:
        return state
    first = next((event.lines[index] for index in event.alarms if index < len(event.lines)), None)
    if first is not None and not _alarmed_lately(state, key, record.utc):
        state = tell(state, record, "", "alarm", f"{key}  {first}")
    return state


def of_gap(state: RunState, record: ev.Record, event: ev.LogGap) -> RunState:
    """What the host has lost stands in the log as a line, and on the timeline."""
    key = f"{event.host}:{event.file}"
    log = state.logs.get(key) or LogView(host=event.host, file=event.file)
    size = f"at least {event.size} bytes" if event.size else "an unknown number of bytes"
    line = (log.count, record.utc, f"— gap: the host has lost {size} here —", True)
    log = replace(
        log,
        lines=(*log.lines, line)[-RING:],
        count=log.count + 1,
        gaps=log.gaps + 1,
        lost=log.lost + event.size,
        utc=record.utc,
        position=event.position or log.position,
    )
    return tell(replace(state, logs=state.logs | {key: log}), record, "", "gap", f"{key} has lost {size} on its host")


def _alarmed_lately(state: RunState, key: str, utc: float) -> bool:
    """A log that cries without end must not push everything else off the timeline; the log counts each alarm."""
    return any(
        entry.word == "alarm" and entry.utc > utc - ALARM_AGAIN and entry.text.startswith(f"{key}  ")
        for entry in state.timeline[-40:]
    )
