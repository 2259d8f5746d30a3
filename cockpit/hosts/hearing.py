"""A log that is counted and not shown: every whole line is heard once, from where the run began or an earlier one ended."""

from __future__ import annotations

from typing import Protocol

from cockpit.hosts.lines import Lines
from cockpit.hosts.positions import Generation, Position
from cockpit.plan.model import Log


class Ear(Protocol):
    """Who listens to a log."""

    def hear(self, lines: list[bytes]) -> None:
        """Lines that came next."""
        ...

    def beat(self) -> None:
        """Everything that was written until now was heard."""
        ...

    def lost(self, size: int) -> None:
        """The host itself has lost at least so many bytes."""
        ...


class Hearer(Lines):
    """Hands the lines of one log to an ear. `word` is the position at which an earlier run ended; without one, what stands in
    the log when it is opened is left out."""

    def __init__(self, log: Log, ear: Ear, word: str = "") -> None:
        super().__init__(log, Position(word))
        self._ear = ear
        self._behind = word == ""

    def word(self) -> str:
        """How far it was heard, whole lines only, for a later run."""
        return self.position.word()

    def take(self, gen: Generation | None, data: bytes, lag: float = 0.0, behind: int = 0) -> None:
        if self._behind:
            # What was there before we came; a line that is being written just now is ours.
            self.position.fresh = False
            if gen is not None:
                gen.rest = data[data.rfind(b"\n") + 1 :]
            return
        super().take(gen, data, lag, behind)

    @property
    def missing(self) -> bool:
        """Whether the host looked for the file and has never found one."""
        found = self.position.generations.values()
        return bool(found) and all(gen.key == "-" and not gen.offset for gen in found) and not self.position.done

    def beat(self) -> None:
        # An agent first tells what is there already, then beats for the first time. Of a log that it may not read it tells that
        # later, as soon as it may.
        if not self.trouble:
            self._behind = False
        self._ear.beat()

    def close(self) -> None:
        """A line without its end is read again by the next run."""

    def gap(self, size: int) -> None:
        self._ear.lost(size)

    def _whole(self, gen: Generation | None, whole: bytes, lag: float, behind: int) -> None:
        self._ear.hear(whole.removesuffix(b"\n").split(b"\n"))
