"""The downtime prober: a process of its own that samples come what may, ends with its parent, and is started again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

import cockpit
from cockpit.clock import SystemClock
from cockpit.events import DowntimeSeen, Event, Trouble
from cockpit.lab.wire import DnsServer
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Downtime, Expect
from cockpit.plan.zones import Dns
from cockpit.probes.downtime import DowntimeProber, accounts, asking
from cockpit.probes.downtime.asking import BODY_LIMIT, Trust, is_good, meets
from cockpit.probes.downtime.meters import slow_of
from cockpit.state import DownView, RunState, ServiceView
from tests.real.world.web import Authority

Talk = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that answers requests (their head and body) as it likes."""

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            for line in request.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    request += await reader.readexactly(int(line.split(b":")[1]))
            await talk(request, writer)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talked, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(data: bytes) -> Talk:
    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return talk


GOOD = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Night:
    """A prober at work, and what it told."""

    def __init__(
        self, *specs: Downtime, dns: Dns | None = None, before: RunState | None = None, budget: float = 0
    ) -> None:
        first, *more = specs
        service = Service(id="osf", downtime=first, meters=tuple(more))
        self.events: list[Event] = []
        plan = Plan(name="night", hash="", services=(service,), dns=dns, downtime=budget)
        self.prober = DowntimeProber(plan, self.events.append, SystemClock(), before)

    async def __aenter__(self) -> Night:
        self._task = asyncio.create_task(self.prober.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def last(self, meter: str = "", service: str = "osf") -> DowntimeSeen:
        told = [event for event in self.events if isinstance(event, DowntimeSeen)]
        ours = [event for event in told if event.meter == meter and event.service == service]
        return ours[-1] if ours else DowntimeSeen(service=service, lower=0, upper=0)

    def troubles(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Trouble)]

    async def until(self, holds: Callable[[], object], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.02)


def spec(port: int, **more: object) -> Downtime:
    """A meter that a busy machine does not take for a service that stalls."""
    fields = {"url": f"http://127.0.0.1:{port}/", "every": 0.05, "timeout": 10.0, "budget": 3600.0, **more}
    return Downtime(**fields)  # type: ignore[arg-type]


def named(port: int) -> Downtime:
    return spec(port, url=f"http://www.x.test:{port}/")


@pytest.fixture(autouse=True)
def told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "AGAIN", 0.5)


async def test_a_prober_that_is_killed_is_started_again_and_the_gap_is_in_the_upper_bound() -> None:
    async with serving(GOOD) as port, Night(spec(port)) as night:
        await night.until(lambda: night.last().samples > 10)
        assert night.last().upper == 0
        first = night.prober.pid
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        await night.until(lambda: night.last().upper > 0)
        back = time.monotonic()
        seen = night.last()
        assert night.prober.pid not in {0, first}
        assert 0.2 <= seen.upper <= back - killed + 3.0
        assert (seen.lower, seen.failed, seen.ongoing) == (0.0, 0, False)
        assert seen.missed >= 4
        assert seen.samples > 10
        assert night.last(service="").upper >= seen.upper - 0.05
        assert [words.partition(";")[0] for words in night.troubles()] == ["the downtime prober ended: signal 9"]


