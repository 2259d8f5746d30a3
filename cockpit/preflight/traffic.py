"""Whether the access logs of a plan can be read, and by its formats: at night one that cannot is no evidence."""

from __future__ import annotations

import asyncio

from cockpit.plan.accesslog import reader
from cockpit.plan.model import Plan
from cockpit.plan.script import exports
from cockpit.plan.watched import Traffic
from cockpit.preflight import judge
from cockpit.preflight.judge import Row
from cockpit.probes.context import OnHost, Said
from cockpit.probes.traffic import unit_line
from cockpit.text import harmless

WAIT = 20.0
"""Seconds for one reading."""
LINES = 20
"""The last lines of a log that are tried."""

_SCRIPT = """
if [ -n "$unit" ]; then
    journalctl -q --no-pager -o short-iso-precise -n "$lines" -u "$unit"
    exit
fi
case $file in '~/'*) file=$HOME/${file#??} ;; esac
[ -e "$file" ] || { echo 'there is no such file' >&2; exit 3; }
[ -f "$file" ] || { echo 'it is not a regular file' >&2; exit 4; }
tail -c 65536 -- "$file" | tail -n "$lines"
[ -r "$file" ] || { echo 'it may not be read' >&2; exit 4; }
"""
_ABSENT = 3


async def traffic_rows(plan: Plan, hosts: frozenset[str], on_host: OnHost) -> list[Row]:
    """A row for each access log on `hosts`, which were reached. Reads only."""
    found: dict[tuple[str, str, str, str], Traffic] = {}
    for service in plan.services:
        for spec in service.traffic if service.disposition != "drop" else ():
            found.setdefault((spec.host, spec.file, spec.unit, spec.format), spec)
    return list(await asyncio.gather(*(_log(spec, on_host) for spec in found.values() if spec.host in hosts)))


async def _log(spec: Traffic, on_host: OnHost) -> Row:
    given = {"file": spec.file, "unit": spec.unit, "lines": str(LINES)}
    return traffic_row(spec, await on_host(spec.host, exports(given) + _SCRIPT, WAIT))


def traffic_row(spec: Traffic, said: Said) -> Row:
    """What the last lines of a log mean for the night."""
    what = f"access log {spec.file or spec.unit}"
    if said.exit == _ABSENT:
        return judge.warn(
            spec.host, what, "there is no such file", "see that the path is right, or let the server make it"
        )
    if said.exit != 0:
        why = harmless((said.err if said.exit is not None else said.out).strip() or "it cannot be read", 200)
        return judge.warn(
            spec.host, what, f"cannot be read: {why}", "let the user of ssh: read it, or give the host become:"
        )
    lines = [line for line in said.out.split("\n") if line.strip()]
    if not lines:
        return judge.good(spec.host, what, "can be read, and is empty")
    read = reader(spec.format)
    odd = [line for line in lines if read(unit_line(line) if spec.unit else line) is None]
    if len(odd) == len(lines):
        return judge.warn(
            spec.host, what, f"the format does not fit its lines: {harmless(odd[-1], 120)}",
            "write the server's own log_format or LogFormat as format:",
        )  # fmt: skip
    words = f", {len(odd)} of the last {len(lines)} lines do not fit its format" if odd else ""
    return judge.good(spec.host, what, f"can be read{words}")
