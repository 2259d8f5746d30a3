"""Answers that were read before: a server repeats itself far more often than it says something new."""

from __future__ import annotations

from cockpit.probes.dns.answer import Answer, read
from cockpit.probes.dns.wire import Question

KEPT = 512
LONGEST = 4096
"""Bytes of a message that is kept."""


class Parsed:
    """The last few answers by their bytes. The id and the case of the question's letters, which are random, are no part of
    them."""

    def __init__(self) -> None:
        self._known: dict[bytes, Answer] = {}

    def __len__(self) -> int:
        return len(self._known)

    def read(self, wire: bytes, question: Question) -> Answer:
        """What the message says to the question. Raises Malformed."""
        if wire[4:6] == b"\0\0":  # Without a question there is nothing to leave out.
            return read(wire, question)
        key = wire[2:12] + question.qname + wire[12 + len(question.qname) :]
        answer = self._known.get(key)
        if answer is None:
            answer = read(wire, question)
            if len(wire) <= LONGEST:
                if len(self._known) >= KEPT:
                    del self._known[next(iter(self._known))]
                self._known[key] = answer
        return answer
