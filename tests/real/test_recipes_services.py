"""Services of systemd and its timers stop and start under a real systemd, and come back as they were."""

from __future__ import annotations

import shutil
from contextlib import nullcontext

import pytest

from cockpit.survey.inventory import parse, script
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left, without
from tests.real.world import listening, needs_world, until, write

pytestmark = needs_world

UNITS = (
    "find /etc/systemd/system -printf '%y %p %l\\n' | sort;"
    "systemctl show -p Id -p ActiveState -p UnitFileState nginx.service planet.timer planet.service"
)


@pytest.fixture(scope="module")
def host(rig: Rig) -> RealHost:
    """systemd with nginx, and a timer."""
    made = rig.host("web", init="systemd")
    write(made, "/etc/nginx/nginx.conf", "events { }\nhttp { server { listen 8080; } }")
    made.run("mkdir -p /var/log/nginx")
    # A trial starts it more often than anybody should.
    write(made, "/etc/systemd/system/nginx.service.d/often.conf", "[Unit]\nStartLimitIntervalSec=0")
    write(
        made,
        "/etc/systemd/system/planet.service",
        "[Service]\nType=oneshot\nExecStart=sh -c 'while [ -e /run/hold ]; do sleep 0.1; done'",
    )
    write(made, "/etc/systemd/system/planet.timer", "[Timer]\nOnCalendar=hourly\n[Install]\nWantedBy=timers.target")
    until(lambda: "running" in made.run("systemctl is-system-running", check=False), made.said, 60)
    made.run("systemctl daemon-reload")
    return made


RUNS = "systemctl show -p ActiveState -p MainPID nginx.service"
"""Which process is the daemon."""


def unit(host: RealHost, recipe: str, name: str = "nginx.service", **more: str) -> Trial:
    return Trial(host, recipe, {"unit": name, **more}, state=UNITS)


def test_a_unit_stops_with_its_port_and_comes_back_enabled(host: RealHost) -> None:
    host.run("systemctl enable --now nginx 2> /dev/null")
    trial = unit(host, "systemd-stop", port="8080")
    trial.there_and_back()
    trial.cut_anywhere()
    trial.there()
    assert not listening(host, 8080)
    host.run("nginx -g 'daemon off;' > /dev/null 2>&1 &")
    until(lambda: listening(host, 8080), lambda: "the other nginx", 60)
    assert "something listens on port 8080" in trial.must("verify", 1)
    host.run("kill $(cat /run/nginx.pid)")
    until(lambda: not listening(host, 8080), lambda: "its end", 60)
    trial.back()
    assert listening(host, 8080)
    host.run("systemctl disable --now nginx 2> /dev/null")


def test_a_unit_starts_with_its_port_and_goes_back_disabled(host: RealHost) -> None:
    host.run("systemctl disable --now nginx 2> /dev/null")
    trial = unit(host, "systemd-start", port="8080", test="nginx -t")
    trial.there_and_back()
    trial.cut_anywhere()
    before = trial.seen()
    host.run("cp -p /etc/nginx/nginx.conf /run/good; echo 'no such thing' >> /etc/nginx/nginx.conf")
    trial.capture()
    trial.turned_away("nginx.service is not started", RUNS)
    untested = unit(host, "systemd-start", port="8080", within="0")
    untested.capture()
    assert "does not start" in untested.must("apply", 1)
    assert untested.ask("verify").status == 1
    untested.back()
    assert trial.seen() == before
    host.run("mv /run/good /etc/nginx/nginx.conf; systemctl start nginx")
    other = unit(host, "systemd-start", port="22", within="0", boot="keep")
    assert "another process does" in other.must("verify", 1)
    host.run("systemctl stop nginx")


def test_a_unit_is_restarted_once_for_a_change_and_a_broken_one_is_not(host: RealHost) -> None:
    each = unit(host, "systemd-restart", port="8080", test="nginx -t")
    assert "what does not run is not restarted" in each.must("capture", 1)
    host.run("systemctl start nginx; cp -p /etc/nginx/nginx.conf /run/good")
    each.there_and_back(already=False)
    each.cut_anywhere()
    # The change is younger than the start.
    host.run("sleep 1.1; touch /etc/nginx/nginx.conf")
    once = unit(host, "systemd-restart", port="8080", newer="/etc/nginx/nginx.conf\n/run/good")
    once.capture()
    assert "was not restarted" in once.must("verify", 1)
    once.captured = {}
    once.there()
    once.must("undo")
    once.must("verify_undo")
    host.run("echo 'no such thing' >> /etc/nginx/nginx.conf")
    each.turned_away("nginx.service is not restarted", RUNS)
    assert "runs and listens" in once.must("verify_undo")
    assert once.ask("probe").status == 1
    wrong = unit(host, "systemd-restart", newer=f"/srv/{EVIL}")
    assert wrong.ask("probe").status == 2
    host.run("mv /run/good /etc/nginx/nginx.conf; systemctl stop nginx")


