"""Questions to real name servers over every transport: what is read from their answers is what `dig` prints of them."""

from __future__ import annotations

import asyncio
import re

import dns.dnssec
import dns.name
import dns.rdata
import pytest

from cockpit.probes.dns.ask import Answer, Asker, Link
from tests.real.outside import Dug, dig, run
from tests.real.rig import RealHost, Rig
from tests.real.world import needs_world, until
from tests.real.world.dns import PARENT, ZONE, asked, bind, delegation, knot, nsd, unbound, zone_text
from tests.real.world.web import Authority, install

pytestmark = needs_world

RESOLVER = "dns.example.test"
LONG = " ".join(f'"{letter * 200}"' for letter in "abcdefgh")
RECORDS = f"""
www 20 IN A 192.0.2.1
www 20 IN A 192.0.2.2
www 30 IN AAAA 2001:db8::1
first 9 IN CNAME second
second 7 IN CNAME www
text 20 IN TXT "v=spf1 -all"
text 20 IN TXT "two" "parts"
long 20 IN TXT {LONG}
mail 20 IN MX 10 mx1.{ZONE}.
mail 20 IN MX 20 mx2.{ZONE}.
_sip._tcp 20 IN SRV 10 5 5060 www.{ZONE}.
back 20 IN PTR www.{ZONE}.
loop1 20 IN CNAME loop2
loop2 20 IN CNAME loop1
short 2 IN A 192.0.2.7
"""
TYPES = [
    ("www", "A"), ("www", "AAAA"), ("first", "CNAME"), ("first", "A"), ("text", "TXT"), ("long", "TXT"), ("mail", "MX"),
    ("_sip._tcp", "SRV"), ("back", "PTR"), ("", "NS"), ("", "SOA"), ("", "DNSKEY"), ("www", "MX"), ("missing", "A"),
]  # fmt: skip


class World:
    """The servers: BIND signs the zone, Knot copies it, NSD delegates it, one Unbound validates and one has a wrong anchor."""

    def __init__(self, rig: Rig) -> None:
        self.bind, self.knot, self.nsd, self.good, self.bogus, self.stale = (
            rig.host(name) for name in ("ns1", "ns2", "parent", "good", "bogus", "stale")
        )
        servers = {"ns1": self.bind, "ns2": self.knot}
        bind(self.bind, zone_text(servers, RECORDS), secondaries=[self.knot], signed=True)
        until(lambda: asked(self.bind, ZONE, "DNSKEY"), lambda: "the key of the zone")
        until(lambda: "RRSIG" in self.bind.run(f"dig +dnssec @127.0.0.1 www.{ZONE} A"), lambda: "the signed zone")
        [key] = asked(self.bind, ZONE, "DNSKEY")
        self.ds = str(dns.dnssec.make_ds(dns.name.from_text(ZONE), dns.rdata.from_text("IN", "DNSKEY", key), "SHA256"))
        wrong = self.ds[:-4] + ("0000" if self.ds[-4:] != "0000" else "1111")
        knot(self.knot, primary=self.bind)
        nsd(self.nsd, zone=PARENT, text=zone_text({"ns1": self.nsd}, delegation(servers, ds=[self.ds]), zone=PARENT))
        self.ca = Authority(rig.folder)
        pair = install(self.good, RESOLVER, self.ca.issue(RESOLVER))
        unbound(self.good, self.nsd, anchors=[f"{ZONE}. IN DS {self.ds}"], tls=pair)
        unbound(self.bogus, self.nsd, anchors=[f"{ZONE}. IN DS {wrong}"], more="ede: yes\n")
        unbound(self.stale, self.nsd, "stale")

    def over(self, how: str) -> str:
        """The validating resolver as a plan names it."""
        address = self.good.address
        return {
            "udp": address,
            "tcp": f"tcp://{address}",
            "tls": f"tls://{address}#{RESOLVER}",
            "https": f"https://{RESOLVER}/dns-query@{address}",
        }[how]


@pytest.fixture(scope="module")
def world(rig: Rig) -> World:
    with rig.standing():
        return World(rig)


