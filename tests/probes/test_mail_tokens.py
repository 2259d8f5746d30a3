"""Messages of our own: put off, refused, lost, late, astray, and found with their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from cockpit.clock import SystemClock
from cockpit.events import DowntimeSeen, Event, TokenSeen, Trouble
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Mail, Mailbox, Token
from cockpit.probes.context import Context
from cockpit.probes.mail import tokens as couriers
from cockpit.probes.mail.tokens import Courier
from cockpit.state import DownView, RunState, ServiceView
from tests.probes.mailers import NAME, Domain, here, smtp_server

QUICK = Token(to="ann@example.test", through=("new",), every=30.0, timeout=6.0)


class Delivering(Domain):
    """Puts what it takes into an mbox, under its own name or another, when it is let."""

    def __init__(self, path: Path, by: str = NAME, deferrals: int = 0) -> None:
        super().__init__(deferrals)
        self.path, self.by = path, by
        self.let = asyncio.Event()
        self.let.set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        task = asyncio.create_task(self._deliver(envelope))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return answer.replace("4XyZ12", f"Q{len(self.taken)}")

    async def _deliver(self, envelope: Envelope) -> None:
        await self.let.wait()
        text = bytes(envelope.content or b"").replace(b"\r\n", b"\n").decode()  # type: ignore[arg-type]
        with self.path.open("a") as file:
            file.write(f"From x Sat Nov 21 10:00:00 2026\nReceived: from me by {self.by}; x\n{text}\n\n")


def courier(
    tmp_path: Path,
    token: Token,
    port: int,
    took: list[Event],
    *stragglers: Mailbox,
    before: RunState | None = None,
) -> Courier:
    token = msgspec.structs.replace(token, port=port, mailbox=Mailbox(host="new", path=str(tmp_path / "ann")))
    mail = Mail(token=token, stragglers=stragglers)
    service = Service(id="s", mail=mail)
    hosts = {side: Host(id=side, ssh="a@b", role=side, address="127.0.0.1") for side in ("old", "new")}  # type: ignore[arg-type]
    plan = Plan(name="p", hash="0", hosts=hosts, services=(service,))
    return Courier(Context(plan, took.append, SystemClock(), here, before=before), service, mail, token)


@asynccontextmanager
async def running(work: Courier) -> AsyncIterator[None]:
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Any], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def tokens(took: list[Event]) -> list[TokenSeen]:
    return [event for event in took if isinstance(event, TokenSeen)]


async def test_a_message_arrives_with_its_way_and_bounds_of_its_delay(tmp_path: Path) -> None:
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann")
    async with smtp_server(domain) as port, running(courier(tmp_path, QUICK, port, took)):
        await until(lambda: len(tokens(took)) == 2)
    sent, arrived = tokens(took)
    assert (sent.state, arrived.state, arrived.path) == ("sent", "arrived", (NAME,))
    assert arrived.detail == f"by way of {NAME}"
    assert arrived.proven
    assert sent.token == arrived.token
    message = bytes(domain.taken[0].content or b"").decode()  # type: ignore[arg-type]
    assert f"Message-ID: <{sent.token}@example.test>" in message
    assert "Auto-Submitted: auto-generated" in message
    meter = [event for event in took if isinstance(event, DowntimeSeen)][-1]
    assert (meter.what, meter.meter, meter.ongoing, meter.failed) == ("mail", "mail", False, 0)
    assert 0 <= meter.lower <= meter.upper
    assert meter.upper == pytest.approx(arrived.took, abs=0.01)


async def test_a_greylisted_message_is_tried_again_and_is_the_same_one(tmp_path: Path) -> None:
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann", deferrals=2)
    async with smtp_server(domain) as port, running(courier(tmp_path, QUICK, port, took)):
        await until(lambda: tokens(took) and tokens(took)[-1].state == "arrived")
    assert [event.state for event in tokens(took)] == ["sent", "arrived"]
    assert len(domain.recipients) == 3
    assert len(domain.taken) == 1
    assert tokens(took)[0].took >= 1.0


async def test_what_is_put_off_for_its_whole_time_is_refused(tmp_path: Path) -> None:
    took: list[Event] = []
    spec = Token(to="ann@example.test", through=("new",), every=30.0, timeout=2.0)
    async with (
        smtp_server(Delivering(tmp_path / "ann", deferrals=99)) as port,
        running(courier(tmp_path, spec, port, took)),
    ):
        await until(lambda: tokens(took))
    assert tokens(took)[0].state == "refused"
    assert tokens(took)[0].detail == "not taken within 2 s: 450 4.2.0 Greylisted, try again later"


async def test_a_refusal_is_told_with_the_server_s_words(tmp_path: Path) -> None:
    took: list[Event] = []
    spec = Token(to="nobody@example.test", through=("old", "new"), every=30.0)
    async with smtp_server(Delivering(tmp_path / "ann")) as port, running(courier(tmp_path, spec, port, took)):
        await until(lambda: len(tokens(took)) == 2)
    assert {(event.through, event.state, event.detail) for event in tokens(took)} == {
        (side, "refused", "550 5.1.1 No such user here") for side in ("old", "new")
    }


async def test_a_message_that_came_after_its_time_is_lost_and_then_late(tmp_path: Path) -> None:
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann")
    domain.let.clear()
    spec = Token(to="ann@example.test", through=("new",), every=60.0, timeout=1.0)
    (tmp_path / "ann").write_text("")
    async with smtp_server(domain) as port, running(courier(tmp_path, spec, port, took)):
        await until(lambda: tokens(took) and tokens(took)[-1].state == "lost")
        lost = tokens(took)[-1]
        late = [event for event in took if isinstance(event, DowntimeSeen)][-1]
        domain.let.set()
        await until(lambda: tokens(took)[-1].state == "arrived")
    assert f"not in {tmp_path}/ann on new after" in lost.detail
    assert "250 2.0.0 Ok: queued as Q1" in lost.detail
    assert late.ongoing
    assert tokens(took)[-1].detail.startswith("late, ")
    meter = [event for event in took if isinstance(event, DowntimeSeen)][-1]
    assert meter.lower > 0.9, "it was looked for in vain"
    assert not meter.ongoing


async def test_a_message_in_the_old_mailbox_is_lost_with_its_place(tmp_path: Path) -> None:
    took: list[Event] = []
    astray = tmp_path / "old-ann"
    astray.write_text("From x Sat Nov 21 10:00:00 2026\nSubject: before\n\nx\n\n")
    box = Mailbox(host="old", path=str(astray))
    async with smtp_server(Delivering(astray)) as port, running(courier(tmp_path, QUICK, port, took, box)):
        await until(lambda: tokens(took) and tokens(took)[-1].state == "lost")
    assert tokens(took)[-1].detail.startswith(f"it lies in {astray} on old; the server said 250")


async def test_a_message_whose_way_begins_elsewhere_is_told_so(tmp_path: Path) -> None:
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann", by="elsewhere.test")
    async with smtp_server(domain) as port, running(courier(tmp_path, QUICK, port, took)):
        await until(lambda: tokens(took) and tokens(took)[-1].state == "arrived")
    assert tokens(took)[-1].path == ("elsewhere.test",)
    assert not tokens(took)[-1].proven
    assert "its way is not proven: its way begins at elsewhere.test" in tokens(took)[-1].detail


async def test_a_host_without_an_address_is_told(tmp_path: Path) -> None:
    took: list[Event] = []
    work = courier(tmp_path, QUICK, 1, took)
    work._context.plan.hosts.clear()
    async with running(work):
        await until(lambda: tokens(took))
    assert (tokens(took)[0].state, tokens(took)[0].detail) == (
        "refused",
        "the plan gives no address of a host that is new",
    )


async def test_a_run_that_goes_on_keeps_the_longest_delay(tmp_path: Path) -> None:
    took: list[Event] = []
    meter = DownView(lower=40.0, upper=41.5, failed=2, samples=9, what="mail")
    before = RunState(services={"s": ServiceView(id="s", meters={"mail": meter})})
    async with (
        smtp_server(Delivering(tmp_path / "ann")) as port,
        running(courier(tmp_path, QUICK, port, took, before=before)),
    ):
        await until(lambda: len(tokens(took)) == 2)
    last = [event for event in took if isinstance(event, DowntimeSeen)][-1]
    assert (last.lower, last.upper, last.failed, last.samples) == (40.0, 41.5, 2, 10)


async def test_nothing_is_sent_before_the_mailbox_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LOOKS", (0.1,))
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann")
    (tmp_path / "ann").mkdir()
    async with smtp_server(domain) as port, running(courier(tmp_path, QUICK, port, took)):
        await until(lambda: [event for event in took if isinstance(event, Trouble)])
        await asyncio.sleep(0.5)
        assert not domain.recipients
        (tmp_path / "ann").rmdir()
        await until(lambda: tokens(took) and tokens(took)[-1].state == "arrived")
    [trouble] = [event for event in took if isinstance(event, Trouble)]
    assert trouble.message.endswith("cannot be read: " + str(tmp_path / "ann") + " is a folder and no Maildir")


async def test_a_message_that_is_given_up_stays_in_the_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LATE", 1.5)
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann")
    domain.let.clear()
    (tmp_path / "ann").write_text("")
    spec = Token(to="ann@example.test", through=("new",), every=60.0, timeout=1.0)
    work = courier(tmp_path, spec, 0, took)
    async with smtp_server(domain) as port:
        work._token = msgspec.structs.replace(work._token, port=port)
        async with running(work):
            await until(lambda: tokens(took) and not work._out and tokens(took)[-1].state == "lost")
            await until(lambda: not meter(took).ongoing)
    assert (meter(took).failed, meter(took).upper >= 1.5, meter(took).lower > 0.4) == (1, True, True)


async def test_a_message_told_as_lost_that_lies_elsewhere_is_no_second_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "LOOKS", (0.2,))
    took: list[Event] = []
    astray = tmp_path / "old-ann"
    astray.write_text("")
    domain = Delivering(astray)
    domain.let.clear()
    spec = Token(to="ann@example.test", through=("new",), every=60.0, timeout=1.0)
    box = Mailbox(host="old", path=str(astray))
    async with smtp_server(domain) as port, running(courier(tmp_path, spec, port, took, box)):
        await until(lambda: tokens(took) and tokens(took)[-1].state == "lost")
        domain.let.set()
        await until(lambda: [event for event in took if isinstance(event, Trouble)])
    assert [event.state for event in tokens(took)] == ["sent", "lost"]
    assert meter(took).failed == 1
    assert took[-1] == meter(took)


async def test_more_messages_than_are_looked_for_are_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "OUT", 1)
    took: list[Event] = []
    domain = Delivering(tmp_path / "ann")
    domain.let.clear()
    spec = Token(to="ann@example.test", through=("new",), every=0.2, timeout=60.0)
    async with smtp_server(domain) as port, running(courier(tmp_path, spec, port, took)):
        await until(lambda: any(event.state == "lost" for event in tokens(took)))
    lost = next(event for event in tokens(took) if event.state == "lost")
    assert lost.detail.startswith("more than 1 messages are out")
    assert meter(took).failed >= 1


def meter(took: list[Event]) -> DowntimeSeen:
    return [event for event in took if isinstance(event, DowntimeSeen)][-1]
