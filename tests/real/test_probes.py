"""Health probes on a real host: an OpenSSH login, PostgreSQL and SQLite asked by their own clients, commands, and logs over a
rotation, all over the conductor's link; and what stands in the process list meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from cockpit.clock import SystemClock
from cockpit.events import Event, HealthSeen
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Expect, Login, Probe
from cockpit.probes import health
from cockpit.probes.context import Context, Said
from tests.hosts.told import Told, pooled
from tests.real.rig import RealHost, Rig, needs_rig
from tests.real.test_journald import BEGIN, JOURNALD, Unit

_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_LACKING = [
    package
    for package, there in (("postgresql", bool(_POSTGRES)), ("sqlite3", shutil.which("sqlite3") is not None))
    if not there
]
pytestmark = [
    needs_rig,
    pytest.mark.skipif(bool(_LACKING), reason=f"missing: sudo apt-get install -y {' '.join(_LACKING)}"),
]

SECRET = 'o\'pen "sesame" $(id)'
NOTHING = Expect(status=0)

DATABASE = """
mkdir -p /srv/pg /run/postgresql; chown postgres /srv/pg /run/postgresql
printf %s {secret} >/srv/pw; chown postgres /srv/pw
runuser -u postgres -- {bin}/initdb -D /srv/pg/data -A scram-sha-256 --pwfile=/srv/pw -U shop >/dev/null
rm /srv/pw
runuser -u postgres -- {bin}/pg_ctl -D /srv/pg/data -w -o "-c listen_addresses=127.0.0.1 -c fsync=off" -l /srv/pg/log start >/dev/null
"""


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    return rig.host("old")


class Looking:
    """Health probes of one service on real hosts, over the links that a conductor has."""

    def __init__(self, pool: HostPool) -> None:
        self.events: list[Event] = []
        self._pool = pool
        self._news = asyncio.Event()

    def take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def on_host(self, host: str, script: str, timeout: float) -> Said:
        try:
            ran = await self._pool[host].run("exec sh -s", script.encode(), timeout)
        except (Unreachable, OSError) as error:
            return Said(None, str(error))
        return Said(ran.exit, ran.out.decode(errors="replace"), ran.err.decode(errors="replace"))

    def of(self, probe: str) -> list[HealthSeen]:
        return [event for event in self.events if isinstance(event, HealthSeen) and event.probe == probe]

    async def first(self, probe: str, holds: Callable[[HealthSeen], bool] = lambda seen: True) -> HealthSeen:
        """The first answer of a probe for which that holds."""
        async with asyncio.timeout(30):
            while True:
                for event in self.of(probe):
                    if holds(event):
                        return event
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def looking(hosts: dict[str, Host], tmp_path: Path, *probes: Probe) -> AsyncIterator[Looking]:
    async with pooled(hosts, Told(tmp_path)) as pool:
        seen = Looking(pool)
        plan = Plan(name="p", hash="0", hosts=hosts, services=(Service(id="osf", health=probes),))
        secrets = {"river": "river", "box": SECRET}
        context = Context(plan, seen.take, SystemClock(), seen.on_host, secrets)
        tasks = [asyncio.create_task(watch.work()) for watch in health.watches(context)]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def ssh(id: str, **more: object) -> Probe:
    fields = {"proto": "ssh", "target": "old.test:22", "expect": NOTHING, "at": ("old",), "every": 0.5}
    return Probe(id=id, **{**fields, **more})  # type: ignore[arg-type]


async def test_a_real_sshd_is_logged_in_to_with_the_plan_s_key_and_with_a_secret(
    desk: Rig, old: RealHost, tmp_path: Path
) -> None:
    probes = (
        ssh("banner", expect=Expect(status=0, body="OpenSSH")),
        ssh("key", login=Login(user="root", secret="")),
        ssh("password", login=Login(user="mover", secret="river")),
        ssh("wrong", login=Login(user="mover", secret="box")),
    )
    async with looking({"old": old.plan("old")}, tmp_path, *probes) as seen:
        banner, key, password, wrong = [await seen.first(id) for id in ("banner", "key", "password", "wrong")]
    assert banner.ok
    assert banner.facts["banner"].startswith("SSH-2.0-OpenSSH")
    shown = old.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert banner.facts["hostkey"] == f"ssh-ed25519 {shown}"
    assert (key.ok, password.ok) == (True, True), (key.detail, password.detail)
    assert "logged in" in key.detail
    assert (wrong.ok, "the login is refused" in wrong.detail) == (False, True)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    stranger = {"old": old.plan("old", host_key=other)}
    async with looking(stranger, tmp_path, probes[2]) as seen:
        refused = await seen.first("password")
    assert (refused.ok, "should be SHA256:" in refused.detail, "no login was tried" in refused.detail) == (
        False,
        True,
        True,
    )


async def test_databases_are_asked_by_their_own_clients_and_no_argument_shows_the_password(
    desk: Rig, old: RealHost, tmp_path: Path
) -> None:
    tool = _POSTGRES[-1]
    script = DATABASE.format(bin=tool, secret=shlex.quote(SECRET))
    old.run(script)
    old.run("sqlite3 /srv/shop.db 'create table orders (n); insert into orders values (1), (2);'")

    def query(id: str, text: str, database: str = "postgresql://127.0.0.1/postgres", secret: str = "box") -> Probe:
        login = Login(user="shop", secret=secret) if database.startswith("postgresql") else None
        fields = {"proto": "query", "target": text, "database": database, "login": login, "at": ("old",)}
        return Probe(id=id, expect=NOTHING, every=1.0, timeout=3.0, **fields)  # type: ignore[arg-type]

    probes = (
        query("one", "select 40 + 2, 'it''s'"),
        query("write", "create table t (n int)"),
        query("wrong", "select 1", secret="river"),
        query("slow", "select pg_sleep(60)"),
        query("lite", "select count(*) from orders", "sqlite:/srv/shop.db"),
        query("lite-write", "delete from orders", "sqlite:/srv/shop.db"),
    )
    try:
        async with looking({"old": old.plan("old")}, tmp_path, *probes) as seen:
            await seen.first("one")
            # While a query waits, its client stands in the process list.
            shown = ""
            async with asyncio.timeout(10):
                while "pg_sleep" not in shown and "psql" not in shown:
                    shown = await asyncio.to_thread(old.run, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; :")
            found = {probe.id: await seen.first(probe.id) for probe in probes}
    finally:
        old.run(f"runuser -u postgres -- {tool}/pg_ctl -D /srv/pg/data -m immediate stop", check=False)
    assert (found["one"].ok, found["one"].facts["value"]) == (True, "42|it's"), found["one"].detail
    assert (found["write"].ok, "read-only" in found["write"].detail) == (False, True), found["write"].detail
    assert (found["wrong"].ok, "password authentication failed" in found["wrong"].detail) == (False, True)
    assert not found["slow"].ok
    assert found["slow"].ms < 4500
    assert (found["lite"].ok, found["lite"].facts["number"]) == (True, "2"), found["lite"].detail
    assert not found["lite-write"].ok
    assert old.run("sqlite3 /srv/shop.db 'select count(*) from orders'").strip() == "2"
    assert "psql" in shown
    assert "sesame" not in shown, "the password is in nobody's arguments"
    assert "pg_sleep" not in shown, "nor is the query"


async def test_commands_and_logs_are_looked_at_on_the_host(desk: Rig, old: RealHost, tmp_path: Path) -> None:
    old.run("mkdir -p /var/log; echo 'status=sent before' >/var/log/mail.log")
    command = Probe(id="c", proto="command", target="hostname; exit 3", expect=Expect(status=3, body="old"),
                    at=("old",), every=0.5)  # fmt: skip
    endless = Probe(
        id="e", proto="command", target="exec sleep 4711", expect=NOTHING, at=("old",), every=9.0, timeout=1.0
    )
    log = Probe(id="l", proto="log", target="status=sent (one|two|three)", file="/var/log/mail.log", expect=NOTHING,
                at=("old",), every=0.3)  # fmt: skip
    async with looking({"old": old.plan("old")}, tmp_path, command, endless, log) as seen:
        ran = await seen.first("c")
        assert (ran.ok, ran.status, ran.facts["value"], ran.via) == (True, 3, "old", "old")
        await seen.first("l", lambda event: not event.ok and "not seen" in event.detail)
        old.run("echo status=sent one >>/var/log/mail.log")
        await seen.first("l", lambda event: event.ok and event.facts["line"] == "status=sent one")
        old.run(
            "cd /var/log; echo status=sent two >>mail.log; mv mail.log mail.log.1; echo status=sent three >mail.log"
        )
        await seen.first("l", lambda event: event.ok and event.facts["line"] == "status=sent three")
        lost = await seen.first("e")
        assert not lost.ok
        await asyncio.sleep(1.5)
    counted = sum(int(event.facts.get("count", 0)) for event in seen.of("l") if event.facts.get("count") in {"1", "2"})
    assert counted >= 3
    assert old.run("pgrep -f '[s]leep 4711' || :") == "", "what ran over its time is gone from the host"


@pytest.mark.skipif(not Path(JOURNALD).exists(), reason="no journald: sudo apt-get install -y systemd")
async def test_a_unit_s_log_is_looked_at_and_another_unit_s_is_not(desk: Rig, old: RealHost, tmp_path: Path) -> None:
    old.run(BEGIN)
    name = f"cockpit-probe-{tmp_path.name.strip('_').replace('_', '-')}"
    unit, other = Unit(old, name), Unit(old, f"{name}-other")
    probe = Probe(
        id="u", proto="log", target="entry [0-9]+", unit=f"{name}.service", expect=NOTHING, at=("old",), every=0.3
    )
    try:
        async with looking({"old": old.plan("old")}, tmp_path, probe) as seen:
            await seen.first("u", lambda event: not event.ok and "not seen in 0 lines" in event.detail)
            other.say(5)
            await asyncio.sleep(1.0)
            assert not any(event.ok for event in seen.of("u"))
            unit.say(3)
            good = await seen.first("u", lambda event: event.ok)
            assert good.facts["line"].startswith("entry ")
    finally:
        unit.remove()
        other.remove()


async def test_a_host_that_is_cut_off_is_a_stated_failure(desk: Rig, old: RealHost, tmp_path: Path) -> None:
    probe = Probe(id="c", proto="command", target="true", expect=NOTHING, at=("old",), every=0.5, timeout=1.0)
    async with looking({"old": old.plan("old")}, tmp_path, probe) as seen:
        assert (await seen.first("c")).ok
        old.cut()
        with contextlib.ExitStack() as after:
            after.callback(old.mend)
            lost = await seen.first("c", lambda event: not event.ok)
            assert "old" in lost.detail
        seen.events.clear()
        assert (await seen.first("c", lambda event: event.ok)).ok