def same(answer: Answer, dug: Dug, *, authority: bool) -> None:
    """The answer says what `dig` printed."""
    assert answer.trouble == ""
    assert answer.rcode == dug.status
    assert sorted(map(_plain, answer.values)) == sorted(map(_plain, dug.values))
    assert answer.authoritative == ("aa" in dug.flags)
    assert answer.authentic == ("ad" in dug.flags)
    assert answer.errors == dug.ede
    if authority and answer.values:
        assert answer.ttl == dug.ttl


def _plain(value: str) -> str:
    """Without the blanks that each tool puts elsewhere into long base64."""
    return value.lower().rstrip(".").replace(" ", "")


def _name(label: str) -> str:
    return f"{label}.{ZONE}" if label else ZONE


@pytest.mark.parametrize(("label", "type"), TYPES)
async def test_authorities_say_what_dig_prints(desk: Rig, world: World, label: str, type: str) -> None:
    async with Asker() as asker:
        for host in (world.bind, world.knot):
            answer = await asker.ask(host.address, _name(label), type, recurse=False)
            same(answer, dig(host.address, _name(label), type, "+norecurse"), authority=True)
            over = await asker.ask(f"tcp://{host.address}", _name(label), type, recurse=False)
            assert (over.values, over.rcode, over.ttl, over.chain) == (
                answer.values,
                answer.rcode,
                answer.ttl,
                answer.chain,
            )


@pytest.mark.parametrize("how", ["udp", "tcp", "tls", "https"])
async def test_a_resolver_says_over_each_transport_what_dig_prints(desk: Rig, world: World, how: str) -> None:
    option = {"udp": "+notcp", "tcp": "+tcp", "tls": "+tls", "https": "+https=/dns-query"}[how]
    async with Asker(ca=str(world.ca.pem)) as asker:
        for label, type in TYPES:
            answer = await asker.ask(world.over(how), _name(label), type, recurse=True)
            same(answer, dig(world.good.address, _name(label), type, option), authority=False)
            assert answer.authentic


async def test_tls_and_https_are_not_believed_under_another_name(desk: Rig, world: World) -> None:
    async with Asker(ca=str(world.ca.pem)) as asker:
        for how in ("tls", "https"):
            server = world.over(how).replace(RESOLVER, "www.example.test")
            answer = await asker.ask(server, f"www.{ZONE}", "A", recurse=True)
            assert (answer.rcode, answer.values) == ("", ())
            assert "the certificate does not hold for www.example.test" in answer.trouble


async def test_a_chain_is_told_with_the_ttl_of_each_link(desk: Rig, world: World) -> None:
    async with Asker() as asker:
        answer = await asker.ask(world.bind.address, f"first.{ZONE}", "A", recurse=False)
        assert answer.chain == (Link(f"first.{ZONE}", f"second.{ZONE}", 9), Link(f"second.{ZONE}", f"www.{ZONE}", 7))
        assert (answer.values, answer.ttl, answer.record_ttl) == (("192.0.2.1", "192.0.2.2"), 7, 20)
        for host in (world.bind, world.knot):
            circle = await asker.ask(host.address, f"loop1.{ZONE}", "A", recurse=False)
            assert (circle.rcode, circle.values) == ("", ())
            assert "its CNAME chain comes back to loop1.example.test" in circle.trouble


async def test_a_negative_answer_says_how_long_it_is_kept(desk: Rig, world: World) -> None:
    async with Asker() as asker:
        for server, recurse in ((world.bind.address, False), (world.knot.address, False), (world.good.address, True)):
            for label, type, rcode in (("missing", "A", "NXDOMAIN"), ("www", "MX", "NOERROR")):
                answer = await asker.ask(server, _name(label), type, recurse=recurse)
                assert (answer.rcode, answer.values, answer.ttl) == (rcode, (), -1)
                assert 0 <= answer.negative_ttl <= 5
                assert answer.serial > 0
        soa = await asker.ask(world.bind.address, ZONE, "SOA", recurse=False)
        [said] = asked(world.bind, ZONE, "SOA")
        assert soa.serial == int(said.split()[2])


