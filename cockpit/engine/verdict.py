"""How a run ended: the exit status and the one sentence."""

from __future__ import annotations

from cockpit.engine import answering, rules
from cockpit.state import RunState


def exit_status(state: RunState) -> int:
    """Headless exit status: 0 every step is ticked, 1 a step failed or is in doubt, 3 a gate stayed closed or a person has not
    answered, 4 another run holds a host."""
    complete = all(rules.complete(state, service) for service in state.services)
    if any(host.holder for host in state.hosts.values()) and not complete:
        return 4
    views = [view for service in state.services.values() for view in service.steps.values()]
    if any(view.state in rules.STOPS_ADVANCE for view in views):
        return 1
    if any(host.link == "down" for host in state.hosts.values()) and not complete:
        return 1
    plan = state.plan
    active = {service.id for service in plan.services if service.disposition != "drop"} if plan is not None else set()
    if all(rules.complete(state, service) for service in state.services if service in active):
        return 0
    waits = any(not gate.open for gate in state.gates.values()) or bool(answering.unanswered(state))
    return 3 if waits else 1


def verdict(state: RunState) -> str:
    """One sentence for the end of a run."""
    done = sum(rules.complete(state, service) for service in state.services)
    doubtful = [
        view.ref
        for service in state.services.values()
        for view in service.steps.values()
        if view.state in rules.STOPS_ADVANCE
    ]
    held = [f"{id} is held: {host.holder}" for id, host in state.hosts.items() if host.holder]
    if held and done < len(state.services):
        return f"{done} of {len(state.services)} services are cut over; {'; '.join(held)}"
    text = f"{done} of {len(state.services)} services are cut over"
    asked = answering.unanswered(state)
    text = f"{text}; not answered: {', '.join(asked)}" if asked else text
    return f"{text}; in doubt: {', '.join(doubtful)}" if doubtful else text
