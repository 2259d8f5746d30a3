"""The account at the end of a demo: each thing that was taken from somebody is looked for on the hosts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cockpit.lab.host import LabHost
from cockpit.lab.traffic import Act, Tally

MAIL_TOKEN = re.compile(rb"^X-Token: (\S+)", re.MULTILINE)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where tokens lie: in the data of whoever serves now, in a queue, or in what was declared as a loss beforehand."""

    kept: Counter[str]
    waiting: frozenset[str] = frozenset()
    declared: dict[str, str] = {}
    """The loss that was accepted, by the token that it took."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of everything that people did."""

    requests: int
    failures: int
    trouble: tuple[str, ...]
    taken: dict[str, int]
    refused: dict[str, int]
    waiting: int
    declared: dict[str, int]
    """How many each accepted loss has taken."""
    lost: tuple[str, ...]
    doubled: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost but what was declared, and nothing is there twice."""
        return not self.lost and not self.doubled

    def sentence(self) -> str:
        """For a person, at the end."""
        taken = _listed(self.taken) or "nothing"
        told = [f"The world made {self.requests} requests, of which {self.failures} failed, and gave {taken}"]
        refused = _listed(self.refused)
        told += [f"refused in words: {refused}"] if refused else []
        told += [f"still in a queue: {self.waiting}"] if self.waiting else []
        declared = ", ".join(f"{count} ({what})" for what, count in sorted(self.declared.items()))
        told += [f"lost as declared: {declared}"] if declared else []
        told += [f"LOST: {', '.join(self.lost)}"] if self.lost else [f"nothing {'else ' if declared else ''}is lost"]
        told += [f"THERE TWICE: {', '.join(self.doubled)}"] if self.doubled else ["nothing is there twice"]
        return "; ".join(told) + "."


def account(tally: Tally, found: Found) -> Account:
    """Compare what was taken with what is there."""
    tokens = [act.token for act in tally.acts]
    there = found.kept
    missing = [token for token in tokens if not there[token] and token not in found.waiting]
    return Account(
        requests=sum(tally.answers.values()),
        failures=tally.failures,
        trouble=tuple(tally.trouble),
        taken=dict(tally.taken),
        refused=dict(tally.refused),
        waiting=sum(token in found.waiting and not there[token] for token in tokens),
        declared=dict(Counter(found.declared[token] for token in missing if token in found.declared)),
        lost=tuple(_named(act) for act in tally.acts if act.token in set(missing) - set(found.declared)),
        doubled=tuple(_named(act) for act in tally.acts if there[act.token] > 1),
    )


def in_mailboxes(*boxes: Path) -> Counter[str]:
    """The tokens in mbox files; one that is not there is empty."""
    found: Counter[str] = Counter()
    for box in boxes:
        if box.is_file():
            found.update(token.decode() for token in MAIL_TOKEN.findall(box.read_bytes()))
    return found


def in_queues(hosts: Iterable[LabHost]) -> frozenset[str]:
    """The tokens of messages that wait on hosts."""
    files = [path for host in hosts for path in (host.home / "var/queue").iterdir() if not path.suffix]
    return frozenset(in_mailboxes(*files))


def _named(act: Act) -> str:
    return f"{act.kind} of {act.service} {act.token}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()) if count)