async def test_the_parent_s_referral_tells_servers_glue_and_ds(desk: Rig, world: World) -> None:
    async with Asker() as asker:
        answer = await asker.ask(world.nsd.address, ZONE, "NS", recurse=False, dnssec=True)
        ds = await asker.ask(world.nsd.address, ZONE, "DS", recurse=False)
    printed = run(["dig", "+norecurse", f"@{world.nsd.address}", ZONE, "NS"]).stdout
    rows = [line.split() for line in printed.splitlines() if line and not line.startswith(";")]
    assert answer.delegation == tuple(sorted(row[4].rstrip(".") for row in rows if row[3] == "NS"))
    assert answer.glue == tuple(sorted((row[0].rstrip("."), row[4]) for row in rows if row[3] == "A"))
    assert {(answer.delegation_ttl, answer.glue_ttl)} == {
        (int(row[1]), int(other[1])) for row in rows for other in rows
    }
    assert (answer.authoritative, answer.values) == (False, ())
    assert ds.values == ds.ds == (world.ds,)


async def test_signatures_come_along_when_they_are_wanted(desk: Rig, world: World) -> None:
    async with Asker() as asker:
        for server in (world.bind.address, world.knot.address, world.good.address):
            for dnssec in (True, False):
                answer = await asker.ask(
                    server, f"www.{ZONE}", "A", recurse=server == world.good.address, dnssec=dnssec
                )
                assert answer.signed == dnssec
                assert answer.values == ("192.0.2.1", "192.0.2.2")


async def test_bogus_is_a_failure_that_goes_away_without_checking(desk: Rig, world: World) -> None:
    async with Asker() as asker:
        first = await asker.ask(world.bogus.address, f"www.{ZONE}", "A", recurse=True)
        assert (first.rcode, first.values) == ("SERVFAIL", ())
        # From its cache it gives a plainer reason.
        checked = await asker.ask(world.bogus.address, f"www.{ZONE}", "A", recurse=True)
        same(checked, dig(world.bogus.address, f"www.{ZONE}", "A"), authority=False)
        assert (checked.rcode, checked.values) == ("SERVFAIL", ())
        assert checked.errors
        answer = await asker.ask(world.bogus.address, f"www.{ZONE}", "A", recurse=True, checking_disabled=True)
        same(answer, dig(world.bogus.address, f"www.{ZONE}", "A", "+cd"), authority=False)
        assert answer.values == ("192.0.2.1", "192.0.2.2")
        assert not answer.authentic


async def test_a_stale_answer_is_known_by_its_extended_error(desk: Rig, world: World) -> None:
    name = f"short.{ZONE}"
    async with Asker() as asker:
        assert (await asker.ask(world.stale.address, name, "A", recurse=True)).errors == ()
        world.bind.signal("STOP", "named")
        world.knot.signal("STOP", "knotd")
        try:
            await asyncio.sleep(3)
            answer = await asker.ask(world.stale.address, name, "A", recurse=True)
            dug = dig(world.stale.address, name, "A")
        finally:
            world.bind.signal("CONT", "named")
            world.knot.signal("CONT", "knotd")
        assert (answer.values, answer.errors) == (("192.0.2.7",), (3,))
        assert dug.ede == (3,)


async def test_a_server_that_is_frozen_or_gone_or_does_not_listen_is_told_apart(desk: Rig, world: World) -> None:
    async def put(asker: Asker, server: str, timeout: float = 1.0) -> Answer:
        return await asker.ask(server, f"www.{ZONE}", "A", recurse=False, timeout=timeout)

    async with Asker() as asker:
        world.knot.signal("STOP", "knotd")
        try:
            assert (await put(asker, world.knot.address)).trouble == "no answer in time"
            assert (await put(asker, f"tcp://{world.knot.address}")).trouble == "no answer in time"
        finally:
            world.knot.signal("CONT", "knotd")
        assert (await put(asker, f"{world.knot.address}:5353")).trouble == "no answer: Connection refused"
        world.knot.cut()
        try:
            assert not (await put(asker, world.knot.address)).rcode
        finally:
            world.knot.mend()
        until(lambda: _answers(world.knot), lambda: "Knot after the cut")
        assert (await put(asker, world.knot.address, 5.0)).values == ("192.0.2.1", "192.0.2.2")


def _answers(host: RealHost) -> bool:
    return bool(
        re.search(r"status: NOERROR", run(["dig", "+time=1", "+tries=1", f"@{host.address}", ZONE, "SOA"]).stdout)
    )
