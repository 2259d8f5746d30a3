"""Trying it: every host, every path between them, name servers and certificates, all at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from cockpit.clock import Clock
from cockpit.events import Event, HostSeen
from cockpit.hosts.access import Asks
from cockpit.hosts.job import Jobs
from cockpit.hosts.link import Link
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.plan.model import Host, Plan
from cockpit.preflight import judge
from cockpit.preflight.facts import Facts, parse, script
from cockpit.preflight.judge import Row
from cockpit.preflight.mail import mail_rows, through
from cockpit.preflight.needs import Needs, needs_of
from cockpit.preflight.people import people_rows, second_rows
from cockpit.preflight.traffic import traffic_rows
from cockpit.preflight.zones import zone_rows
from cockpit.text import harmless

WAIT = 20.0
"""Seconds for a host to be reached, and for each of its answers."""

SOON = 21
"""Days left of a certificate below which it is told."""

# Whether new can reach the port of old: with what the host has, and silence when it has nothing.
_REACH = (
    "if command -v python3 >/dev/null; then exec python3 -c 'import socket,sys; "
    'socket.create_connection((sys.argv[1],int(sys.argv[2])),5).close()\' "$1" "$2"; '
    'elif command -v nc >/dev/null; then exec nc -z -w 5 "$1" "$2"; '
    'elif command -v bash >/dev/null; then exec timeout 5 bash -c \'exec 3<>"/dev/tcp/$0/$1"\' "$1" "$2"; else exit 99; fi'
)


async def preflight(plan: Plan, clock: Clock, asks: Asks | None = None) -> list[Row]:
    """Try all that the plan will need. Changes nothing but a job's folder that is removed again."""
    news: dict[str, str] = {}

    def heard(event: Event) -> None:
        if isinstance(event, HostSeen) and event.detail:
            news[event.host] = event.detail

    pool = HostPool(plan.hosts, heard, clock, asks)
    needs = needs_of(plan)
    rows: list[Row] = []
    facts: dict[str, Facts] = {}
    running = asyncio.create_task(pool.run())
    try:
        async with asyncio.TaskGroup() as group:
            hosts = [group.create_task(_host(pool[id], needs[id], rows, facts, news)) for id in plan.hosts]
            zones = group.create_task(zone_rows(plan, asks))
            for name, port, address, where in _certificates(plan):
                group.create_task(_certificate(name, port, address, where, rows))
            await asyncio.gather(*hosts)
            for source, target in dict.fromkeys((c.source, c.target) for need in needs.values() for c in need.takes):
                if source in facts and target in facts:
                    group.create_task(_path(pool, plan.hosts[source], target, rows))
        rows += zones.result()
        rows += judge.copy_rows(needs, facts)
        rows += judge.pair_rows(needs, facts)
        rows += await mail_rows(plan, frozenset(facts), through(pool))
        rows += await traffic_rows(plan, frozenset(facts), through(pool))
        rows += await people_rows(plan)
        rows += second_rows(plan)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    order = {id: number for number, id in enumerate(plan.hosts)}
    return sorted(rows, key=lambda row: order.get(row.where, len(order)))


async def _host(link: Link, needs: Needs, rows: list[Row], facts: dict[str, Facts], news: dict[str, str]) -> None:
    host = link.host
    try:
        connection = await link.connection(WAIT)
        key = connection.get_server_host_key()
        line = " ".join(key.export_public_key("openssh").decode().split()[:2]) if key is not None else ""
        seen = link.seen
        assert seen is not None
        rows += judge.identity(host, key.get_fingerprint() if key is not None else "?", line, seen.machine, seen.name)
        rows += [judge.warn(host.id, "ssh_config", limit) for limit in link.limits]
        await link.ask(":", WAIT)
        sent = time.time()
        ran = await link.ask(link.jobs + script(needs), 120)
        received = time.time()
        # The clock is asked apart: the questions before it take their time.
        sent, stamp, received = await _stamp(link, sent, received)
        found = parse(ran.out + b"\n", sent, received)
        found = _with_skew(found, stamp, sent, received)
        facts[host.id] = found
        rows += judge.host_rows(host, needs, found)
        rows += judge.lock_row(host.id, found.lock)
        rows.append(await _job(link))
    except Unreachable as error:
        why = str(error).removeprefix(f"{host.id}: ").removeprefix(f"{host.id} cannot be reached: ")
        mend = f"try it: ssh {host.ssh}"
        rows.append(judge.fail(host.id, "reached", news.get(host.id, why), mend))


