"""Whether a condition makes sense before anything was seen: names, types, and that it asserts something at all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

from cockpit.plan.conditions.facts import FactKind, fact, known_facts
from cockpit.plan.conditions.judge import holds
from cockpit.plan.conditions.parser import Fault
from cockpit.plan.conditions.patterns import always, compiled, risk
from cockpit.plan.conditions.syntax import (
    And,
    Atom,
    Compared,
    Condition,
    Fact,
    Holds,
    Not,
    Number,
    Operand,
    Or,
    Text,
    Within,
    atoms,
    facts_in,
    operands,
)
from cockpit.plan.findings import nearest

Sample = str | float

WORLDS = 4096
"""Combinations of values that are tried; a condition that needs more is taken to assert something."""


def check(condition: Condition, proto: str, at: Iterable[str]) -> Fault | None:
    """What is wrong with a condition on a probe of this protocol that is asked at these vantages; the first thing."""
    asked = tuple(at)
    for named in facts_in(condition):
        fault = _known(named, proto, asked)
        if fault is not None:
            return fault
    for atom in atoms(condition):
        fault = _typed(atom, proto) or _idle(atom, asked)
        if fault is not None:
            return fault
    return _asserts(condition, proto)


def _known(named: Fact, proto: str, asked: tuple[str, ...]) -> Fault | None:
    place = named.at + (len(named.vantage) + 1 if named.vantage else 0)
    kind = fact(proto, named.name)
    if kind is None:
        return Fault(place, f"{named.name} is nothing that {proto} shows", nearest(named.name, known_facts(proto)))
    if named.vantage and not asked:
        return Fault(named.at, f"nothing is known of {named.vantage} here", f"write {named.name} alone")
    if named.vantage and named.vantage not in asked:
        return Fault(
            named.at, f"the probe is not asked at {named.vantage}", f"write at: [{', '.join([*asked, named.vantage])}]"
        )
    if named.vantage and kind.own:
        return Fault(named.at, f"{named.name} is not kept for other vantages", "compare digest")
    return None


def _kind(operand: Operand, proto: str) -> str:
    match operand:
        case Number():
            return operand.kind
        case Text():
            return "text"
        case Fact(name=name):
            found = fact(proto, name)
            return found.kind if found is not None else ""


_EXAMPLE = {"count": "200", "duration": "500ms", "size": "10KiB", "text": '"text"', "flag": "no"}
_WORD = {"count": "a number", "duration": "a duration", "size": "a size", "text": "a text", "flag": "yes or no"}


def _typed(atom: Atom, proto: str) -> Fault | None:
    if isinstance(atom, Holds):
        kind = _kind(atom.fact, proto)
        if kind != "flag":
            return Fault(
                atom.at, f"{atom.fact} is {_WORD[kind]}, not yes or no", f"compare it: {atom.fact} == {_EXAMPLE[kind]}"
            )
        return None
    left, right = _kind(atom.left, proto), _kind(atom.right, proto)
    op = "within" if isinstance(atom, Within) else atom.op
    if op in {"contains", "matches"}:
        for operand, kind in ((atom.left, left), (atom.right, right)):
            if kind != "text":
                return Fault(operand.at, f"{op} wants a text, {operand} is {_WORD[kind]}", 'write it in quotes: "…"')
        return _pattern(atom) if op == "matches" else None
    if op not in {"==", "!="}:
        for operand, kind in ((atom.left, left), (atom.right, right)):
            if kind in {"text", "flag"}:
                return Fault(
                    operand.at, f"{op} wants numbers, {operand} is {_WORD[kind]}", "use ==, contains or matches"
                )
    elif "body" in {str(atom.left), str(atom.right)}:
        return Fault(atom.at, "a whole body is not compared", "write body contains, or compare digest")
    sizes = {left, right} == {"size", "count"} and any(isinstance(o, Number) for o in operands(atom))
    if left != right and not sizes:
        mend = f"write {_EXAMPLE[left]}" if isinstance(atom.right, Number | Text) else ""
        if left == "flag" or right == "flag":
            mend = "name it alone, or with not before it"
        return Fault(atom.right.at, f"{atom.left} is {_WORD[left]}, {atom.right} is {_WORD[right]}", mend)
    return None


def _pattern(atom: Compared | Within) -> Fault | None:
    if not isinstance(atom.right, Text):
        return Fault(atom.right.at, "matches wants a regular expression in quotes", 'write "nginx.*"')
    if str(atom.left) == "body":
        return Fault(atom.left.at, "a body is too long for a regular expression", "write body contains")
    pattern = atom.right.value
    if compiled(pattern) is None:
        return Fault(atom.right.at, f"{atom.right} is no regular expression", "escape brackets with \\")
    why = risk(pattern)
    if why:
        return Fault(atom.right.at, f"on some texts this pattern takes for ever: {why}", "write it simpler")
    return None


def _idle(atom: Atom, asked: tuple[str, ...]) -> Fault | None:
    """An atom that says the same whatever comes."""
    if isinstance(atom, Holds):
        return None
    if not any(isinstance(operand, Fact) for operand in operands(atom)):
        return Fault(atom.at, "it compares two constants and asserts nothing", "name what was seen: status == 200")
    # Where one vantage alone is asked, its facts are the probe's own under another name.
    alone = asked[0] if len(asked) == 1 else ""
    if _own(atom.left, alone) == _own(atom.right, alone):
        return Fault(atom.at, f"it compares {atom.left} with itself and asserts nothing", "compare old. with new.")
    if isinstance(atom, Compared) and isinstance(atom.right, Text):
        if atom.op == "contains" and not atom.right.value:
            return Fault(
                atom.right.at, "every text contains the empty one: it asserts nothing", "write what must be there"
            )
        if atom.op == "matches" and always(atom.right.value):
            return Fault(
                atom.right.at, "this pattern matches every text: it asserts nothing", "write what must be there"
            )
    return None


def _own(operand: Operand, alone: str) -> Operand:
    return Fact(operand.name) if isinstance(operand, Fact) and operand.vantage == alone else operand


def _asserts(condition: Condition, proto: str) -> Fault | None:
    """Whether it can both hold and fail."""
    outcomes = _outcomes(condition, proto, {})
    if outcomes == {True}:
        return Fault(0, "this holds whatever comes: it asserts nothing", "compare with what can differ")
    if outcomes == {False}:
        return Fault(0, "this can never hold", "join with or what cannot hold together")
    return None


def beside(condition: Condition, proto: str, status: int) -> Fault | None:
    """What is wrong with a condition where the status is expected to be this one anyway."""
    if _outcomes(condition, proto, {"status": (float(status),)}) != {False}:
        return None
    return Fault(0, f"this can never hold beside status: {status}", "write status: 0, and the conditions decide alone")


def _outcomes(condition: Condition, proto: str, pinned: Mapping[str, tuple[Sample, ...]]) -> set[bool]:
    """How it can end, by trying each kind of value that could be seen; nothing when that would be too many. Facts in `pinned`
    have no other values than those."""
    choices: dict[str, tuple[Sample, ...]] = {}
    for named in facts_in(condition):
        kind = fact(proto, named.name)
        if kind is not None and not _only_free(str(named), condition):
            choices[str(named)] = pinned.get(str(named)) or _samples(condition, kind)
    # What a text contains is free to hold or not.
    choices |= {str(atom): (True, False) for atom in atoms(condition) if _is_free(atom)}
    if math.prod(len(choice) for choice in choices.values()) > WORLDS:
        return set()
    worlds = (dict(zip(choices, world, strict=True)) for world in itertools.product(*choices.values()))
    return {_in_world(condition, world) for world in worlds}


def _is_free(atom: Atom) -> bool:
    return isinstance(atom, Compared) and atom.op in {"contains", "matches"}


def _only_free(name: str, condition: Condition) -> bool:
    """Whether a fact stands in `contains` and `matches` only: then its value itself decides nothing."""
    return all(_is_free(atom) for atom in atoms(condition) if name in {str(operand) for operand in operands(atom)})


def _samples(condition: Condition, kind: FactKind) -> tuple[Sample, ...]:
    """Values of one kind: those that the condition names, those around and between them, and some far away."""
    if kind.kind == "flag":
        return ("yes", "no")
    if kind.kind == "text":
        texts = {o.value for atom in atoms(condition) for o in operands(atom) if isinstance(o, Text)}
        return (*sorted(texts), "\x01one", "\x01two")
    numbers = sorted({o.amount for atom in atoms(condition) for o in operands(atom) if isinstance(o, Number)})
    between = ((a + b) / 2 for a, b in itertools.pairwise(numbers))
    around = (step for value in numbers for step in (value - 0.5, value, value + 0.5))
    # Facts that are compared with each other must be able to differ, by much and by little.
    little = (1 + atom.percent / 200 for atom in atoms(condition) if isinstance(atom, Within))
    found = {kind.least, 1.0, 2.0, 50.0, 1e12, *little, *between, *around}
    return tuple(sorted(value for value in found if value >= kind.least))


def _in_world(condition: Condition, world: Mapping[str, Sample]) -> bool:
    match condition:
        case Not(inner=inner):
            return not _in_world(inner, world)
        case And(parts=parts):
            return all(_in_world(part, world) for part in parts)
        case Or(parts=parts):
            return any(_in_world(part, world) for part in parts)
        case _ if _is_free(condition):
            return bool(world[str(condition)])
        case _:
            return holds(condition, [_valued(operand, world) for operand in operands(condition)])


def _valued(operand: Operand, world: Mapping[str, Sample]) -> str | float:
    match operand:
        case Number():
            return operand.amount
        case Text(value=value):
            return value
        case Fact():
            return world[str(operand)]
