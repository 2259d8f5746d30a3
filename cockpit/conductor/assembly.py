"""Putting a conductor together: journal, engine, hosts, probes and tails of one run, each task owned here."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from cockpit import __version__
from cockpit.clock import Clock, SystemClock, boot_id
from cockpit.conductor.asking import Asker, Person
from cockpit.conductor.beginning import ask_all, filled, has_terminal
from cockpit.conductor.hands import ConductorHands, ManualHands
from cockpit.conductor.headless import Headless, Orders
from cockpit.conductor.screens import Screens
from cockpit.conductor.server import Server
from cockpit.conductor.sources import SecretMissing
from cockpit.conductor.vault import Vault
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.engine.ports import Hands
from cockpit.events import Event, IntentTaken, Record, RunResumed, RunStarted, Trouble
from cockpit.hosts.guard import HostGuard
from cockpit.hosts.hands import ShellHands
from cockpit.hosts.job import Jobs
from cockpit.hosts.locks import Locks, holder_of, token_of
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.hosts.sync import SyncHands
from cockpit.hosts.tail import Tails
from cockpit.intents import AnyIntent, TakeOver
from cockpit.journal import keyframes
from cockpit.journal.folder import RunFolder, durations
from cockpit.journal.reader import mend, records
from cockpit.journal.writer import JournalWriter
from cockpit.people.hands import NoticeHands
from cockpit.plan.model import Plan
from cockpit.probes.asking import HealthAsker
from cockpit.probes.checks import check_http, check_probe, observe_record
from cockpit.probes.context import Context, Said
from cockpit.probes.dns.update import DnsHands
from cockpit.probes.probes import Probes
from cockpit.probes.traffic import Traffics
from cockpit.progress import DRIVER
from cockpit.reduce import reduce
from cockpit.state import RunState

PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before what only observes begins anew after a fault: the first time, and at the most."""

LAST_WORDS = 0.5
"""Seconds for which screens may read why a run does not begin."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is conducted. `linger` ends an unattended conductor after so many seconds without a screen; 0 never."""

    mode: Literal["live", "rehearsal"] = "live"
    headless: Orders | None = None
    linger: float = 0.0


class PlanChanged(Exception):
    """A run can only be resumed with the plan it was started with."""


async def conduct(
    run: RunFolder,
    plan: Plan,
    options: Options,
    clock: Clock | None = None,
    observers: tuple[Callable[[Record], None], ...] = (),
    vault: Vault | None = None,
) -> tuple[RunState, str]:
    """Conduct a run until it has ended. Returns its last state and the head of its journal's chain.

    An existing journal in `run` is resumed: its torn tail is mended, what was open is looked up on the hosts. `vault` holds the
    plan's secrets; without it they are got here. Raises PlanChanged and SecretMissing before anything has begun."""
    clock = clock or SystemClock()
    state = RunState()
    end, cut = None, 0
    if run.journal.exists():
        end, cut = mend(run.journal)
        for record in records(run.journal):
            state = reduce(state, record)
        if state.plan is not None and state.plan.hash != plan.hash:
            raise PlanChanged(
                f"{run.id} was started with another version of {plan.source or plan.name}; "
                "put that version back, or start a new run"
            )
    if vault is None:
        vault = await filled(plan, run.id, run.token())
    found = state
    async with JournalWriter(run.journal, clock, end, vault.redactor) as journal:
        ledger = Ledger(journal, state)
        for observer in (ledger.observe, *observers):
            journal.subscribe(observer)
        if end is not None and end.seq and state.plan is not None:
            boot = boot_id()
            anew = bool(boot and found.boot and boot != found.boot)
            resumed = RunResumed(pid=os.getpid(), after=end.seq, mended=cut, boot=boot, rebooted=anew)
            await ledger.write(resumed, "conductor")
            plan = state.plan
        else:
            forecast, source = durations(plan.name, run.path.parent)
            await ledger.write(
                RunStarted(
                    run=run.id,
                    plan=plan,
                    mode=options.mode,
                    version=__version__,
                    forecast=_planned(plan) | forecast,
                    forecast_from=source,
                    boot=boot_id(),
                ),
                "conductor",
            )
        for warning in vault.warnings:
            ledger.trouble(warning)
        conductor = Conductor(run, plan, options, clock, journal, ledger, vault, found)
        await conductor.run()
        return ledger.state, journal.head


