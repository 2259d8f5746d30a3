"""What the engine needs of the world, as protocols. Hosts, DNS and people are behind them; tests hand in their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from cockpit.events import Event
from cockpit.plan.model import Op, Step


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One op of one step. `job` names it the same before and after a crash of ours; `attempt` counts from 1."""

    step: Step
    op: Op
    attempt: int
    job: str
    captured: dict[str, str] = {}
    told: dict[str, int] = {}
    """Bytes of `out` and `err` of the job whose lines the journal has; for a recall."""


Verdict = Literal["ok", "no", "failed", "unknown", "nothing", "wait"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call.

    - probe: `ok` the state is already so, `no` it is not, `nothing` there is no probe to ask;
    - capture: `ok` with `captured`; `nothing` when there is none to do;
    - apply, undo: `ok`, `failed` for certain, `unknown` when we lost sight of it, `nothing` when the step has none;
    - verify, verify_undo: `ok` it holds, `no` it does not, `nothing` there is no verification;
    - verify: `wait` it holds so far and can be told for good at `until`; `captured` is kept meanwhile, over a crash, too;
    - any: `unknown` when the host could not be reached.
    """

    verdict: Verdict
    detail: str = ""
    captured: dict[str, str] = {}
    exit: int | None = None
    until: float = 0.0
    """UTC at which a `wait` ends."""


Say = Callable[[Event], None]
"""Takes events that tell of progress (StepOutput, StepProgress); never blocks."""


class Hands(Protocol):
    """What acts. One implementation for each kind of action, and one that chooses among them."""

    async def act(self, call: Call, say: Say) -> Outcome:
        """Carry out the op. Never raises for what the world does; cancelling it leaves the remote job running."""
        ...

    async def recall(self, call: Call, say: Say) -> Outcome:
        """After a crash: what became of the apply or undo `call.job`? Re-attaches when it still runs. `nothing` when the
        host has no trace of it (it never began), `unknown` when the host cannot tell."""
        ...


class Journal(Protocol):
    """Where events go."""

    async def write(self, event: Event, actor: str) -> int:
        """Append, wait until it is on disk, return its sequence number."""
        ...

    @property
    def head(self) -> str:
        """Head of the hash chain after the last line that is on disk."""
        ...

    def post(self, event: Event, actor: str) -> None:
        """Append without waiting; order with `write` is kept."""
        ...
