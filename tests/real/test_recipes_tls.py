"""Recipes for certificates, on a real nginx and with certificates of a test's own authority."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.sites import NAME, NGINX, NGINX_MAIN, bare, live, start_nginx
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, write
from tests.real.world.web import Authority

pytestmark = needs_world

PLACE = "/etc/ssl/rig"
SITE = f"""
server {{ listen 80; listen 443 ssl; server_name {NAME}; root /srv; ssl_certificate {PLACE}/shop.pem; ssl_certificate_key {PLACE}/shop.key; }}
"""
COPY = {
    "bundle": f"{PLACE}/bundle.pem",
    "certificate": f"{PLACE}/shop.pem",
    "key": f"{PLACE}/shop.key",
    "name": NAME,
    "reload": f"nginx -c {NGINX} -s reload",
    "test": f"nginx -c {NGINX} -t",
}
STATE = f"ls -lA --time-style=+ {PLACE}; cksum {PLACE}/*"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def new(rig: Rig, authority: Authority) -> RealHost:
    """New, with a certificate that ends soon."""
    host = rig.host("new")
    key, chain = authority.issue(NAME, days=5)
    write(host, COPY["key"], key, "640")
    write(host, COPY["certificate"], chain)
    write(host, f"{PLACE}/ca.pem", authority.pem.read_text())
    write(host, NGINX, NGINX_MAIN)
    bare(host, "/etc/nginx/rig/sites/shop.conf", SITE)
    host.run("mkdir -p /var/log/nginx")
    start_nginx(host)
    return host


def bundle(host: RealHost, pair: tuple[str, str]) -> None:
    write(host, COPY["bundle"], "\n".join(pair), "600")


def copy(host: RealHost, **params: str) -> Trial:
    return Trial(host, "tls-copy", COPY | params, state=STATE)


def present(host: RealHost, **params: str) -> Trial:
    return Trial(host, "tls-present", {"name": NAME, "ca": f"{PLACE}/ca.pem"} | params, state=STATE)


def test_a_certificate_is_copied_used_and_brought_back(new: RealHost, authority: Authority) -> None:
    bundle(new, authority.issue(NAME, f"www.{NAME}"))
    new.run(f"cp -p {PLACE}/shop.* /srv/")
    trial = copy(new)
    trial.there_and_back()
    trial.cut_anywhere()
    visible = new.run(f"ls {PLACE}")
    trial.there()
    # A server that reads the whole folder sees no more files than before.
    assert new.run(f"ls {PLACE}") == visible
    assert "cockpit-former" in trial.seen()
    assert new.run(f"stat -c %a {COPY['key']} {COPY['certificate']}").split() == ["600", "644"]
    # A later run takes back what it has found itself, not what was there long ago.
    first = new.run(f"cat {COPY['certificate']}")
    bundle(new, authority.issue(NAME))
    later = copy(new)
    later.there()
    later.must("undo")
    assert new.run(f"cat {COPY['certificate']}") == first
    later.must("verify_undo")
    assert trial.seen().count("cockpit-former") == 0
    new.run(f"cp -p /srv/shop.* {PLACE}/; {COPY['reload']}")


def test_a_certificate_goes_where_none_was(new: RealHost, authority: Authority) -> None:
    bundle(new, authority.issue(NAME))
    here = {"certificate": f"{PLACE}/fresh.pem", "key": f"{PLACE}/fresh.key"}
    fresh = copy(
        new, **here, reload=f"sed -i s,rig/shop,rig/fresh,g /etc/nginx/rig/sites/shop.conf; nginx -c {NGINX} -s reload"
    )
    before = fresh.seen()
    fresh.capture()
    fresh.must("apply")
    fresh.must("verify")
    # The site goes back first, then the files that it used.
    new.run(f"sed -i s,rig/fresh,rig/shop,g /etc/nginx/rig/sites/shop.conf; nginx -c {NGINX} -s reload")
    back = copy(new, **here)
    back.captured = fresh.captured
    back.back()
    assert fresh.seen() == before


def test_a_bundle_that_would_take_the_name_down_is_refused(new: RealHost, authority: Authority) -> None:
    good, other = authority.issue(NAME), authority.issue("other.example.test")
    for pair, why in (
        ((good[0], other[1]), "not that of its certificate"),
        (other, "is not for"),
        (authority.issue(NAME, days=-1), "has ended"),
        (("", good[1]), "holds no key"),
        ((good[0], ""), "holds no certificate"),
    ):
        bundle(new, pair)
        before = copy(new).seen()
        for op in ("capture", "apply"):
            assert why in copy(new).must(op, 2)
        assert copy(new).seen() == before
    bundle(new, good)
    for param in ("bundle", "certificate", "key", "name", "at", "port"):
        for value in (EVIL, "a\nb", "-x"):
            assert "nothing was changed" in copy(new, **{param: value}).must("apply", 2), (param, value)
    new.run(f"ln -s shop.pem {PLACE}/link.pem")
    assert "a link is not replaced" in copy(new, certificate=f"{PLACE}/link.pem").must("apply", 2)
    new.run(f"rm {PLACE}/link.pem")
    assert not evil_left(new)


def test_a_server_that_refuses_them_keeps_what_it_had(new: RealHost, authority: Authority) -> None:
    bundle(new, authority.issue(NAME))
    trial = copy(
        new, test=f'cmp -s {COPY["bundle"]} /dev/null || ! grep -q "$(sed -n 2p {COPY["bundle"]})" {COPY["key"]}'
    )
    before = trial.seen()
    trial.capture()
    trial.turned_away("is refused with them", live("nginx"))
    copy(new, test="echo it is broken; false").turned_away("broken already", live("nginx"))
    unloaded = copy(new, reload="echo no such server; false")
    unloaded.capture()
    assert "was not reloaded: no such server" in unloaded.must("apply", 1)
    assert "another certificate" in unloaded.must("verify", 1)
    unloaded.must("undo", 1)
    assert trial.seen() == before


def test_what_is_served_is_looked_at_from_every_side(new: RealHost, authority: Authority, tmp_path: Path) -> None:
    bundle(new, authority.issue(NAME))
    assert "ends within 14 days" in present(new).must("verify", 1)
    present(new, days="2").there_and_back(already=False)
    trial = copy(new)
    trial.there()
    good = present(new, certificate=COPY["certificate"], key=COPY["key"])
    assert f"{NAME} is served with a good certificate until" in good.must("verify")
    assert "not good: 62 (" in present(new, name="other.example.test").must("verify", 1)
    stranger = Authority(tmp_path, "Stranger")
    write(new, f"{PLACE}/stranger.pem", stranger.pem.read_text())
    assert "not good: " in present(new, ca=f"{PLACE}/stranger.pem").must("verify", 1)
    write(new, f"{PLACE}/other.pem", authority.issue(NAME)[1])
    assert "another certificate than" in present(new, certificate=f"{PLACE}/other.pem").must("verify", 1)
    write(new, f"{PLACE}/other.key", authority.issue(NAME)[0], "600")
    assert "is not the key" in present(new, key=f"{PLACE}/other.key").must("verify", 1)
    assert "is not the key" in present(new, certificate=COPY["certificate"], key=f"{PLACE}/other.key").must("apply", 1)
    assert "nothing speaks TLS" in present(new, port="80").must("verify", 2)
    assert "nothing speaks TLS" in present(new, port="9").must("verify", 2)
    for param in ("name", "at", "port", "days", "ca", "certificate", "key"):
        for value in (EVIL, "a\nb", "-x"):
            present(new, **{param: value}).must("verify", 2)
    assert not evil_left(new)
    new.run(f"rm {PLACE}/other.* {PLACE}/stranger.pem")
    trial.back()


CERTBOT = """#!/bin/sh
# Stands in for certbot: no authority can be reached from here.
echo "$*" >> /srv/asked
[ "$*" = "renew --dry-run --cert-name shop.example.test" ] || { echo "No such certificate"; exit 1; }
echo "Congratulations, all simulated renewals succeeded"
"""


def test_a_renewal_is_tried_and_something_must_run_it(new: RealHost) -> None:
    renewal = Trial(new, "tls-renewal", {"name": NAME}, state=STATE)
    assert "certbot is not here" in renewal.must("apply", 2)
    write(new, "/usr/local/bin/certbot", CERTBOT, "755")
    new.run("rm -f /etc/cron.d/certbot")
    renewal.capture()
    assert "all simulated renewals succeeded" in renewal.must("apply")
    assert "nothing renews" in renewal.must("verify", 1)
    write(new, "/etc/cron.d/certbot", "# certbot would be here\n")
    assert "nothing renews" in renewal.must("verify", 1)
    write(new, "/etc/cron.d/certbot", "0 */12 * * * root certbot -q renew")
    renewal.there_and_back(already=False)
    assert "/etc/cron.d/certbot runs it" in renewal.must("verify")
    unknown = Trial(new, "tls-renewal", {"name": "unknown.example.test"})
    assert "fails: No such certificate" in unknown.must("apply", 1)
    assert "nothing was changed" in Trial(new, "tls-renewal", {"name": EVIL}).must("apply", 2)
    own = Trial(new, "tls-renewal", {"name": NAME, "command": 'echo "tried $name"', "schedule": "false"})
    assert f"tried {NAME}" in own.must("apply")
    assert "nothing renews" in own.must("verify", 1)
    # A text of several lines stops at its first error.
    halting = Trial(new, "tls-renewal", {"name": NAME, "command": "false\necho fine", "schedule": "false\ntrue"})
    assert "fails" in halting.must("apply", 1)
    assert "nothing renews" in halting.must("verify", 1)
    assert not evil_left(new)
