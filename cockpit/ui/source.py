"""Where a screen's events come from: the one thing in which live, watch and replay differ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from cockpit.events import Person, Record
from cockpit.intents import AnyIntent
from cockpit.picture.seen import Seen
from cockpit.state import RunState

if TYPE_CHECKING:
    from cockpit.replay.transport import Transport


class Source(Protocol):
    """Events in order, and a way to ask for something."""

    @property
    def can_drive(self) -> bool:
        """Whether this screen may ever hold the wheel."""
        ...

    @property
    def drives(self) -> bool:
        """Whether this screen holds the wheel now."""
        ...

    @property
    def screen(self) -> int:
        """This screen's number among those that are attached; 0 where it is attached to nothing."""
        ...

    @property
    def guest(self) -> bool:
        """It came by the door for other accounts."""
        ...

    @property
    def present(self) -> tuple[RunState, float] | None:
        """What is so now, and the UTC of now, while a live run's past is shown."""
        ...

    @property
    def label(self) -> str:
        """LIVE, REHEARSAL, READ-ONLY or REPLAY."""
        ...

    @property
    def transport(self) -> Transport | None:
        """What moves time; None where it cannot be moved."""
        ...

    def now(self) -> float:
        """UTC of the moment shown, seconds."""
        ...

    def records(self) -> AsyncIterator[list[Record] | RunState]:
        """Batches of records, each behind the last; a state instead of a batch is where the next ones go on from."""
        ...

    async def tell(self, name: str, answer: str | None, by: str = "", sure: str = "") -> str | None:
        """Answer an open question, None to refuse. The refusal as a sentence, None when it was taken. Never written down but for
        who gave it: `by` and `sure` as in `send`."""
        ...

    def here(self, columns: int, rows: int, people: tuple[Person, ...] = ()) -> None:
        """The size of this screen, and who sits in front of it where several share it; a replay has nobody to tell."""
        ...

    def saw(self, screen: Seen) -> None:
        """Have kept what this screen shows; a replay has nobody to tell. Never waits."""
        ...

    async def send(self, intent: AnyIntent, by: str = "", sure: str = "") -> str | None:
        """The refusal as a sentence, None when the intent was taken. `by` is who pressed the key where several share the
        screen, `sure` how that is known."""
        ...
