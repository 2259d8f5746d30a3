"""A run as lines on a terminal without a screen."""

from __future__ import annotations

from cockpit import events as ev


def progress_line(record: ev.Record) -> str:
    """A line for a record, '' for those that are not worth one."""
    match record.event:
        case ev.StepMoved(state=state, ref=ref, detail=detail, took=took) if state not in {"running", "verifying"}:
            return f"{ref:<32} {state:<11} {took:7.2f} s  {detail}"
        case ev.HostSeen(host=host, link="down", detail=detail):
            return f"the link to {host} is down: {detail}"
        case ev.GateOpened(gate=gate, by=by):
            return f"gate {gate} opened by {by}"
        case ev.Trouble(message=message):
            return f"trouble: {message}"
        case ev.RunEnded(verdict=verdict):
            return verdict
        case _:
            return ""
