"""Hands for sync steps: asks both hosts what they have, and lets rsync or tar do it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import asyncssh

from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import Record, StepLimited
from cockpit.hosts.job import Jobs
from cockpit.hosts.output import RawSink
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.hosts.sync.carrier import NoRoute
from cockpit.hosts.sync.copier import Copier
from cockpit.hosts.sync.facts import Facts, facts
from cockpit.hosts.sync.looking import Refused
from cockpit.hosts.sync.manifest import Unreadable
from cockpit.hosts.sync.marking import Marks
from cockpit.hosts.sync.tarred import Tarred
from cockpit.hosts.sync.undoing import Undoer
from cockpit.plan.model import Sync
from cockpit.text import harmless

TRANSFERS = 3
"""At once through us: each holds a channel on both hosts, and probes, tails and jobs need the others."""


class SyncHands:
    """Carries out the ops of `sync` steps. `limits` are those that somebody set before, by step; later ones come with the
    journal's records (`observe`)."""

    def __init__(self, pool: HostPool, raw: RawSink, limits: Mapping[str, int] | None = None) -> None:
        self._pool = pool
        transfers = asyncio.Semaphore(TRANSFERS)
        jobs = Jobs(pool)
        self._copier = Copier(pool, jobs, raw, transfers)
        self._tarred = Tarred(pool, transfers)
        self._undoer = Undoer(pool, jobs, raw)
        self._marks = Marks(pool)
        for ref, rate in (limits or {}).items():
            self._copier.limit(ref, rate)

    def observe(self, record: Record) -> None:
        """Hold a copy to a limit that is in the journal now."""
        if isinstance(record.event, StepLimited):
            self._copier.limit(record.event.ref, record.event.rate)

    async def act(self, call: Call, say: Say) -> Outcome:
        action = call.step.action
        assert isinstance(action, Sync)
        if call.op != "apply":
            return await self._safely(call, action, say)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(call.step.timeout):
                return await self._safely(call, action, say)
        return await self._copier.stop(call, action)

    async def _safely(self, call: Call, action: Sync, say: Say) -> Outcome:
        """Every failure as a verdict with its sentence."""
        try:
            return await self._act(call, action, say)
        except BaseExceptionGroup as group:
            # A stream that broke shows as one of several: the first one says what happened.
            error = group.exceptions[0]
            if not isinstance(error, Unreachable | asyncssh.Error | OSError):
                raise
            return Outcome(verdict="unknown", detail=harmless(str(error), 300))
        except (Unreadable, Refused, NoRoute) as error:
            return Outcome(verdict="no" if call.op in {"verify", "verify_undo"} else "failed", detail=str(error))
        except (Unreachable, asyncssh.Error, OSError) as error:
            return Outcome(verdict="unknown", detail=harmless(str(error), 300))
        except ValueError as error:
            return Outcome(verdict="failed", detail=harmless(str(error), 300))

    async def _act(self, call: Call, action: Sync, say: Say) -> Outcome:
        if call.op in {"undo", "verify_undo"}:
            if "aside" not in call.captured:
                return Outcome(verdict="nothing")
            return await self._marks.removed(call, action, await self._back(call, action, say))
        known = self._copier.remembered(call, action) or await facts(self._pool, action)
        return await self._marks.noted(call, action, known, await self._forward(call, action, known, say))

    async def _back(self, call: Call, action: Sync, say: Say) -> Outcome:
        if call.captured.get("tool") == "rsync":
            undo = self._undoer
            return await undo.undo(call, action, say) if call.op == "undo" else await undo.verify(call, action)
        tar = self._tarred
        return await tar.undo(call, action) if call.op == "undo" else await tar.verify_undo(call, action)

    async def _forward(self, call: Call, action: Sync, known: Facts, say: Say) -> Outcome:
        tool = call.captured.get("tool", "")
        if known.rsync and tool != "tar":
            match call.op:
                case "probe":
                    return await self._copier.probe(call, action, known, say)
                case "capture":
                    return await self._copier.capture(call, action, known)
                case "apply":
                    return await self._copier.apply(call, action, known, say)
                case _:
                    return await self._copier.verify(call, action, known)
        match call.op:
            case "probe":
                return await self._tarred.probe(call, action, known, say)
            case "capture":
                return await self._tarred.capture(call, action, known)
            case "apply":
                return await self._tarred.apply(
                    call, action, known, self._copier.looks.bucket(call.step.ref, action.bwlimit), say
                )
            case _:
                return await self._tarred.verify(call, action, known)

    async def recall(self, call: Call, say: Say) -> Outcome:
        """A copy between the hosts runs on, and so does an undo; one through us ended with us, and running it again is safe."""
        action = call.step.action
        assert isinstance(action, Sync)
        if call.captured.get("tool") != "rsync":
            return Outcome(verdict="nothing", detail="the copy ended with the conductor")
        try:
            if call.op == "undo":
                return await self._marks.removed(call, action, await self._undoer.recall(call, action, say))
            return await self._copier.recall(call, action, say)
        except (Unreachable, asyncssh.Error, OSError) as error:
            return Outcome(verdict="unknown", detail=harmless(str(error), 300))
