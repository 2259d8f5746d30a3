"""Dialogs: Cancel has the focus, a gate wants its name typed, and an error or Escape is a no."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from cockpit.pairing.marks import Hand
from cockpit.ui.hand import Handed, hand_of

T = TypeVar("T")


class Press(Handed, Button):
    """A button whose message says who pressed it."""


class Field(Handed, Input):
    """An input whose message says who confirmed it."""


class Dialog(ModalScreen[T]):
    """A dialog that keeps who answered it: on a screen that several share, that is not always who opened it."""

    hand: Hand | None = None

    def answer(self, found: T | None) -> None:
        """Close with an answer, None for none. What was on the screen then can be kept."""
        witness = getattr(self.app, "witness", None)
        if found is not None and witness is not None:
            witness.answered(self.app)
        self.dismiss(found)


class Ask(Dialog[str | None]):
    """Asks for a text. `exact` is what must be typed; OK stays off until it is. Dismisses with the text, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "cancel", "cancel")]

    def __init__(
        self, title: str, body: str, *, exact: str = "", ok: str = "OK", required: bool = True, value: str = ""
    ) -> None:
        super().__init__()
        self._title = title
        self._body = body
        self._exact = exact
        self._ok = ok
        self._required = required
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            yield Static(self._body, id="dialog-body", markup=False)
            hint = f"type {self._exact}" if self._exact else ""
            # The first letter typed brings the focus: it must not be selected, or the second one would replace it.
            yield Field(value=self._value, placeholder=hint, id="dialog-input", select_on_focus=False)
            with Horizontal(id="dialog-buttons"):
                yield Press("Cancel", id="cancel")
                yield Press(self._ok, id="ok", variant="warning" if self._exact else "primary", disabled=True)

    def on_mount(self) -> None:
        # A gate must not open by a stray Enter: Cancel has the focus, and Tab or a letter goes to the field.
        if self._exact:
            self.query_one("#cancel", Button).focus()
        else:
            self.query_one(Input).focus()
        self._judge(self._value)

    def _judge(self, text: str) -> None:
        good = text.strip() == self._exact if self._exact else bool(text.strip()) or not self._required
        self.query_one("#ok", Button).disabled = not good

    def on_input_changed(self, event: Input.Changed) -> None:
        self._judge(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self.query_one("#ok", Button).disabled:
            self.hand = hand_of(event)
            self.answer(event.value.strip())

    def on_key(self, event: object) -> None:
        character = getattr(event, "character", None)
        field = self.query_one(Input)
        if self._exact and not field.has_focus and character and character.isprintable() and character != " ":
            field.focus()
            field.insert_text_at_cursor(character)
            getattr(event, "stop", lambda: None)()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.hand = hand_of(event)
        self.answer(self.query_one(Input).value.strip() if event.button.id == "ok" else None)

    def action_cancel(self) -> None:
        """Nothing was meant."""
        self.dismiss(None)


class Choose(Dialog[str | None]):
    """A few answers; the first has the focus and is the harmless one."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "cancel", "cancel")]

    def __init__(self, title: str, body: str, answers: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._title = title
        self._body = body
        self._answers = answers

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            yield Static(self._body, id="dialog-body", markup=False)
            with Horizontal(id="dialog-buttons"):
                yield Press("Cancel", id="cancel")
                for id, label in self._answers:
                    yield Press(label, id=id)

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.hand = hand_of(event)
        self.answer(None if event.button.id == "cancel" else event.button.id)

    def action_cancel(self) -> None:
        """None of them."""
        self.dismiss(None)
