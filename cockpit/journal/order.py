"""Which events of a journal follow on each other, where its lines may have been moved, doubled, or mixed with another journal's.

The quick index and the thorough reading ask the same questions here, so that they take the same events.
"""

from __future__ import annotations

from cockpit.journal.line import START


class Order:
    """Asked for every event that can be read, in the order of the file."""

    def __init__(self) -> None:
        self.last = 0
        """The number of the last event that was taken."""
        self.other = ""
        """Where the chain of another journal stands that begins in this one, '' while none does."""
        self.first_head = ""
        """The chain's head after the first event that was taken."""

    def takes(self, seq: int, prev: str, head: str) -> bool:
        """Whether the event goes on behind those before it. `prev` and `head` are the chain before and after it."""
        if self.other and prev == self.other:
            self.other = head
            return False
        if seq <= self.last:
            if seq == 1 and prev == START and head != self.first_head:
                self.other = head
            return False
        self.first_head = self.first_head or head
        self.last = seq
        return True
