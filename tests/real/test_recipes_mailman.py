"""Mailman's lists are written down and exported: what belongs to them, and nothing when it cannot be had whole. What was brought
over is served by a Mailman that init's recipes start, and goes from one kind of database into another."""

from __future__ import annotations

import pytest

from tests.real.lists import BOTH, CAFE, NEWS, broken, carried, exported, new_host, old_host
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until
from tests.real.world.databases import postgres, psql
from tests.real.world.mailman import mailman_python

pytestmark = needs_world


@pytest.fixture(scope="module")
def etch(rig: Rig) -> RealHost:
    return old_host(rig)


@pytest.fixture(scope="module")
def lun(rig: Rig) -> RealHost:
    return new_host(rig)


def test_lists_are_written_down_and_taken_back(etch: RealHost) -> None:
    file = f"/root/{EVIL.replace('/', '|')}"
    figures = Trial(etch, "mailman-figures", {"figures": file}, "ls -la --time-style=+ /root")
    figures.there_and_back()
    figures.cut_anywhere()
    figures.there()
    assert "2 lists with 3 members, 1 held and 3 archived messages" in figures.must("verify")
    assert etch.run("stat -c %a /root/it*") == "600\n"
    mailman_python(etch, f"lists.get({CAFE!r}).description = 'another'")
    assert "not those" in figures.must("verify", 1)
    mailman_python(etch, f"lists.get({CAFE!r}).description = {EVIL!r}")
    figures.must("verify")
    figures.back()
    nowhere = Trial(etch, "mailman-figures", {"figures": f"{file}/figures"})
    assert nowhere.ask("capture").said == nowhere.must("apply", 1) == f"there is no folder {file}\n"
    figures.captured = {}
    figures.capture()
    figures.refuses()
    evil = Trial(etch, "mailman-figures", {"figures": file, "lists": f"{CAFE} {EVIL}"})
    assert "there is no list it's" in evil.must("apply", 1)
    assert not evil_left(etch)


def test_an_export_is_whole_or_it_is_not_there(etch: RealHost) -> None:
    export = Trial(etch, "mailman-export", {"file": f"/root/{EVIL.replace('/', '|')}"}, "ls -la --time-style=+ /root")
    before = export.seen()
    export.there_and_back()
    export.cut_anywhere()
    export.captured = {}
    export.capture()
    export.refuses()
    # What Mailman has not sent yet would stay behind.
    mailman_python(etch, f"config.switchboards['out'].enqueue(Message(), listid=lists.get({CAFE!r}).list_id)")
    export.capture()
    assert "queues: 1 in out" in export.must("apply", 1)
    Trial(etch, "mailman-export", {**export.params, "lists": "news@lists.test"}).must("apply")
    Trial(etch, "mailman-export", {**export.params, "queued": "leave"}).must("apply")
    etch.run("rm /var/lib/mailman3/queue/out/*")
    export.must("undo")
    nowhere = Trial(etch, "mailman-export", {"file": "/root/no/such"})
    assert nowhere.ask("capture").said == nowhere.must("apply", 1) == "there is no folder /root/no\n"
    assert "no list" in Trial(etch, "mailman-export", {**export.params, "lists": EVIL}).must("apply", 1)
    with broken(etch):
        assert "Mailman cannot be asked" in export.must("apply", 1)
    assert export.seen() == before
    assert not evil_left(etch)


def test_s38_init_s_recipes_start_and_stop_mailman_which_serves_what_was_brought(etch: RealHost, lun: RealHost) -> None:
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun)}, BOTH)
    before = copy.seen()
    copy.capture()
    copy.must("apply")
    lun.run("update-rc.d mailman3 disable")
    service = {"name": "mailman3", "port": "8024"}
    start = Trial(lun, "sysv-start", service, "ss -Hlnt 'sport = :8024' | wc -l; ls /etc/rc2.d | grep mailman3")
    start.there()
    words = f"--protocol LMTP --server 127.0.0.1:8024 --from ann@lists.test --to {NEWS} --h-Message-Id '<first@here>'"
    lun.run(f"swaks --silent {words}")
    archive = f"/var/lib/mailman3/archives/prototype/{NEWS}/new"
    until(lambda: lun.run(f"grep -l first@here {archive}/*", check=False), lambda: f"a post on {NEWS}", 60)
    copy.must("verify")
    stop = Trial(lun, "sysv-stop", {**service, "process": "python3"}, start.state)
    stop.there()
    assert not lun.run("pgrep -u list", check=False)
    start.back()
    copy.must("undo")
    assert copy.seen() == before


def test_lists_go_into_another_kind_of_database_and_back(etch: RealHost, lun: RealHost) -> None:
    config = "/etc/mailman3/pg.cfg"
    postgres(lun)
    psql(lun, "create role list login; create database mailman owner list")
    lun.run(
        f"sed 's,/var/lib/mailman3,/var/lib/mailman3pg,' /etc/mailman3/mailman.cfg >{config}; mkdir /var/lib/mailman3pg;"
        "chown list /var/lib/mailman3pg;"
        f"printf '[database]\\nclass: mailman.database.postgresql.PostgreSQLDatabase\\nurl: postgresql:///mailman\\n' >>{config};"
        f"cd /; setpriv --reuid=list --regid=list --init-groups mailman -C {config} lists"
    )
    dump = "setpriv --reuid=postgres --regid=postgres --init-groups pg_dump --inserts mailman | grep INSERT | sort"
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun), "config": config}, f"cd /; {dump}")
    before = copy.seen()
    copy.there()
    copy.back()
    assert copy.seen() == before
    copy.capture()
    copy.must("apply")
    ours, theirs = ({"figures": f"/root/{host.name}.figures"} for host in (lun, etch))
    Trial(etch, "mailman-figures", theirs).must("apply")
    carried(etch, lun, theirs["figures"])
    Trial(lun, "mailman-figures", {**ours, "config": config}).must("apply")
    assert lun.run(f"cat {ours['figures']}") == lun.run(f"cat {theirs['figures']}")
    Trial(lun, "mailman-export", {"file": "/root/back.tar", "config": config}).must("apply")
    back = Trial(lun, "mailman-copy", {"file": "/root/back.tar"})
    back.there()
    Trial(lun, "mailman-counts", theirs).must("verify")
    back.back()
