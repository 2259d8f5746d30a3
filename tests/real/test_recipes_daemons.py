"""Services of System V init and supervisor, test instances (S56) and sessions that are drained (S64)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left, without
from tests.real.world import listening, needs_world, until, write
from tests.real.world.supervisor import supervisor

pytestmark = needs_world

RUNS = "echo game; pgrep -x python3 || :"
"""Which process is the game."""
SYSV = "ls -l /etc/rc?.d | sed 's/^.*:.. //'; ls /run/mush.pid"
MUSH = """\
import socketserver
class Session(socketserver.BaseRequestHandler):
    def handle(self):
        while word := self.request.recv(99):
            if word == b"QUIT\\n": return
            self.request.sendall(word)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("", 4201), Session).serve_forever()"""
INIT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          mush
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
### END INIT INFO
case $1 in
    start) exec start-stop-daemon --start --oknodo --background --make-pidfile --pidfile /run/mush.pid --startas /usr/bin/python3 -- /srv/mush.py ;;
    restart) "$0" stop; exec "$0" start ;;
    stop) exec start-stop-daemon --stop --oknodo --retry 20 --remove-pidfile --pidfile /run/mush.pid ;;
    status) exec start-stop-daemon --status --pidfile /run/mush.pid ;;
esac
exit 2"""


@pytest.fixture(scope="module")
def made(rig: Rig) -> RealHost:
    """A game under System V init, and another under supervisor."""
    host = rig.host("charon")
    write(host, "/srv/mush.py", MUSH)
    write(host, "/etc/init.d/mush", INIT, "755")
    supervisor(
        host,
        "[program:mush]\ncommand=python3 /srv/mush.py\nstartsecs=0\nautostart=false\n"
        "[program:bad]\ncommand=false\nautostart=false\nstartretries=0\n"
        "[program:third]\ncommand=false\nautostart=false\n[program:fourth]\ncommand=false\nautostart=no",
        CONFIG,
    )
    return host


CONFIG = "/etc/supervisor/rig it's.conf"


@pytest.fixture
def host(made: RealHost) -> RealHost:
    """Nothing of both runs."""
    made.run(
        f'service mush stop; supervisorctl -c "{CONFIG}" stop mush; update-rc.d -f mush remove 2> /dev/null',
        check=False,
    )
    until(lambda: not listening(made, 4201), lambda: "the game's end", 60)
    return made


def sysv(host: RealHost, recipe: str, **more: str) -> Trial:
    return Trial(host, recipe, {"name": "mush", "port": "4201", **more}, state=SYSV)


def supervised(host: RealHost, recipe: str, **more: str) -> Trial:
    # Not supervisorctl, which takes its time.
    state = "pgrep -x python3 >/dev/null && echo runs"
    return Trial(host, recipe, {"name": "mush", "config": CONFIG, "port": "4201", **more}, state=state)


def settled(host: RealHost, up: bool) -> None:
    until(lambda: listening(host, 4201) == up, lambda: "the game", 60)


def test_a_sysv_service_stops_and_comes_back_with_its_links(host: RealHost) -> None:
    host.run("update-rc.d mush defaults; service mush start")
    settled(host, True)
    trial = sysv(host, "sysv-stop")
    trial.there_and_back()
    trial.cut_anywhere()
    host.run("sed -i '/status)/d' /etc/init.d/mush")
    assert trial.ask("probe").status == 1
    write(host, "/etc/init.d/mush", INIT.replace("status)", "status) exit 4 ;;\n    other)"), "755")
    assert trial.ask("probe").status == 2
    write(host, "/etc/init.d/mush", INIT, "755")
    assert "says that it runs" in sysv(host, "sysv-stop", port="").must("verify", 1)
    assert "process python3" in sysv(host, "sysv-stop", process="python3").must("verify", 1)


def test_a_sysv_service_starts_and_goes_back(host: RealHost) -> None:
    trial = sysv(host, "sysv-start", process="python3")
    trial.there_and_back()
    trial.cut_anywhere()
    refused = sysv(host, "sysv-start", test="echo no such option; false")
    refused.capture()
    refused.turned_away("refused, mush is not started: no such option", RUNS)
    wrong = sysv(host, "sysv-start", port="4202", within="0")
    wrong.capture()
    wrong.must("apply")
    assert "port 4202 is not open" in wrong.must("verify", 1)
    wrong.back()


def test_a_program_of_supervisor_stops_and_starts_and_one_that_dies_is_told(host: RealHost) -> None:
    start = supervised(host, "supervisor-start")
    start.there_and_back()
    start.cut_anywhere()
    start.there()
    stop = supervised(host, "supervisor-stop")
    stop.there_and_back(shells=("busybox sh",))
    stop.cut_anywhere()
    start.back()
    bad = supervised(host, "supervisor-start", name="bad", port="", within="1")
    bad.capture()
    assert "does not start" in bad.must("apply", 1)
    assert "bad" in bad.must("verify", 1)
    for wrong in ({"name": "none"}, {"config": f"/srv/{EVIL}"}, {"name": "all"}, {"name": EVIL}, {"port": "x"}):
        assert supervised(host, "supervisor-start", **wrong).ask("probe").status == 2
        assert supervised(host, "supervisor-stop", **wrong).ask("apply").status == 1
    assert not evil_left(host)


