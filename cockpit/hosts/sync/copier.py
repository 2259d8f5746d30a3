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
from cockpit.hosts.sync import guard, layers, parts, rsync
from cockpit.hosts.sync.bucket import Bucket
from cockpit.hosts.sync.carrier import Carrier, Route, carrying
from cockpit.hosts.sync.facts import Facts, Pair, pairs
from cockpit.hosts.sync.once import Once
from cockpit.hosts.sync.sweep import sweep
from cockpit.hosts.sync.teller import CopyTeller, size
from cockpit.passes import clock
from cockpit.plan.model import Sync
from cockpit.text import harmless

PATIENCE = 30
"""How often a pass between hosts that broke off is begun again by its own job."""


SMALL = 16 << 20
"""Bytes to come below which a broken file is simply sent again."""

MANY = 1_000_000
"""Entries from which the list of names is not held in memory as a whole."""


class Refused(Exception):
    """The copy must not begin. The sentence says why."""


class Seen(msgspec.Struct):
    """What an op saw that a later op of the same step uses; nothing depends on its being there."""

    bytes: int = -1
    entries: int = -1
    facts: Facts | None = None
    """As capture found them; the apply that follows at once asks again only before it deletes."""
    plain: bool = False
    """Neither tree holds an ACL or an extended attribute: the copy need not ask for them (the verification does)."""


