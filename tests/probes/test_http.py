"""HTTP probes: pinned underneath while the URL keeps its name, judged by what is expected, bounded in time and size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.events import DowntimeSeen, Event, HealthSeen, Trouble, WriterSeen
from cockpit.lab import Lab
from cockpit.plan.load import load
from cockpit.plan.model import HttpCheck, Plan
from cockpit.plan.watched import Expect
from cockpit.probes import writer
from cockpit.probes.checks import check_http
from cockpit.probes.context import Context, Said
from cockpit.probes.downtime import DowntimeProber
from cockpit.probes.http import BODY_LIMIT, HttpProber
from cockpit.probes.probes import Probes
from cockpit.probes.world import address_at, world_address
from cockpit.state import DownView, RunState, ServiceView

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[int]:
    """A server of our own on loopback that says what no good one would."""

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talked, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(data: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return talk


def plan_of(lab: Lab) -> Plan:
    plan = load(lab.plan_path).plan
    assert plan is not None
    return plan


async def test_a_url_is_asked_at_the_address_it_is_pinned_to(lab: Lab) -> None:
    url = f"http://osf.karl.test:{lab.where.http_port}/"
    prober = HttpProber()
    for host in (lab.old, lab.new):
        seen = await prober.get(url, host.address, Expect(status=0, header={"X-Served-By": host.name}), 5)
        assert seen.ok, seen.detail
        assert seen.via == host.address
    assert not (await prober.get(url, lab.old.address, Expect(status=0, header={"X-Served-By": lab.new.name}), 5)).ok


@pytest.mark.parametrize(
    ("expect", "ok", "detail"),
    [
        (Expect(), True, "status 200"),
        (Expect(status=204), False, "status 200, not 204"),
        (Expect(body="wörld"), True, "status 200"),
        (Expect(body="moon"), False, "status 200, but the body lacks 'moon'"),
        (Expect(header={"X-Here": "yes"}), True, "status 200"),
        (Expect(header={"X-Here": "no"}), False, "header X-Here is 'yes', not 'no'"),
        (Expect(header={"X-Gone": "x"}), False, "header X-Gone is '', not 'x'"),
    ],
)
async def test_an_answer_is_judged_by_what_was_expected(expect: Expect, ok: bool, detail: str) -> None:
    body = "hello wörld".encode()
    answer = b"HTTP/1.1 200 OK\r\nX-Here: yes\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with serving(saying(answer)) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", expect, 5)
    assert (seen.ok, seen.detail, seen.status) == (ok, detail, 200)


async def test_a_redirect_to_the_same_name_stays_in_the_pin_and_to_another_is_no_answer() -> None:
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(b"")
        where = b"/next" if len(asked) == 1 else b"http://elsewhere.test/"
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % where)

    async with serving(talk) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert (seen.ok, seen.detail) == (False, "redirects out of the pin, to http://elsewhere.test/")
    assert len(asked) == 2


async def test_a_redirect_is_what_was_asked_for_when_one_is_expected() -> None:
    async with serving(
        saying(b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n")
    ) as port:
        assert (await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(status=301), 5)).ok


async def test_redirects_without_end_are_ended() -> None:
    async with serving(saying(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert (seen.ok, seen.detail) == (False, "more than 5 redirects")


async def test_a_body_without_end_is_cut_and_a_slow_one_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(endless) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert seen.ok
    assert len(seen.body) == BODY_LIMIT

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with serving(silent) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 0.3)
    assert (seen.ok, seen.status, seen.detail) == (False, 0, "no answer within 0.3 s")
    assert 290 <= seen.ms < 2000


@pytest.mark.parametrize(
    "data", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"\x00\xff" * 50]
)
async def test_what_is_no_answer_is_a_sentence(data: bytes) -> None:
    async with serving(saying(data)) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert not seen.ok
    assert seen.detail.startswith("the server broke off: "), seen.detail


async def test_a_closed_port_is_no_connection() -> None:
    async with serving(saying(b"")) as port:
        pass
    seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert (seen.ok, seen.status) == (False, 0)
    assert seen.detail.startswith("no connection: ")


async def test_the_world_s_address_is_the_resolvers_answer(lab: Lab) -> None:
    plan = plan_of(lab)
    url = f"http://osf.karl.test:{lab.where.http_port}/"
    assert await world_address(plan, url) == lab.old.address
    assert await world_address(plan, "http://192.0.2.7/") == "192.0.2.7"
    assert await world_address(plan, "http://never.karl.test/") == ""
    await lab.kill("resolver-1")
    assert await world_address(plan, url) == lab.old.address
    assert await address_at(plan, url, "new") == lab.new.address


async def test_a_check_is_asked_again_until_it_holds_or_its_time_is_over(lab: Lab) -> None:
    plan = plan_of(lab)
    url = f"http://osf.karl.test:{lab.where.http_port}/"
    await lab.kill("web-old")
    check = HttpCheck(url=url, at="old", expect=Expect(status=200), timeout=10)
    checking = asyncio.create_task(check_http(check, plan, "osf"))
    await asyncio.sleep(0.6)
    assert not checking.done()
    await lab.restart("web-old")
    assert (await checking)[0]
    held, said = await check_http(msgspec.structs.replace(check, expect=Expect(status=418), timeout=0.5), plan, "osf")
    assert not held
    assert said == f"{url} at old ({lab.old.address}): status 200, not 418"


async def test_a_check_asks_the_vantages_that_its_conditions_name(lab: Lab) -> None:
    plan = plan_of(lab)
    url = f"http://osf.karl.test:{lab.where.http_port}/whoami"
    same = HttpCheck(url=url, at="new", expect=Expect(status=0, that=("new.digest == old.digest",)), timeout=0.3)
    held, said = await check_http(same, plan, "osf")
    assert not held, "each host says its own name"
    assert "new.digest == old.digest: new.digest is " in said
    here = HttpCheck(url=url, at="old", expect=Expect(that=("world.via == old.via", "size == world.size")), timeout=5)
    assert await check_http(here, plan, "osf") == (True, f"{url} at old ({lab.old.address}): status 200")


class Probing:
    """All probes of the lab's plan."""

    def __init__(self, lab: Lab) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()
        plan = plan_of(lab)

        async def on_host(host: str, script: str, timeout: float) -> Said:
            return Said(0, "3\n")

        self._probes = Probes(Context(plan, self._take, SystemClock(), on_host))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def __aenter__(self) -> Probing:
        self._task = asyncio.create_task(self._probes.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def health(self, at: str) -> HealthSeen | None:
        return next(
            (event for event in reversed(self.events) if isinstance(event, HealthSeen) and event.at == at), None
        )

    def down(self) -> DowntimeSeen | None:
        return next((event for event in reversed(self.events) if isinstance(event, DowntimeSeen)), None)

    async def until(self, holds: Callable[[], object], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()


async def test_health_and_writer_are_seen_at_every_vantage(lab: Lab) -> None:
    async with Probing(lab) as probing:
        await probing.until(lambda: all(probing.health(at) for at in ("old", "new", "world")))
        await probing.until(lambda: any(isinstance(event, WriterSeen) for event in probing.events))
        old, world = probing.health("old"), probing.health("world")
        assert old is not None
        assert world is not None
        assert (old.ok, old.via, world.via) == (True, lab.old.address, lab.old.address)
        [first, *_] = [event for event in probing.events if isinstance(event, WriterSeen)]
        assert (first.writer, first.writes) == ("old", 3)
        await lab.kill("web-old")

        def gone(at: str) -> bool:
            seen = probing.health(at)
            return seen is not None and not seen.ok

        await probing.until(lambda: gone("world") and gone("old"))
        gone_old = probing.health("old")
        assert gone_old is not None
        assert "no connection" in gone_old.detail


async def test_an_outage_is_measured_between_its_bounds(lab: Lab) -> None:
    async with Probing(lab) as probing:
        await probing.until(lambda: probing.down())
        loop = asyncio.get_running_loop()
        before = loop.time()
        await lab.kill("web-old")
        inside = loop.time()
        await asyncio.sleep(1.6)
        starting = loop.time()
        await lab.restart("web-old")
        after = loop.time()

        def over() -> bool:
            seen = probing.down()
            return seen is not None and seen.failed > 0 and not seen.ongoing

        await probing.until(over)
        down = probing.down()
        assert down is not None
        assert down.lower <= after - before
        assert down.upper >= starting - inside
        assert down.upper - down.lower < 1.0


def hold_up(seconds: float) -> None:
    time.sleep(seconds)


async def test_the_downtime_prober_goes_on_while_the_conductor_s_loop_is_held_up(lab: Lab) -> None:
    told: list[DowntimeSeen] = []

    def take(event: Event) -> None:
        assert isinstance(event, DowntimeSeen)
        told.append(event)

    async with asyncio.timeout(30):
        task = asyncio.create_task(DowntimeProber(plan_of(lab), take).run())
        while not told:
            await asyncio.sleep(0.05)
        first, began = told[-1].samples, time.monotonic()
        # The lab lives on the loop that is held up here: its answers wait, the prober's questions do not.
        hold_up(0.9)
        while told[-1].samples == first:
            await asyncio.sleep(0.01)
        took = time.monotonic() - began
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert told[-1].samples - first >= took / 0.25 - 3


@pytest.mark.parametrize("charset", ["hex", "rot13", "no-such-thing", "utf-16", "\\xff"])
async def test_an_encoding_that_is_none_is_no_fault(charset: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset={charset}\r\nContent-Length: 2\r\n\r\n"
    async with serving(saying(head.encode("latin-1") + b"ok")) as port:
        seen = await HttpProber().get(f"http://name.test:{port}/", "127.0.0.1", Expect(), 5)
    assert (seen.ok, seen.status) == (True, 200)


async def test_a_probe_that_breaks_stops_no_other_and_is_told_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(writer, "_watch", broken)
    monkeypatch.setattr("cockpit.probes.probes.AGAIN", 0.1)
    async with Probing(lab) as probing:
        await probing.until(lambda: probing.health("world"))
        await asyncio.sleep(0.5)
    told = [event.message for event in probing.events if isinstance(event, Trouble)]
    assert told == ["probe writer of osf: RuntimeError: nobody thought of this"]


async def test_downtime_goes_on_from_what_was_measured_before_a_resumption(lab: Lab) -> None:
    clock = SystemClock()
    before = DownView(lower=3.0, upper=4.0, ongoing=True, failed=12, samples=40)
    stopped = clock.utc() - 10
    state = RunState(utc=stopped, services={"osf": ServiceView(id="osf", down=before)})
    told: list[Event] = []
    task = asyncio.create_task(DowntimeProber(plan_of(lab), told.append, clock, state).run())
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [first, *_] = [event for event in told if isinstance(event, DowntimeSeen)]
    assert (first.lower, first.failed, first.ongoing) == (3.0, 12, False)
    # What nobody watched may have been down: from the stop to the first answer of this time.
    assert 14.0 <= first.upper <= 4.0 + clock.utc() - stopped
    assert first.samples > 40
