"""A SIGKILL of the conductor at journal positions of a real cutover on the embedded lab, there and back, and resumption.

After each death the run is resumed and driven on; it must reach the same end as the run that nobody killed: the same states, the
same writer, the same files and zone on the lab, and each script started once on its host.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import dns.asyncquery
import dns.message
import msgspec

from cockpit import intents as it
from cockpit.conductor.client import LiveSource
from cockpit.engine import rules
from cockpit.events import DURABLE, StepIntended, StepMoved
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from cockpit.lab.control import send
from cockpit.lab.faults import Order
from cockpit.plan.load import load_plan
from cockpit.plan.model import Plan
from cockpit.reduce import fold, reduce
from cockpit.state import BUSY, RunState

PATIENCE = 120.0


class Wrong(Exception):
    """A run did not end as it must; the sentence says how it shows."""


class Planned(Protocol):
    """What an operator must know of the world: the file of its plan."""

    @property
    def plan_path(self) -> Path: ...


class Lab(msgspec.Struct, frozen=True):
    """A lab in a process of its own."""

    folder: Path
    plan_path: Path

    def plan(self) -> Plan:
        return load_plan(self.plan_path)

    def forget(self) -> None:
        """Take away what runs leave beside the services: copies, jobs, locks, what was set aside."""
        for host in ("old", "new"):
            shutil.rmtree(self.folder / host / ".cockpit", ignore_errors=True)
            # The run before was left, not ended: it still holds its hosts.
            (self.folder / host / "var/cockpit.lock").unlink(missing_ok=True)
        for tree in ("srv", "var/mail"):
            for path in (self.folder / "new" / tree).glob("*"):
                shutil.rmtree(path, ignore_errors=True)

    def jobs(self) -> Counter[str]:
        """How many jobs each `step op` had on the hosts, by their folders."""
        found: Counter[str] = Counter()
        for host in ("old", "new"):
            for path in (self.folder / host / ".cockpit/jobs").glob("*"):
                _, service, step, _, op = path.name.rsplit(".", 4)
                found[f"{service}/{step} {op}"] += 1
        return found

    def flags(self) -> dict[str, str]:
        """The files by which the services are steered."""
        return {
            f"{host}/{path.relative_to(self.folder / host)}": path.read_text()
            for host in ("old", "new")
            for path in sorted((self.folder / host / "etc").rglob("*"))
            if path.is_file() and path.name != "machine-id"
        }


class Ready(msgspec.Struct):
    """The lab's first line."""

    plan: str
    folder: str


