"""Mail between real servers: Postfix is old, Exim is new, BIND has the MX. What is told is what their own tools say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.events import HealthSeen, QueueSeen, StragglersSeen, TokenSeen
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Login, Mail, Mailbox, Probe, Queue, Token
from cockpit.plan.zones import Dns, RecordSet
from cockpit.probes.mail import probe
from tests.real.outside import run, s_client, swaks
from tests.real.rig import RealHost, Rig, rigged
from tests.real.watching import Watching
from tests.real.world import needs_world, until
from tests.real.world.dns import ZONE, bind, zone_text
from tests.real.world.mail import exim, postfix, redirect
from tests.real.world.mailboxes import dovecot
from tests.real.world.web import Authority

pytestmark = needs_world

OLD, NEW = f"mx-old.{ZONE}", f"mx-new.{ZONE}"
ANN = f"ann@{ZONE}"


class Servers:
    """The hosts of this module, and the authority of their certificates."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ca = Authority(rig.folder)
        self.old, self.new, self.ns = rig.host("old"), rig.host("new"), rig.host("ns1")
        self.box = rig.host("box")
        exim(self.new, NEW, ZONE, ("ann", "bob"), pair=self.ca.issue(NEW), routes={"away.test": "10.213.0.250"})
        postfix(self.old, OLD, ZONE, ("ann", "bob"), pair=self.ca.issue(OLD))
        hosts = f"mx-old IN A {self.old.address}\nmx-new IN A {self.new.address}\n"
        dovecot(self.box, f"mail.{ZONE}", {"ann": "river boat"}, pair=self.ca.issue(f"mail.{ZONE}"))
        bind(self.ns, zone_text({"ns1": self.ns}, f"@ IN MX 10 {OLD}.\n@ IN MX 20 {NEW}.\n{hosts}"))

    def plan(self, mail: Mail) -> Plan:
        mx = RecordSet(name=ZONE, type="MX", old=(f"10 {OLD}.",), new=(f"20 {NEW}.",))
        return Plan(
            name="mail",
            hash="0" * 64,
            hosts={"old": self.old.plan("old"), "new": self.new.plan("new")},
            dns=Dns(zone=ZONE, primary=self.ns.address, resolvers=(self.ns.address,)),
            services=(Service(id="mail", mail=mail, records=(mx,)),),
        )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with rigged(tmp_path_factory.mktemp("mail")) as rig:
        yield Servers(rig)


@pytest.fixture
def desk(servers: Servers) -> Iterator[Servers]:
    with servers.rig.standing():
        yield servers


@pytest.mark.parametrize(("side", "name"), [("old", OLD), ("new", NEW)])
async def test_swaks_and_openssl_say_of_a_server_what_the_probe_says(desk: Servers, side: str, name: str) -> None:
    address = {"old": desk.old, "new": desk.new}[side].address
    asked = Probe(
        id="mx", proto="smtp", target=f"{name}:25", tls="starttls", ca=str(desk.ca.pem), recipient=ANN,
        refuses="somebody@far.test",
    )  # fmt: skip
    seen = await probe(asked, name, address, {}, 10.0)
    assert seen.ok, seen.detail
    accepted, refused = swaks(address, ANN, "--tls"), swaks(address, "somebody@far.test", "--tls")
    assert accepted.exit == 0
    assert seen.facts["recipient_code"] in re.findall(r"<~  (\d{3}) .*", accepted.said)
    assert refused.exit != 0
    told = re.search(r"<~\* (\d{3}) (.*)", refused.said)
    assert told is not None
    assert (seen.facts["relay"], seen.facts["relay_code"]) == ("refused", told[1])
    assert f"220 {seen.facts['banner'].split()[0]}" in accepted.said
    offered = {line.split()[0].upper() for line in re.findall(r"<~  250[ -](.*)", accepted.said)}
    assert set(seen.facts["extensions"].split()) <= offered | {"PIPECONNECT"}
    shown = s_client(address, 25, name, str(desk.ca.pem), "-starttls", "smtp")
    assert shown.verdict == 0
    assert seen.certificate is not None
    assert (seen.certificate.names, seen.certificate.problem) == (shown.names, "")
    assert abs(seen.certificate.days - shown.days) < 0.1


async def test_a_certificate_for_another_name_is_refused_by_openssl_and_by_the_probe(desk: Servers) -> None:
    asked = Probe(id="mx", proto="smtp", target=f"{NEW}:25", tls="starttls", ca=str(desk.ca.pem))
    seen = await probe(asked, NEW, desk.old.address, {}, 10.0)
    assert s_client(desk.old.address, 25, NEW, str(desk.ca.pem), "-starttls", "smtp").verdict == 62
    assert not seen.ok
    assert seen.certificate is not None
    assert seen.certificate.names == (OLD,)
    assert NEW in seen.certificate.problem


