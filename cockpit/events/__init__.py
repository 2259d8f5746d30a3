"""Every event: the only vocabulary that leaves the engine, the probes and the hosts.

A `Record` is one journal line: an event with its sequence number, its times and its actor. Text that came from a host is
made harmless (`cockpit.text.harmless`) before it becomes part of an event; the raw bytes stay in files beside the journal.
"""

from __future__ import annotations

import msgspec

from cockpit.events.base import Event, Unknown
from cockpit.events.hosts import HostClock, HostLocked, HostSeen, LogGap, LogSeen
from cockpit.events.people import (
    AccessGiven,
    AccessTaken,
    Attached,
    DoorChanged,
    PeopleSeen,
    Person,
    Role,
    RunHeld,
    RunReleased,
    SecondAsked,
    SecondOver,
    WheelOffered,
    WheelRequested,
    WheelSettled,
    Who,
)
from cockpit.events.run import (
    Answered,
    Asked,
    AskGivenUp,
    GateClosed,
    GateOpened,
    IntentRefused,
    IntentTaken,
    Noted,
    RunContinued,
    RunEnded,
    RunPanicked,
    RunPaused,
    RunResumed,
    RunStarted,
    Trouble,
    WatchersChanged,
    WheelLost,
    WheelTaken,
)
from cockpit.events.screens import ScreenKept
from cockpit.events.steps import (
    FAILURES,
    LossDeclared,
    NoticeSent,
    ServiceAdvancing,
    StepApplied,
    StepCaptured,
    StepIntended,
    StepLimited,
    StepMoved,
    StepOutput,
    StepProgress,
    StepState,
    SyncPassed,
)
from cockpit.events.world import (
    BudgetAlarm,
    Certificate,
    CompareSeen,
    Difference,
    DnsClass,
    DnsRole,
    DnsSeen,
    DowntimeSeen,
    HealthSeen,
    HorizonSeen,
    QueueSeen,
    StragglersSeen,
    Sure,
    Term,
    TokenSeen,
    TrafficSeen,
    WriterSeen,
    WriterSide,
)

__all__ = [
    "DURABLE",
    "FAILURES",
    "AccessGiven",
    "AccessTaken",
    "Answered",
    "AnyEvent",
    "AskGivenUp",
    "Asked",
    "Attached",
    "BudgetAlarm",
    "Certificate",
    "CompareSeen",
    "Difference",
    "DnsClass",
    "DnsRole",
    "DnsSeen",
    "DoorChanged",
    "DowntimeSeen",
    "Event",
    "GateClosed",
    "GateOpened",
    "HealthSeen",
    "HorizonSeen",
    "HostClock",
    "HostLocked",
    "HostSeen",
    "IntentRefused",
    "IntentTaken",
    "LogGap",
    "LogSeen",
    "LossDeclared",
    "Noted",
    "NoticeSent",
    "PeopleSeen",
    "Person",
    "QueueSeen",
    "Record",
    "Role",
    "RunContinued",
    "RunEnded",
    "RunHeld",
    "RunPanicked",
    "RunPaused",
    "RunReleased",
    "RunResumed",
    "RunStarted",
    "ScreenKept",
    "SecondAsked",
    "SecondOver",
    "ServiceAdvancing",
    "StepApplied",
    "StepCaptured",
    "StepIntended",
    "StepLimited",
    "StepMoved",
    "StepOutput",
    "StepProgress",
    "StepState",
    "StragglersSeen",
    "Sure",
    "SyncPassed",
    "Term",
    "TokenSeen",
    "TrafficSeen",
    "Trouble",
    "Unknown",
    "WatchersChanged",
    "WheelLost",
    "WheelOffered",
    "WheelRequested",
    "WheelSettled",
    "WheelTaken",
    "Who",
    "WriterSeen",
    "WriterSide",
]

AnyEvent = (
    RunStarted
    | RunResumed
    | RunPaused
    | RunContinued
    | RunPanicked
    | RunEnded
    | WheelTaken
    | WheelLost
    | WatchersChanged
    | AccessGiven
    | AccessTaken
    | DoorChanged
    | PeopleSeen
    | RunHeld
    | RunReleased
    | SecondAsked
    | SecondOver
    | WheelOffered
    | WheelRequested
    | WheelSettled
    | IntentTaken
    | IntentRefused
    | Noted
    | Trouble
    | Asked
    | Answered
    | AskGivenUp
    | StepIntended
    | StepMoved
    | StepCaptured
    | StepApplied
    | StepOutput
    | StepProgress
    | StepLimited
    | SyncPassed
    | NoticeSent
    | ServiceAdvancing
    | LossDeclared
    | GateOpened
    | GateClosed
    | HostSeen
    | HostLocked
    | HealthSeen
    | WriterSeen
    | DowntimeSeen
    | DnsSeen
    | HorizonSeen
    | CompareSeen
    | BudgetAlarm
    | QueueSeen
    | TokenSeen
    | StragglersSeen
    | TrafficSeen
    | LogSeen
    | LogGap
    | HostClock
    | ScreenKept
    | Unknown
)

DURABLE: tuple[type[Event], ...] = (
    RunStarted,
    RunResumed,
    RunPaused,
    RunContinued,
    RunPanicked,
    RunEnded,
    WheelTaken,
    WheelLost,
    AccessGiven,
    AccessTaken,
    DoorChanged,
    PeopleSeen,
    RunHeld,
    RunReleased,
    SecondAsked,
    SecondOver,
    WheelOffered,
    WheelRequested,
    WheelSettled,
    IntentTaken,
    IntentRefused,
    Noted,
    Asked,
    Answered,
    AskGivenUp,
    StepIntended,
    StepCaptured,
    StepApplied,
    StepMoved,
    StepLimited,
    NoticeSent,
    ServiceAdvancing,
    LossDeclared,
    GateOpened,
    GateClosed,
    HostLocked,
    ScreenKept,
)
"""Kinds that are synced to disk before anything is built on them; the others are batched."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    seq: int
    utc: float
    mono: float
    actor: str
    event: AnyEvent
