"""Recipes that switch the servers of a back end over HAProxy's runtime socket."""

from __future__ import annotations

import subprocess

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import listening, needs_world, until, write

pytestmark = needs_world

SOCKET = "/run/haproxy.sock"
HAPROXY = f"""
global
    stats socket {SOCKET} mode 600 level admin
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
frontend shop
    bind :80
    default_backend web
backend web
    balance roundrobin
    default-server check inter 100ms rise 1 fall 2
    server old 127.0.0.1:8001
    server new 127.0.0.1:8002 disabled
    server dead 127.0.0.1:9 fall 1 disabled
listen old
    bind 127.0.0.1:8001
    mode http
    http-request return status 200 content-type text/plain string "answered by old"
listen new
    bind 127.0.0.1:8002
    mode http
    http-request return status 200 content-type text/plain string "answered by new"
"""
STATES = "echo 'show servers state web' | socat - UNIX-CONNECT:/run/haproxy.sock | awk '{ print $4, $7 }'"
GIVEN = {"socket": SOCKET, "backend": "web", "wait": "20", "check": "http://127.0.0.1/"}


@pytest.fixture(scope="module")
def balancer(rig: Rig) -> RealHost:
    host = rig.host("balancer")
    write(host, "/etc/haproxy/rig.cfg", HAPROXY)
    start(host)
    return host


def start(host: RealHost) -> None:
    host.spawn("/usr/sbin/haproxy", "-db", "-f", "/etc/haproxy/rig.cfg")
    until(lambda: listening(host, 80), lambda: f"haproxy: {host.said()[-800:]}", 30)


def switch(host: RealHost, **params: str) -> Trial:
    given = GIVEN | {"from": "old", "to": "new", "says": "answered by new"} | params
    return Trial(host, "haproxy-switch", given, state=STATES)


def drain(host: RealHost, **params: str) -> Trial:
    given = GIVEN | {"server": "old"} | params
    return Trial(host, "haproxy-drain", given, state=STATES)


def visitor(host: RealHost) -> subprocess.Popen[bytes]:
    """Somebody whose session with a server goes on until its input ends."""
    client = (
        "import socket, sys; s = socket.create_connection(('127.0.0.1', 80)); print('in', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [*host.entered(), "/usr/bin/python3", "-c", client], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    return process


def answers(host: RealHost) -> set[str]:
    return {host.run("curl -qs -m 10 http://127.0.0.1/") for _ in range(4)}


def test_a_back_end_goes_from_one_server_to_the_other_and_back(balancer: RealHost) -> None:
    trial = switch(balancer)
    trial.there_and_back()
    trial.cut_anywhere()
    closing = switch(balancer, order="close")
    closing.there()
    assert answers(balancer) == {"answered by new"}
    wrong = switch(balancer, order="close", says=EVIL)
    wrong.must("apply")
    assert "request 1 of" in wrong.must("verify", 1)
    closing.back()
    assert answers(balancer) == {"answered by old"}


def test_a_server_that_is_not_up_gets_no_visitors(balancer: RealHost) -> None:
    dead = switch(balancer, to="dead", wait="1")
    before = dead.seen()
    dead.capture()
    assert "dead is not up after 1 s; nothing was changed" in dead.must("apply", 2)
    assert dead.seen() == before
    assert answers(balancer) == {"answered by old"}
    assert "web/dead in maint" in dead.must("verify", 1)
    dead.back()


def test_a_server_is_drained_until_its_last_session_has_ended(balancer: RealHost) -> None:
    """S64."""
    both = switch(balancer)
    balancer.run(f"echo 'set server web/new state ready' | socat - UNIX-CONNECT:{SOCKET}")
    until(lambda: answers(balancer) == {"answered by old", "answered by new"}, lambda: f"both: {answers(balancer)}", 30)
    trial = drain(balancer, not_says="answered by old")
    trial.there_and_back()
    never = drain(balancer, not_says=EVIL)
    never.there()
    never.back()
    trial.cut_anywhere()
    guests = [visitor(balancer), visitor(balancer)]
    busy = drain(balancer, wait="1", then="maint")
    busy.capture()
    assert "web/old still has 1 sessions after 1 s" in busy.must("apply", 1)
    assert "is in drain" in busy.must("verify", 1)
    assert not busy.recognised()
    assert answers(balancer) == {"answered by new"}
    for guest in guests:
        guest.communicate()
    busy.must("apply")
    assert "is in maint without a session" in busy.must("verify")
    busy.back()
    balancer.run(f"echo 'set server web/new state maint' | socat - UNIX-CONNECT:{SOCKET}")
    assert not both.recognised()


def test_a_closing_switch_that_fails_leaves_visitors_with_a_server(balancer: RealHost) -> None:
    closing = switch(balancer, order="close", wait="1")
    before = closing.seen()
    guest = visitor(balancer)
    closing.capture()
    said = closing.must("apply", 1)
    assert "web/old still has 1 sessions after 1 s" in said
    assert "old is in ready again and new in maint" in said
    assert closing.seen() == before
    assert answers(balancer) == {"answered by old"}
    guest.communicate()
    switch(balancer, order="close").must("apply")
    switch(balancer, order="close").must("undo")
    assert closing.seen() == before


def test_the_socket_is_spoken_to_without_socat_too(balancer: RealHost) -> None:
    for hidden in ("socat nc", "socat nc python3"):
        balancer.run(f"cd /usr/bin; for t in {hidden}; do [ ! -e $t ] || mv $t $t.hidden; done")
        try:
            trial = drain(balancer, server="new")
            assert not trial.recognised()
            trial.capture()
            assert trial.captured == {"state": "maint"}
            trial.must("apply")
            trial.must("undo")
        finally:
            balancer.run(f"cd /usr/bin; for t in {hidden}; do [ ! -e $t.hidden ] || mv $t.hidden $t; done")


def test_what_haproxy_does_not_know_is_refused(balancer: RealHost) -> None:
    before = switch(balancer).seen()
    for param in ("socket", "backend", "from", "to", "order", "wait", "check", "says"):
        for value in (EVIL, "a\nb", "-x", "none") if param != "says" else ("a\nb",):
            assert "nothing was changed" in switch(balancer, **{param: value}).must("apply", 2), (param, value)
    for param in ("socket", "backend", "server", "then", "wait", "check", "not_says"):
        for value in (EVIL, "a\nb", "-x") if param != "not_says" else ("a\nb",):
            assert "nothing was changed" in drain(balancer, **{param: value}).must("apply", 2), (param, value)
    assert switch(balancer).seen() == before
    assert not evil_left(balancer)
    balancer.signal("KILL", "haproxy")
    until(lambda: not listening(balancer, 80), lambda: "haproxy listens", 30)
    assert "HAProxy does not answer" in switch(balancer).must("apply", 2)
    switch(balancer).must("verify", 2)
    start(balancer)
