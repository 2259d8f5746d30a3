"""The ops of a sync where both hosts have rsync.

The probe is a pass that changes nothing. Capture says what is about to happen and sets aside what rsync's own backup does not
keep. Apply is one pass, whose overwritten and deleted entries rsync moves to a layer of their own; what it created it logs.
Verify is a pass by checksums of all content that must find no difference. Undo goes back along the layers.
"""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files

import msgspec

from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import StepOutput, SyncPassed
from cockpit.hosts.job import JobEnd, Jobs
from cockpit.hosts.output import OutputTeller, RawSink
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import allowing, layers, parts, rsync
from cockpit.hosts.sync.carrier import Carrier
from cockpit.hosts.sync.facts import Facts, Pair, pairs
from cockpit.hosts.sync.limiting import Limiting
from cockpit.hosts.sync.looking import Looks, Refused, Seen
from cockpit.hosts.sync.once import Once
from cockpit.hosts.sync.sweep import sweep
from cockpit.hosts.sync.teller import CopyTeller, size
from cockpit.passes import clock
from cockpit.plan.model import Sync
from cockpit.text import harmless

PATIENCE = 30
"""How often a pass between hosts that broke off is begun again by its own job."""


ENDING = 30.0
"""Seconds in which a copy whose time-out is over has to end."""

SMALL = 16 << 20
"""Bytes of the largest file, below which a broken one is simply sent again and progress is told by the block."""