def changed(host: RealHost) -> str:
    """A file that what runs has not read yet; started after it, it has."""
    host.run("sleep 1.1; touch /srv/setting; sleep 0.1")
    return "/srv/setting"


def test_a_sysv_service_is_restarted_once_for_a_change(host: RealHost) -> None:
    each = sysv(host, "sysv-restart", process="python3")
    assert "what does not run is not restarted" in each.must("capture", 1)
    host.run("service mush start")
    settled(host, True)
    each.there_and_back(already=False)
    each.cut_anywhere()
    assert "no process none is there" in replace(each, captured={}, params={**each.params, "process": "none"}).must(
        "capture", 1
    )
    once = sysv(host, "sysv-restart", process="python3", newer=f"{changed(host)}\n/srv/mush.py")
    once.capture()
    assert "of before runs on" in once.must("verify", 1)
    once.captured = {}
    once.there()
    once.must("undo")
    once.must("verify_undo")
    refused = sysv(host, "sysv-restart", process="python3", test="echo no such option; false")
    refused.turned_away("refused, mush is not restarted: no such option", RUNS)
    once.must("verify")


def test_a_program_of_supervisor_is_restarted_once_for_a_change(host: RealHost) -> None:
    each = supervised(host, "supervisor-restart")
    assert "is STOPPED: what does not run is not restarted" in each.must("capture", 1)
    host.run(f'supervisorctl -c "{CONFIG}" start mush')
    settled(host, True)
    each.there_and_back(already=False, shells=("bash --posix",))
    each.cut_anywhere()
    once = supervised(host, "supervisor-restart", newer=changed(host))
    once.capture()
    assert "runs on: it was not restarted" in once.must("verify", 1)
    once.captured = {}
    once.there()
    refused = supervised(host, "supervisor-restart", test="echo no such option; false")
    refused.turned_away("refused, mush is not restarted: no such option", RUNS)
    once.must("verify")


def test_a_program_of_supervisor_starts_with_the_host_or_no_more(host: RealHost) -> None:
    trial = Trial(
        host,
        "supervisor-enable",
        {"name": "mush", "config": CONFIG, "file": CONFIG},
        f'cat "{CONFIG}"; ls -A /etc/supervisor',
    )
    trial.there_and_back(shells=("busybox sh",))
    trial.cut_anywhere()
    off = replace(trial, params={**trial.params, "start": "false"}, captured={})
    trial.there()
    off.there()
    assert "supervisor says manual for mush" in off.must("verify")
    assert "supervisor says manual for mush" in trial.must("verify", 1)
    off.must("undo")
    trial.must("verify")
    trial.back()
    trial.refuses()
    for param, value in (("name", "none"), ("file", f"/srv/{EVIL}"), ("file", "more.conf")):
        bad = replace(trial, params={**trial.params, param: value}, captured={})
        assert "nothing was changed" in bad.must("apply", 2), (param, value)
        assert bad.ask("capture").status
    before = trial.seen()
    host.run(f'cp -p "{CONFIG}" /run/good; printf "[program:broken]\\nuser=none\\n" >> "{CONFIG}"')
    trial.turned_away("refuses its configuration", f'supervisorctl -c "{CONFIG}" avail')
    host.run(f'cp -p /run/good "{CONFIG}"; rm /run/good')
    assert trial.seen() == before
    assert not evil_left(host)


def test_programs_of_one_file_are_enabled_at_once(host: RealHost) -> None:
    """Each has its line, and each its own back."""
    steps = [
        Trial(host, "supervisor-enable", {"name": name, "config": CONFIG, "file": CONFIG}, f'cat "{CONFIG}"')
        for name in ("mush", "bad", "third", "fourth")
    ]
    before = steps[0].seen()
    for step in steps:
        step.capture()
    with ThreadPoolExecutor(len(steps)) as pool:
        list(pool.map(lambda step: step.must("apply"), steps))
        assert host.run(f'grep -c autostart=true "{CONFIG}"').strip() == "4"
        list(pool.map(lambda step: step.must("verify"), steps))
        list(pool.map(lambda step: step.must("undo"), steps))
        list(pool.map(lambda step: step.must("verify_undo"), steps))
    steps[0].same(before, "what was changed at once is not as before")


@pytest.mark.parametrize("recipe", ["sysv-stop", "sysv-start"])
def test_what_is_no_service_is_refused(host: RealHost, recipe: str) -> None:
    before = sysv(host, recipe).seen()
    for wrong in (
        {"name": "none"},
        {"name": "../init.d/mush"},
        {"name": EVIL},
        {"name": "a\nb"},
        {"port": "$(touch /tmp/owned)"},
    ):
        trial = sysv(host, recipe, **wrong)
        assert trial.ask("probe").status == 2
        assert trial.ask("apply").status == 1
    assert sysv(host, recipe).seen() == before
    assert not evil_left(host)


