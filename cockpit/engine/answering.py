"""What a person says of a manual step, weighed against what the plan lets them say. Pure."""

from __future__ import annotations

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.plan.model import Manual, Plan, Step
from cockpit.state import BUSY, TICKED, RunState

NO = frozenset({"no", "not done", "failed"})
"""Words for a step that is not done, where the plan names no answers."""


def refusal(planned: Step, answer: it.Answer) -> str:
    """Why an answer is none of those that the plan allows, '' when it is."""
    action = planned.action
    if not isinstance(action, Manual) or not action.answers or _chosen(action, answer.choice):
        return ""
    return f"{planned.ref} is answered with one of: {', '.join(action.answers)}"


def judged(planned: Step, answer: it.Answer) -> tuple[bool, str]:
    """Whether it completes the step, and what was said: the answer, the remark, and whose it is."""
    action = planned.action
    if isinstance(action, Manual) and action.answers:
        choice = _chosen(action, answer.choice)
        done, said = choice in action.good, ": ".join(text for text in (choice, answer.text) if text)
    else:
        done, said = answer.done, answer.text or ("done" if answer.done else "not done")
    return done, f"{answer.by} answered: {said}" if answer.by else f"answered: {said}"


def order(planned: Step, text: str) -> it.Answer:
    """The intent for an answer that was given as a text beforehand: `ANSWER`, or `ANSWER: remark`."""
    action = planned.action
    word, _, remark = text.partition(":")
    if isinstance(action, Manual) and action.answers:
        return it.Answer(ref=planned.ref, done=False, choice=word.strip(), text=remark.strip(), by=action.owner)
    owner = action.owner if isinstance(action, Manual) else ""
    return it.Answer(ref=planned.ref, done=word.strip().casefold() not in NO, text=text.strip(), by=owner)


def asked(state: RunState) -> list[str]:
    """The steps that wait for an answer and that nothing else can end."""
    views = (view for service in state.services.values() for view in service.steps.values())
    return [view.ref for view in views if view.state == "waiting" and _by_answer_alone(state.planned(view.ref))]


def unanswered(state: RunState) -> list[str]:
    """The steps whose owner was asked and has not answered, also when the run has left them."""
    views = (view for service in state.services.values() for view in service.steps.values())
    left = [
        view.ref
        for view in views
        if view.state == "blocked" and view.attempt and state.planned(view.ref).kind == "manual"
    ]
    return asked(state) + left


def only_people(state: RunState, now: float) -> bool:
    """Whether all that goes on waits for answers of people: neither time nor another step can bring it further."""
    waiting = asked(state)
    homes = {ref.partition("/")[0] for ref in waiting}
    views = [view for service in state.services.values() for view in service.steps.values()]
    if not waiting or any(view.state in BUSY and view.ref not in waiting for view in views):
        return False
    for service in state.services.values():
        if service.advancing and service.id not in homes:
            ref = rules.next_ref(state, service.id)
            if ref is None or rules.readiness(state, ref, now).ok:
                return False
            if all(state.step(need.step).state in TICKED for need in state.planned(ref).needs):
                return False
    return True


def _by_answer_alone(planned: Step) -> bool:
    return isinstance(planned.action, Manual) and planned.action.observe is None


def _chosen(action: Manual, text: str) -> str:
    """The answer that is meant, as the plan writes it; '' for none of them."""
    wanted = text.strip().casefold()
    return next((answer for answer in action.answers if answer.casefold() == wanted), "")


def orders(plan: Plan, given: list[str]) -> dict[str, str]:
    """`STEP=ANSWER` texts by the ref of the step they are for. Raises ValueError with a sentence for the first that is none."""
    steps = {step.ref: step for service in plan.services for step in service.steps if step.kind == "manual"}
    found: dict[str, str] = {}
    for text in given:
        name, equals, said = text.partition("=")
        refs = [ref for ref in steps if name == ref or name == ref.partition("/")[2]]
        if not equals or not said.strip():
            raise ValueError(f"{text} is no answer: write STEP=ANSWER")
        if not refs:
            raise ValueError(f"the plan asks nobody in a step {name}")
        if len(refs) > 1:
            raise ValueError(f"there are several steps {name}: name one of {', '.join(refs)}")
        why = refusal(steps[refs[0]], order(steps[refs[0]], said))
        if why:
            raise ValueError(f"{why}; not {said}")
        found[refs[0]] = said
    return found
