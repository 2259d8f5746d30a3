"""A SIGKILL of the driver's screen at random moments of a real cutover on the embedded lab, with a watcher attached that may drive.

The driver is `cockpit attach` on a terminal of its own, driven by its keys; the watcher is a second connection with the token. When
the driver is dead, nothing new may start before somebody holds the wheel again; the watcher claims it and goes on. The run must
reach the same end as one whose driver lived: the same states, the same writer, the same zone, each script once on its host.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import DURABLE, Record, StepIntended, StepMoved, WheelLost, WheelTaken
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from cockpit.reduce import reduce
from cockpit.state import BUSY, RunState
from tests.soak.kill import Lab, Operator, Wrong, judge, running, shape, there
from tests.terminal import Terminal

PATIENCE = 90.0


class Driver:
    """`cockpit attach` as a person has it: a terminal, keys, and a thread that reads what it paints."""

    def __init__(self, run: RunFolder) -> None:
        env = dict(os.environ, COCKPIT_NAME="driver", COCKPIT_RUNS=str(run.path.parent))
        self._screen = Terminal.cockpit("attach", str(run.path), env=env, size=(100, 30))
        self._over = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                self._screen.read(0.2)
            except OSError:
                return

    def press(self, keys: str) -> None:
        """Type."""
        self._screen.press(keys)

    def kill(self) -> None:
        """SIGKILL of the screen."""
        self._screen.kill()
        self._over.set()
        self._reading.join()

    @property
    def alive(self) -> bool:
        """Whether the screen is still there."""
        return self._screen.process.poll() is None


class Watcher(Operator):
    """The second person: their own connection, which claims the wheel when it is lost and drives on from there."""

    def __init__(self, run: RunFolder, lab: Lab) -> None:
        super().__init__(run, lab, 0)
        self.heard = 0
        """Durable events so far."""
        self.on_event: Callable[[Record], None] = lambda record: None

    async def _follow(self) -> None:
        assert self._source is not None
        try:
            async for batch in self._source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                    continue
                for record in batch:
                    self.state = reduce(self.state, record)
                    self.on_event(record)
        except ConnectionError as error:
            self.trouble = str(error)

    async def conduct(self) -> None:
        """Start the conductor; nobody is attached yet."""
        log = (self.run.path / "conductor.log").open("ab")
        words = ["--folder", str(self.run.path), "--plan", str(self.lab.plan_path)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cockpit.conductor", *words, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
        )
        log.close()

    def attach(self) -> None:
        """Attach, with the token: the wheel is the driver's by now."""
        from cockpit.conductor.client import LiveSource

        self._source = LiveSource(self.run.socket, "watcher", self.run.token())
        self._following = asyncio.create_task(self._follow())

    async def claim(self) -> None:
        """Claim the wheel once it is lost. Raises Wrong when it is not to be had."""
        assert self._source is not None
        ends = time.monotonic() + PATIENCE
        while self.state.driver:
            if time.monotonic() > ends:
                raise Wrong("the wheel was never lost")
            await asyncio.sleep(0.01)
        refusal = await self._source.send(it.Claim())
        if refusal:
            raise Wrong(f"the watcher cannot claim the wheel: {refusal}")


async def drive(screen: Driver, watcher: Watcher, dead: asyncio.Event) -> None:
    """What the driver does until they die or everything is over: on to the next gate, and open it by its name."""
    ends = time.monotonic() + PATIENCE
    while not dead.is_set():
        state = watcher.state
        if state.services and all(rules.complete(state, id) for id in state.services):
            return
        if time.monotonic() > ends:
            raise Wrong(f"the driver came to no end: {shape(state, 'there')}")
        quiet = not any(
            service.advancing or any(step.state in BUSY for step in service.steps.values())
            for service in state.services.values()
        )
        if state.driver == "driver" and quiet and screen.alive:
            gate = rules.next_gate(state)
            found = rules.gate_readiness(state, gate.id, time.time()) if gate is not None else None
            if gate is not None and found is not None and found.ok:
                # The name goes in as a person types it: letters, then Enter.
                screen.press("g")
                await asyncio.sleep(0.3)
                screen.press(gate.typed)
                await asyncio.sleep(0.2)
                screen.press("\r")
            else:
                screen.press("N")
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.05)


