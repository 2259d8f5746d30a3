"""The second person of a gate: what both see, whether a yes counts, and when the question is over. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter

import msgspec

from cockpit import events as ev
from cockpit import intents as it
from cockpit.crew import AskedView
from cockpit.engine import rules
from cockpit.plan.model import Gate
from cockpit.state import RunState

STANDS = 60.0
"""Seconds for which the question to the second person stands."""


def gate_of(state: RunState, id: str) -> Gate | None:
    """The gate of that id in the plan."""
    plan = state.plan
    return plan.gate(id) if plan is not None else None


def evidence(state: RunState, gate: Gate, now: float) -> tuple[str, ...]:
    """The evidence of a gate as both people see it, one sentence an item: the steps it comes after, and what probes show."""
    told: list[str] = []
    homes = dict.fromkeys(ref.partition("/")[0] for ref in gate.after)
    for home in homes:
        words = Counter(state.step(ref).state for ref in gate.after if ref.partition("/")[0] == home)
        told.append(f"{home}: steps {', '.join(f'{count} {word}' for word, count in words.items())}")
    for piece in gate.evidence:
        missing = rules.missing_evidence(state, piece, now, gate.fresh)
        held = f"{piece.service}: {piece.kind} {piece.want} holds, at most {gate.fresh:g} s old"
        told.append(f"{piece.service}: {piece.kind} {piece.want} DOES NOT HOLD: {missing}" if missing else held)
    return tuple(told)


def digest(state: RunState, gate: Gate, shown: tuple[str, ...]) -> str:
    """Stands for this run, this plan, this gate and this evidence: 16 hex digits of BLAKE2b over all of them."""
    plan = state.plan.hash if state.plan is not None else ""
    # The attempts belong to it: a step that was taken back and done again is not what was seen.
    steps = [(ref, state.step(ref).state, state.step(ref).attempt) for ref in gate.after]
    said = msgspec.json.encode((state.run, plan, gate.id, gate.before, steps, shown))
    return hashlib.blake2b(said, digest_size=8).hexdigest()


def put(state: RunState, gate: Gate) -> list[str]:
    """The question to the second person in full, line by line: what the screen and `cockpit confirm` show, and what a yes is
    for. [] when nobody is asked."""
    asked = state.gates[gate.id].asked
    plan = state.plan
    if asked is None or plan is None:
        return []
    behind = ", ".join(gate.before[:6]) + (f" and {len(gate.before) - 6} more" if len(gate.before) > 6 else "")
    return [
        f"{asked.by} asks to open gate {gate.id}: {gate.question or 'Go, or no go?'}",
        f"run {state.run}{', a rehearsal' if state.mode == 'rehearsal' else ''}",
        f"plan {plan.name}, SHA-256 {plan.hash[:16]}…",
        f"behind it: {behind or 'nothing'}",
        *(f"evidence: {item}" for item in asked.evidence or ("none is asked for",)),
        f"evidence and plan as {asked.digest}",
    ]


def over(state: RunState, gate: Gate, asked: AskedView, now: float) -> str:
    """Why the question does not stand any more, as a sentence; '' while it does."""
    if now >= asked.until:
        return f"nobody confirmed it within {asked.until - asked.utc:.0f} s"
    if state.ended:
        return "the run has ended"
    if not state.driver or state.driver_screen != asked.who.screen:
        return f"{asked.by}, who asked, does not drive any more"
    found = rules.gate_readiness(state, gate.id, now)
    if not found.ok:
        return f"the evidence does not hold any more: {found.reason}"
    if digest(state, gate, evidence(state, gate, now)) != asked.digest:
        return "the evidence is not what it was when it was asked for"
    return ""


def refuse_confirm(state: RunState, intent: it.Confirm, who: ev.Who, now: float) -> str:
    """Why a yes does not count, as a sentence; '' when it does."""
    gate = gate_of(state, intent.gate)
    if gate is None:
        return f"the plan has no gate {intent.gate}"
    seen = state.gates[gate.id]
    asked = seen.asked
    if asked is None:
        why = f": {seen.reason}" if seen.reason and not seen.open else ""
        return f"gate {gate.id} is open already" if seen.open else f"gate {gate.id} asks nobody now{why}"
    return (
        _same_person(state, asked, who)
        or _not_entitled(state, gate, who)
        or _other_thing(state, intent, asked)
        or over(state, gate, asked, now)
        or rules.held(state)
        or ("" if intent.typed == gate.typed else f"type {gate.typed} to confirm it")
    )


def _same_person(state: RunState, asked: AskedView, who: ev.Who) -> str:
    """Whether who confirms may be the one who asked: by the kernel's word, by the log-in, by the keys of a shared screen."""
    opener = asked.who
    if who.uid == opener.uid or not who.guest:
        account = who.account or who.name or "this account"
        return f"{account} asked for it: the second person confirms from another Unix account, by the door"
    if who.login and who.login in {opener.account, opener.login}:
        return f"this {who.account} had logged in as {who.login}, who asked for it: that is the same person"
    if who.account in {opener.by, opener.account}:
        return f"{who.account} pressed the key at {opener.name}'s screen: that is the first person"
    if not opener.proven:
        screen = next((one for one in state.people if one.screen == opener.screen), None)
        typing = screen is not None and any(
            who.account in {person.account, person.name} and not person.readonly for person in screen.people
        )
        if typing:
            return f"{who.account} can type at {opener.name}'s screen, and nothing proves who asked for it there"
    return ""


def _not_entitled(state: RunState, gate: Gate, who: ev.Who) -> str:
    given = state.access.get(who.account)
    if given is None or given.may != "confirm":
        return f"{who.account} may look and hold, and not confirm: the owner gives that with `cockpit access`"
    if gate.second_by and who.account not in gate.second_by:
        return f"gate {gate.id} is confirmed by {' or '.join(gate.second_by)}, not by {who.account}"
    return ""


def _other_thing(state: RunState, intent: it.Confirm, asked: AskedView) -> str:
    if intent.run != state.run:
        return f"that was about the run {intent.run}, and this is {state.run}"
    if intent.plan != asked.plan:
        return "that was about another version of the plan"
    if intent.asked != asked.seq:
        return "that was about an earlier question: look at what is asked now"
    if intent.digest != asked.digest:
        return "that was about other evidence: look at what is asked now"
    return ""


def refuse_decline(state: RunState, intent: it.Decline, who: ev.Who) -> str:
    """Why a no is not taken, '' when it is. Whoever may confirm may decline."""
    gate = gate_of(state, intent.gate)
    if gate is None:
        return f"the plan has no gate {intent.gate}"
    asked = state.gates[gate.id].asked
    if asked is None:
        return f"gate {gate.id} asks nobody now"
    if not intent.reason.strip():
        return "a no needs a reason: the opener must know what you see"
    return _same_person(state, asked, who) or _not_entitled(state, gate, who)
