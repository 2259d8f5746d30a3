"""Events of the run itself: its life, who drives, what was asked, gates."""

from __future__ import annotations

from typing import Literal

from cockpit.events.base import Event
from cockpit.events.people import Who
from cockpit.plan.model import Plan


class RunStarted(Event, frozen=True, kw_only=True, tag="run.started"):
    """First event of a journal. It carries the whole plan, so that a replay needs nothing else."""

    run: str
    plan: Plan
    mode: Literal["live", "rehearsal"] = "live"
    version: str = ""
    forecast: dict[str, float] = {}
    """Seconds each step is expected to take (ref → seconds), from earlier runs of the plan; else the plan's estimate."""
    forecast_from: str = ""
    boot: str = ""
    """The machine's boot id (proc_sys_kernel(5)), '' where it has none."""


class RunResumed(Event, frozen=True, kw_only=True, tag="run.resumed"):
    """A conductor has taken over a run that another one left; its process id, and what it found in the journal."""

    pid: int
    after: int
    """The last sequence number found."""
    mended: int = 0
    """Bytes of a torn tail that were cut."""
    boot: str = ""
    """The machine's boot id (proc_sys_kernel(5)), '' where it has none."""
    rebooted: bool = False
    """The machine was started anew since the run was left."""


class RunPaused(Event, frozen=True, kw_only=True, tag="run.paused"):
    """Nothing new starts from now on."""

    reason: str = ""


class RunContinued(Event, frozen=True, kw_only=True, tag="run.continued"):
    """A pause or a panic is over."""


class RunPanicked(Event, frozen=True, kw_only=True, tag="run.panicked"):
    """Nothing is touched from now on; what is under way on the hosts is left to itself."""


class RunEnded(Event, frozen=True, kw_only=True, tag="run.ended"):
    """The run is over: its verdict as a sentence, and the exit status of a headless run."""

    verdict: str
    exit: int = 0


class WheelTaken(Event, frozen=True, kw_only=True, tag="wheel.taken"):
    """Somebody drives. `uid` and `pid` are the peer credential (-1 for a headless run)."""

    driver: str
    uid: int = -1
    pid: int = -1
    screen: int = 0
    """Number of the driver's connection."""
    how: str = ""
    """How it came from one driver to the next, in words; '' where nobody drove."""


class WheelLost(Event, frozen=True, kw_only=True, tag="wheel.lost"):
    """Nobody drives: nothing new starts."""

    driver: str
    reason: str = ""


class WatchersChanged(Event, frozen=True, kw_only=True, tag="watchers"):
    """How many read-only views are connected now, as earlier versions wrote it; see `PeopleSeen`."""

    count: int


class IntentTaken(Event, frozen=True, kw_only=True, tag="intent.taken"):
    """What was asked, in the words of the intent's JSON."""

    intent: str
    summary: str = ""
    who: Who = Who()


class IntentRefused(Event, frozen=True, kw_only=True, tag="intent.refused"):
    """What was asked, in the words of the intent's JSON, was not done; `reason` is a sentence."""

    intent: str
    reason: str
    who: Who = Who()


class Noted(Event, frozen=True, kw_only=True, tag="note"):
    """A remark of somebody, about the step or service `ref`, or about the run with ''."""

    text: str
    ref: str = ""


class Trouble(Event, frozen=True, kw_only=True, tag="trouble"):
    """Something of our own went wrong, as a sentence."""

    message: str
    where: str = ""


class Asked(Event, frozen=True, kw_only=True, tag="asked"):
    """The conductor needs an answer. It goes back beside the journal and is never written down."""

    name: str
    question: str
    secret: bool = True
    """Whether the answer is a secret; otherwise typing `exact` is a yes."""
    exact: str = ""


class Answered(Event, frozen=True, kw_only=True, tag="answered"):
    """A question has its answer: a secret is known, or a yes was typed."""

    name: str
    by: str
    who: Who = Who()
    """Whose answer it was, as the kernel and the screen tell."""


class AskGivenUp(Event, frozen=True, kw_only=True, tag="ask.given_up"):
    """A question closed without an answer, which is a no."""

    name: str
    reason: str
    who: Who = Who()
    """Who said no, where somebody did."""


class GateOpened(Event, frozen=True, kw_only=True, tag="gate.opened"):
    """A gate was opened by somebody, or by its evidence. `override` is the reason where evidence was missing."""

    gate: str
    by: str
    override: str = ""
    evidence: str = ""
    head: str = ""
    """Head of the journal's hash chain when it was asked for: what the one who opened it could have read."""
    second: str = ""
    """Who confirmed it as the second person."""
    confirmed: Who = Who()
    """The second person, as the kernel tells."""
    digest: str = ""
    """Of the evidence that both saw."""
    alone: bool = False
    """It needs a second person, and was opened without one: break-glass."""


class GateClosed(Event, frozen=True, kw_only=True, tag="gate.closed"):
    """A gate is closed again: somebody closed it, or its evidence does not hold any more."""

    gate: str
    reason: str
