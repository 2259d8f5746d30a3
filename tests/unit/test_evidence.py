"""What speaks for switching off old: each piece by itself, and the sentence that they come to."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from cockpit import events as ev
from cockpit.evidence import Figures, Item, Verdict, figures, switch_off, verdict
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Mail, Mailbox, Probe, Queue, Token, Traffic, Writer
from cockpit.plan.zones import Dns, RecordSet
from cockpit.reduce import fold
from cockpit.state import RunState

NOW = 10_000.0
RECORD = RecordSet(name="osf.x.test", type="A", old=("192.0.2.1",), new=("192.0.2.2",))
MAIL = Mail(
    queues=(Queue(host="old", mta="postfix"), Queue(host="new", mta="postfix")),
    token=Token(to="t@x.test"),
    stragglers=(Mailbox(host="old", path="/var/mail/ann"),),
    every=300.0,
    quiet=600.0,
)
SERVICE = Service(
    id="osf",
    records=(RECORD,),
    traffic=(Traffic(host="old", file="a.log"), Traffic(host="new", file="a.log")),
    mail=MAIL,
    writer=Writer(url="http://x.test/"),
    health=(Probe(id="web"),),
)
HOSTS = {name: Host(id=name, ssh=name, role=name) for name in ("old", "new")}  # type: ignore[arg-type]


DNS = Dns(zone="x.test", primary="ns1", authorities=("ns2",), parent=("tld",), resolvers=("r1", "r2"))


def state(service: Service, told: Iterable[tuple[float, ev.Event]]) -> RunState:
    """What the fold makes of these events, (UTC, event) each."""
    plan = Plan(name="p", hash="0", services=(service,), hosts=HOSTS, dns=DNS)
    records = [ev.Record(seq=1, utc=1.0, mono=0, actor="t", event=ev.RunStarted(run="r", plan=plan))]
    for utc, event in told:
        records.append(ev.Record(seq=len(records) + 1, utc=utc, mono=0, actor="t", event=event))  # type: ignore[arg-type]
    return fold(records)


def dns(vantage: str, role: ev.DnsRole, is_: ev.DnsClass = "new", **more: object) -> ev.DnsSeen:
    made = ev.DnsSeen(service="osf", name=RECORD.name, type="A", vantage=vantage, role=role, state=is_)
    return replace(made, **more)


def horizon(at: float, *terms: ev.Term) -> ev.HorizonSeen:
    return ev.HorizonSeen(service="osf", name=RECORD.name, type="A", at=at, terms=terms)


def traffic(host: str, last: float) -> ev.TrafficSeen:
    return ev.TrafficSeen(service="osf", host=host, side=host, rate=0.0, last=last)  # type: ignore[arg-type]


GOOD: dict[str, tuple[float, ev.Event]] = {
    "ns1": (NOW - 1, dns("ns1", "primary")),
    "ns2": (NOW - 1, dns("ns2", "authority")),
    "parent": (NOW - 1, replace(dns("tld", "parent"), name="x.test", type="NS")),
    "cache": (NOW - 1, dns("r1", "resolver")),
    "cache 2": (NOW - 1, dns("r2", "resolver")),
    "horizon": (NOW - 100, horizon(NOW - 50, ev.Term(what="ns2: old, TTL 60", at=NOW - 50))),
    "counted": (NOW - 900, traffic("old", NOW - 901)),
    "traffic": (NOW - 1, traffic("old", NOW - 700)),
    "empty": (NOW - 800, ev.QueueSeen(service="osf", host="old", mta="postfix", count=0)),
    "queue": (NOW - 1, ev.QueueSeen(service="osf", host="old", mta="postfix", count=0)),
    "box first": (
        NOW - 700,
        ev.StragglersSeen(service="osf", host="old", path="/var/mail/ann", count=3, newest=NOW - 800),
    ),
    "box": (NOW - 1, ev.StragglersSeen(service="osf", host="old", path="/var/mail/ann", count=3, newest=NOW - 800)),
    "token": (NOW - 30, ev.TokenSeen(service="osf", through="old", token="t1", state="arrived")),
    "writer": (NOW - 1, ev.WriterSeen(service="osf", writer="new")),
    "certificate": (
        NOW - 1,
        ev.HealthSeen(
            service="osf", probe="web", at="new", ok=True,
            certificate=ev.Certificate(names=("x.test",), until=NOW + 30 * 86400),
        ),
    ),
    "world": (NOW - 1, ev.HealthSeen(service="osf", probe="web", at="world", ok=True)),
}  # fmt: skip


def items(**changes: tuple[float, ev.Event] | None) -> dict[str, Item]:
    """The evidence when all is well but for these events."""
    told = {**GOOD, **{name.replace("_", " "): event for name, event in changes.items()}}
    made = switch_off(state(SERVICE, [event for event in told.values() if event is not None]), "osf", NOW)
    return {item.what: item for item in made}


def test_when_everything_holds_old_may_go_and_estimates_are_named() -> None:
    made = items()
    assert list(made) == [
        "authorities", "delegation", "horizon", "caches", "traffic", "queue", "stragglers", "token", "writer", "health",
        "certificates",
    ]  # fmt: skip
    assert {item.what: item.missing for item in made.values() if not item.ok} == {}
    assert (made["authorities"].sure, made["horizon"].sure, made["caches"].sure) == ("proof", "bound", "estimate")
    assert verdict(made.values()) == Verdict(safe=True, text="safe to switch off old; caches: by estimate")


AGO = NOW - 1
WRONG: list[tuple[str, dict[str, tuple[float, ev.Event] | None], str]] = [
    ("authorities", {"ns2": (AGO, dns("ns2", "authority", "old"))}, "the authority ns2 says old for osf.x.test A"),
    ("authorities", {"ns2": (AGO, dns("ns2", "authority", "timeout"))}, "the authority ns2 says timeout for osf.x.test A"),
    ("authorities", {"ns2": (NOW - 99, dns("ns2", "authority"))}, "ns2 was last heard 99 s ago, more than 30 s"),
    ("authorities", {"ns1": None, "ns2": None}, "nothing was heard of osf.x.test A from ns1"),
    ("authorities", {"ns2": None}, "nothing was heard of osf.x.test A from ns2"),
    ("delegation", {"parent": None}, "nothing was heard of x.test NS from tld"),
    ("horizon", {"horizon": None}, "osf.x.test A: nothing is known of its horizon yet"),
    ("caches", {"cache": None}, "nothing was heard of osf.x.test A from r1"),
    ("caches", {"cache": None, "cache_2": None}, "nothing was heard of osf.x.test A from r1"),
    (
        "caches",
        {"cache": (AGO, dns("r1", "resolver", stage=1, stages=2))},
        "osf.x.test A: change 1 of 2 is the last that was made",
    ),
    (
        "authorities",
        {"ns2": (AGO, dns("ns2", "authority", stage=1, stages=2))},
        "osf.x.test A: change 1 of 2 is the last that was made",
    ),
    (
        "delegation",
        {"parent": (AGO, replace(dns("tld", "parent", flags=("ds-stale",)), type="NS", name="x.test"))},
        "the parent tld says ds-stale of x.test",
    ),
    ("horizon", {"horizon": (AGO, horizon(0.0))}, "osf.x.test A: old is still published, so caches go on taking it"),
    ("horizon", {"horizon": (AGO, horizon(NOW + 90))}, "90 s until no honest cache can hold old"),
    ("caches", {"cache": (AGO, dns("r1", "resolver", "old"))}, "the cache r1 says old for osf.x.test A"),
    ("caches", {"cache": (AGO, dns("r1", "resolver", flags=("stale",)))}, "r1 serves what has expired"),
    ("caches", {"cache": (NOW - 99, dns("r1", "resolver"))}, "r1 was last heard 99 s ago, more than 30 s"),
    ("traffic", {"traffic": (AGO, traffic("old", NOW - 60))}, "clients still come to old: quiet for 60 s of 10 min"),
    ("traffic", {"traffic": (AGO, replace(traffic("old", NOW - 700), trouble="/a: gone"))}, "the access log on old cannot be read: /a: gone"),
    ("traffic", {"counted": None, "traffic": None}, "the access log on old was not read yet"),
    ("traffic", {"traffic": None}, "the count on old was last heard 15 min ago, more than 30 s"),
    (
        "queue",
        {"queue": (AGO, ev.QueueSeen(service="osf", host="old", mta="postfix", count=2, oldest=70.0, reason="timed out"))},
        "2 messages wait on old, the oldest for 70 s: timed out",
    ),
    (
        "queue",
        {"queue": (AGO, ev.QueueSeen(service="osf", host="old", mta="postfix", count=-1))},
        "the queue of postfix on old cannot be read",
    ),
    ("queue", {"empty": None}, "the queue on old is empty for 1 s of 10 min"),
    (
        "stragglers",
        {"box": (AGO, ev.StragglersSeen(service="osf", host="old", path="/var/mail/ann", count=4, newest=AGO))},
        "old:/var/mail/ann is quiet for 1 s of 10 min",
    ),
    ("stragglers", {"box": None, "box_first": None}, "old:/var/mail/ann cannot be read"),
    (
        "token",
        {"token": (AGO, ev.TokenSeen(service="osf", through="old", token="t2", state="lost"))},
        "a message of ours through old is lost",
    ),
    ("token", {"token": None}, "no message of ours came through old yet"),
    (
        "token",
        {"token": (AGO, ev.TokenSeen(service="osf", through="old", token="t2", state="arrived", proven=False, detail="why"))},
        "its way through old is not proven: why",
    ),
    ("health", {"world": None}, "nothing was heard of web@world"),
    (
        "health",
        {"world": (AGO, ev.HealthSeen(service="osf", probe="web", at="world", ok=False, detail="refused"))},
        "web@world fails: refused",
    ),
    (
        "health",
        {"world": (NOW - 31, ev.HealthSeen(service="osf", probe="web", at="world", ok=True))},
        "web@world was last heard 31 s ago, more than 30 s",
    ),
    ("writer", {"writer": (AGO, ev.WriterSeen(service="osf", writer="both"))}, "the writer is both"),
    ("writer", {"writer": (NOW - 99, ev.WriterSeen(service="osf", writer="new"))}, "the writer probe was last heard 99 s ago, more than 30 s"),
    (
        "certificates",
        {
            "certificate": (
                AGO,
                ev.HealthSeen(
                    service="osf", probe="web", at="new", ok=False, certificate=ev.Certificate(problem="self-signed")
                ),
            )
        },
        "the certificate of web@new does not hold: self-signed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changes", "missing"), WRONG, ids=[f"{row[0]}-{n}" for n, row in enumerate(WRONG)])
def test_one_thing_that_is_missing_is_named_and_old_stays(
    what: str, changes: dict[str, tuple[float, ev.Event] | None], missing: str
) -> None:
    made = items(**changes)
    assert made[what].missing == missing
    assert not made[what].ok
    found = verdict(made.values())
    assert not found.safe
    assert missing in found.text
    assert missing in found.missing


def test_a_term_says_when_it_will_hold_and_the_sum_says_so_only_when_all_do() -> None:
    waiting = (AGO, horizon(NOW + 90))
    quiet = (AGO, traffic("old", NOW - 60))
    made = items(horizon=waiting, traffic=quiet)
    assert (made["horizon"].eta, made["traffic"].eta) == (NOW + 90, NOW + 540)
    assert verdict(made.values()).eta == NOW + 540
    made = items(horizon=waiting, writer=(AGO, ev.WriterSeen(service="osf", writer="old")))
    assert verdict(made.values()).eta == 0


def test_a_horizon_with_an_estimated_term_is_an_estimate_and_one_beyond_it_is_not() -> None:
    silent = ev.Term(what="ns3: says nothing, TTL 60 until then", at=NOW - 60, sure="estimate")
    bound = ev.Term(what="ns2: old, TTL 60", at=NOW - 50)
    stale = ev.Term(what="r9: a sampled cache that is stale", at=NOW + 500, sure="estimate")
    assert items(horizon=(AGO, horizon(NOW - 50, bound, silent)))["horizon"].sure == "estimate"
    made = items(horizon=(AGO, horizon(NOW - 50, stale, bound)))["horizon"]
    assert (made.sure, made.ok) == ("bound", True)


def test_lines_that_no_format_fits_may_be_of_clients_until_they_are_as_old_as_silence_has_to_be() -> None:
    seen = replace(traffic("old", NOW - 700), unread=3)
    made = items(traffic=(AGO, seen))["traffic"]
    assert (made.ok, made.sure, made.eta) == (False, "estimate", AGO + 600)
    assert "3 lines of the log on old do not fit its format" in made.missing
    made = items(counted=(NOW - 800, seen), traffic=(AGO, seen))["traffic"]
    assert (made.ok, made.sure) == (True, "estimate")
    assert "3 lines of the log on old do not fit its format" in made.text


def test_bytes_of_a_log_that_the_host_lost_may_be_of_clients() -> None:
    made = items(traffic=(AGO, replace(traffic("old", NOW - 700), lost=4096)))["traffic"]
    assert not made.ok
    assert "old has lost 4096 bytes of its log" in made.missing


def test_silence_does_not_trust_the_clock_of_the_old_host() -> None:
    slow = replace(traffic("old", NOW - 3600), total=5)
    made = items(
        counted=(NOW - 900, slow), traffic=(NOW - 60, replace(slow, total=6)), told=(AGO, replace(slow, total=6))
    )
    assert made["traffic"].missing == "clients still come to old: quiet for 60 s of 10 min"
    made = items(traffic=(AGO, replace(traffic("old", NOW - 700), rate=0.2)))
    assert made["traffic"].missing == "clients still come to old: 0.2 a second"


def test_what_is_missing_without_a_time_leaves_the_time_of_the_rest_unknown() -> None:
    logs = (Traffic(host="old", file="a.log"), Traffic(host="older", file="a.log"))
    hosts = HOSTS | {"older": Host(id="older", ssh="older", role="old")}
    found = state(
        replace(SERVICE, traffic=logs), [(NOW - 900, traffic("old", NOW - 60)), (AGO, traffic("old", NOW - 60))]
    )
    assert found.plan is not None
    found = replace(found, plan=replace(found.plan, hosts=hosts))
    made = next(item for item in switch_off(found, "osf", NOW) if item.what == "traffic")
    assert (made.ok, made.eta) == (False, 0)


def test_a_message_that_is_on_its_way_leaves_the_last_one_s_word_standing() -> None:
    sent = ev.TokenSeen(service="osf", through="old", token="t2", state="sent")
    assert items(on_its_way=(AGO, sent))["token"].ok
    assert not items(token=None, on_its_way=(AGO, sent))["token"].ok
    long_ago = replace(sent, token="t1", state="arrived")
    made = items(token=(NOW - 1000, long_ago), on_its_way=(AGO, sent))["token"]
    assert made.missing == "the last message of ours through old was last heard 16 min ago, more than 7 min"


def test_the_delegation_that_is_told_for_one_service_is_evidence_for_the_others() -> None:
    other = replace(SERVICE, id="other", records=())
    told = [GOOD[name] for name in ("ns1", "ns2", "cache", "cache 2", "horizon")]
    for at, flags, missing in (
        (AGO, (), ""),
        (NOW - 31, (), "tld was last heard 31 s ago, more than 30 s"),
        (AGO, ("ds-stale",), "the parent tld says ds-stale of x.test"),
    ):
        parent = replace(dns("tld", "parent", flags=flags), service="other", name="x.test", type="NS")
        found = state(SERVICE, [])
        assert found.plan is not None
        plan = replace(found.plan, services=(other, SERVICE))
        records = [ev.Record(seq=1, utc=1.0, mono=0, actor="t", event=ev.RunStarted(run="r", plan=plan))]
        for utc, event in [*told, (at, parent)]:
            records.append(ev.Record(seq=len(records) + 1, utc=utc, mono=0, actor="t", event=event))  # type: ignore[arg-type]
        made = next(item for item in switch_off(fold(records), "osf", NOW) if item.what == "delegation")
        assert made.missing == missing


def test_a_probe_that_asks_rarely_is_evidence_between_its_answers() -> None:
    probe = Probe(id="web", every=60.0, family="each", at=("new",))
    service = replace(SERVICE, health=(probe,), writer=Writer(url="http://x.test/", every=60.0))
    shown = ev.Certificate(names=("x.test",), until=NOW + 86400)
    told: list[tuple[float, ev.Event]] = [
        (NOW - 45, ev.HealthSeen(service="osf", probe=f"web/{family}", at="new", ok=True, certificate=shown))
        for family in "46"
    ]
    told.append((NOW - 45, ev.WriterSeen(service="osf", writer="new")))
    made = {item.what: item.missing for item in switch_off(state(service, told), "osf", NOW)}
    assert (made["health"], made["certificates"], made["writer"]) == ("", "", "")
    made = {item.what: item.missing for item in switch_off(state(service, told[1:]), "osf", NOW)}
    assert made["health"] == "nothing was heard of web/4@new"


def test_a_mail_server_whose_name_is_gone_does_not_stand_in_the_way() -> None:
    old_mx = ev.HealthSeen(service="osf", probe="mx mail.old.test", at="world", ok=True)
    new_mx = replace(old_mx, probe="mx mail.new.test")
    assert items(old_mx=(NOW - 4000, old_mx), new_mx=(AGO, new_mx))["health"].ok
    assert not items(old_mx=(NOW - 4000, old_mx))["health"].ok


def test_what_shows_nothing_of_who_uses_old_is_never_enough() -> None:
    mail = Mail(domain="x.test", token=Token(to="t@x.test"), every=300.0)
    bare = replace(SERVICE, records=(), traffic=(), mail=mail)
    told = [GOOD[name] for name in ("token", "writer", "certificate", "world")]
    made = switch_off(state(bare, told), "osf", NOW)
    assert all(item.ok for item in made)
    found = verdict(made)
    assert not found.safe
    assert "nothing is watched that shows who still uses old" in found.text
    queued = replace(bare, mail=replace(mail, queues=MAIL.queues))
    assert verdict(switch_off(state(queued, [*told, GOOD["empty"], GOOD["queue"]]), "osf", NOW)).safe


def test_what_the_plan_does_not_watch_is_said() -> None:
    bare = replace(SERVICE, traffic=(), mail=None, writer=None, health=())
    told = [GOOD[name] for name in ("ns1", "ns2", "cache", "cache 2", "parent", "horizon")]
    made = switch_off(state(bare, told), "osf", NOW)
    assert [item.what for item in made] == ["authorities", "delegation", "horizon", "caches"]
    found = verdict(made)
    assert (found.safe, found.unwatched) == (True, ("traffic",))
    assert found.text == "safe to switch off old, by what the plan watches: not traffic"
    assert not verdict(()).safe


def test_the_figures_are_three_and_what_is_stale_has_not_moved() -> None:
    told = [
        *(GOOD[name] for name in ("ns1", "ns2", "cache")),
        (AGO, dns("r2", "resolver", flags=("stale",))),
        (AGO, replace(traffic("old", NOW), rate=1.0)),
        (AGO, replace(traffic("new", NOW), rate=3.0)),
    ]
    seen = state(SERVICE, told).services["osf"]
    assert figures(seen, NOW) == Figures(authorities=(2, 2), caches=(1, 2), traffic=0.75)


def test_a_change_that_another_one_follows_has_not_moved() -> None:
    told = [(AGO, dns("ns1", "primary", stage=1, stages=2)), (AGO, dns("r1", "resolver", stage=1, stages=2))]
    assert figures(state(SERVICE, told).services["osf"], NOW) == Figures(authorities=(0, 1), caches=(0, 1), traffic=-1)


def test_the_share_of_traffic_is_known_only_while_both_sides_are_counted() -> None:
    new = (AGO, replace(traffic("new", NOW), rate=3.0))
    assert figures(state(SERVICE, [new]).services["osf"], NOW).traffic == -1
    seen = state(SERVICE, [(AGO - 30, replace(traffic("old", NOW), rate=1.0)), new]).services["osf"]
    assert figures(seen, NOW - 2).traffic == 0.75
    assert figures(seen, NOW).traffic == -1