async def test_every_mx_is_asked_as_the_world_finds_it_and_at_its_own_host(desk: Servers) -> None:
    mail = Mail(domain=ZONE, recipient=ANN, refuses="somebody@far.test", ca=str(desk.ca.pem), every=1.0, timeout=3.0)
    async with Watching(desk.plan(mail), desk.rig) as watching:
        keys = {"mx@world", f"mx {OLD}@world", f"mx {NEW}@world", f"mx {OLD}@old", f"mx {NEW}@new"}
        await watching.until(lambda state: keys <= state.services["mail"].health.keys())
        health = watching.state.services["mail"].health
        assert set(health) == keys, "a name that stands on one side only is asked on that side only"
        assert all(health[key].ok for key in keys), {key: view.detail for key, view in health.items()}
        assert health["mx@world"].facts["mx"] == f"10 {OLD}, 20 {NEW}"
        assert health[f"mx {NEW}@world"].via == desk.new.address
        desk.new.cut()
        try:
            await watching.until(lambda state: not state.services["mail"].health[f"mx {NEW}@world"].ok, 25)
        finally:
            desk.new.mend()
        assert watching.state.services["mail"].health[f"mx {OLD}@world"].ok
        await watching.until(lambda state: state.services["mail"].health[f"mx {NEW}@world"].ok, 25)


async def test_a_message_through_old_is_lost_until_old_hands_mail_on_and_then_its_way_is_proven(desk: Servers) -> None:
    token = Token(
        to=ANN, sender="cutover@else.test", every=2.0, timeout=20.0, mailbox=Mailbox(host="new", path="/var/mail/ann")
    )
    mail = Mail(token=token, stragglers=(Mailbox(host="old", path="/var/mail/ann"),), every=1.0)
    async with Watching(desk.plan(mail), desk.rig) as watching:
        await watching.until(lambda s: (t := s.services["mail"].tokens.get("new")) and t.state == "arrived")
        await watching.until(lambda s: (t := s.services["mail"].tokens.get("old")) and t.state == "lost")
        lost = watching.state.services["mail"].tokens["old"]
        assert "it lies in /var/mail/ann on old" in lost.detail
        assert lost.token in desk.old.run("cat /var/mail/ann")
        redirect(desk.old, {ZONE: f"smtp:[{desk.new.address}]"})
        await watching.until(lambda s: (t := s.services["mail"].tokens.get("old")) and t.state == "arrived", 30)
        found = [
            told.event for told in watching.told if isinstance(told.event, TokenSeen) and told.event.state == "arrived"
        ]
    through = {event.through: event for event in found}
    old, new = through["old"], through["new"]
    assert (old.path, old.detail) == ((NEW, OLD), f"by way of {OLD}")
    assert (new.path, new.detail) == ((NEW,), f"by way of {NEW}")
    box = desk.new.run("cat /var/mail/ann")
    header = next(part for part in box.split("\nFrom ") if old.token in part)
    assert f"by {OLD} (Postfix)" in header
    assert f"from {OLD} " in header.replace("\n\t", " ") or f"helo={OLD}" in header
    state = watching.state.services["mail"]
    meter = state.meters["mail"]
    assert 0 <= meter.lower <= old.took
    assert meter.upper >= old.took
    assert state.stragglers["old:/var/mail/ann"].since >= 1
    redirect(desk.old, {})


async def test_a_waiting_message_and_its_reason_are_what_postqueue_and_exim_say(desk: Servers) -> None:
    redirect(desk.old, {"away.test": "smtp:[10.213.0.250]:26"})
    for host in (desk.old, desk.new):
        host.run("swaks --server 127.0.0.1 --to a@away.test --from ann@example.test --hide-all")
    queues = (Queue(host="old", mta="postfix"), Queue(host="new", mta="exim"))
    async with Watching(desk.plan(Mail(queues=queues, every=1.0, quiet=2.0)), desk.rig) as watching:
        view = lambda state: state.services["mail"].queues  # noqa: E731
        await watching.until(
            lambda s: all((q := view(s).get(key)) and q.count == 1 and q.reason for key in ("old postfix", "new exim")),
            30,
        )
        said = json.loads(desk.old.run("postqueue -j"))
        assert view(watching.state)["old postfix"].reason == said["recipients"][0]["delay_reason"]
        assert view(watching.state)["old postfix"].reason in desk.old.run("postqueue -p")
        assert desk.new.run("exim4 -bpc").strip() == "1"
        id = desk.new.run("exim4 -bp").split()[2]
        assert view(watching.state)["new exim"].reason in desk.new.run(f"exim4 -Mvl {id} 2>/dev/null").splitlines()[-1]
        age = int(desk.old.run("date +%s")) - int(said["arrival_time"])
        assert abs(view(watching.state)["old postfix"].oldest - age) <= 6
        desk.old.run("postsuper -d ALL 2>/dev/null")
        # A message that is being tried is locked, and Exim removes it not before that is over.
        desk.new.run(
            f"for again in 1 2 3 4 5 6 7 8 9 10; do exim4 -Mrm {id} 2>/dev/null && exit; sleep 1; done; exit 1"
        )
        await watching.until(lambda s: all(q.count == 0 and q.empty_since for q in view(s).values()))
        since = view(watching.state)["old postfix"].empty_since
        desk.old.run("mv /usr/sbin/postqueue /usr/sbin/postqueue.away")
        await watching.until(lambda s: view(s)["old postfix"].count == -1)
        assert view(watching.state)["old postfix"].empty_since == 0
        assert "postqueue" in view(watching.state)["old postfix"].reason
        desk.old.run("mv /usr/sbin/postqueue.away /usr/sbin/postqueue")
        await watching.until(lambda s: view(s)["old postfix"].count == 0)
        assert view(watching.state)["old postfix"].empty_since > since, "a queue that nobody read is no evidence"
    redirect(desk.old, {})


