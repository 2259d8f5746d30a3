"""What this screen showed at the moments that count goes to the conductor, which keeps it: confirmations, failures, points of
no return. Whoever asks later what they saw has an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from textual._compositor import LayoutUpdate

from cockpit import __version__
from cockpit import intents as it
from cockpit.engine.rules import next_ref
from cockpit.events import FAILURES, Record, StepIntended, StepMoved
from cockpit.events.screens import Why
from cockpit.picture.ink import Span
from cockpit.picture.seen import Field, Seen
from cockpit.state import RunState
from cockpit.ui.inks import words_of
from cockpit.ui.news import is_news

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp

_CONFIRM = (
    it.OpenGate,
    it.CloseGate,
    it.Undo,
    it.Abort,
    it.Skip,
    it.Answer,
    it.Decide,
    it.TakeOver,
    it.Panic,
    it.End,
    it.Confirm,
    it.Decline,
)
"""Intents by which a person answers for something."""


class Witness:
    """Remembers what was to be seen, and tells it."""

    def __init__(self) -> None:
        self._answered: Seen | None = None
        self._due: list[tuple[Why, str]] = []
        self.shown = 0
        """The last event that is painted."""

    def answered(self, app: CockpitApp) -> None:
        """A dialog is about to close with an answer: it is still there, and so is what was typed."""
        self._answered = self._look(app, "confirmed", "")

    def begins(self) -> None:
        """A key begins something new: what was answered before it has nothing to do with that."""
        self._answered = None

    def confirmed(self, app: CockpitApp, intent: it.AnyIntent) -> None:
        """An intent is about to be sent."""
        self.told(app, confirmation(app.state, intent))

    def told(self, app: CockpitApp, of: str) -> None:
        """What was answered last is about to be told, under that name; with '' it is nothing to be kept."""
        answered, self._answered = self._answered, None
        if of:
            seen = answered or self._look(app, "confirmed", of)
            if seen is not None:
                app.source.saw(msgspec.structs.replace(seen, of=of))

    def heard(self, app: CockpitApp, record: Record) -> None:
        """An event was folded; what it changed is not painted yet."""
        if not app.seat.drives or not is_news(record, app.source.now()):
            return
        found = turning_point(app.state, record)
        if found is not None:
            self._due.append(found)

    def painted(self, app: CockpitApp, seq: int) -> None:
        """Everything up to event `seq` is painted."""
        self.shown = seq
        if self._due:
            due, self._due = self._due, []
            app.call_after_refresh(self._tell, app, due)

    def _tell(self, app: CockpitApp, due: list[tuple[Why, str]]) -> None:
        """One screen for all that came with one paint, failures before the others."""
        why: Why = "failed" if any(found == "failed" for found, _ in due) else "no return"
        refs = [ref for found, ref in due if found == why]
        seen = self._look(app, why, refs[0] if len(refs) == 1 else f"{refs[0]} and {len(refs) - 1} more")
        if seen is not None:
            app.source.saw(seen)

    def _look(self, app: CockpitApp, why: Why, of: str) -> Seen | None:
        """The whole screen as it stands there, dialogs too; None where it cannot be had, which stops nobody."""
        try:
            return Seen(
                why=why,
                of=of,
                shown=self.shown,
                page=app.view.page,
                width=app.size.width,
                height=app.size.height,
                version=__version__,
                lines=lines_of(app),
                fields=fields_of(app),
            )
        except Exception as error:
            app.say(f"what is on this screen cannot be kept: {type(error).__name__}: {error}")
            return None


def lines_of(app: CockpitApp) -> tuple[tuple[Span, ...], ...]:
    """What is on the screen, dialogs and what is behind them, as lines in inks."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    if not isinstance(update, LayoutUpdate):
        return ()
    return tuple(
        tuple(
            (part.text, words_of(part.style) if part.style else "")
            for strip in row
            for part in strip
            if not part.control
        )
        for row in update.strips
    )


def fields_of(app: CockpitApp) -> tuple[Field, ...]:
    """The fields of a dialog that are not for secrets, with all that is typed in them."""
    # Widgets come with the first dialog: the first frame does not wait for them.
    from textual.widgets import Input

    return tuple(
        Field(x=at.x, y=at.y, width=at.width, height=at.height, typed=field.value)
        for field in app.screen.query(Input)
        if not field.password and (at := field.region)
    )


def confirmation(state: RunState, intent: it.AnyIntent) -> str:
    """What a person answers for by an intent, as the intent and its target; '' for what is no more than going on."""
    target = next(
        (str(value) for name in ("gate", "ref", "host", "service") if (value := getattr(intent, name, ""))), ""
    )
    word = str(intent.__struct_config__.tag)
    if isinstance(intent, _CONFIRM):
        return f"{word} {target}".strip()
    if isinstance(intent, it.RunStep | it.RunNext):
        ref = intent.ref if isinstance(intent, it.RunStep) else next_ref(state, intent.service)
        return f"{word} {ref}" if ref and _no_return(state, ref) else ""
    return ""


def turning_point(state: RunState, record: Record) -> tuple[Why, str] | None:
    """Whether an event is a failure, or the beginning of what cannot simply be taken back."""
    match record.event:
        case StepMoved(ref=ref, state=word) if word in FAILURES:
            return "failed", ref
        case StepIntended(ref=ref, op="apply") if _no_return(state, ref):
            return "no return", ref
        case _:
            return None


def _no_return(state: RunState, ref: str) -> bool:
    home = state.services.get(ref.partition("/")[0])
    return home is not None and ref in home.steps and state.planned(ref).point_of_no_return != "none"
