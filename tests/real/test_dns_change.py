"""Changes of a zone on a real BIND: several sets at once, TTLs, refusals in words, and the way back to the byte."""

from __future__ import annotations

import base64
import secrets
import time
import types
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.events import Event, StepOutput, StepProgress
from cockpit.plan.model import Op, Step
from cockpit.plan.zones import Dns, DnsChange, DnsTtl, RecordSet
from cockpit.probes.dns import primary
from cockpit.probes.dns.update import DnsHands
from tests.real.lossy import Fate, Lossy
from tests.real.named import Named, needs_named, running

pytestmark = needs_named

ZONE = """$TTL 3600
@ IN SOA ns1 hostmaster 1 3600 600 86400 30
@ IN NS ns1
@ IN NS ns2.Else.where.example.
@ 1801 IN MX 10 Mail.Old.example.
@ 1801 IN MX 20 mail2.old.EXAMPLE.
ns1 IN A 127.0.0.1
www 271 IN A 192.0.2.10
www 93 IN AAAA 2001:db8::10
txt 7 IN TXT "Kept As It Is" "in two; parts"
zero 0 IN A 192.0.2.77
_sip._tcp 44 IN SRV 1 2 5060 Sip.Old.example.
10.ptr 66 IN PTR Host.Old.example.
alias 12 IN CNAME Target.Old.example.
""" + "".join(f"host{number} IN A 192.0.2.{number}\n" for number in range(1, 120))


@pytest.fixture
def bind(tmp_path: Path) -> Iterator[Named]:
    with running(tmp_path / "named", "change.test", ZONE) as server:
        yield server


def record(name: str, type: str, old: tuple[str, ...], new: tuple[str, ...], ttl: int = 0) -> RecordSet:
    return RecordSet(name=name, type=type, old=old, new=new, ttl=ttl)


class Doing:
    """The hands on one step, with what they told and what they captured."""

    def __init__(
        self, zone: Dns, action: DnsChange | DnsTtl, timeout: float = 20, clock: SystemClock | None = None
    ) -> None:
        self.hands = DnsHands(zone, clock or SystemClock())
        kind = "dns" if isinstance(action, DnsChange) else "ttl"
        self.step = Step(ref="s/a", id="a", service="s", phase="switch", kind=kind, action=action, timeout=timeout)
        self.captured: dict[str, str] = {}
        self.told: list[Event] = []

    def call(self, op: Op) -> Call:
        return Call(step=self.step, op=op, attempt=1, job=f"j.{op}", captured=self.captured)

    async def __call__(self, op: Op) -> Outcome:
        outcome = await self.hands.act(self.call(op), self.told.append)
        if outcome.captured:
            self.captured = outcome.captured
        return outcome


def change(zone: Dns, *records: RecordSet) -> Doing:
    return Doing(zone, DnsChange(record=records[0], more=records[1:]))


EVERYTHING = (
    record("www.change.test", "A", ("192.0.2.10",), ("203.0.113.1", "203.0.113.2"), 60),
    record("www.change.test", "AAAA", ("2001:db8::10",), ()),
    record("change.test", "MX", ("20 mail2.old.example", "10 mail.old.example."), ("5 mx.new.example.",)),
    record("txt.change.test", "TXT", ('"Kept As It Is" "in two; parts"',), ("v=new; all",)),
    record("_sip._tcp.change.test", "SRV", ("1 2 5060 sip.old.example.",), ("1 2 5061 sip.new.example.",)),
    record("10.ptr.change.test", "PTR", ("host.old.example.",), ("host.new.example.",)),
    record("alias.change.test", "CNAME", ("target.old.example.",), ()),
    record("alias.change.test", "A", (), ("203.0.113.9",), 30),
    record("change.test", "NS", ("ns1.change.test.", "ns2.else.where.example."), ("ns9.new.example.",)),
    record("zero.change.test", "A", ("192.0.2.77",), ("203.0.113.77",)),
    record("fresh.change.test", "A", (), ("203.0.113.5",), 17),
)


