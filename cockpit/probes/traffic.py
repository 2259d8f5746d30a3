"""Requests per second on old and on new, from their access logs: real clients apart from our own probes.

A log is read once, whatever number of services it is of. What is counted, and how far, goes into the same event, so that a run
that is resumed goes on with the next line."""

from __future__ import annotations

import re
import socket
from collections import deque
from collections.abc import Callable, Iterable

from cockpit.clock import Clock
from cockpit.events import Event, TrafficSeen, Trouble
from cockpit.hosts.hearing import Hearer
from cockpit.plan.accesslog import Hit, Reader, reader
from cockpit.plan.base import Side
from cockpit.plan.model import Log, Plan
from cockpit.plan.watched import Traffic
from cockpit.state import RunState, TrafficView
from cockpit.text import harmless

AGENT = "cockpit-probe"
"""What our own requests call themselves."""

WINDOW = 5.0
"""Seconds over which a rate is taken."""

EVERY = 1.0
AGAIN = 5.0
"""Seconds between two events of a service on a host when something changes, and when nothing does."""

A_SECOND = 40.0
"""Events a second at most, of all services together."""

SILENT = 5.0
"""Seconds without a word of a host after which its figures are not told any more: they would be a guess."""

EXAMPLE = 300
LONGEST = 16384
"""Bytes of a line that are looked at."""

_UNIT_HEAD = re.compile(r"\S+ \S+ [^:\s]+: ")
"""What journald has before a message."""


class Counter:
    """The requests of one service on one host, of all its logs there."""

    def __init__(self, service: str, host: str, side: Side, before: TrafficView | None) -> None:
        self.service, self.host, self.side = service, host, side
        self.total = before.total if before is not None else 0
        self.last = before.last if before is not None else 0.0
        self.unread = before.unread if before is not None else 0
        self.lost = before.lost if before is not None else 0
        self.example = before.example if before is not None else ""
        self.told_until = before.utc if before is not None else 0.0
        """UTC up to which an earlier run counted."""
        self.earlier = before.marks if before is not None else {}
        self.sources: list[Source] = []
        self._recent: deque[tuple[float, int, int]] = deque()
        self._began = 0.0
        self._told: tuple[object, ...] = ()
        self._told_at = float("-inf")

    def count(self, clients: int, probes: int, at: float) -> None:
        """So many requests came at an instant."""
        if clients or probes:
            self._recent.append((at, clients, probes))

    def news(self, at: float, pause: float) -> TrafficSeen | None:
        """What is worth telling at an instant of our clock."""
        if at - self._told_at < pause or not self.sources or not all(one.fresh(at) for one in self.sources):
            return None
        self._began = self._began or at
        while self._recent and self._recent[0][0] < at - WINDOW:
            self._recent.popleft()
        over = min(WINDOW, max(EVERY, at - self._began))
        rate = round(sum(clients for _, clients, _ in self._recent) / over, 2)
        probes = round(sum(probes for _, _, probes in self._recent) / over, 2)
        trouble = next((one.trouble for one in self.sources if one.trouble), "")
        now = (rate, self.total, self.unread, self.lost, trouble)
        if now == self._told and at - self._told_at < AGAIN:
            return None
        self._told, self._told_at = now, at
        return TrafficSeen(
            service=self.service,
            host=self.host,
            side=self.side,
            rate=rate,
            probes=probes,
            total=self.total,
            last=self.last,
            unread=self.unread,
            lost=self.lost,
            example=self.example,
            trouble=trouble,
            marks={one.log.name: one.mark() for one in self.sources},
        )


class Listener:
    """One service's share of a log."""

    def __init__(self, spec: Traffic, counter: Counter, skip: int) -> None:
        self.counter = counter
        self.format = spec.format
        self.skip = skip
        """Lines that it counted before, and another service of the same log had not."""
        self._match = re.compile(spec.match) if spec.match else None

    def wants(self, line: str) -> bool:
        """Whether the plan counts this line for the service."""
        return self._match is None or self._match.search(line) is not None


