"""What is wrong with a host, on every page: its link and the age of the silence, and who holds it in our place."""

from __future__ import annotations

from cockpit.plan.model import Plan
from cockpit.state import HostView, RunState
from cockpit.ui.paint import Line, fit

MOST = 3
"""Lines at most; what is over is counted in the last one."""


def host_lines(state: RunState, width: int, now: float) -> list[Line]:
    """A line for each host that is not as it should be, none when all are."""
    plan = state.plan
    if plan is None or state.ended:
        return []
    lines = [line for id, host in state.hosts.items() if (line := _line(plan, id, host, now))]
    if len(lines) > MOST:
        more = len(lines) - MOST + 1
        lines = [*lines[: MOST - 1], [(f" … and {more} hosts more: t shows them", "warn")]]
    return [fit(line, width) for line in lines]


def held(state: RunState) -> tuple[str, str] | None:
    """The first host that another run holds, and who does."""
    return next(((id, host.holder) for id, host in state.hosts.items() if host.holder), None)


def _line(plan: Plan, id: str, host: HostView, now: float) -> Line:
    role = plan.hosts[id].role if id in plan.hosts else "other"
    name: Line = [
        (f" {role.upper() if role != 'other' else 'host'} ", role if role != "other" else "dim"),
        (f"{id} ", "title"),
    ]
    age = max(0.0, now - host.since) if host.since else 0.0
    match host.link:
        case "down":
            return [*name, (f"link down for {age:.0f} s: ", "bad"), (host.detail, "dim")]
        case "silent":
            return [*name, (f"silent for {age + 3:.0f} s", "warn")]
        case "connecting" if host.detail:
            return [*name, (host.detail, "warn")]
    if host.holder:
        return [
            *name,
            ("held by another run, nothing is changed there: ", "bad"),
            (host.holder, ""),
            ("  T takes it over", "dim"),
        ]
    return []
