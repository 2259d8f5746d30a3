"""A small world for the engine's tests: a journal in memory, and hands over a model whose truth the tests can see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from cockpit import intents as it
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import Event, Record, RunResumed, RunStarted, WheelTaken
from cockpit.plan.model import Evidence, Gate, Need, Plan, Service, Shell, Step
from cockpit.reduce import fold
from cockpit.state import RunState

RECORDS = msgspec.json.Decoder(Record)


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def utc(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Dead(Exception):
    """The process was killed at this journal position."""


class MemoryJournal:
    """Keeps encoded records. After `limit` of them it takes no more and never answers: the moment of a SIGKILL."""

    def __init__(self, clock: Ticks, lines: list[bytes] | None = None, limit: int | None = None) -> None:
        self.lines = list(lines or [])
        self.limit = limit
        self.full = False
        self.dead = asyncio.Event()
        self.observers: list[Callable[[Record], None]] = []
        self._clock = clock

    def records(self, after: int = 0) -> list[Record]:
        return [RECORDS.decode(line) for line in self.lines[after:]]

    def _append(self, event: Event, actor: str) -> int:
        if self.full:
            raise OSError("No space left on device")
        if self.limit is not None and len(self.lines) >= self.limit:
            self.dead.set()
            return -1
        record = Record(
            seq=len(self.lines) + 1,
            utc=self._clock.utc(),
            mono=self._clock.monotonic(),
            actor=actor,
            event=event,  # type: ignore[arg-type]
        )
        self.lines.append(msgspec.json.encode(record))
        for observer in self.observers:
            observer(record)
        if self.limit is not None and len(self.lines) >= self.limit:
            self.dead.set()
        return record.seq

    async def write(self, event: Event, actor: str) -> int:
        await asyncio.sleep(0)
        seq = self._append(event, actor)
        if self.dead.is_set():
            await asyncio.Event().wait()
        return seq

    @property
    def head(self) -> str:
        return f"{len(self.lines):032x}"

    def post(self, event: Event, actor: str) -> None:
        self._append(event, actor)


class World:
    """What is really so on the hosts: which steps hold, who accepts writes, which jobs ran with which outcome."""

    def __init__(self) -> None:
        self.holds: set[str] = set()
        self.writers: dict[str, set[str]] = {}
        self.jobs: dict[str, Outcome] = {}
        self.effects: Counter[str] = Counter()
        self.failing: dict[tuple[str, str], str] = {}
        """(ref, op) → the verdict it gives instead of what is true."""
        self.captures: dict[str, dict[str, str]] = {}
        """What a capture finds instead of what is true."""
        self.order: list[tuple[str, str]] = []
        self.two_writers: list[str] = []
        self.trace: list[tuple[str, str, RunState]] = []


class ModelHands:
    """Acts on a `World`, as the engine sees it through its port."""

    def __init__(self, world: World, state: Callable[[], RunState]) -> None:
        self.world = world
        self._state = state

    async def act(self, call: Call, say: Say) -> Outcome:
        await asyncio.sleep(0)
        world, ref, op = self.world, call.step.ref, call.op
        forced = world.failing.get((ref, op), "")
        if forced == "waits":
            await asyncio.Event().wait()
        if forced == "raises":
            raise ConnectionResetError("the link was cut")
        if op in {"apply", "undo"}:
            return self._change(call, forced)
        if forced:
            return Outcome(verdict=forced, detail="as the test has it")  # type: ignore[arg-type]
        here = ref in world.holds
        match op:
            case "probe" | "verify":
                return Outcome(verdict="ok" if here else "no")
            case "capture":
                found = world.captures.get(ref, {"before": "held" if here else "absent"})
                return Outcome(verdict="ok", captured=found)
            case _:
                return Outcome(verdict="no" if here else "ok")

    def _change(self, call: Call, forced: str) -> Outcome:
        world, ref = self.world, call.step.ref
        if call.job in world.jobs:
            return world.jobs[call.job]
        world.trace.append((call.op, ref, self._state()))
        if forced in {"failed", "no"}:
            outcome = Outcome(verdict="failed", exit=1)
        else:
            self._take_effect(call)
            # An `unknown` took effect, and the reply was lost.
            outcome = Outcome(verdict="ok", exit=0)
        world.jobs[call.job] = outcome
        return Outcome(verdict="unknown") if forced == "unknown" else outcome

    def _take_effect(self, call: Call) -> None:
        world, step = self.world, call.step
        sides = world.writers.setdefault(step.service, {"old"})
        opens, closes = (step.opens, step.closes) if call.op == "apply" else (step.closes, step.opens)
        sides.discard(closes)
        if opens:
            sides.add(opens)
        if {"old", "new"} <= sides:
            world.two_writers.append(step.ref)
        world.effects[f"{call.op} {step.ref}"] += 1
        world.order.append((call.op, step.ref))
        if call.op == "apply":
            world.holds.add(step.ref)
        else:
            world.holds.discard(step.ref)

    async def recall(self, call: Call, say: Say) -> Outcome:
        await asyncio.sleep(0)
        if self.world.failing.get((call.step.ref, "recall")):
            return Outcome(verdict="unknown", detail="the host cannot be reached")
        return self.world.jobs.get(call.job, Outcome(verdict="nothing"))


def small_plan(services: int = 2, loose: bool = False) -> Plan:
    """Two services of five steps: a copy, a freeze that closes old, a sync, a switch that opens new, a check.

    A `loose` plan orders them by the first step alone, so that only the engine's own rules keep the writers apart."""
    built: list[Service] = []
    for index in range(services):
        name = f"s{index}"
        ids = [("copy", "copy"), ("freeze", "freeze"), ("sync", "sync"), ("switch", "switch"), ("check", "verify")]
        steps: list[Step] = []
        for position, (id, phase) in enumerate(ids):
            steps.append(
                Step(
                    ref=f"{name}/{id}",
                    id=id,
                    service=name,
                    phase=phase,
                    kind="shell",
                    action=Shell(host="old"),
                    host="old",
                    needs=_needs(index, position, ids, loose),
                    closes="old" if id == "freeze" else "",
                    opens="new" if id == "switch" else "",
                    idempotent=id != "sync",
                    point_of_no_return="soft" if id == "switch" else "none",
                )
            )
        built.append(Service(id=name, wave=1 + index, steps=tuple(steps)))
    gate = Gate(
        id="pilot-good",
        before=tuple(step.ref for service in built[1:] for step in service.steps),
        after=tuple(step.ref for step in built[0].steps),
        target="pilot-good",
        evidence=(Evidence(service="s0", kind="writer", want="new"),),
    )
    return Plan(name="small", hash="0" * 64, services=tuple(built), gates=(gate,))


