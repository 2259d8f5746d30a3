"""The values of a run's secrets: in memory only, each known to the redactor before anybody gets it."""

from __future__ import annotations

import hashlib
import io
import json
import resource
from collections.abc import Iterator, Mapping
from typing import TextIO

import msgspec

from cockpit.journal.needles import LEAST, LEAST_LINE, parts
from cockpit.journal.redaction import Redactor
from cockpit.plan.model import Plan


class Vault(Mapping[str, str]):
    """Secrets by name. `key` is known to this run alone and survives a crash: marks of captured values hang on it."""

    def __init__(self, plan: Plan, run: str, key: str) -> None:
        self.redactor = Redactor(hashlib.sha256(f"captured {key}".encode()).digest())
        self.asked: tuple[str, ...] = ()
        """Secrets that only a person can give."""
        self.warnings: tuple[str, ...] = ()
        self._values: dict[str, str] = {}
        self._open = f"{msgspec.json.encode(msgspec.structs.replace(plan, hash='')).decode()} {run} secret"

    def unfit(self, value: str) -> str:
        """Why a value cannot be kept secret, '' when it can. The sentence never quotes it."""
        if not parts(value):
            least = f"{LEAST} characters" if "\n" not in value else f"{LEAST_LINE} characters in one of its lines"
            return f"it is too short to be taken out of what is written down: it needs {least}"
        if "‹" in value or "›" in value:
            return "it holds ‹ or ›, the signs that mark what was taken out"
        if any(json.dumps(part, ensure_ascii=False)[1:-1] in self._open for part in parts(value)):
            return "it stands in the plan, or is a word of it, which everybody reads: change the one or the other"
        return ""

    def put(self, name: str, value: str) -> str:
        """Keep a secret, and take it out of everything from now on. Returns why that cannot be, '' when it is done."""
        why = self.unfit(value)
        if not why:
            self.redactor.add(name, value)
            self._values[name] = value
        return why

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._values)})"


class RedactedStream(io.TextIOBase):
    """A text stream that lets no secret out: whole lines go through the redactor, whoever writes them."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self.redactor = Redactor()
        self._rest = ""

    def write(self, text: str) -> int:
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._target.write("".join(f"{self.redactor.text(line)}\n" for line in whole.split("\n")))
            self._target.flush()
        elif len(self._rest) > 64 * 1024:
            self._last()
        return len(text)

    def flush(self) -> None:
        self._target.flush()

    def _last(self) -> None:
        rest, self._rest = self._rest, ""
        self._target.write(self.redactor.text(rest))
        self._target.flush()

    def close(self) -> None:
        """Write what has no end of line. The stream under it stays open."""
        self._last()

    def fileno(self) -> int:
        return self._target.fileno()

    def isatty(self) -> bool:
        return self._target.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._target.encoding


def no_core_dumps() -> None:
    """A crash leaves no picture of the memory on disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
