"""Which host accepts writes now: as the hosts answer by HTTP, as a command there prints, or by a write of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Literal, NamedTuple

from cockpit.events import WriterSeen, WriterSide
from cockpit.plan.base import Side
from cockpit.plan.model import Service
from cockpit.plan.script import exports
from cockpit.plan.watched import Expect, Writer
from cockpit.probes.context import AGAIN, Context, Watch
from cockpit.probes.context import Said as Answer
from cockpit.probes.http.seen import Seen
from cockpit.probes.world import address_at, host_at
from cockpit.text import harmless

TIMEOUT = 4.0
"""Seconds for one question at one host."""

DETAIL = 60
ACCEPTED, REFUSED = 0, 1


class Said(NamedTuple):
    """What one host said: who writes ('' for neither, None when it gave no answer), and that in words."""

    who: Literal["old", "new", ""] | None
    words: str


def watches(context: Context) -> Iterator[Watch]:
    """A watch for each service that says how its writer is known."""
    for service in context.plan.services:
        if service.writer is not None and service.disposition != "drop":
            yield Watch(f"writer of {service.id}", partial(_watch, context, service, service.writer))


async def _watch(context: Context, service: Service, spec: Writer) -> None:
    told: tuple[object, float] = (None, 0.0)
    if spec.write and context.before.mode == "rehearsal":
        context.emit(WriterSeen(service=service.id, writer="unknown", detail="a rehearsal makes no write of its own"))
        await asyncio.Event().wait()
    due = context.clock.monotonic()
    while True:
        old, new = await asyncio.gather(_ask(context, service, spec, "old"), _ask(context, service, spec, "new"))
        side, words = writer_of(old, new)
        writes = -1
        if spec.writes and (side in {"new", "both"} or told[0] is None):
            writes = await _count(context, service, spec)
        now = context.clock.monotonic()
        if (side, writes) != told[0] or now - told[1] >= AGAIN:
            told = ((side, writes), now)
            context.emit(WriterSeen(service=service.id, writer=side, writes=writes, detail=words))
        due = max(due + spec.every, now)
        await context.clock.sleep(due - now)


async def _ask(context: Context, service: Service, spec: Writer, side: Side) -> Said:
    if spec.url:
        return await _by_http(context, spec, side, service.id)
    host = host_at(context.plan, side, service.id)
    if not host:
        return Said(None, f"there is no {side} host")
    said = await _on_host(context, host, exports(service.vars) + (spec.command or spec.write) + "\n")
    if spec.command:
        if said.exit is None:
            return Said(None, f"{side} cannot be asked: {harmless(said.out, DETAIL)}")
        return who_says(spec, said.out if said.exit == 0 else None, side)
    return took(side, said.exit, said.err.strip() or said.out.strip())


async def _on_host(context: Context, host: str, script: str) -> Answer:
    """What a command came to; a link that is lost is not waited for."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await context.on_host_now(host, script, TIMEOUT)
    except TimeoutError:
        return Answer(None, f"no answer within {TIMEOUT:g} s")


async def _by_http(context: Context, spec: Writer, side: Side, service: str) -> Said:
    address = await address_at(context.plan, spec.url, side, service, asker=context.asker)
    if not address:
        return Said(None, f"{side} cannot be asked: it has no address")
    return answered(spec, await context.http.get(spec.url, address, Expect(), 3.0), side)


async def _count(context: Context, service: Service, spec: Writer) -> int:
    """Writes that new has taken, by the plan's own command; -1 when it cannot be told."""
    host = host_at(context.plan, "new", service.id)
    if not host:
        return -1
    said = await _on_host(context, host, exports(service.vars) + spec.writes + "\n")
    words = said.out.split()
    return int(words[0][:15]) if said.exit == 0 and words and words[0].isascii() and words[0].isdecimal() else -1


def answered(spec: Writer, seen: Seen, side: Side) -> Said:
    """What a request over HTTP says of the writer. An answer that is not good takes no write, and neither does a host on which
    nothing listens any more, as one that was shut down on purpose. Silence and a broken connection say nothing: behind them
    writes may go on."""
    if seen.ok:
        return who_says(spec, seen.body, side)
    if seen.closed:
        return Said("", f"nothing listens at {side}")
    if seen.status and not seen.stalled:
        return Said("", f"{side} answers {seen.status}")
    return Said(None, f"{side} cannot be asked: {harmless(seen.detail, DETAIL)}")


def who_says(spec: Writer, text: str | None, side: Side) -> Said:
    """Whom a host names (None: it gave no good answer). An old host that hands on to new answers in new's name, and so counts
    for new."""
    if text is None:
        return Said(None, f"{side} says nothing")
    name = text.strip()
    if name == spec.old:
        return Said("old", f"{side} says old")
    if name == spec.new:
        return Said("new", f"{side} says new")
    return Said("", f"{side} says {harmless(name, DETAIL) or 'nothing'}")


def took(side: Side, status: int | None, words: str) -> Said:
    """Whether a host took a write of ours, by the status of the plan's command."""
    if status == ACCEPTED:
        return Said(side, f"{side} took a write")
    if status == REFUSED:
        return Said("", f"{side} refused a write")
    why = harmless(words.splitlines()[-1] if words else "", DETAIL)
    how = f"status {status}" if status is not None else "it cannot be asked"
    return Said(None, f"{side} cannot be told: {why or how}")


def writer_of(at_old: Said, at_new: Said) -> tuple[WriterSide, str]:
    """The writer, from what old and new said. That old takes writes is believed from old alone: nothing is concluded from it
    but that old is open. That new is the one writer, and that nobody is, need an answer of both: a lost link closes nothing."""
    words = f"{at_old.words}, {at_new.words}"
    sides = {said.who for said in (at_old, at_new) if said.who}
    if sides == {"old", "new"}:
        return "both", words
    if "old" in sides:
        return "old", words
    if at_old.who is None or (at_new.who is None and not sides):
        return "unknown", words
    return ("new" if sides else "none"), words
