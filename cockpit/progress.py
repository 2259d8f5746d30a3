"""A run as lines on a terminal without a screen."""

from __future__ import annotations

from cockpit import events as ev

DRIVER = "headless"
"""Who drives where there is no screen."""


def progress_line(record: ev.Record) -> str:
    """A line for a record, '' for those that are not worth one."""
    match record.event:
        case ev.StepMoved(state=state, ref=ref, detail=detail, took=took) if state not in {"running", "verifying"}:
            return f"{ref:<32} {state:<11} {took:7.2f} s  {detail}"
        case ev.HostSeen(host=host, link="down", detail=detail):
            return f"the link to {host} is down: {detail}"
        case ev.GateOpened(gate=gate, by=by, second=second):
            return f"gate {gate} opened by {by}" + (f", confirmed by {second}" if second else "")
        case ev.SecondAsked(gate=gate, evidence=evidence):
            return "\n".join((f"gate {gate} waits for its second person:", *(f"  {item}" for item in evidence)))
        case ev.SecondOver(gate=gate, reason=reason):
            return f"gate {gate} was not confirmed: {reason}"
        case ev.RunHeld(by=by, reason=reason):
            return f"{by} holds: {reason}; nothing new starts until a driver releases it"
        case ev.RunReleased(by=by):
            return f"{by} released the hold"
        case ev.WheelTaken(driver=driver) if driver != DRIVER:
            return (
                f"{driver} drives; the headless run waits until the wheel is handed back (O), or the run is ended (E)"
            )
        case ev.WheelTaken(how=how) if how:
            return f"the headless run drives again: {how}"
        case ev.WheelLost(driver=driver):
            return f"{driver} left the wheel: nothing new starts; `cockpit attach` takes it"
        case ev.DoorChanged(path=path) if path:
            return f"other accounts who were let in: cockpit watch {path}"
        case ev.Trouble(message=message):
            return f"trouble: {message}"
        case ev.RunEnded(verdict=verdict):
            return verdict
        case ev.Unknown(name=name):
            return f"event {record.seq} is of another version: {name}"
        case _:
            return ""
