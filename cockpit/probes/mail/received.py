"""Received lines (RFC 5321 §4.4): the way that a message went, as each server on it wrote down."""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec

from cockpit.text import harmless

HOPS = 50
"""Received lines read at the most."""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One server: who gave it the message, what it calls itself, and the message's id there. '' for what it does not say."""

    by: str = ""
    from_: str = ""
    id: str = ""


def hops(header: str) -> tuple[Hop, ...]:
    """The hops of a message's header, the last server first, as they stand there. Never raises."""
    found: list[Hop] = []
    for name, value in fields(header):
        if name == "received" and len(found) < HOPS:
            found.append(_hop(value))
    return tuple(found)


def fields(header: str) -> list[tuple[str, str]]:
    """(name in lower case, value unfolded) of each field (RFC 5322 §2.2)."""
    found: list[tuple[str, str]] = []
    for line in header.replace("\r", "").split("\n"):
        if line[:1] in {" ", "\t"} and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif ":" in line:
            name, _, value = line.partition(":")
            found.append((name.strip().lower(), value.strip()))
    return found


def _hop(value: str) -> Hop:
    words = _uncommented(value.rpartition(";")[0] or value).split()
    said: dict[str, str] = {}
    for word, following in pairwise(words):
        key = word.lower()
        if key in {"from", "by", "id"} and key not in said:
            said[key] = harmless(
                following.strip("<>;").lower().rstrip(".") if key != "id" else following.strip("<>;"), 255
            )
    return Hop(by=said.get("by", ""), from_=said.get("from", ""), id=said.get("id", ""))


def _uncommented(text: str) -> str:
    """Without its comments, which nest (RFC 5322 §3.2.2)."""
    kept: list[str] = []
    depth, escaped = 0, False
    for sign in text:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth = max(0, depth - 1)
            sign = " "
        if not depth:
            kept.append(sign)
    return "".join(kept)


def queued_as(reply: str) -> str:
    """The id under which a server says that it has taken a message: `queued as ID` (Postfix), `id=ID` (Exim), `ID Message
    accepted` (sendmail). '' when it says none."""
    found = re.search(r"queued as (\S+)|\bid=(\S+)|\b(\S+) Message accepted", reply)
    return (found[1] or found[2] or found[3]).strip("<>.;") if found is not None else ""


def proven(way: tuple[Hop, ...], taken_by: str, queue_id: str) -> str:
    """'' when the first server on the way is the one that took the message from us, else what stands against it."""
    if not way:
        return "it has no Received lines"
    first = way[-1]
    if queue_id and any(hop.id == queue_id for hop in way):
        return ""
    if taken_by and first.by == taken_by:
        return ""
    return f"its way begins at {first.by or 'a server without a name'}, not at {taken_by or 'the server that took it'}"
