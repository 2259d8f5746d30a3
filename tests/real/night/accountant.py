"""The accountant: what people did, against what lies on the hosts, and what the journal says was done.

Its rules, for each service:

- a write or message that was acknowledged is there once; one that was refused is not there; of one without an answer nobody
  knows, so it may be there, but not twice (a message that was tried again after a lost answer may be there as often as that);
- what is missing or doubled is a fault, unless it was declared as lost;
- nothing is there that nobody sent;
- nobody was refused or left without an answer, but while the plan had the service closed, or for a reason that is declared;
- each step that the journal calls done was verified after it was applied, and each that it calls undone after it was undone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from cockpit.events import Record, StepApplied, StepMoved
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from tests.real.night.ledger import Kind, Ledger
from tests.real.night.refusals import SURE, Meant, course, stretch, total, within
from tests.real.rig import RealHost

_MARK = re.compile(rb"^X-Night: (\S+) (\d+)\r?$", re.MULTILINE)


class Accountant:
    """Collects what does not add up; `settle` raises it all at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.wrong: list[str] = []

    def settle(self) -> None:
        """Raises AssertionError with every sentence."""
        assert not self.wrong, "the accountant is not content:\n" + "\n".join(self.wrong)

    def writes(self, service: str, found: Iterable[int], *, lost: Iterable[int] = ()) -> None:
        """The numbers that lie in the service's data, against what was acknowledged. `lost` were declared."""
        self._balance("write", service, Counter(found), set(lost))

    def messages(self, service: str, found: Mapping[int, int], *, lost: Iterable[int] = ()) -> None:
        """The numbers of messages in the service's mailboxes with how often each is there."""
        self._balance("message", service, Counter(found), set(lost))

    def lines(self, service: str, found: Iterable[int], *, lost: Iterable[int] = ()) -> None:
        """The numbers of the lines that a game or the like has kept."""
        self._balance("line", service, Counter(found), set(lost))

    def visits(self, service: str, order: Iterable[str]) -> None:
        """People were answered by these hosts, in this order and never by an earlier one again; each answered somebody."""
        wanted = list(order)
        seen = [act.by for act in self.ledger.of("visit", service, "taken")]
        runs = [name for n, name in enumerate(seen) if n == 0 or seen[n - 1] != name]
        if runs != wanted:
            self._say(f"{service}: people were answered by {' → '.join(runs) or 'nobody'}, not {' → '.join(wanted)}")

    def refused(self, runs: Iterable[Path], meant: Iterable[Meant] = ()) -> None:
        """Nobody was refused, or left without an answer, but while that was `meant`; and the meter of a service's downtime agrees:
        in each run it saw no less than visitors did, and nothing that was surely longer than they were meant to be refused."""
        nights, reasons = [course(run) for run in runs], list(meant)
        for (kind, service), acts in self.ledger.all().items():
            covers = [(one, one.times(nights, service)) for one in reasons]
            wrong = [
                act
                for act in acts
                if act.outcome != "taken" and not any(one.of(act) and within(act, at) for one, at in covers)
            ]
            if wrong:
                told = "; ".join(
                    f"{act.number} {act.outcome} by {act.by or 'nobody'}: {act.detail}" for act in wrong[:4]
                )
                self._say(f"{service}: {len(wrong)} of kind {kind} were refused or unanswered for no reason: {told}")
        for night in nights:
            for service, seen in night.outages.items():
                times = [
                    span
                    for one in reasons
                    if one.kind == "visit" and service in one.services
                    for span in one.times([night], service)
                ]
                # What was only late is a slow machine's; what was refused is not.
                if seen.failed and seen.lower > (longest := total(times)):
                    self._say(f"{service}: away for {seen.lower:.2f} s at least, and meant to be for {longest:.2f} s")
                away = stretch(self.ledger.of("visit", service), night.lasted)
                if seen.upper < away > SURE:
                    self._say(
                        f"{service}: visitors were refused for {away:.2f} s, its meter saw {seen.upper:.2f} at the most"
                    )

    def busy(self, least: int = 3) -> None:
        """There was traffic at all: so many acts of each kind at each service were taken."""
        for kind in ("visit", "write", "message", "login", "line"):
            for service in self.ledger.services(kind):
                count = len(self.ledger.of(kind, service, "taken"))
                if count < least:
                    self._say(
                        f"{service}: only {count} of kind {kind} were taken: {self.ledger.of(kind, service)[-2:]}"
                    )

    def journal(self, run: Path, *, undone: bool = False) -> None:
        """Each step that is called done or already was verified, each that is called undone too; at the end nothing is left in
        doubt. With `undone` nothing may be left applied."""
        applied: dict[str, int] = {}
        ended: dict[str, str] = {}
        looked: dict[str, bool] = {}
        for record in records(RunFolder(run).journal):
            match record.event:
                case StepApplied(ref=ref, outcome=outcome):
                    applied[ref] = applied.get(ref, 0) + (outcome == "ok")
                    looked[ref] = False
                case StepMoved(ref=ref, state=state):
                    ended[ref] = state
                    self._verified(record, looked)
        doubts = {ref: state for ref, state in ended.items() if state not in {"done", "already", "skipped", "undone"}}
        if doubts:
            self._say(f"the journal leaves in doubt: {doubts}")
        if not applied:
            self._say("the journal holds no step that was applied")
        if undone and (left := sorted(ref for ref, state in ended.items() if state == "done")):
            self._say(f"still done after everything was taken back: {left}")

    def _verified(self, record: Record, looked: dict[str, bool]) -> None:
        event = record.event
        assert isinstance(event, StepMoved)
        if event.state == "verifying" or event.op in {"verify", "verify_undo"}:
            looked[event.ref] = True
        if event.state == "undone" and event.op == "undo":
            return  # What a person did, or what has no undo: it says itself that nothing was taken back.
        if event.state in {"done", "already", "undone"} and not (event.verified and looked.get(event.ref)):
            self._say(f"{event.ref} was called {event.state} without a verification (record {record.seq})")

    def _balance(self, kind: Kind, service: str, found: Counter[int], lost: set[int]) -> None:
        taken = self.ledger.numbers(kind, service, "taken")
        unsure = Counter(act.number for act in self.ledger.of(kind, service, "unknown"))
        if not taken:
            self._say(f"{service}: no {kind} was taken at all")
        missing = sorted(taken - set(found) - lost)
        if missing:
            self._say(f"{service}: lost {kind} {missing}: {self._told(kind, service, missing)}")
        doubled = {
            number: count for number, count in found.items() if count > max(1, unsure[number] + (number in taken))
        }
        if doubled:
            self._say(f"{service}: {kind} there more than once (number: how often): {doubled}")
        strange = sorted(set(found) - taken - set(unsure))
        if strange:
            self._say(
                f"{service}: {kind} there that nobody was told of: {strange}: {self._told(kind, service, strange)}"
            )
        if back := sorted(lost & set(found)):
            self._say(f"{service}: {kind} {back} are there although they were declared lost")

    def _told(self, kind: Kind, service: str, numbers: list[int]) -> str:
        acts = [act for act in self.ledger.of(kind, service) if act.number in numbers[:3]]
        return "; ".join(f"{act.number} {act.outcome} by {act.by or 'nobody'} ({act.detail})" for act in acts)

    def _say(self, text: str) -> None:
        self.wrong.append(text)


def numbers(host: RealHost, path: str) -> list[int]:
    """The numbers in a file of writes, one a line; none when there is no file."""
    return [int(word) for word in host.run(f"cat '{path}' 2>/dev/null || :").split()]


def in_maildir(host: RealHost, path: str, service: str = "") -> Counter[int]:
    """The numbers of the messages in a Maildir, of one service or of all."""
    found: Counter[int] = Counter()
    for place in ("new", "cur"):
        folder = host.file(f"{path}/{place}")
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            found += marks(file.read_bytes(), service)
    return found


def in_mbox(host: RealHost, path: str, service: str = "") -> Counter[int]:
    """The numbers of the messages in an mbox file."""
    file = host.file(path)
    return marks(file.read_bytes(), service) if file.exists() else Counter()


def marks(raw: bytes, service: str = "") -> Counter[int]:
    """The numbers of the messages in a text, of one service or of all."""
    return Counter(int(number) for of, number in _MARK.findall(raw) if not service or of.decode() == service)
