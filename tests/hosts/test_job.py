"""Detached jobs: run once whatever is asked twice, told once whatever is cut, and honest about how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from cockpit.events import Record, RunStarted, StepIntended, StepOutput
from cockpit.hosts.hands import ShellHands
from cockpit.hosts.job import JobEnd, Jobs
from cockpit.hosts.pool import HostPool, quoted
from cockpit.lab import Lab
from cockpit.lab.host import LabHost
from cockpit.plan.model import Plan, Service, Shell, Step
from cockpit.reduce import fold, reduce
from tests.hosts.told import Told, call_of


class Heard:
    """What a job said, by stream, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self._news = asyncio.Event()

    def __call__(self, stream: Literal["out", "err"], data: bytes) -> None:
        (self.out if stream == "out" else self.err).extend(data)
        self._news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._news.clear()
                await self._news.wait()


def release(host: LabHost, name: str = "go") -> None:
    (host.home / "tmp" / name).touch()


WAIT = "while [ ! -f tmp/go ]; do sleep 0.02; done\n"


@pytest.fixture
def jobs(pool: HostPool) -> Jobs:
    return Jobs(pool, patience=10)


def folder(lab: Lab, job: str) -> Path:
    return lab.old.home / ".cockpit/jobs" / job


@pytest.mark.parametrize("status", [0, 1, 7, 255])
async def test_a_job_tells_its_output_and_its_status(jobs: Jobs, status: int) -> None:
    heard = Heard()
    end = await jobs.run("old", "a", f"echo out; echo err >&2; printf no-end; exit {status}".encode(), heard)
    assert end == JobEnd(kind="ended", status=status, detail=f"ended with {status}")
    assert (bytes(heard.out), bytes(heard.err)) == (b"out\nno-end", b"err\n")


async def test_a_script_travels_as_it_is(jobs: Jobs) -> None:
    script = b"cat <<'X'\n\xff\xfe $HOME `id` \\n it's \"quoted\"\nX\n" + b"# padding\n" * 50_000
    heard = Heard()
    assert (await jobs.run("old", "a", script, heard)).status == 0
    assert bytes(heard.out) == b'\xff\xfe $HOME `id` \\n it\'s "quoted"\n'


async def test_large_output_arrives_whole_and_once_over_dropped_links(jobs: Jobs, lab: Lab, told: Told) -> None:
    script = (
        b'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo "line $i of the long output"; done; echo done >&2; exit 5'
    )
    whole = b"".join(b"line %d of the long output\n" % number for number in range(1, 40001))
    heard = Heard()
    running = asyncio.create_task(jobs.run("old", "a", script, heard))
    for part in (1, 200_000, 600_000, 900_000):
        await heard.until(lambda part=part: len(heard.out) >= part)
        lab.ssh["old"].drop()
    assert await running == JobEnd(kind="ended", status=5, detail="ended with 5")
    assert hashlib.sha256(heard.out).hexdigest() == hashlib.sha256(whole).hexdigest()
    assert bytes(heard.err) == b"done\n"


async def test_a_job_survives_its_link_and_its_reader(jobs: Jobs, lab: Lab) -> None:
    heard = Heard()
    script = f"echo begun; {WAIT} echo ended >tmp/ended; echo ended".encode()
    running = asyncio.create_task(jobs.run("old", "a", script, heard))
    await heard.until(lambda: b"begun" in heard.out)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    lab.ssh["old"].drop()
    release(lab.old)
    again = Heard()
    assert await jobs.attach("old", "a", again) == JobEnd(kind="ended", status=0, detail="ended with 0")
    assert bytes(again.out) == b"begun\nended\n"
    assert (lab.old.home / "tmp/ended").read_text() == "ended\n"


async def test_a_job_started_twice_runs_once(jobs: Jobs, lab: Lab) -> None:
    script = b"echo run >>tmp/runs; echo told"
    first, second = Heard(), Heard()
    ends = await asyncio.gather(jobs.run("old", "a", script, first), jobs.run("old", "a", script, second))
    assert ends == [JobEnd(kind="ended", status=0, detail="ended with 0")] * 2
    third = Heard()
    assert (await jobs.run("old", "a", b"echo other", third)).status == 0
    assert first.out == second.out == third.out == b"told\n"
    assert (lab.old.home / "tmp/runs").read_text() == "run\n"


