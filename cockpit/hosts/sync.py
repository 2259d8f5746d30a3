"""Copying trees from old to new through the conductor: rsync where both hosts have it, else a tar stream.

Either way what travels is decided by comparing two manifests, what would be overwritten is set aside on the target first, and
the copy is verified by reading both trees again.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Sequence

import asyncssh
import msgspec

from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import StepOutput, StepProgress
from cockpit.hosts.manifest import Difference, Manifest, Unreadable, compare, manifest
from cockpit.hosts.output import RawSink
from cockpit.hosts.pool import HostPool, Unreachable, feed, quoted
from cockpit.plan.model import Sync
from cockpit.text import harmless

CHUNK = 256 * 1024

TRANSFERS = 3
"""At once: each holds a channel on both hosts, and probes, tails and jobs need the others."""

_PROGRESS = re.compile(rb"([\d,.]+)\s+(\d+)%\s+(\S+/s)\s+(\S+)")

# What rsync asks of the sending side: its letters (rsync(1), INTERNAL OPTIONS), then the path.
_SENDER = re.compile(r" rsync --server --sender (-[A-Za-z0-9.,]+(?: --numeric-ids)?) \. ")

# What rsync takes for its remote shell: it hands the wanted command to us, then connects rsync to the channel on 3 and 4. The
# foreground half ends with the channel; a background job would read /dev/null, so its input is named.
_RELAY = 'printf "%s\\n" "$*" >&4; exec 5<&0; cat <&5 >&4 & cat <&3; kill $! 2>/dev/null'

_UNMAKE = 'for name do [ "$name" = . ] || rm -d -- "$name" 2>/dev/null || :; done'
_STILL_THERE = 'for name do [ -d "$name" ] || [ ! -e "$name" ] || { echo "$name"; exit 1; }; done'


class Pair(msgspec.Struct, frozen=True):
    """One path to copy, as it is named on either side."""

    source: str
    target: str


def pairs(action: Sync) -> tuple[Pair, ...]:
    """The paths of a sync, with where each lands."""
    to = action.to or action.paths
    return tuple(
        Pair(source.rstrip("/") or "/", target.rstrip("/") or "/")
        for source, target in zip(action.paths, to, strict=True)
    )


class SyncHands:
    """Carries out the ops of `sync` steps."""

    def __init__(self, pool: HostPool, raw: RawSink) -> None:
        self._pool = pool
        self._raw = raw
        self._transfers = asyncio.Semaphore(TRANSFERS)

    async def act(self, call: Call, say: Say) -> Outcome:
        action = call.step.action
        assert isinstance(action, Sync)
        try:
            match call.op:
                case "probe":
                    return await self._probe(action)
                case "capture":
                    return await self._capture(call, action)
                case "apply":
                    return await self._apply(call, action, say)
                case "verify":
                    return await self._verify(call, action)
                case "undo":
                    return await self._undo(call, action)
                case "verify_undo":
                    return await self._verify_undo(call, action)
        except Unreadable as error:
            return Outcome(verdict="no" if call.op in {"verify", "verify_undo"} else "failed", detail=str(error))
        except (Unreachable, asyncssh.Error, OSError) as error:
            return Outcome(verdict="unknown", detail=harmless(str(error), 300))

    async def recall(self, call: Call, say: Say) -> Outcome:
        """A copy went through us, so it ended with us; running it again is safe."""
        return Outcome(verdict="nothing", detail="the copy ended with the conductor")

    async def _differences(self, action: Sync) -> list[tuple[Pair, Manifest, Manifest, Difference]]:
        return [(pair, *await self._difference(action, pair)) for pair in pairs(action)]

    async def _difference(self, action: Sync, pair: Pair) -> tuple[Manifest, Manifest, Difference]:
        source, target = await asyncio.gather(
            manifest(self._pool, action.source, pair.source, action.exclude),
            manifest(self._pool, action.target, pair.target, action.exclude),
        )
        return source, target, compare(source, target)

    async def _probe(self, action: Sync) -> Outcome:
        found = await self._differences(action)
        for pair, source, _, _ in found:
            if source.absent:
                return Outcome(verdict="failed", detail=f"{pair.source} does not exist on {action.source}")
        moves = sum(len(difference.moves) for _, _, _, difference in found)
        surplus = sum(len(difference.surplus) for _, _, _, difference in found) if action.delete else 0
        if moves or surplus:
            size = sum(difference.bytes for _, _, _, difference in found)
            return Outcome(verdict="no", detail=f"{moves} entries, {size:,} bytes to copy, {surplus} to delete")
        return Outcome(verdict="ok", detail="both trees are the same")

    async def _capture(self, call: Call, action: Sync) -> Outcome:
        """Set aside on the target what the copy would overwrite or delete, list what it would create, and stamp the source. A
        further attempt adds to what the first one set aside: that was before any act of ours."""
        aside = call.captured.get("aside") or f".cockpit/aside/{call.job.removesuffix('.capture')}"
        for index, (pair, source, target, difference) in enumerate(await self._differences(action)):
            guard = _deletion_guard(action, source, target, difference)
            if guard:
                return Outcome(verdict="failed", detail=guard)
            made, kept = await self._listed(action.target, f"{aside}/made.{index}", f"{aside}/kept.{index}")
            doomed = difference.change + (difference.surplus if action.delete else ())
            keep = [name for name in doomed if name not in made | kept and not _is_directory(target, name)]
            fresh = "." in difference.create
            made |= set(difference.create) - kept
            keep_list, how = _names(keep)
            script = (
                f"umask 077; mkdir -p {quoted(aside)} && here=$PWD && cd {quoted(aside)} && cat >keep && "
                f"case {quoted(pair.target)} in /*) tree={quoted(pair.target)};; *) tree=$here/{quoted(pair.target)};; esac && "
                f'if [ -s keep ]; then tar -C "$tree" -cf kept.{index}.{call.attempt}.tar {how} -T keep; fi && rm keep'
            )
            lists = (("made", _nul(sorted(made, reverse=True))), ("kept", _nul(sorted(kept | set(keep)))))
            ran = await self._pool[action.target].run(script, keep_list, 600)
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
        return Outcome(verdict="ok", captured={"aside": aside})

    async def _listed(self, host: str, *files: str) -> tuple[set[str], ...]:
        """The names that each of the lists on a host holds; a list that is not there holds none."""
        found: list[set[str]] = []
        for file in files:
            ran = await self._pool[host].run(f"cat {quoted(file)} 2>/dev/null || :", b"", 60, 256 << 20)
            if ran.exit != 0:
                raise Unreachable(f"{host}: {file} cannot be read: {ran.text}")
            found.append({name for name in ran.out.decode("utf-8", "surrogateescape").split("\0") if name})
        return tuple(found)

    async def _apply(self, call: Call, action: Sync, say: Say) -> Outcome:
        both = await asyncio.gather(
            *(self._pool[host].run("command -v rsync >/dev/null", b"", 15) for host in (action.source, action.target))
        )
        tool = "rsync" if all(ran.exit == 0 for ran in both) else "tar"
        began = time.monotonic()
        moved = 0
        for pair, source, target, difference in await self._differences(action):
            guard = _deletion_guard(action, source, target, difference)
            if guard or source.absent:
                why = guard or f"{pair.source} does not exist on {action.source}"
                return Outcome(verdict="failed", detail=why)
            if difference.moves or (action.delete and difference.surplus):
                async with self._transfers:
                    tool, outcome = await self._transfer(call, action, pair, target, difference, say, tool)
                if outcome.verdict != "ok":
                    return outcome
            moved += difference.bytes
        took = time.monotonic() - began
        detail = f"{moved:,} bytes in {took:.1f} s by {tool}"
        say(StepOutput(ref=call.step.ref, attempt=call.attempt, op=call.op, stream="out", lines=(detail,)))
        return Outcome(verdict="ok", detail=detail)

    async def _transfer(
        self, call: Call, action: Sync, pair: Pair, target: Manifest, difference: Difference, say: Say, tool: str
    ) -> tuple[str, Outcome]:
        """Bring one path over. Returns the tool that did, and how it went."""
        if tool == "rsync":
            outcome = await self._rsync(call, action, pair, target, difference, say)
            if outcome.verdict != "failed":
                return "rsync", outcome
            lines = (f"{outcome.detail}; going on with a tar stream",)
            say(StepOutput(ref=call.step.ref, attempt=call.attempt, op=call.op, stream="err", lines=lines))
            # What a broken rsync left half done shows in a new comparison; the tar stream brings that.
            difference = (await self._difference(action, pair))[2]
        return "tar", await self._tar(call, action, pair, target, difference, say)

    async def _tar(
        self, call: Call, action: Sync, pair: Pair, target: Manifest, difference: Difference, say: Say
    ) -> Outcome:
        """A stream from tar to tar with back-pressure, of exactly the names that differ."""
        names, how = _names(difference.moves)
        pack = f"tar -C {quoted(pair.source)} --no-recursion -cf - {how} -T -"
        unpack = f"mkdir -p {quoted(pair.target)} && tar -C {quoted(pair.target)} -xpf -"
        total = max(difference.bytes, 1)
        async with (
            self._pool[action.source].process(pack) as reading,
            self._pool[action.target].process(unpack) as writing,
        ):
            feed(reading.stdin, names)
            teller = _Teller(call, say, total)
            while chunk := await reading.stdout.read(CHUNK):
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
                said = harmless(await writing.stderr.read(4096) or await reading.stderr.read(4096), 300)
                return Outcome(verdict="failed", detail=f"tar ended with {statuses[0]} and {statuses[1]}: {said}")
        return await self._delete(action, pair, difference)

    async def _delete(self, action: Sync, pair: Pair, difference: Difference) -> Outcome:
        if not action.delete or not difference.surplus:
            return Outcome(verdict="ok")
        script = f"cd {quoted(pair.target)} && xargs -0 rm -d --"
        ran = await self._pool[action.target].run(script, _nul(reversed(difference.surplus)), 600)
        return Outcome(verdict="ok") if ran.exit == 0 else Outcome(verdict="failed", detail=f"delete: {ran.text}")

    async def _rsync(
        self, call: Call, action: Sync, pair: Pair, target: Manifest, difference: Difference, say: Say
    ) -> Outcome:
        """rsync runs on the target; what it takes for its remote shell is this channel, and we connect that to the source."""
        # Without --blocking-io the relay's cat gets EAGAIN: rsync makes its remote shell's pipes non-blocking.
        options = ["-a", "--info=progress2", "--no-inc-recursive", "--blocking-io"]
        options += [f"--exclude={pattern}" for pattern in action.exclude]
        if action.delete:
            options += ["--delete", f"--max-delete={len(difference.surplus)}"]
        words = " ".join(quoted(word) for word in options)
        command = (
            f"mkdir -p {quoted(pair.target)} && exec 3<&0 4>&1 && "
            f"rsync {words} --rsh={quoted('sh -c ' + quoted(_RELAY) + ' relay')} "
            f"relay:{quoted(quoted(pair.source + '/'))} {quoted(pair.target + '/')} >&2"
        )
        teller = _Teller(call, say, max(difference.bytes, 1))
        async with self._pool[action.target].process(command) as pulling:
            ask = harmless((await pulling.stdout.readuntil(b"\n", 65536)).rstrip(b"\n"))
            wanted = _SENDER.search(ask)
            if wanted is None:
                said = harmless(await pulling.stderr.read(4096), 300)
                return Outcome(verdict="failed", detail=f"rsync on {action.target} did not begin: {said or ask}")
            # The target says how its rsync speaks, and nothing else: which command runs on the source is ours to say.
            serve = f"rsync --server --sender {wanted[1]} . {quoted(pair.source + '/')}"
            async with self._pool[action.source].process(serve) as sending:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(pulling.stdout, sending.stdin))
                    group.create_task(_pump(sending.stdout, pulling.stdin))
                    watching = group.create_task(_watch(pulling.stderr, teller))
                    sending_said = group.create_task(_watch(sending.stderr, None))
                await pulling.wait_closed()
                status = pulling.exit_status
        if status is None:
            return Outcome(verdict="unknown", detail="the link was lost in the middle of the copy")
        # 24: files vanished while they were read; the verification decides.
        if status not in {0, 24}:
            said = watching.result() or sending_said.result()
            return Outcome(verdict="failed", detail=f"rsync ended with {status}: {said}", exit=status)
        return Outcome(verdict="ok")

    async def _verify(self, call: Call, action: Sync) -> Outcome:
        """Both trees again, by their checksums. In a pass before the freeze old goes on changing: what it wrote since the
        stamp is left to the final pass, anything else must be the same."""
        late = 0
        total = 0
        for pair, source, target, difference in await self._differences(action):
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
        return Outcome(verdict="ok", detail=f"{total} entries have the same checksums on both{since}")

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

    async def _undo(self, call: Call, action: Sync) -> Outcome:
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

    async def _verify_undo(self, call: Call, action: Sync) -> Outcome:
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


class _Teller:
    """Tells progress a few times a second."""

    def __init__(self, call: Call, say: Say, total: int) -> None:
        self._call, self._say, self._total = call, say, total
        self._began = self._told = time.monotonic()
        self._done = 0

    def more(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._told < 0.2:
            return
        rate = self._done / max(now - self._began, 0.001)
        fraction = min(self._done / self._total, 0.99)
        left = max(self._total - self._done, 0) / max(rate, 1)
        self.at(fraction, f"{fraction:.0%}  {rate / 1e6:.1f} MB/s  {left:.0f} s left")

    def at(self, fraction: float, detail: str) -> None:
        self._told = time.monotonic()
        self._say(StepProgress(ref=self._call.step.ref, fraction=fraction, detail=detail))


async def _pump(source: asyncssh.SSHReader[bytes], target: asyncssh.SSHWriter[bytes]) -> None:
    try:
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
        target.write_eof()
        await target.drain()
    except (asyncssh.Error, OSError):
        pass  # The exit status, or its absence, tells what that means.


async def _watch(stream: asyncssh.SSHReader[bytes], teller: _Teller | None) -> str:
    """Read rsync's words, its progress with them; returns the last line that is not progress."""
    said, rest, told = "", b"", 0.0
    while chunk := await stream.read(65536):
        pieces = re.split(rb"[\r\n]+", rest + chunk)
        rest = pieces.pop()
        for piece in pieces:
            match = _PROGRESS.search(piece)
            if match is None:
                said = harmless(piece, 200) if piece.strip() else said
            elif teller is not None and time.monotonic() - told > 0.2:
                told = time.monotonic()
                teller.at(int(match[2]) / 100, f"{int(match[2])} %  {match[3].decode()}  {match[4].decode()} left")
    return said


def _nul(names: Iterable[str]) -> bytes:
    return b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)


def _names(names: Sequence[str]) -> tuple[bytes, str]:
    """Names for tar's -T, and the option that takes: only a name with a newline asks for `--null`, which some tars lack."""
    if any("\n" in name for name in names):
        return _nul(names), "--null"
    return _nul(names).replace(b"\0", b"\n"), ""


def _is_directory(tree: Manifest, name: str) -> bool:
    return tree.entries.get(name, "").startswith("directory")


def _deletion_guard(action: Sync, source: Manifest, target: Manifest, difference: Difference) -> str:
    """Why a copy that deletes must not begin, '' when it may."""
    if not action.delete or not difference.surplus:
        return ""
    if len(source.entries) <= 1:
        return f"{action.source} is empty there: deleting on {action.target} would take everything"
    if len(difference.surplus) * 2 > len(target.entries):
        return f"it would delete {len(difference.surplus)} of {len(target.entries)} entries on {action.target}: more than half"
    return ""
