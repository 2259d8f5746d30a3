"""Outages of known length of real nginx servers, beside what the downtime prober says of them.

The truth is taken from this process's clock: just before and just after each act, and from an observer that asks without
pause whether a server is back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from cockpit.events import BudgetAlarm, DowntimeSeen, Event, Trouble
from cockpit.lab.wire import DnsServer
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Downtime
from cockpit.plan.zones import Dns
from cockpit.probes.downtime import DowntimeProber

needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx missing: apt-get install -y nginx-light")

Fault = Literal["closed", "reset", "503", "frozen", "family"]
FAULTS: tuple[Fault, ...] = ("closed", "reset", "503", "frozen", "family")

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; reset_timedout_connection on;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen {listen};
    if (-f {folder}/503) {{ return 503; }}
    if (-f {folder}/reset) {{ return 444; }}
    location / {{ return 200 "here\\n"; }}
  }}
}}
"""


NAME = "www.both.test"


async def both_families(query: dns.message.Message, tcp: bool) -> dns.message.Message:
    """A name server that knows one name, with an address in each family."""
    reply = dns.message.make_response(query)
    addresses = {dns.rdatatype.A: "127.0.0.1", dns.rdatatype.AAAA: "::1"}
    address = addresses.get(query.question[0].rdtype)
    if address is not None:
        reply.answer.append(dns.rrset.from_text(f"{NAME}.", 5, "IN", query.question[0].rdtype, address))
    return reply


class Truth(NamedTuple):
    """How long it was really away: at least, and at most, by what our clock can tell."""

    least: float
    most: float


class Nginx:
    """A real server in one process, on an address of loopback."""

    def __init__(self, folder: Path, address: str, port: int) -> None:
        self.folder, self.address, self.port = folder, address, port
        folder.mkdir()
        listen = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        (folder / "conf").write_text(CONF.format(folder=folder, listen=listen))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["nginx", "-p", str(self.folder), "-c", str(self.folder / "conf"), "-e", str(self.folder / "error.log")]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flag(self, name: str) -> Path:
        return self.folder / name

    def back(self) -> tuple[float, float]:
        """When it was still away for certain, and when it was there again."""
        away = time.monotonic()
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 1) as link:
                link.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if link.recv(100).startswith(b"HTTP/1.1 200"):
                    return away, time.monotonic()
            away = began
            assert began < time.monotonic() + 20


def free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def outage(server: Nginx, fault: Fault, seconds: float) -> Truth:
    """Make it be away for so long. Blocks."""
    before = time.monotonic()
    if fault in {"closed", "family"}:
        server.stop()
        gone = time.monotonic()
        time.sleep(max(0.0, before + seconds - time.monotonic()))
        server.start()
        away, back = server.back()
        return Truth(away - gone, back - before)
    if fault == "frozen":
        server.freeze()
        gone = time.monotonic()
        time.sleep(max(0.0, before + seconds - time.monotonic()))
        ending = time.monotonic()
        server.thaw()
        return Truth(ending - gone, time.monotonic() - before)
    flag = server.flag(fault)
    flag.touch()
    gone = time.monotonic()
    time.sleep(max(0.0, before + seconds - time.monotonic()))
    ending = time.monotonic()
    flag.unlink()
    return Truth(ending - gone, time.monotonic() - before)


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, Nginx]]:
    """A server for each fault, and one that stays while the one of its other address family is away."""
    made: dict[str, Nginx] = {}
    for fault in FAULTS:
        address = "::1" if fault == "family" else "127.0.0.1"
        made[fault] = Nginx(folder / fault, address, free_port(address))
    made["stays"] = Nginx(folder / "stays", "127.0.0.1", made["family"].port)
    try:
        for server in made.values():
            server.start()
        for server in made.values():
            server.back()
        yield made
    finally:
        for server in made.values():
            with contextlib.suppress(ProcessLookupError):
                server.thaw()
            server.stop()