class Copier:
    """Carries out the ops of one sync after the other; shared by all of a run."""

    def __init__(self, pool: HostPool, jobs: Jobs, raw: RawSink, transfers: asyncio.Semaphore) -> None:
        self._pool, self._jobs, self._raw, self._transfers = pool, jobs, raw, transfers
        self.looks = Looks(pool, transfers)
        self._tellers: dict[str, CopyTeller] = {}

    def limit(self, ref: str, rate: int) -> None:
        """Hold a step to so many bytes a second, from now on."""
        self.looks.bucket(ref).limit(rate)
        if ref in self._tellers:
            self._tellers[ref].limited(rate)

    # --- the ops ---------------------------------------------------------------------------------------------------

    async def probe(self, call: Call, action: Sync, known: Facts, say: Say) -> Outcome:
        """Look what a pass would do; `ok` when it would do nothing. Raises Refused, Unreachable."""
        allowing.paths(action, known)
        total = rsync.Look()
        plain = asyncio.create_task(self.looks.plain(action, known))
        try:
            async with self.looks.carrier(call, action, known, ("look",)) as carrier:
                _say(call, say, f"by {carrier.route.kind}: {carrier.route.why}; {known.words}")
                for index, pair in enumerate(pairs(action)):
                    total = _sum(total, await self.looks.look(carrier, action, known, index, pair, "look"))
            self.looks.seen[call.step.ref] = Seen(
                bytes=total.bytes, entries=total.files, largest=total.largest, plain=await plain
            )
        finally:
            plain.cancel()
        if total.same:
            return Outcome(verdict="ok", detail=f"nothing differs in {total.files:,} entries")
        return Outcome(verdict="no", detail=total.words)

    async def capture(self, call: Call, action: Sync, known: Facts) -> Outcome:
        """List on the target what the copy will create or change, and stamp the source. Raises Refused, Unreachable."""
        allowing.paths(action, known)
        aside = call.captured.get("aside") or _aside(call, action)
        first = "aside" not in call.captured
        async with self.looks.carrier(call, action, known, ("look",)) as carrier:
            for index, pair in enumerate(pairs(action)):
                state = known.target.paths[index]
                if state in {"absent", "empty"}:
                    if first:
                        await self._on_target(
                            action,
                            f"umask 077; cd && mkdir -p {quoted(aside)} && : >{quoted(f'{aside}/{state}.{index}')}",
                        )
                    continue
                found = await self.looks.look(carrier, action, known, index, pair, "look", names=True)
                allowing.deletions(action, known, index, pair, found)
                if first:
                    made, touched = layers.lists(found.items)
                    text = files("cockpit.hosts.sync").joinpath("aside.sh").read_text()
                    listed = f"umask 077; cd && mkdir -p {quoted(aside)} && cat >{quoted(f'{aside}/made.{index}')}"
                    await self._on_target(action, listed, made, 600.0)
                    words = f"{quoted(aside)} {index} {quoted(parts.here(pair.target))}"
                    await self._on_target(action, f"exec sh -c {quoted(text)} cockpit-aside {words}", touched, 3600.0)
        stamp = f"umask 077; cd && mkdir -p {quoted(aside)} && : >{quoted(aside)}/stamp && sleep 0.01"
        ran = await self._pool[action.source].run(stamp, b"", 30)
        if ran.exit != 0:
            return Outcome(verdict="failed", detail=f"{action.source} cannot be stamped: {ran.text}")
        self.looks.seen.setdefault(call.step.ref, Seen()).facts = known
        return Outcome(verdict="ok", captured={"aside": aside, "tool": "rsync"})

    def remembered(self, call: Call, action: Sync) -> Facts | None:
        """What capture found, for the apply right after it; once, and never for one that deletes."""
        seen = self.looks.seen.get(call.step.ref)
        if seen is None:
            return None
        known, seen.facts = seen.facts, None
        return known if call.op == "apply" and not action.delete else None

    async def apply(self, call: Call, action: Sync, known: Facts, say: Say) -> Outcome:
        """Copy every pair of paths, by a job of the target or through the cockpit. Raises Refused, Unreachable."""
        allowing.paths(action, known)
        aside = call.captured.get("aside") or _aside(call, action)
        words = ("copy", "look") if action.delete else ("copy",)
        seen = self.looks.seen.get(call.step.ref) or Seen()
        # -1: nobody looked.
        large = not 0 <= seen.largest < SMALL
        async with self.looks.carrier(call, action, known, words, keep=True) as carrier:
            passages = []
            for index, pair in enumerate(pairs(action)):
                doomed = None
                fresh = known.target.paths[index] in {"absent", "empty"}
                if action.delete and not fresh:
                    found = await self.looks.look(carrier, action, known, index, pair, "look")
                    allowing.deletions(action, known, index, pair, found)
                    doomed = found.deleted
                whole = self.looks.whole(call, known)
                options = rsync.copying(
                    self.looks.extended(call, known), action.exclude, doomed=doomed, whole=whole, large=large
                )
                rsh = carrier.rsh(f"copy.{index}")
                passages.append(
                    parts.Passage(index, options, rsh, pair.target, fresh=fresh, large=large, inplace=known.inplace)
                )
            teller = self._teller(call, action, say)
            if carrier.relay:
                outcome = await self._relayed(call, carrier, aside, passages, teller, say)
            else:
                outcome = await self._direct(call, action, carrier, aside, passages, teller, say)
        return await self._passed(call, action, teller, outcome, aside, carrier.route.kind, say)

    async def stop(self, call: Call, action: Sync) -> Outcome:
        """End a copy that took longer than its step may. What came stays; the next attempt goes on from there."""
        self._tellers.pop(call.step.ref, None)
        over = f"its time-out of {call.step.timeout:.0f} s is over"
        try:
            async with asyncio.timeout(ENDING):
                await self._jobs.cancel(action.target, call.job)
                end = await self._jobs.attach(action.target, call.job, lambda stream, data: None)
                await Once(self._pool, action.source, action.target, call.job).close()
        except (Unreachable, TimeoutError) as error:
            return Outcome(
                verdict="unknown", detail=f"{over}, and {str(error) or 'the host does not say that it ended'}"
            )
        # A copy through the cockpit is no job: it ended with its channels.
        if end.kind in {"ended", "gone", "none"}:
            return Outcome(verdict="failed", detail=f"{over}; run it again, it goes on where it was", exit=end.status)
        return Outcome(verdict="unknown", detail=f"{over}, but that it ended is not sure: {end.detail}")

    async def recall(self, call: Call, action: Sync, say: Say) -> Outcome:
        """After a crash: a copy between the hosts runs on as a job, and is followed; one through us ended with us."""
        teller = self._teller(call, action, say)
        output = OutputTeller(call, say, self._raw, resumed=True, keep=teller.keep)
        bucket = self.looks.bucket(call.step.ref, action.bwlimit)
        async with Limiting(self._pool, action.target, call.job, bucket):
            end = await self._jobs.attach(action.target, call.job, output, output.begin)
        output.flush()
        if end.kind == "none":
            return Outcome(verdict="nothing", detail="the copy ended with the conductor, or never began")
        if end.kind != "lost":
            await Once(self._pool, action.source, action.target, call.job).close()
        aside = call.captured["aside"]
        return await self._passed(call, action, teller, _ended(end, output.last), aside, "a copy that ran on", say)

    async def verify(self, call: Call, action: Sync, known: Facts) -> Outcome:
        """Compare checksums and attributes of both trees, by another pass. What the source wrote since its stamp is left to
        the final copy. Raises Unreachable."""
        late = total = 0
        for index, pair in enumerate(pairs(action)):
            for side, path in ((known.source, pair.source), (known.target, pair.target)):
                if side.paths[index] == "absent":
                    return Outcome(verdict="no", detail=f"{path} is not on {side.host}")
        async with self.looks.carrier(call, action, known, ("check",)) as carrier:
            for index, pair in enumerate(pairs(action)):
                found = await self.looks.look(carrier, action, known, index, pair, "check", names=True)
                wrong = {item.name: item.code for item in found.items}
                if wrong and not action.final and "aside" in call.captured:
                    wrong, changed = await self._not_since(call, action, pair, wrong)
                    late += changed
                if wrong:
                    first = min(wrong)
                    shown = f"{wrong[first]} ./{first.removeprefix('./')}"
                    detail = f"{len(wrong):,} entries of {pair.source} differ, the first: {shown}"
                    return Outcome(verdict="no", detail=harmless(detail, 300))
                total += found.files
        since = f"; {late} changed on {action.source} since and are left to the final pass" if late else ""
        return Outcome(verdict="ok", detail=f"{total:,} entries have the same checksums and attributes on both{since}")

    # --- parts -----------------------------------------------------------------------------------------------------

    def _teller(self, call: Call, action: Sync, say: Say) -> CopyTeller:
        seen = self.looks.seen.get(call.step.ref)
        made = CopyTeller(
            call,
            say,
            max(seen.bytes, 0) if seen is not None else 0,
            self.looks.bucket(call.step.ref, action.bwlimit).rate,
        )
        self._tellers[call.step.ref] = made
        return made

    async def _relayed(
        self, call: Call, carrier: Carrier, aside: str, passages: list[parts.Passage], teller: CopyTeller, say: Say
    ) -> Outcome:
        output = OutputTeller(call, say, self._raw, keep=teller.keep)
        async with self._transfers:
            for passage in passages:
                script = parts.copy(call.job, aside, [passage], patience=1, relay=True)
                status = await carrier.run(f"copy.{passage.index}", script, lambda line: output("out", line + b"\n"))
                output.flush()
                if status is None:
                    return Outcome(verdict="unknown", detail="the link was lost in the middle of the copy")
                if status:
                    return Outcome(verdict="failed", detail=f"{rsync.why(status)}: {output.last}", exit=status)
        return Outcome(verdict="ok")

    async def _direct(
        self,
        call: Call,
        action: Sync,
        carrier: Carrier,
        aside: str,
        passages: list[parts.Passage],
        teller: CopyTeller,
        say: Say,
    ) -> Outcome:
        output = OutputTeller(call, say, self._raw, keep=teller.keep)
        if carrier.route.kind == "agent":
            # The agent is needed for the handshake alone. A pass that has to begin again later has none: it ends as failed.
            teller.connected = carrier.once.connected
        script = parts.copy(call.job, aside, passages, patience=PATIENCE, relay=False)
        bucket = self.looks.bucket(call.step.ref, action.bwlimit)
        async with Limiting(self._pool, action.target, call.job, bucket):
            end = await self._jobs.run(action.target, call.job, script.encode(), output)
        output.flush()
        return _ended(end, output.last)

    async def _passed(
        self, call: Call, action: Sync, teller: CopyTeller, outcome: Outcome, aside: str, how: str, say: Say
    ) -> Outcome:
        self._tellers.pop(call.step.ref, None)
        if outcome.verdict != "ok":
            return outcome
        if teller.broken:
            for pair in pairs(action):
                halves = await sweep(self._pool, action.source, action.target, pair, aside, call.job)
                if halves:
                    _say(call, say, f"{halves} half files of a pass that was killed were removed from {pair.target}")
        took = time.monotonic() - teller.began
        again = f", begun {teller.rounds} times" if teller.rounds > len(pairs(action)) else ""
        lasted = clock(took) if took >= 60 else f"{took:.1f} s"
        detail = f"{teller.files:,} files, {size(teller.moved)} in {lasted} by rsync, {how}{again}"
        _say(call, say, detail)
        say(
            SyncPassed(
                ref=call.step.ref,
                seconds=round(took, 3),
                bytes=teller.moved,
                files=teller.files,
                entries=teller.entries,
                final=action.final,
            )
        )
        return msgspec.structs.replace(outcome, detail=detail)

    async def _not_since(
        self, call: Call, action: Sync, pair: Pair, wrong: dict[str, str]
    ) -> tuple[dict[str, str], int]:
        """What differs and was not touched on the source since it was stamped, and how many were."""
        script = (
            f"cd && case {quoted(call.captured['aside'])} in /*) stamp={quoted(call.captured['aside'])}/stamp ;; "
            f"*) stamp=$PWD/{quoted(call.captured['aside'])}/stamp ;; esac; cd -- {quoted(parts.here(pair.source))} && "
            '{ find . -cnewer "$stamp" -exec printf "%s\\0" {} + 2>/dev/null || '
            'find . -newer "$stamp" -exec printf "%s\\0" {} +; }'
        )
        ran = await self._pool[action.source].run(script, b"", 600, 256 << 20)
        newer = {name.removeprefix("./") for name in ran.out.decode("utf-8", "surrogateescape").split("\0")}
        # A file that went away shows in its folder only.
        explained = {name for name in wrong if layers.bare(name) in newer or (layers.parent(name) or ".") in newer}
        return {name: code for name, code in wrong.items() if name not in explained}, len(explained)

    async def _on_target(self, action: Sync, script: str, data: bytes = b"", timeout: float = 60.0) -> None:
        ran = await self._pool[action.target].run(script, data, timeout)
        if ran.exit is None:
            raise Unreachable(f"{action.target}: the link was lost")
        if ran.exit != 0:
            raise Refused(f"what would be overwritten cannot be set aside on {action.target}: {ran.text}")


