"""One question to a name server that may be rude, and what a failure has to say."""

from __future__ import annotations

import time

from cockpit.probes.dns.ask import Answer, Asker
from tests.probes.rude import good, question_of

NAME = "www.example.test"
TIME = 0.5


async def put(asker: Asker, server: str, type: str = "A", timeout: float = TIME, **more: bool) -> Answer:
    """One question that must be over soon after its time, whatever the server does."""
    began = time.monotonic()
    answer = await asker.ask(server, NAME, type, recurse=True, timeout=timeout, **more)
    assert time.monotonic() - began < timeout + 5
    return answer


def stated(answer: Answer, *words: str) -> None:
    """It failed, it claims nothing, and it says why."""
    assert (answer.rcode, answer.values) == ("", ())
    for word in words:
        assert word in answer.trouble, answer.trouble
    assert len(answer.trouble) < 400
    assert answer.trouble.isprintable()


def elsewhere(query: bytes) -> bytes:
    """An answer about another name than the one that was asked for."""
    asked = question_of(query)
    renamed = asked[:1] + bytes([asked[1] ^ 1]) + asked[2:]
    return good(query)[:12] + renamed + good(query)[12 + len(asked) :]
