"""DNS messages: questions as they are written, answers as they are matched and read, beside what dnspython makes of the same bytes."""

from __future__ import annotations

import os

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cockpit.probes.dns.answer import Answer, Link, normal, read
from cockpit.probes.dns.cache import Parsed
from cockpit.probes.dns.servers import Server, endpoint, server_of
from cockpit.probes.dns.wire import Malformed, Question, answers, edns, flags_of, query, question

FUZZ = int(os.environ.get("COCKPIT_FUZZ", "100"))
LONG = settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SHORT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TYPES = ("A", "AAAA", "CNAME", "MX", "TXT", "SRV", "NS", "PTR", "DS", "DNSKEY", "SOA", "CAA")
VALUES = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "MX": st.builds(
        lambda n, name: f"{n} {name}",
        st.integers(0, 65535),
        st.sampled_from(["mx1.example.org.", "MX2.example.org.", "."]),
    ),
    "TXT": st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=300).map(
        lambda text: " ".join(f'"{text[at : at + 200]}"' for at in range(0, max(len(text), 1), 200))
    ),
    "SRV": st.builds(lambda n, p: f"{n} 5 {p} sip.example.org.", st.integers(0, 65535), st.integers(0, 65535)),
    "NS": st.sampled_from(["ns1.example.org.", "NS2.example.net.", "ns3.other.test."]),
    "PTR": st.sampled_from(["host.example.org.", "other.example.org."]),
    "DS": st.integers(0, 65535).map(lambda tag: f"{tag} 13 2 " + "ab" * 32),
    "DNSKEY": st.integers(0, 3).map(lambda n: f"257 3 13 {'abcd' * n}AAAA"),
    "CAA": st.sampled_from(['0 issue "ca.example.org"', '128 iodef "mailto:Me@example.org"']),
}

labels = st.binary(min_size=1, max_size=20).map(lambda raw: raw or b"x")
names = st.lists(labels, max_size=6).map(lambda parts: dns.name.Name([*parts, b""]))
plain = st.from_regex(r"[a-zA-Z0-9_-]{1,20}(\.[a-zA-Z0-9_-]{1,20}){0,4}", fullmatch=True)


@SHORT
@given(
    names,
    st.sampled_from(TYPES),
    st.integers(0, 65535),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.binary(min_size=256, max_size=256),
)
def test_a_question_is_read_by_others_as_it_was_meant(
    name: dns.name.Name, type: str, id: int, recurse: bool, checking: bool, dnssec: bool, chance: bytes
) -> None:
    asked = question(name.to_text(), type)
    case = asked.cased(chance[: len(asked.qname)])
    wire = query(
        id.to_bytes(2), flags_of(recurse=recurse, checking_disabled=checking), case, asked.tail, edns(dnssec=dnssec)
    )
    message = dns.message.from_wire(wire)
    assert message.id == id
    assert (message.question[0].name, dns.rdatatype.to_text(message.question[0].rdtype)) == (name, type)
    assert bool(message.flags & dns.flags.RD) == recurse
    assert bool(message.flags & dns.flags.CD) == checking
    assert (message.edns, message.payload, bool(message.ednsflags & dns.flags.DO)) == (0, 1232, dnssec)
    assert not message.flags & dns.flags.QR


@SHORT
@given(plain, st.binary(min_size=256, max_size=256))
def test_only_letters_change_their_case(name: str, chance: bytes) -> None:
    asked = question(name, "A")
    case = asked.cased(chance[: len(asked.qname)])
    assert case.lower() == asked.qname
    assert asked.cased(bytes(len(asked.qname))) == asked.qname


@SHORT
@given(plain, st.sampled_from(TYPES), st.binary(min_size=256, max_size=256), st.data())
def test_an_answer_with_one_bit_of_its_question_changed_is_no_answer(
    name: str, type: str, chance: bytes, data: st.DataObject
) -> None:
    asked = question(name, type)
    case = asked.cased(chance[: len(asked.qname)])
    sent = query(bytes([0, 7]), 0x0100, case, asked.tail, edns(dnssec=False))
    response = dns.message.make_response(dns.message.from_wire(sent))
    wire = response.to_wire()
    assert answers(wire, case, asked.tail)
    assert not answers(sent, case, asked.tail)
    at = data.draw(st.sampled_from([4, 5, *range(12, 12 + len(case) + 4)]))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(wire)
    changed[at] ^= 1 << bit
    assert not answers(bytes(changed), case, asked.tail)