async def test_while_the_prober_is_held_up_nothing_is_known_and_the_upper_bound_says_so() -> None:
    async with serving(GOOD) as port, Night(spec(port)) as night:
        await night.until(lambda: night.last().samples > 10)
        os.kill(night.prober.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        await asyncio.sleep(1.0)
        os.kill(night.prober.pid, signal.SIGCONT)
        held = time.monotonic() - stopped
        count = night.last().samples
        await night.until(lambda: night.last().samples > count + 10)
        seen = night.last()
        assert seen.missed >= 10
        assert 0.9 <= seen.upper <= held + 2.0
        assert (seen.lower, seen.failed, seen.stalled) == (0.0, 0, 0)
        assert night.troubles() == []


async def test_the_prober_ends_with_its_parent() -> None:
    code = (
        "import asyncio, os\n"
        "from cockpit.plan.model import Plan, Service\nfrom cockpit.plan.watched import Downtime\n"
        "from cockpit.probes.downtime import DowntimeProber\n"
        "plan = Plan(name='n', hash='', services=(Service(id='a', downtime=Downtime(url='http://127.0.0.1:1/')),))\n"
        "async def main():\n"
        "    prober = DowntimeProber(plan, lambda event: print(prober.pid, flush=True))\n"
        "    await prober.run()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), 15))
    parent.kill()
    await parent.wait()

    def lives() -> bool:
        try:
            with open(f"/proc/{child}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    async with asyncio.timeout(5):
        while lives():
            await asyncio.sleep(0.02)


def test_the_process_of_the_prober_loads_no_screen_no_ssh_and_no_httpx() -> None:
    code = "import sys, cockpit.probes.downtime.__main__; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "h11" in loaded
    assert not loaded & {"textual", "rich", "asyncssh", "httpx", "cryptography", "cockpit.hosts"}


async def test_a_process_without_orders_ends_at_once() -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "cockpit.probes.downtime"], input=b"nonsense\n", capture_output=True
    )
    assert (done.returncode, done.stdout) == (2, b"")


class Names:
    """A name server that answers after a while, or not at all."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.wait = 0.0
        self.rcode = dns.rcode.NOERROR
        self._address = address

    async def reply(self, query: dns.message.Message, tcp: bool) -> dns.message.Message | None:
        await asyncio.sleep(self.wait)
        answer = dns.message.make_response(query)
        answer.set_rcode(self.rcode)
        question = query.question[0]
        if self.rcode == dns.rcode.NOERROR and question.rdtype == 1:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", self._address))
        return answer

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Dns]:
        async with serving(GOOD) as port:  # A port that was free.
            pass
        server = DnsServer("names", "127.0.0.1", port, self.reply)
        await server.start()
        try:
            yield Dns(zone="x.test", primary=f"127.0.0.1:{port}", resolvers=(f"127.0.0.1:{port}",))
        finally:
            await server.stop()


async def test_a_slow_name_server_delays_no_sample() -> None:
    names = Names()
    async with names.served() as where, serving(GOOD) as port, Night(named(port), dns=where) as night:
        await night.until(lambda: night.last().samples > 5)
        names.wait = 30.0
        count = night.last().samples
        await night.until(lambda: night.last().samples > count + 20, 25)
        assert (night.last().failed, night.last().stalled) == (0, 0)


async def test_a_name_that_goes_away_is_an_outage_and_one_that_comes_back_ends_it() -> None:
    names = Names()
    async with names.served() as where, serving(GOOD) as port, Night(named(port), dns=where) as night:
        await night.until(lambda: night.last().samples > 5)
        names.rcode = dns.rcode.NXDOMAIN
        await night.until(lambda: night.last().ongoing)
        names.rcode = dns.rcode.NOERROR
        await night.until(lambda: not night.last().ongoing)
        assert night.last().failed > 0


async def test_each_meter_counts_for_itself_and_the_night_counts_readers() -> None:
    async def no_writes(request: bytes, writer: asyncio.StreamWriter) -> None:
        status = b"503 Frozen" if request.startswith(b"POST") and request.endswith(b"\r\n\r\nx=1") else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)

    async with serving(no_writes) as port:
        write = spec(port, id="writes", kind="write", method="POST", body="x=1")
        async with Night(spec(port), write) as night:
            await night.until(lambda: night.last("writes").lower > 0.3)
            assert night.last("writes").what == "write"
            assert night.last("writes").ongoing
            for reader in (night.last(), night.last(service="")):
                assert (reader.upper, reader.ongoing, reader.what) == (0.0, False, "read")


async def test_what_a_hostile_server_says_ends_neither_the_samples_nor_the_prober() -> None:
    turns = [0]

    async def hostile(request: bytes, writer: asyncio.StreamWriter) -> None:
        turns[0] += 1
        match turns[0] % 5:
            case 0:
                writer.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000)
            case 1:
                writer.write(b"\x00\xff" * 5000)
            case 2:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            case 3:
                for _ in range(40):
                    writer.write(b"H")
                    await writer.drain()
                    await asyncio.sleep(0.1)
            case _:
                writer.write(b"HTTP/1.1 301 Gone\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n")

    async with serving(hostile) as port, Night(spec(port, timeout=0.5)) as night:
        await night.until(lambda: night.last().samples > 25)
        seen = night.last()
        assert seen.failed + seen.stalled == seen.samples
        assert seen.failed > 0
        assert seen.stalled > 0
        assert night.troubles() == []


async def test_a_meter_without_certificates_to_trust_says_so_and_sees_nothing_good() -> None:
    secure = Downtime(url="https://127.0.0.1:1/", ca="/nowhere/ca.pem", every=0.05)
    async with Night(secure) as night:
        await night.until(lambda: night.last().failed > 2)
        assert night.troubles() == [
            "downtime of osf: /nowhere/ca.pem cannot be read, so no certificate holds: No such file or directory"
        ]


async def test_a_meter_that_is_redirected_to_tls_makes_its_context_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    key, chain = authority.issue("www.x.test")
    (tmp_path / "key").write_text(key)
    (tmp_path / "chain").write_text(chain)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    made: list[bool] = []
    real = asking.tls

    def counted(ca: str) -> ssl.SSLContext:
        made.append(threading.current_thread() is threading.main_thread())
        return real(ca)

    monkeypatch.setattr(asking, "tls", counted)
    async with serving(GOOD, context) as secure:
        away = f"HTTP/1.1 301 Moved\r\nLocation: https://www.x.test:{secure}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(saying(away)) as port:
            made_for = spec(port, url=f"http://www.x.test:{port}/", ca=str(authority.pem))
            trust = Trust(made_for.ca, print)
            answers = await asyncio.gather(*(is_good(made_for, "127.0.0.1", trust) for _ in range(5)))
    assert answers == [True] * 5
    assert made == [False], "once, and not on the loop"


async def test_what_lies_in_the_folder_of_the_caller_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("h11", "msgspec", "asyncio"):
        (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    async with serving(GOOD) as port, Night(spec(port)) as night:
        await night.until(lambda: night.last().samples > 2)
    assert not (tmp_path / "ran").exists()


def test_no_process_of_ours_looks_for_modules_in_the_current_folder() -> None:
    for path in Path(cockpit.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert len(re.findall(r"sys\.executable,\s*\"-", text)) == len(
            re.findall(r"sys\.executable,\s*\"-P\"", text)
        ), path


async def test_a_certificate_counts_for_its_own_name_and_authority_only(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "Other")
    key, chain = authority.issue("www.x.test")
    (tmp_path / "key").write_text(key)
    (tmp_path / "chain").write_text(chain)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    async with serving(GOOD, context) as port:
        here = {"address": "127.0.0.1", "ca": str(authority.pem)}
        async with Night(
            spec(port, url=f"https://www.x.test:{port}/", **here),
            spec(port, url=f"https://www.y.test:{port}/", id="name", **here),
            spec(port, url=f"https://www.x.test:{port}/", id="ca", address="127.0.0.1", ca=str(other.pem)),
        ) as night:
            await night.until(lambda: min(night.last(meter).samples for meter in ("", "name", "ca")) > 4)
            assert (night.last().failed, night.last().upper) == (0, 0.0)
            for meter in ("name", "ca"):
                assert night.last(meter).failed == night.last(meter).samples


@pytest.mark.parametrize(
    ("data", "good"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.0 200 OK\r\n\r\nok", True),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", False),
        (b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", False),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n", False),
        (b"", False),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"ok" * BODY_LIMIT, True),
    ],
)
async def test_an_answer_is_good_when_it_is_whole_and_as_expected(data: bytes, good: bool) -> None:
    async with serving(saying(data)) as port:
        assert await is_good(spec(port, expect=Expect(body="ok")), "127.0.0.1", Trust("", print)) is good


async def test_a_request_has_the_name_of_its_url_and_says_that_it_is_ours() -> None:
    asked: list[bytes] = []

    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(talk) as port:
        assert await is_good(spec(port, url=f"http://www.x.test:{port}/a b?q=ü"), "127.0.0.1", Trust("", print))
    assert asked[0].startswith(b"GET /a%20b?q=%C3%BC HTTP/1.1\r\n")
    assert f"Host: www.x.test:{port}\r\n".encode() in asked[0]
    assert b"User-Agent: cockpit-probe\r\n" in asked[0]


def test_headers_are_compared_without_case() -> None:
    expect = Expect(status=0, header={"X-Served-By": "new"})
    assert meets(expect, 200, (("x-served-by", "the new one"),), b"")
    assert not meets(expect, 200, (("x-served-by", "old"),), b"")
    assert not meets(expect, 200, (), b"")


def test_slow_is_at_most_half_the_time_out() -> None:
    assert (slow_of(0.0, 2.0), slow_of(0.3, 2.0), slow_of(1.9, 2.0)) == (1.0, 0.3, 1.0)


async def test_the_gap_of_a_resumption_begins_where_the_figure_ended_and_not_with_the_last_record() -> None:
    clock = SystemClock()
    before = DownView(lower=3.0, upper=4.0, failed=12, samples=40, known=clock.utc() - 40)
    service = ServiceView(id="osf", down=before)
    state = RunState(utc=clock.utc() - 10, services={"osf": service}, down=before)
    async with serving(GOOD) as port, Night(spec(port), before=state) as night:
        await night.until(lambda: night.last().samples > 40)
        assert 44.0 <= night.last().upper < 54.0
        assert night.last().known > clock.utc() - 10


async def test_every_meter_and_the_night_go_on_from_before_a_resumption_with_the_gap_above() -> None:
    clock = SystemClock()
    before = DownView(lower=3.0, upper=4.0, failed=12, samples=40)
    service = ServiceView(id="osf", down=before, meters={"writes": before})
    state = RunState(utc=clock.utc() - 10, services={"osf": service}, down=before)
    async with serving(GOOD) as port:
        async with Night(spec(port), spec(port, id="writes", kind="write"), before=state) as night:
            await night.until(lambda: night.last(service="").samples > 40 and night.last("writes").samples > 40)
            for seen in (night.last(), night.last("writes"), night.last(service="")):
                assert (seen.lower, seen.failed) == (3.0, 12)
                assert 14.0 <= seen.upper < 24.0
                assert seen.missed >= 199
        ended = RunState(utc=clock.utc() - 10, services={"osf": service}, down=before, ended=clock.utc() - 10)
        async with Night(spec(port), before=ended) as night:
            await night.until(lambda: night.last().samples > 40)
            assert (night.last().lower, night.last().upper) == (3.0, 4.0)
