"""Who takes the writes: as hosts answer, as a command there prints, or by a write of our own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from cockpit.clock import SystemClock
from cockpit.events import Event, WriterSeen
from cockpit.hosts.pool import Unreachable
from cockpit.lab import Lab
from cockpit.plan.load import load
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Expect, Mail, Queue, Writer
from cockpit.probes import writer
from cockpit.probes.context import Context, Said
from cockpit.probes.http import HttpProber
from cockpit.probes.http.seen import Seen
from cockpit.probes.mail.watch import watches as mail_watches
from cockpit.probes.writer import Said as Said_
from cockpit.probes.writer import answered, took, who_says, writer_of
from cockpit.state import RunState
from tests.hosts.told import Told, pooled

WRITER = Writer(url="http://x/", old="old-host", new="new-host")


@pytest.mark.parametrize(
    ("at_old", "at_new", "side"),
    [
        ("old-host\n", "new-host\n", "both"),
        ("old-host", None, "old"),
        ("old-host", "closed", "old"),
        ("new-host", "new-host", "new"),
        (None, "new-host", "unknown"),
        ("new-host", None, "new"),
        ("closed", "new-host", "new"),
        ("closed", "closed", "none"),
        ("closed", None, "unknown"),
        (None, "closed", "unknown"),
        (None, None, "unknown"),
    ],
)
def test_the_writer_is_who_says_so(at_old: str | None, at_new: str | None, side: str) -> None:
    said = who_says(WRITER, at_old, "old"), who_says(WRITER, at_new, "new")
    assert writer_of(*said)[0] == side


@pytest.mark.parametrize(
    ("at_old", "at_new", "side"),
    [
        (0, 0, "both"),
        (0, 1, "old"),
        (1, 0, "new"),
        (1, 1, "none"),
        (0, None, "old"),
        (1, None, "unknown"),
        (1, 127, "unknown"),
        (2, 0, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_a_write_of_our_own_tells_by_its_status(at_old: int | None, at_new: int | None, side: str) -> None:
    assert writer_of(took("old", at_old, ""), took("new", at_new, ""))[0] == side


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen(ok=True, status=200, body="old-host\n"), Said_("old", "old says old")),
        (Seen(ok=True, status=200, body="read only"), Said_("", "old says read only")),
        (Seen(ok=False, status=503, detail="status 503"), Said_("", "old answers 503")),
        (Seen(ok=False, closed=True, detail="no connection"), Said_("", "nothing listens at old")),
        (Seen(ok=False, stalled=True, detail="no answer"), Said_(None, "old cannot be asked: no answer")),
        (Seen(ok=False, detail="no connection: TLS"), Said_(None, "old cannot be asked: no connection: TLS")),
    ],
)
def test_only_an_answer_or_a_closed_port_says_that_a_host_takes_no_write(seen: Seen, said: Said_) -> None:
    assert answered(WRITER, seen, "old") == said


async def test_a_port_where_nothing_listens_is_told_apart_from_one_that_is_silent() -> None:
    prober = HttpProber()
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))
        said = [
            answered(WRITER, await prober.get(f"http://x.test:{port}/", "127.0.0.1", Expect(), 0.5), "old")
            for port in (silent.getsockname()[1], closed.getsockname()[1])
        ]
    assert [one.who for one in said] == [None, ""]


async def test_the_writer_is_asked_while_other_probes_wait_for_hosts_that_are_away() -> None:
    """No place in any queue is shared with mail, however many wait there."""
    events: list[Event] = []
    asked = asyncio.Event()

    async def on_host(host: str, script: str, timeout: float) -> Said:
        if "postqueue" in script:
            await asyncio.sleep(60)
        asked.set()
        return Said(0, "old-host")

    hosts = {side: Host(id=side, ssh="a@b", role=side) for side in ("old", "new")}  # type: ignore[arg-type]
    mail = Mail(queues=(Queue(host="old", mta="postfix"),) * 40, timeout=60.0)
    service = Service(id="s", mail=mail, writer=Writer(command="who", old="old-host", new="new-host"))
    plan = Plan(name="p", hash="0", hosts=hosts, services=(service,))
    context = Context(plan, events.append, SystemClock(), on_host)
    watched = [*mail_watches(context), *writer.watches(context)]
    tasks = [asyncio.ensure_future(watch.work()) for watch in watched]
    try:
        async with asyncio.timeout(5):
            await asked.wait()
        assert not context.most.locked()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_what_a_host_says_is_harmless_in_words() -> None:
    assert who_says(WRITER, "\x1b[2J" + "x" * 500, "old").words == f"old says {'x' * 60} … 440 more"
    assert took("new", 2, "first\n\x1b[31mpsql: no").words == "new cannot be told: psql: no"
    assert took("new", 9, "").words == "new cannot be told: status 9"


@asynccontextmanager
async def watching(
    lab: Lab, spec: Writer, mode: str = "live"
) -> AsyncIterator[tuple[list[Event], Callable[[str], object]]]:
    """The writer of one service of the lab, watched over its real SSH servers."""
    plan = load(lab.plan_path).plan
    assert plan is not None
    service = replace(plan.services[0], writer=spec)
    plan = replace(plan, services=(service,))
    events: list[Event] = []
    async with pooled(plan.hosts, Told()) as pool:

        async def on_host(host: str, script: str, timeout: float) -> Said:
            try:
                ran = await pool[host].run("exec sh -s", script.encode(), timeout)
            except (Unreachable, OSError) as error:
                return Said(None, str(error))
            return Said(ran.exit, ran.out.decode(), ran.err.decode())

        before = RunState(mode=mode)  # type: ignore[arg-type]
        context = Context(plan, events.append, SystemClock(), on_host, before=before)
        [watch] = writer.watches(context)
        task = asyncio.ensure_future(watch.work())

        async def until(side: str) -> WriterSeen:
            async with asyncio.timeout(15):
                while not any(isinstance(event, WriterSeen) and event.writer == side for event in events[-1:]):
                    await asyncio.sleep(0.02)
            last = events[-1]
            assert isinstance(last, WriterSeen)
            return last

        try:
            yield events, until
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_command_on_both_hosts_tells_old_new_both_and_none(lab: Lab) -> None:
    spec = Writer(command='cat "$HOME/role" 2>/dev/null', old="primary", new="promoted", every=0.1)
    async with watching(lab, spec) as (_, until):
        await until("unknown")
        (lab.old.home / "role").write_text("primary\n")
        assert (await until("old")).detail == "old says old, new says nothing"
        (lab.new.home / "role").write_text("promoted\n")
        assert (await until("both")).detail == "old says old, new says new"
        (lab.old.home / "role").write_text("read-only\n")
        assert (await until("new")).detail == "old says read-only, new says new"
        (lab.new.home / "role").write_text("read-only\n")
        await until("none")


@pytest.fixture(autouse=True)
def short_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "TIMEOUT", 1.0)


async def test_a_write_of_our_own_finds_who_takes_it_and_counts_what_new_took(lab: Lab) -> None:
    write = 'cd "$HOME" && [ -e open ] || exit 1; echo x >>taken'
    spec = Writer(write=write, writes='wc -l <"$HOME/taken"', every=0.1)
    async with watching(lab, spec) as (events, until):
        assert (await until("none")).detail == "old refused a write, new refused a write"
        (lab.new.home / "open").touch()
        await until("new")
        async with asyncio.timeout(15):
            while not any(isinstance(event, WriterSeen) and event.writes > 1 for event in events):
                await asyncio.sleep(0.05)
        (lab.old.home / "open").touch()
        await until("both")
        await lab.kill("ssh-new")
        assert "new cannot be told" in (await until("old")).detail
        (lab.old.home / "open").unlink()
        await until("unknown")


async def test_a_rehearsal_makes_no_write_of_its_own(lab: Lab) -> None:
    async with watching(lab, Writer(write='touch "$HOME/written"', every=0.1), "rehearsal") as (_, until):
        assert (await until("unknown")).detail == "a rehearsal makes no write of its own"
        await asyncio.sleep(0.5)
    assert not (lab.old.home / "written").exists()
    assert not (lab.new.home / "written").exists()
