"""Health probes: the same question at old, at new and as the world reaches it, each on its own beat."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import partial

import msgspec
from msgspec.structs import replace

from cockpit.events import HealthSeen, Trouble
from cockpit.plan.base import Vantage
from cockpit.plan.watched import Family, Probe
from cockpit.probes.asking import HealthAsker
from cockpit.probes.context import AGAIN, Context, Watch
from cockpit.probes.pace import Pace, Room, room_here
from cockpit.probes.seen import Seen

STALE = 3.0
"""Intervals after which what another vantage saw is compared with no more."""
TIMES = frozenset({"ms", "ttfb", "connect"})
"""Facts that differ from answer to answer."""
DROPS = 60.0
"""Seconds between two complaints about questions that found no room."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One probe at one vantage, over one address family."""

    service: str
    probe: Probe
    at: Vantage
    family: Family = "any"

    @property
    def name(self) -> str:
        """What it is called in events: the probe's id, with `/4` or `/6` where both are asked."""
        return f"{self.probe.id}/{self.family}" if self.probe.family == "each" else self.probe.id


class Board:
    """What each probe last saw at each vantage, for conditions that compare; and the room that all of them share."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._facts: dict[tuple[str, str], dict[Vantage, tuple[float, Mapping[str, str]]]] = {}

    def pin(self, post: Post, facts: Mapping[str, str], now: float) -> None:
        """Note what was seen."""
        self._facts.setdefault((post.service, post.name), {})[post.at] = (now, facts)

    def others(self, post: Post, now: float) -> dict[str, Mapping[str, str]]:
        """What the same probe saw at the other vantages, while it is fresh enough to be compared with."""
        limit = STALE * post.probe.every + post.probe.timeout
        seen = self._facts.get((post.service, post.name), {})
        return {at: facts for at, (when, facts) in seen.items() if at != post.at and now - when <= limit}


def watches(context: Context) -> Iterator[Watch]:
    """A watch for each probe at each of its vantages, over each family that it asks for."""
    board, asker = Board(Room(room_here())), HealthAsker(context)
    for post in posts(context):
        name = f"{post.name} of {post.service} at {post.at}"
        yield Watch(name, partial(_watch, context, board, asker, post))
    yield Watch("the room of health probes", partial(_complain, context, board.room))


def posts(context: Context) -> Iterator[Post]:
    """All that the plan asks, in its order."""
    for service in context.plan.services:
        if service.disposition == "drop":
            continue
        for probe in service.health:
            families: tuple[Family, ...] = ("4", "6") if probe.family == "each" else (probe.family,)
            for at in probe.at:
                for family in families:
                    yield Post(service=service.id, probe=probe, at=at, family=family)


async def _watch(context: Context, board: Board, asker: HealthAsker, post: Post) -> None:
    async with asker.aside:
        await _watching(context, board, asker, post)


async def _watching(context: Context, board: Board, asker: HealthAsker, post: Post) -> None:
    clock, probe = context.clock, post.probe
    # Services do not ask all at once.
    await clock.sleep(random.uniform(0, min(probe.every, 1.0)))
    pace = Pace(probe.every, probe.jitter, clock.monotonic())
    ask = asker.asking(post.service, probe, post.at, post.family)
    row, told, told_at = 0, None, 0.0
    shown: HealthSeen | None = None
    while True:
        if board.room.enter():
            try:
                seen = await ask(board.others(post, clock.monotonic()))
            finally:
                board.room.leave()
            now = clock.monotonic()
            if seen is not None:
                board.pin(post, seen.facts, now)
                row = row + 1 if seen.ok else 0
                good = row >= probe.row
                what = (good, seen.ok, seen.status, seen.via, seen.bridged, seen.detail, min(row, probe.row))
                if what != told or now - told_at >= 0.9 * min(AGAIN, probe.every * 2):
                    told, told_at = what, now
                    event = _event(post, seen, row, pace.missed)
                    if shown is not None and _lasting(event) == _lasting(shown):
                        event = replace(event, facts={}, certificate=None, same=True)
                    else:
                        shown = event
                    context.emit(event)
        await clock.sleep(pace.wait(clock.monotonic()))


def _event(post: Post, seen: Seen, row: int, missed: int) -> HealthSeen:
    probe = post.probe
    detail = seen.detail
    if seen.ok and row < probe.row:
        detail = f"good {row} of {probe.row} times in a row: {detail}"
    return HealthSeen(
        service=post.service,
        probe=post.name,
        at=post.at,
        ok=seen.ok and row >= probe.row,
        ms=seen.ms,
        status=seen.status,
        detail=detail,
        via=seen.via,
        bridged=seen.bridged,
        proto=probe.proto,
        row=row,
        facts=_kept(seen.facts) | ({"missed": str(missed)} if missed else {}),
        certificate=seen.certificate,
    )


def _lasting(event: HealthSeen) -> tuple[object, ...]:
    """What is worth telling again when it changes: not the times, which always do, and of which the event has its own."""
    facts = {name: value for name, value in event.facts.items() if name not in TIMES}
    return facts, event.certificate


def _kept(facts: Mapping[str, str]) -> dict[str, str]:
    """Facts for the journal: headers are for conditions alone, and would be most of what hundreds of probes write."""
    return {name: value for name, value in facts.items() if not name.startswith("header.")}


async def _complain(context: Context, room: Room) -> None:
    """Tell the operator when questions found no room, now and then."""
    told = 0
    while True:
        await context.clock.sleep(AGAIN)
        if room.dropped > told:
            count, told = room.dropped - told, room.dropped
            context.emit(
                Trouble(
                    message=f"{count} health questions were left out: {room.most} were waiting for answers already; "
                    "ask less often, or shorten their time-outs"
                )
            )
            await context.clock.sleep(DROPS)