async def test_jobs_of_other_names_and_hosts_are_other_jobs(jobs: Jobs, lab: Lab) -> None:
    for host, name in (("old", "a"), ("old", "b"), ("new", "a")):
        assert (await jobs.run(host, name, b"echo run >>tmp/runs", Heard())).status == 0
    assert (lab.old.home / "tmp/runs").read_text() == "run\nrun\n"
    assert (lab.new.home / "tmp/runs").read_text() == "run\n"


async def test_a_start_cut_in_the_middle_of_its_script_can_be_sent_again(
    pool: HostPool, jobs: Jobs, lab: Lab, told: Told
) -> None:
    script = b"echo whole >>tmp/runs; echo told\n" + b"#" * 100_000
    command = f"exec sh -c {quoted(jobs._supervisor)} cockpit-job a {len(script)} 0 0"
    async with pool["old"].process(command) as process:
        process.stdin.write(script[:50_000])
        async with asyncio.timeout(5):
            while not folder(lab, "a").exists() and not list(folder(lab, "a").parent.glob("*")):
                await asyncio.sleep(0.01)
        lab.ssh["old"].drop()
    heard = Heard()
    assert await jobs.run("old", "a", script, heard) == JobEnd(kind="ended", status=0, detail="ended with 0")
    assert bytes(heard.out) == b"told\n"
    assert (lab.old.home / "tmp/runs").read_text() == "whole\n"


async def test_attaching_to_what_never_was_starts_nothing(jobs: Jobs, lab: Lab) -> None:
    assert await jobs.attach("old", "never", Heard()) == JobEnd(kind="none")
    assert not folder(lab, "never").exists()


async def test_cancelling_ends_the_whole_group(jobs: Jobs, lab: Lab) -> None:
    heard = Heard()
    script = b"sleep 300 & echo $! >tmp/child; echo begun; wait; echo survived"
    running = asyncio.create_task(jobs.run("old", "a", script, heard))
    await heard.until(lambda: b"begun" in heard.out)
    child = int((lab.old.home / "tmp/child").read_text())
    await jobs.cancel("old", "a")
    end = await running
    assert (end.kind, end.detail) == ("ended", "killed by 15 (SIGTERM)")
    assert b"survived" not in heard.out
    assert not alive(child)


async def test_cancelling_what_never_was_or_has_ended_harms_nobody(jobs: Jobs, lab: Lab) -> None:
    await jobs.cancel("old", "never")
    assert (await jobs.run("old", "a", b"exit 3", Heard())).status == 3
    bystander = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        # The number of the process that has ended goes to another one in time.
        run = folder(lab, "a") / "run"
        boot = run.readlink().name.rpartition(":")[2]
        (folder(lab, "a") / "rc").rename(folder(lab, "a") / "kept")
        run.unlink()
        run.symlink_to(f"{bystander.pid}:1:{boot}")
        await jobs.cancel("old", "a")
        assert alive(bystander.pid)
        (folder(lab, "a") / "kept").rename(folder(lab, "a") / "rc")
    finally:
        with contextlib.suppress(ProcessLookupError):
            bystander.kill()
        await bystander.wait()
    assert (await jobs.attach("old", "a", Heard())).status == 3


async def test_a_killed_job_is_gone_without_a_status(jobs: Jobs, lab: Lab) -> None:
    heard = Heard()
    running = asyncio.create_task(jobs.run("old", "a", b"echo $PPID; exec sleep 300", heard))
    await heard.until(lambda: b"\n" in heard.out)
    os.killpg(int(heard.out), 9)
    assert (await running).kind == "gone"


async def test_a_host_started_anew_says_so(jobs: Jobs, lab: Lab) -> None:
    heard = Heard()
    running = asyncio.create_task(jobs.run("old", "a", f"echo begun; {WAIT}".encode(), heard))
    await heard.until(lambda: b"begun" in heard.out)
    run = folder(lab, "a") / "run"
    number, began, _ = run.readlink().name.split(":")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    run.unlink()
    run.symlink_to(f"{number}:{began}:another-boot")
    assert (await jobs.attach("old", "a", Heard())).kind == "rebooted"
    release(lab.old)