async def test_many_record_sets_change_in_one_message_and_go_back_to_the_byte(bind: Named) -> None:
    before, since = bind.whole(), bind.serial()
    doing = change(bind.plan(), *EVERYTHING)
    assert (await doing("probe")).verdict == "no"
    assert (await doing("capture")).verdict == "ok"
    assert (await doing("apply")).verdict == "ok"
    assert bind.serial() == since + 1, "one message is one change"
    assert sorted(bind.dig("www.change.test", "A", "+short").split()) == ["203.0.113.1", "203.0.113.2"]
    assert bind.dig("alias.change.test", "A", "+short").split() == ["203.0.113.9"]
    assert bind.dig("change.test", "NS", "+short").split() == ["ns9.new.example."]
    assert bind.dig("txt.change.test", "TXT", "+short").strip() == '"v=new; all"'
    assert "\t0\tIN\tA\t203.0.113.77" in bind.dig("zero.change.test", "A", "+noall", "+answer"), "a TTL of 0 is kept"
    verified = await doing("verify")
    assert verified.verdict == "ok", verified
    assert (await doing("undo")).verdict == "ok"
    assert (await doing("verify_undo")).verdict == "ok"
    assert bind.whole() == before


async def test_one_wrong_expectation_changes_nothing_of_the_rest(bind: Named) -> None:
    before = bind.whole()
    wrong = msgspec.structs.replace(EVERYTHING[3], old=("other",))
    doing = change(bind.plan(), *EVERYTHING[:3], wrong)
    await doing("capture")
    outcome = await doing("apply")
    assert outcome.verdict == "failed"
    assert outcome.detail.startswith("NXRRSET: the primary does not hold the values that the plan expects")
    assert '"Kept As It Is" "in two; parts"' in outcome.detail, "what is there is said"
    assert bind.whole() == before


async def test_a_set_that_should_not_be_there_and_is_refuses_in_words(bind: Named) -> None:
    doing = change(bind.plan(), record("www.change.test", "A", (), ("203.0.113.1",)))
    await doing("capture")
    outcome = await doing("apply")
    assert outcome.verdict == "failed"
    assert outcome.detail.startswith("YXRRSET: the plan expects no such record set, and it is there")


@pytest.mark.parametrize(
    ("zone", "name", "code"),
    [("nowhere.test", "www.nowhere.test", "NOTAUTH"), ("change.test", "www.other.test", "NOTZONE")],
)
async def test_what_is_not_its_zone_is_refused_in_words(bind: Named, zone: str, name: str, code: str) -> None:
    plan = msgspec.structs.replace(bind.plan(), zone=zone)
    outcome = await change(plan, record(name, "A", ("192.0.2.10",), ("203.0.113.1",)))("apply")
    assert outcome.verdict == "failed", outcome
    assert outcome.detail.startswith(f"{code}: "), outcome.detail


async def test_another_secret_and_an_unknown_key_are_told_apart(bind: Named) -> None:
    doing = change(bind.plan(), EVERYTHING[0])
    kept = bind.key.read_text()
    bind.key.write_text("hmac-sha256:" + base64.b64encode(secrets.token_bytes(32)).decode())
    outcome = await doing("apply")
    assert (outcome.verdict, outcome.detail[:8]) == ("failed", "BADSIG: ")
    bind.key.write_text(kept)
    plan = bind.plan()
    assert plan.tsig is not None
    stranger = msgspec.structs.replace(plan, tsig=msgspec.structs.replace(plan.tsig, name="nobody"))
    outcome = await change(stranger, EVERYTHING[0])("apply")
    assert (outcome.verdict, outcome.detail[:8]) == ("failed", "BADKEY: ")
    unsigned = msgspec.structs.replace(plan, tsig=None)
    outcome = await change(unsigned, EVERYTHING[0])("apply")
    assert (outcome.verdict, outcome.detail[:9]) == ("failed", "REFUSED: ")