class Copier:
    """Carries out the ops of one sync after the other; shared by all of a run."""

    def __init__(self, pool: HostPool, jobs: Jobs, raw: RawSink, transfers: asyncio.Semaphore) -> None:
        self._pool, self._jobs, self._raw, self._transfers = pool, jobs, raw, transfers
        self._routes: dict[tuple[str, str, str], Route] = {}
        self._asked: dict[tuple[str, str, str], str] = {}
        self._seen: dict[str, Seen] = {}
        self._buckets: dict[str, Bucket] = {}
        self._tellers: dict[str, CopyTeller] = {}

    def bucket(self, call: Call, action: Sync) -> Bucket:
        """The limit of a step: the plan's, until somebody changes it."""
        return self._buckets.setdefault(call.step.ref, Bucket(action.bwlimit))

    def limit(self, ref: str, rate: int) -> None:
        """Hold a step to so many bytes a second, from now on."""
        self._buckets.setdefault(ref, Bucket()).limit(rate)
        if ref in self._tellers:
            self._tellers[ref].limited(rate)

    # --- the ops ---------------------------------------------------------------------------------------------------

    async def probe(self, call: Call, action: Sync, known: Facts, say: Say) -> Outcome:
        self._paths(action, known)
        total = rsync.Look()
        plain = asyncio.create_task(self._plain(action, known))
        try:
            async with self._carrier(call, action, known, ("look",)) as carrier:
                _say(call, say, f"by {carrier.route.kind}: {carrier.route.why}; {known.words}")
                for index, pair in enumerate(pairs(action)):
                    total = _sum(total, await self._look(carrier, action, known, index, pair, "look"))
            self._seen[call.step.ref] = Seen(bytes=total.bytes, entries=total.files, plain=await plain)
        finally:
            plain.cancel()
        if total.same:
            return Outcome(verdict="ok", detail=f"nothing differs in {total.files:,} entries")
        return Outcome(verdict="no", detail=total.words)

    async def capture(self, call: Call, action: Sync, known: Facts) -> Outcome:
        self._paths(action, known)
        aside = call.captured.get("aside") or _aside(call, action)
        first = "aside" not in call.captured
        async with self._carrier(call, action, known, ("look",)) as carrier:
            for index, pair in enumerate(pairs(action)):
                state = known.target.paths[index]
                if state in {"absent", "empty"}:
                    if first:
                        await self._on_target(
                            action,
                            f"umask 077; cd && mkdir -p {quoted(aside)} && : >{quoted(f'{aside}/{state}.{index}')}",
                        )
                    continue
                found = await self._look(carrier, action, known, index, pair, "look", names=True)
                self._guard(action, known, index, pair, found)
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
        self._seen.setdefault(call.step.ref, Seen()).facts = known
        return Outcome(verdict="ok", captured={"aside": aside, "tool": "rsync"})

    def remembered(self, call: Call, action: Sync) -> Facts | None:
        """What capture found, for the apply right after it; once, and never for one that deletes."""
        seen = self._seen.get(call.step.ref)
        if seen is None:
            return None
        known, seen.facts = seen.facts, None
        return known if call.op == "apply" and not action.delete else None

    async def apply(self, call: Call, action: Sync, known: Facts, say: Say) -> Outcome:
        self._paths(action, known)
        aside = call.captured.get("aside") or _aside(call, action)
        words = ("copy", "look") if action.delete else ("copy",)
        seen = self._seen.get(call.step.ref) or Seen()
        # -1: nobody looked.
        partial = not 0 <= seen.bytes < SMALL
        async with self._carrier(call, action, known, words, keep=True) as carrier:
            passages = []
            for index, pair in enumerate(pairs(action)):
                doomed = None
                fresh = known.target.paths[index] in {"absent", "empty"}
                if action.delete and not fresh:
                    found = await self._look(carrier, action, known, index, pair, "look")
                    self._guard(action, known, index, pair, found)
                    doomed = found.deleted
                whole = self._whole(call, known)
                options = rsync.copying(self._extended(call, known), action.exclude, doomed=doomed, whole=whole)
                rsh = carrier.rsh(f"copy.{index}")
                passages.append(parts.Passage(index, options, rsh, pair.target, fresh=fresh, partial=partial))
            teller = self._teller(call, action, say)
            if carrier.relay:
                outcome = await self._relayed(call, carrier, aside, passages, teller, say)
            else:
                outcome = await self._direct(call, action, carrier, aside, passages, teller, say)
        return await self._passed(call, action, teller, outcome, aside, carrier.route.kind, say)

    async def recall(self, call: Call, action: Sync, say: Say) -> Outcome:
        """After a crash: a copy between the hosts runs on as a job, and is followed; one through us ended with us."""
        teller = self._teller(call, action, say)
        output = OutputTeller(call, say, self._raw, resumed=True, keep=teller.keep)
        async with self._limiting(call, action):
            end = await self._jobs.attach(action.target, call.job, output, output.begin)
        output.flush()
        if end.kind == "none":
            return Outcome(verdict="nothing", detail="the copy ended with the conductor, or never began")
        if end.kind != "lost":
            await Once(self._pool, action.source, action.target, call.job).close()
        aside = call.captured["aside"]
        return await self._passed(call, action, teller, _ended(end, output.last), aside, "a copy that ran on", say)

    async def verify(self, call: Call, action: Sync, known: Facts) -> Outcome:
        late = total = 0
        for index, pair in enumerate(pairs(action)):
            for side, path in ((known.source, pair.source), (known.target, pair.target)):
                if side.paths[index] == "absent":
                    return Outcome(verdict="no", detail=f"{path} is not on {side.host}")
        async with self._carrier(call, action, known, ("check",)) as carrier:
            for index, pair in enumerate(pairs(action)):
                found = await self._look(carrier, action, known, index, pair, "check", names=True)
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
        if action.marks and not action.delete:
            await self._mark(action, known)
        since = f"; {late} changed on {action.source} since and are left to the final pass" if late else ""
        return Outcome(verdict="ok", detail=f"{total:,} entries have the same checksums and attributes on both{since}")

    # --- parts -----------------------------------------------------------------------------------------------------

    def _paths(self, action: Sync, known: Facts) -> None:
        for index, pair in enumerate(pairs(action)):
            match known.source.paths[index]:
                case "absent":
                    raise Refused(f"{pair.source} does not exist on {action.source}")
                case "file":
                    raise Refused(f"{pair.source} on {action.source} is no folder: name the folder that holds it")
                case "closed":
                    raise Refused(f"not all of {pair.source} can be read on {action.source}: use an account that can")
            if known.target.paths[index] == "file":
                raise Refused(f"{pair.target} on {action.target} is no folder: move it away first")
            if action.delete:
                # Also where there is nothing to delete by now: what comes after would.
                self._way(action, known, index, pair)

    def _way(self, action: Sync, known: Facts, index: int, pair: Pair) -> None:
        here, there = (known.source.mark, pair.source), (known.target.mark, pair.target)
        why = guard.direction(
            source=action.source,
            target=action.target,
            path=pair.source,
            reverse=guard.sentinel(there, here),
            sentinels=(known.source.sentinels[index], known.target.sentinels[index]),
            empty=known.source.paths[index] == "empty",
        )
        if why:
            raise Refused(why)

    def _carrier(self, call: Call, action: Sync, known: Facts, words: tuple[str, ...], keep: bool = False):  # type: ignore[no-untyped-def]
        return _Opening(self, call, action, known, words, keep)

    async def _commands(
        self, call: Call, action: Sync, known: Facts, words: tuple[str, ...]
    ) -> dict[str, tuple[str, str]]:
        """What the source runs for each word."""
        commands: dict[str, tuple[str, str]] = {}
        for word in words:
            extended = self._extended(call, known) if word == "copy" else known.extended
            match word:
                case "copy":
                    options = rsync.copying(extended, (), doomed=None, whole=self._whole(call, known))
                case _:
                    options = rsync.looking(extended, (), delete=False, checksum=word == "check")
            at = (action.target, word, f"{extended} {self._whole(call, known)}")
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

    def _extended(self, call: Call, known: Facts) -> str:
        seen = self._seen.get(call.step.ref)
        return "" if seen is not None and seen.plain else known.extended

    def _whole(self, call: Call, known: Facts) -> bool:
        seen = self._seen.get(call.step.ref) or Seen()
        return 0 <= seen.entries < MANY and not {"absent", "empty"} & set(known.target.paths)

    async def _plain(self, action: Sync, known: Facts) -> bool:
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

    async def _look(
        self, carrier: Carrier, action: Sync, known: Facts, index: int, pair: Pair, word: str, names: bool = False
    ) -> rsync.Look:
        """One pass that changes nothing. Raises Refused when rsync cannot do it, Unreachable when the link was lost."""
        lines: list[bytes] = []
        options = rsync.looking(known.extended, action.exclude, delete=action.delete, checksum=word == "check")
        script = parts.look(options, carrier.rsh(f"{word}.{index}"), pair.target, counts=not names)
        async with self._transfers:
            if await carrier.run(f"{word}.{index}", script, lines.append) is None:
                raise Unreachable(f"{action.target}: the link was lost while both trees were compared")
        found, said = rsync.look(lines)
        ended = next((line for line in lines if line.startswith(b"@status ")), b"@status -1")
        status = int(ended.split()[1])
        if status in {12, 30, 255, -1}:
            raise Unreachable(f"{rsync.why(status)}: {_first(said)}")
        if status not in {0, 24}:
            raise Refused(f"{rsync.why(status)}: {_first(said)}")
        return found

    def _guard(self, action: Sync, known: Facts, index: int, pair: Pair, found: rsync.Look) -> None:
        if not action.delete or not (found.deleted or known.source.paths[index] == "empty"):
            return
        here, there = (known.source.mark, pair.source), (known.target.mark, pair.target)
        why = guard.refusal(
            source=action.source,
            target=action.target,
            path=pair.source,
            wanted=guard.sentinel(here, there),
            reverse=guard.sentinel(there, here),
            on_source=known.source.sentinels[index],
            on_target=known.target.sentinels[index],
            empty=known.source.paths[index] == "empty",
            found=found,
            limit=action.limit,
            aside=action.backup or ".cockpit/aside",
        )
        if why:
            raise Refused(why)

    async def _mark(self, action: Sync, known: Facts) -> None:
        """Write the sentinel: this direction was copied and verified. The folder's own time stays."""
        for index, pair in enumerate(pairs(action)):
            line = guard.sentinel((known.source.mark, pair.source), (known.target.mark, pair.target))
            if known.source.sentinels[index] == line:
                continue
            script = (
                f"umask 077; cd && mkdir -p .cockpit && cd -- {quoted(parts.here(pair.source))} && ref=$(mktemp) && "
                f'touch -r . "$ref" && printf \'%s\\n\' {quoted(line)} >{rsync.SENTINEL} && touch -r "$ref" .; rm -f "$ref"'
            )
            await self._pool[action.source].run(script, b"", 30.0)

    def _teller(self, call: Call, action: Sync, say: Say) -> CopyTeller:
        seen = self._seen.get(call.step.ref)
        made = CopyTeller(call, say, max(seen.bytes, 0) if seen is not None else 0, self.bucket(call, action).rate)
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
        async with self._limiting(call, action):
            end = await self._jobs.run(action.target, call.job, script.encode(), output)
        output.flush()
        return _ended(end, output.last)

    def _limiting(self, call: Call, action: Sync):  # type: ignore[no-untyped-def]
        return _Limiting(self._pool, action.target, call.job, self.bucket(call, action))

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


