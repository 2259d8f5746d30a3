"""What the probes tell of the evening: names, health, what differs, mail and its flow, as seconds and events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cockpit import events as ev

START = datetime(2026, 11, 21, 22, 30, tzinfo=UTC).timestamp()
OLD, NEW = "192.0.2.10", "198.51.100.20"
PRIMARY, SECOND, THIRD = "192.0.2.53", "192.0.2.54", "2001:db8::53"
PARENT = "203.0.113.1"
RESOLVERS = (
    "203.0.113.7",
    "203.0.113.8",
    "203.0.113.9",
    "tcp://203.0.113.10",
    "tls://203.0.113.11#dns.example.net",
    "https://dns.example.net/dns-query@203.0.113.12",
    "2001:db8:ffff::1",
    "203.0.113.14",
    "203.0.113.15",
    "system",
)
CHAIN = ("edge.example.net", "edge-7.example.net")


def _vantage(name: str, type: str, vantage: str, role: str, state: str, *answers: str, **more: object) -> ev.DnsSeen:
    return ev.DnsSeen(
        service="osf", name=name, type=type, vantage=vantage, role=role, state=state, answers=answers, **more
    )  # type: ignore[arg-type]


def names() -> Iterator[tuple[float, ev.AnyEvent]]:
    name = "osf.example.org"
    yield 1.0, ev.HorizonSeen(service="osf", name=name, type="A", at=0.0)
    for at in (2.0, 150.0):
        yield at, _vantage(name, "A", PARENT, "parent", "old", "ns1.example.org.", ttl=86400, flags=("glue-stale",))
        for server, serial in ((PRIMARY, 2026112101), (SECOND, 2026112101), (THIRD, 2026112101)):
            yield (
                at,
                _vantage(
                    name,
                    "A",
                    server,
                    "primary" if server == PRIMARY else "authority",
                    "old",
                    OLD,
                    ttl=300,
                    serial=serial,
                ),
            )
        for index, resolver in enumerate(RESOLVERS):
            yield at + index / 10, _vantage(name, "A", resolver, "resolver", "old", OLD, ttl=200, samples=5, moved=0)
    for at, server in ((205.0, PRIMARY), (212.0, SECOND), (231.0, THIRD)):
        yield (
            at,
            _vantage(
                name,
                "A",
                server,
                "primary" if server == PRIMARY else "authority",
                "new",
                NEW,
                ttl=300,
                serial=2026112102,
            ),
        )
    terms = (
        ev.Term(what="TTL 300 of old, as published until 22:33:51", at=START + 531),
        ev.Term(what="SOA refresh of 2001:db8::53", at=START + 331),
        ev.Term(what="negative TTL 900 of a name that may have been asked too early", at=START + 640, sure="estimate"),
    )
    yield 232.0, ev.HorizonSeen(service="osf", name=name, type="A", at=START + 531, terms=terms)
    for at, index, state, moved, more in (
        (240.0, 0, "new", 5, {"flags": ("authentic",)}),
        (251.0, 1, "mixed", 3, {}),
        (263.0, 2, "old", 0, {"flags": ("stale",), "errors": (3,), "detail": "gave old 40 s after its TTL had passed"}),
        (270.0, 3, "new", 5, {"flags": ("clamped",)}),
        (280.0, 4, "servfail", -1, {"flags": ("bogus",), "errors": (6, 9), "detail": "with checking disabled it answers new"}),
        (281.0, 5, "new", 5, {"chain": CHAIN}),
        (290.0, 6, "timeout", -1, {"detail": "no answer within 5 s"}),
        (300.0, 7, "new", 5, {"chain": CHAIN}),
        (305.0, 8, "old", 0, {"flags": ("upstream-lag",)}),
        (306.0, 9, "other", -1, {"detail": "/etc/hosts has 10.0.0.7 osf.example.org"}),
    ):  # fmt: skip
        answers = {"new": (NEW,), "mixed": (NEW, OLD), "old": (OLD,), "other": ("10.0.0.7",)}.get(state, ())
        told: dict[str, object] = dict(more)  # type: ignore[call-overload]
        yield (
            at,
            _vantage(
                name,
                "A",
                RESOLVERS[index],
                "resolver",
                state,
                *answers,
                ttl=280 if answers else -1,
                samples=5,
                moved=moved,
                **told,
            ),
        )
    yield (
        310.0,
        _vantage(name, "MX", PRIMARY, "primary", "new-partial", "10 mx.example.org.", ttl=3600, serial=2026112102),
    )
    yield (
        311.0,
        _vantage(name, "MX", RESOLVERS[0], "resolver", "old", "10 xen.example.org.", ttl=3200, samples=5, moved=0),
    )
    yield 312.0, _vantage("www.osf.example.org", "AAAA", PRIMARY, "primary", "nxdomain", ttl=900, serial=2026112102)
    yield (
        313.0,
        _vantage("www.osf.example.org", "AAAA", RESOLVERS[1], "resolver", "refused", detail="REFUSED", errors=(18,)),
    )


def health() -> Iterator[tuple[float, ev.AnyEvent]]:
    good = ev.Certificate(
        names=("osf.example.org", "www.osf.example.org"),
        issuer="CN=Test CA, O=Example",
        until=START + 61 * 86400,
        days=61.0,
        chain=("CN=osf.example.org", "CN=Test CA, O=Example"),
    )
    bad = ev.Certificate(
        names=("karl.example.org",),
        issuer="CN=Test CA, O=Example",
        until=START + 3 * 86400,
        days=3.0,
        chain=("CN=karl.example.org",),
        problem="it is for karl.example.org, not for osf.example.org",
    )
    seen = ev.HealthSeen
    facts = {"title": "KARL", "http": "2", "redirects": "1", "bytes": "4711", "address": NEW}
    yield (
        320.0,
        seen(
            service="osf",
            probe="login",
            at="old",
            ok=True,
            ms=312,
            status=200,
            via=OLD,
            bridged=True,
            row=9,
            facts=facts,
            certificate=good,
        ),
    )
    yield (
        320.5,
        seen(
            service="osf",
            probe="login",
            at="new",
            ok=False,
            ms=48,
            status=503,
            via=NEW,
            detail="status is 503, not 200; body does not hold 'KARL'; ms < 500 holds",
            certificate=bad,
        ),
    )
    yield (
        321.0,
        seen(
            service="osf",
            probe="login",
            at="world",
            ok=False,
            ms=51,
            status=200,
            via=NEW,
            row=2,
            detail="good 2 of 3 times in a row",
            facts=facts,
            certificate=good,
        ),
    )
    yield (
        322.0,
        seen(
            service="osf",
            probe="mx",
            at="new",
            ok=True,
            ms=20,
            status=250,
            via=NEW,
            proto="smtp",
            facts={"banner": "mx.example.org ESMTP", "starttls": "yes", "relay": "refused"},
            certificate=good,
        ),
    )
    yield (
        322.5,
        seen(
            service="osf",
            probe="mx",
            at="world",
            ok=False,
            ms=5000,
            via="mx2.example.org [198.51.100.21]",
            proto="smtp",
            detail="no banner within 5 s",
        ),
    )
    yield (
        323.0,
        seen(service="osf", probe="db", at="new", ok=True, ms=3, proto="query", facts={"rows": "1", "value": "4711"}),
    )
    for at in ("old", "new", "world"):
        yield 324.0, seen(service="oxfam", probe="login", at=at, ok=True, ms=40, status=200, row=5)
    yield 325.0, ev.WriterSeen(service="osf", writer="new", writes=3, detail="old says nothing, new says shared")
    yield 326.0, ev.WriterSeen(service="oxfam", writer="both", detail="old says xen, new says shared")


def compared() -> Iterator[tuple[float, ev.AnyEvent]]:
    base = "https://osf.example.org"
    for number in range(8):
        yield (
            330.0 + number,
            ev.CompareSeen(service="osf", url=f"{base}/page/{number}", same=True, old_ms=40, new_ms=30, of=12),
        )
    diff = (
        "--- old",
        "+++ new",
        "@@ -3,4 +3,4 @@",
        " <ul>",
        "-<li>Contact: xen@example.org</li>",
        "+<li>Contact: karl@example.org</li>",
        " </ul>",
    )
    differences = (
        ev.Difference(what="status", old="200", new="404"),
        ev.Difference(what="header cache-control", old="max-age=3600, public", new=""),
        ev.Difference(what="body", lines=diff),
        ev.Difference(what="certificate", old="osf.example.org, 61 days", new="karl.example.org, 3 days"),
    )
    yield (
        340.0,
        ev.CompareSeen(
            service="osf",
            url=f"{base}/contact?lang=en",
            same=False,
            differences=differences,
            alike=0.973,
            old_ms=41,
            new_ms=22,
            of=12,
        ),
    )
    yield (
        341.0,
        ev.CompareSeen(
            service="osf",
            url=f"{base}/feed",
            same=False,
            differences=(ev.Difference(what="redirects", old=f"{base}/feed → {base}/feed/", new=""),),
            old_ms=12,
            new_ms=9,
            of=12,
        ),
    )
    yield (
        342.0,
        ev.CompareSeen(
            service="osf", url=f"{base}/slow", same=False, detail="old gave no first byte within 10 s", of=12
        ),
    )


def mail() -> Iterator[tuple[float, ev.AnyEvent]]:
    yield (
        350.0,
        ev.QueueSeen(
            service="osf",
            host="xen",
            mta="postfix",
            count=12,
            oldest=220.0,
            reason="connect to mx2.example.org[198.51.100.21]:25: Connection timed out",
        ),
    )
    yield 351.0, ev.QueueSeen(service="osf", host="karl", mta="exim", count=0)
    yield (
        352.0,
        ev.QueueSeen(
            service="oxfam",
            host="xen",
            mta="postfix",
            count=-1,
            reason="postqueue: fatal: Connect to the Postfix showq service: Permission denied",
        ),
    )
    path = ("karl.example.org", "mx.example.org", "xen.example.org", "laptop.example.org")
    yield 353.0, ev.TokenSeen(service="osf", through="old", token="cutover-7f3a", state="arrived", took=3.4, path=path)
    yield (
        354.0,
        ev.TokenSeen(
            service="osf",
            through="new",
            token="cutover-91bc",
            state="lost",
            detail="not in /var/mail/check after 120 s",
        ),
    )
    yield (
        355.0,
        ev.StragglersSeen(service="osf", host="xen", path="/var/mail/osf", count=41, since=2, newest=START + 300),
    )


def flow() -> Iterator[tuple[float, ev.AnyEvent]]:
    for second in range(40):
        old = max(0.3, 41.0 - second * 1.1)
        yield (
            320.0 + second,
            ev.TrafficSeen(
                service="osf",
                host="xen",
                side="old",
                rate=old,
                probes=2.0,
                total=9000 + 40 * second,
                last=START + 320 + second,
            ),
        )
        yield (
            320.1 + second,
            ev.TrafficSeen(
                service="osf",
                host="karl",
                side="new",
                rate=41.0 - old,
                probes=2.0,
                total=40 * second,
                last=START + 320 + second,
                unread=3,
                example="garbage [line",
            ),
        )
    yield 356.0, ev.DowntimeSeen(service="osf", lower=0.56, upper=0.91, failed=3, stalled=2, samples=1420)
    yield (
        356.1,
        ev.DowntimeSeen(
            service="osf", meter="posts", what="write", lower=38.2, upper=39.0, failed=150, samples=1390, missed=1
        ),
    )
    yield (
        357.0,
        ev.DowntimeSeen(service="oxfam", lower=61.2, upper=62.3, ongoing=True, failed=240, stalled=7, samples=1400),
    )
    yield 357.1, ev.BudgetAlarm(service="oxfam", share=1.02, upper=61.4, budget=60.0)
    yield 358.0, ev.DowntimeSeen(service="", lower=61.7, upper=63.2, ongoing=True, failed=243, samples=2800)
    yield (
        400.0,
        ev.TrafficSeen(
            service="osf",
            host="karl",
            side="new",
            rate=40.7,
            probes=2.0,
            total=1640,
            last=START + 400,
            unread=3,
            example="garbage [line",
        ),
    )
    yield (
        399.5,
        ev.TrafficSeen(service="osf", host="xen", side="old", rate=0.3, probes=2.0, total=10560, last=START + 398),
    )
    yield 399.6, ev.WriterSeen(service="osf", writer="new", writes=3, detail="old says nothing, new says shared")
    yield (
        399.7,
        _vantage(
            "osf.example.org",
            "A",
            RESOLVERS[2],
            "resolver",
            "old",
            OLD,
            ttl=90,
            flags=("stale",),
            errors=(3,),
            samples=5,
            moved=0,
            detail="gave old 40 s after its TTL had passed",
        ),
    )
