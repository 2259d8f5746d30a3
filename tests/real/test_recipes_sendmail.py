"""Recipes for Sendmail on two real ones: what is held stays, goes back to old or is delivered; redirects and single addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.real.mailing import (
    ANN,
    PATIENCE,
    ZONE,
    arrived,
    delivers_only_where_it_may,
    hand_in,
    refuses_evil,
    says_no,
    until_arrived,
)
from tests.real.rig import RealHost, rigged
from tests.real.trial import Trial
from tests.real.world import listening, until, write
from tests.real.world.sendmail import DAEMON, needs_sendmail, sendmail

pytestmark = needs_sendmail

TABLE, VIRTUAL = "/etc/mail/cutover", "/etc/mail/virtusertable"
LIVE = "id=$(head -n 1 /run/sendmail.pid); echo $id; cksum </proc/$id/auxv"
"""Which daemon runs, and since when: told to read its configuration, it starts its program anew (sendmail(8), SIGHUP)."""
STATE = (
    "cd /etc/mail; ls -a; stat -c '%U %G %a %n' *; cat cutover virtusertable; makemap -u hash cutover | sort;"
    "makemap -u hash virtusertable | sort; mailq"
)


class Pair:
    """Old and new."""

    def __init__(self, old: RealHost, new: RealHost) -> None:
        self.old, self.new = old, new

    def trial(self, recipe: str, **params: str) -> Trial:
        return Trial(self.new, recipe, {"domain": ZONE, "address": ANN, **params}, state=STATE)

    def hold(self, back_to: str = "") -> Trial:
        return self.trial("sendmail-hold", back_to=back_to or self.old.address, patience="2")

    def redirect(self) -> Trial:
        return self.trial("sendmail-redirect", target=self.old.address)

    def release(self) -> Trial:
        return self.trial("sendmail-release", box="/var/mail/ann")

    def virtual(self, address: str, target: str) -> Trial:
        return Trial(self.new, "sendmail-virtual", {"address": address, "target": target}, state=STATE)


def waiting(host: RealHost) -> int:
    return int(host.run(f"mailq | grep -c '^[^0-9].*@{ZONE}>*$' || :"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with rigged(tmp_path_factory.mktemp("mail")) as rig:
        made = Pair(rig.host("old"), rig.host("new"))
        for host in (made.old, made.new):
            sendmail(host, f"mx-{host.name}.{ZONE}", ZONE, ("ann", "bob"))
            host.run(
                f"cd /etc/mail; printf '# ours\\nother.test\\tesmtp:[192.0.2.9]\\nlast.test  hold:long' > {TABLE}; chmod 640 {TABLE};"
                f"printf '# who gets what\\ninfo@{ZONE}\\tann\\n' > {VIRTUAL};"
                "for of in cutover virtusertable; do makemap hash $of < $of; done"
            )
        yield made


def test_a_hold_goes_there_and_back(pair: Pair) -> None:
    pair.hold().there_and_back()
    pair.hold().cut_anywhere()


def test_a_held_message_goes_back_to_old(pair: Pair) -> None:
    hold = pair.hold()
    before = hold.seen()
    hold.there(already=False)
    hand_in(pair.new, "handed back")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("mailq"), PATIENCE)
    hold.back()
    until_arrived(pair.old, "handed back")
    assert arrived(pair.new, "handed back") == 0
    assert hold.seen() == before


def test_a_test_message_does_not_stay_without_a_word(pair: Pair) -> None:
    hold = pair.hold()
    before = hold.seen()
    hold.there()
    for command, text, says in (
        ("sendmail", 'case $* in -bp) exit 75 ;; esac\nexec /usr/sbin/sendmail "$@"', "does not show its queue"),
        ("find", "exit 0", "stays in the queue: remove it"),
    ):
        write(pair.new, f"/usr/local/sbin/{command}", f"#!/bin/sh\n{text}", "755")
        assert says in hold.must("verify", 2)
        pair.new.run(f"rm /usr/local/sbin/{command}; find /var/spool/mqueue -type f -delete")
    hold.back()
    hold.same(before, "a test message is left")


def test_what_old_does_not_take_stays_held_and_is_delivered_when_released(pair: Pair) -> None:
    hold = pair.hold("10.213.0.250")
    before = hold.seen()
    hold.there(already=False)
    hand_in(pair.new, "stays held")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("mailq"), PATIENCE)
    said = hold.ask("undo")
    assert said.status == 1
    assert "1 of 1 could not be handed to 10.213.0.250 and stay held" in said.said
    assert hold.recognised()
    release = pair.trial("sendmail-release", box="/var/mail/ann")
    release.there()
    assert release.captured["held"] == "1"
    until_arrived(pair.new, "stays held")
    assert hold.seen() == before


def test_a_release_goes_there_and_back(pair: Pair) -> None:
    hold = pair.hold()
    before = hold.seen()
    hold.there(already=False)
    release = pair.trial("sendmail-release", box="/var/mail/ann")
    release.there_and_back()
    release.cut_anywhere()
    hold.back()
    assert hold.seen() == before


def test_a_domain_is_handed_on_and_comes_back(pair: Pair) -> None:
    redirect = pair.redirect()
    redirect.there_and_back()
    redirect.cut_anywhere()
    redirect.there(already=False)
    hand_in(pair.new, "handed on")
    until_arrived(pair.old, "handed on")
    assert arrived(pair.new, "handed on") == 0
    elsewhere = replace(redirect, params={**redirect.params, "target": "10.213.0.250"}, captured={})
    elsewhere.capture()
    elsewhere.must("apply")
    assert elsewhere.ask("verify").status == 1, "a message that goes nowhere is taken for one that arrived"
    elsewhere.must("undo")
    redirect.must("verify")
    redirect.back()


def test_a_redirect_that_is_undone_below_a_hold_is_gone_after_the_release(pair: Pair) -> None:
    hold, redirect = pair.hold(), pair.redirect()
    before = redirect.seen()
    redirect.there(already=False)
    hold.there(already=False)
    redirect.must("undo")
    hold.must("verify")
    hold.back()
    redirect.must("verify_undo")
    assert redirect.seen() == before


def test_a_domain_that_is_held_is_not_redirected(pair: Pair) -> None:
    hold, redirect = pair.hold(), pair.redirect()
    hold.there(already=False)
    redirect.capture()
    says_no(redirect, f"mail for {ZONE} is held here")
    hold.must("verify")
    hold.back()
    redirect.there_and_back()


def test_an_address_goes_elsewhere(pair: Pair) -> None:
    continued = pair.virtual(f"info@{ZONE}", f"bob@{ZONE}")
    continued.there_and_back()
    virtual = pair.virtual(f"Sales@{ZONE}", "ann")
    virtual.there_and_back()
    virtual.cut_anywhere()
    virtual.there(already=False)
    hand_in(pair.new, "for sales", to=f"sales@{ZONE}")
    until_arrived(pair.new, "for sales")
    virtual.back()


def test_values_that_are_no_domain_address_or_host_are_refused(pair: Pair) -> None:
    refuses_evil(pair.hold(), "domain", "address", "back_to", "table")
    refuses_evil(pair.redirect(), "domain", "address", "target", "table")
    refuses_evil(pair.virtual(ANN, "bob"), "address", "target", "table")
    refuses_evil(pair.hold(), "patience")
    refuses_evil(pair.release(), "domain", "address", "table", "patience", undo=False)
    delivers_only_where_it_may(pair.release())
    refuses_evil(pair.trial("sendmail-flush"), "domain", "most", "patience")
    refuses_evil(pair.trial("sendmail-queue-empty"), "domain", "quiet")


def test_a_broken_sendmail_is_left_as_it_is(pair: Pair) -> None:
    cf = "/etc/mail/sendmail.cf"
    pair.new.run(f"cp -p {cf} /run/; echo 'no setting' >> {cf}")
    for trial in (pair.hold(), pair.release(), pair.redirect(), pair.virtual(ANN, "bob")):
        trial.turned_away("refuses its configuration", LIVE, "apply", "undo")
    for trial in (pair.trial("sendmail-flush"), pair.trial("sendmail-queue-empty", quiet="0")):
        trial.turned_away("refuses its configuration", LIVE, "apply", "verify")
    pair.new.run(f"cp -p /run/sendmail.cf {cf}; sed -i 's/^Kcutover .*/Kcutover hash -o \\/etc\\/mail\\/other/' {cf}")
    for trial in (pair.hold(), pair.redirect()):
        says_no(trial, "needs the lines at the top of this recipe")
    pair.new.run(f"cp -p /run/sendmail.cf {cf}; rm /run/sendmail.cf")


def test_no_daemon_has_to_run(pair: Pair) -> None:
    """Sendmail starts anew for each message: what is handed in here is held, handed on and delivered without its daemon, too."""
    hold, virtual = pair.hold(), pair.virtual(f"Sales@{ZONE}", "ann")
    pair.new.run("kill $(head -n 1 /run/sendmail.pid)")
    until(lambda: not listening(pair.new, 25), lambda: "its end", PATIENCE)
    hold.there_and_back(shells=("dash",))
    hold.there(already=False)
    hand_in(pair.new, "without a daemon")
    release = pair.release()
    release.there(already=False)
    until_arrived(pair.new, "without a daemon")
    virtual.there_and_back(shells=("dash",))
    pair.new.spawn(*DAEMON)
    until(lambda: listening(pair.new, 25), pair.new.said, PATIENCE)


def test_a_queue_is_flushed_counted_and_seen_to_be_empty(pair: Pair) -> None:
    flush, empty, hold = pair.trial("sendmail-flush"), pair.trial("sendmail-queue-empty", quiet="1"), pair.hold()
    empty.there_and_back(already=False)
    hold.there(already=False)
    hand_in(pair.new, "deferred")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("mailq"), PATIENCE)
    assert empty.ask("verify").status == 1
    assert flush.ask("verify").status == 1
    replace(flush, params={"domain": "other.test"}).must("verify")
    replace(hold, params={"domain": ZONE, "address": ANN}).must("undo")
    flush.capture()
    flush.cut("apply", 12)
    flush.must("apply")
    until_arrived(pair.new, "deferred")
    flush.there(already=False)
    flush.back()
    until_arrived(pair.new, "deferred")
    empty.there(already=False)
