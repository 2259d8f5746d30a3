"""What people are told in a night of the community server: who gets which notice, after what and before what."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cockpit.events import StepMoved
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from tests.real.rig import RealHost
from tests.real.world import listening, until, write

USERS, COMMUNITY = "users@haskell.test", "haskell@haskell.test"
_FOLDER = "/srv/notices"
_RECEIVER = f"""
import itertools, json, pathlib, threading, time
from aiosmtpd.controller import Controller
folder, numbers = pathlib.Path("{_FOLDER}"), itertools.count()
folder.mkdir(parents=True, exist_ok=True)
class Box:
    async def handle_DATA(self, server, session, envelope):
        found = {{"at": time.time(), "to": envelope.rcpt_tos, "text": envelope.content.decode()}}
        (folder / str(next(numbers))).write_text(json.dumps(found))
        return "250 taken"
Controller(Box(), hostname="0.0.0.0", port=25).start()
threading.Event().wait()
"""


@dataclass(frozen=True)
class Notice:
    """A notice of the plan: its subject, who gets it, the steps that are done by then, and those that have not begun."""

    subject: str
    to: tuple[str, ...]
    after: tuple[str, ...]
    before: tuple[str, ...]


PLANNED = (
    Notice("community.haskell.org will move to a new server", (USERS,), ("server/communicate",), ("server/advance-notice",)),
    Notice(
        "community.haskell.org moves on 21 November", (USERS,), ("server/scripts", "server/freeze-drill"), ("rt/close", "server/progress"),
    ),
    Notice(
        "The initial copy is complete",
        (USERS,),
        ("accounts/copy-homes", "projects/copy-repositories", "projects/copy-code", "trac/copy", "lists/copy-archives", "planet/copy"),
        ("server/notify-begin",),
    ),
    Notice(
        "community.haskell.org becomes read-only now",
        (USERS,),
        ("server/lower-ttl", "server/test-services"),
        ("planet/stop-cron", "server/read-only", "accounts/read-only", "lists/stop-mailman", "mail/hold"),
    ),
    Notice("The web and login names are on the new server", (USERS,), ("server/verify-names",), ("mail/igloo-checks", "mail/move-mx")),
    Notice(
        "community.haskell.org has moved",
        (USERS, COMMUNITY),
        ("server/verify-all", "planet/start-cron", "mail/flush"),
        ("backup/folder", "first-day/network", "normal-ttl/raise-ttl"),
    ),
)  # fmt: skip
"""In the order in which they are sent."""


def receiver(world: RealHost) -> None:
    """A mail server for what people are told, which keeps each message with its time."""
    write(world, "/usr/local/lib/receiver.py", _RECEIVER)
    world.spawn("/usr/bin/python3", "/usr/local/lib/receiver.py")
    until(lambda: listening(world, 25), lambda: f"the receiver: {world.said()[-500:]}")


def forget(world: RealHost) -> None:
    """Throw away what was received so far."""
    world.run(f"rm -f {_FOLDER}/*")


def wrong(world: RealHost, run: Path, sent: Collection[Notice] = PLANNED) -> list[str]:
    """What is not as it must be when exactly these were to be sent in a run, a sentence each."""
    begun, done = _times(run)
    found: list[str] = []
    got: Counter[tuple[str, str]] = Counter()
    times: dict[str, list[float]] = {}
    for file in sorted(world.file(_FOLDER).iterdir()):
        message = json.loads(file.read_text())
        subject = next(line[9:] for line in message["text"].splitlines() if line.startswith("Subject: "))
        got.update((subject, address) for address in message["to"])
        times.setdefault(subject, []).append(message["at"])
    wanted = Counter((notice.subject, address) for notice in sent for address in notice.to)
    found += [f"{address} was not told {subject!r}" for subject, address in wanted - got]
    found += [f"{address} was told {subject!r} once more than planned" for subject, address in got - wanted]
    for notice in sent:
        for at in times.get(notice.subject, []):
            late = [ref for ref in notice.before if begun.get(ref, at) < at]
            early = [ref for ref in notice.after if done.get(ref, at + 1) > at]
            found += [f"{notice.subject!r} came after {ref} had begun" for ref in late]
            found += [f"{notice.subject!r} came before {ref} was done" for ref in early]
    return found


def _times(run: Path) -> tuple[dict[str, float], dict[str, float]]:
    """When each step began, and when it was done."""
    begun: dict[str, float] = {}
    done: dict[str, float] = {}
    for record in records(RunFolder(run).journal):
        match record.event:
            case StepMoved(ref=ref, state="running"):
                begun.setdefault(ref, record.utc)
            case StepMoved(ref=ref, state="done" | "already"):
                done.setdefault(ref, record.utc)
    return begun, done
