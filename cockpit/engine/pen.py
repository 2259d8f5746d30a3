"""What one attempt of a step writes into the journal."""

from __future__ import annotations

from cockpit import events as ev
from cockpit.clock import Clock
from cockpit.engine.ledger import Ledger
from cockpit.plan.model import Op, Step


class Pen:
    """Writes the events of one attempt of one step."""

    def __init__(self, ledger: Ledger, clock: Clock, step: Step, attempt: int, actor: str) -> None:
        self._ledger = ledger
        self._clock = clock
        self._began = clock.monotonic()
        self._actor = actor
        self.step = step
        self.attempt = attempt

    def job(self, op: Op, run: str) -> str:
        """The name under which a host runs an act of this attempt."""
        return f"{run}.{self.step.ref.replace('/', '.')}.{self.attempt}.{op}"

    def took(self) -> float:
        """Seconds since the attempt began."""
        return round(self._clock.monotonic() - self._began, 6)

    async def write(self, event: ev.Event) -> None:
        """Append in the actor's name and wait until it is on disk. Raises JournalBroken."""
        await self._ledger.write(event, self._actor)

    async def move(
        self,
        state: ev.StepState,
        op: Op | None = None,
        detail: str = "",
        verified: bool = False,
        until: float = 0.0,
    ) -> None:
        """Write that the step is in another state. Raises JournalBroken."""
        await self.write(
            ev.StepMoved(
                ref=self.step.ref,
                attempt=self.attempt,
                state=state,
                op=op,
                detail=detail,
                took=self.took(),
                verified=verified,
                until=until,
            )
        )
