"""Gates that open by what the world shows: caches, comparison, and all that speaks for switching off old."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit import intents as it
from cockpit.engine import rules
from cockpit.plan.model import Evidence, Plan
from cockpit.plan.watched import Compare, Probe, Writer
from cockpit.plan.zones import Dns, RecordSet
from tests.engine.world import Rig, small_plan

RECORD = RecordSet(name="a.x.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",))


def plan_with(kind: str, want: str) -> Plan:
    """The second service waits for evidence of the first."""
    plan = small_plan()
    evidence = Evidence(service="s0", kind=kind, want=want)  # type: ignore[arg-type]
    gate = replace(plan.gates[0], kind="evidence", after=(), evidence=(evidence,))
    first = replace(plan.services[0], records=(RECORD,), compare=Compare(urls=("http://a/",)))
    dns = Dns(zone="x.test", primary="ns1", resolvers=("r1",))
    return replace(plan, gates=(gate,), services=(first, plan.services[1]), dns=dns)


async def rig_with(kind: str, want: str) -> Rig:
    rig = Rig(plan_with(kind, want))
    await rig.start()
    return rig


async def tell(rig: Rig, *events: ev.Event) -> None:
    for event in events:
        await rig.ledger.write(event, "probe")


def seen(vantage: str, role: ev.DnsRole, state: ev.DnsClass = "new", **more: object) -> ev.DnsSeen:
    made = ev.DnsSeen(service="s0", name=RECORD.name, type="A", vantage=vantage, role=role, state=state)
    return replace(made, **more)


def horizon(at: float) -> ev.HorizonSeen:
    return ev.HorizonSeen(service="s0", name=RECORD.name, type="A", at=at)


async def test_a_caches_gate_waits_for_the_horizon_and_for_every_sampled_cache() -> None:
    rig = await rig_with("caches", "new")
    now = rig.clock.now
    assert "nothing was heard of a.x.test A from ns1" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, seen("ns1", "primary"), horizon(now - 1))
    assert "nothing was heard of a.x.test A from r1" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, seen("r1", "resolver"), horizon(now + 20))
    assert "20 s until no honest cache can hold old" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, horizon(now - 1), seen("r1", "resolver", flags=("stale",)))
    assert "r1 serves what has expired" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, seen("r1", "resolver", "old"))
    assert "the cache r1 says old" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, seen("r1", "resolver"))
    assert await rig.submit(it.RunStep(ref="s1/copy")) == ""
    await rig.settle()
    rig.clock.now += 60
    assert "was last heard" in (await rig.submit(it.RunStep(ref="s1/freeze")) or "")
    await rig.kill()


async def test_a_compare_gate_waits_for_every_url_and_closes_at_a_difference() -> None:
    rig = await rig_with("compare", "same")
    assert "nothing was compared yet" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    good = ev.CompareSeen(service="s0", url="http://a/", same=True, of=2)
    await tell(rig, good)
    assert "1 of 2 URLs were compared" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, replace(good, url="http://a/b", same=False, differences=(ev.Difference(what="title"),)))
    assert "http://a/b is not the same on new: title" in (await rig.submit(it.RunStep(ref="s1/copy")) or "")
    await tell(rig, replace(good, url="http://a/b"))
    assert await rig.submit(it.RunStep(ref="s1/copy")) == ""
    await rig.settle()
    rig.clock.now += 1000
    assert "was last heard" in (await rig.submit(it.RunStep(ref="s1/freeze")) or "")
    await rig.kill()


def url(name: str, round: float, same: bool = True, of: int = 2, **more: object) -> ev.CompareSeen:
    made = ev.CompareSeen(service="s0", url=name, same=same, of=of, round=round, detail="" if same else "no answer")
    return replace(made, **more)


async def test_a_url_that_left_the_list_keeps_no_compare_gate_shut() -> None:
    rig = await rig_with("compare", "same")
    evidence = rig.plan.gates[0].evidence[0]

    def missing() -> str:
        return rules.missing_evidence(rig.state, evidence, rig.clock.now, 30)

    await tell(rig, url("a", 1.0), url("b", 1.0, same=False))
    assert "b is not the same on new" in missing()
    await tell(rig, url("a", 2.0))
    assert "b is not the same on new" in missing(), "a round that goes on clears nothing"
    await tell(rig, url("c", 2.0))
    assert missing() == ""
    assert list(rig.state.services["s0"].compare) == ["a", "c"]
    await rig.kill()


async def test_a_list_that_could_not_be_read_shuts_a_compare_gate_until_a_round_that_reads_it() -> None:
    rig = await rig_with("compare", "same")
    evidence = rig.plan.gates[0].evidence[0]

    def missing() -> str:
        return rules.missing_evidence(rig.state, evidence, rig.clock.now, 30)

    await tell(rig, url("map.xml", 1.0, same=False, of=1, trouble=True, detail="status 500"), url("a", 1.0, of=1))
    assert "the list of URLs is not whole, map.xml cannot be read: status 500" in missing()
    assert list(rig.state.services["s0"].compare) == ["a"]
    await tell(rig, url("a", 2.0))
    assert "map.xml" in missing()
    await tell(rig, url("b", 2.0))
    assert missing() == ""
    await rig.kill()


async def test_a_dns_gate_waits_for_every_record_set_and_every_authority_of_the_plan() -> None:
    plan = plan_with("dns", "new")
    assert plan.dns is not None
    more = replace(RECORD, name="b.x.test")
    first = replace(plan.services[0], records=(RECORD, more))
    plan = replace(plan, dns=replace(plan.dns, authorities=("ns2",)), services=(first, plan.services[1]))
    rig = Rig(plan)
    await rig.start()
    evidence = rig.plan.gates[0].evidence[0]
    told = [
        replace(seen(*at), name=one.name) for one in (RECORD, more) for at in (("ns1", "primary"), ("ns2", "authority"))
    ]
    await tell(rig, *told[:-1])
    assert "nothing was heard of b.x.test A from ns2" in rules.missing_evidence(rig.state, evidence, rig.clock.now, 30)
    await tell(rig, told[-1])
    assert rules.missing_evidence(rig.state, evidence, rig.clock.now, 30) == ""
    await rig.kill()


async def test_a_gate_takes_what_a_rare_probe_said_between_two_of_its_answers() -> None:
    for kind, event in (
        ("health", ev.HealthSeen(service="s0", probe="web/4", at="new", ok=True)),
        ("writer", ev.WriterSeen(service="s0", writer="new")),
    ):
        plan = plan_with(kind, "new")
        first = replace(
            plan.services[0],
            health=(Probe(id="web", every=60.0, family="each", at=("new",)),),
            writer=Writer(url="http://a/", every=60.0),
        )
        rig = Rig(replace(plan, services=(first, plan.services[1])))
        await rig.start()
        await tell(rig, event, ev.HealthSeen(service="s0", probe="web/6", at="new", ok=True))
        evidence = rig.plan.gates[0].evidence[0]
        assert rules.missing_evidence(rig.state, evidence, rig.clock.now + 149, 30) == ""
        assert "was last heard" in rules.missing_evidence(rig.state, evidence, rig.clock.now + 152, 30)
        await rig.kill()


async def test_an_off_gate_opens_when_nothing_is_missing_and_says_what_is() -> None:
    rig = await rig_with("off", "old")
    now = rig.clock.now
    await tell(rig, seen("ns1", "primary"), seen("r1", "resolver"), horizon(0.0))
    refusal = await rig.submit(it.RunStep(ref="s1/copy")) or ""
    assert "old is still needed: a.x.test A: old is still published" in refusal
    await tell(rig, horizon(now - 1))
    assert await rig.submit(it.RunStep(ref="s1/copy")) == ""
    await rig.settle()
    await tell(rig, seen("ns1", "primary", "old"), horizon(0.0))
    assert "the authority ns1 says old" in (await rig.submit(it.RunStep(ref="s1/freeze")) or "")
    await rig.kill()


async def test_a_dns_gate_waits_for_the_last_of_several_changes_of_one_set() -> None:
    rig = await rig_with("dns", "new")
    await tell(rig, seen("ns1", "primary", stage=1, stages=2))
    evidence = rig.plan.gates[0].evidence[0]
    assert "is at change 1 of 2" in rules.missing_evidence(rig.state, evidence, rig.clock.now, 30)
    await tell(rig, seen("ns1", "primary", stage=2, stages=2), seen("tld", "parent", "old", type="A"))
    assert rules.missing_evidence(rig.state, evidence, rig.clock.now, 30) == ""
    await tell(rig, replace(seen("tld", "parent", "other"), name="x.test", type="NS"))
    assert "tld serves other" in rules.missing_evidence(rig.state, evidence, rig.clock.now, 30)
    await rig.kill()
