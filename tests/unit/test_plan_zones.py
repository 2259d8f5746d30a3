"""What a plan says of zones, their changes and TTLs, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.plan.load import loads
from cockpit.plan.model import Manual, Plan
from cockpit.plan.parts.servers import wrong_address, wrong_resolver
from cockpit.plan.script import NOT_ATOMIC, command_text
from cockpit.plan.show import markdown
from cockpit.plan.zones import DnsChange, DnsTtl
from tests.plans.broken import HEAD, steps, top, zone


def plan_of(text: str, folder: Path) -> Plan:
    loaded = loads(text.encode(), folder / "plan.yaml")
    assert loaded.plan is not None, loaded.findings
    assert [str(finding) for finding in loaded.findings] == []
    return loaded.plan


FULL = """cutover: 1
name: Full
hosts: {old: {ssh: a@old}, new: {ssh: a@new}}
secrets: {gandi: {env: GANDI}}
dns:
  zone: x.test
  primary: "[2001:db8::53]:5353"
  authorities: [192.0.2.53, "192.0.2.54:5353", "2001:db8::54"]
  parent: [192.0.2.100]
  resolvers: [192.0.2.1, "tcp://192.0.2.2:53", "tls://192.0.2.3#dns.x.test", "tls://[2001:db8::1]:8853#dns.x.test",
              "https://dns.x.test/dns-query@192.0.2.4", "https://dns.x.test:8443/q@[2001:db8::4]:8443", system]
  samples: 3
  every: 5s
  ca: keys/ca.pem
  provider: {kind: lexicon, name: gandi, options: {api_protocol: rest}, secrets: {auth_token: gandi}}
  compare_with:
    - {primary: 198.51.100.53, tsig: {name: t, file: t.key}, ignore: [NS, "_acme.x.test TXT"]}
    - {name: new home, provider: {kind: command, read: ./get, write: ./put, list: ./dump}}
services:
  - id: mail
    vars: {mx: new}
    steps:
      - {id: lower, phase: prepare, ttl: {records: [{name: x.test, type: mx}, {name: "{mx}.x.test", type: A}], to: 1m}}
      - id: add
        phase: switch
        dns: {name: x.test, type: MX, old: ["10 a.x.test."], add: ["20 {mx}.x.test."]}
      - id: remove
        phase: switch
        dns: {name: x.test, type: MX, old: ["10 a.x.test.", "20 {mx}.x.test."], remove: ["10 a.x.test."]}
      - id: many
        phase: switch
        dns:
          records:
            - {name: www.x.test, type: a, old: [192.0.2.1], new: [], ttl: 60}
            - {name: www.x.test, type: CNAME, old: [], new: [web.x.test.]}
      - {id: ask, phase: switch, manual: {owner: Ann, message: please, observe: {name: y.test, type: TXT, old: [a], new: [b]}}}
