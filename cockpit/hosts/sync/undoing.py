"""Taking a copy by rsync back: along the layers that its passes left on the target."""

from __future__ import annotations

from importlib.resources import files

from cockpit.engine.ports import Call, Outcome, Say
from cockpit.hosts.job import Jobs
from cockpit.hosts.output import OutputTeller, RawSink
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import layers, parts
from cockpit.hosts.sync.facts import pairs
from cockpit.hosts.sync.rsync import created_in
from cockpit.plan.model import Sync

_LAYERS = r"""
export LC_ALL=C; cd && cd -- "$1" 2>/dev/null || exit 0
for layer in [0-9]*; do
    [ -d "$layer" ] || continue
    printf 'layer %s\0' "$layer"
    if [ -f "$layer/log.$2" ]; then grep '\] [<>ch.][fdLDS]+++' "$layer/log.$2" | tr '\n' '\0'; fi
    printf 'kept\0'
    if [ -d "$layer/kept.$2" ]; then (cd "$layer/kept.$2" && find . ! -type d -exec printf '%s\0' {} +); fi
done
printf 'listed\0'
if [ -f "made.$2" ]; then cat "made.$2"; fi
if [ -f "came.$2" ]; then cat "came.$2"
# A copy into an empty folder that never came to its end: nothing else can have begun to use it.
elif [ -f "absent.$2" ] || [ -f "empty.$2" ]; then cd && cd -- "$3" 2>/dev/null && find . -exec printf '%s\0' {} +; fi
printf 'end\0'
"""


class Undoer:
    """Undo and its verification."""

    def __init__(self, pool: HostPool, jobs: Jobs, raw: RawSink) -> None:
        self._pool, self._jobs, self._raw = pool, jobs, raw

    async def undo(self, call: Call, action: Sync, say: Say) -> Outcome:
        """Work out what goes and what comes back, and have a job of the target do it. Raises Unreachable."""
        aside = call.captured["aside"]
        for index in range(len(pairs(action))):
            await self._prepare(action, aside, index)
        output = OutputTeller(call, say, self._raw)
        end = await self._jobs.run(action.target, call.job, self._script(action, aside, "").encode(), output)
        output.flush()
        return self._ended(action, end.kind, end.status, output.last or end.detail)

    async def recall(self, call: Call, action: Sync, say: Say) -> Outcome:
        """After a crash: an undo runs on as a job."""
        output = OutputTeller(call, say, self._raw, resumed=True)
        end = await self._jobs.attach(action.target, call.job, output, output.begin)
        output.flush()
        return self._ended(action, end.kind, end.status, output.last or end.detail)

    async def verify(self, call: Call, action: Sync) -> Outcome:
        """Look whether the target is as it was before the first pass. Raises Unreachable."""
        script = self._script(action, call.captured["aside"], "1")
        ran = await self._pool[action.target].run("exec sh -s", script.encode(), 3600)
        if ran.exit == 0:
            return Outcome(verdict="ok", detail="the target is as it was")
        return Outcome(verdict="no" if ran.exit == 1 else "unknown", detail=ran.text)

    def _ended(self, action: Sync, kind: str, status: int | None, said: str) -> Outcome:
        match kind:
            case "ended" if status == 0:
                return Outcome(verdict="ok", detail=f"what was there before is back on {action.target}")
            case "ended" | "refused" | "gone":
                return Outcome(verdict="failed", detail=said, exit=status)
            case "none":
                return Outcome(verdict="nothing", detail="the host has no trace of it")
            case _:
                return Outcome(verdict="unknown", detail=said)

    def _script(self, action: Sync, aside: str, check: str) -> str:
        text = files("cockpit.hosts.sync").joinpath("undo.sh").read_text()
        calls = "".join(
            f"(pair {index} {quoted(parts.here(pair.target))}) || exit $?\n" for index, pair in enumerate(pairs(action))
        )
        return f"aside={quoted(aside)}\ncheck={check}\n{text}{calls}"

    async def _prepare(self, action: Sync, aside: str, index: int) -> None:
        """Work out what goes and what comes back, and write the lists to the target. Raises Unreachable."""
        link = self._pool[action.target]
        tree = parts.here(pairs(action)[index].target)
        ran = await link.run(
            f"sh -c {quoted(_LAYERS)} cockpit-layers {quoted(aside)} {index} {quoted(tree)}", b"", 600, 512 << 20
        )
        words = ran.out.split(b"\0")
        if ran.exit != 0 or (words != [b""] and words[-2:] != [b"end", b""]):
            raise Unreachable(f"{action.target}: {aside} cannot be read: {ran.text or 'the answer was cut off'}")
        created: dict[str, list[str]] = {}
        kept: dict[str, list[str]] = {}
        listed: list[str] = []
        layer, into = "", None
        for word in words[:-2]:
            if word.startswith(b"layer "):
                layer, into = word[6:].decode("ascii", "replace"), None
                created[layer], kept[layer] = [], []
            elif word == b"kept":
                into = kept[layer]
            elif word == b"listed":
                into = listed
            elif into is None:
                created[layer] += created_in([word])
            else:
                into.append(word.decode("utf-8", "surrogateescape"))
        way = layers.back(created, kept, listed)
        lists = [("made", way.made), ("lost", way.lost), *way.kept.items()]
        for name, names in lists:
            put = f"umask 077; cd && cat >{quoted(f'{aside}/undo.{index}.{name}')}"
            done = await link.run(put, layers.nul(names), 600)
            if done.exit != 0:
                raise Unreachable(f"{action.target}: {aside} cannot be written: {done.text}")
