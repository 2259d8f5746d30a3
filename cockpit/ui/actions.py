"""Every action, once: id, key, danger, help, and why it is not possible now. Footer, palette and help come from here."""

from __future__ import annotations

from cockpit.engine import rules
from cockpit.state import BUSY, RunState
from cockpit.ui import wheel
from cockpit.ui.action import Action, Reason
from cockpit.ui.hosts import held
from cockpit.ui.moments import MOMENTS
from cockpit.ui.view import View, focus, focus_step
from cockpit.ui.wheel import Seat


def _always(state: RunState, view: View, seat: Seat) -> str:
    return ""


def _drive(then: Reason) -> Reason:
    """Possible only with the wheel in hand."""

    def reason(state: RunState, view: View, seat: Seat) -> str:
        if seat.replay:
            return "a replay has nothing to act with"
        if not seat.can_drive:
            return "this screen only watches"
        if state.plan is None:
            return "the plan has not arrived yet"
        if state.ended:
            return "the run has ended"
        if not seat.drives:
            return f"{state.driver} drives" if state.driver else "nobody drives: c claims the wheel"
        return then(state, view, seat)

    return reason


def _next(state: RunState, view: View, seat: Seat) -> str:
    ref = rules.next_ref(state, focus(state, view))
    if ref is None:
        return "every step is ticked"
    found = rules.readiness(state, ref)
    return "" if found.ok else f"{ref.partition('/')[2]}: {found.reason}"


def _to_gate(state: RunState, view: View, seat: Seat) -> str:
    if state.paused:
        return "the run is paused"
    return "" if any(not rules.complete(state, id) for id in state.services) else "every step is ticked"


def _step(state: RunState, view: View, seat: Seat) -> str:
    ref = focus_step(state, view)
    found = rules.readiness(state, ref) if ref else rules.Readiness(False, "no step")
    return "" if found.ok else found.reason


def _verify(state: RunState, view: View, seat: Seat) -> str:
    ref = focus_step(state, view)
    if not ref:
        return "no step"
    step = state.step(ref)
    if step.state in BUSY and not rules.waits_for_time(step):
        return f"it is {step.state}"
    if step.state == "unknown" and step.intended is None:
        return "it has not acted yet: run it again"
    return "" if step.attempt and step.state not in {"skipped", "undone", "blocked"} else "it has not run"


def _undo(state: RunState, view: View, seat: Seat) -> str:
    found = rules.undo_readiness(state, focus(state, view), allow_loss=True)
    return "" if found.ok else found.reason


def _skip(state: RunState, view: View, seat: Seat) -> str:
    ref = focus_step(state, view)
    if not ref:
        return "no step"
    step = state.step(ref)
    if rules.waits_for_time(step) and not step.applied:
        return ""
    return "" if step.state in {"blocked", "draft", "failed", "undone"} and not step.intended else f"it is {step.state}"


def _pause(state: RunState, view: View, seat: Seat) -> str:
    return ""


def _gate(state: RunState, view: View, seat: Seat) -> str:
    if state.plan is not None and not state.plan.gates:
        return "the plan has no gate"
    gate = open_next(state)
    if not gate:
        return "every gate is open"
    # What waits for its second person can be taken back at any time.
    return rules.held(state) if state.gates[gate].asked is None else ""


def _abort(state: RunState, view: View, seat: Seat) -> str:
    service = focus(state, view)
    if state.holds:
        return rules.held(state)
    waits = any(step.state == "waiting" for step in state.services[service].steps.values())
    return "" if waits or rules.safe_point(state, service) else "nothing has gone past the safe point"


def _answer(state: RunState, view: View, seat: Seat) -> str:
    ref = focus_step(state, view)
    step = state.step(ref) if ref else None
    if step is not None and step.state == "waiting" and state.planned(step.ref).kind == "manual":
        return ""
    if step is not None and step.state == "unknown" and step.intended:
        return ""
    return "no step waits for an answer"


def _limit(state: RunState, view: View, seat: Seat) -> str:
    ref = focus_step(state, view)
    return rules.refuse_limit(state, ref, 0) if ref else "no step"


