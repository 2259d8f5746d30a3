"""What a key leads to: a dialog where one is due, then an intent. Never touches a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.plan.model import Manual
from cockpit.plan.script import command_text
from cockpit.rate import rate
from cockpit.ui.actions import open_last, open_next
from cockpit.ui.dialogs import Ask, Choose
from cockpit.ui.hosts import held
from cockpit.ui.view import focus, focus_step

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp


async def perform(app: CockpitApp, action: str) -> None:
    """Carry out an action of the registry that is possible now."""
    state, view = app.state, app.view
    service, ref = focus(state, view), focus_step(state, view)
    match action:
        case "next":
            await app.send(it.RunNext(service=service))
        case "service-to-gate":
            await app.send(it.RunToGate(service=service))
        case "to-gate":
            await app.send(it.RunToGate())
        case "run-step":
            await app.send(it.RunStep(ref=ref))
        case "verify":
            await app.send(it.Verify(ref=ref))
        case "undo":
            await _undo(app, service)
        case "skip":
            reason = await app.push_screen_wait(
                Ask(f"Skip {ref}", "Why? It stays in the journal and in the summary.", ok="Skip")
            )
            if reason:
                await app.send(it.Skip(ref=ref, reason=reason))
        case "answer":
            await _answer(app, ref)
        case "question":
            await app.attention.answer(app, next(iter(state.questions)))
        case "limit":
            await _limit(app, ref)
        case "pause":
            await app.send(it.Continue() if state.paused or state.panicked else it.Pause())
        case "gate":
            await _gate(app, open_next(state))
        case "abort":
            back = ", ".join(step.partition("/")[2] for step in rules.safe_point(state, service))
            found = rules.rollback(state, service)
            how = f"Going back {found.text}." if found.quality == "loses" else f"Going back is {found.text}."
            typed = await app.push_screen_wait(
                Ask(f"Abort {service}", f"This takes back, in this order: {back}.\n{how}", exact=service, ok="Abort")
            )
            if typed:
                await app.send(it.Abort(service=service, typed=typed))
        case "take-over":
            await _take_over(app)
        case "panic":
            await app.send(it.Panic())
        case "note":
            text = await app.push_screen_wait(Ask("Note", "It goes into the journal and the summary."))
            if text:
                await app.send(it.AddNote(text=text, ref=ref if view.page == "service" else ""))
        case "close-gate":
            gate = open_last(state)
            if await app.push_screen_wait(
                Choose(f'Close gate "{gate}"?', "What is behind it waits again.", (("close", "Close"),))
            ):
                await app.send(it.CloseGate(gate=gate))
        case "end":
            done = sum(rules.complete(state, id) for id in state.services)
            body = f"{done} of {len(state.services)} services are done. The conductor stops; the journal stays."
            if await app.push_screen_wait(Choose("End the run?", body, (("end", "End the run"),))):
                await app.send(it.End())
        case "claim":
            await app.send(it.Claim())


async def _undo(app: CockpitApp, service: str) -> None:
    state = app.state
    ref = rules.undo_target(state, service)
    if ref is None:
        return
    found = rules.rollback(state, service)
    if state.planned(ref).point_of_no_return == "soft" and found.quality == "loses":
        typed = await app.push_screen_wait(
            Ask(
                f"Undo {ref}", f"New has taken writes: going back {found.text}.", exact=service, ok="Undo and lose them"
            )
        )
        if typed:
            await app.send(it.Undo(service=service, typed=typed))
        return
    text = command_text(state.planned(ref), "undo", state.step(ref).captured).splitlines()
    how = found.text if found.quality == "loses" else f"is {found.text}"
    body = f"Going back {how}. Undo and its verification will run on {state.planned(ref).host or 'no host'}."
    if len(text) == 1:
        body += f"\n{text[0]}"
    if await app.push_screen_wait(Choose(f"Undo {ref}?", body, (("undo", "Undo"),))):
        await app.send(it.Undo(service=service))


async def _take_over(app: CockpitApp) -> None:
    found = held(app.state)
    if found is None:
        return
    host, holder = found
    body = f"It is held: {holder}.\nFrom now on that run can start nothing there any more; what it has begun goes on."
    typed = await app.push_screen_wait(Ask(f"Take over {host}", body, exact=host, ok="Take over"))
    if typed:
        await app.send(it.TakeOver(host=host, typed=typed))


async def _gate(app: CockpitApp, gate_id: str) -> None:
    state = app.state
    plan = state.plan
    gate = next((gate for gate in plan.gates if gate.id == gate_id), None) if plan is not None else None
    if gate is None:
        return
    found = rules.gate_readiness(state, gate.id, app.now())
    held = [f"{piece.service}: {piece.kind} {piece.want}" for piece in gate.evidence]
    body = gate.question or "Go, or no go?"
    body += f"\nEvidence: {', '.join(held) or 'none is asked for'}."
    body += "\nIt holds now." if found.ok else f"\nIt does not hold: {found.reason}"
    if not found.ok:
        app.say(f'gate "{gate.id}" stays closed: {found.reason}')
        override = await app.push_screen_wait(
            Ask(
                f'Gate "{gate.id}"',
                f"{body}\nTo open it all the same, give the reason; it stays in the summary.",
                ok="Go on",
            )
        )
        if not override:
            return
    else:
        override = ""
    typed = await app.push_screen_wait(Ask(f'Open gate "{gate.id}"', body, exact=gate.target or gate.id, ok="Open"))
    if typed:
        await app.send(it.OpenGate(gate=gate.id, typed=typed, override=override))


async def _answer(app: CockpitApp, ref: str) -> None:
    state = app.state
    step = state.step(ref)
    if step.state == "unknown":
        found = await app.push_screen_wait(
            Choose(
                f"What became of {ref}?",
                f"{step.detail}\nThe host cannot tell. Look yourself; what you call applied is verified.",
                (("applied", "It was applied"), ("not", "It was not")),
            )
        )
        if found is None:
            return
        reason = await app.push_screen_wait(Ask(f"{ref}", "What did you see?"))
        if reason:
            await app.send(it.Decide(ref=ref, applied=found == "applied", reason=reason))
        return
    action = state.planned(ref).action
    owner, answers = (action.owner, action.answers) if isinstance(action, Manual) else ("", ())
    named = tuple((f"answer-{number}", text) for number, text in enumerate(answers))
    found = await app.push_screen_wait(
        Choose(f"{ref}", step.detail, named or (("done", "It is done"), ("not", "It cannot be done")))
    )
    if found is not None:
        text = await app.push_screen_wait(Ask(f"{ref}", "What was said or seen?", required=False))
        if text is not None:
            choice = dict(named).get(found, "")
            await app.send(
                it.Answer(ref=ref, done=found == "done", text=text, choice=choice, by=owner if choice else "")
            )


async def _limit(app: CockpitApp, ref: str) -> None:
    text = await app.push_screen_wait(
        Ask(f"Limit {ref}", "Bytes a second: 800k, 10m, 1g; 0 for no limit. It holds at once.", ok="Limit")
    )
    if text is None:
        return
    count = rate(text)
    if count is None:
        app.say(f"{text} is no rate: write 800k, 10m, 1g or 0")
        return
    await app.send(it.Limit(ref=ref, rate=count))
