"""Stragglers in an old mailbox are forwarded: each once, whatever is cut off, and unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cockpit.plan.model import Op
from tests.real.mailing import ANN, PATIENCE, ZONE, arrived, hand_in, refuses_evil
from tests.real.rig import RealHost, rigged
from tests.real.trial import SHELLS, Trial
from tests.real.world import needs_world, until, write
from tests.real.world.mail import postfix

pytestmark = needs_world

BOX, MAILDIR = "/srv/ann box", "/srv/Maildir"
SINCE = 1767225600  # 2026-01-01 00:00:00 UTC
HEADERS = "From: Eve <eve@far.test>\nTo: Ann <ann@example.test>\nMessage-ID: <{id}@far.test>\nSubject: {id}\n"
BODY = "Dear Ann,\n\n  quoted:\n>From here it was escaped.\n\nFrom: not an envelope\n.\n\u00e9 $(touch /tmp/owned)\n\n\nYours\n"


def mbox(*ids: str, day: int = 2) -> str:
    added = f"Return-Path: <eve@far.test>\nX-Original-To: {ANN}\nDelivered-To: {ANN}\nStatus: RO\n"
    return "".join(
        f"From eve@far.test Fri Jan {day:2d} 12:00:00 2026\n{added}{HEADERS.format(id=id)}\n{BODY}\n" for id in ids
    )


class Pair:
    """Old, which hands the domain on to new."""

    def __init__(self, old: RealHost, new: RealHost) -> None:
        self.old, self.new = old, new

    def sweep(self, box: str = BOX, ledger: str = "") -> Trial:
        params = {"box": box, "address": ANN, "since": str(SINCE)} | ({"ledger": ledger} if ledger else {})
        return Trial(self.old, "mail-sweep", params, state=f"cksum '{BOX}'; find /srv /root /tmp ! -name '*.cksum'")

    def fill(self, *ids: str) -> None:
        early = mbox("early").replace("2026", "2025", 1)
        self.old.run(f"cat > '{BOX}' <<'END_OF_BOX'\n{early}{mbox(*ids)}END_OF_BOX")

    def all_arrived(self, *ids: str) -> None:
        until(lambda: all(arrived(self.new, id) for id in ids), lambda: self.old.run("mailq"), PATIENCE)
        until(lambda: "empty" in self.old.run("mailq"), lambda: self.old.run("mailq"), PATIENCE)
        assert [arrived(self.new, id) for id in ids] == [1] * len(ids)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with rigged(tmp_path_factory.mktemp("mail")) as rig:
        made = Pair(rig.host("old"), rig.host("new"))
        postfix(made.new, f"mx-new.{ZONE}", ZONE, ("ann",))
        postfix(made.old, f"mx-old.{ZONE}", ZONE, ("ann",), transports={ZONE: f"smtp:[{made.new.address}]"})
        yield made


def test_stragglers_arrive_once_unchanged_under_any_shell(pair: Pair) -> None:
    ids: list[str] = []
    for number, shell in enumerate(SHELLS):
        ids += [f"a{number}", f"b{number}"]
        pair.fill(*ids)
        sweep = pair.sweep()
        assert not sweep.recognised(shell)
        sweep.capture(shell)
        assert sweep.captured["strayed"] == "2"
        sweep.must("apply", 0, shell)
        sweep.must("verify", 0, shell)
        assert sweep.recognised(shell)
        before = sweep.seen()
        sweep.must("apply", 0, shell)
        sweep.back(shell)
        assert sweep.seen() == before
    pair.all_arrived(*ids)
    assert arrived(pair.new, "early") == 0
    got = pair.new.file("/var/mail/ann").read_bytes().decode()
    assert BODY in got
    assert "X-Original-To: ann@example.test\nDelivered-To: ann@example.test\nReceived:" in got, "delivered by new alone"
    assert got.count("Return-Path: <eve@far.test>") == len(ids)
    assert got.count("Status: RO") == 0


def test_what_is_cut_off_goes_once(pair: Pair) -> None:
    ids = [f"cut{number}" for number in range(4)]
    pair.fill(*ids)
    sweep = pair.sweep(ledger="/root/cut.ledger")
    sweep.capture()
    sweep.cut("apply", 40)
    sweep.ask("probe")
    points = iter(range(75, 400, 35))
    while sweep.killed("apply", point := next(points)):
        sweep.ask("probe")
    assert point > 100, "the first cuts leave something to do"
    sweep.must("apply")
    sweep.must("verify")
    pair.all_arrived(*ids)
    sweep.cut("undo", 9)
    sweep.must("undo")
    sweep.must("verify_undo")
    sweep.must("verify")


def copies(host: RealHost) -> list[str]:
    """Where on the host messages lie, but for the mailbox."""
    return host.run("grep -rlF far.test /tmp /root /var/tmp /run 2>/dev/null; :").split()


@pytest.mark.parametrize("op", ["probe", "capture", "apply", "verify", "undo"])
def test_what_is_cut_off_leaves_nobody_s_mail_about(pair: Pair, op: Op) -> None:
    """The mailbox is cut up in a folder of root's own, which the next call removes, also where that takes all back."""
    pair.fill("left0", "left1")
    sweep = pair.sweep(ledger=f"/root/{op}.ledger")
    before = sweep.seen()
    sweep.capture()
    for mend in ("undo", "probe"):
        if op == "undo":
            sweep.cut("apply", 40)
            sweep.cut("undo", 9)
        else:
            # While the mailbox is cut up.
            for point in range(24, 90, 4):
                sweep.cut(op, point)
                if held := copies(pair.old):
                    break
            assert held, "the cut leaves something to remove"
            assert not [place for place in held if not place.startswith("/root/.cockpit-sweep-")]
            assert pair.old.run("stat -c %a /root/.cockpit-sweep-*").split() == ["700"]
        assert sweep.ask(mend).status in {0, 1}
        assert not copies(pair.old)
    sweep.must("undo")
    sweep.must("verify_undo")
    pair.old.run(f"rm -f /root/{op}.ledger")
    sweep.same(before, "a sweep that was cut off leaves something")