def _question(state: RunState, view: View, seat: Seat) -> str:
    return "" if state.questions else "nothing is asked"


def _logs(state: RunState, view: View, seat: Seat) -> str:
    return "" if view.page in {"logs", "tails"} else "open the logs first (l)"


def _logs_page(state: RunState, view: View, seat: Seat) -> str:
    return "" if view.page == "logs" else "open the logs first (l)"


def _take_over(state: RunState, view: View, seat: Seat) -> str:
    return "" if held(state) is not None else "no other run holds a host"


def _close_gate(state: RunState, view: View, seat: Seat) -> str:
    return "" if open_last(state) else "no gate is open"


def _end(state: RunState, view: View, seat: Seat) -> str:
    busy = [ref for service in state.services.values() for ref, step in service.steps.items() if step.state in BUSY]
    return f"{busy[0]} is under way" if busy else ""


def open_last(state: RunState) -> str:
    """The last gate that is open, '' when there is none."""
    plan = state.plan
    if plan is None:
        return ""
    return next((gate.id for gate in reversed(plan.gates) if state.gates[gate.id].open), "")


def open_next(state: RunState) -> str:
    """The first closed gate that a person opens, '' when there is none."""
    plan = state.plan
    if plan is None:
        return ""
    gate = rules.next_gate(state)
    if gate is not None:
        return gate.id
    return next((gate.id for gate in plan.gates if gate.kind == "human" and not state.gates[gate.id].open), "")