class Source:
    """One log, and who counts what in it."""

    def __init__(
        self, log: Log, clock: Clock, emit: Callable[[Event], None], ours: Callable[[], frozenset[str]]
    ) -> None:
        self.log = log
        self.hearer = Hearer(log, self)
        self._clock, self._emit, self._ours = clock, emit, ours
        self._listeners: list[Listener] = []
        self._readers: dict[str, Reader] = {}
        self._read = 0
        self._beat = float("-inf")
        self._catching_up = False

    def begin(self, wanted: Iterable[tuple[Traffic, Counter]]) -> None:
        """Go on where the counters of an earlier run had come to, the one that is furthest back first."""
        pairs = [(spec, counter, _mark(counter.earlier.get(self.log.name, ""))) for spec, counter in wanted]
        marks = [mark for _, _, mark in pairs if mark[1]]
        self._read, word = min(marks, default=(0, ""))
        self.hearer = Hearer(self.log, self, word)
        self._catching_up = bool(word)
        for spec, counter, (read, known) in pairs:
            self._listeners.append(Listener(spec, counter, read - self._read if known else 0))
            self._readers[spec.format] = reader(spec.format)
            if self not in counter.sources:
                counter.sources.append(self)

    def fresh(self, at: float) -> bool:
        """Whether everything that was written until lately has been counted."""
        return at - self._beat <= SILENT

    @property
    def trouble(self) -> str:
        """Why it is not counted now, '' while it is."""
        why = self.hearer.trouble or ("there is no such file yet" if self.hearer.missing else "")
        return f"{self.log.name}: {why}" if why else ""

    def mark(self) -> str:
        """How far it is counted, for a later run."""
        return f"{self._read} {self.hearer.word()}"

    def beat(self) -> None:
        self._beat = self._clock.monotonic()
        self._catching_up = self._catching_up and bool(self.hearer.trouble)

    def lost(self, size: int) -> None:
        for counter in {listener.counter for listener in self._listeners}:
            counter.lost += size
        where = f"{self.log.host}:{self.log.name}"
        self._emit(
            Trouble(
                message=f"{where}: the host has lost at least {size} bytes, whose requests are not counted",
                where=self.log.host,
            )
        )

    def hear(self, lines: list[bytes]) -> None:
        at, utc, ours = self._clock.monotonic(), self._clock.utc(), self._ours()
        found: dict[Counter, list[int]] = {}
        for raw in lines:
            text = raw[:LONGEST].decode("utf-8", "backslashreplace").rstrip("\r")
            if self.log.unit:
                text = unit_line(text)
            read: dict[str, Hit | None] = {}
            for listener in self._listeners:
                if listener.skip:
                    listener.skip -= 1
                    continue
                if not listener.wants(text):
                    continue
                if listener.format not in read:
                    read[listener.format] = self._readers[listener.format](text)
                hit, counter = read[listener.format], listener.counter
                if hit is None:
                    counter.unread += 1
                    counter.example = harmless(text, EXAMPLE)
                elif is_ours(hit, ours):
                    found.setdefault(counter, [0, 0])[1] += 1
                else:
                    found.setdefault(counter, [0, 0])[0] += 1
                    counter.total += 1
                    counter.last = max(counter.last, self._when(hit, counter, utc))
        self._read += len(lines)
        for counter, (clients, probes) in found.items():
            counter.count(clients, probes, at)

    def _when(self, hit: Hit, counter: Counter, utc: float) -> float:
        """When a request came: as we heard it, for the host's clock may be wrong. What was written while nobody listened has
        only the log's word, which is taken for what is possible."""
        if not self._catching_up or not hit.utc:
            return utc
        return min(max(hit.utc, counter.told_until), utc)


def unit_line(text: str) -> str:
    """A line of a unit without what journald puts before it."""
    return _UNIT_HEAD.sub("", text, count=1)


def is_ours(hit: Hit, ours: frozenset[str]) -> bool:
    """Whether a request is a probe of ours: by what it calls itself; where the log does not say that, by its address."""
    return AGENT in hit.agent if hit.agent else hit.address in ours


class Traffics:
    """Every access log of a plan. `hearers` are what has to be followed on the hosts; `run` tells until it is cancelled."""

    def __init__(self, plan: Plan, emit: Callable[[Event], None], clock: Clock, before: RunState | None = None) -> None:
        self._emit, self._clock = emit, clock
        self._addresses = tuple(host.address for host in plan.hosts.values() if host.address)
        self._ours: frozenset[str] | None = None
        state = before or RunState()
        self._counters: dict[tuple[str, str], Counter] = {}
        wanted: dict[Log, list[tuple[Traffic, Counter]]] = {}
        for service in plan.services:
            seen = state.services.get(service.id)
            for spec in service.traffic if service.disposition != "drop" else ():
                side: Side = "new" if plan.hosts[spec.host].role == "new" else "old"
                key = (service.id, spec.host)
                if key not in self._counters:
                    earlier = seen.traffic.get(spec.host) if seen is not None else None
                    self._counters[key] = Counter(service.id, spec.host, side, earlier)
                log = Log(host=spec.host, file=spec.file, unit=spec.unit)
                wanted.setdefault(log, []).append((spec, self._counters[key]))
        self._sources: list[Source] = []
        for log, pairs in wanted.items():
            source = Source(log, clock, emit, self._our_addresses)
            source.begin(pairs)
            self._sources.append(source)
        self._pause = max(EVERY, len(self._counters) / A_SECOND)

    @property
    def hearers(self) -> tuple[Hearer, ...]:
        """One for each log."""
        return tuple(source.hearer for source in self._sources)

    async def run(self) -> None:
        """Tell until cancelled."""
        while self._counters:
            self.tell()
            await self._clock.sleep(EVERY / 4)

    def tell(self) -> None:
        """Tell what is new."""
        at = self._clock.monotonic()
        for counter in self._counters.values():
            event = counter.news(at, self._pause)
            if event is not None:
                self._emit(event)

    def _our_addresses(self) -> frozenset[str]:
        if self._ours is None:
            self._ours = frozenset(filter(None, map(source_address, self._addresses)))
        return self._ours


def source_address(address: str) -> str:
    """The address of this machine from which it reaches another; '' when it cannot. Sends nothing."""
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _mark(text: str) -> tuple[int, str]:
    read, _, word = text.partition(" ")
    return (int(read), word) if read.isdecimal() and word else (0, "")
