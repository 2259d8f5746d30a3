"""The world's servers: that they are what the other tests take them for."""

from __future__ import annotations

from tests.real.rig import Rig
from tests.real.world import needs_world, until
from tests.real.world.dns import PARENT, ZONE, Key, asked, bind, delegation, knot, nsd, unbound, update, zone_text
from tests.real.world.mail import exim, postfix
from tests.real.world.web import Authority, apache, nginx

pytestmark = needs_world


def test_a_change_at_the_primary_reaches_the_secondaries_and_the_honest_resolver_last(rig: Rig) -> None:
    ns1, ns2, ns3, parent, honest = (rig.host(name) for name in ("ns1", "ns2", "ns3", "parent", "honest"))
    servers, key = {"ns1": ns1, "ns2": ns2, "ns3": ns3}, Key()
    bind(ns1, zone_text(servers, "www 2 IN A 192.0.2.1"), key=key, secondaries=[ns2, ns3])
    knot(ns2, primary=ns1)
    nsd(ns3, primary=ns1)
    nsd(parent, zone=PARENT, text=zone_text({"ns1": parent}, delegation(servers), zone=PARENT))
    unbound(honest, parent)
    name = f"www.{ZONE}"
    assert [asked(host, name, "A") for host in (ns1, ns2, ns3, honest)] == [["192.0.2.1"]] * 4
    update(ns1, key, f"update delete {name} A\nupdate add {name} 2 A 192.0.2.2")
    for host in (ns1, ns2, ns3, honest):
        until(lambda host=host: asked(host, name, "A") == ["192.0.2.2"], lambda: "the change")
    assert update(ns1, Key(), f"update delete {name} A", check=False) == "refused"


def test_web_servers_show_certificates_of_the_test_s_authority(rig: Rig) -> None:
    old, new = rig.host("old"), rig.host("new")
    ca = Authority(rig.folder)
    apache(old, "www.example.test", {"/index.html": "this is old"}, pair=ca.issue("www.example.test"))
    nginx(new, "www.example.test", {"/index.html": "this is new"}, pair=ca.issue("www.example.test"))
    for host, text in ((old, "this is old"), (new, "this is new")):
        said = host.run(
            "curl -sS --cacert /etc/ssl/rig/www.example.test.pem --http2 -w '%{http_version}' "
            f"--resolve www.example.test:443:{host.address} https://www.example.test/"
        )
        assert said.split("\n") == [text, "2"]


def test_mail_goes_from_postfix_to_exim(rig: Rig) -> None:
    old, new = rig.host("mx-old"), rig.host("mx-new")
    exim(new, "mx.example.test", "example.test", ("ann",))
    postfix(old, "mx-old.example.test", "example.test", ("ann",), transports={"example.test": f"smtp:[{new.address}]"})
    old.run("swaks --server 127.0.0.1 --to ann@example.test --from bob@else.test --hide-all")
    until(lambda: "by mx-old.example.test" in new.run("cat /var/mail/ann", check=False), lambda: "the message")
    assert "(Exim" in new.run("cat /var/mail/ann")
