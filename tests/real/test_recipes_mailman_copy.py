"""Lists are brought from one Mailman into another, compared, served there, and taken away again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tests.real.lists import BOTH, CAFE, LIST_ID, WORKS, broken, carried, exported, new_host, old_host
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until, write
from tests.real.world.mailman import mailman_python

pytestmark = needs_world


@pytest.fixture(scope="module")
def etch(rig: Rig) -> RealHost:
    return old_host(rig)


@pytest.fixture(scope="module")
def lun(rig: Rig) -> RealHost:
    return new_host(rig)


def test_s32_lists_are_brought_over_and_taken_away_again(etch: RealHost, lun: RealHost) -> None:
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun)}, BOTH)
    before = copy.seen()
    copy.there_and_back()
    copy.cut_anywhere()
    with broken(lun):
        assert "Mailman cannot be asked" in copy.must("probe", 2)
        assert "Mailman cannot be asked" in copy.must("apply", 2)
    assert copy.seen() == before
    lun.run("head -c 30000 /root/lists.tar >/root/cut.tar; mkdir /var/lib/mailman3/lists/" + LIST_ID)
    cut = Trial(lun, "mailman-copy", {"file": "/root/cut.tar"}, BOTH)
    cut.capture()
    cut.must("apply", 2)
    cut.must("undo")
    assert copy.seen() == before


def test_a_copy_that_ends_in_the_middle_is_finished_or_taken_back(etch: RealHost, lun: RealHost) -> None:
    lun.run("cp /etc/mailman3/mailman.cfg /etc/mailman3/postfix.cfg")
    write(lun, "/usr/local/bin/postmap-or-not", "#!/bin/sh\n. /etc/mailman3/way; $postmap", "755")
    write(lun, "/etc/mailman3/mta.cfg", "[postfix]\npostmap_command: postmap-or-not\ntransport_file_type: hash")
    lun.run(
        "sed -i 's/^incoming: .*/incoming: mailman.mta.postfix.LMTP\\nconfiguration: \\/etc\\/mailman3\\/mta.cfg/' /etc/mailman3/postfix.cfg"
    )
    params = {"file": exported(etch, lun), "config": "/etc/mailman3/postfix.cfg"}
    copy = Trial(lun, "mailman-copy", params, f"{BOTH} | grep -v journal; grep -v '^#' data/postfix_*")
    lun.run("echo postmap=true >/etc/mailman3/way")
    lun.run("cd /tmp; setpriv --reuid=list --regid=list --init-groups mailman -C /etc/mailman3/postfix.cfg aliases")
    lun.run("echo postmap=false >/etc/mailman3/way")
    before = copy.seen()
    for again in ("apply", "undo"):
        # Ended as soon as it has noted what it will make.
        copy.capture()
        with copy._file(copy.script("apply")) as file:
            process = copy._start(f"dash {file}")
            until(lambda: lun.run("ls /var/lib/mailman3/data/cutover-*.json", check=False), lambda: "a ledger", 120)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        copy.recognised()
        if again == "apply":
            # The lists are there, but the mail server is not told of them.
            assert "RuntimeError" in copy.must("apply", 2)
            assert copy.recognised()
            lun.run("echo postmap=true >/etc/mailman3/way")
            copy.must("apply")
            copy.must("verify")
            assert CAFE in lun.run("cat /var/lib/mailman3/data/postfix_lmtp")
            lun.run("echo postmap=false >/etc/mailman3/way")
            assert "RuntimeError" in copy.must("undo", 2)
            lun.run("echo postmap=true >/etc/mailman3/way")
        copy.must("undo")
        copy.must("verify_undo")
        assert copy.seen() == before


def test_s32_what_was_brought_over_is_the_same_and_at_work(etch: RealHost, lun: RealHost) -> None:
    figures = Trial(etch, "mailman-figures", {"figures": "/root/figures"})
    figures.capture()
    figures.must("apply")
    carried(etch, lun, "/root/figures")
    counts = Trial(lun, "mailman-counts", {"figures": "/root/figures"}, BOTH)
    assert f"{CAFE} is not here; news@lists.test is not here" in counts.must("verify", 1)
    # What may be lost is a name, whatever it looks like: nothing is lost here.
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun), "accepted": f"{EVIL}\n{EVIL}"})
    copy.there()
    counts.there_and_back(already=False)
    assert "2 lists with 3 members, 1 held and 3 archived messages are the same" in counts.must("verify")
    # Somebody joins, and somebody's choice is another one.
    mailman_python(lun, f"lists.get({CAFE!r}).subscribe(users.create_address('fay@lists.test'))")
    assert "1 more" in counts.must("verify")
    assert "1 more" in copy.must("verify")
    mailman_python(lun, f"lists.get({CAFE!r}).members.get_member('bo@lists.test').preferences.delivery_status = None")
    mailman_python(lun, f"lists.get({CAFE!r}).description = 'another'")
    lun.run("cd /var/lib/mailman3/archives/prototype/cafe*/new; set -- *; echo more >>$1; rm $2")
    said = counts.must("verify", 1)
    for word in (
        "description is",
        "bo@lists.test has delivery_status 2 there, 1 here",
        "2 archived messages are missing",
    ):
        assert word in said
    assert "description is another one here" in copy.must("verify", 1)
    again = Trial(lun, "mailman-copy", {"file": exported(etch, lun, "/root/news.tar", lists="news@lists.test")})
    assert "news@lists.test is here already" in again.ask("capture").said
    assert "news@lists.test is here already" in again.must("apply", 1)
    assert mailman_python(lun, WORKS).split() == ["True"] * 6
    for recipe, given in (("mailman-copy", copy.params), ("mailman-counts", counts.params)):
        for param in (next(iter(given)), "config", "account", "python"):
            odd = Trial(lun, recipe, {**given, param: f"/root/{EVIL}\n{EVIL}"}, BOTH)
            for op in ("apply", "verify"):
                assert odd.ask(op).status, (recipe, op, param)
    # What is accepted as lost is a name, whatever it looks like: nothing is lost here.
    Trial(lun, "mailman-counts", {**counts.params, "accepted": f"{EVIL}\n{EVIL}"}).must("verify", 1)
    assert not evil_left(lun)
    copy.must("undo")
    copy.must("verify_undo")
    counts.must("verify", 1)
    Trial(lun, "mailman-counts", {"figures": "/root/nothing"}).must("verify", 2)
    lun.run("sed -i '$d' /root/figures")
    assert "not whole" in counts.must("verify", 2)
