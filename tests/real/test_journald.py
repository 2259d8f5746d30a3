"""Units of a real journal: journald on a real host, with a unit's control group, followed over rotations and lost links."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from cockpit.events import LogGap, LogSeen, Trouble
from cockpit.hosts.tail import Tails
from cockpit.plan.model import Log
from tests.hosts.told import Told, pooled
from tests.real.rig import RealHost, Rig, needs_rig

JOURNALD = "/usr/lib/systemd/systemd-journald"
pytestmark = [
    needs_rig,
    pytest.mark.skipif(not Path(JOURNALD).exists(), reason="no journald: sudo apt-get install -y systemd"),
]

BEGIN = f"""
mkdir -p /run/systemd/journal /run/log/journal /etc/systemd
printf '[Journal]\\nStorage=volatile\\nRateLimitBurst=0\\nReadKMsg=no\\n' >/etc/systemd/journald.conf
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
setsid {JOURNALD} >/dev/null 2>&1 </dev/null &
until journalctl --sync 2>/dev/null; do sleep 0.05; done
"""


SERVICE = """
while [ ! -e "$1.go" ]; do echo hello; sleep 0.1; done
said=0
while sleep 0.02; do
    read -r wanted <"$1.wanted"
    while [ "$said" -lt "$wanted" ]; do echo "entry $said"; said=$((said + 1)); done
done
"""


class Unit:
    """A service that says numbered lines. Its control group is this test's alone, so that runs beside each other do not meet."""

    def __init__(self, host: RealHost, name: str) -> None:
        self._host, self._name, self.lines = host, name, 0
        self._group = f"/sys/fs/cgroup/system.slice/{name}.service"
        joined = f"echo $$ >{self._group}/cgroup.procs; exec systemd-cat -t {name} sh -c {shlex.quote(SERVICE)} service /tmp/{name}"
        # What a process says in its first moments journald may not know to be its unit's.
        host.run(
            f"mkdir -p {self._group}; echo 0 >/tmp/{name}.wanted; "
            f"setsid sh -c {shlex.quote(joined)} >/dev/null 2>&1 </dev/null & "
            f"until journalctl -q -u {name} | grep -q hello; do sleep 0.1; done; : >/tmp/{name}.go"
        )

    def say(self, count: int) -> None:
        """So many lines more."""
        self.lines += count
        wanted = f"/tmp/{self._name}.wanted"
        self._host.run(f"echo {self.lines} >{wanted}.part; mv {wanted}.part {wanted}")

    def remove(self) -> None:
        self._host.run(
            f"for pid in $(cat {self._group}/cgroup.procs); do kill $pid; done; sleep 0.2; rmdir {self._group}",
            check=False,
        )


def entries(told: Told) -> list[int]:
    found = [re.search(r"entry (\d+)", line) for event in told.of(LogSeen) for line in event.lines]
    return [int(match[1]) for match in found if match is not None]


@pytest.mark.parametrize("kind", ["python", "shell"])
async def test_every_entry_of_a_unit_is_told_once_over_rotations_and_lost_links(
    desk: Rig, tmp_path: Path, kind: str
) -> None:
    without = () if kind == "python" else tuple(f"python3{minor}" for minor in ("", ".11", ".12", ".13", ".14"))
    host = desk.host(f"journal-{kind}", without=without)
    host.run(BEGIN)
    name = f"cockpit-{kind}-{tmp_path.name.strip('_').replace('_', '-')}"
    unit, other = Unit(host, name), Unit(host, f"{name}-other")
    told = Told(tmp_path)
    try:
        async with pooled({host.name: host.plan()}, told) as pool:
            tails = Tails(pool, (Log(host=host.name, unit=f"{name}.service"),), told, told.raw)
            running = asyncio.create_task(tails.run())
            try:
                unit.say(1)
                await told.until(lambda: entries(told) == [0], 20)
                for strike in ("rotate", "drop", "rotate and drop", "nothing"):
                    unit.say(200)
                    other.say(50)
                    if "drop" in strike:
                        host.restart_sshd()
                    if "rotate" in strike:
                        host.run("pkill -USR2 -x systemd-journal; sleep 0.1")
                    unit.say(200)
                    await told.until(lambda: bool(entries(told)) and entries(told)[-1] == unit.lines - 1, 30)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        assert entries(told) == list(range(unit.lines))
        assert not told.of(LogGap) + told.of(Trouble)
        assert host.run("ls /run/log/journal/*/*@*").split(), "the journal was rotated"
    finally:
        unit.remove()
        other.remove()
