"""The recipe that makes keepalived give an address to another host, and the one that sees from a third host who holds it."""

from __future__ import annotations

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, SHELLS, Trial, evil_left
from tests.real.world import listening, needs_world, until, write

pytestmark = needs_world

ADDRESS, HEALTH = "10.213.0.200", "/srv/health"
KEEPALIVED = """
global_defs {{
    script_user root
    enable_script_security
    vrrp_garp_master_delay 0
}}
vrrp_script healthy {{
    script "/bin/grep -qx true {health}"
    interval 1
    fall 1
    rise 1
    weight -50
}}
vrrp_instance shop {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.2
    version 3
    unicast_peer {{
        {peer}
    }}
    virtual_ipaddress {{
        {address}/24 dev eth0
    }}
    track_script {{
        healthy
    }}
}}
"""


def keepalived(host: RealHost, peer: RealHost, priority: int) -> None:
    host.run(f"echo true >{HEALTH}; chmod 640 {HEALTH}; chown 1:1 {HEALTH}")
    write(
        host,
        "/etc/keepalived/rig.conf",
        KEEPALIVED.format(priority=priority, peer=peer.address, address=ADDRESS, health=HEALTH),
    )
    web = f"/srv/{host.name}"
    write(host, f"{web}/index.html", f"answered by {host.name}")
    host.spawn("/usr/bin/python3", "-m", "http.server", "80", "--directory", web)
    host.spawn("/usr/sbin/keepalived", "-n", "-P", "-f", "/etc/keepalived/rig.conf")
    until(lambda: listening(host, 80), lambda: f"{host.name}: {host.said()[-800:]}", 30)


def mac(host: RealHost) -> str:
    return host.run("cat /sys/class/net/eth0/address").strip()


def holds(host: RealHost) -> bool:
    return ADDRESS in host.run("ip -o addr show dev eth0")


class Pair:
    """Old and new with one address between them, and a third host."""

    def __init__(self, rig: Rig) -> None:
        self.old, self.new, self.third = rig.host("old"), rig.host("new"), rig.host("third")
        keepalived(self.old, self.new, 150)
        keepalived(self.new, self.old, 120)
        until(
            lambda: holds(self.old) and not holds(self.new), lambda: f"old has no address: {self.old.said()[-800:]}", 60
        )

    def flip(self, **params: str) -> Trial:
        given = {"file": HEALTH, "address": ADDRESS, "ready": f"http://{self.new.address}/"} | params
        state = f"ls -lA --time-style=+ /srv; cat {HEALTH}; ip -o addr show dev eth0 | grep -c {ADDRESS}"
        return Trial(self.old, "health-file", given, state=state)

    def looks(self, **params: str) -> Trial:
        return Trial(self.third, "address-holder", {"address": ADDRESS} | params)


@pytest.fixture(scope="module")
def pair(rig: Rig) -> Pair:
    return Pair(rig)


def test_the_address_goes_to_new_and_comes_back_with_the_health_file(pair: Pair) -> None:
    """S45, seen by a third host."""
    by_old = pair.looks(mac=mac(pair.old), says="answered by old")
    by_new = pair.looks(mac=mac(pair.new).upper(), says="answered by new")
    by_old.must("verify")
    assert f"{mac(pair.old)} holds {ADDRESS}, not" in by_new.must("verify", 1)
    flip = pair.flip()
    before = flip.seen()
    flip.there()
    assert not holds(pair.old)
    assert f"{mac(pair.new)} alone holds {ADDRESS}" in by_new.must("verify")
    by_old.must("verify", 1)
    flip.back()
    flip.same(before, "undone it is not as before")
    by_old.must("verify")
    for shell in SHELLS[1:]:
        by_old.there(shell, already=False)
        by_old.must("undo", 0, shell)


