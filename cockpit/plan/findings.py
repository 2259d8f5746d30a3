"""What is wrong in a plan, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

Severity = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. Line and column count from 1, in characters."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" ({self.mend})" if self.mend else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code} {self.message}{mend}"


class Place(Protocol):
    """Anything that knows where it stands in the file."""

    @property
    def line(self) -> int:
        """The line, counted from 1."""
        ...

    @property
    def column(self) -> int:
        """The column, counted from 1."""
        ...


class Findings:
    """Collects findings; the same one of many services (a template's) is told once, with the services' names."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: dict[tuple[int, int, Severity, str, str, str], dict[str, None]] = {}

    def error(self, at: Place, code: str, message: str, mend: str = "", service: str = "") -> None:
        """Tell of what makes the plan unusable: a code, what is wrong, and how to mend it."""
        self._add(at, "error", code, message, mend, service)

    def warn(self, at: Place, code: str, message: str, mend: str = "", service: str = "") -> None:
        """Tell of what is probably not meant, in the same words."""
        self._add(at, "warning", code, message, mend, service)

    def _add(self, at: Place, severity: Severity, code: str, message: str, mend: str, service: str) -> None:
        services = self._found.setdefault((at.line, at.column, severity, code, message, mend), {})
        if service:
            services[service] = None

    @property
    def unusable(self) -> bool:
        """Whether an error was found."""
        return any(key[2] == "error" for key in self._found)

    def sorted(self) -> tuple[Finding, ...]:
        """All of them, in the order of the file."""
        return tuple(
            Finding(
                file=self._file,
                line=line,
                column=column,
                severity=severity,
                code=code,
                message=_with_services(message, tuple(services)),
                mend=mend,
            )
            for (line, column, severity, code, message, mend), services in sorted(
                self._found.items(), key=lambda item: item[0]
            )
        )


def _with_services(message: str, services: tuple[str, ...]) -> str:
    if not services:
        return message
    more = f" and {len(services) - 3} more" if len(services) > 3 else ""
    return f"{message} [{', '.join(services[:3])}{more}]"


def nearest(word: str, known: Iterable[str]) -> str:
    """A "did you mean" sentence, or what there is to choose from, or ''."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word[:80], names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    if names and len(names) <= 24:
        return f"there is {', '.join(names)}"
    return ""