def _planned(plan: Plan) -> dict[str, float]:
    return {step.ref: step.estimate for service in plan.services for step in service.steps if step.estimate}


class Conductor:
    """One run's parts, wired."""

    def __init__(
        self,
        run: RunFolder,
        plan: Plan,
        options: Options,
        clock: Clock,
        journal: JournalWriter,
        ledger: Ledger,
        vault: Vault,
        found: RunState,
    ) -> None:
        self._run = run
        self._plan = plan
        self._options = options
        self._clock = clock
        self._ledger = ledger
        self._vault = vault
        alone: Person = "terminal" if has_terminal() else "nobody"
        self._asker = Asker(ledger, vault, alone if options.headless is not None else "screen")
        self._pool = HostPool(plan.hosts, self._emit, clock, self._asker)
        since = datetime.fromtimestamp(clock.utc(), UTC).strftime("%Y-%m-%d %H:%M UTC")
        holder = holder_of(plan.name, run.id, since)
        self._locks = Locks(self._pool, self._emit, clock, token_of(run.path), holder)
        self._jobs = Jobs(self._pool)
        logs = tuple(dict.fromkeys(log for service in plan.services for log in service.logs))
        told = {name: (log.position, log.raw_end) for name, log in ledger.state.logs.items() if log.position}
        self._traffic = Traffics(plan, self._emit, clock, ledger.state)
        heard = self._traffic.hearers
        self._tails = Tails(self._pool, logs, self._emit, journal.raw, told, lambda: journal.waiting, heard)
        # When the run was left, which the event of its resumption has covered by now.
        before = msgspec.structs.replace(ledger.state, utc=found.utc, ended=found.ended)
        context = Context(plan, self._emit, clock, self._on_host, vault, before, lambda: ledger.state)
        self._probes = Probes(context)
        asker = HealthAsker(context)
        shell = ShellHands(self._pool, self._jobs, journal.raw, vault)
        limits = {
            ref: view.limit for s in ledger.state.services.values() for ref, view in s.steps.items() if view.limit >= 0
        }
        sync = SyncHands(self._pool, journal.raw, limits)
        journal.subscribe(sync.observe)
        zones = DnsHands(plan.dns, clock, vault)
        kinds: dict[str, Hands] = {
            "shell": shell,
            "sync": sync,
            "dns": zones,
            "ttl": zones,
            "notice": NoticeHands(lambda event: ledger.write(event, "conductor"), lambda: ledger.state, vault),
            "manual": ManualHands(lambda record, wait, tell: observe_record(record, plan, wait, tell)),
        }
        guard = HostGuard(self._pool, self._locks)
        hands = ConductorHands(
            kinds,
            lambda check, service: check_http(check, plan, service),
            self._tails,
            guard,
            vault.redactor.restored,
            lambda check, service: check_probe(check, asker, plan, service),
        )
        self._engine = Engine(ledger, hands, clock)
        autopilot = DRIVER if options.headless is not None else ""
        self._screens = Screens(run.path, ledger, vault.redactor, clock)
        token = run.token()
        self._server = Server(
            run.journal, ledger, self._engine, token, self._asker, clock, autopilot, self._screens
        )  # fmt: skip
        self._due = asyncio.Event()
        self._taking: asyncio.Queue[str] = asyncio.Queue()
        journal.subscribe(self._asked)
        journal.subscribe(self._server.observe)
        journal.subscribe(self._mark)

    def _emit(self, event: Event) -> None:
        self._ledger.post(event, "probe")

    async def run(self) -> None:
        """Until the run has ended; every task is cancelled then. Raises SecretMissing when it cannot begin."""
        why = ""
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._server.run(self._run.keep_socket()))]
            # Nothing else begins before every secret is there: no link, no probe, no step.
            why = await ask_all(self._vault, self._plan, self._asker)
            if why:
                await self._ledger.write(Trouble(message=why), "conductor")
                await self._clock.sleep(LAST_WORDS)
                helpers[0].cancel()
            else:
                await self._work(group, helpers)
        if why:
            raise SecretMissing(why)

    async def _work(self, group: asyncio.TaskGroup, helpers: list[asyncio.Task[None]]) -> None:
        self._server.opened = True
        locking = group.create_task(self._kept("locks", self._locks.run()))
        helpers += [
            locking,
            group.create_task(self._kept("links", self._pool.run())),
            group.create_task(self._take_over()),
            group.create_task(self._kept_up("tails", self._tails.run)),
            group.create_task(self._kept("probes", self._probes.run())),
            group.create_task(self._kept_up("traffic", self._traffic.run)),
        ]
        working = group.create_task(self._engine.run())
        if self._options.headless is not None:
            driver = Headless(self._ledger, self._engine, self._clock, self._options.headless)
            helpers.append(group.create_task(driver.run()))
        elif self._options.linger:
            helpers.append(group.create_task(self._linger(working)))
        helpers.append(group.create_task(self._kept("keyframes", self._keyframes())))
        helpers.append(group.create_task(self._tick()))
        helpers.append(group.create_task(self._kept_up("screens", self._screens.run)))
        await asyncio.wait({working})
        await self._screens.settled()
        if self._ledger.state.ended:
            # Who looks at the locks would take one again that was just given up.
            locking.cancel()
            await asyncio.wait({locking})
            await self._leave()
        for helper in helpers:
            helper.cancel()

    async def _leave(self) -> None:
        """The run has ended: what it left on the hosts is cleared away and their locks are given up, where they answer."""
        with contextlib.suppress(TimeoutError, ExceptionGroup):
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                for link in self._pool:
                    if link.is_up:
                        group.create_task(self._leave_host(link.host.id))

    async def _leave_host(self, host: str) -> None:
        with contextlib.suppress(Unreachable):
            await self._locks.free(host)
            await self._jobs.clean(host, self._ledger.state.run)

    def _asked(self, record: Record) -> None:
        """A person took a host over: the lock on the host follows."""
        if isinstance(record.event, IntentTaken):
            intent = msgspec.json.decode(record.event.intent, type=AnyIntent)
            if isinstance(intent, TakeOver):
                self._taking.put_nowait(intent.host)

    async def _take_over(self) -> None:
        while True:
            host = await self._taking.get()
            try:
                await self._locks.take(host)
            except Unreachable as error:
                self._ledger.post(Trouble(message=f"{host} could not be taken over: {error}"), "conductor")

    async def _kept(self, name: str, work: Awaitable[None]) -> None:
        """What only observes must never end a run: its fault is told, the run goes on."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._ledger.post(Trouble(message=f"{name} stopped: {type(error).__name__}: {error}"), "conductor")

    async def _kept_up(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """As `_kept`, and begun anew after a fault: what it sees is evidence that a run waits for."""
        pause = PAUSE
        while True:
            await self._kept(name, work())
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _mark(self, record: Record) -> None:
        if record.seq % keyframes.EVERY == 0:
            self._due.set()

    async def _keyframes(self) -> None:
        """Write the state beside the journal now and then; off the loop, and no harm when it cannot be written."""
        while True:
            await self._due.wait()
            self._due.clear()
            with contextlib.suppress(OSError):
                await asyncio.to_thread(keyframes.append, self._run.journal, self._ledger.state)

    async def _tick(self) -> None:
        """Let the engine look at the clock: windows open and notices fall due without any event."""
        while True:
            await self._clock.sleep(1.0)
            self._ledger.wake()

    async def _linger(self, working: asyncio.Task[None]) -> None:
        """End the conductor when no screen has been there for a while and nothing runs."""
        alone = 0.0
        while True:
            await self._clock.sleep(1.0)
            alone = 0.0 if self._server.clients or self._engine.busy else alone + 1.0
            if alone >= self._options.linger:
                working.cancel()
                return

    async def _on_host(self, host: str, script: str, timeout: float) -> Said:
        """Shell text of a probe; it only looks."""
        try:
            ran = await self._pool[host].run("exec sh -s", script.encode(), timeout)
        except (Unreachable, OSError) as error:
            return Said(None, str(error))
        return Said(ran.exit, ran.out.decode(errors="replace"), ran.err.decode(errors="replace"))