def _needs(index: int, position: int, ids: list[tuple[str, str]], loose: bool) -> tuple[Need, ...]:
    """The step before; loosely the first one, and across services the same copy."""
    if not position:
        return ()
    own = Need(step=f"s{index}/{ids[0 if loose else position - 1][0]}")
    across = Need(step=f"s{index - 1}/sync")
    return (own, across) if loose and index and ids[position][0] == "sync" else (own,)


class Rig:
    """An engine over a world and a journal, which can be killed and started again."""

    kind: type[ModelHands] = ModelHands

    def __init__(self, plan: Plan, world: World | None = None, clock: Ticks | None = None) -> None:
        self.plan = plan
        self.world = world or World()
        self.clock = clock or Ticks()
        self.journal = MemoryJournal(self.clock)
        self._task: asyncio.Task[None] | None = None

    async def start(self, limit: int | None = None, driver: str = "tom") -> None:
        """Begin a run, or resume it after `kill`."""
        lines = self.journal.lines
        self.journal = MemoryJournal(self.clock, lines, limit)
        self.ledger = Ledger(self.journal, fold(self.journal.records()))
        self.journal.observers.append(self.ledger.observe)
        hands = self.kind(self.world, lambda: self.ledger.state)
        self.engine = Engine(self.ledger, hands, self.clock)
        if lines:
            await self._write(RunResumed(pid=1, after=len(lines)))
        else:
            await self._write(RunStarted(run="r", plan=self.plan))
        self._task = asyncio.create_task(self.engine.run())
        if driver:
            await self._write(WheelTaken(driver=driver))

    async def _write(self, event: Event) -> None:
        writing = asyncio.create_task(self.ledger.write(event, "test"))
        dying = asyncio.create_task(self.journal.dead.wait())
        await asyncio.wait({writing, dying}, return_when=asyncio.FIRST_COMPLETED)
        for task in (writing, dying):
            task.cancel()
        await asyncio.gather(writing, dying, return_exceptions=True)

    async def settle(self, rounds: int = 4000) -> bool:
        """Let it work until nothing moves any more. False when the journal's end was reached."""
        still = 0
        for _ in range(rounds):
            before = len(self.journal.lines)
            await asyncio.sleep(0)
            if self.journal.dead.is_set():
                return False
            still = still + 1 if len(self.journal.lines) == before else 0
            if still > 40:
                return True
        raise AssertionError("the engine does not come to rest")

    async def submit(self, intent: object) -> str | None:
        """The refusal, '' when it was taken, None when the process was killed meanwhile."""
        sending = asyncio.create_task(self.engine.submit(intent, "tom"))  # type: ignore[arg-type]
        dying = asyncio.create_task(self.journal.dead.wait())
        done, _ = await asyncio.wait({sending, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if sending in done:
            return sending.result()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return None

    async def kill(self) -> None:
        """SIGKILL: nothing of the process goes on; the journal and the world stay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def state(self) -> RunState:
        return self.ledger.state


async def rig_at(**failing: str) -> Rig:
    """A run of the small plan; `STEP__OP=VERDICT` is what comes of an op in the first service."""
    rig = Rig(small_plan())
    for key, verdict in failing.items():
        step, _, op = key.partition("__")
        rig.world.failing[(f"s0/{step}", op)] = verdict
    await rig.start()
    return rig


async def run_all(rig: Rig, service: str = "s0") -> None:
    """Let a service run as far as it may."""
    assert await rig.submit(it.RunToGate(service=service)) == ""
    await rig.settle()
