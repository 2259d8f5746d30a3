"""Events about people: who is attached, who drives or wants to, who holds, who may come in, and who confirms as the second."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.events.base import Event

Role = Literal["drives", "may drive", "observes"]


class Who(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asked for something, and how that is known.

    `account`, `uid` and `pid` are the peer's at the moment it connected, as the kernel tells (SO_PEERCRED, unix(7)). `by` is the
    person at that screen who pressed the key, as the screen says, and `sure` how the screen knows."""

    screen: int = 0
    """Number of the connection; 0 for what drives without one."""
    name: str = ""
    account: str = ""
    uid: int = -1
    pid: int = -1
    login: str = ""
    """The account that had logged in to come there (`/proc/PID/loginuid`), '' where the machine keeps none."""
    by: str = ""
    sure: str = ""
    guest: bool = False
    """It came by the door for other accounts."""

    @property
    def proven(self) -> bool:
        """Whether the terminal itself said who pressed the key, in one stream with the key (in-band)."""
        return bool(self.by) and "in-band" in self.sure

    @property
    def words(self) -> str:
        """For the journal's actor, the timeline and the report: `bob (ann's screen; by the tmux binding)`."""
        if not self.by:
            return f"{self.name} ({self.sure})" if self.sure else self.name
        how = "by the tmux binding" if self.proven and self.sure.startswith("tmux") else self.sure
        how = how or "as that screen says"
        return f"{self.by} ({how})" if self.by == self.name else f"{self.by} ({self.name}'s screen; {how})"


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody in front of a screen that several share, as that screen says."""

    name: str
    account: str = ""
    pid: int = -1
    columns: int = 0
    rows: int = 0
    readonly: bool = False
    since: float = 0.0
    """UTC."""


class Attached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A screen that is connected. `account`, `uid` and `pid` are the kernel's word, the size and `people` its own."""

    screen: int
    name: str
    role: Role
    account: str = ""
    uid: int = -1
    pid: int = -1
    since: float = 0.0
    """UTC."""
    columns: int = 0
    rows: int = 0
    people: tuple[Person, ...] = ()
    guest: bool = False
    """It came by the door for other accounts: it can never drive."""


class PeopleSeen(Event, frozen=True, kw_only=True, tag="people"):
    """Everybody who is attached now, and who came and left since the last one, in words."""

    screens: tuple[Attached, ...] = ()
    came: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class WheelOffered(Event, frozen=True, kw_only=True, tag="wheel.offered"):
    """The driver offers the wheel to the screen `to`, or to anyone with 0, until `until` (UTC)."""

    driver: str
    to: int = 0
    name: str = ""
    until: float = 0.0


class WheelRequested(Event, frozen=True, kw_only=True, tag="wheel.requested"):
    """A screen that may drive asks for the wheel, until `until` (UTC)."""

    screen: int
    name: str
    until: float = 0.0


class WheelSettled(Event, frozen=True, kw_only=True, tag="wheel.settled"):
    """An offer (`screen` 0) or the request of a screen is over."""

    screen: int = 0
    name: str = ""
    outcome: Literal["declined", "withdrawn", "expired"] = "expired"
    by: str = ""


class RunHeld(Event, frozen=True, kw_only=True, tag="run.held"):
    """Somebody who is attached holds the run: nothing new starts until the driver releases it."""

    by: str
    reason: str
    who: Who = Who()


class RunReleased(Event, frozen=True, kw_only=True, tag="run.released"):
    """The driver has released a hold. `hold` is the number of the event that began it."""

    hold: int
    by: str


class AccessGiven(Event, frozen=True, kw_only=True, tag="access.given"):
    """Another account may look and hold; with `may` "confirm" also confirm as the second person. It can never drive."""

    account: str
    uid: int
    may: Literal["watch", "confirm"] = "confirm"
    by: str = ""


class AccessTaken(Event, frozen=True, kw_only=True, tag="access.taken"):
    """An account may look no more; its connections are cut."""

    account: str
    by: str = ""


class DoorChanged(Event, frozen=True, kw_only=True, tag="door"):
    """Where other accounts connect, and what lets them reach it, in words; '' when the door is shut."""

    path: str = ""
    how: str = ""


class SecondAsked(Event, frozen=True, kw_only=True, tag="gate.asked"):
    """A gate was asked for by its opener and waits for the second person, until `until` (UTC). `evidence` is what both see;
    `digest` stands for that, the run, the gate and the plan."""

    gate: str
    by: str
    who: Who = Who()
    plan: str = ""
    evidence: tuple[str, ...] = ()
    digest: str = ""
    until: float = 0.0
    head: str = ""
    """Head of the journal's hash chain when it was asked for."""


class SecondOver(Event, frozen=True, kw_only=True, tag="gate.asked.over"):
    """The question to the second person is over without a yes; `reason` is a sentence."""

    gate: str
    reason: str
    declined: bool = False
    """The second person said no."""