def test_a_flip_that_is_cut_off_can_be_ended_or_taken_back(pair: Pair) -> None:
    flip = pair.flip(gone="yes")
    before = flip.seen()
    flip.capture()
    flip.cut("apply", 30)
    flip.recognised()
    flip.must("apply")
    flip.must("verify")
    flip.must("undo")
    flip.must("verify_undo")
    assert flip.seen() == before
    flip.cut("apply", 45)
    flip.must("undo")
    flip.same(before, "what apply has begun is not taken back by undo")
    flip.must("apply")
    flip.cut("undo", 30)
    flip.recognised()
    flip.must("undo")
    flip.must("verify_undo")
    flip.same(before, "an undo that was cut off is not ended by another")


def test_nothing_is_flipped_when_new_is_not_ready(pair: Pair) -> None:
    before = pair.flip().seen()
    assert "the other host does not answer" in pair.flip(ready=f"http://{pair.new.address}:9/").must("apply", 2)
    assert "is not ready" in pair.flip(ready=f"http://{pair.new.address}/none").must("apply", 2)
    for param in ("file", "address", "wait", "gone", "ready", "check"):
        for value in (EVIL, "a\nb", "-x"):
            assert "nothing was changed" in pair.flip(**{param: value}).must("apply", 2), (param, value)
    for param in ("address", "mac", "check"):
        for value in (EVIL, "a\nb", "-x"):
            pair.looks(**{param: value}).must("verify", 2)
    assert pair.flip().seen() == before
    assert not evil_left(pair.old)
    assert not evil_left(pair.third)


def test_an_address_that_cannot_be_seen_is_not_one_that_was_given_up(pair: Pair) -> None:
    flip = Trial(pair.old, "health-file", pair.flip().params, state=f"ls -lA --time-style=+ /srv; cat {HEALTH}")
    flip.blind("ip", ops={"probe": 2, "capture": 2, "apply": 2, "verify": 2})


def test_an_address_that_stays_or_that_nobody_takes_is_told(pair: Pair) -> None:
    # A text that the check does not fail on.
    stays = pair.flip(text="true\n# " + EVIL, wait="1")
    stays.capture()
    assert f"still holds {ADDRESS}" in stays.must("apply", 1)
    assert "still holds" in stays.must("verify", 1)
    stays.must("undo")
    stays.must("verify_undo")
    assert not evil_left(pair.old)
    assert "nobody holds 10.213.0.199" in pair.looks(address="10.213.0.199").must("verify", 1)
    assert "itself: a third one" in pair.looks(address=pair.third.address).must("verify", 2)


def test_an_address_that_both_hosts_hold_is_refused(pair: Pair) -> None:
    pair.new.run(f"ip addr add {ADDRESS}/24 dev eth0")
    said = pair.looks().must("verify", 1)
    assert "more than one host holds" in said
    assert mac(pair.old) in said
    assert mac(pair.new) in said
    pair.new.run(f"ip addr del {ADDRESS}/24 dev eth0")
    pair.looks(mac=mac(pair.old)).must("verify")


def test_a_keepalived_that_is_stopped_or_dead_is_told_from_one_that_hears(pair: Pair) -> None:
    flip = pair.flip(wait="1")
    with_address = flip.seen()
    # Killed, it leaves the address where it is, and nobody reads the file.
    for signal in ("STOP", "KILL"):
        pair.old.signal(signal, "keepalived")
    try:
        flip.capture()
        assert f"still holds {ADDRESS}" in flip.must("apply", 1)
        flip.must("verify", 1)
        flip.must("undo")
        flip.must("verify_undo")
        flip.same(with_address, "a flip that nobody hears changes something")
    finally:
        pair.old.run(f"ip addr del {ADDRESS}/24 dev eth0; rm -f /run/keepalived*.pid /run/keepalived/*.pid")
        until(lambda: holds(pair.new), pair.new.said, 60)
    # Stopped, it holds nothing: nothing has to be given up, and nothing comes back by the file alone.
    away = flip.seen()
    flip.captured = {}
    flip.capture()
    assert flip.captured["held"] == "no"
    assert "has given up" in flip.must("apply")
    assert f"{mac(pair.new)} holds {ADDRESS}" in flip.must("verify")
    flip.must("undo")
    flip.must("verify_undo")
    flip.same(away, "undone it is not as before")
