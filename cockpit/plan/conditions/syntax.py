"""Conditions as data, and how they are written. What is written reads back as the same data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Op = Literal["==", "!=", "<", "<=", ">", ">=", "contains", "matches"]

UNITS: dict[str, tuple[str, float]] = {
    "": ("count", 1.0),
    "ms": ("duration", 1.0), "s": ("duration", 1e3), "m": ("duration", 6e4), "h": ("duration", 3.6e6),
    "B": ("size", 1.0), "KB": ("size", 1e3), "MB": ("size", 1e6), "GB": ("size", 1e9),
    "KiB": ("size", 1024.0), "MiB": ("size", 1024.0**2), "GiB": ("size", 1024.0**3),
}  # fmt: skip
"""Units of numbers: what they measure, and how many milliseconds or bytes one is."""

# Places are no part of what a condition is: two that say the same are equal wherever they stand. Hence dataclasses.


@dataclass(frozen=True)
class Number:
    """`200`, `500ms`, `10KiB`."""

    value: float
    unit: str = ""
    at: int = field(default=0, compare=False)

    @property
    def kind(self) -> str:
        """What its unit measures: count, duration or size."""
        return UNITS[self.unit][0]

    @property
    def amount(self) -> float:
        """In milliseconds or bytes where it has a unit."""
        return self.value * UNITS[self.unit][1]

    def __str__(self) -> str:
        return f"{self.value:.6f}".rstrip("0").rstrip(".") + self.unit


@dataclass(frozen=True)
class Text:
    """A text in double quotes."""

    value: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        text = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + text.replace("\n", "\\n").replace("\t", "\\t") + '"'


@dataclass(frozen=True)
class Fact:
    """Something that was seen, at the probe's own vantage when `vantage` is ''."""

    name: str
    vantage: str = ""
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.vantage}.{self.name}" if self.vantage else self.name


Operand = Number | Text | Fact


@dataclass(frozen=True)
class Compared:
    """`left op right`, such as `status == 200`."""

    left: Operand
    op: Op
    right: Operand
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True)
class Within:
    """`left within percent% of right`."""

    left: Operand
    percent: float
    right: Operand
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.left} within {Number(self.percent)}% of {self.right}"


@dataclass(frozen=True)
class Holds:
    """A fact that is yes or no."""

    fact: Fact

    @property
    def at(self) -> int:
        """Where it stands in the text, counted from 0."""
        return self.fact.at

    def __str__(self) -> str:
        return str(self.fact)


@dataclass(frozen=True)
class Not:
    """What must not hold."""

    inner: Condition

    def __str__(self) -> str:
        return f"not {_wrapped(self.inner, And, Or)}"


@dataclass(frozen=True)
class And:
    """All of it holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(_wrapped(part, And, Or) for part in self.parts)


@dataclass(frozen=True)
class Or:
    """At least one of it holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(_wrapped(part, Or) for part in self.parts)


Atom = Compared | Within | Holds
Condition = Atom | Not | And | Or


def _wrapped(inner: Condition, *looser: type) -> str:
    return f"({inner})" if isinstance(inner, looser) else str(inner)


def atoms(condition: Condition) -> Iterator[Atom]:
    """All comparisons in it, in order."""
    match condition:
        case Not(inner=inner):
            yield from atoms(inner)
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from atoms(part)
        case _:
            yield condition


def operands(atom: Atom) -> tuple[Operand, ...]:
    """What an atom speaks of."""
    return (atom.fact,) if isinstance(atom, Holds) else (atom.left, atom.right)


def facts_in(condition: Condition) -> Iterator[Fact]:
    """All facts that it names, in order."""
    for atom in atoms(condition):
        for operand in operands(atom):
            if isinstance(operand, Fact):
                yield operand