@st.composite
def responses(draw: st.DrawFn) -> tuple[Question, dns.message.Message]:
    """A question and an honest answer to it: a chain, a set, an authority section with glue."""
    type = draw(st.sampled_from(list(VALUES)))
    name = draw(plain)
    asked = dns.message.make_query(name, type, use_edns=0)
    response = dns.message.make_response(asked, recursion_available=True)
    response.set_rcode(
        draw(st.sampled_from([dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.BADVERS, dns.rcode.REFUSED]))
    )
    response.flags |= draw(st.sampled_from([0, dns.flags.AA, dns.flags.AD, dns.flags.AA | dns.flags.AD]))
    at = asked.question[0].name
    for number in range(draw(st.integers(0, 5))):
        target = dns.name.from_text(f"Step{number}.{draw(st.sampled_from(['example.org', 'other.test']))}.")
        response.answer.append(dns.rrset.from_text(at, draw(st.integers(0, 90000)), "IN", "CNAME", target.to_text()))
        at = target
    values = draw(st.lists(VALUES[type], max_size=6))
    if values:
        response.answer.append(dns.rrset.from_text_list(at, draw(st.integers(0, 90000)), "IN", type, values))
    if draw(st.booleans()):
        servers = draw(st.lists(st.sampled_from(["ns1.example.org.", "ns2.example.org."]), min_size=1, unique=True))
        response.authority.append(
            dns.rrset.from_text_list("example.org.", draw(st.integers(0, 9000)), "IN", "NS", servers)
        )
        for server in servers:
            response.additional.append(dns.rrset.from_text(server, draw(st.integers(0, 9000)), "IN", "A", "192.0.2.53"))
    if draw(st.booleans()):
        response.authority.append(dns.rrset.from_text("org.", 30, "IN", "SOA", "ns. admin. 17 1 1 1 20"))
    codes = draw(st.lists(st.integers(0, 30), max_size=3))
    response.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(code, "because") for code in codes])
    return question(name, type), response


@LONG
@given(responses())
def test_an_answer_is_read_as_dnspython_reads_it(given: tuple[Question, dns.message.Message]) -> None:
    asked, made = given
    wire = made.to_wire()
    answer = read(wire, asked)
    beside = dns.message.from_wire(wire)
    wanted = dns.rdatatype.from_text(asked.type)
    own = [one for one in beside.answer if one.rdtype == wanted]
    assert answer.type == asked.type
    assert answer.rcode == dns.rcode.to_text(beside.rcode())
    assert set(answer.values) == {normal(asked.type, str(item)) for one in own for item in one}
    aliases = [one for one in beside.answer if one.rdtype == dns.rdatatype.CNAME]
    assert [link.target for link in answer.chain] == [str(one[0].target).rstrip(".").lower() for one in aliases]
    assert [link.ttl for link in answer.chain] == [one.ttl for one in aliases]
    assert answer.record_ttl == min((one.ttl for one in own), default=-1)
    assert answer.ttl == (min(one.ttl for one in beside.answer) if own else -1)
    assert answer.errors == tuple(int(option.code) for option in beside.extended_errors())
    assert (answer.authoritative, answer.authentic) == (
        bool(beside.flags & dns.flags.AA),
        bool(beside.flags & dns.flags.AD),
    )
    zone = [one for one in beside.authority if one.rdtype == dns.rdatatype.SOA]
    assert (answer.serial, answer.negative_ttl) == ((17, 20) if zone else (-1, -1))
    if asked.type != "NS" or not own:
        servers = [one for one in beside.authority if one.rdtype == dns.rdatatype.NS]
        assert set(answer.delegation) == {str(item.target).rstrip(".") for one in servers for item in one}
        assert {name for name, _ in answer.glue} == set(answer.delegation)
        assert answer.delegation_ttl == min((one.ttl for one in servers), default=-1)


