"""What the cockpit's events say of web and mail servers is what `curl`, `openssl s_client` and `swaks` say at the same moments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Expect, Mail, Probe
from cockpit.plan.zones import Dns
from cockpit.state import HealthView, RunState
from tests.real.outside import curl, s_client, swaks
from tests.real.rig import RealHost, Rig
from tests.real.watching import Watching
from tests.real.world import needs_world, until
from tests.real.world.dns import Key, bind, update, zone_text
from tests.real.world.mail import exim, postfix
from tests.real.world.web import Authority, apache, install, nginx

pytestmark = needs_world

WWW, MX = "www.example.test", "mx.example.test"
BODY = "<title>Members</title>welcome"


class Site:
    """A site on Apache and Postfix that moves to nginx and Exim, and the name server that sends the world to one of them."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.key = rig, Key()
        self.ca = Authority(rig.folder)
        self.strange = Authority(rig.folder, "Unknown Authority")
        self.old, self.new, names = rig.host("old"), rig.host("new"), rig.host("names")
        self.names = names
        zone = f"www 1 IN A {self.old.address}\nmx 1 IN A {self.old.address}\n@ 1 IN MX 10 {MX}.\n"
        bind(names, zone_text({"ns1": names}, zone), key=self.key)
        pair = self.ca.issue(WWW, MX)
        apache(self.old, WWW, {"/index.html": BODY}, pair=pair)
        self.new.run("mkdir -p /etc/nginx; : > /etc/nginx/extra")
        nginx(self.new, WWW, {"/index.html": BODY}, pair=pair, more="include /etc/nginx/extra;")
        postfix(self.old, MX, "example.test", ("ann",), pair=pair)
        exim(self.new, MX, "example.test", ("ann",), pair=pair)

    def say(self, text: str) -> None:
        """More for nginx on new: `return 503;` and so on."""
        self.new.run(f"printf '%s\\n' '{text}' > /etc/nginx/extra")
        self.reload()

    def certify(self, pair: tuple[str, str]) -> None:
        """Another certificate on new."""
        install(self.new, WWW, pair)
        self.reload()

    def reload(self) -> None:
        """nginx takes its settings anew; back when the workers with the old ones have gone."""
        workers = "pgrep -f 'nginx: worker' || :"
        before = set(self.new.run(workers).split())
        self.new.run("nginx -s reload -c /etc/nginx/rig.conf")
        until(lambda: (now := set(self.new.run(workers).split())) and not now & before, lambda: "nginx's new workers")

    def plan(self, *probes: Probe, mail: Mail | None = None) -> Plan:
        hosts = {
            side: Host(id=side, ssh=f"root@{host.address}", role=side, address=host.address)
            for side, host in (("old", self.old), ("new", self.new))
        }
        dns = Dns(zone="example.test", primary=self.names.address, resolvers=(self.names.address,))
        service = Service(id="www", health=probes, mail=mail)
        return Plan(name="agreement", hash="0" * 64, hosts=hosts, dns=dns, services=(service,))

    def probe(self, **changes: object) -> Probe:
        fields: dict[str, object] = {
            "id": "home",
            "url": f"https://{WWW}/",
            "expect": Expect(body="welcome"),
            "every": 0.5,
        }
        return Probe(**(fields | {"ca": str(self.ca.pem), "timeout": 3.0} | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(rig: Rig) -> Site:
    return Site(rig)


@pytest.fixture(autouse=True)
def fresh(site: Site, desk: Rig) -> None:
    """The site is as at the begin."""
    site.certify(site.ca.issue(WWW, MX))
    site.say("")


def seen(state: RunState, at: str, probe: str = "home") -> HealthView | None:
    return state.services["www"].health.get(f"{probe}@{at}")


def answers(at: str, status: int, *, ok: bool, probe: str = "home") -> Callable[[RunState], bool]:
    """Whether the last answer at a vantage is this."""

    def holds(state: RunState) -> bool:
        view = seen(state, at, probe)
        return view is not None and (view.status, view.ok) == (status, ok)

    return holds


def outside(site: Site, host: RealHost, *options: str, path: str = "/") -> tuple[int, str]:
    """`curl`'s status and version, pinned to a host."""
    got = curl(f"https://{WWW}{path}", WWW, 443, host.address, "--cacert", str(site.ca.pem), *options)
    return got.status, got.version


async def test_old_new_and_the_world_are_three_answers_under_one_name(site: Site) -> None:
    async with Watching(site.plan(site.probe(http2=True)), site.rig) as watching:
        for at in ("old", "new", "world"):
            await watching.until(answers(at, 200, ok=True))
        world = seen(watching.state, "world")
        assert world is not None
        assert world.via == site.old.address
        for at, host in (("old", site.old), ("new", site.new)):
            view = seen(watching.state, at)
            assert view is not None
            assert (view.status, view.facts["version"].removeprefix("HTTP/")) == outside(site, host, "--http2")
        change = f"update delete {WWW} A\nupdate add {WWW} 1 A {site.new.address}"
        update(site.names, site.key, change)
        try:
            await watching.until(
                lambda state: (view := seen(state, "world")) is not None and view.via == site.new.address
            )
        finally:
            update(site.names, site.key, change.replace(site.new.address, site.old.address))
        # What each server logged says the same: the probes came to both, and the world's moved.
        assert "cockpit-probe" in site.old.run("cat /var/log/apache2/access.log")
        assert "cockpit-probe" in site.new.run("cat /var/log/nginx/access.log")


@pytest.mark.parametrize(
    ("text", "status", "ok"),
    [
        ("return 503;", 503, False),
        ("return 404;", 404, False),
        ("return 302 https://elsewhere.test/;", 302, False),
        (f"rewrite ^/$ https://{WWW}/index.html permanent;", 200, True),
    ],
)
async def test_a_status_is_the_one_that_curl_gets(site: Site, text: str, status: int, ok: bool) -> None:
    site.say(text)
    async with Watching(site.plan(site.probe(at=("new",))), site.rig) as watching:
        redirects = "1" if "https:" in text else "0"
        await watching.until(
            lambda state: answers("new", status, ok=ok)(state) and seen(state, "new").facts["redirects"] == redirects  # type: ignore[union-attr]
        )
        follow = ("-L",) if status == 200 else ()
        assert outside(site, site.new, *follow)[0] == status
        site.say("")
        await watching.until(
            lambda state: answers("new", 200, ok=True)(state) and seen(state, "new").facts["redirects"] == "0"  # type: ignore[union-attr]
        )
        assert outside(site, site.new)[0] == 200


async def test_a_closed_port_is_no_answer_for_both(site: Site) -> None:
    async with Watching(site.plan(site.probe(url=f"https://{WWW}:4443/", at=("new",))), site.rig) as watching:
        await watching.until(answers("new", 0, ok=False))
        view = seen(watching.state, "new")
        assert view is not None
        assert "refused" in view.detail
    assert curl(f"https://{WWW}:4443/", WWW, 4443, site.new.address).exit == 7


@pytest.mark.parametrize(
    ("kind", "verdict", "word"),
    [("good", 0, ""), ("expired", 10, "expired"), ("wrong name", 62, "name"), ("unknown", 20, "authority")],
)
async def test_a_certificate_is_what_openssl_is_shown(site: Site, kind: str, verdict: int, word: str) -> None:
    """Its names, the days it has left and what is wrong with it; a bad one is shown, not only refused."""
    pairs = {
        "good": site.ca.issue(WWW, "also.example.test", days=41),
        "expired": site.ca.issue(WWW, days=-2, began=-20),
        "wrong name": site.ca.issue("elsewhere.test", days=9),
        "unknown": site.strange.issue(WWW, days=9),
    }
    site.certify(pairs[kind])
    await asyncio.sleep(0.3)
    async with Watching(site.plan(site.probe(at=("new",))), site.rig) as watching:
        await watching.until(lambda state: (view := seen(state, "new")) is not None and view.certificate is not None)
        view = seen(watching.state, "new")
        assert view is not None
        assert view.certificate is not None
        shown = s_client(site.new.address, 443, WWW, str(site.ca.pem))
        assert view.ok == (verdict == 0)
        assert (shown.verdict in {verdict, 19, 21}) if kind == "unknown" else shown.verdict == verdict
        assert view.certificate.names == shown.names
        assert abs(view.certificate.days - shown.days) < 0.1
        assert word in view.certificate.problem


async def test_a_mail_server_is_what_swaks_sees(site: Site) -> None:
    """STARTTLS under the MX's name, the recipient accepted, relaying refused: at old and at new."""
    probe = Probe(
        id="mx",
        proto="smtp",
        target=f"{MX}:25",
        tls="starttls",
        at=("old", "new"),
        ca=str(site.ca.pem),
        recipient="ann@example.test",
        refuses="ann@elsewhere.test",
        every=1.0,
        timeout=5.0,
    )
    async with Watching(site.plan(probe), site.rig) as watching:
        for at, host in (("old", site.old), ("new", site.new)):
            await watching.until(lambda state, at=at: (view := seen(state, at, "mx")) is not None and view.ok)
            said = swaks(host.address, "ann@example.test", "-tls")
            assert said.exit == 0
            assert "TLS started" in said.said
            assert swaks(host.address, "ann@elsewhere.test").exit == 24
            view = seen(watching.state, at, "mx")
            assert view is not None
            assert view.certificate is not None
            assert view.certificate.names == s_client(host.address, 25, MX, str(site.ca.pem), "-starttls", "smtp").names
        # One that takes mail for anybody, and one that does not know its own user, are no good servers, as swaks says, too.
        # Postfix does not start with restrictions that refuse nobody; but to all of its own networks it relays.
        site.old.run("postconf -e mynetworks=0.0.0.0/0; postfix reload 2>/dev/null")
        try:
            await watching.until(
                lambda state: (view := seen(state, "old", "mx")) is not None and "open relay" in view.detail
            )
            assert swaks(site.old.address, "ann@elsewhere.test").exit == 0
        finally:
            site.old.run("postconf -e mynetworks=127.0.0.0/8; postfix reload 2>/dev/null")
        await watching.until(lambda state: (view := seen(state, "old", "mx")) is not None and view.ok)