def meter(name: str, server: Nginx) -> Downtime:
    """A frozen server is seen by answers that are late: its meter looks more often, and minds a smaller delay."""
    family: Literal["any", "4", "6"] = {"family": "6", "stays": "4"}.get(name, "any")  # type: ignore[assignment]
    host = NAME if family != "any" else "127.0.0.1"
    every, slow = (0.02, 0.06) if name == "frozen" else (0.05, 0.0)
    return Downtime(
        url=f"http://{host}:{server.port}/", every=every, timeout=0.5, slow=slow, family=family, budget=3600.0
    )


class Measuring:
    """The prober at work on these servers, and the last that it said of each."""

    def __init__(self, made: dict[str, Nginx], resolver: str, budget: float = 0.0) -> None:
        services = tuple(Service(id=name, downtime=meter(name, server)) for name, server in made.items())
        where = Dns(zone="both.test", primary=resolver, resolvers=(resolver,))
        self.plan = Plan(name="outages", hash="", services=services, downtime=budget, dns=where)
        self.prober = DowntimeProber(self.plan, self._take)
        self.seen: dict[str, DowntimeSeen] = {}
        self.alarms: list[BudgetAlarm] = []
        self.troubles: list[str] = []

    def _take(self, event: Event) -> None:
        if isinstance(event, DowntimeSeen):
            self.seen[event.service] = event
        elif isinstance(event, BudgetAlarm):
            self.alarms.append(event)
        elif isinstance(event, Trouble):
            self.troubles.append(event.message)

    def _uppers(self) -> dict[str, float]:
        return {name: seen.upper for name, seen in self.seen.items()}

    async def settled(self, samples: int = 12) -> None:
        """Every meter has seen its service there for a while, and has said so: no stretch of an upper bound is open, which grows
        until a good sample closes it where that sample ended."""
        async with asyncio.timeout(30):
            while set(self.seen) != {"", *(service.id for service in self.plan.services)}:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.2)
            uppers: dict[str, float] = {}
            while any(seen.ongoing for seen in self.seen.values()) or uppers != self._uppers():
                uppers = self._uppers()
                await asyncio.sleep(0.6)


@asynccontextmanager
async def measuring(made: dict[str, Nginx]) -> AsyncIterator[Measuring]:
    port = free_port("127.0.0.1")
    names = DnsServer("names", "127.0.0.1", port, both_families)
    await names.start()
    at_work = Measuring(made, f"127.0.0.1:{port}")
    task = asyncio.create_task(at_work.prober.run())
    try:
        await at_work.settled()
        yield at_work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await names.stop()


class Measured(NamedTuple):
    """One outage: what was so, and what was said of it."""

    fault: str
    truth: Truth
    lower: float
    upper: float
    allowed: float
    missed: int

    @property
    def outside(self) -> bool:
        """Whether the truth is not inside the bounds."""
        return self.lower > self.truth.most or self.upper < self.truth.least

    @property
    def wrong(self) -> str:
        """'' when the truth is inside the bounds and they are not too far apart."""
        if self.outside:
            return f"{self}: the truth is outside"
        return f"{self}: too wide" if self.upper - self.lower > self.allowed else ""

    def __str__(self) -> str:
        return (
            f"{self.fault:7} true {self.truth.least:.3f}–{self.truth.most:.3f} s, said {self.lower:.3f}–{self.upper:.3f} s, "
            f"apart {self.upper - self.lower:.3f} of {self.allowed:.3f} s, {self.missed} missed"
        )


async def measured(at_work: Measuring, made: dict[str, Nginx], seconds: float) -> list[Measured]:
    """An outage of that length of every server at once, and what was said of each. The server that stays comes last, with a
    truth of nothing."""
    before = dict(at_work.seen)
    truths = await asyncio.gather(*(asyncio.to_thread(outage, made[fault], fault, seconds) for fault in FAULTS))
    await at_work.settled()
    found: list[Measured] = []
    for fault, truth in zip((*FAULTS, "stays"), (*truths, Truth(0.0, 0.0)), strict=True):
        spec = at_work.plan.service(fault).downtime
        assert spec is not None
        was, is_now = before[fault], at_work.seen[fault]
        missed = is_now.missed - was.missed
        # What could not be sent is in the upper bound by right.
        allowed = 2 * spec.every + spec.timeout + 3 * spec.every * missed
        found.append(Measured(fault, truth, is_now.lower - was.lower, is_now.upper - was.upper, allowed, missed))
    return found
