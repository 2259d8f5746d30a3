"""Commands on real SSH servers, beside the peers on the same servers in the same run.

The peers are looked for in the environment named by COCKPIT_PEERS (a virtual environment with ansible-core, fabric and pyinfra);
one that is missing is said so and left out. OpenSSH's client must be there.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cockpit import intents as it
from cockpit.clock import SystemClock
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.events import Event, HostSeen, Record, RunStarted, StepApplied, StepIntended, WheelTaken
from cockpit.hosts.hands import ShellHands
from cockpit.hosts.job import Jobs
from cockpit.hosts.pool import HostPool
from cockpit.journal.writer import JournalWriter
from cockpit.plan.model import Host, Plan, Service, Shell, Step
from tests.real.rig import RealHost, Rig, missing, rigged

PROBE, STEP, SLOWER, FASTER = 1.5, 25.0, 1.2, 20.0
"""Targets: ms of a probe, ms of a step above its command, round trips of a probe on a slow link, times as fast as Ansible."""

DELAY = 0.025
"""Seconds each way over the slow link."""

FABRIC = """
import json, sys, time
from fabric import Connection
c = Connection(sys.argv[1], user="root", connect_kwargs={"key_filename": sys.argv[2]})
c.open(); took = []
for _ in range(int(sys.argv[3])):
    began = time.perf_counter(); c.run("true", hide=True); took.append((time.perf_counter() - began) * 1000)
print(json.dumps(took))
"""


class Figures:
    """Rows of the table, in Markdown."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.held: list[bool] = []

    def tell(self, what: str, who: str, value: str, target: str = "", holds: bool | None = None) -> None:
        """A row; with `holds` it is judged."""
        word = "" if holds is None else " ✓" if holds else " ✗"
        self.rows.append(f"| {what} | {who} | {value} | {target}{word} |")
        if holds is not None:
            self.held.append(holds)
        print(f"{what:<34} {who:<28} {value:<34} {target}{word}", flush=True)


def middle(took: list[float]) -> str:
    """Median and 99th percentile, ms."""
    ordered = sorted(took)
    return f"{statistics.median(ordered):.2f} ms, p99 {ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]:.1f} ms"


