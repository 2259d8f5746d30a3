"""Text to a condition. Never raises: what is wrong is a `Fault` with its place in the text.

condition := all ("or" all)*          all := one ("and" one)*          one := "not" one | "(" condition ")" | atom
atom      := operand (("==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "matches") operand)?
           | operand "within" number "%" "of" operand
operand   := number | text | [vantage "."] name
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn, cast

import msgspec

from cockpit.plan.conditions.syntax import (
    UNITS,
    And,
    Compared,
    Condition,
    Fact,
    Holds,
    Not,
    Number,
    Op,
    Operand,
    Or,
    Text,
    Within,
)

LENGTH = 1000
"""Characters of one condition; what is longer is better written as several."""
DEPTH = 32
VANTAGES = ("old", "new", "world")

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[0-9]{1,9}(?:\.[0-9]{1,6})?(?P<unit>[A-Za-z]*))
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)
    |(?P<sign>==|!=|<=|>=|<|>|\(|\)|%)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_OPS = {"==", "!=", "<", "<=", ">", ">=", "contains", "matches"}
_WORDS = {"and", "or", "not", "contains", "matches", "within", "of"}


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a condition. `at` counts characters of its text from 0."""

    at: int
    message: str
    mend: str = ""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    unit: str = ""


class _Wrong(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition | Fault:
    """The condition, or what is wrong with its text."""
    if len(text) > LENGTH:
        return Fault(LENGTH, f"a condition has at most {LENGTH} characters", "write several")
    try:
        return _Parser(_tokens(text), len(text)).whole()
    except _Wrong as wrong:
        return wrong.fault


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what, mend = f"{text[at]!r} has no meaning here", ""
            if text[at] in "\"'":
                what, mend = "this text never ends", f"close it with {text[at]}"
            elif text[at] == "=":
                what, mend = "a single = has no meaning", "write =="
            elif text[at] in "&|!":
                what, mend = f"{text[at]!r} has no meaning", "write and, or, not"
            raise _Wrong(Fault(at, what, mend))
        if match.lastgroup != "space":
            kind = "number" if match["number"] is not None else cast("str", match.lastgroup)
            found.append(_Token(kind, match[0], at, match["unit"] or ""))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens, self._end, self._next = tokens, end, 0

    def whole(self) -> Condition:
        if not self._tokens:
            self._fail(0, "there is no condition", "write status == 200")
        condition = self._any(0)
        if (left := self._peek()) is not None:
            self._fail(left.at, f"{left.text!r} stands behind the end of the condition", "join conditions with and, or")
        return condition

    def _fail(self, at: int, message: str, mend: str = "") -> NoReturn:
        raise _Wrong(Fault(at, message, mend))

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, *words: str) -> _Token | None:
        """The next token when it is one of these words or signs."""
        token = self._peek()
        if token is None or token.kind not in {"name", "sign"} or token.text not in words:
            return None
        self._next += 1
        return token

    def _any(self, depth: int) -> Condition:
        parts = [self._all(depth)]
        while self._take("or"):
            parts.append(self._all(depth))
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def _all(self, depth: int) -> Condition:
        parts = [self._one(depth)]
        while self._take("and"):
            parts.append(self._one(depth))
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def _one(self, depth: int) -> Condition:
        token = self._peek()
        if depth > DEPTH and token is not None:
            self._fail(token.at, f"this is nested more than {DEPTH} levels deep", "write several conditions")
        if self._take("not"):
            return Not(self._one(depth + 1))
        if self._take("("):
            inner = self._any(depth + 1)
            if not self._take(")"):
                opened = token.at if token is not None else 0
                self._fail(opened, "this bracket is never closed", "close it with )")
            return inner
        return self._atom()

    def _atom(self) -> Condition:
        left = self._operand()
        op = self._peek()
        if op is not None and op.text in _OPS and op.kind in {"name", "sign"}:
            self._next += 1
            return Compared(left, cast("Op", op.text), self._operand(), left.at)
        if self._take("within"):
            percent = self._peek()
            if percent is None or percent.kind != "number" or percent.unit:
                self._fail(percent.at if percent else self._end, "within wants a percentage", "write within 10% of")
            self._next += 1
            for word in ("%", "of"):
                if not self._take(word):
                    other = self._peek()
                    self._fail(
                        other.at if other else self._end, f"{word} is missing here", "write within 10% of old.size"
                    )
            return Within(left, float(percent.text), self._operand(), left.at)
        if isinstance(left, Fact):
            return Holds(left)
        at = op.at if op is not None else self._end
        return self._fail(at, "a comparison is missing here", f"write status == {left}")

    def _operand(self) -> Operand:
        token = self._peek()
        if token is None:
            self._fail(self._end, "something is missing at the end", "write status == 200")
        self._next += 1
        match token.kind:
            case "number":
                if token.unit not in UNITS:
                    self._fail(
                        token.at + len(token.text) - len(token.unit),
                        f"{token.unit} is no unit",
                        f"there is {', '.join(unit for unit in UNITS if unit)}",
                    )
                return Number(float(token.text.removesuffix(token.unit)), token.unit, token.at)
            case "text":
                return Text(_ESCAPE.sub(lambda m: _MEANT.get(m[1], m[0]), token.text[1:-1]), token.at)
            case "name" if token.text not in _WORDS:
                first, _, rest = token.text.partition(".")
                if first in VANTAGES:
                    if not rest:
                        self._fail(token.at, f"{first} alone says nothing", f"write {first}.status")
                    return Fact(_cased(rest), first, token.at)
                return Fact(_cased(token.text), "", token.at)
        return self._fail(token.at, f"{token.text!r} stands where a name or a value should", "write status == 200")


def _cased(name: str) -> str:
    """Names of headers are the same in any case (RFC 9110 §5.1)."""
    return name.lower() if name.lower().startswith("header.") else name
