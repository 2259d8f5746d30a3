"""What redaction costs: events of log lines, and raw bytes, with 10 secrets known (one of them a private key) beside none.

Beside it stands what encoding the same events costs, which the journal does in any case."""

from __future__ import annotations

import base64
import random
import statistics
import time
from collections.abc import Callable

from cockpit.events import LogSeen, Record
from cockpit.journal import line
from cockpit.journal.redaction import Redactor

ROUNDS = 7
TARGET = 20.0
"""Megabytes a second that must go through with 10 secrets: far more than eight tails at full speed bring."""
LINES = 200
EVENTS = 400


def _known(secrets: int) -> Redactor:
    random.seed(1)
    known = Redactor(b"bench")
    for number in range(secrets - 1):
        known.add(f"password{number}", base64.b64encode(random.randbytes(18)).decode())
    if secrets:
        key = base64.encodebytes(random.randbytes(1200)).decode()
        known.add("key", f"-----BEGIN PRIVATE KEY-----\n{key}-----END PRIVATE KEY-----\n")
    return known


def _events(secret: str = "") -> list[LogSeen]:
    random.seed(2)
    paths = [base64.urlsafe_b64encode(random.randbytes(9)).decode() for _ in range(50)]
    row = '192.0.2.{} - - [21/Nov/2026:22:41:07 +0000] "GET /{}{} HTTP/1.1" 200 {} "-" "Mozilla/5.0"'
    return [
        LogSeen(
            host="new",
            file="/var/log/nginx/access.log",
            lines=tuple(
                row.format(n % 250, random.choice(paths), secret if n % 10 == 0 else "", random.randrange(9999))
                for n in range(LINES)
            ),
        )
        for _ in range(EVENTS)
    ]


def _rate(work: Callable[[], object], size: int, rounds: int) -> float:
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return size / statistics.median(took) / 1e6


def measure(rounds: int = 0) -> bool:
    """Print megabytes a second of each; whether both hold with 10 secrets and nothing to find."""
    rounds = rounds or ROUNDS
    none, ten = _known(0), _known(10)
    clean, leaky = _events(), _events(base64.b64encode(b"x" * 18).decode())
    ten.add("leak", base64.b64encode(b"x" * 18).decode())
    size = sum(len(text) + 1 for event in clean for text in event.lines)
    chunks = ["\n".join(event.lines).encode() for event in clean]

    def events(known: Redactor, given: list[LogSeen]) -> Callable[[], object]:
        return lambda: [known.event(event) for event in given]

    def raw(known: Redactor) -> Callable[[], object]:
        def work() -> None:
            stream = known.stream()
            for chunk in chunks:
                stream.feed(chunk)

        return work

    def encoded() -> object:
        return [line.encode(Record(seq=1, utc=0.0, mono=0.0, actor="", event=event), line.START) for event in clean]

    found = {
        "journal encoding, for comparison": _rate(encoded, size, rounds),
        "events, no secrets": _rate(events(none, clean), size, rounds),
        "events, 10 secrets": _rate(events(ten, clean), size, rounds),
        "events, a secret in each tenth line": _rate(events(ten, leaky), size, rounds),
        "raw bytes, no secrets": _rate(raw(none), size, rounds),
        "raw bytes, 10 secrets": _rate(raw(ten), size, rounds),
    }
    for name, rate in found.items():
        print(f"{name:<38} {rate:10.1f} MB/s")
    print(f"target: at least {TARGET:.0f} MB/s with 10 secrets")
    return min(found["events, 10 secrets"], found["raw bytes, 10 secrets"]) >= TARGET
