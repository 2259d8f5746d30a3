"""The dialogs between people: holding and releasing, offering the wheel and asking for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit import intents as it
from cockpit.ui.dialogs import Ask, Choose
from cockpit.ui.gates import confirm_gate
from cockpit.ui.wheel import asked_gate

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp

MOST_NAMED = 4
"""Screens that are offered the wheel by name; the others take it from an offer to anyone."""


async def between(app: CockpitApp, action: str) -> None:
    """Carry out an action that is about another person."""
    match action:
        case "hold":
            await _hold(app)
        case "offer":
            await _offer(app)
        case "request":
            await _request(app)
        case "confirm":
            await confirm_gate(app, asked_gate(app.state))


async def _hold(app: CockpitApp) -> None:
    if app.seat.drives and app.state.holds:
        hold = app.state.holds[0]
        body = f"{hold.by} holds: {hold.reason}\nWhat waits starts again when you release it."
        typed = await app.push_screen_wait(Ask(f"Release the hold of {hold.name}", body, exact=hold.name, ok="Release"))
        if typed:
            await app.send(it.Release(hold=hold.seq, typed=typed))
        return
    body = "Nothing new starts from now on, what runs goes on. What do you see? The driver reads it, and releases it."
    reason = await app.push_screen_wait(Ask("Hold the run", body, ok="Hold"))
    if reason:
        await app.send(it.Hold(reason=reason))


async def _offer(app: CockpitApp) -> None:
    state = app.state
    if not app.seat.drives:
        await app.send(it.AcceptWheel())
        return
    if state.offer is not None:
        whom = state.offer.name or "anyone who may drive"
        if await app.push_screen_wait(
            Choose("Take the offer back?", f"It is offered to {whom}.", (("back", "Take back"),))
        ):
            await app.send(it.DeclineWheel())
        return
    others = [one for one in state.people if one.role == "may drive" and one.screen != app.seat.screen]
    if not others:
        app.say("nobody else who is attached may drive")
        return
    named = tuple((f"screen{one.screen + 1}", one.name) for one in others[:MOST_NAMED])
    body = "They drive as soon as they accept, within 60 s; until then you do. What goes on by itself goes on."
    chosen = await app.push_screen_wait(Choose("Offer the wheel", body, (*named, ("screen1", "Anyone"))))
    if chosen is not None:
        await app.send(it.OfferWheel(to=int(chosen.removeprefix("screen")) - 1))


async def _request(app: CockpitApp) -> None:
    if not app.seat.drives:
        await app.send(it.RequestWheel())
        return
    request = next(iter(app.state.requests.values()), None)
    if request is None:
        return
    chosen = await app.push_screen_wait(
        Choose(
            f"{request.name} asks for the wheel", "You watch from then on.", (("grant", "Give it"), ("no", "Keep it"))
        )
    )
    if chosen == "grant":
        await app.send(it.GrantWheel(to=request.screen))
    elif chosen == "no":
        await app.send(it.DeclineWheel(to=request.screen))
