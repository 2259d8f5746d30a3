"""Probes over HTTP beside ab and hey on the same nginx: a fresh connection for each request, 32 at a time, one core for the client
and the other for the server. And where our time goes, from a profile."""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cockpit.plan.watched import Expect
from cockpit.probes.http import HttpProber
from tests.probes.authority import Authority

ROUNDS = 3
REQUESTS = {"http": 3000, "https": 1500}
AT_ONCE = 32
NAME = "bench.test"
PAGE = b"<html><title>KARL</title>" + b"<p>line</p>\n" * 80 + b"</html>\n"
HERE = "127.0.0.1"

CONF = """
worker_processes 1;
{affinity}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  server {{
    listen {here}:{plain};
    listen {here}:{tls} ssl;
    server_name {name};
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_session_cache off;
    ssl_session_tickets off;
    root {folder}/site;
  }}
}}
"""

KINDS = (
    ("TLS", r"sslproto|/ssl\.py|do_handshake|_ssl\."),
    ("certificate", r"certificates\.py|cryptography"),
    ("connection set-up", r"create_connection|sock_connect|_ensure_resolved|_socket\.socket|socket\.py|getpeername|setsockopt|connect_tcp|connection_made|connection_lost|_call_connection_lost|_SelectorTransport|method 'connect'|method 'close'|abort|_force_close"),
    ("parsing", r"/h11/|/h2/|/hpack/|http11\.py|content\.py|text\.py|/re/|'re\.Pattern'|httpx|urllib"),
    ("judging and facts", r"probes/http/(facts|judge|seen|prober)|sha256|msgspec|conditions"),
    ("reading and writing", r"method 'recv|method 'send|pin\.py|_read_ready|selector_events"),
    ("waiting in the kernel", r"'poll'|'select\.epoll'"),
    ("scheduling", r"asyncio|selectors|contextvars|_asyncio|_contextvars|timeouts|'select|Future|create_future"),
)  # fmt: skip
"""What a function's place or name says it does; the first that fits."""


class Rate(NamedTuple):
    """Requests a second, and processor seconds of the client for each thousand."""

    rate: float
    cost: float


def measure(rounds: int = 0) -> bool:
    """Print rates beside the peers', their share, and a profile's split. Whether every request was answered well."""
    if not all(map(shutil.which, ("nginx", "ab"))):
        print("nginx and ab (apache2-utils) are needed")
        return False
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, _nginx(Path(folder), cores) as (ports, ca):
        os.sched_setaffinity(0, {cores[0]})
        try:
            good = [_beside(scheme, ports[scheme], ca, rounds or ROUNDS) for scheme in ("http", "https")]
        finally:
            os.sched_setaffinity(0, set(cores))
    return all(good)


def _beside(scheme: str, port: int, ca: str, rounds: int) -> bool:
    url, count = f"{scheme}://{NAME}:{port}/", REQUESTS[scheme]
    found: dict[str, list[Rate]] = defaultdict(list)
    failed = 0
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        failed += asyncio.run(_ask(url, ca, count))
        took, cpu = time.perf_counter() - began, time.process_time() - used
        found["cockpit"].append(Rate(count / took, cpu / count * 1000))
        for peer in ("ab", "hey"):
            if shutil.which(peer):
                found[peer].append(_peer(peer, f"{scheme}://{HERE}:{port}/", count))
    print(f"\n{scheme}, a fresh connection each, {AT_ONCE} at a time, best of {rounds} rounds of {count}")
    best = {
        name: Rate(max(rate.rate for rate in rates), min(rate.cost for rate in rates)) for name, rates in found.items()
    }
    for name, rate in best.items():
        ours = best["cockpit"]
        share = f"{ours.rate / rate.rate:6.1%} of its rate, {rate.cost / ours.cost:6.1%} of its rate for each core"
        print(
            f"  {name:<8} {rate.rate:8.0f} requests/s  {rate.cost:6.3f} ms of processor each"
            f"  {share if name != 'cockpit' else ''}"
        )
    if failed:
        print(f"  {failed} of our requests failed")
    _profile(url, ca, count // 4)
    return not failed


async def _ask(url: str, ca: str, count: int) -> int:
    """Ask `count` times; how many were not answered well."""
    prober, expect, left = HttpProber(), Expect(body="KARL"), iter(range(count))
    if ca:
        await prober.get(url, HERE, expect, 10, ca=ca)

    async def some() -> int:
        return sum([not (await prober.get(url, HERE, expect, 10, ca=ca)).ok for _ in left])

    return sum(await asyncio.gather(*(some() for _ in range(AT_ONCE))))


def _peer(peer: str, url: str, count: int) -> Rate:
    # Neither ab nor hey checks a certificate here; what verification costs us stands in the profile.
    words = {
        "ab": ["ab", "-q", "-n", str(count), "-c", str(AT_ONCE), "-H", f"Host: {NAME}", url],
        "hey": ["hey", "-n", str(count), "-c", str(AT_ONCE), "-cpus", "1", "-disable-keepalive", "-host", NAME, url],
    }[peer]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    match = re.search(r"Requests(?: per second|/sec):\s+([\d.]+)", said)
    assert match is not None, said
    return Rate(float(match[1]), cpu / count * 1000)


def _profile(url: str, ca: str, count: int) -> None:
    # By processor time: on a busy machine a clock would count what others did meanwhile.
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    asyncio.run(_ask(url, ca, count))
    profile.disable()
    times: dict[str, float] = defaultdict(float)
    for place, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        kind = _kind(place)
        if kind or place[0] != "~":
            times[kind or "the rest of Python"] += own
            continue
        # What is built in (len, isinstance, dict.get) belongs to whoever calls it.
        for caller, (_, _, part, _) in callers.items():
            times[_kind(caller) or "the rest of Python"] += part
    whole = sum(times.values())
    print("  where ours goes, by a profile (which itself slows small functions most):")
    for kind, own in sorted(times.items(), key=lambda item: -item[1]):
        print(f"    {own / whole:6.1%}  {own / count * 1e6:7.0f} µs a request  {kind}")


def _kind(place: tuple[str, int, str]) -> str:
    """What a function does, '' when its place and name do not say."""
    where = f"{place[0]} {place[2]}"
    return next((kind for kind, pattern in KINDS if re.search(pattern, where)), "")


@contextmanager
def _nginx(folder: Path, cores: list[int]) -> Iterator[tuple[dict[str, int], str]]:
    authority = Authority(folder / "ca")
    authority.context(NAME)
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_bytes(PAGE)
    folder.chmod(0o755)
    plain, tls = _free(), _free()
    conf = folder / "nginx.conf"
    # One server process, on another core than the client where there are two.
    affinity = f"worker_cpu_affinity {format(1 << cores[-1], 'b')};" if len(cores) > 1 else ""
    conf.write_text(
        CONF.format(
            affinity=affinity, folder=folder, here=HERE, plain=plain, tls=tls, name=NAME,
            certificate=folder / "ca" / "server-1.pem",
        )
    )  # fmt: skip
    server = subprocess.Popen(["nginx", "-c", str(conf), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        _listening(plain)
        yield {"http": plain, "https": tls}, authority.file
    finally:
        server.terminate()
        server.wait(10)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((HERE, port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
