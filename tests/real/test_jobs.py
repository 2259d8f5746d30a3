"""Detached jobs on real hosts and real shells: once whatever is asked, whole whatever is cut, and honest about how they ended."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from cockpit.clock import SystemClock
from cockpit.events import HostLocked
from cockpit.hosts.job import CANCEL, JobEnd, Jobs
from cockpit.hosts.link import quoted
from cockpit.hosts.locks import Locks
from cockpit.hosts.pool import HostPool
from tests.hosts.test_job import Heard
from tests.hosts.told import Told, pooled
from tests.real.rig import RealHost, Rig, needs_rig
from tests.soak.hosts import nights

pytestmark = needs_rig

KINDS: dict[str, dict[str, object]] = {
    "dash": {},
    "bash": {"shell": "bash"},
    "busybox": {"server": "dropbear", "tools": "busybox"},
}


@pytest.fixture(params=KINDS)
def host(rig: Rig, request: pytest.FixtureRequest) -> RealHost:
    name: str = request.param
    return rig.hosts.get(name) or rig.host(name, **KINDS[name])


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


async def test_a_job_is_the_same_under_every_shell(desk: Rig, host: RealHost, told: Told) -> None:
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        script = b"echo out; echo err >&2; printf '\\0\\377 no end'; exit 3"
        end = await jobs.run(host.name, "r.a", script, heard)
        assert end == JobEnd(kind="ended", status=3, detail="ended with 3")
        assert (bytes(heard.out), bytes(heard.err)) == (b"out\n\0\xff no end", b"err\n")
        end = await jobs.run(host.name, "r.b", b"echo $PPID; kill -9 $$", Heard())
        assert (end.status, end.detail) == (137, "killed by 9 (SIGKILL)")
        end = await jobs.attach(host.name, "r.never", Heard())
        assert end.kind == "none"


async def test_what_a_job_writes_is_as_the_login_writes_it_and_what_is_kept_of_it_is_private(
    desk: Rig, host: RealHost, told: Told
) -> None:
    login = re.findall(r"^Umask:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[0]
    async with pooled({host.name: host.plan()}, told) as pool:
        heard = Heard()
        await Jobs(pool).run(host.name, "r.umask", b"umask; ls -ld ~/.cockpit/jobs/r.umask/o*", heard)
        mask, mode = bytes(heard.out).decode().splitlines()
        assert int(mask, 8) == int(login, 8)
        assert mode.startswith("-rw------- ")


async def test_racing_starts_run_a_job_once(desk: Rig, host: RealHost, told: Told) -> None:
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        script = b"echo ran >>/root/runs; sleep 0.3; echo told"
        heard = [Heard() for _ in range(12)]
        ends = await asyncio.gather(*(jobs.run(host.name, "r.race", script, one) for one in heard))
        assert {end.status for end in ends} == {0}
        assert {bytes(one.out) for one in heard} == {b"told\n"}
        assert host.run("cat /root/runs; rm /root/runs") == "ran\n"


async def test_output_is_whole_over_cuts_restarts_and_readers_that_die(desk: Rig, host: RealHost, told: Told) -> None:
    script = b"i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i of the output; [ $((i % 20)) != 0 ] || sleep 0.01; done"
    whole = b"".join(b"line %d of the output\n" % n for n in range(1, 3001))
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        running = asyncio.create_task(jobs.run(host.name, "r.long", script, heard))
        await heard.until(lambda: len(heard.out) > 5000)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        following = asyncio.create_task(jobs.attach(host.name, "r.long", heard, {"out": len(heard.out)}))
        await heard.until(lambda: len(heard.out) > 20000)
        host.restart_sshd()
        await heard.until(lambda: len(heard.out) > 40000)
        host.cut()
        await asyncio.sleep(1)
        host.mend()
        assert (await following).status == 0
        assert bytes(heard.out) == whole


async def test_cancelling_asks_gently_first_and_ends_the_whole_group(desk: Rig, host: RealHost, told: Told) -> None:
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        script = b"trap 'echo tidied; exit 4' TERM; sleep 77 & echo begun; while :; do sleep 0.1; done"
        running = asyncio.create_task(jobs.run(host.name, "r.gentle", script, heard))
        await heard.until(lambda: b"begun" in heard.out)
        await jobs.cancel(host.name, "r.gentle")
        end = await running
        assert b"tidied" in heard.out
        assert (end.kind, end.status) == ("ended", 4)
        stubborn = asyncio.create_task(
            jobs.run(host.name, "r.stubborn", b"trap '' TERM; echo deaf; while :; do sleep 0.1; done", heard)
        )
        await heard.until(lambda: b"deaf" in heard.out)
        await jobs.cancel(host.name, "r.stubborn")
        assert (await stubborn).kind == "gone"
        assert host.run("pgrep -f '[s]leep 77' || :") == ""


async def test_who_is_asked_to_end_is_asked_once(desk: Rig, host: RealHost, told: Told) -> None:
    """A second signal could reach what keeps the status when the script has ended."""
    counted = 'kill() { echo "$*" >>/root/kills; command kill "$@"; }\n'
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        running = asyncio.create_task(
            jobs.run(host.name, "r.once", b"trap 'exit 4' TERM; echo on; sleep 60 & wait", heard)
        )
        await heard.until(lambda: b"on" in heard.out)
        cancelling = f"sh -c {quoted(counted + CANCEL)} cockpit-job r.once"
        await asyncio.to_thread(host.run, cancelling)
        assert (await running).status == 4
    told_to_end = host.run("grep -c TERM /root/kills; rm /root/kills")
    assert told_to_end == "1\n"


async def test_a_reboot_in_the_middle_is_told_as_that(desk: Rig, host: RealHost, told: Told) -> None:
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        running = asyncio.create_task(jobs.run(host.name, "r.boot", b"echo begun; sleep 600", heard))
        await heard.until(lambda: b"begun" in heard.out)
        await asyncio.to_thread(host.reboot)
        assert (await running).kind == "rebooted"
        assert (await jobs.run(host.name, "r.boot", b"echo never", heard)).kind == "rebooted"
        assert b"never" not in heard.out


async def test_what_a_run_left_is_cleared_away_and_nothing_else(desk: Rig, host: RealHost, told: Told) -> None:
    async with pooled({host.name: host.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        await jobs.run(host.name, "mine.a", b":", heard)
        await jobs.run(host.name, "other.a", b":", heard)
        running = asyncio.create_task(
            jobs.run(host.name, "mine.b", b"echo on; while [ ! -e /root/go ]; do sleep 0.1; done", heard)
        )
        await heard.until(lambda: b"on" in heard.out)
        await jobs.run(host.name, "ancient.a", b":", heard)
        host.run("touch -d '2020-01-01 00:00:00' /root/.cockpit/jobs/ancient.a")
        await jobs.clean(host.name, "mine")
        left = set(host.run("ls /root/.cockpit/jobs").split())
        assert {"mine.b", "other.a"} <= left
        assert not {"mine.a", "ancient.a"} & left
        host.run("touch /root/go")
        assert (await running).status == 0
        host.run("rm /root/go")


# --- hosts that cannot take a job -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sick(rig: Rig) -> RealHost:
    return rig.host("sick", disk="16m")


async def test_a_full_disk_is_told_before_the_step_begins_and_a_status_is_kept_on_one(
    desk: Rig, sick: RealHost, told: Told
) -> None:
    async with pooled({"sick": sick.plan()}, told) as pool:
        jobs = Jobs(pool)
        heard = Heard()
        script = b"echo begun; while [ ! -e /run/go ]; do sleep 0.05; done; exit 6"
        running = asyncio.create_task(jobs.run("sick", "r.before", script, heard))
        await heard.until(lambda: b"begun" in heard.out)
        sick.run("cat /dev/zero >/filler 2>/dev/null; :")
        end = await jobs.run("sick", "r.full", b"touch /run/never\n" + b"#" * 9000, heard)
        assert end.kind == "refused"
        assert "no room" in end.detail
        sick.run("touch /run/go")
        assert (await running).status == 6
        sick.run("rm /filler")
        assert not sick.run("ls /run/never", check=False)
        assert (await jobs.run("sick", "r.full", b"true", heard)).status == 0


async def test_a_home_that_is_read_only_is_told_and_another_folder_can_be_named(
    desk: Rig, sick: RealHost, told: Told
) -> None:
    sick.run("rm -rf /root/.cockpit; mount --bind /root /root; mount -o remount,bind,ro /root")
    try:
        async with pooled({"sick": sick.plan()}, told) as pool:
            end = await Jobs(pool).run("sick", "r.ro", b"true", Heard())
            assert end.kind == "refused"
            assert "/root/.cockpit" in end.detail
            assert "Read-only file system" in end.detail
        async with pooled({"sick": sick.plan(jobs="/var/tmp/jobs of ours")}, told) as pool:
            assert (await Jobs(pool).run("sick", "r.ro", b"exit 5", Heard())).status == 5
            assert (await Jobs(pool).attach("sick", "r.ro", Heard())).status == 5
    finally:
        sick.run("umount /root")


async def test_jobs_run_where_temporary_folders_are_mounted_noexec(desk: Rig, sick: RealHost, told: Told) -> None:
    sick.run(
        "mount -t tmpfs -o noexec tmp /tmp; mount -t tmpfs -o noexec tmp /root/.cockpit || mkdir -p /root/.cockpit"
    )
    try:
        async with pooled({"sick": sick.plan(jobs="/tmp/jobs")}, told) as pool:
            assert (await Jobs(pool).run("sick", "r.noexec", b"exit 2", Heard())).status == 2
    finally:
        sick.run("umount /tmp; umount /root/.cockpit; :", check=False)


# --- locks ----------------------------------------------------------------------------------------------------------------


def locks_of(pool: HostPool, told: Told, token: str) -> Locks:
    return Locks(pool, told, SystemClock(), token, f"{token}@desk runs 'night' since 2026")


async def test_a_host_is_held_by_one_run_and_a_second_is_told_by_whom(desk: Rig, host: RealHost, told: Told) -> None:
    host.run("rm -f /var/tmp/cockpit.lock*")
    other = Told()
    async with pooled({host.name: host.plan()}, told) as pool, pooled({host.name: host.plan()}, other) as rival:
        ann, bob = locks_of(pool, told, "ann"), locks_of(rival, other, "bob")
        assert await ann.refusal(host.name) == ""
        assert "is held by another run: ann@desk runs 'night' since 2026" in await bob.refusal(host.name)
        assert (await Jobs(rival).run(host.name, "bob.1", b"touch /root/bob", Heard())).kind == "fenced"
        assert (await Jobs(pool).run(host.name, "ann.1", b"true", Heard())).status == 0
        assert not host.run("ls /root/bob", check=False)
        await ann.free(host.name)
        assert await bob.refusal(host.name) == ""
        await bob.free(host.name)


async def test_taking_over_fences_the_former_holder_whose_late_starts_do_nothing(
    desk: Rig, host: RealHost, told: Told
) -> None:
    host.run("rm -f /var/tmp/cockpit.lock*")
    other = Told()
    async with pooled({host.name: host.plan()}, told) as pool, pooled({host.name: host.plan()}, other) as rival:
        ann, bob = locks_of(pool, told, "ann"), locks_of(rival, other, "bob")
        assert await ann.refusal(host.name) == ""
        assert await bob.take(host.name) == "ann@desk runs 'night' since 2026"
        assert (await Jobs(pool).run(host.name, "ann.late", b"touch /root/late", Heard())).kind == "fenced"
        assert not host.run("ls /root/late", check=False)
        assert "bob@desk" in await ann.refusal(host.name)
        assert [event.lost for event in told.of(HostLocked)] == [False, True]
        assert other.of(HostLocked)[-1].former.startswith("ann@desk")
        assert (await Jobs(rival).run(host.name, "bob.2", b"true", Heard())).status == 0
        assert "took this host from ann@desk" in host.run("cat /var/tmp/cockpit.lock.log")
        # What was taken is not taken back by itself, also when it is free again.
        await bob.free(host.name)
        assert await ann.refusal(host.name) != ""
        await ann.take(host.name)
        assert await ann.refusal(host.name) == ""
        await ann.free(host.name)


def test_on_real_hosts_whatever_strikes_each_effect_and_each_byte_comes_once(tmp_path: Path) -> None:
    """CI's sample of `python -m tests.soak hosts`."""
    assert nights([2, 5], 4.0, tmp_path) == []