def test_what_is_still_on_its_way_into_the_mailbox_is_waited_for(pair: Pair) -> None:
    pair.old.run(
        f"postconf -e 'transport_maps = inline:{{ {ZONE}=smtp:[{pair.new.address}], bob@{ZONE}=local }}'; useradd -m bob"
    )
    pair.old.run("postconf -e deliver_lock_attempts=1; postfix reload 2>/dev/null; echo held > /var/mail/bob.lock")
    hand_in(pair.old, "late", f"bob@{ZONE}")
    until(lambda: "lock" in pair.old.run("mailq"), lambda: pair.old.run("mailq; cat /var/log/mail.log"), PATIENCE)
    pair.old.run("touch /var/mail/bob; chown bob /var/mail/bob")
    sweep = pair.sweep("/var/mail/bob", ledger="/root/late.ledger")
    assert not sweep.recognised()
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(sweep.must, "apply")
        until(lambda: "sleep 0.2" in pair.old.run("ps -eo args"), lambda: f"it waits: {applied}", PATIENCE)
        assert not applied.done()
        pair.old.run("rm /var/mail/bob.lock")
        assert "1 forwarded" in applied.result(120)
    sweep.must("verify")
    assert sweep.recognised()
    pair.all_arrived("late")


def test_two_alike_are_two(pair: Pair) -> None:
    pair.fill("twin", "twin")
    sweep = pair.sweep(ledger="/root/twin.ledger")
    sweep.there()
    until(lambda: arrived(pair.new, "twin") == 2, lambda: pair.old.run("mailq"), PATIENCE)


