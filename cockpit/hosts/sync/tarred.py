"""The ops of a sync where a host has no rsync: a tar stream through the conductor.

What travels is decided by comparing two manifests, what would be overwritten is set aside on the target first, and the copy
is verified by reading both trees again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import StepOutput, SyncPassed
from cockpit.hosts.pool import HostPool, Unreachable, feed, quoted
from cockpit.hosts.sync import guard, layers
from cockpit.hosts.sync.bucket import Bucket
from cockpit.hosts.sync.facts import Facts, Pair, pairs
from cockpit.hosts.sync.manifest import Difference, Manifest, compare, manifest
from cockpit.hosts.sync.rsync import SENTINEL, Look
from cockpit.hosts.sync.teller import StreamTeller
from cockpit.plan.model import Sync
from cockpit.text import harmless

CHUNK = 256 * 1024

_UNMAKE = 'for name do [ "$name" = . ] || rm -d -- "$name" 2>/dev/null || :; done'
_STILL_THERE = 'for name do [ -d "$name" ] || [ ! -e "$name" ] || { echo "$name"; exit 1; }; done'


class Tarred:
    """Carries out the ops of one sync after the other; shared by all of a run."""

    def __init__(self, pool: HostPool, transfers: asyncio.Semaphore) -> None:
        self._pool = pool
        self._transfers = transfers

    async def _differences(self, action: Sync, known: Facts) -> list[tuple[Pair, Manifest, Manifest, Difference]]:
        return [(pair, *await self._difference(action, known, pair)) for pair in pairs(action)]

    async def _difference(self, action: Sync, known: Facts, pair: Pair) -> tuple[Manifest, Manifest, Difference]:
        left_out = (f"/{SENTINEL}", *action.exclude)
        source, target = await asyncio.gather(
            manifest(
                self._pool, action.source, pair.source, left_out, owners=known.owners, extended=known.tar_extended
            ),
            manifest(
                self._pool, action.target, pair.target, left_out, owners=known.owners, extended=known.tar_extended
            ),
        )
        return source, target, compare(source, target)

    async def probe(self, call: Call, action: Sync, known: Facts, say: Say) -> Outcome:
        """Compare both trees by manifests; `ok` when nothing is to copy or to delete. Raises Unreachable."""
        lines = (f"by a tar stream through the cockpit: {known.words}; {known.tar_words}",)
        say(StepOutput(ref=call.step.ref, attempt=call.attempt, op=call.op, stream="out", lines=lines))
        found = await self._differences(action, known)
        for pair, source, _, _ in found:
            if source.absent:
                return Outcome(verdict="failed", detail=f"{pair.source} does not exist on {action.source}")
        moves = sum(len(difference.moves) for _, _, _, difference in found)
        surplus = sum(len(difference.surplus) for _, _, _, difference in found) if action.delete else 0
        if moves or surplus:
            size = sum(difference.bytes for _, _, _, difference in found)
            return Outcome(verdict="no", detail=f"{moves} entries, {size:,} bytes to copy, {surplus} to delete")
        return Outcome(verdict="ok", detail="both trees are the same")

    async def capture(self, call: Call, action: Sync, known: Facts) -> Outcome:
        """Set aside on the target what the copy would overwrite or delete, list what it would create, and stamp the source. A
        further attempt adds to what the first one set aside: that was before any act of ours."""
        aside = call.captured.get("aside") or f".cockpit/aside/{call.job.removesuffix('.capture')}"
        for index, (pair, source, target, difference) in enumerate(await self._differences(action, known)):
            why = _refusal(action, known, index, source, target, difference)
            if why:
                return Outcome(verdict="failed", detail=why)
            made, kept = await self._listed(action.target, f"{aside}/made.{index}", f"{aside}/kept.{index}")
            doomed = difference.change + (difference.surplus if action.delete else ())
            keep = [name for name in doomed if name not in made | kept and not _is_directory(target, name)]
            fresh = "." in difference.create
            made |= set(difference.create) - kept
            # A tar that takes no list gets its names as arguments, in as many archives as that needs.
            if known.target.gnu_tar:
                pack = f'tar -C "$tree" -cf kept.{index}.{call.attempt}.tar --null -T keep'
            else:
                each = f'cd "$1" && a=$2 && shift 2 && tar -cf "$a/kept.{index}.{call.attempt}.$$.tar" "$@"'
                pack = f'xargs -0 sh -c {quoted(each)} keep "$tree" "$PWD" <keep'
            script = (
                f"umask 077; mkdir -p {quoted(aside)} && here=$PWD && cd {quoted(aside)} && cat >keep && "
                f"case {quoted(pair.target)} in /*) tree={quoted(pair.target)};; *) tree=$here/{quoted(pair.target)};; esac && "
                f"if [ -s keep ]; then {pack}; fi && rm keep"
            )
            lists = (("made", layers.nul(sorted(made, reverse=True))), ("kept", layers.nul(sorted(kept | set(keep)))))
            ran = await self._pool[action.target].run(script, layers.nul(keep), 600)
            for name, data in lists:
                if ran.exit == 0:
                    put = f"umask 077; cd {quoted(aside)} && cat >{name}.{index}" + (
                        f" && : >fresh.{index}" if fresh else ""
                    )
                    ran = await self._pool[action.target].run(put, data, 600)
            if ran.exit != 0:
                return Outcome(verdict="failed", detail=f"what would be overwritten cannot be set aside: {ran.text}")
        ran = await self._pool[action.source].run(
            f"mkdir -p {quoted(aside)} && : >{quoted(aside)}/stamp && sleep 0.01", b"", 30
        )
        if ran.exit != 0:
            return Outcome(verdict="failed", detail=f"{action.source} cannot be stamped: {ran.text}")
        return Outcome(verdict="ok", captured={"aside": aside, "tool": "tar"})

    async def _listed(self, host: str, *files: str) -> tuple[set[str], ...]:
        """The names that each of the lists on a host holds; a list that is not there holds none."""
        found: list[set[str]] = []
        for file in files:
            ran = await self._pool[host].run(f"cat {quoted(file)} 2>/dev/null || :", b"", 60, 256 << 20)
            if ran.exit != 0:
                raise Unreachable(f"{host}: {file} cannot be read: {ran.text}")
            found.append({name for name in ran.out.decode("utf-8", "surrogateescape").split("\0") if name})
        return tuple(found)

    async def apply(self, call: Call, action: Sync, known: Facts, bucket: Bucket, say: Say) -> Outcome:
        """Stream what differs through the cockpit, and delete what the plan lets go. Raises Unreachable."""
        began = time.monotonic()
        moved = entries = files = 0
        for index, (pair, source, target, difference) in enumerate(await self._differences(action, known)):
            why = _refusal(action, known, index, source, target, difference)
            if why or source.absent:
                return Outcome(verdict="failed", detail=why or f"{pair.source} does not exist on {action.source}")
            if difference.moves or (action.delete and difference.surplus):
                async with self._transfers:
                    outcome = await self._tar(call, action, known, pair, source, difference, bucket, say)
                if outcome.verdict != "ok":
                    return outcome
            moved += difference.bytes
            files += len(difference.moves)
            entries += len(source.entries)
        took = time.monotonic() - began
        detail = f"{moved:,} bytes in {took:.1f} s by tar"
        say(StepOutput(ref=call.step.ref, attempt=call.attempt, op=call.op, stream="out", lines=(detail,)))
        say(
            SyncPassed(
                ref=call.step.ref, seconds=round(took, 3), bytes=moved, files=files, entries=entries, final=action.final
            )
        )
        return Outcome(verdict="ok", detail=detail)

    async def _tar(
        self, call: Call, action: Sync, known: Facts, pair: Pair, source: Manifest, difference: Difference, bucket: Bucket,
        say: Say,
    ) -> Outcome:  # fmt: skip
        """Exactly the names that differ: what is no folder, then what goes, then the folders, so that their times stay."""
        # What comes or goes in a folder changes its time.
        around = {
            name.rpartition("/")[0] or "." for name in difference.moves + difference.surplus
        } & source.entries.keys()
        folders = [name for name in {*difference.moves, *around} if _is_directory(source, name)]
        rest = [name for name in difference.moves if not _is_directory(source, name)]
        teller = StreamTeller(call, say, max(difference.bytes, 1))
        for names in (rest, sorted(folders, reverse=True)):
            if names:
                outcome = await self._stream(action, known, pair, names, bucket, teller)
                if outcome.verdict != "ok":
                    return outcome
            if names is rest:
                outcome = await self._delete(action, pair, difference)
                if outcome.verdict != "ok":
                    return outcome
        return Outcome(verdict="ok")

    async def _stream(
        self, action: Sync, known: Facts, pair: Pair, names: list[str], bucket: Bucket, teller: StreamTeller
    ) -> Outcome:
        """A stream from tar to tar with back-pressure. A tar that takes no list of names gets them as arguments, so many at a
        time."""
        if known.source.gnu_tar:
            return await self._one(action, known, pair, names, bucket, teller)
        for some in _batches(names):
            outcome = await self._one(action, known, pair, some, bucket, teller)
            if outcome.verdict != "ok":
                return outcome
        return Outcome(verdict="ok")

    async def _one(
        self, action: Sync, known: Facts, pair: Pair, names: list[str], bucket: Bucket, teller: StreamTeller
    ) -> Outcome:
        more = " --acls --xattrs --xattrs-include='*'" if known.tar_extended else ""
        sparse = " --sparse --format=posix" if known.source.gnu_tar and known.target.gnu_tar else ""
        numeric = " --numeric-owner" if known.owners else ""
        pack = f"tar -C {quoted(pair.source)} --no-recursion{numeric}{more}{sparse} -cf -"
        pack = f"{pack} --null -T -" if known.source.gnu_tar else f"xargs -0 {pack}"
        unpack = f"mkdir -p {quoted(pair.target)} && tar -C {quoted(pair.target)}{numeric}{more} -xpf -"
        async with (
            self._pool[action.source].process(pack) as reading,
            self._pool[action.target].process(unpack) as writing,
        ):
            feed(reading.stdin, layers.nul(names))
            while chunk := await reading.stdout.read(CHUNK):
                await bucket.take(len(chunk))
                writing.stdin.write(chunk)
                await writing.stdin.drain()
                teller.more(len(chunk))
            writing.stdin.write_eof()
            await writing.wait_closed()
            await reading.wait_closed()
            statuses = (reading.exit_status, writing.exit_status)
            if None in statuses:
                return Outcome(verdict="unknown", detail="the link was lost in the middle of the copy")
            # GNU tar's 1 means that a file changed while it was read: the verification decides.
            if statuses[0] not in {0, 1} or statuses[1] != 0:
                said = harmless(await reading.stderr.read(4096) + await writing.stderr.read(4096), 300)
                return Outcome(verdict="failed", detail=f"tar ended with {statuses[0]} and {statuses[1]}: {said}")
        return Outcome(verdict="ok")

    async def _delete(self, action: Sync, pair: Pair, difference: Difference) -> Outcome:
        if not action.delete or not difference.surplus:
            return Outcome(verdict="ok")
        script = f"cd {quoted(pair.target)} && xargs -0 rm -d --"
        ran = await self._pool[action.target].run(script, layers.nul(reversed(difference.surplus)), 600)
        return Outcome(verdict="ok") if ran.exit == 0 else Outcome(verdict="failed", detail=f"delete: {ran.text}")

    async def verify(self, call: Call, action: Sync, known: Facts) -> Outcome:
        """Both trees again, by their checksums. In a pass before the freeze old goes on changing: what it wrote since the
        stamp is left to the final pass, anything else must be the same."""
        late = 0
        total = 0
        for pair, source, target, difference in await self._differences(action, known):
            if source.absent or target.absent:
                gone = action.source if source.absent else action.target
                return Outcome(verdict="no", detail=f"{pair.source if source.absent else pair.target} is not on {gone}")
            wrong = set(difference.moves) | (set(difference.surplus) if action.delete else set())
            if wrong and not action.final and "aside" in call.captured:
                wrong, changed = await self._not_since(call, action, pair, wrong)
                late += changed
            if wrong:
                first = harmless(sorted(wrong)[0], 80)
                return Outcome(verdict="no", detail=f"{len(wrong)} entries of {pair.source} differ, the first: {first}")
            total += len(source.entries)
        since = f"; {late} changed on {action.source} since and are left to the final pass" if late else ""
        return Outcome(
            verdict="ok",
            detail=f"{total} entries have the same checksums{_attributes(known)}{since}",
        )

    async def _not_since(self, call: Call, action: Sync, pair: Pair, wrong: set[str]) -> tuple[set[str], int]:
        stamp = f"{call.captured['aside']}/stamp"
        script = (
            f"stamp=$PWD/{quoted(stamp)}; cd {quoted(pair.source)} && "
            'find . -newer "$stamp" -exec printf "%s\\0" {} +; find . -type d -newer "$stamp" -exec printf "%s\\0" {} +'
        )
        ran = await self._pool[action.source].run(script, b"", 120, 64 << 20)
        newer = set(ran.out.decode("utf-8", "surrogateescape").split("\0"))
        # A file that went away shows in its folder only.
        explained = {name for name in wrong if name in newer or name.rpartition("/")[0] in newer}
        return wrong - explained, len(explained)

    async def undo(self, call: Call, action: Sync) -> Outcome:
        """Remove what the copy created and unpack what was set aside. Raises Unreachable."""
        aside = call.captured.get("aside", "")
        if not aside:
            return Outcome(verdict="nothing")
        for index, pair in enumerate(pairs(action)):
            script = (
                f"here=$PWD; aside=$here/{quoted(aside)}; "
                f"case {quoted(pair.target)} in /*) tree={quoted(pair.target)};; *) tree=$here/{quoted(pair.target)};; esac; "
                f'cd "$tree" 2>/dev/null || exit 0; '
                f'if [ -s "$aside/made.{index}" ]; then xargs -0 sh -c {quoted(_UNMAKE)} unmake <"$aside/made.{index}"; fi; '
                f'for tar in "$aside/kept.{index}".*.tar; do [ ! -f "$tar" ] || tar -xpf "$tar" || exit 1; done; '
                f'if [ -f "$aside/fresh.{index}" ]; then cd "$here" && rmdir "$tree" 2>/dev/null; fi; :'
            )
            ran = await self._pool[action.target].run(script, b"", 600)
            if ran.exit is None:
                return Outcome(verdict="unknown", detail="the link was lost")
            if ran.exit != 0:
                return Outcome(verdict="failed", detail=ran.text, exit=ran.exit)
        return Outcome(verdict="ok", detail=f"what was there before is back on {action.target}")

    async def verify_undo(self, call: Call, action: Sync) -> Outcome:
        """Nothing that it created is left, and what was set aside is there as it was. Raises Unreachable."""
        aside = call.captured.get("aside", "")
        for index, pair in enumerate(pairs(action)):
            script = (
                f"here=$PWD; aside=$here/{quoted(aside)}; cd {quoted(pair.target)} 2>/dev/null || exit 0; "
                f'if [ -s "$aside/made.{index}" ]; then '
                f'xargs -0 sh -c {quoted(_STILL_THERE)} still <"$aside/made.{index}" || exit 1; fi; '
                f'for tar in "$aside/kept.{index}".*.tar; do [ ! -f "$tar" ] || tar -df "$tar" || exit 1; done'
            )
            ran = await self._pool[action.target].run(script, b"", 600)
            if ran.exit != 0:
                return Outcome(verdict="no" if ran.exit == 1 else "unknown", detail=ran.text)
        return Outcome(verdict="ok", detail="the target is as it was")


def _attributes(known: Facts) -> str:
    return (
        " and attributes on both" if known.tar_extended else " on both (ACLs and extended attributes were not compared)"
    )


def _batches(names: list[str], room: int = 16_000) -> Iterator[list[str]]:
    """Names that fit on one command line each time, wherever that is short."""
    some: list[str] = []
    size = 0
    for name in names:
        size += len(name.encode("utf-8", "surrogateescape")) + 1
        if some and size > room:
            yield some
            some, size = [], len(name)
        some.append(name)
    if some:
        yield some


def _is_directory(tree: Manifest, name: str) -> bool:
    return tree.entries.get(name, "").startswith("directory")


def _refusal(action: Sync, known: Facts, index: int, source: Manifest, target: Manifest, difference: Difference) -> str:
    """Why a copy that deletes must not begin, '' when it may."""
    if not action.delete or not difference.surplus:
        return ""
    pair = pairs(action)[index]
    here, there = (known.source.mark, pair.source), (known.target.mark, pair.target)
    return guard.refusal(
        source=action.source,
        target=action.target,
        path=pair.source,
        wanted=guard.sentinel(here, there),
        reverse=guard.sentinel(there, here),
        on_source=known.source.sentinels[index],
        on_target=known.target.sentinels[index],
        empty=len(source.entries) <= 1,
        found=Look(deleted=len(difference.surplus), holds=len(target.entries)),
        limit=action.limit,
        aside=action.backup or ".cockpit/aside",
    )