async def _ours(rig: Rig, host: RealHost, figures: Figures, rounds: int) -> None:
    pool = HostPool({host.name: host.plan()}, lambda event: None, SystemClock())
    running = asyncio.create_task(pool.run())
    link = pool[host.name]
    await link.connection()
    await link.ask("true")
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        await link.ask("true")
        took.append((time.perf_counter() - began) * 1000)
    median = statistics.median(took)
    figures.tell("a probe", "cockpit, long-lived shell", middle(took), f"{PROBE} ms", median <= PROBE)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        applied, whole = await _steps(Path(folder), pool, host.name, max(20, rounds // 10))
    above = statistics.median(applied)
    figures.tell(
        "a detached step's act above its command", "cockpit, journaled", middle(applied), f"{STEP} ms", above <= STEP
    )
    figures.tell("… the whole step: probe, act, verify", "cockpit, journaled", middle(whole))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _steps(folder: Path, pool: HostPool, host: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds that a journaled act takes above its command (which takes 50 ms), and that whole steps take."""
    action = Shell(host=host, probe="exit 1", apply="sleep 0.05", verify="exit 0")
    steps = tuple(
        Step(ref=f"s/{n}", id=str(n), service="s", phase="prepare", kind="shell", action=action, host=host)
        for n in range(count)
    )
    plan = Plan(name="bench", hash="", services=(Service(id="s", steps=steps),))
    began: dict[str, float] = {}
    applied: list[float] = []
    whole: list[float] = []

    def watch(record: Record) -> None:
        match record.event:
            case StepIntended(ref=ref):
                began[ref] = record.mono
            case StepApplied(ref=ref):
                applied.append((record.mono - began[ref] - 0.05) * 1000)

    async with JournalWriter(folder / "journal.jsonl", SystemClock()) as journal:
        ledger = Ledger(journal)
        journal.subscribe(ledger.observe)
        journal.subscribe(watch)
        await ledger.write(RunStarted(run=f"bench{os.getpid()}", plan=plan), "bench")
        (folder / "raw").mkdir(exist_ok=True)
        engine = Engine(ledger, ShellHands(pool, Jobs(pool), journal.raw), SystemClock())
        running = asyncio.create_task(engine.run())
        await ledger.write(WheelTaken(driver="bench"), "bench")
        for step in steps:
            start = time.perf_counter()
            refusal = await engine.submit(it.RunNext(service="s"), "bench")
            if refusal:
                raise RuntimeError(refusal)
            while ledger.state.step(step.ref).state != "done" or engine.busy:
                await ledger.changed()
            whole.append((time.perf_counter() - start) * 1000 - 50)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return applied, whole


async def _slow(rig: Rig, host: RealHost, figures: Figures) -> None:
    """A link whose packets take their time: through a process that holds each byte for a while."""
    config = rig.folder / "slow.conf"
    config.write_text(
        f"Host slow\n HostName {host.address}\n ProxyCommand {sys.executable} -m tests.bench.slow {host.address} 22 {DELAY}\n"
    )
    slow = Host(id="slow", ssh="root@slow", host_key=host.host_key, identity_file=str(rig.key), ssh_config=str(config))
    pool = HostPool({"slow": slow}, lambda event: None, SystemClock())
    running = asyncio.create_task(pool.run())
    await pool["slow"].ask("true")
    took = []
    for _ in range(40):
        began = time.perf_counter()
        await pool["slow"].ask("true")
        took.append((time.perf_counter() - began) * 1000)
    trips = statistics.median(took) / (2 * DELAY * 1000)
    said = f"{middle(took)}: {trips:.2f} round trips of {2 * DELAY * 1000:.0f} ms"
    figures.tell("a probe over a slow link", "cockpit, long-lived shell", said, "one round trip", trips <= SLOWER)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _timed(words: list[str], count: int, env: dict[str, str] | None = None) -> list[float]:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True, env=env)
        took.append((time.perf_counter() - began) * 1000)
    return took


def _peers(rig: Rig, host: RealHost, figures: Figures, rounds: int) -> None:
    """The same command by the peers, warm where they can be."""
    known = rig.folder / "known_hosts"
    known.write_text(f"{host.address} {host.host_key}\n")
    common = ["-i", str(rig.key), "-o", f"UserKnownHostsFile={known}", "-o", f"ControlPath={rig.folder}/cm"]
    subprocess.run(
        ["ssh", *common, "-o", "ControlMaster=yes", "-o", "ControlPersist=60", f"root@{host.address}", "true"],
        check=True,
    )
    warm = _timed(["ssh", *common, f"root@{host.address}", "true"], max(20, rounds // 6))
    figures.tell("a probe", "ssh with ControlMaster", middle(warm))
    subprocess.run(["ssh", *common, "-O", "exit", f"root@{host.address}"], capture_output=True)
    peer = _peer()
    if peer is None:
        figures.tell("a probe", "Fabric, pyinfra, Ansible", "not measured: COCKPIT_PEERS is not set")
        return
    words = [str(peer / "python"), "-c", FABRIC, host.address, str(rig.key), str(max(20, rounds // 6))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    figures.tell("a probe", "Fabric, connection kept", middle(json.loads(done.stdout)))
    inventory = rig.folder / "inventory.py"
    inventory.write_text(
        f"hosts = [({host.address!r}, {{'ssh_user': 'root', 'ssh_key': {str(rig.key)!r}, 'ssh_known_hosts_file': {str(known)!r}}})]\n"
    )
    took = _timed([str(peer / "pyinfra"), "-y", str(inventory), "exec", "--", "true"], 3)
    figures.tell("a probe", "pyinfra, its command", middle(took))
    took = _timed(_ansible(rig, peer, [host.address], known), 3, _ansible_env(rig))
    figures.tell("a probe", "ansible, its command", middle(took))


def _peer() -> Path | None:
    named = os.environ.get("COCKPIT_PEERS")
    return Path(named) / "bin" if named and (Path(named) / "bin/ansible").exists() else None


def _ansible(rig: Rig, peer: Path, addresses: list[str], known: Path) -> list[str]:
    arguments = f"ansible_ssh_common_args='-o UserKnownHostsFile={known}'"
    inventory = rig.folder / f"hosts-{len(addresses)}"
    inventory.write_text(
        "".join(f"{a} ansible_user=root ansible_ssh_private_key_file={rig.key} {arguments}\n" for a in addresses)
    )
    return [str(peer / "ansible"), "all", "-i", str(inventory), "-f", "20", "-m", "command", "-a", "true"]


def _ansible_env(rig: Rig) -> dict[str, str]:
    return dict(
        os.environ,
        ANSIBLE_PIPELINING="1",
        ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
        ANSIBLE_HOME=str(rig.folder),
        HOME=str(rig.folder),
    )


async def _hundred(hosts: dict[str, Host], figures: Figures) -> float:
    refused: list[str] = []

    def heard(event: Event) -> None:
        if isinstance(event, HostSeen) and event.link == "down":
            refused.append(event.detail)

    began = time.perf_counter()
    pool = HostPool(hosts, heard, SystemClock())
    running = asyncio.create_task(pool.run())
    await asyncio.gather(*(pool[id].connection(60) for id in hosts))
    opened = time.perf_counter() - began
    figures.tell("100 hosts opened", "cockpit", f"{opened:.2f} s, {len(refused)} refused", "none refused", not refused)
    await asyncio.gather(*(pool[id].ask("true") for id in hosts))
    took = []
    for _ in range(5):
        began = time.perf_counter()
        done = await asyncio.gather(*(pool[id].ask("true") for id in hosts))
        took.append(time.perf_counter() - began)
        if any(ran.exit != 0 for ran in done):
            raise RuntimeError("a host did not answer")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    warm = statistics.median(took)
    figures.tell("a command on 100 hosts", "cockpit, connections kept", f"{warm:.3f} s")
    return warm


def _all_addresses(rig: Rig, host: RealHost) -> list[str]:
    """A hundred addresses of one real server, whose limit on handshakes is the default."""
    host.run("".join(f"ip addr add 10.213.1.{n}/16 dev eth0;" for n in range(1, 101)))
    subprocess.run(["ip", "route", "replace", "10.213.1.0/24", "dev", "br0"], check=True)
    return [f"10.213.1.{n}" for n in range(1, 101)]


def measure(rounds: int = 0) -> bool:
    """Print the table; whether every target holds."""
    if missing():
        print(missing())
        return False
    rounds = rounds or 300
    figures = Figures()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, rigged(Path(folder)) as rig, rig.standing():
        host = rig.host("bench")
        asyncio.run(_ours(rig, host, figures, rounds))
        _peers(rig, host, figures, rounds)
        asyncio.run(_slow(rig, host, figures))
        addresses = _all_addresses(rig, host)
        known = rig.folder / "known_hosts"
        known.write_text("".join(f"{address} {host.host_key}\n" for address in addresses))
        plans: Callable[[str], Host] = lambda address: Host(  # noqa: E731
            id=address, ssh=f"root@{address}", host_key=host.host_key, identity_file=str(rig.key)
        )
        ours = asyncio.run(_hundred({address: plans(address) for address in addresses}, figures))
        peer = _peer()
        if peer is not None:
            # Twenty forks at once are refused by a server's default; the peer is measured on one that takes them.
            (host.root / "etc/ssh/rig_config").open("a").write("MaxStartups 100:30:200\n")
            host.restart_sshd()
            words = _ansible(rig, peer, addresses, known)
            cold = _timed(words, 1, _ansible_env(rig))[0] / 1000
            warm = _timed(words, 1, _ansible_env(rig))[0] / 1000
            figures.tell("a command on 100 hosts", "ansible, 20 forks, pipelining", f"{cold:.1f} s, then {warm:.1f} s")
            ratio = warm / ours
            figures.tell(
                "… how many times as fast", "cockpit beside ansible", f"{ratio:.0f}", f"{FASTER:.0f}", ratio >= FASTER
            )
    print("\n| what | by | measured | target |\n| --- | --- | --- | --- |\n" + "\n".join(figures.rows))
    return all(figures.held) and peer is not None
