"""What the watch makes of chains, referrals, glue and DS records: what a zone's parent says of it."""

from __future__ import annotations

import base64

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rrset
from msgspec.structs import replace

from cockpit.events import HorizonSeen
from cockpit.plan.zones import RecordSet
from cockpit.probes.dns.delegation import same_key
from tests.probes.naming import NAME, NEW, OLD, RECORD, SERVERS, ZONE, Says, Stage, handed_on, says


async def test_a_link_counts_with_its_own_ttl_and_the_chain_is_told() -> None:
    stage = Stage(resolvers=0)
    primary = stage.authorities[0]
    primary.says["A"] = says(*OLD, ttl=3600, chain=((NAME, "web1.x.test", 60),))
    async with stage.watched():
        assert (await stage.says(primary, "old")).chain == ("web1.x.test",)
        primary.says["A"] = says(*NEW, ttl=3600, chain=((NAME, "web2.x.test", 60),))
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
    assert told is not None
    assert 58 < told.at - stage.clock.utc() <= 61
    assert told.terms[0].what.endswith(f"{NAME} CNAME web1.x.test, TTL 60")


async def test_a_chain_that_leaves_the_server_is_told_and_no_horizon_is_promised() -> None:
    stage = Stage(resolvers=0)
    stage.authorities[0].says["A"] = says(chain=((NAME, "cdn.example.net", 60),))
    async with stage.watched():
        seen = await stage.says(stage.authorities[0], "other")
    assert "the chain leads to cdn.example.net" in seen.detail
    assert [event.at for event in stage.events if isinstance(event, HorizonSeen)] in ([], [0.0])


async def test_a_name_server_that_goes_counts_with_the_parent_s_ttl() -> None:
    stage, primary, parent = handed_on()
    async with stage.watched(SERVERS):
        seen = await stage.says(parent, "old")
        assert (seen.role, seen.answers, seen.ttl) == ("parent", (f"ns1.{ZONE}",), 900)
        primary.says["NS"] = says(f"ns2.{ZONE}.", type="NS", name=ZONE, ttl=60)
        await stage.says(primary, "new")
        assert stage.horizon() is None or not stage.horizon().at  # type: ignore[union-attr]
        parent.says["NS"] = says(delegation=(f"ns2.{ZONE}",), hand=900, aa=False)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
    assert told is not None
    assert 895 < told.at - stage.clock.utc() <= 901
    assert told.terms[0].what.startswith(f"parent {parent.at}: old, TTL 900")


async def test_a_zone_that_is_handed_on_by_its_own_parent_is_known_by_the_referral() -> None:
    below = f"sub.{ZONE}"
    record = RecordSet(name=below, type="NS", old=("ns1.old.net",), new=("ns1.new.net",))

    def hands_on(server: str) -> Says:
        def reply(query: dns.message.Message, response: dns.message.Message) -> dns.message.Message | None:
            response.authority.append(dns.rrset.from_text(f"{below}.", 300, "IN", "NS", f"{server}."))
            return response

        return reply

    stage = Stage(authorities=2, resolvers=0)
    for stub in stage.authorities:
        stub.says["NS"] = hands_on("ns1.old.net")
    async with stage.watched(record):
        assert (await stage.says(stage.authorities[0], "old")).ttl == 300
        for stub in stage.authorities:
            stub.says["NS"] = hands_on("ns1.new.net")
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
        told = stage.horizon()
        stage.authorities[1].says["NS"] = says("ns1.new.net.", type="NS", name=below, aa=False)
        await stage.says(stage.authorities[1], "lame")
    assert told is not None
    assert 298 < told.at - stage.clock.utc() <= 301


async def test_glue_that_still_says_old_is_stale_and_keeps_the_horizon_away() -> None:
    record = replace(RECORD, name=f"ns1.{ZONE}")
    stage = Stage(resolvers=0, parents=1)
    primary, parent = stage.authorities[0], stage.parents[0]
    primary.says["A"] = says(*NEW, name=record.name)
    parent.says["A"] = says(delegation=(record.name,), glue=((record.name, OLD[0]),), aa=False)
    async with stage.watched(record):
        seen = await stage.flagged(parent, "glue-stale")
        assert (seen.state, seen.answers) == ("old", OLD)
        assert stage.horizon() is None or not stage.horizon().at  # type: ignore[union-attr]
        parent.says["A"] = says(delegation=(record.name,), glue=((record.name, NEW[0]),), aa=False)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)


async def test_a_parent_that_hands_on_nothing_of_a_name_is_no_vantage() -> None:
    stage = Stage(resolvers=0, parents=1)
    stage.authorities[0].says["A"] = says(*OLD, ttl=1)
    stage.parents[0].says["A"] = says(delegation=(f"ns1.{ZONE}",), aa=False)
    async with stage.watched():
        await stage.says(stage.authorities[0], "old")
        stage.authorities[0].says["A"] = says(*NEW, ttl=1)
        await stage.until(lambda: (told := stage.horizon()) is not None and told.at)
    assert stage.seen(stage.parents[0]) is None
    assert stage.parents[0].asked["A"] == 1


def key_of(seed: bytes) -> str:
    return f"257 3 15 {base64.b64encode(seed * 32).decode()}"


def ds_of(key: str, digest: str = "SHA256") -> str:
    return dns.dnssec.make_ds(dns.name.from_text(ZONE), dns.rdata.from_text("IN", "DNSKEY", key), digest).to_text()


async def test_a_ds_that_fits_no_key_is_stale_and_so_is_glue_that_the_zone_does_not_give() -> None:
    record = RecordSet(name=ZONE, type="NS", old=(f"ns9.{ZONE}",), new=(f"ns1.{ZONE}",))
    stage = Stage(resolvers=0, parents=2)
    primary = stage.authorities[0]
    primary.says |= {
        "NS": says(f"ns1.{ZONE}.", type="NS", name=ZONE),
        "DNSKEY": says(key_of(b"a"), type="DNSKEY", name=ZONE),
        "A": says("192.0.2.53", name=f"ns1.{ZONE}"),
    }
    for stub, seed, address in zip(stage.parents, (b"a", b"b"), ("192.0.2.53", "192.0.2.99"), strict=True):
        glue = ((f"ns1.{ZONE}", address),)
        stub.says |= {
            "NS": says(delegation=(f"ns1.{ZONE}",), glue=glue, aa=False),
            "DS": says(ds_of(key_of(seed)), type="DS", name=ZONE),
        }
    async with stage.watched(record):
        good = await stage.says(stage.parents[0], "new")
        bad = await stage.says(stage.parents[1], "new")
    assert (good.flags, bad.flags) == ((), ("ds-stale", "glue-stale"))


def test_a_ds_is_known_by_each_digest_that_is_in_use() -> None:
    for digest in ("SHA256", "SHA384"):
        assert same_key(ZONE, [ds_of(key_of(b"a"), digest).upper()], [key_of(b"b"), key_of(b"a")])
        assert not same_key(ZONE, [ds_of(key_of(b"a"), digest)], [key_of(b"b"), "no key at all"])
    assert not same_key(ZONE, [ds_of(key_of(b"a"))], [])
