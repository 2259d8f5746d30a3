"""Two runs that want the same host: one holds it, the other is told by whom, and taking over needs the host's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit import events as ev
from cockpit import intents as it
from cockpit.events import HostLocked
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from tests.real.rig import RealHost, Rig, needs_rig
from tests.soak.hosts import Keeper, World, plan, there

pytestmark = needs_rig


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> dict[str, RealHost]:
    return {name: rig.host(name) for name in ("old", "new")}


@pytest.fixture
def world(hosts: dict[str, RealHost], tmp_path: Path) -> World:
    for host in hosts.values():
        host.run("rm -rf /root/night /root/.cockpit /var/tmp/cockpit.lock*")
    file = tmp_path / "plan.yaml"
    file.write_text(plan(hosts["old"], hosts["new"]))
    return World(file)


def headless(world: World, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "cockpit",
        "run",
        str(world.plan_path),
        "--headless",
        "--json",
        "--run-folder",
        str(folder),
    ]
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)


def test_a_headless_run_ends_with_4_where_another_holds_a_host_and_changes_nothing(
    desk: Rig, hosts: dict[str, RealHost], world: World, tmp_path: Path
) -> None:
    hosts["new"].run("ln -s \"token ann@desk runs 'mail' (m-1) since 2026-11-21 22:00 UTC\" /var/tmp/cockpit.lock")
    done = headless(world, tmp_path / "run")
    assert done.returncode == 4, done.stderr
    assert "new is held: ann@desk runs 'mail' (m-1) since 2026-11-21 22:00 UTC" in done.stderr
    assert hosts["new"].run("cat /root/night/effects 2>/dev/null", check=False) == ""
    assert hosts["new"].run("readlink /var/tmp/cockpit.lock").startswith("token ann@desk")
    # What it held itself it has given up.
    assert hosts["old"].run("readlink /var/tmp/cockpit.lock || echo free").strip() == "free"


def test_a_run_that_ended_leaves_no_lock_and_no_jobs(
    desk: Rig, hosts: dict[str, RealHost], world: World, tmp_path: Path
) -> None:
    done = headless(world, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exit"] == 0
    for host in hosts.values():
        assert host.run("readlink /var/tmp/cockpit.lock || ls -A /root/.cockpit/jobs 2>/dev/null || :").strip() == ""


async def test_a_host_is_taken_over_by_its_name_and_both_journals_say_so(
    desk: Rig, hosts: dict[str, RealHost], world: World, tmp_path: Path
) -> None:
    os.environ.setdefault("COCKPIT_NAME", "operator")
    (tmp_path / "ann").mkdir()
    (tmp_path / "bob").mkdir()
    ann = Keeper(RunFolder(tmp_path / "ann"), world, hosts)
    bob = Keeper(RunFolder(tmp_path / "bob"), world, hosts)
    await ann.start()
    try:
        await ann.until(lambda: holders(ann.run) >= {("old", True), ("new", True)}, lambda: [])
        await bob.start()
        await bob.until(lambda: len([1 for host in bob.state.hosts.values() if host.holder]) == 2, lambda: [])
        assert "runs 'a night on real hosts' (ann)" in bob.state.hosts["old"].holder
        wrong = it.TakeOver(host="old", typed="new")
        await bob.until(lambda: refused(bob.run), lambda: [wrong])
        for host in ("old", "new"):
            await bob.until(
                lambda host=host: not bob.state.hosts[host].holder,
                lambda host=host: [it.TakeOver(host=host, typed=host)],
            )
        await there(bob)
        await ann.until(lambda: len([1 for host in ann.state.hosts.values() if host.holder]) == 2, lambda: [])
        lost = [record.event for record in records(ann.run.journal) if isinstance(record.event, HostLocked)]
        assert {event.host for event in lost if event.lost} == {"old", "new"}
        took = [record.event for record in records(bob.run.journal) if isinstance(record.event, HostLocked)]
        assert {event.host for event in took if "(ann)" in event.former} == {"old", "new"}
        # The former holder can start nothing any more.
        before = hosts["old"].run("cat /root/night/effects")
        hosts["old"].run("rm /root/night/effects")
        await ann.until(
            lambda: any(
                isinstance(record.event, ev.StepMoved)
                and record.event.state == "failed"
                and "held by another run" in record.event.detail
                for record in records(ann.run.journal)
            ),
            lambda: [it.RunNext()],
        )
        assert hosts["old"].run("cat /root/night/effects", check=False) == ""
        assert before
    finally:
        await ann.stop()
        await bob.stop()


def holders(run: RunFolder) -> set[tuple[str, bool]]:
    if not run.journal.exists():
        return set()
    return {
        (record.event.host, record.event.ours)
        for record in records(run.journal)
        if isinstance(record.event, HostLocked)
    }


def refused(run: RunFolder) -> bool:
    return any(
        isinstance(record.event, ev.IntentRefused) and "type old to take it from" in record.event.reason
        for record in records(run.journal)
    )
