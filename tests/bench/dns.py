"""DNS questions a second of our own asker on one core, beside dnsperf on the same core against the same server.

Knot serves a zone of a hundred names over loopback, on the other core. Both ask with EDNS, have a hundred questions outstanding,
and take turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cockpit.probes.dns.ask import Asker

ROUNDS = 8
SECONDS = 2.0
OUTSTANDING = 100
NAMES = 100
TARGET = 0.25
"""Share of dnsperf's rate that ours has to reach."""
ADDRESS = "127.0.0.1"

CONFIG = """
server:
    rundir: "{folder}"
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
zone:
  - domain: bench.test
    file: "{folder}/zone"
    zonefile-load: whole
"""


def _zone() -> str:
    names = "".join(f"n{number} A 192.0.2.{number}\n" for number in range(NAMES))
    return f"$ORIGIN bench.test.\n$TTL 300\n@ SOA ns admin 1 60 60 600 60\n@ NS ns\nns A {ADDRESS}\n{names}"


def _free_port() -> int:
    """A port that nobody has, neither for UDP nor for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
            one.bind((ADDRESS, 0))
            with contextlib.suppress(OSError):
                other.bind(one.getsockname())
                return int(one.getsockname()[1])


@contextlib.contextmanager
def _knot(core: int) -> Iterator[int]:
    """A Knot server on one core; gives its port."""
    with tempfile.TemporaryDirectory(prefix="bench-dns-") as made:
        folder = Path(made)
        port = _free_port()
        (folder / "zone").write_text(_zone())
        (folder / "knot.conf").write_text(CONFIG.format(folder=folder, address=ADDRESS, port=port))
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                ["taskset", "-c", str(core), "knotd", "-c", str(folder / "knot.conf")], stdout=log, stderr=log
            )
        try:
            asyncio.run(_until_it_answers(port, folder / "log"))
            yield port
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)


async def _until_it_answers(port: int, log: Path) -> None:
    async with Asker() as asker:
        for _ in range(100):
            answer = await asker.ask(f"{ADDRESS}:{port}", "n1.bench.test", "A", recurse=False, timeout=0.2)
            if answer.values:
                return
            await asyncio.sleep(0.05)
    raise RuntimeError(f"knotd does not serve: {log.read_text()[-500:]}")


async def _ours(port: int, seconds: float) -> tuple[float, int]:
    """Answers a second, and questions without one."""
    server = f"{ADDRESS}:{port}"
    good = bad = 0
    async with Asker() as asker:
        end = time.perf_counter() + seconds

        async def go_on(first: int) -> None:
            nonlocal good, bad
            number = first
            while time.perf_counter() < end:
                number = (number + 1) % NAMES
                answer = await asker.ask(server, f"n{number}.bench.test", "A", recurse=False, timeout=5.0)
                if answer.values == (f"192.0.2.{number}",):
                    good += 1
                else:
                    bad += 1

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for first in range(OUTSTANDING):
                group.create_task(go_on(first))
        return good / (time.perf_counter() - began), bad


def _dnsperf(port: int, seconds: float, core: int, questions: Path) -> tuple[float, int]:
    """Its answers a second, and the questions that it lost."""
    asked = ["dnsperf", "-s", ADDRESS, "-p", str(port), "-d", str(questions), "-l", str(int(seconds)), "-e", "-W"]
    said = subprocess.run(
        ["taskset", "-c", str(core), *asked, "-T", "1", "-c", "1", "-q", str(OUTSTANDING)],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    ).stdout
    rate = re.search(r"Queries per second:\s+([\d.]+)", said)
    lost = re.search(r"Queries lost:\s+(\d+)", said)
    if rate is None or lost is None:
        raise RuntimeError(f"dnsperf said something else: {said[-500:]}")
    return float(rate[1]), int(lost[1])


def measure(rounds: int = 0) -> bool:
    """Print both rates and their ratio; whether ours is at least a quarter of dnsperf's and every question had its answer."""
    for tool in ("knotd", "dnsperf", "taskset"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed")
            return False
    cores = sorted(os.sched_getaffinity(0))
    ours: list[float] = []
    theirs: list[float] = []
    unanswered = 0
    with _knot(cores[-1]) as port, tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions"
        questions.write_text("".join(f"n{number}.bench.test A\n" for number in range(NAMES)))
        os.sched_setaffinity(0, {cores[0]})
        try:
            for _ in range(rounds or ROUNDS):
                rate, bad = asyncio.run(_ours(port, SECONDS))
                ours.append(rate)
                unanswered += bad
                rate, lost = _dnsperf(port, SECONDS, cores[0], questions)
                theirs.append(rate)
                print(
                    f"ours {ours[-1]:9,.0f} q/s   dnsperf {rate:9,.0f} q/s   {ours[-1] / rate:.2f}   (unanswered {bad}, lost {lost})"
                )
        finally:
            os.sched_setaffinity(0, cores)
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(
        f"median: ours {statistics.median(ours):,.0f} q/s, dnsperf {statistics.median(theirs):,.0f} q/s, ratio {ratio:.2f}"
    )
    print(f"target: at least {TARGET:.2f} on one core, and no question without its answer")
    return ratio >= TARGET and not unanswered