def test_a_survey_tells_what_listens_with_its_unit(host: RealHost) -> None:
    """So that of two units with one interpreter the one that listens nowhere is told, too."""
    host.run("systemctl start nginx.service; nohup socat tcp-listen:7070,fork exec:cat > /dev/null 2>&1 &")
    until(lambda: listening(host, 8080) and listening(host, 7070), lambda: "the listeners", 60)
    for lists, hidden in (("ss", ()), ("netstat", ("ss",))):
        if not host.run(f"command -v {lists}", check=False):
            continue
        with without(host, *hidden) if hidden else nullcontext():
            found = parse(host.run(f"sh -s <<'COCKPIT_END'\n{script()}\nCOCKPIT_END").encode())
        heard = {item.field(2): item.fields[3:] for item in found.of("listen")}
        assert heard["8080"] == ("nginx", "nginx.service"), lists
        assert heard["7070"] == ("socat", ""), lists
    host.run("pkill -x socat; systemctl stop nginx.service")


APP = (
    "find /etc/systemd/system /run/systemd/system -path '*app*' -printf '%y %p %l\\n' | sort;"
    "systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState app.service app.timer"
)


def app(host: RealHost) -> None:
    """A service and a timer whose files are in no folder of systemd's."""
    write(host, "/srv/app/app.service", "[Service]\nExecStart=sleep 1000\n[Install]\nWantedBy=multi-user.target")
    write(
        host, "/srv/app/app.timer", "[Timer]\nOnCalendar=yearly\nUnit=planet.service\n[Install]\nWantedBy=timers.target"
    )


def test_what_was_enabled_by_its_path_comes_back_by_it(host: RealHost) -> None:
    app(host)
    last = {"services": "app.service", **evidence(host)}
    stop, timer = unit(host, "systemd-stop", "app.service"), unit(host, "timer-stop", "app.timer")
    end = Trial(host, "decommission", last)
    for trial, name in ((stop, "app.service"), (timer, "app.timer"), (end, "app.service")):
        trial.state = APP
        for how in (
            ("enable --now", "link", "enable --runtime", "link --runtime") if trial is not end else ("enable --now",)
        ):
            host.run(f"systemctl {how} '/srv/app/{name}' 2> /dev/null")
            before = trial.seen()
            trial.there()
            assert trial.seen() != before
            trial.back()
            assert trial.seen() == before
            if how == "enable --now":
                trial.cut_anywhere()
            # A link that is removed leaves nothing that could be stopped.
            host.run(
                f"systemctl stop {name}; systemctl disable {name}; systemctl --runtime disable {name}", check=False
            )


@pytest.mark.parametrize(
    ("recipe", "name", "how"),
    [
        ("systemd-start", "app.service", "link"),
        ("systemd-start", "app.service", "enable --runtime"),
        ("timer-start", "app.timer", "link --runtime"),
    ],
)
def test_what_was_only_linked_starts_with_the_host_and_goes_back(
    host: RealHost, recipe: str, name: str, how: str
) -> None:
    app(host)
    host.run(f"systemctl {how} /srv/app/{name} 2> /dev/null")
    trial = unit(host, recipe, name)
    trial.state = APP
    before = trial.seen()
    trial.there()
    assert "UnitFileState=enabled\n" in trial.seen()
    trial.back()
    assert trial.seen() == before
    trial.cut_anywhere()
    host.run(f"systemctl stop {name}; systemctl disable {name}; systemctl --runtime disable {name}", check=False)


def test_a_service_that_the_host_does_not_know_is_not_decommissioned(host: RealHost) -> None:
    wrong = Trial(host, "decommission", {"services": "nginx\nngnix", "quiet": "/x", "seconds": "1", "backup": "/x"})
    for op, status in (("probe", 2), ("capture", 1), ("apply", 1), ("verify", 2)):
        assert "there is no service ngnix" in wrong.must(op, status)


