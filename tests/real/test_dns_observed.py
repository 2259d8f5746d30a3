"""Somebody else's zone: its authorities are found through its NS, and the step completes when all of them have changed."""

from __future__ import annotations

import asyncio

import pytest

from cockpit.conductor.hands import ManualHands
from cockpit.engine.ports import Call
from cockpit.events import Event, StepProgress
from cockpit.plan.model import Manual, Op, Plan, Step
from cockpit.plan.zones import Dns, RecordSet
from cockpit.probes.checks import observe_record
from cockpit.probes.dns.authorities import authorities_for
from tests.real.rig import RealHost, Rig
from tests.real.world import needs_world
from tests.real.world.dns import PARENT, Key, bind, delegation, knot, nsd, unbound, zone_text
from tests.real.world.dns import update as nsupdate

pytestmark = needs_world

ZONE = "third.test"
CONTENT = """
www 5 IN A 192.0.2.10
@ 5 IN MX 10 mail.old.example.
_sip._tcp 5 IN SRV 1 2 5060 sip.old.example.
txt 5 IN TXT "before"
alias 5 IN CNAME old.example.
"""
RECORDS = (
    RecordSet(name="www.third.test", type="A", old=("192.0.2.10",), new=("203.0.113.1", "203.0.113.2")),
    RecordSet(name="third.test", type="MX", old=("10 mail.old.example.",), new=("5 Mail.new.example",)),
    RecordSet(name="_sip._tcp.third.test", type="SRV", old=("1 2 5060 sip.old.example.",), new=()),
    RecordSet(name="txt.third.test", type="TXT", old=("before",), new=("after; now",)),
    RecordSet(name="alias.third.test", type="CNAME", old=("old.example.",), new=("new.example.",)),
    RecordSet(name="fresh.third.test", type="AAAA", old=(), new=("2001:db8::1",)),
)


class Owners:
    """A zone that somebody else keeps: two name servers that are changed one after the other, their parent, a resolver."""

    def __init__(self, rig: Rig) -> None:
        self.key = Key()
        self.bind, self.knot, self.parent, self.honest = (rig.host(name) for name in ("ns1", "ns2", "parent", "honest"))
        servers = {"ns1": self.bind, "ns2": self.knot}
        text = zone_text(servers, CONTENT, zone=ZONE)
        bind(self.bind, text, zone=ZONE, key=self.key)
        knot(self.knot, zone=ZONE, text=text)
        below = delegation(servers, zone=ZONE)
        text = zone_text({"ns1": self.parent}, f"{below}far 5 IN A {self.knot.address}", zone=PARENT)
        nsd(self.parent, zone=PARENT, text=text)
        unbound(self.honest, self.parent)

    @property
    def plan(self) -> Plan:
        """A plan whose own zone is another one, and which names no authority of theirs."""
        dns = Dns(zone="ours.test", primary="127.0.0.1:9", resolvers=("system", self.honest.address))
        return Plan(name="p", hash="0", dns=dns)

    def change(self, host: RealHost, lines: str) -> None:
        """What the owners do at one of their servers. Knot takes updates from whom it knows by address."""
        if host is self.bind:
            nsupdate(host, self.key, lines, zone=ZONE)
        else:
            host.run(f"nsupdate <<'END'\nserver 127.0.0.1\nzone {ZONE}\n{lines.strip()}\nsend\nEND")


@pytest.fixture(scope="module")
def owners(rig: Rig) -> Owners:
    return Owners(rig)


async def test_the_authorities_of_a_foreign_zone_are_found_through_its_ns(owners: Owners, desk: Rig) -> None:
    both = sorted((owners.bind.address, owners.knot.address))
    assert sorted(await authorities_for(owners.plan.dns, "deep.down.www.third.test")) == both
    assert await authorities_for(owners.plan.dns, "www.nowhere.test") != both


async def test_where_the_plan_names_the_primary_only_the_zone_s_ns_are_asked_too(owners: Owners, desk: Rig) -> None:
    dns = Dns(zone=ZONE, primary=owners.bind.address)
    assert await authorities_for(dns, "www.third.test") == (owners.bind.address, owners.knot.address)


async def test_a_name_server_whose_name_is_elsewhere_is_found_by_a_resolver(owners: Owners, desk: Rig) -> None:
    dns = Dns(zone=ZONE, primary=owners.bind.address, resolvers=(owners.honest.address,))
    owners.change(owners.bind, "update delete third.test NS ns2.third.test.\nupdate add third.test 5 NS far.test.")
    try:
        assert await authorities_for(dns, "www.third.test") == (owners.bind.address, owners.knot.address)
    finally:
        owners.change(owners.bind, "update delete third.test NS far.test.\nupdate add third.test 5 NS ns2.third.test.")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.type)
async def test_a_foreign_change_is_seen_when_all_authorities_have_it(
    owners: Owners, desk: Rig, record: RecordSet
) -> None:
    update = f"update delete {record.name}. {record.type}\n" + "".join(
        f"update add {record.name}. 60 {record.type} {_quoted(record.type, value)}\n" for value in record.new
    )
    told: list[Event] = []
    hands = ManualHands(lambda seen, wait, tell: observe_record(seen, owners.plan, wait, tell))
    step = Step(ref="s/a", id="a", service="s", phase="switch", kind="manual", timeout=60,
                action=Manual(owner="Ann", message="please", observe=record))  # fmt: skip

    def call(op: Op) -> Call:
        return Call(step=step, op=op, attempt=1, job="j")

    assert (await hands.act(call("probe"), told.append)).verdict == "no"
    waiting = asyncio.create_task(hands.act(call("apply"), told.append))
    await asyncio.to_thread(owners.change, owners.bind, update)
    async with asyncio.timeout(20):
        while not any(isinstance(event, StepProgress) and event.fraction == 0.5 for event in told):
            await asyncio.sleep(0.05)
    assert not waiting.done(), "one of two is not all"
    await asyncio.to_thread(owners.change, owners.knot, update)
    async with asyncio.timeout(20):
        outcome = await waiting
    assert outcome.verdict == "ok"
    assert outcome.detail.startswith("2 of 2 authorities serve ")
    assert (await hands.act(call("verify"), told.append)).verdict == "ok"
    assert any(isinstance(event, StepProgress) and owners.knot.address in event.detail for event in told), (
        "who lags is named"
    )


def _quoted(type: str, value: str) -> str:
    return f'"{value}"' if type == "TXT" else value if value.endswith(".") or type in {"A", "AAAA"} else f"{value}."