def test_what_is_not_in_the_copy_that_went_over_is_forwarded_whatever_its_time_and_whatever_was_read(
    pair: Pair,
) -> None:
    pair.old.run(f"cat > /srv/copy <<'END_OF_BOX'\n{mbox('gone', 'same', 'same')}END_OF_BOX")
    pair.old.run("rm -f /srv/box; cp /srv/copy /srv/box")
    given = {"box": "/srv/box", "address": ANN, "copied": "/srv/copy", "ledger": "/root/copy.ledger"}
    sweep = replace(pair.sweep(), params=given)
    assert sweep.recognised()
    began_before = mbox("slow", "same").replace("2026", "2025")
    pair.old.run(f"cat >> /srv/box <<'END_OF_BOX'\n{began_before}END_OF_BOX")
    # Somebody reads one and deletes another on the old host all the same.
    read = replace(sweep, params={**given, "box": "/srv/read"})
    pair.old.run("awk '/^From /{n++} n!=1' /srv/box | sed '0,/^Status: RO/s//Status: O/' > /srv/read")
    read.capture()
    assert read.captured["strayed"] == "2"
    sweep.there()
    assert sweep.captured["strayed"] == "2"
    pair.all_arrived("slow", "same")
    assert arrived(pair.new, "gone") == 0
    for bad in ({"copied": "/srv/none"}, {"since": str(SINCE)}, {"copied": ""}):
        assert "not one time or copy" in replace(sweep, params={**given, **bad}).must("apply", 2)


def test_a_maildir_is_swept_by_the_times_in_its_names(pair: Pair) -> None:
    pair.old.run(f"mkdir -p {MAILDIR}/new {MAILDIR}/cur {MAILDIR}/tmp")
    for place, stamp, id in (
        ("new", SINCE + 5, "inNew"), ("cur", SINCE + 6, "inCur"), ("cur", SINCE - 5, "tooEarly")
    ):  # fmt: skip
        flags = ":2,S" if place == "cur" else ""
        text = f"Return-Path: <eve@far.test>\n{HEADERS.format(id=id)}\n{BODY}"
        write(pair.old, f"{MAILDIR}/{place}/{stamp}.M1P2.old{flags}", text)
    sweep = pair.sweep(MAILDIR)
    sweep.there()
    pair.old.run(f"cd {MAILDIR}; mv new/* cur/{SINCE + 5}.M1P2.old:2,")
    assert sweep.recognised(), "a message that was read meanwhile is another one"
    pair.all_arrived("inNew", "inCur")
    assert arrived(pair.new, "tooEarly") == 0


def test_a_maildir_message_that_does_not_tell_its_sender_goes_too(pair: Pair) -> None:
    folder = "/srv/bounces"
    pair.old.run(f"mkdir -p {folder}/new {folder}/cur {folder}/tmp")
    for stamp, id, sender in (
        (SINCE + 5, "noPath", ""),
        (SINCE + 6, "nullPath", "Return-Path: <>\n"),
        (SINCE + 7, "after", ""),
    ):
        write(pair.old, f"{folder}/new/{stamp}.M1P2.old", f"{sender}{HEADERS.format(id=id)}\n{BODY}")
    pair.sweep(folder, ledger="/root/bounces.ledger").there()
    pair.all_arrived("noPath", "nullPath", "after")


def test_a_message_that_was_read_after_it_went_does_not_go_again(pair: Pair) -> None:
    pair.fill("unread")
    sweep = pair.sweep(ledger="/root/unread.ledger")
    sweep.there()
    # As Dovecot does: the first message bears what it knows of the mailbox.
    pair.old.run(
        f"awk '/^From /{{n++}} n>1' '{BOX}' | sed 's/^Status: RO/X-IMAPbase: 1700000000 2\\nX-UID: 1\\nStatus: O\\nX-Status: A\\nX-Keywords: NonJunk/' >/srv/was"
    )
    assert "X-UID: 1" in pair.old.run(f"cat /srv/was >'{BOX}'; cat '{BOX}'")
    assert sweep.recognised()
    assert "are left" not in sweep.must("apply")
    sweep.must("verify")
    pair.all_arrived("unread")
    # One that is read before it goes is forwarded all the same.
    fresh = pair.sweep(ledger="/root/fresh.ledger")
    fresh.capture()
    assert fresh.captured["strayed"] == "1"


