"""Recipes for Postfix on two real ones: what is held stays, goes back to old or is delivered; redirects and virtual entries."""

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
    sees_no_queue,
    until_arrived,
)
from tests.real.rig import RealHost, rigged
from tests.real.trial import EVIL, Trial
from tests.real.world import needs_world, until
from tests.real.world.mail import postfix

pytestmark = needs_world

TABLE = "/etc/postfix/transport"
STATE = (
    f"cat {TABLE} /etc/postfix/virtual; stat -c '%U %G %a %n' /etc/postfix/*; "
    "postmap -s hash:/etc/postfix/virtual | sort; postqueue -p"
)
NO_LOG = f"/var/log/{EVIL}\n{EVIL}"
"""Where nothing is logged: then the log of the system holds."""
LIVE = "cat /var/spool/postfix/pid/master.pid; grep -c ' reload -- ' /var/log/mail.log || :"
"""Which Postfix runs, and how often it was told to read its configuration."""
ENTRIES = f"# ours, do not touch\nother.test\tsmtp:[192.0.2.9]\n{ZONE}  local:\n  # inside\n\nlast.test discard:"
VIRTUAL = f"# who gets what\ninfo@{ZONE}  ann,\n  bob\n\nroot@{ZONE} bob\n"


class Pair:
    """Old and new."""

    def __init__(self, old: RealHost, new: RealHost) -> None:
        self.old, self.new = old, new

    def trial(self, recipe: str, **params: str) -> Trial:
        return Trial(self.new, recipe, {"domain": ZONE, "address": ANN, **params}, state=STATE)

    def hold(self) -> Trial:
        return self.trial("postfix-hold", back_to=f"{self.old.address}:25")

    def redirect(self) -> Trial:
        return self.trial("postfix-redirect", target=self.old.address)

    def release(self) -> Trial:
        return self.trial("postfix-release", box="/var/mail/ann")

    def virtual(self) -> Trial:
        return Trial(self.new, "postfix-virtual", {"address": ANN, "target": "bob"}, state=STATE)


