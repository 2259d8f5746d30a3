"""The own recipes of the community server's plan: forward, twice, back, cut off in the middle, with parameters of all kinds."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import BLIND, EVIL, Trial, evil_left
from tests.real.world import listening, needs_world, until, write
from tests.real.world.dns import bind, zone_text
from tests.real.world.mailman import mailing_lists, mailman
from tests.real.world.web import nginx

pytestmark = needs_world

FOLDER = Path(str(resources.files("cockpit"))) / "examples/community/recipes"
LISTS = {"config": "/etc/mailman3/mailman.cfg", "port": "8024"}


RECEIVER = """
import threading
from aiosmtpd.controller import Controller
class Sent:
    async def handle_DATA(self, server, session, envelope):
        subject = next(line for line in envelope.content.decode().splitlines() if line.startswith("Subject"))
        with open("/run/sent", "a") as out:
            out.writelines(f"{subject} {to}\\n" for to in envelope.rcpt_tos)
        return "250 taken"
Controller(Sent(), hostname="127.0.0.1", port=25).start()
threading.Event().wait()
"""
POSTS = """
import smtplib
with smtplib.LMTP("127.0.0.1", 8024) as mailman:
    for n in range(12):
        text = f"From: ann@lists.test\\nTo: cafe@lists.test\\nSubject: {n}\\nMessage-ID: <{n}@lists.test>\\n\\nText.\\n"
        mailman.sendmail("ann@lists.test", "cafe@lists.test", text)
