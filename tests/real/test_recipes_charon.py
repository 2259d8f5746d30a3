"""The other recipes of charon's plan on real servers: a mailbox that is locked while it is copied, a test message, a zone that is
forced to a secondary, a user who brings a file over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.real.mailing import ANN, arrived, hand_in, refuses_evil, until_arrived
from tests.real.mush import RECIPES
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until, write
from tests.real.world.dns import Key, asked, bind, update, zone_text
from tests.real.world.mail import postfix

pytestmark = needs_world

BOX, INTO = "/var/mail/ann", "/root/spool-ann"
ZONE = "nekodojo.test"


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    host = rig.host("old")
    postfix(host, "mx-old.example.test", "example.test", ("ann",), settings={"deliver_lock_attempts": "2"})
    hand_in(host, "before")
    until_arrived(host, "before")
    return host


def recipe(host: RealHost, name: str, params: dict[str, str], state: str = "true") -> Trial:
    return Trial(host, name, params, state=state, folder=RECIPES)


def test_a_mailbox_is_copied_while_it_is_locked(old: RealHost) -> None:
    state = f"ls -lA --time-style=+ /var/mail /root; cat {BOX}"
    out = recipe(old, "spool-out", {"box": BOX, "into": INTO}, state)
    out.there_and_back(already=False)
    out.cut_anywhere()
    for param in ("box", "into"):
        for value in (EVIL, "/var/mail/two\nlines", "-x", "/nowhere/ann"):
            assert replace(out, params={**out.params, param: value}).ask("apply").status
    assert not evil_left(old)


def test_mail_waits_while_the_mailbox_is_locked_and_a_foreign_lock_is_not_taken(old: RealHost) -> None:
    out = recipe(old, "spool-out", {"box": BOX, "into": INTO})
    # As if it were cut off while it copies.
    old.run(f"echo 'cockpit {INTO}' > {BOX}.lock")
    hand_in(old, "meanwhile")
    until(
        lambda: (
            "temporarily suspended" in old.run("postqueue -p; grep lock /var/log/mail.log || :")
            or "lock" in old.run("cat /var/log/mail.log")
        ),
        lambda: "it waits",
        30,
    )
    assert arrived(old, "meanwhile") == 0
    assert "locked" in out.must("verify", 1)
    out.capture()
    out.must("apply")
    until_arrived(old, "meanwhile")
    assert "1 of 2 messages" in out.must("verify")
    out.must("undo")
    old.run(f"echo 4711 > {BOX}.lock")
    assert "somebody else" in out.must("apply", 1)
    assert old.run(f"cat {BOX}.lock") == "4711\n"
    old.run(f"rm {BOX}.lock")
    out.must("undo")


def test_a_copied_mailbox_becomes_the_user_s_and_mail_that_came_since_is_not_thrown_away(old: RealHost) -> None:
    old.run(f"useradd -m ben; cp {BOX} /root/copy")
    params = {"copy": "/root/copy", "box": "/var/mail/ben", "user": "ben"}
    into = recipe(old, "spool-in", params, "ls -lA --time-style=+ /var/mail; cat /var/mail/ben")
    into.there_and_back()
    into.cut_anywhere()
    into.capture()
    into.must("apply")
    hand_in(old, "news", "ben@example.test")
    until_arrived(old, "news", "ben")
    assert "ben reads 3 messages" in into.must("verify")
    assert "something has come" in into.must("undo", 1)
    old.run("rm /var/mail/ben; echo other > /var/mail/ben")
    assert "holds mail already" in into.must("apply", 1)
    for param in params:
        for value in (EVIL, "/var/mail/two\nlines", "-x"):
            assert replace(into, params={**params, param: value}).ask("apply").status
    assert not evil_left(old)


def test_a_test_message_is_found_in_the_mailbox_or_missed(old: RealHost) -> None:
    params = {"address": ANN, "sender": "me@far.test", "through": "127.0.0.1", "box": BOX}
    token = recipe(old, "token-message", params)
    token.there(already=False)
    assert "is not in" not in token.must("verify")
    refuses_evil(replace(token, params=params, state=f"cksum {BOX}"), "address", "sender", "through")
    old.run("postfix stop 2>/dev/null; :")
    until(lambda: not old.run("ss -Hltn 'sport = :25'").strip(), lambda: "Postfix stops", 30)
    token.capture()
    assert token.ask("apply").status


def test_a_zone_is_forced_to_a_secondary_and_a_secondary_that_lags_is_found(old: RealHost, rig: Rig) -> None:
    ns2, key = rig.host("ns2"), Key()
    bind(
        old,
        zone_text({"ns1": old, "ns2": ns2}, f"www 5 IN A {old.address}\nwww 5 IN MX 10 ns1", zone=ZONE),
        zone=ZONE,
        key=key,
        notify=False,
    )
    write(
        ns2,
        "/etc/bind/rig.conf",
        'options { directory "/var/cache/bind"; listen-on { any; }; recursion no; pid-file "/run/named.pid"; session-keyfile "/run/session.key"; };\n'
        f'zone "{ZONE}" {{ type secondary; primaries {{ {old.address}; }}; file "/var/cache/bind/{ZONE}"; }};',
    )
    ns2.run("chmod 777 /var/cache/bind; chown root /etc/bind/rndc.key")
    ns2.spawn("/usr/sbin/named", "-f", "-c", "/etc/bind/rig.conf")
    until(lambda: asked(ns2, ZONE, "SOA"), lambda: f"named on ns2: {ns2.said()[-500:]}", 30)
    params = {"zone": ZONE, "servers": f"{old.address} {ns2.address}", "name": f"www.{ZONE}"}
    force = recipe(ns2, "dns-forced", params)
    update(old, key, f"update add www.{ZONE} 5 A 192.0.2.7", zone=ZONE)
    assert "not all have serial" in force.must("verify", 1)
    force.there(already=False)
    assert "192.0.2.7" in force.must("verify")
    assert "10 ns1." in force.must("verify")
    for param in params:
        for value in (EVIL, "two\nlines", "-x"):
            said = replace(force, params={**params, param: value}).ask("apply")
            assert said.status, f"{param}={value!r}: {said}"
            assert said.said.strip(), f"{param}={value!r}: {said}"
    assert not evil_left(ns2)


def test_a_user_brings_a_file_over_or_cannot(old: RealHost, rig: Rig) -> None:
    old.run(
        "cp /root/.ssh/authorized_keys /tmp/pub; usermod -s /bin/bash mover; ssh-keygen -q -t ed25519 -N '' -f /root/mover; cat /root/mover.pub >>/home/mover/.ssh/authorized_keys"
    )
    params = {"user": "mover", "key": "/root/mover", "host": old.address, "host_key": old.host_key}
    scp = recipe(old, "scp-works", params, "ls -A /home/mover /root; find /tmp")
    before = scp.seen()
    scp.there_and_back(already=False)
    scp.cut_anywhere()
    # Cut while the file is there: taken back, and where that cannot be known, said.
    scp.cut("apply", 20)
    assert ".cockpit-scp-" in old.run("ls -A /root")
    old.run("mv /root/mover /root/mover.gone")
    assert "may be left in the home of mover" in scp.must("undo", 1)
    old.run("mv /root/mover.gone /root/mover")
    scp.must("undo")
    scp.must("verify_undo")
    scp.same(before, "a cut leaves something")
    # Several look at the same time.
    with ThreadPoolExecutor(3) as several:
        assert [said.status for said in several.map(lambda _: scp.ask("verify"), range(6))] == [0] * 6
    scp.same(before, "what several have used is left")
    wrong = {
        "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBHXLk2qYzPpd7wIDi1lX1rC1dcXlWXZ6cJNCyZCbmNl",
        "user": "nobody",
        "key": "/root/none",
    }
    for param, value in (
        *wrong.items(),
        *((param, bad) for param in params for bad in (EVIL, "two\nlines", "-oProxyCommand=x")),
    ):
        said = replace(scp, params={**params, param: value}).ask("apply")
        assert said.status, f"{param}={value!r}: {said}"
        assert said.said.strip(), f"{param}={value!r}: {said}"
    assert not evil_left(old)