class _Opening:
    """A carrier for one op, opened with what the source has to serve for it."""

    def __init__(
        self, copier: Copier, call: Call, action: Sync, known: Facts, words: tuple[str, ...], keep: bool
    ) -> None:
        self._made = (copier, call, action, known, words, keep)

    async def __aenter__(self) -> Carrier:
        copier, call, action, known, words, keep = self._made
        commands = await copier._commands(call, action, known, words)
        bucket = copier.bucket(call, action)
        self._manager = carrying(copier._pool, action, known, call.job, commands, bucket, copier._routes, keep)
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, trace)  # type: ignore[arg-type]


class _Limiting:
    """While a job copies: a changed limit goes to it, and its pass begins again under the new one, where it was."""

    def __init__(self, pool: HostPool, host: str, job: str, bucket: Bucket) -> None:
        self._pool, self._host, self._job, self._bucket = pool, host, job, bucket

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        told = self._bucket.rate
        private = quoted(f"{parts.ONCE}/{self._job}")
        script = f'cd && cd {private} || exit 0; echo "$1" >limit; kill -s TERM "$(cat pid)" 2>/dev/null; :'
        while True:
            await self._bucket.news()
            if self._bucket.rate == told:
                continue
            told = self._bucket.rate
            try:
                await self._pool[self._host].run(
                    f"sh -c {quoted(script)} cockpit-limit {max(told // 1024, 1) if told else 0}", b"", 20.0
                )
            except Unreachable:
                told = -1
                await asyncio.sleep(1.0)
                self._bucket.limit(self._bucket.rate)


def _aside(call: Call, action: Sync) -> str:
    name = call.job.removesuffix(f".{call.op}")
    return f"{action.backup.rstrip('/')}/{name}" if action.backup else f".cockpit/aside/{name}"


def _sum(one: rsync.Look, two: rsync.Look) -> rsync.Look:
    fields = ("created", "changed", "attributes", "deleted", "bytes", "holds", "files")
    return rsync.Look(**{field: getattr(one, field) + getattr(two, field) for field in fields})


def _first(said: list[bytes]) -> str:
    return harmless(said[0], 300) if said else "it said nothing"


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