def _aside(call: Call, action: Sync) -> str:
    name = call.job.removesuffix(f".{call.op}")
    return f"{action.backup.rstrip('/')}/{name}" if action.backup else f".cockpit/aside/{name}"


def _sum(one: rsync.Look, two: rsync.Look) -> rsync.Look:
    fields = ("created", "changed", "attributes", "deleted", "bytes", "holds", "files")
    return rsync.Look(
        **{field: getattr(one, field) + getattr(two, field) for field in fields}, largest=max(one.largest, two.largest)
    )


def _say(call: Call, say: Say, text: str) -> None:
    say(StepOutput(ref=call.step.ref, attempt=call.attempt, op=call.op, stream="out", lines=(text,)))


def _ended(end: JobEnd, last: str) -> Outcome:
    match end.kind:
        case "ended" if end.status == 0:
            return Outcome(verdict="ok", exit=0)
        case "ended":
            return Outcome(
                verdict="failed", exit=end.status, detail=f"{rsync.why(end.status or 0)}: {last}".rstrip(": ")
            )
        case "refused":
            return Outcome(verdict="failed", detail=end.detail)
        case "gone":
            return Outcome(verdict="failed", detail=f"{end.detail}; run it again, it goes on where it was")
        case _:
            return Outcome(verdict="unknown", detail=end.detail)
