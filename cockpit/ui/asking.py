"""The dialog of a question that the conductor asks. Its answer goes past the journal."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from cockpit.state import QuestionView
from cockpit.ui.dialogs import Dialog, Field, Press
from cockpit.ui.hand import hand_of

Said = tuple[Literal["answer", "refuse"], str]


class Question(Dialog[Said | None]):
    """Asks for a secret, unseen, or for the signs that are a yes. Dismisses with what was said, None for later."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "later", "later")]

    def __init__(self, name: str, asked: QuestionView, why: str = "") -> None:
        super().__init__()
        self.name_asked = name
        self.asked = asked
        self._why = why

    def compose(self) -> ComposeResult:
        asked = self.asked
        hint = "it is neither shown nor written down" if asked.secret else f"type {asked.exact} for yes"
        body = f"{self._why}\n{asked.question}" if self._why else asked.question
        with Vertical(id="dialog"):
            yield Static(self.name_asked, id="dialog-title", markup=False)
            yield Static(body, id="dialog-body", markup=False)
            yield Field(placeholder=hint, password=asked.secret, id="dialog-input", select_on_focus=False)
            with Horizontal(id="dialog-buttons"):
                yield Press("Later", id="later")
                yield Press("No answer" if asked.secret else "No", id="refuse")
                yield Press("Answer" if asked.secret else "Yes", id="ok", variant="primary", disabled=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def _good(self, text: str) -> bool:
        return bool(text) if self.asked.secret else text.strip() == self.asked.exact

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#ok", Button).disabled = not self._good(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._good(event.value):
            self.hand = hand_of(event)
            self._say(("answer", event.value))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.hand = hand_of(event)
        match event.button.id:
            case "ok":
                self._say(("answer", self.query_one(Input).value))
            case "refuse":
                self._say(("refuse", ""))
            case _:
                self.dismiss(None)

    def _say(self, said: Said) -> None:
        """Close with an answer. What was on the screen is kept, unless a secret was typed there."""
        witness = getattr(self.app, "witness", None)
        if witness is not None and not self.asked.secret:
            witness.answered(self.app)
        self.dismiss(said)

    def action_later(self) -> None:
        """Leave the question open."""
        self.dismiss(None)