def test_what_starts_a_stopped_unit_again_is_named(host: RealHost) -> None:
    write(host, "/etc/systemd/system/echo.socket", "[Socket]\nListenStream=7777\nAccept=no")
    write(host, "/etc/systemd/system/echo.service", "[Service]\nExecStart=sleep 1000")
    host.run("systemctl daemon-reload; systemctl start echo.socket echo.service")
    trial = unit(host, "systemd-stop", "echo.service")
    trial.capture()
    trial.must("apply")
    assert "echo.socket starts it again" in trial.must("verify", 1)
    host.run("systemctl stop echo.socket echo.service; rm /etc/systemd/system/echo.*; systemctl daemon-reload")


def evidence(host: RealHost) -> dict[str, str]:
    """What a decommission wants to see."""
    host.run("touch /srv/quiet; touch -d '1 hour ago' /srv/quiet")
    host.run(f"printf 'archive-sha256 {'ab' * 32}\\n' > /srv/evidence")
    return {"quiet": "/srv/quiet", "seconds": "60", "backup": "/srv/evidence"}


GENERATOR = """\
#!/bin/sh
mkdir -p "$1/multi-user.target.wants"
ln -s /etc/systemd/system/made.service "$1/multi-user.target.wants/made.service"
"""


def test_what_a_generator_enables_is_masked_and_comes_back(host: RealHost) -> None:
    """As Debian's clusters of PostgreSQL: `disable` changes nothing about them, and each start of the host enables them anew."""
    write(
        host,
        "/usr/lib/systemd/system/made.service",
        "[Service]\nExecStart=sleep 1000\n[Install]\nWantedBy=multi-user.target",
    )
    generator = GENERATOR.replace("/etc/systemd/system", "/usr/lib/systemd/system")
    write(host, "/etc/systemd/system-generators/made", generator, "755")
    host.run("systemctl daemon-reload; systemctl start made.service")
    state = (
        "systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState made.service;"
        "find /etc/systemd/system /run/systemd/system -name '*made*'; ls /run/systemd/generator/*.wants"
    )
    assert "UnitFileState=enabled-runtime" in host.run(state)
    stop = unit(host, "systemd-stop", "made.service")
    end = Trial(host, "decommission", {"services": "made.service", **evidence(host)})
    for trial in (stop, end):
        trial.state = state
        trial.there_and_back(shells=("dash",))
        trial.cut_anywhere()
        trial.there()
        assert (
            host.run("systemctl daemon-reload; systemctl show -p UnitFileState made.service")
            == "UnitFileState=masked\n"
        )
        trial.back()
    host.run("systemctl stop made.service; rm /etc/systemd/system-generators/made; systemctl daemon-reload")


SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides: oldgame
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
case $1 in start) sleep 1000 & ;; esac
"""


def test_what_systemd_makes_of_an_init_script_is_masked_and_comes_back(host: RealHost) -> None:
    """Neither enabled nor disabled: it is made anew each time the host starts, and starts then."""
    generator = "usr/lib/systemd/system-generators/systemd-sysv-generator"
    host.run("mkdir -p /etc/systemd/system-generators")
    shutil.copy(f"/{generator}", host.inner("/etc/systemd/system-generators/"))
    write(host, "/etc/init.d/oldgame", SCRIPT, "755")
    host.run(
        "for level in 2 3 4 5; do ln -s ../init.d/oldgame /etc/rc$level.d/S01oldgame; done;"
        "systemctl daemon-reload; systemctl start oldgame.service"
    )
    state = (
        "systemctl show -p LoadState -p ActiveState -p UnitFileState oldgame.service; ls -l /etc/rc?.d/*oldgame;"
        "find /etc/systemd/system /run/systemd/system -name '*oldgame*'"
    )
    assert "UnitFileState=generated" in host.run(state)
    stop = unit(host, "systemd-stop", "oldgame.service")
    stop.state = state
    stop.there_and_back(shells=("dash",))
    stop.cut_anywhere()
    stop.there()
    host.run("systemctl daemon-reload; systemctl start multi-user.target")
    assert "ActiveState=inactive\nUnitFileState=masked" in host.run(state)
    stop.must("verify")
    stop.back()
    host.run(
        "systemctl stop multi-user.target oldgame.service; rm -r /etc/systemd/system-generators /etc/rc?.d/*oldgame; systemctl daemon-reload"
    )


def test_a_unit_that_others_start_is_stopped_for_good_only_with_them(host: RealHost) -> None:
    write(host, "/etc/systemd/system/echo.socket", "[Socket]\nListenStream=7777\n[Install]\nWantedBy=sockets.target")
    write(host, "/etc/systemd/system/echo.service", "[Service]\nExecStart=sleep 1000")
    host.run("systemctl daemon-reload; systemctl enable --now echo.socket; systemctl start echo.service")
    state = "systemctl show -p Id -p ActiveState -p UnitFileState echo.service echo.socket"
    assert "UnitFileState=static" in host.run(state)
    alone = Trial(host, "decommission", {"services": "echo.service", **evidence(host)}, state)
    before = alone.seen()
    alone.capture()
    assert "nothing was stopped, since echo.socket would start echo.service again" in alone.must("apply", 1)
    assert alone.seen() == before
    both = Trial(host, "decommission", {**alone.params, "services": "echo.socket\necho.service"}, state)
    both.there_and_back()
    both.there()
    host.run("systemctl start echo.socket")
    assert "echo.service is stopped, but echo.socket starts it again" in alone.must("verify", 1)
    assert not alone.recognised()
    both.back()
    host.run(
        "systemctl disable --now echo.socket; systemctl stop echo.service; rm /etc/systemd/system/echo.*; systemctl daemon-reload"
    )


def test_s36_a_timer_moves_and_a_run_under_way_ends_first(host: RealHost) -> None:
    start = unit(host, "timer-start", "planet.timer", elsewhere="[ ! -e /run/hold ] || { echo old does; false; }")
    start.there_and_back()
    start.cut_anywhere()
    host.run("touch /run/hold")
    assert "another host still runs it: old does" in start.must("apply", 1)
    host.run("rm /run/hold")
    start.there()
    stop = unit(host, "timer-stop", "planet.timer")
    stop.there_and_back()
    stop.cut_anywhere()
    host.run("touch /run/hold; systemctl start --no-block planet.service")
    hasty = unit(host, "timer-stop", "planet.timer", within="0")
    hasty.capture()
    assert "planet.service is still under way" in hasty.must("apply", 1)
    assert "planet.service is still under way" in hasty.must("verify", 1)
    host.run("( sleep 0.3; rm /run/hold ) > /dev/null 2>&1 &")
    stop.must("apply")
    stop.must("verify")
    assert stop.recognised()
    assert "has no next run" in start.must("verify", 1)


def test_no_parameter_is_run_and_what_cannot_be_one_is_refused(host: RealHost) -> None:
    for recipe, name in (
        ("systemd-start", "nginx.service"),
        ("timer-start", "planet.timer"),
        ("systemd-stop", "nginx.service"),
        ("systemd-restart", "nginx.service"),
        ("timer-stop", "planet.timer"),
    ):
        host.run(f"systemctl {'stop' if recipe.endswith('start') and '-re' not in recipe else 'start'} {name}")
        trial = unit(host, recipe, name)
        trial.capture()
        trial.refuses()
    end = Trial(host, "decommission", {"services": "nginx.service", **evidence(host)}, UNITS)
    end.capture()
    # Supervisor, which does not run here, is asked of its own programs alone.
    end.refuses("config")
    host.run("systemctl stop nginx.service planet.timer")


@pytest.mark.parametrize("recipe", ["systemd-stop", "systemd-start", "systemd-restart"])
def test_without_ss_nobody_says_that_a_port_is_closed_or_open(host: RealHost, recipe: str) -> None:
    for how in ("stop", "start"):
        host.run(f"systemctl {how} nginx.service")
        unit(host, recipe, port="8080").blind("ss")
    host.run("systemctl stop nginx.service")


@pytest.mark.parametrize("recipe", ["systemd-stop", "systemd-start", "systemd-restart", "timer-stop", "timer-start"])
def test_a_unit_that_is_none_or_broken_is_refused(host: RealHost, recipe: str) -> None:
    write(host, "/etc/systemd/system/bad.timer", "[Timer]\nOnCalendar=never ever")
    write(host, "/etc/systemd/system/bad.service", "[Service]\nExecStart=relative/path")
    host.run("systemctl daemon-reload")
    before = host.run(UNITS)
    for name in ("none.timer", "none.service", "bad.timer", "bad.service", "", "-h", "a\nb.service", EVIL):
        trial = unit(host, recipe, name)
        assert trial.ask("probe").status == 2, name
        assert trial.ask("apply").status == 1, name
        assert trial.ask("capture").status == 1, name
    assert host.run(UNITS) == before
    assert not evil_left(host)
    host.run("rm /etc/systemd/system/bad.*; systemctl daemon-reload")