async def test_a_full_disk_refuses_the_job_in_a_sentence(jobs: Jobs, lab: Lab) -> None:
    lab.old.disk_full = True
    end = await jobs.run("old", "a", b"echo never >>tmp/never", Heard())
    assert end.kind == "refused"
    assert "room" in end.detail
    lab.old.disk_full = False
    assert (await jobs.run("old", "a", b"echo now", Heard())).status == 0


async def test_a_host_that_stays_away_is_lost_after_our_patience(pool: HostPool, lab: Lab) -> None:
    jobs = Jobs(pool, patience=0.5)
    heard = Heard()
    running = asyncio.create_task(jobs.run("old", "a", f"echo begun; {WAIT}".encode(), heard))
    await heard.until(lambda: b"begun" in heard.out)
    await lab.kill("ssh-old")
    end = await running
    assert end.kind == "lost"
    assert "old" in end.detail
    release(lab.old)
    await lab.restart("ssh-old")
    again = Heard()
    assert (await Jobs(pool).attach("old", "a", again)).status == 0
    assert bytes(again.out) == b"begun\n"


async def test_a_host_that_speaks_nonsense_is_lost_and_never_believed(pool: HostPool, lab: Lab) -> None:
    fake = lab.old.home / "bin/readlink"
    fake.write_text("#!/bin/sh\nprintf '\\033]0;zero\\007\\n'\n")
    fake.chmod(0o755)
    end = await Jobs(pool, patience=0.3).run("old", "a", b"exit 0", Heard())
    assert end.kind != "ended"


async def test_shell_steps_act_and_are_recalled_by_the_name_of_their_job(
    pool: HostPool, jobs: Jobs, lab: Lab, told: Told
) -> None:
    hands = ShellHands(pool, jobs, told.raw)
    action = Shell(
        host="old",
        probe='test -f "$flag"',
        capture='echo "before=$(cat tmp/before 2>/dev/null)"',
        apply='echo "[red]setting $flag[/red]"; printf "\\033]0;t\\007"; echo on >"$flag"; exit ${wrong:-0}',
        undo='rm "$flag"',
        params={"flag": "tmp/it's a flag"},
    )
    step = Step(ref="osf/flag", id="flag", service="osf", phase="prepare", kind="shell", action=action)
    assert (await hands.act(call_of(step, "probe"), told)).verdict == "no"
    (lab.old.home / "tmp/before").write_text("old \x1b[31mvalue\n")
    captured = await hands.act(call_of(step, "capture"), told)
    assert captured.captured == {"before": "old value"}
    assert (await hands.recall(call_of(step, "apply"), told)).verdict == "nothing"
    applied = await hands.act(call_of(step, "apply"), told)
    assert (applied.verdict, applied.exit) == ("ok", 0)
    assert (await hands.recall(call_of(step, "apply"), told)).verdict == "ok"
    assert (await hands.act(call_of(step, "probe"), told)).verdict == "ok"
    assert (await hands.act(call_of(step, "undo"), told)).verdict == "ok"
    assert (await hands.act(call_of(step, "undo", job="run.osf.step.2"), told)).verdict == "failed"


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def hanging(**scripts: str) -> Step:
    action = Shell(host="old", apply=scripts.get("apply", "true"), probe=scripts.get("probe", ""), params={})
    return Step(ref="osf/s", id="s", service="osf", phase="prepare", kind="shell", action=action, timeout=1.0)


async def test_an_act_over_its_time_is_ended_and_has_failed(pool: HostPool, jobs: Jobs, lab: Lab, told: Told) -> None:
    step = hanging(apply="echo $$ >tmp/pid; echo begun; sleep 60")
    outcome = await ShellHands(pool, jobs, told.raw).act(call_of(step, "apply"), told)
    assert (outcome.verdict, outcome.detail) == ("failed", "it was ended after its time-out of 1 s")
    pid = int((lab.old.home / "tmp/pid").read_text())
    async with asyncio.timeout(5):
        while alive(pid):
            await asyncio.sleep(0.05)


