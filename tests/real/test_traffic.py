"""Requests counted from the access logs of real servers, over rotations and a resumed run: each once."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cockpit.clock import SystemClock
from cockpit.events import Event, Record, TrafficSeen, Trouble
from cockpit.hosts.tail import Tails
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Traffic
from cockpit.probes.traffic import Traffics
from cockpit.reduce import reduce
from cockpit.state import RunState, ServiceView
from tests.hosts.told import Told, pooled
from tests.real.rig import RealHost, Rig
from tests.real.world import needs_world
from tests.real.world.web import apache, nginx

pytestmark = needs_world

CUSTOM = '$host|$msec|$remote_addr "$request" $status ua="$http_user_agent"'
APACHE_LOG, NGINX_LOG = "/var/log/apache2/access.log", "/var/log/nginx/access.log"


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    host = rig.host("old")
    with rig.standing():
        apache(host, "www.osf.test", {"/index.html": "old"})
    return host


@pytest.fixture(scope="module")
def new(rig: Rig) -> RealHost:
    host = rig.host("new")
    with rig.standing():
        nginx(host, "www.osf.test", {"/index.html": "new"}, log_format=CUSTOM, names=("www.wwf.test",))
    return host


def plan_of(old: RealHost, new: RealHost) -> Plan:
    """Two services that share the log of new, and one log of old."""
    wwf = Traffic(host="new", file=NGINX_LOG, format=CUSTOM, match=r"^www\.wwf\.test\|")
    osf = Traffic(host="new", file=NGINX_LOG, format=CUSTOM, match=r"^www\.osf\.test\|")
    return Plan(
        name="night",
        hash="",
        hosts={"old": old.plan("old"), "new": new.plan("new")},
        services=(
            Service(id="osf", traffic=(Traffic(host="old", file=APACHE_LOG), osf)),
            Service(id="wwf", traffic=(wwf,)),
        ),
    )


def ask(host: RealHost, count: int, name: str = "www.osf.test", agent: str = 'Mozilla/5.0 "quoted" \\ (X11)') -> None:
    """So many requests. Stands where the test stands."""
    words = [
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "-A",
        agent,
        "-H",
        f"Host: {name}",
        f"http://{host.address}/?n=[1-{count}]",
    ]
    subprocess.run(words, check=True)


class Counting:
    """A run that counts, and what a state makes of what it tells."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.told = Told()
        self._seq = 0

    def take(self, event: Event) -> None:
        self._seq += 1
        now = SystemClock()
        self.state = reduce(
            self.state, Record(seq=self._seq, utc=now.utc(), mono=now.monotonic(), actor="probe", event=event)
        )
        self.told(event)

    def totals(self) -> dict[str, int]:
        return {
            f"{service.id} {view.side}": view.total
            for service in self.state.services.values()
            for view in service.traffic.values()
        }

    def last(self, service: str, host: str) -> TrafficSeen:
        return [event for event in self.told.of(TrafficSeen) if (event.service, event.host) == (service, host)][-1]

    async def until(self, wanted: dict[str, int]) -> None:
        """Until the totals are these, and a while longer: they stay so."""
        async with asyncio.timeout(20):
            while self.totals() != wanted:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.3)
        assert self.totals() == wanted


@asynccontextmanager
async def counting(plan: Plan, state: RunState) -> AsyncIterator[Counting]:
    run = Counting(state)
    traffic = Traffics(plan, run.take, SystemClock(), state)
    async with pooled(plan.hosts, run.told) as pool:
        tails = Tails(pool, (), run.take, run.told.raw, heard=traffic.hearers)
        tasks = [asyncio.create_task(tails.run()), asyncio.create_task(traffic.run())]
        try:
            yield run
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def rotate(host: RealHost, log: str, pid: str) -> None:
    host.run(f"mv {log} {log}.1; kill -USR1 $(cat {pid})")


async def test_every_request_of_a_client_is_counted_once_and_none_of_ours(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    plan = plan_of(old, new)
    ask(old, 7)
    ask(new, 5)
    begin = RunState(plan=plan, services={service.id: ServiceView(id=service.id) for service in plan.services})
    async with counting(plan, begin) as run:
        # What was in the logs before is not of this night.
        await run.until({"osf old": 0, "osf new": 0, "wwf new": 0})
        ask(old, 200)
        ask(old, 20, agent="cockpit-probe")
        ask(new, 30)
        ask(new, 40, "www.wwf.test")
        ask(new, 10, "www.wwf.test", agent="cockpit-probe")
        await run.until({"osf old": 200, "osf new": 30, "wwf new": 40})
        assert max(event.rate for event in run.told.of(TrafficSeen)) >= 40
        assert max(event.probes for event in run.told.of(TrafficSeen) if event.host == "old") >= 4
        ask(old, 50)
        rotate(old, APACHE_LOG, "/run/apache2.pid")
        rotate(new, NGINX_LOG, "/run/nginx.pid")
        for _ in range(5):
            ask(old, 10)
            ask(new, 10)
        await run.until({"osf old": 300, "osf new": 80, "wwf new": 40})
        new.run(f"echo 'no line of a server' >>{NGINX_LOG}; echo 'www.osf.test|and none of this one' >>{NGINX_LOG}")
        await run.until({"osf old": 300, "osf new": 80, "wwf new": 40})
        seen = run.last("osf", "new")
        assert (seen.unread, seen.example) == (1, "www.osf.test|and none of this one")
        assert run.last("osf", "old").unread == 0
        assert abs(run.last("osf", "old").last - SystemClock().utc()) < 30
        assert run.told.of(Trouble) == []
        state = run.state
    # Nobody counts, and the night goes on: another rotation, more requests.
    ask(new, 11)
    rotate(new, NGINX_LOG, "/run/nginx.pid")
    ask(new, 12, "www.wwf.test")
    ask(old, 13)
    async with counting(plan, state) as run:
        await run.until({"osf old": 313, "osf new": 91, "wwf new": 52})
        ask(new, 9)
        await run.until({"osf old": 313, "osf new": 100, "wwf new": 52})
        # It drains in front of the operator.
        async with asyncio.timeout(15):
            while run.last("osf", "new").rate:
                await asyncio.sleep(0.1)
        assert run.told.of(Trouble) == []