async def _stamp(link: Link, sent: float, received: float) -> tuple[float, float, float]:
    """The host's clock with the shortest of a few round trips: when it was asked, what it said, when that came."""
    best: tuple[float, float, float] | None = None
    for _ in range(5):
        before = time.time()
        ran = await link.ask("date +%s.%N", WAIT)
        after = time.time()
        text = ran.out.decode("ascii", "replace").strip()
        whole, _, rest = text.partition(".")
        if whole.isdigit() and (best is None or after - before < best[2] - best[0]):
            best = (before, float(f"{whole}.{rest}") if rest.isdigit() else float(whole) + 0.5, after)
    return best or (sent, (sent + received) / 2, received)


def _with_skew(found: Facts, stamp: float, sent: float, received: float) -> Facts:
    coarse = 0.5 if stamp % 1 == 0.5 else 0.0
    return msgspec.structs.replace(
        found, skew=stamp - (sent + received) / 2, doubt=(received - sent) / 2 + coarse, ms=(received - sent) * 1000
    )


async def _job(link: Link) -> Row:
    """A real job, from its start to its end, cleared away again."""
    name = f"preflight-{secrets.token_hex(4)}"
    jobs = Jobs({link.host.id: link}, WAIT)
    began = time.monotonic()
    async with asyncio.timeout(WAIT):
        end = await jobs.run(link.host.id, f"{name}.job", b"exit 7", lambda stream, data: None)
    took = (time.monotonic() - began) * 1000
    await jobs.clean(link.host.id, name)
    if (end.kind, end.status) == ("ended", 7):
        return judge.good(link.host.id, "a job", f"ran and told its status in {took:.0f} ms")
    return judge.fail(link.host.id, "a job", end.detail or end.kind, "`jobs:` of the host names another folder")


async def _path(pool: HostPool, source: Host, target: str, rows: list[Row]) -> None:
    """Whether the target can reach the source by itself, so that a copy need not pass through here."""
    connection = await pool[source.id].connection(WAIT)
    peer = connection.get_extra_info("peername") or ("", 22)
    address, port = source.address or str(peer[0]), int(peer[1])
    where = f"{source.id} → {target}"
    try:
        ran = await pool[target].ask(f"set -- {quoted(address)} {port}\n({_REACH})", WAIT)
    except Unreachable as error:
        rows.append(judge.warn(where, "path", str(error)))
        return
    if ran.exit == 0:
        rows.append(judge.good(where, "path", f"{target} reaches {address} port {port}: copies go straight"))
    else:
        why = "it cannot be told" if ran.exit == 99 else "no answer"
        mend = f"copies go through the cockpit; for a straight path open port {port} of {source.id} to {target}"
        rows.append(judge.warn(where, "path", f"{target} → {address} port {port}: {why}", mend))


def _certificates(plan: Plan) -> list[tuple[str, int, str, str]]:
    """Each name that is probed by HTTPS, at the address of each side."""
    found: dict[tuple[str, int, str, str], None] = {}
    for service in plan.services:
        for probe in service.health:
            url = urlsplit(probe.url)
            if url.scheme != "https" or not url.hostname:
                continue
            for host in plan.hosts.values():
                own = host.id.partition("@")[2]
                if host.role in probe.at and host.address and own in {"", service.id}:
                    found[url.hostname, url.port or 443, host.address, host.id] = None
    return list(found)


async def _certificate(name: str, port: int, address: str, where: str, rows: list[Row]) -> None:
    what = f"certificate of {name}"
    host, _, own = address.partition(":") if address.count(":") == 1 else (address, "", "")
    context = await asyncio.to_thread(ssl.create_default_context)
    try:
        async with asyncio.timeout(WAIT):
            _, writer = await asyncio.open_connection(host, int(own or port), ssl=context, server_hostname=name)
        certificate = writer.get_extra_info("peercert") or {}
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
        days = (ends - datetime.now(UTC)).days
        grade: judge.Grade = "warn" if days < SOON else "ok"
        mend = "renew it before the night" if days < SOON else ""
        rows.append(Row(where=where, what=what, grade=grade, found=f"{days} days left", mend=mend))
    except ssl.SSLCertVerificationError as error:
        mend = f"put a certificate for {name} on {where} before its traffic comes"
        rows.append(judge.fail(where, what, error.verify_message or str(error), mend))
    except (OSError, TimeoutError, socket.gaierror) as error:
        found = harmless(str(error) or "no answer", 200)
        rows.append(judge.fail(where, what, found, f"see that {where} listens on port {port}"))


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of text, the mends below what they mend."""
    glyphs = {"ok": "✓", "warn": "!", "fail": "✗"}
    where = max((len(row.where) for row in rows), default=0)
    what = max((len(row.what) for row in rows), default=0)
    lines: list[str] = []
    for row in rows:
        lines.append(f"{glyphs[row.grade]} {row.grade:<4}  {row.where:<{where}}  {row.what:<{what}}  {row.found}")
        if row.mend:
            lines.append(f"         {'':<{where}}  {'':<{what}}  → {row.mend}")
    return lines
