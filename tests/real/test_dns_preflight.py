"""Preflight of zones on real servers: who answers, whose key may update, and what another place has of the zone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cockpit.plan.model import Plan, Secret, Service, Step
from cockpit.plan.zones import Copy, Dns, DnsChange, DnsTtl, Provider, RecordSet, Tsig
from cockpit.preflight.judge import Row
from cockpit.preflight.zones import zone_rows
from tests.real.named import needs_named, running

pytestmark = needs_named

ZONE = """$TTL 300
@ IN SOA ns1.{0}. hostmaster.x.test. {1} 3600 600 86400 30
@ IN NS ns1.{0}.
@ IN MX 10 mail.x.test.
www IN A 192.0.2.10
www IN A 192.0.2.11
{2}
"""


def plan_of(dns: Dns, **secrets: Secret) -> Plan:
    return Plan(name="p", hash="0", dns=dns, secrets=secrets)


def told(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.grade, row.found) for row in rows if row.what.startswith("zone at ")]


async def test_a_copy_at_another_provider_is_compared_record_set_by_record_set(tmp_path: Path) -> None:
    first = ZONE.format("old.example", 7, "gone IN TXT only here\nslow IN A 192.0.2.9")
    second = ZONE.format("new.example", 2024, "slow 5 IN A 192.0.2.9\nfresh IN AAAA 2001:db8::1").replace(
        "2.11", "2.12"
    )
    with running(tmp_path / "a", "x.test", first) as here, running(tmp_path / "b", "x.test", second) as there:
        copy = Copy(
            name="new", primary=there.server, tsig=Tsig(name="cutover", file=str(there.key)), ignore=("NS", "SOA")
        )
        dns = here.plan(compare_with=(copy,))
        rows = await zone_rows(plan_of(dns), None)
        assert told(rows) == [
            ("warn", "fresh.x.test AAAA is there only: 2001:db8::1"),
            ("fail", 'gone.x.test TXT is missing there: "only" "here"'),
            ("warn", "slow.x.test A: TTL 300 s; there TTL 5 s"),
            ("fail", "www.x.test A: 192.0.2.10, 192.0.2.11; there 192.0.2.10, 192.0.2.12"),
            ("ok", "1 other record sets are alike"),
        ]
        good = [(row.what, row.found) for row in rows if row.grade == "ok"][:2]
        assert good == [
            ("zone", f"{here.server} answers for x.test"),
            ("TSIG key cutover", f"{here.server} knows it"),
        ]
        assert here.serial() == 7, "nothing was changed"


async def test_a_copy_that_octodns_or_a_command_lists_is_compared_too(tmp_path: Path) -> None:
    text = ZONE.format("x.test", 7, 'ns1 IN A 127.0.0.1\ntxt IN TXT "a; b" "c"')
    with running(tmp_path / "a", "x.test", text) as here:
        secret = here.key.read_text().strip().partition(":")[2]
        (tmp_path / "secret").write_text(secret)
        (tmp_path / "secret").chmod(0o600)
        options = {"host": here.address, "port": str(here.port), "key_name": "cutover", "key_algorithm": "hmac-sha256"}
        axfr = f'dig @{here.address} -p {here.port} AXFR "$zone" +noall +answer -y hmac-sha256:cutover:$key'
        dns = here.plan(compare_with=(
            Copy(name="octo", provider=Provider(kind="octodns", name="octodns_bind.AxfrSource", options=options, secrets={"key_secret": "tsig"})),
            Copy(name="own", provider=Provider(kind="command", read="x", write="x", list=axfr, secrets={"key": "tsig"})),
            Copy(name="dead", provider=Provider(kind="command", read="x", write="x", list="echo no: $key >&2; exit 1", secrets={"key": "tsig"})),
        ))  # fmt: skip
        rows = await zone_rows(plan_of(dns, tsig=Secret(source="file", at=str(tmp_path / "secret"))), None)
        assert told(rows)[:2] == [("ok", "all 6 record sets of x.test are alike")] * 2
        assert told(rows)[2][0] == "fail"
        assert "list ended with 1: no: " in told(rows)[2][1]
        assert secret not in told(rows)[2][1]


@pytest.mark.parametrize("wrong", ["key", "port", "file"])
async def test_a_primary_that_takes_no_updates_from_us_is_in_the_way(tmp_path: Path, wrong: str) -> None:
    with running(tmp_path / "a", "x.test", ZONE.format("x.test", 7, "ns1 IN A 127.0.0.1")) as here:
        dns = here.plan()
        assert dns.tsig is not None
        if wrong == "key":
            dns = msgspec.structs.replace(dns, tsig=msgspec.structs.replace(dns.tsig, name="nobody"))
        elif wrong == "file":
            here.key.unlink()
        else:
            dns = msgspec.structs.replace(dns, primary="127.0.0.1:1", authorities=("127.0.0.1:1",))
        rows = await zone_rows(plan_of(dns), None)
    failed = [row for row in rows if row.grade == "fail"]
    assert any(row.what.startswith("TSIG key") and row.mend for row in failed), rows
    if wrong == "key":
        assert "BADKEY: the server does not know this TSIG key" in failed[0].found


async def test_a_zone_that_lets_nobody_transfer_it_is_told(tmp_path: Path) -> None:
    text = ZONE.format("x.test", 7, "ns1 IN A 127.0.0.1")
    with running(tmp_path / "a", "x.test", text) as here, running(tmp_path / "b", "x.test", text) as there:
        dns = here.plan(compare_with=(Copy(name="new", primary=there.server),))
        rows = await zone_rows(plan_of(dns), None)
    assert [grade for grade, _ in told(rows)] == ["fail"]
    assert "does it allow a transfer to this key?" in told(rows)[0][1]


def changing(dns: Dns) -> Plan:
    """A plan with steps on four sets."""
    www = RecordSet(name="www.x.test", type="A", old=("192.0.2.10", "192.0.2.11"), new=("203.0.113.1",))
    fresh = RecordSet(name="fresh.x.test", type="TXT", old=(), new=("new",))
    actions = (DnsChange(record=www, more=(fresh,)), DnsTtl(names=(("x.test", "MX"), ("x.test", "NS")), to=5))
    steps = tuple(
        Step(ref=f"s/{number}", id=str(number), service="s", phase="switch", kind="dns", action=action)
        for number, action in enumerate(actions)
    )
    return Plan(name="p", hash="0", dns=dns, services=(Service(id="s", steps=steps),))


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        ("grant cutover zonesub ANY;", []),
        ("grant cutover name www.x.test. A; grant cutover name x.test. ANY;", ["fresh.x.test TXT"]),
        ("grant cutover name other.x.test. A;", ["www.x.test A", "fresh.x.test TXT", "x.test MX", "x.test NS"]),
    ],
)
async def test_a_policy_that_keeps_a_set_from_the_key_is_found_and_nothing_changes(
    tmp_path: Path, policy: str, refused: list[str]
) -> None:
    text = ZONE.format("x.test", 7, "ns1 IN A 127.0.0.1")
    more = f"update-policy {{ {policy} }};"
    with running(tmp_path / "a", "x.test", text, updates=False, zone_more=more) as here:
        before = here.whole()
        rows = await zone_rows(changing(here.plan()), None)
        assert (here.whole(), here.serial()) == (before, 7), "nothing was changed"
    failed = [row.found for row in rows if row.grade == "fail"]
    assert len(failed) == len(refused), rows
    for row, of in zip(failed, refused, strict=True):
        assert f"does not let it change {of}: REFUSED" in row
    good = [row.found for row in rows if row.what == "TSIG key cutover" and row.grade == "ok"]
    may = f"it may change {4 - len(refused)} of 4 record sets of x.test that the plan changes"
    assert good == [f"{here.server} knows it, and {may}"]
