"""Runs of a plan of 30 steps on real hosts while everything that can happen happens, and what each run must have come to.

In each run a few faults strike at random moments: SIGKILL of the conductor, a link cut without a word, the SSH server restarted,
the host's plug pulled, a disk that is full, a process that is paused. The operator goes on as a person would: looks again at what is
unknown, runs again what failed, and where a host was started anew in the middle of a step looks on the host what became of it.
At the end each step's effect is there once, and each byte of its output is in the journal once.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from cockpit import intents as it
from cockpit.engine import rules
from cockpit.events import StepIntended, StepOutput
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from tests.real.rig import RealHost, Rig, rigged
from tests.soak.kill import Operator, Wrong

SERVICES = ("web", "mail", "lists")
STEPS = 10
LINES = 20

APPLY = f"""i=0
while [ $i -lt {LINES} ]; do
    i=$((i+1))
    echo "$name out $i" || exit 9
    echo "$name err $i" >&2 || exit 9
    if [ $i = {LINES // 2} ]; then echo "$name" >>/root/night/effects || exit 8; fi
    sleep 0.02
done"""
PROBE = 'mkdir -p /root/night && touch /root/night/effects && grep -qx "$name" /root/night/effects'
VERIFY = 'test "$(grep -cx "$name" /root/night/effects)" = 1'


class World(msgspec.Struct, frozen=True):
    """The plan's file."""

    plan_path: Path


def plan(old: RealHost, new: RealHost) -> str:
    """The plan's text: three services of ten steps, by turns on old and new."""
    lines = ["cutover: 1", "name: a night on real hosts", "hosts:"]
    for host in (old, new):
        at = host.plan()
        lines.append(
            f"  {host.name}: {{ssh: {at.ssh}, host_key: {at.host_key}, identity_file: {at.identity_file}, "
            f"machine_id: {host.machine_id}, hostname: {host.name}}}"
        )
    lines.append("services:")
    for service in SERVICES:
        lines += [f"  - id: {service}", "    steps:"]
        for number in range(STEPS):
            on = ("old", "new")[number % 2]
            name = f"{service}-{number}"
            lines += [
                f"      - {{id: s{number}, phase: switch, on: {on}, with: {{name: {name}}}, undo: none, timeout: 20m,",
                f"         undo_reason: it only counts, idempotent: false, run: {{probe: {quoted(PROBE)},",
                f"         apply: {quoted(APPLY)}, verify: {quoted(VERIFY)}}}}}",
            ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A YAML scalar."""
    return msgspec.json.encode(text).decode()


class Keeper(Operator):
    """An operator who can look on the hosts."""

    def __init__(self, run: RunFolder, world: World, hosts: dict[str, RealHost]) -> None:
        super().__init__(run, world, 0)
        self.most_deaths = 100
        self._hosts = hosts

    def doubts(self) -> list[it.AnyIntent]:
        wanted: list[it.AnyIntent] = []
        for intent in super().doubts():
            if isinstance(intent, it.Verify):
                view = self.state.step(intent.ref)
                if view.state == "unknown" and ("anew" in view.detail or "no exit status" in view.detail):
                    decided = self._decided(intent.ref)
                    if decided is not None:
                        wanted.append(decided)
                    continue
            wanted.append(intent)
        return wanted

    def _decided(self, ref: str) -> it.Decide | None:
        planned = self.state.planned(ref)
        try:
            effects = self._hosts[planned.host].run("cat /root/night/effects").split()
        except (RuntimeError, AttributeError):
            return None
        name = ref.replace("/s", "-")
        return it.Decide(ref=ref, applied=name in effects, reason="looked on the host")


class Chaos:
    """Faults, one after the other, at random moments."""

    def __init__(self, operator: Keeper, hosts: dict[str, RealHost], dice: random.Random, longest: float) -> None:
        self._operator = operator
        self._hosts = hosts
        self._dice = dice
        self._longest = longest
        self.struck: list[str] = []

    async def run(self, count: int) -> None:
        """Strike `count` times."""
        for _ in range(count):
            await asyncio.sleep(self._dice.uniform(0.2, 4.0))
            host = self._dice.choice(list(self._hosts.values()))
            fault = self._dice.choice((self._kill, self._cut, self._sshd, self._reboot, self._fill, self._pause))
            await fault(host)

    def _say(self, text: str) -> None:
        self.struck.append(text)

    async def _kill(self, host: RealHost) -> None:
        self._say("SIGKILL of the conductor")
        self._operator.kill()

    async def _cut(self, host: RealHost) -> None:
        seconds = self._longest ** self._dice.random()
        self._say(f"{host.name} cut off for {seconds:.1f} s")
        host.cut()
        try:
            await asyncio.sleep(seconds)
        finally:
            host.mend()

    async def _sshd(self, host: RealHost) -> None:
        self._say(f"sshd of {host.name} restarted")
        await asyncio.to_thread(host.restart_sshd, self._dice.uniform(0, 2))

    async def _reboot(self, host: RealHost) -> None:
        self._say(f"{host.name} rebooted")
        await asyncio.to_thread(host.reboot, self._dice.uniform(0, 2))

    async def _fill(self, host: RealHost) -> None:
        seconds = self._dice.uniform(0.5, 3)
        self._say(f"disk of {host.name} full for {seconds:.1f} s")
        host.run("cat /dev/zero >/filler 2>/dev/null; cat /dev/zero >>/filler; :", check=False)
        try:
            await asyncio.sleep(seconds)
        finally:
            host.run("rm -f /filler")

    async def _pause(self, host: RealHost) -> None:
        seconds = self._dice.uniform(0.5, 5)
        what = self._dice.choice(("conductor", "sshd", "sh"))
        self._say(f"{what} paused for {seconds:.1f} s ({host.name})")
        if what == "conductor":
            self._operator.kill(signal.SIGSTOP)
        else:
            host.signal("STOP", what)
        await asyncio.sleep(seconds)
        if what == "conductor":
            self._operator.kill(signal.SIGCONT)
        else:
            host.signal("CONT", what)


async def there(operator: Keeper) -> None:
    """Every step of every service."""
    await operator.until(
        lambda: (
            bool(operator.state.services) and all(rules.complete(operator.state, id) for id in operator.state.services)
        ),
        lambda: [*operator.doubts(), it.RunToGate()],
    )


def judge(run: RunFolder, hosts: dict[str, RealHost]) -> None:
    """Each effect once, each byte once. Raises Wrong."""
    effects = Counter(line for host in hosts.values() for line in host.run("cat /root/night/effects").split())
    wanted = {f"{service}-{number}": 1 for service in SERVICES for number in range(STEPS)}
    if effects != wanted:
        raise Wrong(f"effects: { {name: effects[name] for name in wanted | effects if effects[name] != 1} }")
    told: dict[tuple[str, str], list[str]] = {}
    jobs: dict[tuple[str, int], str] = {}
    hosted: dict[str, str] = {}
    for record in records(run.journal):
        match record.event:
            case StepIntended(ref=ref, attempt=attempt, op="apply", job=job, host=host):
                jobs[ref, attempt] = job
                hosted[job] = host
            case StepOutput(ref=ref, attempt=attempt, op="apply", stream=stream, lines=lines):
                told.setdefault((jobs[ref, attempt], stream), []).extend(lines)
    for (ref, _), job in jobs.items():
        name = ref.replace("/s", "-")
        for stream in ("out", "err"):
            file = run.path / "raw" / f"{job}.{stream}"
            raw = file.read_bytes() if file.exists() else b""
            whole = "".join(f"{name} {stream} {number}\n" for number in range(1, LINES + 1)).encode()
            if not whole.startswith(_own(raw)):
                raise Wrong(f"{job}.{stream} is not what was said: {raw[-300:]!r}")
            lines = told.get((job, stream), [])
            if lines != raw.decode().splitlines():
                raise Wrong(f"{job}.{stream}: {len(lines)} lines were told of {len(raw)} bytes")
            kept = hosts[hosted[job]].run(f"cat /root/.cockpit/jobs/{job}/{stream} 2>/dev/null", check=False).encode()
            if kept and not raw.startswith(kept) and not kept.startswith(raw):
                raise Wrong(f"{job}.{stream} differs from the host's")
            if (
                hosts[hosted[job]].run(f"readlink /root/.cockpit/jobs/{job}/rc", check=False).strip() == "0"
                and raw != whole
            ):
                raise Wrong(f"{job}.{stream} was told only in part: {len(raw)} of {len(whole)} bytes")


def _own(raw: bytes) -> bytes:
    """What the script itself said: the shell adds, last, that it could not write where the disk was full, and that it cannot fork
    where the host's processes were just being killed (a dying namespace refuses new ones)."""
    lines = raw.splitlines(keepends=True)
    while lines and (b"/script." in lines[-1] or lines[-1].startswith(b"cockpit-job: ")):
        lines.pop()
    return b"".join(lines)


async def night(rig: Rig, folder: Path, seed: int, longest: float) -> list[str]:
    """One run with its faults. Returns what struck. Raises Wrong."""
    dice = random.Random(seed)
    hosts = rig.hosts
    for host in hosts.values():
        host.run("rm -rf /root/night /root/.cockpit /var/tmp/cockpit.lock* /filler")
    folder.mkdir(parents=True)
    world = World(folder / "plan.yaml")
    world.plan_path.write_text(plan(hosts["old"], hosts["new"]))
    operator = Keeper(RunFolder(folder / "run"), world, hosts)
    operator.run.path.mkdir()
    operator.patience = 2 * longest + 180
    chaos = Chaos(operator, hosts, dice, longest)
    await operator.start()
    striking = asyncio.create_task(chaos.run(dice.randint(1, 3)))
    try:
        await there(operator)
        await striking
        # What struck after the end must not have undone it.
        await there(operator)
        judge(operator.run, hosts)
    except Wrong as error:
        raise Wrong(f"seed {seed} ({'; '.join(chaos.struck)}): {error}") from None
    finally:
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)
        operator.kill(signal.SIGCONT)
        await operator.stop()
    return chaos.struck


def nights(seeds: list[int], longest: float, folder: Path) -> list[str]:
    """Runs on one rig, one after the other. Returns the sentences of what went wrong."""
    wrong: list[str] = []
    os.environ.setdefault("COCKPIT_NAME", "operator")
    with rigged(folder) as rig, rig.standing():
        for name in ("old", "new"):
            rig.host(name, disk="64m")
        for seed in seeds:
            began = time.monotonic()
            try:
                struck = asyncio.run(night(rig, folder / f"night-{seed}", seed, longest))
                print(f"{time.strftime('%H:%M:%S')} seed {seed}: {'; '.join(struck)}: exactly once, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
            except (Wrong, TimeoutError, OSError, RuntimeError) as error:
                wrong.append(str(error))
                print(f"{time.strftime('%H:%M:%S')} WRONG {error}", flush=True)
                for host in rig.hosts.values():
                    host.reboot()
    return wrong


def run(workers: int, count: int, longest: float) -> int:
    """So many runs, spread over processes with a rig each."""
    first = int(time.time())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="soak-hosts") as root:
        processes = []
        for worker in range(workers):
            seeds = [str(seed) for seed in range(first + worker, first + count, workers)]
            folder = Path(root) / str(worker)
            folder.mkdir()
            words = [sys.executable, "-m", "tests.soak.hosts", str(folder), str(longest), *seeds]
            processes.append(subprocess.Popen(words))
        wrong = sum(process.wait() for process in processes)
    print(f"{wrong} of {count} went wrong" if wrong else f"{count} runs: every effect and every byte exactly once")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(min(250, len(nights([int(seed) for seed in sys.argv[3:]], float(sys.argv[2]), Path(sys.argv[1])))))
