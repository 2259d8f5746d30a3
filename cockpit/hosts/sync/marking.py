"""The sentinel on the source: written once a copy without deletion was verified, taken away again with its undo."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cockpit.engine.ports import Call, Outcome
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import guard, parts
from cockpit.hosts.sync.facts import Facts, pairs
from cockpit.hosts.sync.rsync import SENTINEL
from cockpit.plan.model import Sync


class Marks:
    """Writes and removes the sentinels of a copy, after its other ops have succeeded."""

    def __init__(self, pool: HostPool) -> None:
        self._pool = pool

    async def noted(self, call: Call, action: Sync, known: Facts, outcome: Outcome) -> Outcome:
        """On the way forward: what capture found is in its values, and what was verified is marked."""
        if not action.marks or action.delete or outcome.verdict != "ok":
            return outcome
        lines = _lines(action, known)
        if call.op == "capture":
            fresh = {f"mark.{index}": line for index, line in lines.items() if not known.source.sentinels[index]}
            return msgspec.structs.replace(outcome, captured=outcome.captured | fresh)
        if call.op == "verify":
            for index, line in lines.items():
                if known.source.sentinels[index] != line:
                    await self._write(action, index, f"printf '%s\\n' {quoted(line)} >{SENTINEL}")
        return outcome

    async def removed(self, call: Call, action: Sync, outcome: Outcome) -> Outcome:
        """On the way back: those that were not there before go, unless somebody has changed them. Raises Unreachable."""
        if outcome.verdict != "ok":
            return outcome
        for index, line in _fresh(call.captured).items():
            path = pairs(action)[index].source
            if call.op == "undo" and not await self._write(
                action, index, f"{_is(line)} && rm -f {SENTINEL}; ! {_is(line)}"
            ):
                raise Unreachable(f"{action.source}: {SENTINEL} in {path} cannot be removed")
            if call.op == "verify_undo" and await self._there(action, path, line):
                return Outcome(verdict="no", detail=f"{SENTINEL} is still in {path} on {action.source}")
        return outcome

    async def _there(self, action: Sync, path: str, line: str) -> bool:
        script = f"cd && cd -- {quoted(parts.here(path))} && {_is(line)}"
        return (await self._pool[action.source].run(script, b"", 30.0)).exit == 0

    async def _write(self, action: Sync, index: int, script: str) -> bool:
        """Change the sentinel of a folder, if that is still there. The folder's own time stays."""
        here = quoted(parts.here(pairs(action)[index].source))
        text = (
            f"umask 077; cd && {{ [ -d {here} ] || exit 0; }} && cd -- {here} && ref=$(mktemp) && "
            f'touch -r . "$ref" && {{ {script}; }}; done=$?; touch -r "$ref" .; rm -f "$ref"; exit $done'
        )
        return (await self._pool[action.source].run(text, b"", 30.0)).exit == 0


def _lines(action: Sync, known: Facts) -> dict[int, str]:
    return {
        index: guard.sentinel((known.source.mark, pair.source), (known.target.mark, pair.target))
        for index, pair in enumerate(pairs(action))
    }


def _fresh(captured: Mapping[str, str]) -> dict[int, str]:
    return {int(name[5:]): line for name, line in captured.items() if name.startswith("mark.")}


def _is(line: str) -> str:
    return f'[ "$(cat {SENTINEL} 2>/dev/null)" = {quoted(line)} ]'
