"""DNSSEC and the delegation on real servers: a signed zone, its parent, and resolvers that validate."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cockpit.plan.model import Plan, Service
from cockpit.plan.zones import Dns, RecordSet
from cockpit.state import DnsView, RunState
from tests.real.outside import dig
from tests.real.rig import RealHost, Rig
from tests.real.watching import Watching
from tests.real.world import needs_world, until
from tests.real.world.dns import PARENT, ZONE, asked, bind, delegation, nsd, publish, unbound, zone_text

pytestmark = needs_world

WWW = RecordSet(name=f"www.{ZONE}", type="A", old=("192.0.2.1",), new=("192.0.2.2",))


class Signed:
    """A signed zone below its parent; one resolver has the zone's key as its anchor, the other one that is not the zone's."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.primary, self.parent, self.trusting, self.misled = (
            rig.host(name) for name in ("sec1", "tld", "trusting", "misled")
        )
        bind(self.primary, zone_text({"sec1": self.primary}, "www 5 IN A 192.0.2.1"), signed=True)
        until(lambda: asked(self.primary, ZONE, "DNSKEY") and self.signature(), lambda: "the zone's signatures")
        said = self.primary.run(f"dig +noall +answer @127.0.0.1 {ZONE} DNSKEY | dnssec-dsfromkey -2 -f - {ZONE}")
        self.ds = " ".join(said.split()[3:])
        tag, algorithm, digest, *_ = self.ds.split()
        self.other = f"{tag} {algorithm} {digest} {'AB' * 32}"
        self.serial = 1
        nsd(self.parent, zone=PARENT, text=self.text(self.ds))
        unbound(self.trusting, self.parent, anchors=[f"{ZONE}. DS {self.ds}"])
        unbound(self.misled, self.parent, anchors=[f"{ZONE}. DS {self.other}"])

    def signature(self) -> bool:
        return "RRSIG" in self.primary.run(f"dig +dnssec @127.0.0.1 {WWW.name} A")

    def text(self, ds: str, address: str = "") -> str:
        handed = delegation({"sec1": self.primary}, ds=[ds])
        if address:
            handed = handed.replace(self.primary.address, address)
        return zone_text({"sec1": self.parent}, handed, zone=PARENT, serial=self.serial)

    def hand_on(self, ds: str, address: str = "") -> None:
        """What the parent says from now on."""
        self.serial += 1
        publish(self.parent, self.text(ds, address))

    @property
    def plan(self) -> Plan:
        dns = Dns(
            zone=ZONE, primary=self.primary.address, parent=(self.parent.address,),
            resolvers=(self.trusting.address, self.misled.address), every=0.3,
        )  # fmt: skip
        return Plan(name="signed", hash="0" * 64, dns=dns, services=(Service(id="www", records=(WWW,)),))


@pytest.fixture(scope="module")
def signed(rig: Rig) -> Signed:
    return Signed(rig)


def says(host: RealHost, state: str, flags: set[str], name: str = WWW.name) -> Callable[[RunState], bool]:
    def view(run: RunState) -> DnsView | None:
        seen = run.services["www"].dns.values()
        return next((one for one in seen if (one.vantage, one.name) == (host.address, name)), None)

    return lambda run: (one := view(run)) is not None and one.state == state and set(one.flags) == flags


async def test_what_validates_is_authentic_and_what_fails_to_is_bogus_as_dig_says_too(
    signed: Signed, desk: Rig
) -> None:
    async with Watching(signed.plan, desk) as watching:
        await watching.until(says(signed.trusting, "old", {"authentic"}), 30)
        await watching.until(says(signed.misled, "servfail", {"bogus"}), 30)
    trusted, failed = (dig(host.address, WWW.name, "A", "+adflag") for host in (signed.trusting, signed.misled))
    unchecked = dig(signed.misled.address, WWW.name, "A", "+cdflag")
    assert ("ad" in trusted.flags, failed.status, unchecked.status) == (True, "SERVFAIL", "NOERROR")


async def test_a_parent_with_another_s_ds_or_other_addresses_is_told(signed: Signed, desk: Rig) -> None:
    async with Watching(signed.plan, desk) as watching:
        await watching.until(says(signed.parent, "new", set(), ZONE))
        signed.hand_on(signed.other)
        await watching.until(says(signed.parent, "new", {"ds-stale"}, ZONE), 30)
        signed.hand_on(signed.ds, address="192.0.2.99")
        await watching.until(says(signed.parent, "new", {"glue-stale"}, ZONE), 30)
        signed.hand_on(signed.ds)
        await watching.until(says(signed.parent, "new", set(), ZONE), 30)