async def test_what_comes_to_an_old_mailbox_is_counted_and_a_quiet_one_stays_quiet(desk: Servers) -> None:
    boxes = (Mailbox(host="old", path="/var/mail/bob"), Mailbox(host="old", path="/var/mail/typo"))
    desk.old.run("swaks --server 127.0.0.1 --to bob@example.test --hide-all")
    until(
        lambda: desk.old.run("grep -c '^From ' /var/mail/bob", check=False).strip() == "1", lambda: "the first message"
    )
    await asyncio.sleep(2.1)  # Delivery and the run's begin have whole seconds.
    async with Watching(desk.plan(Mail(stragglers=boxes, every=0.5)), desk.rig) as watching:
        box = lambda state: state.services["mail"].stragglers.get("old:/var/mail/bob")  # noqa: E731
        await watching.until(lambda s: box(s) and box(s).count == 1)
        assert (box(watching.state).since, box(watching.state).quiet_since > 0) == (0, True)
        desk.old.run("for n in 1 2; do swaks --server 127.0.0.1 --to bob@example.test --hide-all; done")
        await watching.until(lambda s: box(s).count == 3)
        assert box(watching.state).since == 2
        quiet = box(watching.state).quiet_since
        # A shell's `>` may create, and a kernel that protects sticky folders (fs.protected_regular) refuses that even to root.
        desk.old.run("truncate --no-create --size 0 /var/mail/bob")
        await watching.until(lambda s: box(s).count == 0)
        assert box(watching.state).quiet_since == quiet, "what is taken out is nothing that came"
        typo = watching.state.services["mail"].stragglers["old:/var/mail/typo"]
        assert (typo.count, typo.detail) == (-1, "there is none")
        seen = [told.event for told in watching.told if isinstance(told.event, StragglersSeen | QueueSeen | HealthSeen)]
        assert all(isinstance(event, StragglersSeen) for event in seen)


def test_the_hosts_are_real(servers: Servers) -> None:
    hosts: tuple[RealHost, ...] = (servers.old, servers.new)
    assert [Path(host.file("/etc/hostname")).read_text().strip() for host in hosts] == ["old", "new"]


PORTS = {("imap", "starttls"): 143, ("imap", "implicit"): 993, ("pop", "starttls"): 110, ("pop", "implicit"): 995}


@pytest.mark.parametrize(("proto", "tls"), PORTS)
async def test_curl_logs_in_to_dovecot_where_the_probe_does(desk: Servers, proto: str, tls: str) -> None:
    port, scheme = PORTS[proto, tls], proto.replace("pop", "pop3") + ("s" if tls == "implicit" else "")
    name = f"mail.{ZONE}"
    for word, good in (("river boat", True), ("lake", False)):
        asked = Probe(
            id="box", proto=proto, target=f"{name}:{port}", tls=tls, ca=str(desk.ca.pem),  # type: ignore[arg-type]
            login=Login(user="ann", secret="box"),
        )  # fmt: skip
        seen = await probe(asked, name, desk.box.address, {"box": word}, 10.0)
        said = run(
            ["curl", "-sS", "-m", "8", "--ssl-reqd", "--cacert", str(desk.ca.pem), "--user", f"ann:{word}",
             "--resolve", f"{name}:{port}:{desk.box.address}", f"{scheme}://{name}:{port}/"]
        )  # fmt: skip
        assert (seen.ok, seen.facts["login"]) == (good, "accepted" if good else "refused"), seen.detail
        assert said.returncode == (0 if good else 67), said.stderr
        assert "Dovecot" in seen.facts["banner"]
        assert seen.certificate is not None
        assert seen.certificate.names == (name,)
    without = Probe(id="box", proto=proto, target=f"{name}:{port}", login=Login(user="ann", secret="box"))  # type: ignore[arg-type]
    if tls == "starttls":
        seen = await probe(without, name, desk.box.address, {"box": "river boat"}, 10.0)
        assert seen.detail == "the login was not sent: the connection has no TLS"