@pytest.mark.parametrize("kind", ["lockf", "flock"])
def test_a_message_that_is_being_delivered_goes_whole_or_not_yet(pair: Pair, kind: str) -> None:
    id = f"slow-{kind}"
    pair.fill(f"before-{kind}")
    half, rest = mbox(id)[:-40], mbox(id)[-40:]
    pair.old.run("rm -f /srv/go")
    program = (
        f"import fcntl, os, time\nbox = open({BOX!r}, 'a')\nfcntl.{kind}(box, fcntl.LOCK_EX)\n"
        f"box.write({half!r})\nbox.flush()\n"
        "while not os.path.exists('/srv/go'): time.sleep(0.05)\n"
        f"box.write({rest!r})\nbox.close()\n"
    )
    writer = pair.old.spawn("/usr/bin/python3", "-c", program)
    until(lambda: id in pair.old.run(f"cat '{BOX}'"), pair.old.said, PATIENCE)
    sweep = pair.sweep(ledger=f"/root/{kind}.ledger")
    assert "while nobody writes it" in sweep.must("capture", 2)
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(sweep.must, "apply")
        until(lambda: "sleep 0.1" in pair.old.run("ps -eo args"), lambda: f"it waits: {applied}", PATIENCE)
        pair.old.run("touch /srv/go")
        assert "2 forwarded" in applied.result(120)
    writer.wait()
    sweep.must("verify")
    pair.all_arrived(f"before-{kind}", id)


def test_one_that_may_have_gone_is_left_to_a_person(pair: Pair) -> None:
    pair.fill("doubt")
    sweep = pair.sweep(ledger="/root/doubt.ledger")
    sweep.there()
    pair.old.run("sed -i s/^sent/trying/ /root/doubt.ledger")
    said = sweep.ask("apply")
    assert said.status
    assert "<doubt@far.test>" in said.said
    assert arrived(pair.new, "doubt") <= 1


def test_a_host_that_delivers_to_itself_or_takes_nothing_is_noticed(pair: Pair) -> None:
    pair.fill("nowhere")
    sweep = pair.sweep(ledger="/root/nowhere.ledger")
    pair.old.run("chmod -x /usr/sbin/sendmail")
    said = sweep.ask("apply")
    pair.old.run("chmod +x /usr/sbin/sendmail")
    assert said.status
    assert "does not take" in said.said
    assert sweep.ask("verify").status == 1
    sweep.there()


def test_values_that_are_no_address_time_or_mailbox_are_refused(pair: Pair) -> None:
    pair.fill("never")
    sweep = pair.sweep(ledger="/root/never.ledger")
    refuses_evil(sweep, "address", "since", "box")
    with_copy = {"box": BOX, "address": ANN, "copied": BOX, "ledger": "/root/never.ledger"}
    refuses_evil(replace(sweep, params=with_copy), "copied")
    strange = '/srv/it\'s "odd" $(touch odd) *'
    pair.old.run(
        f"mkdir -p /srv/x; cp '{BOX}' /srv/x/box; mv /srv/x/box \"$(cat <<'END'\n{strange}\nEND\n)\"; rmdir /srv/x"
    )
    odd = replace(
        pair.sweep(),
        params={"box": strange, "address": ANN, "since": str(SINCE), "ledger": f"{strange}.book\n{strange}"},
    )
    odd.there()
    assert not pair.old.run("ls ~/odd /tmp/odd /srv/odd", check=False)
    pair.all_arrived("never")


LATE = """#!/bin/sh
[ -n "${OUT-}" ] || exec /usr/bin/awk "$@"
to=$OUT OUT=$(mktemp -d); export OUT
/usr/bin/awk "$@"
exec >&-
sleep 0.2
mv "$OUT"/* "$to"/
"""
"""An awk whose files are written after its output, as they are when the machine is busy."""


def test_a_message_is_known_again_however_late_its_file_was_written(pair: Pair) -> None:
    """Its name in the ledger is that of its text, not of what of it was on the disk just then: else it would go twice."""
    pair.fill("behind")
    write(pair.old, "/usr/local/bin/awk", LATE, "755")
    try:
        sweep = pair.sweep()
        sweep.capture()
        sweep.must("apply")
    finally:
        pair.old.run("rm /usr/local/bin/awk")
    assert sweep.recognised()
    sweep.must("verify")
    sweep.must("apply")
    sweep.back()
    pair.all_arrived("behind")