async def night(lab: Lab, folder: Path, die_at: int, late: float, expect: dict[str, dict[str, str]]) -> int:
    """One run whose driver dies `late` seconds after durable event `die_at` (0 never). Returns how many durable events there were
    when the last step was ticked. Raises Wrong."""
    folder.mkdir(parents=True)
    lab.forget()
    watcher = Watcher(RunFolder(folder), lab)
    await watcher.conduct()
    screen: Driver | None = None
    dead, due = asyncio.Event(), asyncio.Event()
    counted = 0

    def count(record: Record) -> None:
        nonlocal counted
        counted += isinstance(record.event, DURABLE)
        if die_at and counted >= die_at:
            due.set()

    watcher.on_event = count
    try:
        from cockpit.journal.folder import answers

        ends = time.monotonic() + PATIENCE
        while not answers(watcher.run.socket):
            if time.monotonic() > ends:
                raise Wrong("the conductor did not come up")
            await asyncio.sleep(0.05)
        screen = Driver(watcher.run)
        while not any(isinstance(record.event, WheelTaken) for record in records(watcher.run.journal)):
            if time.monotonic() > ends:
                raise Wrong("the driver's screen did not take the wheel")
            await asyncio.sleep(0.1)
        watcher.attach()
        driving = asyncio.create_task(drive(screen, watcher, dead))
        if die_at:
            dying = asyncio.create_task(due.wait())
            await asyncio.wait({driving, dying}, return_when=asyncio.FIRST_COMPLETED)
            dying.cancel()
            await asyncio.sleep(late)
            dead.set()
            await asyncio.to_thread(screen.kill)
            await driving
            await watcher.claim()
            await there(watcher)
        else:
            await driving
        expect.setdefault("there", shape(watcher.state, "there"))
        await judge(watcher, lab, expect["there"], "new")
        if die_at:
            _nothing_began_without_a_driver(list(records(watcher.run.journal)))
    finally:
        dead.set()
        if screen is not None and screen.alive:
            await asyncio.to_thread(screen.kill)
        await watcher.stop()
    return counted


def _nothing_began_without_a_driver(history: list[Record]) -> None:
    """Between a wheel that was lost and the next one who takes it, no step begins. Raises Wrong."""
    driver, lost = "", False
    for record in history:
        match record.event:
            case WheelTaken(driver=name):
                driver = name
            case WheelLost():
                driver, lost = "", True
            case StepIntended(ref=ref) if not driver and _begun_before(history, record) is False:
                raise Wrong(f"{ref} began at {record.seq} while nobody drove")
            case _:
                pass
    if not lost or driver != "watcher":
        raise Wrong(f"the wheel was {'lost' if lost else 'never lost'}, and {driver or 'nobody'} drives at the end")


def _begun_before(history: list[Record], intended: Record) -> bool:
    """Whether the step of an intent was under way when the wheel was lost: it goes on to its end."""
    event = intended.event
    assert isinstance(event, StepIntended)
    lost = max(r.seq for r in history if isinstance(r.event, WheelLost) and r.seq < intended.seq)
    moves = [
        r.event.state for r in history if isinstance(r.event, StepMoved) and r.event.ref == event.ref and r.seq < lost
    ]
    return bool(moves) and moves[-1] in BUSY


async def moments(clients: str, count: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """Kill the driver at `count` random moments. Returns the sentences of what went wrong."""
    wrong: list[str] = []
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="soak") as root:
        base = Path(root)
        expect: dict[str, dict[str, str]] = {}
        async with running(base / "lab0", clients) as lab:
            length = await night(lab, base / "reference", 0, 0.0, expect)
        say(f"{clients}: {length} durable events while the driver lived; {count} moments, seed {seed}")
        # The first events are the driver's own coming, and behind the last nothing is left to do.
        for number, die_at in enumerate(sorted(chance.sample(range(4, max(length - 2, count + 4)), count)), 1):
            late = chance.uniform(0.0, 0.3)
            async with running(base / f"lab{number}", clients) as lab:
                what = f"{number} of {count}: killed {late:.2f} s after durable event {die_at}"
                try:
                    await night(lab, base / f"run-{number}", die_at, late, expect)
                    say(f"{what}: claimed, and the same end")
                except (Wrong, TimeoutError, OSError) as error:
                    wrong.append(f"{what}: {error}")
                    say(wrong[-1])
    return wrong


def run(count: int, seed: int) -> int:
    """So many moments of one client's cutover. 0 when every run ended as it would have."""

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    wrong = asyncio.run(moments("osf", count, seed or int(time.time()), say))
    say(f"{len(wrong)} went wrong" if wrong else "every run ended as it would have")
    return 1 if wrong else 0
