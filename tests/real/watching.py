"""All probes of a plan at the desk of a rig, and what they told when; and `dig` beside them, all the time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

import msgspec

from cockpit.clock import SystemClock
from cockpit.events import DnsSeen, Event, Record
from cockpit.plan.model import Plan
from cockpit.plan.zones import RecordSet
from cockpit.probes.context import Context, Said
from cockpit.probes.probes import Probes
from cockpit.reduce import fold
from cockpit.state import RunState
from tests.real.outside import Dug, dig, state_of
from tests.real.rig import Rig


class Told(msgspec.Struct, frozen=True):
    """An event and the monotonic second of it."""

    at: float
    event: Event


class Watching:
    """The probes of a plan while this is open. What they tell is kept with its time, and folded into a state."""

    def __init__(self, plan: Plan, rig: Rig, secrets: Mapping[str, str] | None = None) -> None:
        self.told: list[Told] = []
        self._rig = rig
        self._records: list[Record] = []
        self._news = asyncio.Event()
        self._plan = plan
        self.state = begun(plan)
        self._context = Context(plan, self._take, SystemClock(), self._on_host, secrets)

    async def __aenter__(self) -> Watching:
        self._task = asyncio.create_task(Probes(self._context).run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _take(self, event: Event) -> None:
        self.told.append(Told(time.monotonic(), event))
        record = Record(seq=self.state.seq + 1, utc=time.time(), mono=0.0, actor="probe", event=event)  # type: ignore[arg-type]
        self.state = fold([record], self.state)
        self._news.set()

    async def _on_host(self, host: str, script: str, timeout: float) -> Said:
        """As over SSH, but by the rig's own door."""
        real = self._rig.hosts[host]

        def run() -> Said:
            try:
                return Said(0, real.run(script))
            except RuntimeError as error:
                return Said(1, "", str(error))

        return await asyncio.to_thread(run)

    async def until(self, holds: Callable[[RunState], object], seconds: float = 20.0) -> None:
        """Wait until the state says so; raises TimeoutError with the last of what was told."""
        try:
            async with asyncio.timeout(seconds):
                while not holds(self.state):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            last = "\n".join(str(told.event)[:400] for told in self.told[-12:])
            raise TimeoutError(f"not within {seconds:g} s; the last events:\n{last}") from None

    def dns(self, vantage: str) -> list[tuple[float, DnsSeen]]:
        """What was told of a vantage, with its times."""
        return [
            (told.at, told.event)
            for told in self.told
            if isinstance(told.event, DnsSeen) and told.event.vantage == vantage
        ]


def begun(plan: Plan) -> RunState:
    """The state at the begin of a run of this plan."""
    from cockpit.events import RunStarted

    return fold([Record(seq=1, utc=time.time(), mono=0.0, actor="test", event=RunStarted(run="real", plan=plan))])


class Sample(msgspec.Struct, frozen=True):
    """What `dig` said between two moments (monotonic seconds), and the state that it is."""

    began: float
    ended: float
    state: str
    dug: Dug


class Digging:
    """`dig` in a thread of its own, round after round at every vantage, for one record set, while this is open."""

    def __init__(self, rig: Rig, record: RecordSet, vantages: Mapping[str, bool], pause: float = 0.25) -> None:
        """`vantages` are servers, and whether each should be authoritative."""
        self.samples: dict[str, list[Sample]] = {server: [] for server in vantages}
        self._rig, self._record, self._vantages, self._pause = rig, record, vantages, pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(server,)) for server in vantages]

    def _run(self, server: str) -> None:
        record, authority = self._record, self._vantages[server]
        options = ("+norecurse",) if authority else ()
        with self._rig.standing():
            while not self._stop.is_set():
                began = time.monotonic()
                dug = dig(server, record.name, record.type, *options)
                state = state_of(dug, record.old, record.new, authority=authority)
                self.samples[server].append(Sample(began, time.monotonic(), state, dug))
                self._stop.wait(self._pause)

    def __enter__(self) -> Digging:
        for thread in self._threads:
            thread.start()
        # What is told before the first answer nothing could bear out.
        answered = zip(self._threads, self.samples.values(), strict=True)
        for thread, samples in answered:
            while not samples and thread.is_alive():
                time.sleep(0.02)
        return self

    async def once_more(self) -> None:
        """Until every vantage was asked again from now on."""
        now = time.monotonic()
        while not all(samples and samples[-1].began >= now for samples in self.samples.values()):
            await asyncio.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def contradictions(self, watching: Watching, slack: float = 1.5) -> list[str]:
        """Each event that no sample of about the same moment bears out, and each lasting state of a vantage that no event told."""
        found: list[str] = []
        for server, samples in self.samples.items():
            events = [
                (at, event)
                for at, event in watching.dns(server)
                if event.name == self._record.name and event.type == self._record.type
            ]
            for at, event in events:
                # The last answer before it and the first after it are of its moment too, when a busy machine asks seldom.
                before = next((n for n, sample in reversed([*enumerate(samples)]) if sample.ended <= at), 0)
                after = next((n for n, sample in enumerate(samples) if sample.began >= at), len(samples) - 1)
                near = {
                    sample.state
                    for n, sample in enumerate(samples)
                    if before <= n <= after or (sample.began <= at + slack and sample.ended >= at - slack)
                }
                if at <= samples[-1].ended and event.state not in near:
                    found.append(f"{server} was told {event.state} at {at:.2f}, when dig saw {sorted(near)}")
            for first, last in _stretches(samples):
                if last.ended - first.began < 2 * slack + 1:
                    continue
                told = [event.state for at, event in events if at <= last.began]
                if not told or told[-1] != first.state:
                    found.append(
                        f"dig saw {first.state} at {server} for {last.ended - first.began:.1f} s, and the events say {told[-3:]}"
                    )
        return found


def _stretches(samples: list[Sample]) -> list[tuple[Sample, Sample]]:
    """The first and last sample of each run of one state."""
    found: list[tuple[Sample, Sample]] = []
    for sample in samples:
        if found and found[-1][1].state == sample.state:
            found[-1] = (found[-1][0], sample)
        else:
            found.append((sample, sample))
    return found
