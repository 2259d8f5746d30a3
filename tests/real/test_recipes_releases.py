"""Releases that cannot take a site down (S14-S23): built apart, switched at one stroke, gone back to the recorded one."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path
from shlex import quote

import pytest

from tests.real.night import app
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world
from tests.real.world.supervisor import supervisor

pytestmark = needs_world

STATE = "cd /srv && find karl shared -printf '%y %m %u %p %l\\n' | sort; find karl shared -type f -exec sha256sum {} + | sort"
HERE = {"releases": "/srv/karl/releases"}


@pytest.fixture(scope="module")
def web(rig: Rig) -> RealHost:
    """A host with supervisor, and a program of the release in use."""
    host = rig.host("web")
    supervisor(
        host,
        "[program:karl]\ncommand=sh -c 'exec sleep 1000'\ndirectory=/srv/karl/current\nautostart=false\nstartsecs=0\nstopsignal=KILL",
    )
    return host


REACH = {"apply": 20, "undo": 12}
"""Commands of `release-consumers` within which it is cut off."""
CTL = "supervisorctl -c /etc/supervisor/rig.conf"


@pytest.fixture
def host(web: RealHost) -> RealHost:
    """That host with nothing built."""
    web.run("cd /; rm -rf /srv/* /tmp/owned; mkdir /srv/karl /srv/shared")
    return web


def build(
    host: RealHost, tag: str, text: str = "echo $tag > version; mkdir bin; ln -s ../version bin/v", **more: str
) -> Trial:
    return Trial(host, "release-build", {**HERE, "tag": tag, "build": text, **more}, state=STATE)


def switch(host: RealHost, tag: str, **more: str) -> Trial:
    return Trial(host, "release-switch", {**HERE, "tag": tag, **more}, state=STATE)


def built(host: RealHost, *tags: str, use: str = "") -> None:
    for tag in tags:
        build(host, tag).must("apply")
    if use:
        switch(host, use).must("apply")


def current(host: RealHost) -> str:
    return host.run("readlink /srv/karl/current", check=False).strip()


def test_s14_a_build_has_a_folder_of_its_own_and_is_taken_back_whole(host: RealHost) -> None:
    trial = build(host, "2.1", f"printf %s {quote(EVIL)} > it; cp it \"$(printf 'a\\nb')\"", check="grep -q here it")
    trial.there_and_back()
    trial.cut_anywhere()
    trial.captured = {}
    trial.capture()
    # The link to what is in use may have any name.
    trial.refuses("current")


def test_s16_a_build_that_fails_says_that_no_user_notices(host: RealHost) -> None:
    built(host, "1.0", use="1.0")
    before = host.run(STATE)
    for text in ("echo half > version; false; echo never", "-x", "exit 3", ""):
        failing = build(host, "1.1", text)
        failing.capture()
        assert "no user impact" in failing.must("apply", 1)
        assert failing.ask("verify").status == 1
        assert host.run(STATE) == before


def test_a_build_that_turns_current_itself_is_told_at_once(host: RealHost) -> None:
    built(host, "1.0", use="1.0")
    rude = build(host, "1.1", "ln -sfn /srv /srv/karl/current; echo x > y")
    assert "look at once" in rude.must("apply", 1)


def test_s14_s21_a_tag_is_never_used_again_and_what_is_built_never_changes(host: RealHost) -> None:
    built(host, "1.0")
    assert "never used again" in build(host, "1.0", "echo other > version").must("apply", 1)
    assert build(host, "1.0", "echo other > version").ask("probe").status == 2
    assert host.run("cat /srv/karl/releases/1.0/version") == "1.0\n"
    host.run("echo changed > /srv/karl/releases/1.0/version")
    assert "./version" in build(host, "1.0").must("verify", 1)


@pytest.mark.parametrize("tag", ["", "..", "a/b", "-rf", EVIL, "a\nb"])
def test_a_tag_that_is_no_name_of_a_folder_is_refused(host: RealHost, tag: str) -> None:
    before = host.run(STATE)
    for trial in (build(host, tag), switch(host, tag)):
        assert "tag" in trial.must("apply", 1)
        assert trial.ask("probe").status == 2
    assert host.run(STATE) == before
    assert not evil_left(host)


def test_s15_s17_current_is_switched_at_one_stroke_and_goes_back_to_the_recorded_release(host: RealHost) -> None:
    built(host, "1.0", "1.1", "1.2", use="1.0")
    switch(host, "1.2").must("apply")
    trial = switch(host, "1.1", check="grep -qx 1.1 /srv/karl/current/version", restart="touch /srv/restarted")
    trial.there_and_back()
    assert current(host) == "/srv/karl/releases/1.2"
    trial.cut_anywhere()
    host.run("rm /srv/restarted")
    trial.there()
    # The recorded one, not the one before by date or by name.
    assert host.run("readlink /srv/karl/releases/.previous") == "/srv/karl/releases/1.2\n"
    trial.refuses()
    place = f"/srv/karl/{EVIL.replace('/', ':')}\nlink"
    named = Trial(
        host, "release-switch", {"releases": "/srv/karl/releases", "tag": "1.0", "current": place}, state=STATE
    )
    named.there()
    assert "touch :tmp:owned" in host.run("ls /srv/karl")
    named.back()


def test_current_is_there_at_every_moment_of_a_switch(host: RealHost) -> None:
    built(host, "1.0", "1.1", use="1.0")
    host.run(
        "( while [ ! -e /srv/stop ]; do [ -r /srv/karl/current/version ] || echo gone >> /srv/gone; done ) > /dev/null 2>&1 &"
    )
    for tag in ("1.1", "1.0") * 4:
        switch(host, tag).must("apply")
    host.run("touch /srv/stop")
    assert host.run("cat /srv/gone", check=False) == ""


def test_s15_only_what_was_built_is_switched_to(host: RealHost) -> None:
    built(host, "1.0", use="1.0")
    host.run("mkdir /srv/karl/releases/1.1; echo half > /srv/karl/releases/1.1/version")
    for tag in ("1.1", "9"):
        assert "no user impact" in switch(host, tag).must("apply", 1)
        assert current(host) == "/srv/karl/releases/1.0"
    host.run("rm /srv/karl/current; mkdir /srv/karl/current")
    assert "no link" in switch(host, "1.0").must("apply", 1)


def test_a_switch_that_users_do_not_see_or_whose_release_is_gone_says_so(host: RealHost) -> None:
    built(host, "1.0", "1.1", use="1.0")
    trial = switch(host, "1.1", check="echo they get 1.0; false")
    trial.capture()
    trial.must("apply")
    assert "they get 1.0" in trial.must("verify", 1)
    host.run("mv /srv/karl/releases/1.0 /srv/away")
    assert "is gone" in trial.must("undo", 1)
    assert current(host) == "/srv/karl/releases/1.1"
    failing = switch(host, "1.1", restart="exit 7")
    assert "restart ended with 7" in failing.must("apply", 1)


def test_s18_what_runs_is_found_in_an_old_release_and_restarted_into_current(host: RealHost) -> None:
    built(host, "1.0", "1.1", use="1.0")
    host.run(f"{CTL} start karl")
    trial = Trial(
        host,
        "release-consumers",
        {**HERE, "config": "/etc/supervisor/rig.conf", "restart": f"{CTL} restart karl"},
        state=f"cat /etc/supervisor/rig.conf; {STATE}",
    )
    assert trial.recognised()
    switch(host, "1.1").must("apply")
    assert "another release: process" in Trial(host, "release-consumers", {**trial.params, "within": "0"}).must(
        "verify", 1
    )
    trial.there()
    trial.back()
    # Cut off in the middle, whatever runs by then runs out of the release in use after another try.
    tag, folder = "1.1", "readlink /proc/$(supervisorctl -c /etc/supervisor/rig.conf pid karl)/cwd"
    for op, shares in (("apply", (0.2, 0.8)), ("undo", (0.6,))):
        for share in shares:
            tag = "1.0" if tag == "1.1" else "1.1"
            switch(host, tag).must("apply")
            trial.capture()
            seen = trial.seen()
            assert host.run(folder) != f"/srv/karl/releases/{tag}\n"
            trial.cut(op, 4 + int(share * REACH[op]))
            assert trial.ask("probe").status in {0, 1}
            trial.must(op)
            assert host.run(folder) == f"/srv/karl/releases/{tag}\n"
            trial.must("verify" if op == "apply" else "verify_undo")
            trial.same(seen, f"{op} changes what it only looks at")
    if tag == "1.0":
        switch(host, "1.1").must("apply")
        trial.must("apply")
    strange = {
        "releases": (EVIL, "/srv/karl/releases\n/srv"),
        "config": (EVIL, f"/etc/{EVIL}", f"/etc/supervisor/rig.conf\n{EVIL}"),
        "current": (EVIL, "/srv/karl/current\n"),
        "processes": (EVIL, "1\n2"),
        "within": (EVIL, "1\n2"),
        "others": (EVIL, "ignore\n"),
        "test": ("exit 1", "false\ntrue"),
    }
    for param, values in strange.items():
        for value in values:
            bad = Trial(host, "release-consumers", {**trial.params, param: value}, trial.state)
            bad.must("apply", 1)
            if param not in {"config", "test"}:
                assert {bad.ask(op).status for op in ("probe", "verify", "verify_undo")} == {2}, (param, value)
                bad.must("undo", 1)
    # A text of the plan is run as it stands, and nothing else is.
    told = Trial(
        host,
        "release-consumers",
        {**trial.params, "restart": f"printf %s {quote(EVIL)} > /srv/karl/said; {CTL} restart karl"},
    )
    switch(host, "1.0").must("apply")
    told.there()
    assert host.run("cat /srv/karl/said; rm /srv/karl/said") == EVIL
    switch(host, "1.1").must("apply")
    trial.must("apply")
    assert not evil_left(host)
    broken = Trial(host, "release-consumers", {**trial.params, "test": "echo no such option; false"}, trial.state)
    switch(host, "1.0").must("apply")
    broken.turned_away("nothing is restarted", f"{CTL} pid karl")
    host.run("cp /etc/supervisor/rig.conf /srv/rig.conf; sed -i s,karl/current,karl/releases/1.0, /srv/rig.conf")
    fixed = Trial(host, "release-consumers", {**trial.params, "config": "/srv/rig.conf"})
    assert "names one release" in fixed.must("apply", 1)
    host.run(f"{CTL} stop karl")
    empty = Trial(host, "release-consumers", {**trial.params, "within": "0", "restart": ":"})
    assert "0 run out of" in empty.must("apply", 1)


def test_s19_what_is_written_inside_a_release_is_found(host: RealHost) -> None:
    built(host, "1.0", use="1.0")
    look = Trial(host, "release-mutable", {"release": "/srv/karl/current", "allow": "*.pyc\n./cache/*"}, state=STATE)
    look.there_and_back(already=False)
    host.run("cd /srv/karl/current; mkdir cache logs; touch cache/x a.pyc 'logs/a b.log'")
    assert "logs/a b.log" in look.must("apply", 1)
    host.run("cd /srv/karl/current; rm -r logs; ( exec >> version 2>&1; sleep 60 & echo $! > /srv/pid )")
    assert "open for writing" in look.must("verify", 1)
    host.run("kill $(cat /srv/pid)")
    host.run("cd /srv/karl/current; python3 -c 'import socket; socket.socket(1).bind(\"s ock\")'")
    assert "s ock" in look.must("verify", 1)
    assert "no mark" in Trial(host, "release-mutable", {"release": "/srv"}).must("apply", 1)


def test_s19_shared_paths_lie_outside_of_the_release(host: RealHost) -> None:
    built(host, "1.0")
    host.run("cd /srv/karl/releases/1.0; mkdir etc; echo first > etc/karl.ini; ln -s /nowhere data")
    trial = Trial(
        host,
        "release-shared",
        {
            "release": "/srv/karl/releases/1.0",
            "shared": "/srv/shared/karl",
            "paths": f"log\netc/karl.ini\ndata\nvar/{EVIL}",
        },
        state=STATE,
    )
    trial.there_and_back()
    trial.cut_anywhere()
    trial.there()
    host.run("echo a line > /srv/karl/releases/1.0/log/karl.log; echo more >> /srv/karl/releases/1.0/etc/karl.ini")
    assert "kept: /srv/shared/karl/log /srv/shared/karl/etc/karl.ini" in trial.must("undo")
    assert host.run("cat /srv/shared/karl/log/karl.log /srv/karl/releases/1.0/etc/karl.ini") == "a line\nfirst\n"
    for bad in ("../up", "/srv", "a/../../b"):
        out = Trial(host, "release-shared", {**trial.params, "paths": bad}, state=STATE)
        assert "no path inside" in out.must("apply", 1)
    trial.refuses(only=("release", "shared"))
    inside = Trial(host, "release-shared", {**trial.params, "shared": "/srv/karl/releases/1.0/shared"})
    assert "inside the release" in inside.must("apply", 1)


def test_old_releases_go_but_never_the_one_in_use_or_the_recorded_one(host: RealHost) -> None:
    tags = ("1.0", "1.1", "1.2", "1.3", "1.4")
    built(host, *tags, use="1.0")
    switch(host, "1.1").must("apply")
    for age, tag in enumerate(tags):
        host.run(f"sed -i 's/^at .*/at {1000 + age}/' /srv/karl/releases/{tag}/.built")
    host.run(
        "mkdir /srv/karl/releases/by-hand; cd /srv/karl/releases/1.2 && sleep 60 > /dev/null 2>&1 & sleep 0.1; echo $! > /srv/pid"
    )
    keep = Trial(host, "release-keep", {**HERE, "keep": "1"}, state=STATE)
    keep.there()
    assert host.run("ls /srv/karl/releases").split() == ["1.0", "1.1", "1.2", "1.4", "by-hand"]
    assert "gone for good, build the tag again: 1.3" in keep.must("undo", 1)
    host.run("kill $(cat /srv/pid)")
    keep.captured = {}
    keep.there()
    assert host.run("ls -A /srv/karl/releases").split() == [".previous", "1.0", "1.1", "1.4", "by-hand"]
    for param, value in (("keep", "0"), ("keep", "-1"), ("keep", ""), ("keep", EVIL), ("keep", "1\n2"),
                         ("releases", EVIL), ("releases", f"/srv/{EVIL}"), ("releases", "/srv/karl/releases\n"),
                         ("current", EVIL), ("current", "/srv/karl/current\n"), ("others", EVIL), ("others", "ignore\n")):  # fmt: skip
        bad = Trial(host, "release-keep", {**HERE, "keep": "1", param: value}, state=STATE)
        seen = bad.seen()
        assert {bad.ask(op).status for op in ("probe", "verify")} == {2}, (param, value)
        for op in ("capture", "apply"):
            bad.must(op, 1)
        bad.same(seen, f"{param} {value} removes something")
    host.run("rm /srv/karl/current")
    assert "nothing is removed" in keep.must("apply", 1)
    assert not evil_left(host)


def test_what_a_removal_that_was_cut_off_had_only_put_aside_comes_back(host: RealHost) -> None:
    """Whatever is cut off: under its name there is a whole release or none, undo brings back what is whole and names the rest."""
    place = f"/srv/{EVIL}"
    built(host, "1.0", "1.1", "1.2", "1.3", use="1.3")
    host.run(
        f"cd /srv/karl; for tag in 0 1 2 3; do sed -i s/^at.*/at\\ 100$tag/ releases/1.$tag/.built; done; mkdir -p {quote(place)} && cp -a releases /srv/whole"
    )
    # How many commands it takes does not depend on what else runs on the host.
    params = {"releases": f"{place}/all", "current": f"{place}/in use", "keep": "1", "others": "ignore"}
    keep = Trial(host, "release-keep", params, state=f"cd {quote(place)}; find . -printf '%y %m %p %l\\n' | sort; find . -type f -exec sha256sum {{}} + | sort")  # fmt: skip

    def anew() -> str:
        host.run(f"cd {quote(place)}; rm -rf all; cp -a /srv/whole all; ln -sfn all/1.3 'in use'")
        keep.captured = {}
        keep.capture()
        return keep.seen()

    anew()
    length = keep.traced("apply")
    assert host.run(f"ls {quote(place)}/all") == "1.3\n"
    every = os.environ.get("COCKPIT_CUTS") == "all"
    gone: set[int] = set()
    for point in range(1, length) if every else (length // 3, length - 30, length - 16, length - 8, length - 4):
        before = anew()
        keep.cut("apply", point)
        names = host.run(
            f"cd {quote(place)}/all; for one in 1.*; do [ -r $one/.built ] && [ -r $one/version ] && echo $one; done"
        )
        assert names == host.run(f"ls {quote(place)}/all"), "half a release stands under its name"
        done = keep.recognised()
        said = keep.ask("undo")
        left = host.run(f"ls {quote(place)}/all").split()
        if said.status == 0:
            keep.same(before, f"cut after {point} commands is not taken back")
            keep.must("verify_undo")
        else:
            assert said.said.split("again:")[1].split() == [tag for tag in ("1.2", "1.1", "1.0") if tag not in left]
            assert keep.ask("verify_undo").status == 1
        gone.add(4 - len(left))
        assert not done or left == ["1.3"]
        keep.must("apply")
        keep.must("verify")
        assert host.run(f"ls -A {quote(place)}/all") == "1.3\n"
    assert len(gone) > 2, "some cuts leave all, some none"
    # As after a cut of apply between its two strokes; undo is cut off in its turn.
    before = anew()
    host.run(f"cd {quote(place)}/all; for one in 1.0 1.1 1.2; do mv $one .$one.removing; done")
    assert not keep.recognised()
    for point in (4, 9) if not every else range(1, 12):
        keep.cut("undo", point)
    keep.must("undo")
    keep.must("verify_undo")
    keep.same(before, "what was put aside does not come back")
    # A tag that was built again after half of its removal.
    host.run(f"cd {quote(place)}/all; cp -a 1.0 .1.0.removing; rm .1.0.removing/.built")
    keep.must("undo")
    keep.must("apply")
    assert host.run(f"ls -A {quote(place)}/all") == "1.3\n"
    assert not evil_left(host)


AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups dash"


def test_who_may_not_see_what_others_run_removes_and_confirms_nothing(host: RealHost) -> None:
    """To anybody but root the folders that others work in are hidden."""
    built(host, "1.0", "1.1", "1.2", use="1.2")
    host.run("chown -R nobody /srv/karl; cd /srv/karl/releases/1.0 && sleep 60 > /dev/null 2>&1 & echo $! > /srv/pid")
    keep = Trial(host, "release-keep", {**HERE, "keep": "1"}, state=STATE)
    host.run("echo /srv/karl/current > /srv/config")
    given = {"config": "/srv/config", "restart": "touch /srv/restarted", "processes": "0", "within": "0"}
    look = Trial(host, "release-consumers", {**HERE, **given})
    before = keep.seen()
    for trial in (keep, look):
        for op in ("capture", "apply"):
            assert "cannot be looked into by this login" in trial.must(op, 1, AS_NOBODY)
        for op in ("probe", "verify"):
            assert "become root" in trial.must(op, 2, AS_NOBODY)
    assert look.ask("verify_undo", AS_NOBODY).status == 2
    keep.same(before, "somebody who cannot see who uses it removes it")
    assert not host.run("ls /srv/restarted", check=False)
    # Root sees it.
    assert "another release" in look.must("verify", 1)
    keep.capture()
    keep.must("apply")
    assert host.run("ls /srv/karl/releases").split() == ["1.0", "1.2"]
    host.run("kill $(cat /srv/pid)")
    inside = {"release": "/srv/karl/releases/1.2"}
    written = Trial(host, "release-mutable", inside)
    assert "cannot be looked into by this login" in written.must("apply", 1, AS_NOBODY)
    assert "become root" in written.must("verify", 2, AS_NOBODY)
    assert "and no process has" in written.must("verify")
    written.params = {**inside, "others": "ignore"}
    assert "that can be seen" in written.must("verify", 0, AS_NOBODY)
    written.params = {**inside, "others": EVIL}
    assert "refuse or ignore" in written.must("apply", 1)
    # Who says so goes on with what can be seen.
    accepted = replace(keep, params={**keep.params, "others": "ignore"}, captured={})
    accepted.capture(AS_NOBODY)
    accepted.must("apply", 0, AS_NOBODY)
    accepted.must("verify", 0, AS_NOBODY)
    assert host.run("ls /srv/karl/releases").split() == ["1.2"]


@pytest.mark.parametrize("mode", [None, "production"])
def test_s6_an_application_is_put_into_a_mode_by_its_own_switch_and_back(host: RealHost, mode: str | None) -> None:
    host.run("mkdir /srv/karl/osf")
    app.serve(host, "new", port=8080 if mode is None else 8081)
    if mode is not None:
        host.run(f"cd /srv/karl; echo {mode} > osf.mode; chown www-data osf.mode; chmod 640 osf.mode")
    params = {
        "file": "/srv/karl/osf.mode",
        "mode": "staging",
        "name": "osf.karl.test",
        "says": "staging",
        "app": f"http://127.0.0.1:{8080 if mode is None else 8081}",
    }
    folder = Path(str(resources.files("cockpit"))) / "examples/release/recipes"
    trial = Trial(host, "karl-mode", params, "ls -la --time-style=+ /srv/karl; cat /srv/karl/*.mode", folder=folder)
    trial.there_and_back()
    trial.cut_anywhere()
    for param, value, status in (
        ("mode", EVIL, 2),
        ("file", f"/srv/{EVIL}/mode", 2),
        ("app", "http://127.0.0.1:9", 2),
        ("says", "production", 1),
        ("name", f"osf.karl.test {EVIL}", 1),
    ):
        assert replace(trial, params={**params, param: value}).must("verify", status)
    assert not evil_left(host)