@contextlib.asynccontextmanager
async def running(folder: Path, clients: str) -> AsyncIterator[Lab]:
    """A lab with its visitors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cockpit.lab", "--folder", str(folder), "--clients", clients, "--until-stdin-closes",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        ready = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 30), type=Ready)
        yield Lab(Path(ready.folder), Path(ready.plan))
    finally:
        process.stdin.close()
        await process.wait()


class Operator:
    """Drives a run over its socket, starts its conductor again when that dies, and goes on where it was."""

    def __init__(self, run: RunFolder, lab: Planned, die_at: int) -> None:
        self.run = run
        self.lab = lab
        self.deaths = 0
        self.struck_at_the_end = False
        """It died while it was being stopped: the position is among the last words of a run."""
        self.state = RunState()
        self.trouble = ""
        self.patience = PATIENCE
        self.most_deaths = 1
        self._die_at = die_at
        self._source: LiveSource | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start or resume the conductor; only the first one is mortal."""
        words = ["--folder", str(self.run.path), "--plan", str(self.lab.plan_path)]
        mortal = self._die_at and not self.deaths
        head = ["tests.soak.mortal", str(self._die_at)] if mortal else ["cockpit.conductor"]
        log = (self.run.path / "conductor.log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *head, *words, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
        )
        log.close()
        self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        assert self._process is not None
        process = self._process
        source = LiveSource(self.run.socket, "operator", self.run.token(), alive=lambda: process.returncode is None)
        self._source = source
        try:
            async for batch in source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                    continue
                for record in batch:
                    self.state = reduce(self.state, record)
        except ConnectionError as error:
            self.trouble = str(error)

    def kill(self, signal_: signal.Signals = signal.SIGKILL) -> None:
        """Send the conductor a signal."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal_)

    async def stop(self) -> None:
        """End the conductor and the connection."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            self.struck_at_the_end = await self._process.wait() == -signal.SIGKILL
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _alive(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            return
        await self.stop()
        self.deaths += 1
        if self.deaths > self.most_deaths:
            raise Wrong(
                f"the conductor ended with {self._process.returncode}: {(self.run.path / 'conductor.log').read_text()[-600:]}"
            )
        self.state = fold(list(records(self.run.journal))) if self.run.journal.exists() else RunState()
        await self.start()

    def _quiet(self) -> bool:
        return not any(
            service.advancing or any(step.state in BUSY for step in service.steps.values())
            for service in self.state.services.values()
        )

    async def until(self, done: Callable[[], bool], urge: Callable[[], list[it.AnyIntent]]) -> None:
        """Go on over a death until `done`, with what `urge` wants whenever nothing moves."""
        ends = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > ends:
                states = {ref: step.state for s in self.state.services.values() for ref, step in s.steps.items()}
                said = (self.run.path / "conductor.log").read_text()[-600:]
                raise Wrong(f"it came to no end ({self._following}; {self.trouble!r}; {said!r}): {states}")
            await self._alive()
            source = self._source
            if self.state.plan is None or source is None or not source.drives or not self._quiet():
                await asyncio.sleep(0.02)
                continue
            for intent in urge():
                await source.send(intent)
            await asyncio.sleep(0.05)

    def doubts(self) -> list[it.AnyIntent]:
        """Look again at what was left unknown or unconfirmed; run again what failed for certain."""
        wanted: list[it.AnyIntent] = []
        for service in self.state.services.values():
            for ref, step in service.steps.items():
                if step.state in {"unverified", "drifted"} or (step.state == "unknown" and step.intended is not None):
                    wanted.append(it.Verify(ref=ref))
                elif step.state in {"failed", "unknown"}:
                    wanted.append(it.RunStep(ref=ref))
                elif step.state == "undo_failed":
                    wanted.append(it.Undo(service=service.id, typed=service.id))
        return wanted


async def there(operator: Operator) -> None:
    """Everything over to new, gates opened as their evidence comes."""

    def urge() -> list[it.AnyIntent]:
        wanted = operator.doubts()
        gate = rules.next_gate(operator.state)
        if gate is not None and rules.gate_readiness(operator.state, gate.id, time.time()).ok:
            wanted.append(it.OpenGate(gate=gate.id, typed=gate.typed))
        return [*wanted, it.RunToGate()]

    await operator.until(
        lambda: (
            bool(operator.state.services) and all(rules.complete(operator.state, id) for id in operator.state.services)
        ),
        urge,
    )


async def back(operator: Operator) -> None:
    """Everything back, one step at a time."""

    def urge() -> list[it.AnyIntent]:
        # Something half taken back is unverified, and stays so however often it is looked at: it is taken back again.
        seen = {ref: step.state for view in operator.state.services.values() for ref, step in view.steps.items()}
        doubts = [
            intent
            for intent in operator.doubts()
            if not isinstance(intent, it.RunStep)
            and not (isinstance(intent, it.Verify) and seen[intent.ref] == "unverified")
        ]
        return doubts or [it.Undo(service=id, typed=id) for id, view in operator.state.services.items() if view.history]

    await operator.until(lambda: not any(view.history for view in operator.state.services.values()), urge)


async def zone(plan: Plan, service: str) -> list[str]:
    """What the primary serves for the service's first name."""
    assert plan.dns is not None
    record = plan.service(service).records[0]
    address, _, port = plan.dns.primary.partition(":")
    answer = await dns.asyncquery.udp(dns.message.make_query(record.name, record.type), address, 5, int(port or 53))
    return sorted(str(item) for rrset in answer.answer for item in rrset)


def shape(state: RunState, way: str) -> dict[str, str]:
    """States of all steps. A copy that found nothing to do is as good as one that did, and leaves nothing to undo."""
    same = {"already": "done" if way == "there" else "undone"}
    return {
        ref: same.get(step.state, step.state) for view in state.services.values() for ref, step in view.steps.items()
    }


async def judge(operator: Operator, lab: Lab, wanted: dict[str, str], side: str) -> None:
    """Compare the end with what it must be. Raises Wrong."""
    plan = lab.plan()
    found = shape(operator.state, "there" if side == "new" else "back")
    if found != wanted:
        raise Wrong(f"{ {ref: (state, wanted.get(ref)) for ref, state in found.items() if wanted.get(ref) != state} }")
    for service in plan.services:
        record = service.records[0]
        served = await zone(plan, service.id)
        by_owner = any(step.kind == "manual" and found[step.ref] != "skipped" for step in service.steps)
        if served != sorted(record.new if side == "new" else record.old) and not (by_owner and side == "old"):
            raise Wrong(f"{record.name} is {served}")
        if operator.state.services[service.id].may_write != frozenset({side}):
            raise Wrong(f"{service.id} may be written on {set(operator.state.services[service.id].may_write)}")
    jobs = lab.jobs()
    twice = {name: count for name, count in jobs.items() if count > 1}
    if twice:
        raise Wrong(f"scripts ran more than once on their host: {twice}")
    history = list(records(operator.run.journal))
    ticks = [record.event for record in history if isinstance(record.event, StepMoved) and record.event.state == "done"]
    if not all(tick.verified for tick in ticks):
        raise Wrong("a step was ticked without a verification")
    applies = Counter(
        record.event.ref for record in history if isinstance(record.event, StepIntended) and record.event.op == "apply"
    )
    for service in plan.services:
        for step in service.steps:
            if not step.idempotent and jobs[f"{step.ref} apply"] > 1:
                raise Wrong(
                    f"{step.ref} is not idempotent and ran {jobs[f'{step.ref} apply']} times ({applies[step.ref]} intents)"
                )


async def night(lab: Lab, folder: Path, die_at: int, expect: dict[str, dict[str, str]], ways: str) -> int:
    """One run that dies at `die_at` (0 never), there and (with `ways` both) back. Returns how many durable events it took."""
    folder.mkdir(parents=True)
    lab.forget()
    before = lab.flags()
    operator = Operator(RunFolder(folder), lab, die_at)
    await operator.start()
    try:
        await there(operator)
        expect.setdefault("there", shape(operator.state, "there"))
        await judge(operator, lab, expect["there"], "new")
        if ways == "both":
            await back(operator)
            expect.setdefault("back", shape(operator.state, "back"))
            await judge(operator, lab, expect["back"], "old")
            if lab.flags() != before:
                raise Wrong(f"files are not as they were: {set(lab.flags().items()) ^ set(before.items())}")
            for service in lab.plan().services:
                if any(step.kind == "manual" for step in service.steps):
                    await asyncio.to_thread(
                        send, lab.folder, Order(fault="owner-changes-dns", client=service.id, host="old")
                    )
    finally:
        await operator.stop()
    length = sum(isinstance(record.event, DURABLE) for record in records(operator.run.journal))
    # How often a wait is told differs by an event or two from run to run, so the last positions may not exist.
    if die_at and not operator.deaths and not operator.struck_at_the_end and length >= die_at:
        raise Wrong(f"it was never killed, and has {length} durable events")
    return length


async def positions(
    clients: str, chosen: Callable[[int], list[int]], ways: str, workers: int, say: Callable[[str], None]
) -> list[str]:
    """Kill at each position that `chosen` picks of a reference run's length. Returns the sentences of what went wrong."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="soak") as root:
        base = Path(root)
        expect: dict[str, dict[str, str]] = {}
        async with running(base / "lab0", clients) as lab:
            length = await night(lab, base / "reference", 0, expect, ways)
        queue: asyncio.Queue[int] = asyncio.Queue()
        wanted = chosen(length)
        for position in wanted:
            queue.put_nowait(position)
        say(f"{clients}, {ways}: {length} durable events, {len(wanted)} positions")

        async def work(number: int) -> None:
            while not queue.empty():
                # A lab of its own for a while: what one death leaves behind must not help or hurt the next for long.
                async with running(base / f"lab{number}-{queue.qsize()}", clients) as lab:
                    for _ in range(12 if ways == "both" else 1):
                        if queue.empty():
                            break
                        position = queue.get_nowait()
                        try:
                            length = await night(lab, base / f"run-{position}", position, expect, ways)
                            late = f" (it ended with {length} before)" if length < position else ""
                            say(f"killed at {position}: resumed to the same end{late}")
                        except (Wrong, TimeoutError, OSError) as error:
                            wrong.append(f"killed at {position}: {error}")
                            say(wrong[-1])
                            break

        async with asyncio.TaskGroup() as group:
            for number in range(1, workers + 1):
                group.create_task(work(number))
    return wrong


def every(length: int) -> list[int]:
    """All positions but the last, behind which nothing is left to do."""
    return list(range(1, length))


def sample(count: int, seed: int) -> Callable[[int], list[int]]:
    """So many positions, at random."""

    def pick(length: int) -> list[int]:
        return sorted(random.Random(seed).sample(range(1, length), min(count, length - 1)))

    return pick


def run(workers: int) -> int:
    """All positions of one client's cutover and undo, for a client of each kind, and random ones of all six."""
    os.environ.setdefault("COCKPIT_NAME", "operator")

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    wrong: list[str] = []
    for clients, chosen, ways in (
        ("osf", every, "both"),
        ("harbor", every, "both"),
        ("osf,oxfam,wwf,jubilee,harbor,commons", sample(20, seed=int(time.time())), "there"),
    ):
        wrong += asyncio.run(positions(clients, chosen, ways, workers, say))
    say(f"{len(wrong)} went wrong" if wrong else "every run reached the same end")
    return 1 if wrong else 0
