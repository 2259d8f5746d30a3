"""Every intent: what a person may ask of the engine. The only way from a screen to the conductor."""

from __future__ import annotations

from typing import Literal

import msgspec

PAST = "this screen shows the past: $ goes back to now"
"""Why nothing is asked for from there but a hold: nobody confirms on the strength of what was so."""


class Intent(msgspec.Struct, frozen=True, kw_only=True, tag_field="intent", omit_defaults=True):
    """Base: `typed` carries what the operator typed where a target's name is demanded."""


class RunNext(Intent, frozen=True, kw_only=True, tag="next"):
    """Start the next ready step of a service ('' lets the engine pick the first service in order)."""

    service: str = ""


class RunToGate(Intent, frozen=True, kw_only=True, tag="run-to-gate"):
    """Go on by itself, up to the next gate, failure or manual step. '' means all services."""

    service: str = ""


class RunStep(Intent, frozen=True, kw_only=True, tag="run"):
    """Start this step; also a failed one again."""

    ref: str
    typed: str = ""


class Verify(Intent, frozen=True, kw_only=True, tag="verify"):
    """Verify a step again; a done step that no longer holds becomes drifted."""

    ref: str


class Undo(Intent, frozen=True, kw_only=True, tag="undo"):
    """Take back the last undoable step of `service`. `typed` is the service's id where going back loses writes."""

    service: str
    typed: str = ""


class Skip(Intent, frozen=True, kw_only=True, tag="skip"):
    """Leave a step out, with a reason that the report prints."""

    ref: str
    reason: str


class Answer(Intent, frozen=True, kw_only=True, tag="answer"):
    """A manual step's outcome, as its owner reports it."""

    ref: str
    done: bool
    """Whether it is done; where the plan names answers, `choice` tells that."""
    text: str = ""
    choice: str = ""
    by: str = ""
    """Who said so, where that is not who enters it."""


class Decide(Intent, frozen=True, kw_only=True, tag="decide"):
    """A person's verdict on an `unknown` step that the host could not tell: it was applied, or it was not."""

    ref: str
    applied: bool
    reason: str


class Limit(Intent, frozen=True, kw_only=True, tag="limit"):
    """Hold a copy to `rate` bytes a second from now on; 0 lets it go as fast as it can."""

    ref: str
    rate: int


class Pause(Intent, frozen=True, kw_only=True, tag="pause"):
    """Start nothing new; clocks run on."""


class Continue(Intent, frozen=True, kw_only=True, tag="continue"):
    """End a pause."""


class Abort(Intent, frozen=True, kw_only=True, tag="abort"):
    """Undo a service back to its last safe point, or all services with ''. `typed` names it (`all` for all)."""

    service: str = ""
    typed: str = ""


class Panic(Intent, frozen=True, kw_only=True, tag="panic"):
    """Touch nothing: stop advancing at once and leave everything as it is."""


class OpenGate(Intent, frozen=True, kw_only=True, tag="open-gate"):
    """`typed` is the gate's target. `override` opens it against missing evidence and is printed in the report."""

    gate: str
    typed: str
    override: str = ""


class CloseGate(Intent, frozen=True, kw_only=True, tag="close-gate"):
    """Close a gate that somebody has opened."""

    gate: str


class AddNote(Intent, frozen=True, kw_only=True, tag="note"):
    """Write a remark into the journal, about the step or service `ref`, or about the run with ''."""

    text: str
    ref: str = ""


class End(Intent, frozen=True, kw_only=True, tag="end"):
    """Close the run: the conductor stops when nothing is running."""


class TakeOver(Intent, frozen=True, kw_only=True, tag="take-over"):
    """Take a host from another run, whose jobs cannot start there any more. `typed` is the host's id."""

    host: str
    typed: str


class Claim(Intent, frozen=True, kw_only=True, tag="claim"):
    """Take the wheel when nobody holds it."""


class OfferWheel(Intent, frozen=True, kw_only=True, tag="offer-wheel"):
    """The driver offers the wheel to the screen of that number, or to anyone who may drive with 0."""

    to: int = 0


class AcceptWheel(Intent, frozen=True, kw_only=True, tag="accept-wheel"):
    """Take the wheel that is offered."""


class RequestWheel(Intent, frozen=True, kw_only=True, tag="request-wheel"):
    """Ask the driver for the wheel."""


class GrantWheel(Intent, frozen=True, kw_only=True, tag="grant-wheel"):
    """The driver gives the wheel to the screen that asked for it."""

    to: int


class DeclineWheel(Intent, frozen=True, kw_only=True, tag="decline-wheel"):
    """Say no to an offer, or as the driver to the request of the screen `to`; or take back one's own."""

    to: int = 0


class Hold(Intent, frozen=True, kw_only=True, tag="hold"):
    """Start nothing new until the driver releases it. Anyone who is attached may ask for that."""

    reason: str


class Release(Intent, frozen=True, kw_only=True, tag="release"):
    """End a hold. `typed` is the name of who holds."""

    hold: int
    typed: str


class GiveAccess(Intent, frozen=True, kw_only=True, tag="give-access"):
    """Let another account look and hold, and with `may` "confirm" confirm as the second person."""

    account: str
    may: Literal["watch", "confirm"] = "confirm"


class TakeAccess(Intent, frozen=True, kw_only=True, tag="take-access"):
    """Let an account look no more."""

    account: str


class Confirm(Intent, frozen=True, kw_only=True, tag="confirm"):
    """The second person's yes: for this run, this gate, this plan, this question (`asked`, its event) and this evidence."""

    gate: str
    typed: str
    run: str
    plan: str
    asked: int
    digest: str


class Decline(Intent, frozen=True, kw_only=True, tag="decline"):
    """The second person's no, with what speaks against it."""

    gate: str
    reason: str


AnyIntent = (
    RunNext
    | RunToGate
    | RunStep
    | Verify
    | Undo
    | Skip
    | Answer
    | Decide
    | Limit
    | Pause
    | Continue
    | Abort
    | Panic
    | OpenGate
    | CloseGate
    | AddNote
    | End
    | TakeOver
    | Claim
    | OfferWheel
    | AcceptWheel
    | RequestWheel
    | GrantWheel
    | DeclineWheel
    | Hold
    | Release
    | GiveAccess
    | TakeAccess
    | Confirm
    | Decline
)

Refusal = str
Danger = Literal["none", "acts", "destructive"]
