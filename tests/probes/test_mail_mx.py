"""The mail servers of a domain: from its MX records to every address, and pinned to both hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.events import HealthSeen
from cockpit.plan.load import loads
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Mail, Mailbox, Queue, Token
from cockpit.plan.zones import Dns, RecordSet
from cockpit.probes.context import Context, Said
from cockpit.probes.dns.ask import Answer
from cockpit.probes.mail.mx import Exchange, Found, Walk, declared, exchanges
from tests.plans.broken import body
from tests.probes.mailers import Domain, scripted, smtp_server, talking

DOMAIN = "example.test"


def answer(*values: str, rcode: str = "NOERROR") -> Answer:
    return Answer(type="MX", rcode=rcode, values=values)


def test_exchanges_stand_by_preference_in_one_form() -> None:
    found = exchanges(answer("20 MX2.Example.test.", "10 b.example.test.", "10 a.example.test."), DOMAIN)
    assert [(one.preference, one.name) for one in found.exchanges] == [
        (10, "a.example.test"), (10, "b.example.test"), (20, "mx2.example.test"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (answer(), Found(exchanges=(Exchange(name=DOMAIN, preference=0),))),
        (answer("0 ."), Found(problem="example.test says that it takes no mail (null MX)")),
        (answer(rcode="NXDOMAIN"), Found(problem="there is no example.test")),
        (answer(rcode="SERVFAIL"), Found(problem="MX of example.test: SERVFAIL")),
        (Answer(trouble="no answer in time"), Found(problem="MX of example.test: no answer in time")),
    ],
)
def test_a_domain_without_mx_takes_its_own_mail_and_a_null_mx_none(said: Answer, found: Found) -> None:
    assert exchanges(said, DOMAIN) == found


def test_declared_names_know_their_side() -> None:
    records = (
        RecordSet(
            name="Example.test.", type="MX", old=("10 Old.test.", "20 both.test."), new=("10 new.test.", "20 both.test")
        ),
        RecordSet(name="example.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",)),
        RecordSet(name="other.test", type="MX", old=("10 x.test.",), new=("10 y.test.",)),
    )
    assert declared(Service(id="s", records=records), DOMAIN) == {
        "old.test": {"old"}, "new.test": {"new"}, "both.test": {"old", "new"},
    }  # fmt: skip


@asynccontextmanager
async def resolver(zone: dict[tuple[str, str], list[str]], broken: set[str] | None = None) -> AsyncIterator[str]:
    """A name server that answers from a table, with SERVFAIL for types in `broken`; its address."""

    class Names(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            query = dns.message.from_wire(data)
            question = query.question[0]
            # Names have no case (RFC 4343), and a question comes in a case of its own.
            name = question.name.to_text(omit_final_dot=True).lower()
            type = dns.rdatatype.to_text(question.rdtype)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.RA
            values = zone.get((name, type))
            if type in (broken or ()):
                response.set_rcode(dns.rcode.SERVFAIL)
            elif values:
                response.answer.append(dns.rrset.from_text(question.name, 5, "IN", type, *values))
            elif not any(known == name for known, _ in zone):
                response.set_rcode(dns.rcode.NXDOMAIN)
            self.transport.sendto(response.to_wire(), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Names, ("127.0.0.1", 0))
    try:
        yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


async def nowhere(host: str, script: str, timeout: float) -> Said:
    return Said(None, "no host")


class Walked:
    """A walk and what it told."""

    def __init__(self, server: str, port: int, *records: RecordSet, **fields: Any) -> None:
        mail = Mail(domain=DOMAIN, port=port, starttls=False, recipient="info@example.test", timeout=2.0, **fields)
        hosts = {
            "old": Host(id="old", ssh="a@b", role="old", address="127.0.0.1"),
            "new": Host(id="new", ssh="a@b", role="new"),
        }
        service = Service(id="s", mail=mail, records=records)
        plan = Plan(
            name="p",
            hash="0",
            hosts=hosts,
            dns=Dns(zone=DOMAIN, primary=server, resolvers=(server,)),
            services=(service,),
        )
        self.told: list[HealthSeen] = []
        self.work = Walk(Context(plan, self.told.append, SystemClock(), nowhere), service, mail)  # type: ignore[arg-type]

    async def walk(self) -> dict[str, HealthSeen]:
        self.told.clear()
        await self.work.walk()
        return {f"{event.probe}@{event.at}": event for event in self.told}


ZONE = {
    (DOMAIN, "MX"): ["10 mx1.example.test.", "20 mx2.example.test."],
    ("mx1.example.test", "A"): ["127.0.0.1"],
    ("mx2.example.test", "A"): ["127.0.0.1", "127.0.0.9"],
}


async def test_every_address_of_every_mx_is_asked_and_the_worst_is_told() -> None:
    async with smtp_server(Domain()) as port, resolver(ZONE) as server:
        told = await Walked(server, port).walk()
    assert set(told) == {"mx@world", "mx mx1.example.test@world", "mx mx2.example.test@world",
                         "mx mx1.example.test@old", "mx mx2.example.test@old"}  # fmt: skip
    assert told["mx@world"].facts["mx"] == "10 mx1.example.test, 20 mx2.example.test"
    assert told["mx mx1.example.test@world"].ok
    worst = told["mx mx2.example.test@world"]
    assert (worst.ok, worst.via) == (False, "127.0.0.9")
    assert worst.detail.startswith("1 of 2 addresses good: 127.0.0.9: no connection")
    assert "127.0.0.1 good" in worst.facts["addresses"]
    assert told["mx mx2.example.test@old"].ok


async def test_ipv6_addresses_are_asked_too() -> None:
    zone = {(DOMAIN, "MX"): ["10 mx6.example.test."], ("mx6.example.test", "AAAA"): ["::1"]}
    answers = scripted(b"220 six\r\n", (b"EHLO", b"250 six\r\n"), (b"", b"250 ok\r\n"))
    async with talking(answers, "::1") as port, resolver(zone) as server:
        told = await Walked(server, port).walk()
    seen = told["mx mx6.example.test@world"]
    assert (seen.ok, seen.via) == (True, "::1")


async def test_a_declared_name_is_asked_before_it_is_listed_and_one_that_is_gone_is_told_once() -> None:
    zone = dict(ZONE)
    record = RecordSet(name=DOMAIN, type="MX", old=("10 mx1.example.test.",), new=("10 mx3.example.test.",))
    zone["mx3.example.test", "A"] = ["127.0.0.1"]
    async with smtp_server(Domain()) as port, resolver(zone) as server:
        walked = Walked(server, port, record)
        first = await walked.walk()
        assert first["mx mx3.example.test@world"].facts["listed"] == "no"
        assert "mx mx3.example.test@old" not in first, "what stands on new only is not asked at old"
        zone[DOMAIN, "MX"] = ["10 mx3.example.test."]
        second = await walked.walk()
        assert second["mx mx2.example.test@world"].detail == "it is no longer an MX of example.test"
        third = await walked.walk()
        assert "mx mx2.example.test@world" not in third


async def test_a_resolver_that_is_silent_takes_no_mx_from_the_list() -> None:
    async with smtp_server(Domain()) as port:
        async with resolver(ZONE) as server:
            walked = Walked(server, port)
            await walked.walk()
        told = await walked.walk()
    assert not told["mx@world"].ok
    assert not any("no longer" in event.detail for event in told.values())


async def test_a_resolver_that_fails_takes_no_mx_from_the_list() -> None:
    broken = set[str]()
    zone = dict(ZONE)
    async with smtp_server(Domain()) as port, resolver(zone, broken) as server:
        walked = Walked(server, port)
        await walked.walk()
        broken.add("MX")
        del zone["mx2.example.test", "A"]
        told = await walked.walk()
    assert (told["mx@world"].ok, told["mx@world"].detail) == (False, "MX of example.test: SERVFAIL")
    assert not any("no longer" in event.detail for event in told.values())
    assert told["mx mx2.example.test@world"].detail == "mx2.example.test has no address"


async def test_a_name_without_address_and_a_null_mx_are_failures() -> None:
    async with resolver({(DOMAIN, "MX"): ["10 gone.example.test."]}) as server:
        told = await Walked(server, 1).walk()
        assert told["mx gone.example.test@world"].detail == "gone.example.test has no address"
    async with resolver({(DOMAIN, "MX"): ["0 ."]}) as server:
        told = await Walked(server, 1).walk()
        assert (told["mx@world"].ok, set(told)) == (False, {"mx@world"})


def test_a_plan_says_what_is_watched_of_its_mail(tmp_path: Path) -> None:
    text = body(
        "vars: {client: osf}",
        "mail:",
        '  domain: "{client}.x.test"',
        '  recipient: "info@{client}.x.test"',
        "  refuses: a@far.test",
        "  ca: ca.pem",
        "  every: 10s",
        "  token: {to: check@x.test, through: [new], port: 2525, mailbox: {host: new, path: /home/check/Maildir}}",
        "  queues: [{host: old, mta: postfix}, {host: new, mta: exim}]",
        '  stragglers: [{host: old, path: "/var/mail/{client}"}]',
    )
    loaded = loads(text.encode(), tmp_path / "plan.yaml")
    assert loaded.plan is not None, loaded.findings
    assert loaded.plan.services[0].mail == Mail(
        domain="osf.x.test",
        recipient="info@osf.x.test",
        refuses="a@far.test",
        ca=str(tmp_path / "ca.pem"),
        every=10.0,
        token=Token(
            to="check@x.test", through=("new",), port=2525, mailbox=Mailbox(host="new", path="/home/check/Maildir")
        ),
        queues=(Queue(host="old", mta="postfix"), Queue(host="new", mta="exim")),
        stragglers=(Mailbox(host="old", path="/var/mail/osf"),),
    )
    assert msgspec.json.decode(msgspec.json.encode(loaded.plan), type=Plan) == loaded.plan
