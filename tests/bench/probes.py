"""400 health probes every 5 s, half of them HTTP and half TCP, against nginx on loopback: what they take of a core, with their
events encoded, chained and written by the journal. The same with half of the HTTP probes over TLS is printed beside it.

What is measured is the processor time of this process, which holds nothing but the probes and the journal.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cockpit.clock import SystemClock
from cockpit.events import Event, HealthSeen
from cockpit.journal.writer import JournalWriter
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Expect, Probe
from cockpit.probes.context import Context, Said
from cockpit.probes.probes import Probes

TARGET = 0.05
COUNT, EVERY = 400, 5.0
SECONDS = 30
WARM = 7.0
"""Seconds that are not counted: imports, the first look at everything, and the spreading after it."""
NAME = "web.test"

CONFIG = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; default_type text/html;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl; server_name {name};
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    root {folder}/www;
  }}
}}
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int]]:
    """nginx with one page, over HTTP and HTTPS. Yields both ports."""
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    plain, tls = ports
    (folder / "www").mkdir()
    (folder / "www/index.html").write_text("<title>welcome</title>" + "a page of some size\n" * 200)
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", "key.pem", "-out", "cert.pem"]  # fmt: skip
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, plain=plain, tls=tls, name=NAME))
    # Its workers may run as another account.
    folder.chmod(0o755)
    server = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", plain), 1).close()
                break
            except OSError:
                if time.monotonic() > until or server.poll() is not None:
                    raise
                time.sleep(0.05)
        yield plain, tls
    finally:
        server.terminate()
        server.wait()


def plan_of(plain: int, tls: int, ca: str, secure: bool) -> Plan:
    """COUNT probes in as many questions: one in two is TCP, the others HTTP, with `secure` half of these over TLS."""
    services = []
    for number in range(COUNT // 2):
        over = secure and number % 2 == 0
        url = f"https://{NAME}:{tls}/" if over else f"http://{NAME}:{plain}/"
        web = Probe(id="web", url=url, expect=Expect(body="welcome"), at=("new",), every=EVERY, ca=ca if over else "")
        tcp = Probe(id="port", proto="tcp", target=f"{NAME}:{plain}", at=("new",), every=EVERY)
        services.append(Service(id=f"s{number}", health=(web, tcp)))
    hosts = {"new": Host(id="new", ssh="nobody@new.test", role="new", address="127.0.0.1")}
    return Plan(name="bench", hash="0" * 64, hosts=hosts, services=tuple(services))


async def measured(plan: Plan, seconds: float, folder: Path) -> tuple[float, Counter[str]]:
    """(share of a core, how many answers by what they said)."""
    said: Counter[str] = Counter()

    async def on_host(host: str, script: str, timeout: float) -> Said:
        return Said(None, "nobody is there")

    async with JournalWriter(folder / "journal.jsonl", SystemClock()) as journal:

        def emit(event: Event) -> None:
            journal.post(event, "probe")
            said[f"{event.proto} {event.detail}" if isinstance(event, HealthSeen) else str(event)] += 1

        running = asyncio.create_task(Probes(Context(plan, emit, SystemClock(), on_host)).run())
        await asyncio.sleep(WARM)
        said.clear()
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        used, took = time.process_time() - used, time.monotonic() - began
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return used / took, said


def measure(rounds: int = 0) -> bool:
    """Print both shares; whether the plain one is within the target and nothing failed. `rounds` is how many seconds."""
    if shutil.which("nginx") is None:
        print("nginx is missing: sudo apt-get install -y nginx")
        return False
    seconds, good = float(rounds or SECONDS), True
    for secure in (False, True):
        with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (plain, tls):
            plan = plan_of(plain, tls, f"{name}/cert.pem", secure)
            share, said = asyncio.run(measured(plan, seconds, Path(name)))
        count = sum(said.values())
        what = "a quarter over TLS" if secure else "none over TLS"
        print(
            f"{COUNT} probes every {EVERY:g} s, {what}: {share:6.2%} of a core, {count / seconds:.0f} events/s", end=""
        )
        print("" if secure else f"   target: {TARGET:.0%}")
        for words, times in said.most_common(4):
            print(f"    {times:6} {words[:100]}")
        # Everything is told at least every interval, and all of it is good.
        whole = count >= 0.9 * COUNT * seconds / EVERY
        fine = all(words.startswith(("http status 200", "tcp connected")) for words in said)
        good = good and whole and fine and (secure or share <= TARGET)
    return good