async def test_a_wrong_clock_is_told_with_its_difference(bind: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = types.SimpleNamespace(time=lambda: time.time() - 4000, monotonic=time.monotonic)
    monkeypatch.setattr("dns.message.time", ours)
    monkeypatch.setattr("cockpit.probes.dns.send.time", ours)
    outcome = await change(bind.plan(), EVERYTHING[0])("apply")
    assert outcome.verdict == "failed"
    assert outcome.detail.startswith("BADTIME: "), outcome
    assert "its clock is 4000 s ahead of ours" in outcome.detail or "3999 s ahead" in outcome.detail


async def test_mx_comes_in_one_step_and_the_old_goes_in_another(bind: Named) -> None:
    """S62: each is a change of its own, verified, and taken back by itself."""
    before = bind.whole()
    old = ("10 mail.old.example.", "20 mail2.old.example.")
    both = (*old, "5 mx.new.example.")
    adding = change(bind.plan(), record("change.test", "MX", old, both))
    removing = change(bind.plan(), record("change.test", "MX", both, ("5 mx.new.example.",)))
    for doing in (adding, removing):
        await doing("capture")
        assert (await doing("apply")).verdict == "ok"
        assert (await doing("verify")).verdict == "ok"
    assert bind.dig("change.test", "MX", "+short").split("\n")[:-1] == ["5 mx.new.example."]
    for doing in (removing, adding):
        assert (await doing("undo")).verdict == "ok"
    assert bind.whole() == before


@pytest.mark.parametrize("tcp", [True, False])
@pytest.mark.parametrize("fate", ["lose-answer", "lose-request", "twice"])
async def test_what_is_lost_on_the_way_is_neither_a_failure_nor_a_second_change(
    bind: Named, fate: Fate, tcp: bool
) -> None:
    fates: list[Fate] = [fate]
    since = bind.serial()
    async with Lossy(bind.port, lambda: fates.pop() if fates else "pass", tcp=tcp) as way:
        doing = change(bind.plan(way.server), *EVERYTHING[:3])
        await doing("capture")
        outcome = await doing("apply")
    assert outcome.verdict == "ok", outcome
    assert bind.serial() == since + 1
    assert not fates


async def test_an_answer_that_was_lost_over_a_later_change_is_no_failure(bind: Named) -> None:
    """Another writer went on from our values before we could look."""
    since = bind.serial()

    def fate() -> Fate:
        return "lose-answer"

    async with Lossy(bind.port, fate) as way:
        doing = change(bind.plan(way.server), EVERYTHING[0])
        await doing("capture")
        original = primary.all_held_at

        async def late(*words: object) -> object:
            bind.nsupdate("update delete www.change.test. A\nupdate add www.change.test. 60 A 198.51.100.1")
            return await original(*words)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cockpit.probes.dns.primary.all_held_at", late)
            outcome = await doing("apply")
    assert outcome.verdict == "ok", outcome
    assert (
        "the change happened, and another writer has changed it on, to www.change.test A: 198.51.100.1"
        in outcome.detail
    )
    assert bind.serial() == since + 2


async def test_the_same_change_by_another_writer_is_said(bind: Named) -> None:
    async with Lossy(bind.port, lambda: "lose-request") as way:
        doing = change(bind.plan(way.server), record("www.change.test", "A", ("192.0.2.10",), ("203.0.113.1",), 60))
        await doing("capture")
        assert bind.nsupdate("update delete www.change.test. A\nupdate add www.change.test. 99 A 203.0.113.1")
        outcome = await doing("apply")
    assert outcome.verdict == "ok"
    assert "another writer made the same change, with TTL 99 s" in outcome.detail


TTL = DnsTtl(names=(("www.change.test", "A"), ("change.test", "MX")), to=3)


async def test_a_ttl_goes_down_and_back_with_every_value_as_it_was(bind: Named) -> None:
    before = bind.whole()
    doing = Doing(bind.plan(), TTL)
    assert (await doing("probe")).verdict == "no"
    assert (await doing("capture")).verdict == "ok"
    assert (await doing("apply")).verdict == "ok"
    assert bind.whole() == before.replace("\t271\tIN\tA", "\t3\tIN\tA").replace("\t1801\tIN\tMX", "\t3\tIN\tMX")
    assert (await doing("undo")).verdict == "ok"
    assert (await doing("verify_undo")).verdict == "ok"
    assert bind.whole() == before


async def test_a_lowered_ttl_waits_for_the_longest_that_was_published(bind: Named) -> None:
    doing = Doing(bind.plan(), TTL)
    await doing("capture")
    assert doing.captured["longest"] == "1801"
    await doing("apply")
    began = time.time()
    outcome = await doing("verify")
    assert outcome.verdict == "wait"
    assert began + 1801 <= outcome.until <= time.time() + 1803
    again = await doing("verify")
    assert again.until == outcome.until, "a second look makes the wait neither longer nor shorter"


async def test_a_ttl_under_which_values_changed_goes_back_alone(bind: Named) -> None:
    doing = Doing(bind.plan(), DnsTtl(names=(("www.change.test", "A"),), to=3))
    await doing("capture")
    await doing("apply")
    assert bind.nsupdate("update delete www.change.test. A\nupdate add www.change.test. 3 A 203.0.113.1")
    assert (await doing("undo")).verdict == "ok"
    assert "\t271\tIN\tA\t203.0.113.1" in bind.dig("www.change.test", "A", "+noall", "+answer").replace("\t\t", "\t")


async def test_a_raised_ttl_waits_for_the_authorities_only(bind: Named) -> None:
    doing = Doing(bind.plan(), DnsTtl(names=(("txt.change.test", "TXT"),), to=3600))
    await doing("capture")
    await doing("apply")
    outcome = await doing("verify")
    assert outcome.verdict == "ok", outcome
    assert outcome.detail == "1 of 1 authorities serve TTL 3600 s"


async def test_a_set_that_is_not_there_has_no_ttl_to_lower(bind: Named) -> None:
    outcome = await Doing(bind.plan(), DnsTtl(names=(("none.change.test", "A"),), to=3))("capture")
    assert (outcome.verdict, outcome.detail) == ("failed", "there is no none.change.test A whose TTL could change")


async def test_a_lost_answer_to_a_ttl_is_cleared_up(bind: Named) -> None:
    fates: list[Fate] = ["lose-answer", "lose-request"]
    since = bind.serial()
    async with Lossy(bind.port, lambda: fates.pop() if fates else "pass") as way:
        doing = Doing(bind.plan(way.server), TTL)
        await doing("capture")
        outcome = await doing("apply")
        assert (await doing.hands.recall(doing.call("apply"), doing.told.append)).verdict == "ok"
        assert (await doing.hands.recall(doing.call("undo"), doing.told.append)).verdict == "nothing"
    assert outcome.verdict == "ok", outcome
    assert bind.serial() == since + 1


async def test_the_authority_that_lags_is_named_with_its_serial(bind: Named, tmp_path: Path) -> None:
    with running(tmp_path / "second", "change.test", ZONE) as second:
        plan = msgspec.structs.replace(bind.plan(), authorities=(bind.server, second.server))
        doing = Doing(plan, DnsChange(record=EVERYTHING[0]), timeout=0.5)
        await doing("capture")
        await doing("apply")
        outcome = await doing("verify")
    assert outcome.verdict == "no"
    assert (
        f"1 of 2 authorities serve 203.0.113.1, 203.0.113.2; {second.server} serves www.change.test A: 192.0.2.10"
        in outcome.detail
    )
    assert any(isinstance(event, StepProgress) and event.fraction == 0.5 for event in doing.told)
    assert any(isinstance(event, StepOutput) for event in doing.told)
