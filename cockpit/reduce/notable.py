"""What probes saw that a person would want to know of later: one line on the timeline each, never a flood."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.reduce.tell import tell
from cockpit.state import RunState, ServiceView

FLAGS = {
    "stale": "it still gives an answer that it should have dropped; it does not count as moved",
    "bogus": "it says that the signatures do not hold: its clients get no answer",
}


def notable(state: RunState, service: ServiceView, record: ev.Record, event: ev.Event) -> tuple[RunState, ServiceView]:
    """The state with what has to be told of this event, and the service that remembers what was told. `service` is as it
    was before the event."""
    match event:
        case ev.WriterSeen(writer="both") if service.writer != "both":
            text = f"{service.id}: old and new both accept writes: {event.detail}"
            return tell(state, record, "", "alarm", text), service
        case ev.DnsSeen():
            return _vantage(state, service, record, event)
        case ev.HorizonSeen() if event.at > 0 and not service.horizon.get(f"{event.name} {event.type}"):
            text = f"{service.id}: {event.name} {event.type}: no honest cache has old after {_when(event.at)}"
            return tell(state, record, "", "horizon", text), service
        case ev.TokenSeen(state="lost" | "refused" as word):
            before = service.tokens.get(event.through)
            if before is None or before.ended != word:
                text = f"{service.id}: our message through {event.through} was {word}: {event.detail}".rstrip(": ")
                return tell(state, record, "", "alarm", text), service
        case ev.CompareSeen(same=False) if event.differences:
            what = ", ".join(dict.fromkeys(difference.what for difference in event.differences))
            text = f"{service.id}: new differs from old at {event.url}: {what}; W shows it"
            return _once(state, service, record, "compare", text)
    return state, service


def _vantage(
    state: RunState, service: ServiceView, record: ev.Record, event: ev.DnsSeen
) -> tuple[RunState, ServiceView]:
    for flag, why in FLAGS.items():
        if flag in event.flags:
            text = f"{service.id}: {event.vantage} is {flag} for {event.name} {event.type}: {why}"
            state, service = _once_a_run(state, service, record, f"{flag} {event.vantage}", text)
    return state, service


def _once(
    state: RunState, service: ServiceView, record: ev.Record, key: str, text: str
) -> tuple[RunState, ServiceView]:
    """Told the first time only."""
    if key in service.once:
        return state, service
    return tell(state, record, "", "alarm", text), replace(service, once=service.once | {key})


def _once_a_run(
    state: RunState, service: ServiceView, record: ev.Record, key: str, text: str
) -> tuple[RunState, ServiceView]:
    """Told the first time only, for whichever service that was: many services ask the same resolver."""
    if key in service.once or not any(key in other.once for other in state.services.values()):
        return _once(state, service, record, key, text)
    return state, replace(service, once=service.once | {key})


def _when(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).strftime("%H:%M:%S")