async def test_an_act_over_its_time_on_a_host_that_is_away_is_in_doubt(pool: HostPool, lab: Lab, told: Told) -> None:
    hands = ShellHands(pool, Jobs(pool, patience=0.5), told.raw)
    step = hanging(apply="touch tmp/began; while [ ! -f tmp/go ]; do sleep 0.05; done")
    acting = asyncio.create_task(hands.act(call_of(step, "apply"), told))
    async with asyncio.timeout(10):
        while not (lab.old.home / "tmp/began").exists():
            await asyncio.sleep(0.02)
    await lab.kill("ssh-old")
    assert (await acting).verdict == "unknown"
    release(lab.old)


async def test_a_question_over_its_time_is_no_answer(pool: HostPool, jobs: Jobs, told: Told) -> None:
    outcome = await ShellHands(pool, jobs, told.raw).act(call_of(hanging(probe="sleep 30"), "probe"), told)
    assert outcome.verdict == "unknown"
    assert "1 s" in outcome.detail


async def test_a_question_whose_link_is_cut_is_asked_again(pool: HostPool, jobs: Jobs, lab: Lab, told: Told) -> None:
    step = hanging(probe="echo x >>tmp/asked; while [ ! -f tmp/go ]; do sleep 0.05; done")
    step = msgspec.structs.replace(step, timeout=20.0)
    asking = asyncio.create_task(ShellHands(pool, jobs, told.raw).act(call_of(step, "probe"), told))
    async with asyncio.timeout(10):
        while not (lab.old.home / "tmp/asked").exists():
            await asyncio.sleep(0.02)
    lab.ssh["old"].drop()
    release(lab.old)
    assert (await asking).verdict == "ok"
    assert (lab.old.home / "tmp/asked").read_text() == "x\nx\n"


@pytest.mark.parametrize("first", [1, 12, 30])
async def test_after_a_crash_every_byte_and_line_is_told_once(
    pool: HostPool, lab: Lab, told: Told, tmp_path: Path, first: int
) -> None:
    action = Shell(
        host="old",
        apply="i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; printf 'half of %s' $i >&2; sleep 0.02; echo >&2; done; printf end",
    )
    step = Step(ref="osf/s", id="s", service="osf", phase="prepare", kind="shell", action=action)
    state = fold(
        [
            Record(
                seq=1,
                utc=1,
                mono=1,
                actor="",
                event=RunStarted(run="r", plan=Plan(name="p", hash="", services=(Service(id="osf", steps=(step,)),))),
            ),
            Record(
                seq=2,
                utc=1,
                mono=1,
                actor="",
                event=StepIntended(ref="osf/s", attempt=1, op="apply", job=call_of(step, "apply").job),
            ),
        ]
    )
    crashed = asyncio.create_task(ShellHands(pool, Jobs(pool), told.raw).act(call_of(step, "apply"), told))
    async with asyncio.timeout(30):
        while sum(len(event.lines) for event in told.of(StepOutput)) < first:
            await asyncio.sleep(0.01)
    crashed.cancel()
    await asyncio.gather(crashed, return_exceptions=True)
    heard = told.of(StepOutput)
    for event in heard:
        state = reduce(state, Record(seq=state.seq + 1, utc=1, mono=1, actor="", event=event))
    call = msgspec.structs.replace(call_of(step, "apply"), told=state.step("osf/s").told)
    assert (await ShellHands(pool, Jobs(pool), told.raw).recall(call, told)).verdict == "ok"
    for stream, lines, data in (
        (
            "out",
            [f"line {n}" for n in range(1, 41)] + ["end"],
            b"".join(b"line %d\n" % n for n in range(1, 41)) + b"end",
        ),
        ("err", [f"half of {n}" for n in range(1, 41)], b"".join(b"half of %d\n" % n for n in range(1, 41))),
    ):
        assert [line for event in told.of(StepOutput) if event.stream == stream for line in event.lines] == lines
        assert (tmp_path / "raw" / f"{call.job}.{stream}").read_bytes() == data
