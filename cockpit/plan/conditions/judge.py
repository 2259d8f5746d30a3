"""Whether a condition holds for what was seen. What is not known yet never holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cockpit.plan.conditions.parser import Fault, parse
from cockpit.plan.conditions.patterns import WITHIN, compiled
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

Facts = Mapping[str, Mapping[str, str]]
"""What was seen, by vantage; '' is the probe's own."""
CUT = "body…"
"""Beside a body that goes on; no condition can name it."""
YES = frozenset({"yes", "true", "1"})


def judge(condition: Condition, facts: Facts) -> tuple[bool, str]:
    """Whether it holds, and why not. A fact that is missing is not known yet: with `or` another one may decide."""
    held = _held(condition, facts)
    if held:
        return True, ""
    if held is None:
        missing = next((str(fact) for fact in facts_in(condition) if _value(fact, facts) is None), "")
        if not missing:
            return False, f"{condition}: only the beginning of the body was read"
        return False, f"{condition}: {missing} is not known yet"
    return False, f"{condition}: {_seen(condition, facts)}"


def unmet(
    that: Iterable[str],
    own: Mapping[str, str],
    others: Facts,
    at: str = "",
    body: str | None = "",
    *,
    whole: bool = True,
) -> str:
    """Why the first of the conditions that does not hold does not, '' when all hold. `own` are the facts at the vantage `at`,
    `others` those of the other vantages. `body` is None when it could not be read; of one that is not `whole` nobody knows
    what it does not hold."""
    answer = {} if body is None else {"body": body} if whole else {"body": body, CUT: "yes"}
    facts = {**others, "": {**own, **answer}}
    if at:
        facts[at] = own
    for text in that:
        condition = parse(text)
        if isinstance(condition, Fault):
            return f"{text}: {condition.message}"
        held, why = judge(condition, facts)
        if not held:
            return why
    return ""


def vantages(that: Iterable[str]) -> frozenset[str]:
    """The vantages that conditions name."""
    parsed = [condition for text in that if not isinstance(condition := parse(text), Fault)]
    return frozenset(fact.vantage for condition in parsed for fact in facts_in(condition)) - {""}


def named(that: Iterable[str], name: str, at: str = "") -> bool:
    """Whether any of the conditions speaks of a fact, at the vantage `at` or at the probe's own."""
    parsed = [condition for text in that if not isinstance(condition := parse(text), Fault)]
    return any(fact.name == name and fact.vantage in {"", at} for condition in parsed for fact in facts_in(condition))


def _held(condition: Condition, facts: Facts) -> bool | None:
    """Kleene's logic: what is not known may still be decided by the rest."""
    match condition:
        case Not(inner=inner):
            held = _held(inner, facts)
            return None if held is None else not held
        case And(parts=parts):
            found = [_held(part, facts) for part in parts]
            return False if False in found else None if None in found else True
        case Or(parts=parts):
            found = [_held(part, facts) for part in parts]
            return True if True in found else None if None in found else False
        case _:
            values = [_value(operand, facts) for operand in operands(condition)]
            known = [value for value in values if value is not None]
            if len(known) < len(values):
                return None
            held = holds(condition, known)
            return None if not held and _in_part(condition, facts) else held


def _in_part(atom: Atom, facts: Facts) -> bool:
    """Whether it looks into a body that was not read to its end."""
    return CUT in facts[""] and any(isinstance(one, Fact) and one.name == "body" for one in operands(atom))


def _value(operand: Operand, facts: Facts) -> str | float | None:
    match operand:
        case Number():
            return operand.amount
        case Text(value=value):
            return value
        case Fact(name=name, vantage=vantage):
            seen = facts.get(vantage)
            if seen is None:
                return None
            # An answer without a header is an answer: its header is empty.
            return seen.get(name, "" if name.startswith("header.") and seen.get("status", "0") != "0" else None)


def holds(atom: Atom, values: list[str | float]) -> bool:
    """Whether an atom holds for the values of its operands. Numbers that cannot be read as such are none, and equal nothing."""
    match atom:
        case Holds():
            return str(values[0]).lower() in YES
        case Within(percent=percent):
            left, right = number(values[0]), number(values[1])
            return left is not None and right is not None and abs(left - right) <= percent / 100 * abs(right)
        case Compared(op=op):
            return _compared(op, *values)


def _compared(op: str, left: str | float, right: str | float) -> bool:
    if op == "contains":
        return str(right) in str(left)
    if op == "matches":
        pattern = compiled(str(right))
        return pattern is not None and pattern.search(str(left)[:WITHIN]) is not None
    if isinstance(left, float) or isinstance(right, float) or op in {"<", "<=", ">", ">="}:
        first, second = number(left), number(right)
        if first is None or second is None:
            return op == "!="
        match op:
            case "==":
                return first == second
            case "!=":
                return first != second
            case "<":
                return first < second
            case "<=":
                return first <= second
            case ">":
                return first > second
            case _:
                return first >= second
    return (left == right) == (op == "==")


def number(value: str | float) -> float | None:
    """A fact as a number, None when it is none."""
    try:
        return float(value)
    except ValueError:
        return None


def _seen(condition: Condition, facts: Facts) -> str:
    """What was seen of what it names, each once."""
    said = {str(fact): _value(fact, facts) for fact in facts_in(condition) if fact.name != "body"}
    words = [f"{name} is {_short(value)}" for name, value in said.items()]
    if any(isinstance(atom, Compared) and "body" in {str(atom.left), str(atom.right)} for atom in atoms(condition)):
        words.append("the body does not fit")
    return ", ".join(words)


def _short(value: str | float | None) -> str:
    text = str(value)
    if not text:
        return "empty"
    return text if len(text) <= 60 else f"{text[:59]}…"