"""


@pytest.fixture(scope="module")
def host(rig: Rig) -> RealHost:
    """A host with lists, a web site, and a name server that leads to it."""
    host = rig.host("etch")
    mailman(host, start=False)
    mailing_lists(host, {"cafe@lists.test": ["ann@lists.test", "bo@lists.test"]})
    host.run("mkdir -p /srv/archives/cafe/new; echo one >/srv/archives/cafe/new/1")
    nginx(host, "shop.test", {"/index.html": "hello", "/whoami": "lun"}, more="add_header X-Served-By lun always; location /closed { return 503; } location /open { return 201; }")  # fmt: skip
    bind(host, zone_text({"ns1": host}, f"shop 5 IN A {host.address}", zone="test"), zone="test")
    return host


def trial(host: RealHost, recipe: str, state: str = "true", **params: str) -> Trial:
    return Trial(host, recipe, params, state=state, folder=FOLDER)


def looks(one: Trial, says: str) -> None:
    """A recipe that only looks: it finds what is so, and there is nothing to take back."""
    one.there_and_back(already=False)
    assert says in one.must("verify")


def test_s38_mailman_stops_and_starts_again(host: RealHost) -> None:
    state = "ss -Hlnt 'sport = :8024' | wc -l"
    start = trial(host, "mailman-start", state, **LISTS)
    assert not start.recognised()
    start.capture()
    start.must("apply")
    assert "takes mail" in start.must("verify")
    stop = trial(host, "mailman-stop", state, **LISTS)
    assert not stop.recognised()
    start.blind("ss", ops={**BLIND, "capture": 0, "apply": 2, "verify": 0})
    # Cut off while it ends: the same again brings it to its end, and undo has it run. What it has taken goes its way before.
    host.spawn("/usr/bin/python3", "-c", RECEIVER)
    until(lambda: listening(host, 25), lambda: host.said()[-500:])
    host.run(f"/usr/bin/python3 -c '{POSTS}'")
    stop.capture()
    stop.cut("apply", 12)
    assert "with 0 messages in its queues" in stop.must("apply")
    stop.must("verify")
    for one in (start, stop):
        one.blind("ss", ops={**BLIND, "capture": 2, "apply": 2, "verify": 2 if one is stop else 1})
    queues = "/var/lib/mailman3/queue"
    assert host.run(f"find {queues} -name '*.pck' -o -name '*.bak' | grep -v /digest/ || :") == ""
    assert host.run("sort /run/sent | uniq -c | awk '{ print $1 }' | sort -u; sort -u /run/sent | wc -l") == "1\n24\n"
    stop.must("undo")
    stop.must("verify_undo")
    assert stop.seen() == "1\n"
    start.must("undo")
    start.must("verify_undo")


def test_s26_a_script_is_disabled_and_enabled(host: RealHost) -> None:
    name = f"/srv/{EVIL.replace('/', '_')}"
    host.run(f"printf '#!/bin/sh\\n' >/srv/script; chmod 755 /srv/script; mv /srv/script {_quoted(name)}")
    one = trial(host, "script-off", "stat -c '%a %n' /srv/*", file=name)
    one.there_and_back()
    one.cut_anywhere()
    for recipe in ("script-off", "script-on"):
        trial(host, recipe, file="/srv/nothing\nhere").must("capture", 1)
    host.run(f"chmod 644 {_quoted(name)}")
    again = trial(host, "script-on", "stat -c '%a %n' /srv/*", file=name)
    again.there_and_back()
    again.cut_anywhere()
    # Its own mode counts, not that of a link to it; and who may not read a script cannot run it.
    host.run(f"chmod 711 {_quoted(name)}; ln -s {_quoted(name)} /srv/link")
    for file in (name, "/srv/link"):
        trial(host, "script-on", "stat -c '%a %n' /srv/*", file=file).there_and_back(shells=("dash",))
    trial(host, "script-off", "stat -c '%a %n' /srv/*", file="/srv/link").there_and_back(shells=("dash",))
    host.run(f"rm {_quoted(name)} /srv/link")


def test_s33_the_drill_of_read_only_leaves_nothing(host: RealHost) -> None:
    state = "ls -A /srv; grep -c drill /proc/mounts"
    one = trial(host, "freeze-drill", state, folder="/srv")
    one.there_and_back(already=False)
    one.cut_anywhere()


def test_folders_are_made_and_taken_away(host: RealHost) -> None:
    one = trial(host, "folders", "ls -lR /srv", folders="/srv/a /srv/a/b")
    one.there_and_back()
    one.cut_anywhere()
    host.run("mkdir -m 777 /srv/a; mkdir /srv/a/b")
    assert not one.recognised()
    for op in ("apply", "verify"):
        assert "/srv/a is no folder of ours that nobody else may read" in one.must(op, 1)  # type: ignore[arg-type]
    assert host.run("stat -c %a /srv/a; rm -r /srv/a") == "777\n"


def test_s34_a_tracker_goes_into_production_and_back(host: RealHost) -> None:
    name = f"/etc/{EVIL.replace('/', '_')}/mode"
    with_ = {"check": "http://127.0.0.1/whoami", "name": "shop.test", "says": "lun"}
    one = trial(host, "production-mode", "ls -lR /etc/it* 2>&1", file=name, **with_)
    one.capture()
    one.must("apply")
    one.must("verify")
    assert one.recognised()
    assert host.run(f"stat -c %a {_quoted(name)}") == "644\n"
    one.must("undo")
    # This site says the same all the time: that it still takes writes is found.
    one.must("verify_undo", 1)
    trial(host, "production-mode", file=name, **{**with_, "says": "etch"}).must("verify", 1)
    assert not evil_left(host)


def test_looks_find_what_is_so_and_what_is_not(host: RealHost) -> None:
    write(host, "/srv/data/file", "x")
    looks(trial(host, "data-sizes", paths="/srv/data /srv/archives"), "2 data sets")
    for op, status in (("apply", 1), ("verify", 2)):
        assert "is no folder" in trial(host, "data-sizes", paths="/srv/data /srv/nowhere").must(op, status)  # type: ignore[arg-type]
    # What cannot be read is a failure, wherever in the data it lies.
    host.run("mkdir -p /srv/data/closed/in; chown mover /srv/data/closed/in; chmod 700 /srv/data/closed/in")
    bare = "setpriv --bounding-set=-dac_override,-dac_read_search dash"
    for op, status in (("apply", 1), ("verify", 2)):
        said = trial(host, "data-sizes", paths="/srv/archives /srv/data").must(op, status, bare)  # type: ignore[arg-type]
        assert "/srv/data cannot be measured whole: du: " in said
        assert "closed/in" in said
    host.run("rm -r /srv/data/closed")
    # What has vanished while it looked is none.
    for why, status in (("No such file or directory", 0), ("Permission denied", 2)):
        du = f'#!/bin/sh\n/usr/bin/du "$@"\necho "du: cannot access \'./gone\': {why}" >&2\nexit 1'
        write(host, "/usr/local/bin/du", du, "755")
        said = trial(host, "data-sizes", paths="/srv/data").must("verify", status)
        assert ("1 data sets" if status == 0 else f"./gone': {why}") in said
    host.run("rm /usr/local/bin/du")
    looks(trial(host, "services-answer", ports="80 53", checks="true\ntest -d '/srv/data'"), "4 of 4")
    trial(host, "services-answer", ports="80").blind("ss", ops={"apply": 2, "verify": 2})
    assert "port 4711" in trial(host, "services-answer", ports="80 4711").must("verify", 1)
    assert "false" in trial(host, "services-answer", ports="80", checks="false").must("verify", 1)
    assert "-x" in trial(host, "services-answer", ports="80", checks="-x").must("verify", 1)
    looks(trial(host, "writes-refused", url="http://127.0.0.1/closed", name="shop.test"), "503")
    assert "answers a write with" in trial(host, "writes-refused", url="http://127.0.0.1/open", name="shop.test").must(
        "verify", 1
    )


def test_s40_each_name_is_answered_by_the_host_that_should(host: RealHost) -> None:
    good = {"resolver": "127.0.0.1", "patience": "1"}
    looks(trial(host, "names-answer", wanted="http://shop.test/ lun\nhttp://shop.test/whoami lun", **good), "2 of 2")
    assert "answered by lun" in trial(host, "names-answer", wanted="http://shop.test/ etch", **good).must("verify", 1)
    assert "no address" in trial(host, "names-answer", wanted="http://gone.test/ lun", **good).must("verify", 1)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
