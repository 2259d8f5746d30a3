"""What a screen is to the run, and what its person can ask of the others: the wheel, a hold, a second person's yes. Pure."""

from __future__ import annotations

import msgspec

from cockpit.intents import PAST
from cockpit.state import RunState
from cockpit.ui.view import View


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """What this screen is: whether it may drive, whether it drives now, whether it is a replay, whether time can be moved in it,
    whether there is a second recording to compare with."""

    can_drive: bool
    drives: bool
    replay: bool = False
    moves: bool = False
    compares: bool = False
    screen: int = 0
    """Its number among the screens that are attached."""
    guest: bool = False
    """It came by the door for other accounts."""
    past: bool = False
    """It shows an earlier moment of a run that goes on."""


def claim(state: RunState, view: View, seat: Seat) -> str:
    """Why the wheel cannot be claimed here."""
    if seat.replay or not seat.can_drive:
        return "this screen only watches"
    if seat.drives:
        return "you drive already"
    return f"{state.driver} drives" if state.driver else ""


def here(state: RunState, seat: Seat) -> str:
    """Why nobody at this screen can ask anything of the run; '' when they can."""
    if seat.replay:
        return "a replay has nothing to act with"
    if seat.past:
        return PAST
    if state.plan is None:
        return "the plan has not arrived yet"
    return "the run has ended" if state.ended else ""


def hold(state: RunState, view: View, seat: Seat) -> str:
    """Why nobody can hold the run here, or release it."""
    if seat.past:
        # What is on this screen says nothing about now: the conductor answers.
        return ""
    if seat.drives and not state.holds:
        return here(state, seat) or "you drive: p pauses"
    return here(state, seat)


def offer(state: RunState, view: View, seat: Seat) -> str:
    """Why the wheel can be neither offered nor taken here."""
    why = here(state, seat)
    if why or seat.drives:
        return why
    if not seat.can_drive:
        return "this screen only watches"
    mine = state.offer is not None and state.offer.to in {0, seat.screen}
    return "" if mine else "the wheel is not offered to you"


def request(state: RunState, view: View, seat: Seat) -> str:
    """Why the wheel can be neither asked for nor granted here."""
    why = here(state, seat)
    if why:
        return why
    if seat.drives:
        return "" if state.requests else "nobody asks for the wheel"
    if not seat.can_drive:
        return "this screen only watches"
    if not state.driver:
        return "nobody drives: c claims the wheel"
    return "you have asked already" if seat.screen in state.requests else ""


def confirm(state: RunState, view: View, seat: Seat) -> str:
    """Why no gate can be confirmed here."""
    why = here(state, seat)
    if why:
        return why
    if not asked_gate(state):
        return "no gate waits for a second person"
    return "" if seat.guest else "the second person confirms from another account (`cockpit access`)"


def asked_gate(state: RunState) -> str:
    """The gate that waits for its second person, '' when none does."""
    return next((id for id, seen in state.gates.items() if seen.asked is not None), "")
