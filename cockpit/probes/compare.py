"""Old and new side by side: each URL asked at both, pinned, and what differs told."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator
from functools import partial

from msgspec.structs import replace

from cockpit.events import CompareSeen, Difference
from cockpit.plan.base import Side
from cockpit.plan.watched import Compare, Expect
from cockpit.probes.alike import Outcome, Page, Rules
from cockpit.probes.aside import Aside, Stopped
from cockpit.probes.context import Context, Watch
from cockpit.probes.http import BODY_LIMIT, Seen
from cockpit.probes.http.content import textual
from cockpit.probes.urls import listed
from cockpit.probes.world import address_at
from cockpit.text import harmless

AT_ONCE = 4
"""URLs of one service that are asked at the same time: old serves clients meanwhile."""
COMPARING = 5.0
"""Seconds for the difference of two answers."""
ANY = Expect(status=0)
WHOLE = 64 << 20
"""Bytes up to which two bodies that begin alike are hashed whole."""
BEGINNING = f"only the first {BODY_LIMIT >> 20} MiB of the body was compared"


def watches(context: Context) -> Iterator[Watch]:
    """A watch for each service that compares old and new."""
    aside = Aside()
    for service in context.plan.services:
        if service.compare is not None and service.disposition != "drop":
            yield Watch(f"comparison of {service.id}", partial(_watch, context, service.id, service.compare, aside))


async def _watch(context: Context, service: str, spec: Compare, aside: Aside) -> None:
    async with aside:
        # Services do not ask all at once.
        await context.clock.sleep(random.uniform(0, min(spec.every, 1.0)))
        while True:
            began = context.clock.monotonic()
            await _round(context, service, spec, aside)
            await context.clock.sleep(max(1.0, began + spec.every - context.clock.monotonic()))


async def _round(context: Context, service: str, spec: Compare, aside: Aside) -> None:
    """All URLs once."""
    round = context.clock.utc()
    found = await listed(context, service, spec, aside)
    for what, why in found.troubles:
        context.emit(
            CompareSeen(
                service=service, url=what, same=False, detail=why, of=len(found.urls), round=round, trouble=True
            )
        )
    waiting = iter(found.urls)

    async def some() -> None:
        for url in waiting:
            try:
                told = await _one(context, service, spec, aside, url, len(found.urls))
            except Exception as error:  # A fault over one page must not end the round of all others.
                why = harmless(f"it could not be compared: {type(error).__name__}: {error}", 200)
                told = CompareSeen(service=service, url=url, same=False, detail=why, of=len(found.urls))
            context.emit(replace(told, round=round))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(AT_ONCE, len(found.urls))):
            group.create_task(some())


async def _one(context: Context, service: str, spec: Compare, aside: Aside, url: str, of: int) -> CompareSeen:
    async with context.most:
        old, new = await asyncio.gather(*(_asked(context, service, spec, url, side) for side in ("old", "new")))
    told = CompareSeen(service=service, url=url, same=False, old_ms=old.ttfb, new_ms=new.ttfb, of=of)
    silent = [f"{side}: {seen.detail}" for side, seen in (("old", old), ("new", new)) if not seen.status]
    if silent:
        return replace(told, detail=", ".join(silent))
    left, right = _page(old), _page(new)
    result, why = await _outcome(aside, left, right, spec)
    if result is None:
        return replace(told, detail=why)
    if not result.differences and old.cut and new.cut:
        # A hash knows no masks: it says something only of what is the same to the byte so far.
        exact = left.digest == right.digest
        more, rest = await _rest(context, service, spec, url) if exact else ((), BEGINNING)
        result, why = replace(result, differences=more), ", ".join(part for part in (why, rest) if part)
    same = not result.differences
    return replace(told, same=same, differences=result.differences, alike=result.alike, detail=why)


async def _rest(context: Context, service: str, spec: Compare, url: str) -> tuple[tuple[Difference, ...], str]:
    """What differs in two bodies whose beginnings are alike, by the hash of all of each; and why that is not known."""
    async with context.most:
        old, new = await asyncio.gather(*(_asked(context, service, spec, url, side, WHOLE) for side in ("old", "new")))
    if not old.measured or not new.measured or old.packed or new.packed:
        return (), BEGINNING
    if old.measured == new.measured:
        return (), ""
    sides = (f"{seen.size} bytes, sha256 {seen.measured[:16]}" for seen in (old, new))
    return (Difference(what="body", old=next(sides), new=next(sides)),), ""


async def _asked(context: Context, service: str, spec: Compare, url: str, side: Side, measure: int = 0) -> Seen:
    address = await address_at(context.plan, url, side, service, asker=context.asker)
    if not address:
        return Seen(ok=False, detail="no address")
    return await context.http.get(url, address, ANY, spec.timeout, ca=spec.ca, at=side, measure=measure)


def _page(seen: Seen) -> Page:
    headers = dict(reversed(seen.headers))
    kind = headers.get("content-type", "")
    return Page(
        status=seen.status,
        redirects=seen.redirects,
        headers=seen.headers,
        title=seen.title,
        size=seen.size,
        cut=seen.cut,
        length="" if "content-encoding" in headers else headers.get("content-length", ""),
        digest=hashlib.sha256(seen.raw).hexdigest(),
        text=seen.body if textual(seen.raw, kind) else None,
        ttfb=seen.ttfb,
        certificate=seen.certificate,
    )


async def _outcome(aside: Aside, old: Page, new: Page, spec: Compare) -> tuple[Outcome | None, str]:
    """What differs, and what could not be looked at. A body that cannot be compared in time still has a hash."""
    rules = Rules(ignore=spec.ignore, mask=spec.mask, alike=spec.alike)
    try:
        return await aside.compare(old, new, rules, COMPARING), ""
    except Stopped as error:
        why = f"the bodies were compared as a whole only: {error}"
    try:
        return await aside.compare(old, new, Rules(ignore=spec.ignore, quick=True), COMPARING), why
    except Stopped as error:
        return None, str(error)