def test_s56_a_test_game_that_still_runs_is_found_by_process_and_port(host: RealHost) -> None:
    look = Trial(host, "test-instance-stopped", {"process": "python3 /srv/mush[.]py", "port": "4201"}, state=SYSV)
    look.there_and_back(already=False)
    host.run("service mush start")
    settled(host, True)
    assert "is running: /usr/bin/python3 /srv/mush.py" in look.must("verify", 1)
    assert "port 4201" in Trial(host, "test-instance-stopped", {"port": "4201"}).must("apply", 1)
    for wrong in ({}, {"process": "("}, {"port": EVIL}, {"unit": EVIL}):
        assert Trial(host, "test-instance-stopped", wrong).ask("verify").status == 2
    # No systemd to ask here: that is no "stopped".
    assert Trial(host, "test-instance-stopped", {"unit": "mush.service"}).ask("verify").status in {1, 2}


def test_no_parameter_is_run_and_what_cannot_be_one_is_refused(host: RealHost) -> None:
    for recipe in ("sysv-start", "supervisor-start"):
        trial = sysv(host, recipe, within="2") if recipe.startswith("sysv") else supervised(host, recipe)
        trial.capture()
        trial.refuses("process")
    for recipe in ("sysv-stop", "sysv-restart"):
        host.run("service mush start")
        settled(host, True)
        trial = sysv(host, recipe, process="python3", within="2")
        trial.capture()
        trial.refuses("process")
    drained = drain(host)
    drained.capture()
    drained.refuses()
    host.run(f'service mush stop; supervisorctl -c "{CONFIG}" start mush')
    settled(host, True)
    for recipe in ("supervisor-stop", "supervisor-restart"):
        trial = supervised(host, recipe)
        trial.capture()
        trial.refuses()


@pytest.mark.parametrize("runs", [False, True])
def test_without_ss_nobody_says_that_a_port_is_closed_or_open(host: RealHost, runs: bool) -> None:
    if runs:
        host.run("service mush start")
        settled(host, True)
    kinds = ["stop", "start", *(["restart"] if runs else [])]
    trials = [sysv(host, f"sysv-{kind}", process="python3") for kind in kinds]
    if runs:
        host.run(f'service mush stop; supervisorctl -c "{CONFIG}" start mush')
        settled(host, True)
    trials += [supervised(host, f"supervisor-{kind}") for kind in kinds]
    for trial in (*trials, drain(host)):
        trial.blind("ss")
    look = Trial(host, "test-instance-stopped", {"port": "4201"})
    look.blind("ss", ops={"apply": 1, "verify": 2})
    before = trial.seen()
    trial.capture()
    with without(host, "ss"):
        assert "who listens on port 4201 cannot be told" in trial.must("apply", 1)
    assert trial.seen() == before


def drain(host: RealHost, **more: str) -> Trial:
    params = {
        "port": "4201",
        "stop": "service mush stop",
        "start": "service mush start",
        "announce": 'echo "$sessions $within" >> /srv/told',
    }
    return Trial(host, "drain-sessions", {**params, **more}, state="ss -Hlnt 'sport = :4201'")


PLAYER = "import socket,sys,time; s=socket.create_connection(('127.0.0.1',4201)); open('/srv/in','a').write('x'); time.sleep(float(sys.argv[1]))"


def test_s64_players_are_told_and_drop_before_the_game_stops(host: RealHost) -> None:
    host.run("service mush start")
    settled(host, True)
    trial = drain(host)
    trial.there_and_back()
    trial.cut_anywhere()
    settled(host, True)
    assert host.run("cat /srv/told", check=False) == ""
    player = f'python3 -c "{PLAYER}"'
    host.run(f"{player} 2 > /dev/null 2>&1 & {player} 1 > /dev/null 2>&1 &")
    until(lambda: host.run("cat /srv/in", check=False) == "xx", lambda: "two players", 60)
    trial.capture()
    assert trial.captured["sessions"] == "2"
    assert "0 were dropped" in trial.must("apply")
    trial.must("verify")
    assert host.run("cat /srv/told") == "2 600\n"
    trial.back()


def test_s64_who_stays_is_dropped_when_the_time_is_up_or_keeps_the_game_running(host: RealHost) -> None:
    host.run("service mush start; rm -f /srv/in")
    settled(host, True)
    host.run(f'python3 -c "{PLAYER}" 100 > /dev/null 2>&1 &')
    until(lambda: host.run("cat /srv/in", check=False), lambda: "a player", 60)
    assert "1 are still connected, the service runs on" in drain(host, within="0", drop="no").must("apply", 1)
    assert "runs on" in drain(host, announce="false").must("apply", 1)
    assert listening(host, 4201)
    trial = drain(host, within="1")
    trial.capture()
    assert "1 were dropped" in trial.must("apply")
    trial.must("verify")
    trial.back()
    assert "does not stop" in drain(host, stop="exit 3", within="0").must("apply", 1)
    for wrong in ({"port": EVIL}, {"port": ""}, {"within": EVIL}):
        assert drain(host, **wrong).ask("apply").status == 1
        assert drain(host, **wrong).ask("probe").status == 2
    assert not evil_left(host)