"""


def test_a_zone_with_everything_that_can_be_said_of_it(tmp_path: Path) -> None:
    plan = plan_of(FULL, tmp_path)
    dns = plan.dns
    assert dns is not None
    assert (dns.primary, len(dns.authorities), dns.parent, dns.samples, dns.every) == (
        "[2001:db8::53]:5353", 3, ("192.0.2.100",), 3, 5.0,
    )  # fmt: skip
    assert len(dns.resolvers) == 7
    assert dns.ca == str(tmp_path / "keys" / "ca.pem")
    assert dns.provider is not None
    assert (dns.provider.kind, dns.provider.options, dns.provider.secrets) == (
        "lexicon", {"api_protocol": "rest"}, {"auth_token": "gandi"},
    )  # fmt: skip
    first, second = dns.compare_with
    assert (first.name, first.ignore) == ("198.51.100.53", ("NS", "_acme.x.test TXT"))
    assert first.tsig is not None
    assert first.tsig.file == str(tmp_path / "t.key")
    assert second.name == "new home"
    assert second.provider is not None
    assert second.provider.list == "./dump"
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_what_comes_and_what_goes_make_the_new_set(tmp_path: Path) -> None:
    plan = plan_of(FULL, tmp_path)
    add, remove, many = (plan.step(f"mail/{name}").action for name in ("add", "remove", "many"))
    assert isinstance(add, DnsChange)
    assert isinstance(remove, DnsChange)
    assert isinstance(many, DnsChange)
    assert add.record.new == ("10 a.x.test.", "20 new.x.test.")
    assert remove.record.new == ("20 new.x.test.",)
    assert [(one.key, one.old, one.new, one.ttl) for one in many.records] == [
        ("www.x.test A", ("192.0.2.1",), (), 60),
        ("www.x.test CNAME", (), ("web.x.test.",), 0),
    ]
    assert plan.step("mail/many").kind == "dns"


def test_a_ttl_step_is_data_of_its_own(tmp_path: Path) -> None:
    step = plan_of(FULL, tmp_path).step("mail/lower")
    assert isinstance(step.action, DnsTtl)
    assert (step.kind, step.action.to, step.undoable) == ("ttl", 60, True)
    assert step.action.names == (("x.test", "MX"), ("new.x.test", "A"))


def test_what_a_provider_keeps_is_marked_as_not_atomic_wherever_it_is_shown(tmp_path: Path) -> None:
    plan = plan_of(FULL, tmp_path)
    for name in ("lower", "add", "many"):
        assert NOT_ATOMIC in command_text(plan.step(f"mail/{name}"), "apply", {}), name
        assert NOT_ATOMIC in command_text(plan.step(f"mail/{name}"), "undo", {}), name
    assert markdown(plan).count(f"**{NOT_ATOMIC}**") == 4
    assert "kept by lexicon gandi" in markdown(plan)
    without = FULL.replace(next(line for line in FULL.splitlines() if "provider: {kind: lexicon" in line) + "\n", "")
    atomic = loads(without.encode(), tmp_path / "p").plan
    assert atomic is not None
    assert NOT_ATOMIC not in markdown(atomic)
    assert "in one message" in markdown(atomic)


def test_a_tsig_algorithm_with_a_typing_error_is_found_at_its_place(tmp_path: Path) -> None:
    text = zone("tsig: {name: t, file: t.key, algorithm: hmac-sha265}")
    found = [f for f in loads(text.encode(), tmp_path / "p").findings if f.code == "tsig-algorithm"]
    assert [(f.message, f.mend) for f in found] == [
        ("no TSIG algorithm is called hmac-sha265", "did you mean hmac-sha256?")
    ]
    line = text.splitlines()[found[0].line - 1]
    assert line[found[0].column - 1 :].startswith("hmac-sha265")
    assert loads(text.replace("sha265", "sha512").encode(), tmp_path / "p").findings == ()


def test_what_a_person_does_may_take_days(tmp_path: Path) -> None:
    step = plan_of(FULL, tmp_path).step("mail/ask")
    assert isinstance(step.action, Manual)
    assert step.timeout == 7 * 86400


def test_a_change_after_its_ttl_was_lowered_may_have_any_ttl(tmp_path: Path) -> None:
    lower = "- {id: l, phase: prepare, ttl: {records: [{name: a.x.test, type: A}], to: 60s}}"
    change = "- {id: c, phase: switch, dns: {name: a.x.test, type: A, old: [192.0.2.1], new: [192.0.2.2], ttl: 3600}}"
    assert loads(steps(lower, change).encode(), tmp_path / "p").findings == ()
    other = lower.replace("a.x.test", "b.x.test")
    assert [f.code for f in loads(steps(other, change).encode(), tmp_path / "p").findings] == ["long-ttl"]


def test_a_secret_named_for_a_provider_is_no_secret_in_the_plan_and_is_used(tmp_path: Path) -> None:
    text = zone("provider: {kind: lexicon, name: gandi, secrets: {auth_token: token}}").replace(
        "services:", "secrets: {token: {env: T}}\nservices:", 1
    )
    assert loads(text.encode(), tmp_path / "p").findings == ()


def test_a_plan_of_before_is_still_read(tmp_path: Path) -> None:
    """A journal holds its plan: one of an earlier version has fewer fields."""
    plan = plan_of(top().replace(HEAD, HEAD), tmp_path)
    raw = msgspec.json.decode(msgspec.json.encode(plan))
    for field in ("compare_with", "provider", "samples"):
        raw["dns"].pop(field, None)
    assert msgspec.convert(raw, Plan) == plan


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:65535", "::1"]
)
def test_addresses_that_are_good(text: str) -> None:
    assert wrong_address(text) == ""


@given(st.text(max_size=60))
def test_no_text_at_all_breaks_the_reading_of_addresses(text: str) -> None:
    assert isinstance(wrong_address(text), str)
    assert isinstance(wrong_resolver(text), str)
    assert isinstance(wrong_resolver("https://" + text), str)
    assert isinstance(wrong_resolver("tls://" + text), str)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_every_address_is_good_with_and_without_a_port(address: object, port: int) -> None:
    with_port = f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"
    assert wrong_address(str(address)) == ""
    assert wrong_address(with_port) == ""
    assert wrong_resolver(f"tls://{with_port}#dns.example.org") == ""
    assert wrong_resolver(f"https://dns.example.org/dns-query@{with_port}") == ""


def test_the_examples_have_nothing_to_complain_of_in_their_zones() -> None:
    from cockpit.plan.examples import examples

    for name, example in examples().items():
        assert not [
            f for f in loads(example.text.encode(), Path(f"{name}.yaml")).findings if f.code in {"address", "long-ttl"}
        ]
