"""Whose hand is at the keys: the mark of a key event travels with it to the intent that it leads to, also through a dialog."""

from __future__ import annotations

from contextvars import ContextVar

from textual.message import Message
from textual.message_pump import MessagePump

from cockpit.pairing.marks import Hand

HAND: ContextVar[Hand | None] = ContextVar("hand", default=None)
"""Who pressed the key that is being carried out. A worker takes it with it when it begins; None is a key without a mark."""

_NAME = "cockpit_hand"


def put(message: Message, hand: Hand | None) -> None:
    """Write on a message whose hand it came from."""
    vars(message)[_NAME] = hand


def hand_of(message: Message) -> Hand | None:
    """Whose hand it came from; None when that is not known."""
    found = vars(message).get(_NAME)
    return found if isinstance(found, Hand) else None


class Handed(MessagePump):
    """What makes a widget's messages say who pressed the key that led to them. It is no widget itself: styles and bindings come
    from the first base that is one."""

    def post_message(self, message: Message) -> bool:
        """Send on a message, with the hand of the key that is being handled."""
        if hasattr(message, "__dict__") and _NAME not in vars(message):
            put(message, HAND.get())
        return super().post_message(message)
