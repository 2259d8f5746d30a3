"""DNS against real servers: the change as compare-and-swap, and what every authority and resolver is seen to answer."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable

import dns.asyncquery
import dns.message
import dns.rcode
import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.events import DnsSeen, Event, HorizonSeen
from cockpit.lab import Lab, wire
from cockpit.plan.load import load
from cockpit.plan.model import Op, Step
from cockpit.plan.zones import Dns, DnsChange, RecordSet
from cockpit.probes.checks import observe_record
from cockpit.probes.dns.ask import Asker, ask, endpoint, normal
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.stages import Followed
from cockpit.probes.dns.update import DnsHands
from cockpit.probes.dns.watch import DnsWatch
from cockpit.state import ServiceView, StepView


def zone_of(lab: Lab) -> Dns:
    plan = load(lab.plan_path).plan
    assert plan is not None
    assert plan.dns is not None
    return plan.dns


def record_of(lab: Lab, **changes: object) -> RecordSet:
    made = RecordSet(name="osf.karl.test", type="A", old=(lab.old.address,), new=(lab.new.address,))
    return msgspec.structs.replace(made, **changes)


def call(record: RecordSet, op: Op, captured: dict[str, str] | None = None, timeout: float = 10) -> Call:
    step = Step(
        ref="osf/dns",
        id="dns",
        service="osf",
        phase="dns",
        kind="dns",
        action=DnsChange(record=record),
        timeout=timeout,
    )
    return Call(step=step, op=op, attempt=1, job=f"j.{op}", captured=captured or {})


class Swap:
    """The hands on one record set, with what they told."""

    def __init__(self, zone: Dns, record: RecordSet) -> None:
        self.hands = DnsHands(zone, SystemClock())
        self.record = record
        self.told: list[Event] = []

    async def __call__(self, op: Op, captured: dict[str, str] | None = None, timeout: float = 10) -> Outcome:
        return await self.hands.act(call(self.record, op, captured, timeout), self.told.append)


async def values(server: str, name: str = "osf.karl.test", type: str = "A") -> list[str]:
    """As an independent client asks."""
    address, port = endpoint(server)
    answer = await dns.asyncquery.udp(dns.message.make_query(name, type), address, 3, port)
    return sorted(str(item) for one in answer.answer for item in one)


async def test_a_change_goes_there_and_back_with_its_ttl(lab: Lab) -> None:
    zone = zone_of(lab)
    swap = Swap(zone, record_of(lab, ttl=7))
    assert (await swap("probe")).verdict == "no"
    captured = (await swap("capture")).captured
    assert (captured["values"], captured["ttl"]) == (lab.old.address, "5")
    assert (await swap("apply", captured)).verdict == "ok"
    assert await values(zone.primary) == [lab.new.address]
    assert (await swap("probe")).verdict == "ok"
    verified = await swap("verify", captured)
    assert (verified.verdict, verified.detail) == ("ok", f"3 of 3 authorities serve {lab.new.address}")
    for server in zone.authorities:
        assert await values(server) == [lab.new.address]
    assert (await ask(zone.primary, "osf.karl.test", "A", recurse=False)).ttl == 7
    assert (await swap("undo", captured)).verdict == "ok"
    assert (await swap("verify_undo", captured)).verdict == "ok"
    assert (await ask(zone.primary, "osf.karl.test", "A", recurse=False)).ttl == 5
    for server in zone.authorities:
        assert await values(server) == [lab.old.address]


async def test_other_records_of_the_name_stay(lab: Lab) -> None:
    zone = zone_of(lab)
    before = await values(zone.primary, type="MX")
    assert before
    assert (await Swap(zone, record_of(lab))("apply")).verdict == "ok"
    assert await values(zone.primary, type="MX") == before


async def test_values_that_the_plan_does_not_expect_are_not_overwritten(lab: Lab) -> None:
    zone = zone_of(lab)
    swap = Swap(zone, record_of(lab, old=("192.0.2.99",)))
    outcome = await swap("apply")
    assert outcome.verdict == "failed", outcome
    assert outcome.detail.startswith("NXRRSET: the primary does not hold the values that the plan expects")
    assert await values(zone.primary) == [lab.old.address]


async def test_a_swap_that_had_happened_is_done_once(lab: Lab) -> None:
    swap = Swap(zone_of(lab), record_of(lab))
    assert (await swap("apply")).verdict == "ok"
    again = await swap("apply")
    assert again.verdict == "ok"
    assert again.detail.startswith("the primary holds the values already: the swap had happened")
    assert (await swap.hands.recall(call(swap.record, "apply"), swap.told.append)).verdict == "ok"
    assert (await swap.hands.recall(call(swap.record, "undo"), swap.told.append)).verdict == "nothing"


async def test_a_record_that_did_not_exist_is_made_and_taken_away_again(lab: Lab) -> None:
    zone = zone_of(lab)
    swap = Swap(zone, RecordSet(name="fresh.karl.test", type="TXT", old=(), new=('"hello there"',), ttl=9))
    captured = (await swap("capture")).captured
    assert (await swap("apply", captured)).verdict == "ok"
    assert await values(zone.primary, "fresh.karl.test", "TXT") == ['"hello there"']
    assert (await swap("verify", captured)).verdict == "ok"
    assert (await swap("undo", captured)).verdict == "ok"
    assert await values(zone.primary, "fresh.karl.test", "TXT") == []
    undone = await swap("verify_undo", captured)
    assert (undone.verdict, undone.detail) == ("ok", "3 of 3 authorities serve no such record")
    assert (await swap("probe")).verdict == "no"


@pytest.mark.parametrize(("change", "code"), [("secret", "BADSIG"), ("name", "BADKEY"), ("none", "REFUSED")])
async def test_a_key_that_the_server_does_not_take_is_told_in_words(lab: Lab, change: str, code: str) -> None:
    zone = zone_of(lab)
    assert zone.tsig is not None
    if change == "secret":
        text = lab.tsig_path.read_text()
        stem = base64.b64encode(secrets.token_bytes(32)).decode()
        right = next(word.strip('";') for word in text.split() if len(word.strip('";')) >= 40)
        lab.tsig_path.write_text(text.replace(right, stem))
    elif change == "name":
        zone = msgspec.structs.replace(zone, tsig=msgspec.structs.replace(zone.tsig, name="somebody-else"))
    else:
        zone = msgspec.structs.replace(zone, tsig=None)
    outcome = await Swap(zone, record_of(lab))("apply")
    assert outcome.verdict == "failed", outcome
    assert outcome.detail.startswith(f"{code}: "), outcome.detail
    assert await values(zone.primary) == [lab.old.address]


async def test_an_unsigned_refusal_is_a_failure_where_nothing_changed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = zone_of(lab)
    assert zone.tsig is not None
    monkeypatch.setattr("cockpit.lab.wire._denied", lambda data, error: wire._bare(data, dns.rcode.REFUSED))
    stranger = msgspec.structs.replace(zone, tsig=msgspec.structs.replace(zone.tsig, name="somebody-else"))
    outcome = await Swap(stranger, record_of(lab))("apply")
    assert outcome.verdict == "failed"
    assert "changed nothing (REFUSED), and its answer is not signed" in outcome.detail


async def test_a_missing_key_file_is_a_sentence(lab: Lab) -> None:
    lab.tsig_path.unlink()
    outcome = await Swap(zone_of(lab), record_of(lab))("apply")
    assert outcome.verdict == "failed", outcome
    assert "the update cannot be made" in outcome.detail
    assert str(lab.tsig_path) in outcome.detail


async def test_a_dead_primary_is_unknown_not_failed(lab: Lab) -> None:
    await lab.kill("dns-primary")
    swap = Swap(zone_of(lab), record_of(lab))
    for op in ("probe", "capture", "apply"):
        assert (await swap(op)).verdict == "unknown"  # type: ignore[arg-type]
    assert (await swap.hands.recall(call(swap.record, "apply"), swap.told.append)).verdict == "unknown"


async def test_a_secondary_that_does_not_follow_fails_the_verification(lab: Lab) -> None:
    swap = Swap(zone_of(lab), record_of(lab))
    await lab.kill("dns-secondary-2")
    assert (await swap("apply")).verdict == "ok"
    verified = await swap("verify", timeout=3)
    assert verified.verdict == "no"
    assert verified.detail.startswith(
        f"2 of 3 authorities serve {lab.new.address}; {zone_of(lab).authorities[-1]} says "
    )


def follow(record: RecordSet) -> Followed:
    return Followed(name=record.name, type=record.type, stages=(record,))


class Watch:
    """A record set watched at every vantage of the lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.events: list[Event] = []
        self._news = asyncio.Event()
        self.asker = Asker()

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def __aenter__(self) -> Watch:
        await self.asker.__aenter__()
        desk = Desk(zone_of(self.lab), self.asker, self._take, SystemClock())
        self._task = asyncio.create_task(DnsWatch("osf", follow(record_of(self.lab)), desk).run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.asker.__aexit__(None, None, None)

    def last(self) -> dict[str, DnsSeen]:
        return {event.vantage: event for event in self.events if isinstance(event, DnsSeen)}

    def states(self) -> dict[str, str]:
        return {vantage: event.state for vantage, event in self.last().items()}

    async def until(self, holds: Callable[[], object], seconds: float = 25) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()


async def test_a_change_is_seen_to_spread_and_the_horizon_is_told(lab: Lab) -> None:
    zone = zone_of(lab)
    async with Watch(lab) as watch:
        await watch.until(lambda: len(watch.states()) == 7)
        assert set(watch.states().values()) == {"old"}
        roles = [watch.last()[server].role for server in (zone.primary, *zone.authorities[-2:], *zone.resolvers)]
        assert roles == ["primary", "authority", "authority", *["resolver"] * 4]
        assert all(0 <= event.ttl <= 5 for event in watch.last().values())
        serial = watch.last()[zone.primary].serial
        assert (await Swap(zone, record_of(lab))("apply")).verdict == "ok"
        await watch.until(lambda: watch.states()[zone.primary] == "new")
        assert watch.last()[zone.primary].serial == serial + 1
        behind = [event for event in watch.events if isinstance(event, DnsSeen) and "upstream-lag" in event.flags]
        await watch.until(lambda: any(isinstance(event, HorizonSeen) and event.at for event in watch.events))
        assert behind or any("upstream-lag" in event.flags for event in watch.events if isinstance(event, DnsSeen))
        [horizon] = [event.at for event in watch.events if isinstance(event, HorizonSeen) and event.at]
        assert 3 < horizon - SystemClock().utc() < 8
        await watch.until(lambda: set(watch.states().values()) == {"new"})
        stale = [event for event in watch.events if isinstance(event, DnsSeen) and "stale" in event.flags]
        assert {event.vantage for event in stale} <= {zone.resolvers[-1]}


async def test_a_resolver_that_serves_what_has_expired_is_told_stale(lab: Lab) -> None:
    zone = zone_of(lab)
    lab.resolvers[-1].stale_for = 60.0
    async with Watch(lab) as watch:
        await watch.until(lambda: len(watch.states()) == 7)
        await Swap(zone, record_of(lab))("apply")
        await watch.until(lambda: "stale" in watch.last()[zone.resolvers[-1]].flags)
        assert watch.states()[zone.resolvers[-1]] == "old"
        others = [event for event in watch.events if isinstance(event, DnsSeen) and "stale" in event.flags]
        assert {event.vantage for event in others} == {zone.resolvers[-1]}


async def test_a_server_that_does_not_answer_is_a_time_out_and_comes_back(lab: Lab) -> None:
    zone = zone_of(lab)
    async with Watch(lab) as watch:
        await watch.until(lambda: len(watch.states()) == 7)
        await lab.kill("resolver-2")
        await watch.until(lambda: watch.states()[zone.resolvers[1]] == "timeout")
        await lab.restart("resolver-2")
        await watch.until(lambda: watch.states()[zone.resolvers[1]] == "old")


async def test_a_third_party_s_change_is_observed_on_all_authorities(lab: Lab) -> None:
    plan = load(lab.plan_path).plan
    assert plan is not None
    record = record_of(lab)
    assert (await observe_record(record, plan, 0.0))[0] is False
    watching = asyncio.create_task(observe_record(record, plan, 15.0))
    await Swap(zone_of(lab), record)("apply")
    assert await watching == (True, f"3 of 3 authorities serve {lab.new.address} for osf.karl.test A")


async def test_an_answer_that_does_not_fit_in_a_datagram_is_asked_for_again_over_tcp(lab: Lab) -> None:
    zone = zone_of(lab)
    many = tuple(f'"{number:03}{"x" * 200}"' for number in range(12))
    assert (
        await Swap(zone, RecordSet(name="big.karl.test", type="TXT", old=(), new=many, ttl=5))("apply")
    ).verdict == "ok"
    answer = await ask(zone.primary, "big.karl.test", "TXT", recurse=False)
    assert len(answer.values) == 12


@pytest.mark.parametrize(
    ("server", "there"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5300", ("192.0.2.1", 5300)),
        ("::1", ("::1", 53)),
        ("[::1]:5300", ("::1", 5300)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_a_server_s_address_is_read(server: str, there: tuple[str, int]) -> None:
    assert endpoint(server) == there


@pytest.mark.parametrize(
    ("type", "value", "served"),
    [
        ("MX", "10 mail.new-host.net", "10 mail.new-host.net."),
        ("CNAME", "www.new-host.net", "www.new-host.net."),
        ("TXT", "v=spf1 a -all", '"v=spf1 a -all"'),
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
    ],
)
async def test_a_value_is_published_as_the_plan_means_it(lab: Lab, type: str, value: str, served: str) -> None:
    zone = zone_of(lab)
    swap = Swap(zone, RecordSet(name="means.karl.test", type=type, old=(), new=(value,), ttl=5))
    assert (await swap("apply")).verdict == "ok"
    assert await values(zone.primary, "means.karl.test", type) == [served]
    assert (await swap("verify")).verdict == "ok"
    assert (await swap("probe")).verdict == "ok"


def test_text_is_compared_letter_by_letter_and_names_are_not() -> None:
    assert normal("TXT", '"p=AbC"') != normal("TXT", '"p=abc"')
    assert normal("CNAME", "WWW.Example.org.") == normal("CNAME", "www.example.org")
    assert normal("A", "no address") == "no address"


@pytest.mark.parametrize("server", ["ns1.example.org", "192.0.2.1:port", "", "[::1"])
async def test_what_is_no_address_of_a_server_is_trouble_and_no_fault(server: str) -> None:
    assert (await ask(server, "osf.karl.test", "A", recurse=False)).trouble
    assert (await ask("127.0.0.1:1", "a..b", "A", recurse=False)).trouble


async def test_a_horizon_that_was_told_before_a_resumption_is_not_shortened(lab: Lab) -> None:
    zone = zone_of(lab)
    await Swap(zone, record_of(lab))("apply")
    await Swap(zone, record_of(lab))("verify")
    clock = SystemClock()
    told: list[Event] = []
    step = StepView(ref="osf/dns", captured={"ttl": "600"})
    for before, least in (
        (ServiceView(id="osf", horizon={"osf.karl.test A": clock.utc() + 3600}), 3590),
        (ServiceView(id="osf", steps={"osf/dns": step}), 590),
    ):
        told.clear()
        async with Asker() as asker:
            watch = DnsWatch("osf", follow(record_of(lab)), Desk(zone, asker, told.append, clock), before)
            task = asyncio.create_task(watch.run())
            async with asyncio.timeout(10):
                while not any(isinstance(event, HorizonSeen) and event.at for event in told):
                    await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        horizon = [event.at for event in told if isinstance(event, HorizonSeen)][-1]
        assert least < horizon - clock.utc() < least + 20