ACTIONS: tuple[Action, ...] = (
    Action(
        id="next",
        key="n",
        label="next",
        help="run the next step of the service in focus",
        danger="acts",
        why_not=_drive(_next),
    ),
    Action(
        id="service-to-gate",
        key="b",
        label="service on",
        danger="acts",
        why_not=_drive(_next),
        footer=False,
        help="run the service in focus on to its next gate or trouble",
    ),
    Action(
        id="to-gate",
        key="N",
        label="on to gate",
        danger="acts",
        why_not=_drive(_to_gate),
        help="run all services on to the next gate or trouble",
    ),
    Action(
        id="run-step",
        key="r",
        label="run step",
        help="run the step in focus; also a failed one again",
        danger="acts",
        why_not=_drive(_step),
        footer=False,
    ),
    Action(id="verify", key="v", label="verify", help="verify the step in focus again", why_not=_drive(_verify)),
    Action(
        id="undo",
        key="u",
        label="undo",
        help="take back the last step of the service in focus",
        danger="destructive",
        why_not=_drive(_undo),
    ),
    Action(
        id="skip",
        key="s",
        label="skip",
        help="skip the step in focus, with a reason",
        danger="acts",
        why_not=_drive(_skip),
    ),
    Action(
        id="answer",
        key="w",
        label="answer",
        help="answer a manual step, or say what became of an unknown one",
        why_not=_drive(_answer),
        footer=False,
    ),
    Action(
        id="question",
        key="K",
        label="question",
        help="answer what the conductor asks: a password, a host key",
        why_not=_drive(_question),
        footer=False,
    ),
    Action(
        id="limit",
        key="B",
        label="limit",
        help="hold the copy in focus to so many bytes a second, also while it runs",
        danger="acts",
        why_not=_drive(_limit),
        footer=False,
    ),
    Action(id="pause", key="p", label="pause", help="start nothing new, or go on; clocks run", why_not=_drive(_pause)),
    Action(
        id="gate",
        key="g",
        label="gate",
        help="open the next gate: you type its name",
        danger="acts",
        why_not=_drive(_gate),
    ),
    Action(
        id="close-gate",
        key="G",
        label="close gate",
        help="close the gate that was opened last",
        danger="acts",
        why_not=_drive(_close_gate),
        footer=False,
    ),
    Action(
        id="abort",
        key="a",
        label="abort",
        help="take the service in focus back to its last safe point",
        danger="destructive",
        why_not=_drive(_abort),
        footer=False,
    ),
    Action(
        id="take-over",
        key="T",
        label="take over",
        help="take a host from another run: you type its name",
        danger="acts",
        why_not=_drive(_take_over),
        footer=False,
    ),
    Action(
        id="panic",
        key="exclamation_mark",
        label="panic",
        help="touch nothing: stop going on, leave everything as it is",
        why_not=_drive(_pause),
        footer=False,
    ),
    Action(
        id="note", key="m", label="note", help="write a note into the journal", why_not=_drive(_pause), footer=False
    ),
    Action(
        id="claim",
        key="c",
        label="claim",
        help="take the wheel when nobody holds it",
        why_not=wheel.claim,
        footer=False,
    ),
    Action(
        id="hold",
        key="H",
        label="hold",
        help="hold the run: nothing new starts until the driver releases it",
        why_not=wheel.hold,
        footer=False,
    ),
    Action(
        id="offer",
        key="O",
        label="offer",
        help="offer the wheel to somebody, or take what is offered",
        why_not=wheel.offer,
        footer=False,
    ),
    Action(
        id="request",
        key="R",
        label="ask for wheel",
        help="ask the driver for the wheel, or answer who asks",
        why_not=wheel.request,
        footer=False,
    ),
    Action(
        id="confirm",
        key="C",
        label="confirm",
        help="as the second person: see what a gate asks, confirm or refuse",
        danger="acts",
        why_not=wheel.confirm,
        footer=False,
    ),
    Action(
        id="people",
        key="P",
        label="people",
        help="who is attached, who may come in, who holds and asks",
        why_not=_always,
        footer=False,
        looks=True,
    ),
    Action(
        id="logs",
        key="l",
        label="logs",
        help="the logs of old and new; again: the next log of each",
        why_not=_always,
        looks=True,
    ),
    Action(
        id="freeze-log",
        key="space",
        label="hold log",
        help="hold the logs still, or follow them again; in a replay: play",
        why_not=_logs,
        looks=True,
        footer=False,
    ),
    Action(
        id="merge-logs",
        key="o",
        label="by time",
        help="the logs of old and new as one, by time, or side by side",
        why_not=_logs_page,
        looks=True,
        footer=False,
    ),
    Action(
        id="tails",
        key="L",
        label="all logs",
        help="every log of every host at once",
        why_not=_always,
        looks=True,
        footer=False,
    ),
    Action(id="dns", key="d", label="dns", help="every vantage of the service in focus", why_not=_always, looks=True),
    Action(
        id="world",
        key="W",
        label="world",
        help="what the world sees of the service in focus; whether old can go",
        why_not=_always,
        looks=True,
    ),
    Action(id="fleet", key="f", label="fleet", help="services × steps", why_not=_always, looks=True, footer=False),
    Action(
        id="timeline",
        key="t",
        label="timeline",
        help="what happened, in order",
        why_not=_always,
        looks=True,
        footer=False,
    ),
    Action(id="notes", key="M", label="notes", help="the notes", why_not=_always, looks=True, footer=False),
    Action(
        id="filter",
        key="slash",
        label="filter",
        help="filter services by name or tag; in the logs: search and hide misses",
        why_not=_always,
        looks=True,
    ),
    *MOMENTS,
    Action(
        id="copy",
        key="y",
        label="copy",
        help="copy the step's command, or the log in view",
        why_not=_always,
        looks=True,
        footer=False,
    ),
    Action(id="end", key="E", label="end", help="end the run: its conductor stops", why_not=_drive(_end), footer=False),
    Action(
        id="help", key="question_mark", label="help", help="every key, and why it is off", why_not=_always, looks=True
    ),
    Action(id="leave", key="q", label="leave", help="close this screen; the run goes on, a demo ends", why_not=_always),
)
"""In the order of the footer."""

__all__ = ["ACTIONS", "KEY_WORDS", "Action", "Seat", "key_word", "open_last", "open_next"]

KEY_WORDS = {
    "slash": "/",
    "question_mark": "?",
    "exclamation_mark": "!",
    "space": "space",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "dollar_sign": "$",
}


def key_word(action: Action) -> str:
    """The key as people read it."""
    return KEY_WORDS.get(action.key, action.key)
