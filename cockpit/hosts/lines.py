"""Bytes of a followed log as whole lines, each once, however they came."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cockpit.hosts.positions import LONGEST, Generation, Position
from cockpit.plan.model import Log


class Lines(ABC):
    """One followed log: how far it was read, and whole lines for who wants them."""

    def __init__(self, log: Log, position: Position) -> None:
        self.log = log
        self.position = position
        self.trouble = ""
        """Why it cannot be read now, '' while it can."""

    def take(self, gen: Generation | None, data: bytes, lag: float = 0.0, behind: int = 0) -> None:
        """Bytes that came next in a generation; None for a unit, which comes in whole lines."""
        if gen is not None and self.position.fresh:
            if gen.offset > len(data):
                # We began in the middle of a line: its first half was never ours.
                end = data.find(b"\n")
                if end < 0:
                    return
                data = data[end + 1 :]
            self.position.fresh = False
        cut = data.rfind(b"\n") + 1
        if gen is None or (not cut and len(gen.rest) + len(data) > LONGEST):
            cut = len(data)
        rest = gen.rest if gen is not None else b""
        if not cut:
            if gen is not None:
                gen.rest = rest + data
            return
        whole = rest + data[:cut]
        if gen is not None:
            gen.rest = data[cut:]
        self._whole(gen, whole, lag, behind)

    def finish(self, gen: Generation) -> None:
        """A last line that will not get its end."""
        whole, gen.rest = gen.rest, b""
        if whole:
            self._whole(gen, whole, 0.0, 0)

    @abstractmethod
    def beat(self) -> None:
        """The host's agent said something: what was written until now has come."""

    @abstractmethod
    def close(self) -> None:
        """Nothing comes any more."""

    @abstractmethod
    def gap(self, size: int) -> None:
        """The host itself has lost at least so many bytes here."""

    @abstractmethod
    def _whole(self, gen: Generation | None, whole: bytes, lag: float, behind: int) -> None:
        """Whole lines, the last one perhaps without its end."""
