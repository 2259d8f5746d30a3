"""Passes that change nothing, and what every pass needs: a way that is open, and what the source serves on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from cockpit.engine.ports import Call
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import parts, rsync
from cockpit.hosts.sync.bucket import Bucket
from cockpit.hosts.sync.carrier import Carrier, Route, carrying
from cockpit.hosts.sync.facts import Facts, Pair, pairs
from cockpit.plan.model import Sync
from cockpit.text import harmless

MANY = 1_000_000
"""Entries from which the list of names is not held in memory as a whole."""


class Refused(Exception):
    """The copy must not begin. The sentence says why."""


class Seen(msgspec.Struct):
    """What an op saw that a later op of the same step uses; nothing depends on its being there."""

    bytes: int = -1
    entries: int = -1
    largest: int = -1
    facts: Facts | None = None
    """As capture found them; the apply that follows at once asks again only before it deletes."""
    plain: bool = False
    """Neither tree holds an ACL or an extended attribute: the copy need not ask for them (the verification does)."""


class Looks:
    """Looks at both trees, by the way that the hosts allow. `seen` is what the probe of each step saw."""

    def __init__(self, pool: HostPool, transfers: asyncio.Semaphore) -> None:
        self._pool, self._transfers = pool, transfers
        self._routes: dict[tuple[str, str, str], Route] = {}
        self._asked: dict[tuple[str, str, str], str] = {}
        self._buckets: dict[str, Bucket] = {}
        self.seen: dict[str, Seen] = {}

    def bucket(self, ref: str, rate: int = 0) -> Bucket:
        """The limit of a step: `rate`, the plan's, until somebody changes it."""
        return self._buckets.setdefault(ref, Bucket(rate))

    @asynccontextmanager
    async def carrier(
        self, call: Call, action: Sync, known: Facts, words: tuple[str, ...], keep: bool = False
    ) -> AsyncIterator[Carrier]:
        """A way that is open for one op, on which the source serves these words. Raises as `carrying` does."""
        commands = await self.commands(call, action, known, words)
        bucket = self.bucket(call.step.ref, action.bwlimit)
        async with carrying(self._pool, action, known, call.job, commands, bucket, self._routes, keep) as carrier:
            yield carrier

    async def commands(
        self, call: Call, action: Sync, known: Facts, words: tuple[str, ...]
    ) -> dict[str, tuple[str, str]]:
        """What the source runs for each word."""
        commands: dict[str, tuple[str, str]] = {}
        for word in words:
            extended = self.extended(call, known) if word == "copy" else known.extended
            match word:
                case "copy":
                    options = rsync.copying(extended, (), doomed=None, whole=self.whole(call, known))
                case _:
                    options = rsync.looking(extended, (), delete=False, checksum=word == "check")
            at = (action.target, word, f"{extended} {self.whole(call, known)}")
            if at not in self._asked:
                ask = "sh -c 'echo \" $*\" >&2; exit 9' ask"
                script = (
                    f"cd; LC_ALL=C exec rsync {parts.words(options)} --rsh={quoted(ask)} x:/x/ .cockpit/ask/ </dev/null"
                )
                ran = await self._pool[action.target].run(script, b"", 30.0)
                line = next((line for line in ran.err.split(b"\n") if b"rsync --server" in line), ran.err[:300])
                self._asked[at] = rsync.serving(line.decode("ascii", "replace"))
            for index, pair in enumerate(pairs(action)):
                commands[f"{word}.{index}"] = (self._asked[at], pair.source)
        return commands

    def extended(self, call: Call, known: Facts) -> str:
        """rsync's letters for ACLs and extended attributes; '' where a look found that neither tree has any."""
        seen = self.seen.get(call.step.ref)
        return "" if seen is not None and seen.plain else known.extended

    def whole(self, call: Call, known: Facts) -> bool:
        """Whether rsync lists all names before it begins, so that it knows the total: not too many, and into a filled tree."""
        seen = self.seen.get(call.step.ref) or Seen()
        return 0 <= seen.entries < MANY and not {"absent", "empty"} & set(known.target.paths)

    async def plain(self, action: Sync, known: Facts) -> bool:
        """Whether neither tree holds an ACL or an extended attribute; False when that cannot be told cheaply."""
        if not (known.source.getfattr and known.target.getfattr):
            return False
        for host, paths in (
            (action.source, [pair.source for pair in pairs(action)]),
            (action.target, [pair.target for pair in pairs(action)]),
        ):
            names = " ".join(quoted(parts.here(path)) for path in paths)
            # getfattr cannot be asked to stop at the first find: the pipe does that.
            script = f'cd; for d in {names}; do [ ! -d "$d" ] || getfattr -R -P -h -m - -- "$d" 2>&1; done | head -c 1'
            try:
                ran = await self._pool[host].run(script, b"", 600.0)
            except Unreachable:
                return False
            if ran.exit != 0 or ran.out:
                return False
        return True

    async def look(
        self, carrier: Carrier, action: Sync, known: Facts, index: int, pair: Pair, word: str, names: bool = False
    ) -> rsync.Look:
        """One pass that changes nothing. Raises Refused when rsync cannot do it, Unreachable when the link was lost."""
        lines: list[bytes] = []
        options = rsync.looking(
            known.extended, action.exclude, delete=action.delete, checksum=word == "check", sizes=not names
        )
        script = parts.look(options, carrier.rsh(f"{word}.{index}"), pair.target, counts=not names)
        async with self._transfers:
            if await carrier.run(f"{word}.{index}", script, lines.append) is None:
                raise Unreachable(f"{action.target}: the link was lost while both trees were compared")
        found, said = rsync.look(lines)
        ended = next((line for line in lines if line.startswith(b"@status ")), b"@status -1")
        status = int(ended.split()[1])
        if status in {12, 30, 255, -1}:
            raise Unreachable(f"{rsync.why(status)}: {first(said)}")
        if status not in {0, 24}:
            raise Refused(f"{rsync.why(status)}: {first(said)}")
        return found


def first(said: list[bytes]) -> str:
    """The first complaint, harmless."""
    return harmless(said[0], 300) if said else "it said nothing"
