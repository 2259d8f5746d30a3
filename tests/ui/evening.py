"""An evening told by events alone: two mail domains and two sites in the middle of their cutover, with all that probes tell."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.plan.model import Host, Plan, Service, Shell, Step
from cockpit.plan.watched import Compare, Downtime, Expect, Mail, Mailbox, Probe, Queue, Token, Traffic, Writer
from cockpit.plan.zones import Dns, RecordSet
from tests.ui import evening_world as world
from tests.ui.evening_world import NEW, OLD, PARENT, PRIMARY, RESOLVERS, SECOND, START, THIRD


def _steps(service: str) -> tuple[Step, ...]:
    phases = ("prepare", "copy", "freeze", "sync", "switch", "verify")
    return tuple(
        Step(ref=f"{service}/{phase}-it", id=f"{phase}-it", service=service, phase=phase, kind="shell", action=Shell(host="old"), host="old")
        for phase in phases
    )  # fmt: skip


def plan() -> Plan:
    """Four services; the first two have everything that can be watched."""
    hosts = {
        "xen": Host(id="xen", ssh="karl@xen.example.org", role="old", address=OLD),
        "karl": Host(id="karl", ssh="karl@karl.example.org", role="new", address=NEW),
    }
    watched = {
        "health": (
            Probe(
                id="login", url="https://osf.example.org/login", expect=Expect(body="KARL", that=("ms < 500",)), row=3
            ),
            Probe(id="mx", proto="smtp", target="mx.example.org:25", tls="starttls", recipient="check@osf.example.org"),
            Probe(id="db", proto="query", target="SELECT count(*) FROM users", database="postgresql:///karl"),
        ),
        "downtime": Downtime(url="https://osf.example.org/login", budget=60.0),
        "meters": (
            Downtime(
                id="posts", url="https://osf.example.org/post", kind="write", method="POST", budget=120.0, slow=1.0
            ),
        ),
        "compare": Compare(urls=("https://osf.example.org/",)),
        "mail": Mail(
            domain="osf.example.org",
            queues=(Queue(host="xen", mta="postfix"), Queue(host="karl", mta="exim")),
            token=Token(to="check@osf.example.org"),
            stragglers=(Mailbox(host="xen", path="/var/mail/osf"),),
            quiet=600.0,
        ),
        "traffic": (
            Traffic(host="xen", file="/var/log/apache2/access.log"),
            Traffic(host="karl", file="/var/log/nginx/osf.log"),
        ),
        "writer": Writer(url="https://osf.example.org/whoami", old="xen", new="shared"),
    }
    osf = Service(
        id="osf",
        title="Open Society Forum",
        records=(
            RecordSet(name="osf.example.org", type="A", old=(OLD,), new=(NEW,)),
            RecordSet(name="osf.example.org", type="MX", old=("10 xen.example.org.",), new=("10 mx.example.org.", "20 mx2.example.org.")),
            RecordSet(name="www.osf.example.org", type="AAAA", old=(), new=("2001:db8::20",)),
        ),
        steps=_steps("osf"),
        **watched,  # type: ignore[arg-type]
    )  # fmt: skip
    oxfam = Service(id="oxfam", title="Oxfam field desk", wave=2, steps=_steps("oxfam"), **watched)  # type: ignore[arg-type]
    quiet = tuple(
        Service(id=id, title=title, wave=3, steps=_steps(id), downtime=Downtime(url=f"https://{id}.example.org/"))
        for id, title in (("wwf", "WWF river group"), ("harbor", "Harbor Trust"))
    )
    dns = Dns(
        zone="example.org",
        primary=PRIMARY,
        authorities=(SECOND, THIRD),
        parent=(PARENT,),
        resolvers=RESOLVERS,
        samples=5,
    )
    return Plan(name="KARL clients to the shared platform", hash="0" * 64, hosts=hosts, dns=dns, downtime=300.0, services=(osf, oxfam, *quiet))  # fmt: skip


def records() -> list[ev.Record]:
    """The evening as a journal has it."""
    return [
        ev.Record(seq=seq, utc=START + at, mono=at, actor="conductor" if seq > 1 else "tom", event=event)
        for seq, (at, event) in enumerate(sorted(_going_on(), key=lambda pair: pair[0]), 1)
    ]


AGAIN = 395.0
"""When all probes but one tell once more what they told before, as they do every few seconds."""
SILENT = ("oxfam", "login", "old")


def _going_on() -> Iterator[tuple[float, ev.AnyEvent]]:
    last: dict[tuple[str, ...], tuple[float, ev.AnyEvent]] = {}
    for at, event in sorted(_told(), key=lambda pair: pair[0]):
        yield at, event
        match event:
            case ev.DnsSeen():
                last["dns", event.name, event.type, event.role, event.vantage] = at, event
            case ev.HealthSeen() if (event.service, event.probe, event.at) != SILENT:
                last["health", event.service, event.probe, event.at] = at, event
            case ev.WriterSeen():
                last["writer", event.service] = at, event
            case ev.QueueSeen():
                last["queue", event.service, event.host] = at, event
            case ev.StragglersSeen():
                last["box", event.service, event.path] = at, event
            case _:
                pass
    for at, event in last.values():
        if at >= AGAIN:
            continue
        if isinstance(event, ev.DnsSeen) and event.role == "resolver" and event.ttl >= 0:
            yield AGAIN, replace(event, ttl=max(0, event.ttl - round(AGAIN - at)))
        else:
            yield AGAIN, event


def _told() -> Iterator[tuple[float, ev.AnyEvent]]:
    yield 0.0, ev.RunStarted(run="evening", plan=plan())
    yield 0.1, ev.WheelTaken(driver="tom")
    for host in ("xen", "karl"):
        yield 0.2, ev.HostSeen(host=host, link="up")
    for step, at in (("prepare", 1.0), ("copy", 20.0), ("freeze", 100.0), ("sync", 140.0)):
        yield at, ev.StepMoved(ref=f"osf/{step}-it", state="running", attempt=1)
        yield at + 4, ev.StepMoved(ref=f"osf/{step}-it", state="done", attempt=1, detail="it holds", took=4.0)
    yield 200.0, ev.StepMoved(ref="osf/switch-it", state="waiting", attempt=1, detail="until no honest cache has old")
    yield from world.names()
    yield from world.health()
    yield from world.compared()
    yield from world.mail()
    yield from world.flow()
