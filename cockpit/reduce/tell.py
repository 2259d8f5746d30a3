"""One more line on the timeline."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.state import RunState, TimelineEntry

TIMELINE_RING = 5000


def tell(state: RunState, record: ev.Record, ref: str, word: str, text: str) -> RunState:
    """The state with the line; the oldest goes when there are too many."""
    entry = TimelineEntry(seq=record.seq, utc=record.utc, actor=record.actor, ref=ref, word=word, text=text)
    return replace(state, timeline=(*state.timeline[-TIMELINE_RING:], entry))
