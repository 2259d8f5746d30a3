"""A night of DNS by a conductor: a TTL is lowered, the conductor dies while it waits, another goes on, and the switch comes after."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec

from cockpit.clock import SystemClock
from cockpit.conductor.assembly import Options, conduct
from cockpit.conductor.headless import Orders
from cockpit.engine.ports import Call
from cockpit.events import Record, StepCaptured, StepIntended, StepMoved
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from cockpit.lab import Lab
from cockpit.plan.load import load_plan
from cockpit.probes.dns.update import DnsHands
from tests.hosts.told import hosts_of
from tests.probes.test_dns import values, zone_of

NAME = "osf.karl.test"


def plan(lab: Lab) -> Path:
    zone = zone_of(lab)
    assert zone.tsig is not None
    hosts = {id: msgspec.to_builtins(host) for id, host in hosts_of(lab).items()}
    for host in hosts.values():
        del host["id"]
    both = [
        {"name": NAME, "type": "A", "old": [lab.old.address], "new": [lab.new.address]},
        {"name": NAME, "type": "TXT", "old": [], "new": ["moved; all of it"], "ttl": 30},
    ]
    text = {
        "cutover": 1,
        "name": "night",
        "hosts": hosts,
        "dns": {
            "zone": zone.zone,
            "primary": zone.primary,
            "authorities": zone.authorities,
            "resolvers": zone.resolvers,
            "tsig": {"name": zone.tsig.name, "file": zone.tsig.file},
        },
        "services": [
            {
                "id": "osf",
                "steps": [
                    {"id": "lower", "phase": "prepare", "ttl": {"records": [{"name": NAME, "type": "A"}], "to": "1s"}},
                    {"id": "switch", "phase": "switch", "dns": {"records": both}},
                    {
                        "id": "raise",
                        "phase": "hypercare",
                        "ttl": {"records": [{"name": NAME, "type": "A"}], "to": "9s"},
                    },
                ],
            }
        ],
    }
    file = lab.folder / "zones.yaml"
    file.write_text(json.dumps(text))
    return file


def moves(run: RunFolder, ref: str) -> list[tuple[Record, StepMoved]]:
    return [(r, r.event) for r in records(run.journal) if isinstance(r.event, StepMoved) and r.event.ref == ref]


async def test_the_switch_is_armed_when_the_old_ttl_has_passed_also_over_a_death(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    run, loaded = RunFolder(tmp_path / "run"), load_plan(plan(lab))
    waits = asyncio.Event()

    def watch(record: Record) -> None:
        if isinstance(record.event, StepMoved) and record.event.state == "waiting":
            waits.set()

    options = Options(headless=Orders())
    first = asyncio.create_task(conduct(run, loaded, options, observers=(watch,)))
    async with asyncio.timeout(30):
        await waits.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    until = next(event.until for _, event in moves(run, "osf/lower") if event.state == "waiting")
    async with asyncio.timeout(60):
        state, _ = await conduct(run, loaded, options)
    assert {view.state for view in state.services["osf"].steps.values()} == {"done"}
    done = next(record for record, event in moves(run, "osf/lower") if event.state == "done")
    assert done.utc >= until
    intended = next(
        r for r in records(run.journal) if isinstance(r.event, StepIntended) and r.event.ref == "osf/switch"
    )
    assert intended.utc >= until, "nothing was switched before"
    assert "waiting" not in {event.state for _, event in moves(run, "osf/raise")}, "a raised TTL waits for nothing"
    zone = zone_of(lab)
    for server in zone.authorities:
        assert await values(server, NAME) == [lab.new.address]
        assert await values(server, NAME, "TXT") == ['"moved; all of it"']

    # Whoever has the journal can take all of it back to the letter.
    captured = {r.event.ref: r.event.captured for r in records(run.journal) if isinstance(r.event, StepCaptured)}
    hands = DnsHands(loaded.dns, SystemClock())
    for ref in ("osf/raise", "osf/switch", "osf/lower"):
        call = Call(step=loaded.step(ref), op="undo", attempt=1, job="j", captured=captured[ref])
        assert (await hands.act(call, lambda event: None)).verdict == "ok", ref
        assert (await hands.act(msgspec.structs.replace(call, op="verify_undo"), lambda e: None)).verdict == "ok", ref
    assert await values(zone.primary, NAME, "TXT") == []
    assert await values(zone.primary, NAME) == [lab.old.address]