def waiting(host: RealHost) -> int:
    return int(host.run(f"postqueue -p | grep -c '^ .*@{ZONE}$' || :"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with rigged(tmp_path_factory.mktemp("mail")) as rig:
        made = Pair(rig.host("old"), rig.host("new"))
        for host in (made.old, made.new):
            virtual = {"virtual_alias_maps": "hash:/etc/postfix/virtual"}
            host.run(f"printf '%s' '{VIRTUAL}' > /etc/postfix/virtual; postmap hash:/etc/postfix/virtual 2>&1")
            postfix(host, f"mx-{host.name}.{ZONE}", ZONE, ("ann", "bob"), settings=virtual)
        # A table as people write them: an entry of the domain that is continued, and no newline at the end.
        made.new.run(
            f"printf '%s' '{ENTRIES}' > {TABLE}; chmod 640 {TABLE}; chown root:postfix {TABLE}; postfix reload"
        )
        yield made


def test_a_hold_goes_there_and_back(pair: Pair) -> None:
    pair.hold().there_and_back()


def test_a_hold_that_was_cut_off_is_mended(pair: Pair) -> None:
    pair.hold().cut_anywhere()


def test_a_held_message_goes_back_to_old(pair: Pair) -> None:
    hold = pair.hold()
    hold.there(already=False)
    hand_in(pair.new, "to be handed back")
    # What comes from another host waits here, too, and is not left to that one.
    pair.old.run(
        f"swaks --server {pair.new.address} --to {ANN} --from eve@far.test --header 'Subject: from outside' --hide-all"
    )
    until(lambda: waiting(pair.new) == 2, lambda: pair.new.run("postqueue -p"), PATIENCE)
    hold.back()
    for subject in ("to be handed back", "from outside"):
        until_arrived(pair.old, subject)
        assert arrived(pair.new, subject) == 0


def test_what_old_does_not_take_stays_held_and_is_delivered_when_released(pair: Pair) -> None:
    """S8: what new holds waits in its queue, and reaches its mailbox when it is released."""
    hold = replace(pair.hold(), params={"domain": ZONE, "address": ANN, "back_to": "10.213.0.250:25", "patience": "2"})
    before = hold.seen()
    hold.there(already=False)
    hand_in(pair.new, "stays held")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("postqueue -p"), PATIENCE)
    said = hold.ask("undo")
    assert said.status == 1
    assert "1 of 1 could not be handed to 10.213.0.250:25 and stay held" in said.said
    assert hold.recognised()
    assert waiting(pair.new) == 1
    release = pair.trial("postfix-release", box="/var/mail/ann")
    release.there()
    assert release.captured["held"] == "1"
    until_arrived(pair.new, "stays held")
    assert hold.seen() == before


def test_a_release_goes_there_and_back(pair: Pair) -> None:
    hold = pair.hold()
    before = hold.seen()
    hold.there(already=False)
    release = pair.trial("postfix-release", box="/var/mail/ann")
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
    elsewhere = replace(redirect, params={**redirect.params, "target": f"{pair.old.address}:26"}, captured={})
    elsewhere.capture()
    elsewhere.must("apply")
    assert elsewhere.ask("verify").status, "a message that goes nowhere is taken for one that arrived"
    elsewhere.must("undo")
    redirect.must("verify")
    redirect.back()


def test_a_redirect_that_is_undone_below_a_hold_is_gone_after_the_release(pair: Pair) -> None:
    hold, redirect = pair.hold(), pair.trial("postfix-redirect", target=pair.old.address, log=NO_LOG)
    before = redirect.seen()
    told = pair.new.run(LIVE)
    redirect.there(already=False)
    assert pair.new.run(LIVE) != told, "whether Postfix was told cannot be seen"
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


def test_an_address_goes_elsewhere_by_the_virtual_table(pair: Pair) -> None:
    given = {"address": f"info@{ZONE}", "target": f"bob@{ZONE}", "log": NO_LOG}
    continued = Trial(pair.new, "postfix-virtual", given, state=STATE)
    before = continued.seen()
    continued.there()
    continued.back()
    assert continued.seen() == before
    virtual = Trial(pair.new, "postfix-virtual", {"address": f"Sales@{ZONE}", "target": "ann"}, state=STATE)
    virtual.there_and_back()
    virtual.cut_anywhere()
    virtual.there(already=False)
    hand_in(pair.new, "for sales", to=f"sales@{ZONE}")
    until_arrived(pair.new, "for sales")
    pair.new.run(
        "echo 'sales@example.test bob' > /tmp/v; cat /etc/postfix/virtual >> /tmp/v; postmap hash:/tmp/v; cp /tmp/v.db /etc/postfix/virtual.db; rm /tmp/v*"
    )
    assert virtual.ask("verify").status == 1, "a table that was spoiled is not noticed"
    virtual.back()


def test_values_that_are_no_domain_address_or_host_are_refused(pair: Pair) -> None:
    refuses_evil(pair.hold(), "domain", "address", "back_to", "map")
    refuses_evil(pair.redirect(), "domain", "address", "target", "map")
    refuses_evil(pair.hold(), "patience")
    refuses_evil(pair.virtual(), "address", "target", "map")
    refuses_evil(pair.release(), "domain", "address", "map", "patience", undo=False)
    delivers_only_where_it_may(pair.release())
    refuses_evil(pair.trial("postfix-flush"), "domain", "most", "patience")
    refuses_evil(pair.trial("postfix-queue-empty"), "domain", "quiet")


def test_a_broken_or_stopped_postfix_is_left_as_it_is(pair: Pair) -> None:
    trials = (pair.hold(), pair.release(), pair.redirect(), pair.virtual())
    flush, empty = pair.trial("postfix-flush"), pair.trial("postfix-queue-empty", quiet="0")
    for file in ("main.cf", "master.cf"):
        pair.new.run(f"cp -p /etc/postfix/{file} /run/; echo 'no setting' >> /etc/postfix/{file}")
        for trial in trials:
            trial.turned_away("refuses its configuration", LIVE, "apply", "undo")
        if file == "main.cf":
            flush.turned_away("Postfix does not run", LIVE)
            says_no(empty, "Postfix does not show its queue")
            flush.must("verify", 2)
        pair.new.run(f"mv /run/{file} /etc/postfix/{file}")
    pair.new.run("postfix abort 2>&1")
    try:
        for trial in trials:
            says_no(trial, "does not run", "apply", "undo")
        says_no(flush, "Postfix does not run")
        empty.must("verify", 2)
    finally:
        pair.new.run("postfix start 2>&1")
    pair.new.run("postconf -e transport_maps=; postfix reload")
    for trial in trials[:3]:
        says_no(trial, "names no table in a file")
    pair.new.run(f"postconf -e transport_maps=texthash:{TABLE}; postfix reload")


def test_a_queue_that_cannot_be_seen_is_not_an_empty_one(pair: Pair) -> None:
    hold, release = pair.hold(), pair.trial("postfix-release", box="/var/mail/ann")
    flush, empty = pair.trial("postfix-flush", patience="1"), pair.trial("postfix-queue-empty", quiet="0")
    sees_no_queue(hold, release, flush, empty, "postqueue")


def test_a_queue_is_flushed_counted_and_seen_to_be_empty(pair: Pair) -> None:
    flush, empty = pair.trial("postfix-flush"), pair.trial("postfix-queue-empty", quiet="1")
    empty.there_and_back(already=False)
    pair.new.run("postconf -e defer_transports=local; postfix reload")
    hand_in(pair.new, "deferred")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("postqueue -p"), PATIENCE)
    assert empty.ask("verify").status == 1
    assert flush.ask("verify").status == 1
    replace(flush, params={"domain": "other.test"}).must("verify")
    pair.new.run("postconf -X defer_transports; postfix reload")
    flush.capture()
    flush.cut("apply", 12)
    flush.must("apply")
    until_arrived(pair.new, "deferred")
    flush.there(already=False)
    flush.back()
    until_arrived(pair.new, "deferred")
    empty.there(already=False)