def _read(wire: bytes, asked: Question) -> Answer | Malformed:
    try:
        return read(wire, asked)
    except Malformed as error:
        return error


@LONG
@given(responses(), st.data())
def test_a_damaged_answer_is_an_answer_or_malformed_and_nothing_else(
    given: tuple[Question, dns.message.Message], data: st.DataObject
) -> None:
    asked, made = given
    wire = bytearray(made.to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(wire) - 1))
        wire[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for damaged in (bytes(wire), bytes(wire[:cut])):
        said = _read(damaged, asked)
        if isinstance(said, Answer):
            assert all(value.isprintable() for value in said.values)
        else:
            assert str(said)
            assert str(said).isprintable()


@LONG
@given(st.binary(max_size=600))
def test_bytes_of_any_kind_are_an_answer_or_malformed_and_nothing_else(raw: bytes) -> None:
    assert isinstance(_read(raw, question("example.org", "TXT")), Answer | Malformed)


@SHORT
@given(responses(), responses())
def test_what_was_read_before_is_never_mistaken_for_another_answer(
    one: tuple[Question, dns.message.Message], other: tuple[Question, dns.message.Message]
) -> None:
    parsed = Parsed()
    for asked, made in (one, other, one):
        wire = made.to_wire()
        assert parsed.read(wire, asked) == read(wire, asked)


def test_an_answer_without_the_question_is_one_only_when_it_refuses() -> None:
    asked = question("example.org", "A")
    for code in range(16):
        bare = bytes([0, 7, 0x80, code]) + bytes(8)
        assert answers(bare, asked.qname, asked.tail) == (code in {1, 2, 4, 5})
    assert not answers(bytes([0, 7, 0x80, 1, 0, 0, 0, 1]) + bytes(4), asked.qname, asked.tail)


def test_records_that_belong_to_another_name_are_no_part_of_the_answer() -> None:
    response = dns.message.make_response(dns.message.make_query("www.example.org", "A"))
    response.answer.append(dns.rrset.from_text("www.example.org.", 60, "IN", "A", "192.0.2.1"))
    response.answer.append(dns.rrset.from_text("evil.example.org.", 60, "IN", "A", "192.0.2.66"))
    response.answer.append(dns.rrset.from_text("else.example.org.", 1, "IN", "CNAME", "other.example.org."))
    answer = read(response.to_wire(), question("www.example.org", "A"))
    assert (answer.values, answer.ttl, answer.chain) == (("192.0.2.1",), 60, ())


def test_a_chain_is_followed_in_whatever_order_it_comes() -> None:
    response = dns.message.make_response(dns.message.make_query("www.example.org", "A"))
    response.answer.append(dns.rrset.from_text("c.example.org.", 60, "IN", "A", "192.0.2.1"))
    response.answer.append(dns.rrset.from_text("b.example.org.", 7, "IN", "CNAME", "C.example.org."))
    response.answer.append(dns.rrset.from_text("WWW.example.org.", 9, "IN", "CNAME", "b.example.org."))
    answer = read(response.to_wire(), question("www.example.org", "A"))
    assert answer.chain == (Link("www.example.org", "b.example.org", 9), Link("b.example.org", "c.example.org", 7))
    assert (answer.values, answer.ttl, answer.record_ttl) == (("192.0.2.1",), 7, 60)


def test_a_referral_tells_servers_addresses_and_the_ds_of_a_signed_zone() -> None:
    response = dns.message.make_response(dns.message.make_query("example.org", "NS", want_dnssec=True))
    response.authority.append(
        dns.rrset.from_text_list("example.org.", 300, "IN", "NS", ["NS2.example.org.", "ns1.example.org."])
    )
    response.authority.append(dns.rrset.from_text("example.org.", 600, "IN", "DS", "12345 13 2 " + "ab" * 32))
    response.authority.append(
        dns.rrset.from_text("example.org.", 600, "IN", "RRSIG", "DS 13 2 600 20300101000000 20200101000000 1 org. AAAA")
    )
    response.additional.append(dns.rrset.from_text("ns1.example.org.", 200, "IN", "A", "192.0.2.53"))
    response.additional.append(dns.rrset.from_text("ns2.example.org.", 100, "IN", "AAAA", "2001:db8::53"))
    response.additional.append(dns.rrset.from_text("other.example.org.", 1, "IN", "A", "192.0.2.66"))
    answer = read(response.to_wire(), question("example.org", "NS"))
    assert answer.delegation == ("ns1.example.org", "ns2.example.org")
    assert answer.glue == (("ns1.example.org", "192.0.2.53"), ("ns2.example.org", "2001:db8::53"))
    assert (answer.delegation_ttl, answer.glue_ttl) == (300, 100)
    assert answer.ds == ("12345 13 2 " + "ab" * 32,)
    assert answer.signed
    assert (answer.values, answer.rcode) == ((), "NOERROR")


def test_a_ttl_with_the_highest_bit_set_is_zero() -> None:
    response = dns.message.make_response(dns.message.make_query("example.org", "A"))
    response.answer.append(dns.rrset.from_text("example.org.", 60, "IN", "A", "192.0.2.1"))
    wire = response.to_wire().replace(b"\0\0\0\x3c", b"\x80\0\0\x3c")
    assert read(wire, question("example.org", "A")).ttl == 0


@pytest.mark.parametrize(
    ("name", "type"),
    [("a..b", "A"), ("x" * 64 + ".org", "A"), ("example.org", "NONSENSE"), ("é" * 200, "A"), ("\\999", "A")],
)
def test_what_cannot_be_asked_for_is_said_so(name: str, type: str) -> None:
    with pytest.raises(ValueError, match="cannot be asked for"):
        question(name, type)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server(how="udp", address="192.0.2.1", name="192.0.2.1")),
        ("192.0.2.1:5300", Server(how="udp", address="192.0.2.1", port=5300, name="192.0.2.1")),
        ("2001:DB8::1", Server(how="udp", address="2001:db8::1", name="2001:db8::1")),
        ("[2001:db8::1]:5300", Server(how="udp", address="2001:db8::1", port=5300, name="2001:db8::1")),
        ("tcp://192.0.2.1", Server(how="tcp", address="192.0.2.1", name="192.0.2.1")),
        ("tls://192.0.2.1#dns.example.org", Server(how="tls", address="192.0.2.1", port=853, name="dns.example.org")),
        (
            "tls://[2001:db8::1]:8853#dns.example.org",
            Server(how="tls", address="2001:db8::1", port=8853, name="dns.example.org"),
        ),
        (
            "https://dns.example.org/dns-query@192.0.2.1",
            Server(
                how="https",
                address="192.0.2.1",
                port=443,
                name="dns.example.org",
                url="https://dns.example.org/dns-query",
            ),
        ),
        (
            "https://dns.example.org:8443/q@2001:db8::1",
            Server(
                how="https",
                address="2001:db8::1",
                port=8443,
                name="dns.example.org",
                url="https://dns.example.org:8443/q",
            ),
        ),
        ("system", Server(how="system")),
    ],
)
def test_a_server_is_read_as_a_plan_names_it(text: str, server: Server) -> None:
    assert server_of(text) == server


@pytest.mark.parametrize(
    "text",
    ["", "ns1.example.org", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.1:x", "[::1", "quic://192.0.2.1", "tcp://", "tls://dns.example.org", "https://dns.example.org/dns-query", "https://dns.example.org/@nowhere", "https://dns.example.org:x/@192.0.2.1", "https:///q@192.0.2.1"],
)  # fmt: skip
def test_what_names_no_server_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="names no server"):
        server_of(text)


@SHORT
@given(st.text(max_size=60) | st.from_regex(r"(tcp|tls|https)://\S{0,40}", fullmatch=True))
def test_any_text_is_a_server_or_a_sentence(text: str) -> None:
    try:
        server = server_of(text)
    except ValueError as error:
        said = str(error)
        server = Server(how="system")
    else:
        said = "names no server"
    assert "names no server" in said
    assert server.how == "system" or server.address
    assert 0 < server.port < 65536


def test_an_endpoint_has_the_port_that_is_usual() -> None:
    assert endpoint("192.0.2.1", 853) == ("192.0.2.1", 853)
