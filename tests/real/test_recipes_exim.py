"""Recipes for Exim on two real ones: what is held stays, goes back to old or is delivered; redirects and single addresses."""

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
from tests.real.world import listening, needs_world, until, write
from tests.real.world.mail import EXIM_DAEMON, exim

pytestmark = needs_world

NAME = EVIL.replace("/", ":")
HOLDS, HUBS, VIRTUAL = "/etc/exim4/hold_domains", "/etc/exim4/hubbed_hosts", "/etc/exim4/virtual"
ROUTERS = f"""
hubbed_hosts:
  driver = manualroute
  domains = ${{if exists{{{HUBS}}}{{partial-lsearch;{HUBS}}}fail}}
  same_domain_copy_routing = yes
  route_data = ${{lookup{{$domain}}partial-lsearch{{{HUBS}}}}}
  transport = remote
virtual:
  driver = redirect
  data = ${{lookup{{$local_part@$domain}}lsearch{{{VIRTUAL}}}}}
"""
LIVE = "for id in $(pgrep -o -x exim4); do echo $id; cksum </proc/$id/auxv; done"
"""Which daemon runs, and since when: told to read its configuration, it starts its program anew (exim(8), SIGHUP)."""
STATE = "cd /etc/exim4; ls -a; stat -c '%U %G %a %n' *; cat hold_domains hubbed_hosts virtual; exim4 -bp 2>&1 | sed 's/^[-0-9]* [0-9:]* Exim/Exim/'"


class Pair:
    """Old and new."""

    def __init__(self, old: RealHost, new: RealHost) -> None:
        self.old, self.new = old, new

    def trial(self, recipe: str, **params: str) -> Trial:
        return Trial(self.new, recipe, {"domain": ZONE, "address": ANN, **params}, state=STATE)

    def hold(self, back_to: str = "") -> Trial:
        return self.trial("exim-hold", back_to=back_to or self.old.address, patience="2")

    def redirect(self) -> Trial:
        return self.trial("exim-redirect", target=self.old.address)

    def release(self) -> Trial:
        return self.trial("exim-release", box="/var/mail/ann")

    def virtual(self, address: str, target: str) -> Trial:
        return Trial(self.new, "exim-virtual", {"address": address, "target": target}, state=STATE)


def waiting(host: RealHost) -> int:
    return int(host.run(f"exim4 -bp | grep -c '^ *.*@{ZONE}$' || :"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with rigged(tmp_path_factory.mktemp("mail")) as rig:
        made = Pair(rig.host("old"), rig.host("new"))
        for host in (made.old, made.new):
            host.run(
                f"mkdir -p /etc/exim4; printf '# held\\nlast.test' > {HOLDS}; chmod 640 {HOLDS};"
                f"printf 'info@{ZONE}: ann@{ZONE},\\n  bob@{ZONE}\\n# the end\\n' > {VIRTUAL}"
            )
            more = f"hold_domains = lsearch;{HOLDS}\n"
            exim(host, f"mx-{host.name}.{ZONE}", ZONE, ("ann", "bob"), more=more, routers=ROUTERS)
            host.run(f"chgrp mail {HOLDS} || :; chmod 644 {HOLDS}")
        yield made


def test_a_hold_goes_there_and_back(pair: Pair) -> None:
    pair.hold().there_and_back()
    pair.hold().cut_anywhere()


@pytest.mark.parametrize("hubs", ["", "other.test: 192.0.2.9"])
def test_a_held_message_goes_back_to_old(pair: Pair, hubs: str) -> None:
    if hubs:
        pair.new.run(f"echo '{hubs}' > {HUBS}")
    hold = pair.hold()
    before = hold.seen()
    hold.there(already=False)
    hand_in(pair.new, f"handed back {hubs}")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("exim4 -bp"), PATIENCE)
    hold.back()
    until_arrived(pair.old, f"handed back {hubs}")
    assert arrived(pair.new, f"handed back {hubs}") == 0
    assert hold.seen() == before
    pair.new.run(f"rm -f {HUBS}")


def test_what_old_does_not_take_stays_held_and_is_delivered_when_released(pair: Pair) -> None:
    hold = pair.hold(f"{pair.old.address}:26")
    before = hold.seen()
    hold.there(already=False)
    hand_in(pair.new, "stays held")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("exim4 -bp"), PATIENCE)
    said = hold.ask("undo")
    assert said.status == 1
    assert f"1 of 1 could not be handed to {pair.old.address}:26 and stay held" in said.said
    assert hold.recognised()
    release = pair.trial("exim-release", box="/var/mail/ann")
    release.there()
    assert release.captured["held"] == "1"
    until_arrived(pair.new, "stays held")
    assert hold.seen() == before


def test_a_release_goes_there_and_back(pair: Pair) -> None:
    hold = pair.hold()
    before = hold.seen()
    hold.there(already=False)
    release = pair.trial("exim-release", box="/var/mail/ann")
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
    hold = replace(hold, params={**hold.params, "routes": f"/etc/exim4/{NAME}\n{NAME}"})
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


FASTER = """#!/bin/sh
case $* in *-odf*) [ -e /run/faster ] || { touch /run/faster; /usr/sbin/exim4 "$@" >/dev/null 2>&1
    printf '  delivering 1-2-3\\nSpool file 1-2-3-D not found\\n'; exit; } ;; esac
exec /usr/sbin/exim4 "$@"
"""
"""An Exim whose daemon delivers the first test message before it is delivered in the foreground."""


def test_a_test_message_that_the_daemon_delivers_first_is_sent_once_more(pair: Pair) -> None:
    write(pair.new, "/usr/local/bin/exim4", FASTER, "755")
    try:
        virtual = pair.virtual(f"Sales@{ZONE}", "ann")
        virtual.there(already=False)
        pair.new.run("rm /run/faster")
        virtual.back()
    finally:
        pair.new.run("rm -f /usr/local/bin/exim4 /run/faster")


LOCKED = """#!/bin/sh
case $* in
    *-odf*) [ -e /run/locked ] || {
        for last; do :; done
        /usr/sbin/exim4 -i -odq -f '<>' -- "$last"
        id=$(/usr/sbin/exim4 -bp | awk '$3 ~ /-.*-/ { print $3; exit }')
        echo "$id" >/run/locked; printf '  delivering %s\\nSpool file is locked (another process is handling this message)\\n' "$id"; exit; } ;;
    -Mrm*) [ -e /run/kept ] || { touch /run/kept; echo 'Message is locked'; exit 1; } ;;
esac
exec /usr/sbin/exim4 "$@"
"""
"""An Exim whose daemon has the first test message in hand while it is to be delivered, and while it is to be removed."""


def test_a_test_message_that_the_daemon_has_in_hand_does_not_stay_in_the_queue(pair: Pair) -> None:
    hold = pair.hold()
    hold.there(already=False)
    write(pair.new, "/usr/local/bin/exim4", LOCKED, "755")
    try:
        assert "stays in the queue" in hold.must("verify")
        assert pair.new.run("cat /run/locked").strip()
        assert "-" not in pair.new.run("exim4 -bp")
    finally:
        pair.new.run("rm -f /usr/local/bin/exim4 /run/locked /run/kept")
    hold.back()


def test_values_that_are_no_domain_address_or_host_are_refused(pair: Pair) -> None:
    refuses_evil(pair.hold(), "domain", "address", "back_to", "holds")
    refuses_evil(pair.redirect(), "domain", "address", "target", "routes")
    refuses_evil(pair.virtual(ANN, "bob"), "address", "target", "table")
    refuses_evil(pair.hold(), "patience")
    refuses_evil(pair.release(), "domain", "address", "holds", "patience", undo=False)
    delivers_only_where_it_may(pair.release())
    refuses_evil(pair.trial("exim-flush"), "domain", "most", "patience")
    refuses_evil(pair.trial("exim-queue-empty"), "domain", "quiet")


def test_a_broken_exim_is_left_as_it_is(pair: Pair) -> None:
    pair.new.run("cp -p /etc/exim4/exim4.conf /run/; sed -i '1i no setting' /etc/exim4/exim4.conf")
    for trial in (pair.hold(), pair.release(), pair.redirect(), pair.virtual(ANN, "bob")):
        trial.turned_away("refuses its configuration", LIVE, "apply", "undo")
    for trial in (pair.trial("exim-flush"), pair.trial("exim-queue-empty", quiet="0")):
        trial.turned_away("refuses its configuration", LIVE, "apply", "verify")
    pair.new.run(
        "cp -p /run/exim4.conf /etc/exim4/; sed -i '/hold_domains/d; s/hubbed_hosts}/elsewhere}/' /etc/exim4/exim4.conf"
    )
    says_no(pair.hold(), 'add "hold_domains = lsearch;/etc/exim4/hold_domains"')
    redirect = pair.redirect()
    redirect.capture()
    says_no(redirect, "nothing is changed")
    pair.new.run("cp -p /run/exim4.conf /etc/exim4/; rm /run/exim4.conf")
    told = pair.new.run(f"{LIVE}; kill -HUP $(pgrep -o -x exim4)")
    until(lambda: pair.new.run(LIVE, check=False) != told, lambda: "whether it was told cannot be seen", PATIENCE)
    until(lambda: listening(pair.new, 25), pair.new.said, PATIENCE)


def test_a_queue_that_cannot_be_seen_is_not_an_empty_one(pair: Pair) -> None:
    hold, release = pair.hold(), pair.trial("exim-release", box="/var/mail/ann")
    flush, empty = pair.trial("exim-flush", patience="1"), pair.trial("exim-queue-empty", quiet="0")
    sees_no_queue(hold, release, flush, empty, "exim4", "exim")


def test_no_daemon_has_to_run(pair: Pair) -> None:
    """Exim starts anew for each message: what is handed in here is held, handed on and delivered without its daemon, too."""
    hold, virtual = pair.hold(), pair.virtual(f"Sales@{ZONE}", "ann")
    pair.new.run("kill $(pidof exim4)")
    until(lambda: not listening(pair.new, 25), lambda: "its end", PATIENCE)
    hold.there_and_back(shells=("dash",))
    hold.there(already=False)
    hand_in(pair.new, "without a daemon")
    release = pair.release()
    release.there(already=False)
    until_arrived(pair.new, "without a daemon")
    virtual.there_and_back(shells=("dash",))
    pair.new.spawn(*EXIM_DAEMON)
    until(lambda: listening(pair.new, 25), pair.new.said, PATIENCE)


def test_a_queue_is_flushed_counted_and_seen_to_be_empty(pair: Pair) -> None:
    flush, empty = pair.trial("exim-flush"), pair.trial("exim-queue-empty", quiet="1")
    empty.there_and_back(already=False)
    pair.new.run(f"echo {ZONE} > {HOLDS}")
    hand_in(pair.new, "deferred")
    until(lambda: waiting(pair.new) == 1, lambda: pair.new.run("exim4 -bp"), PATIENCE)
    assert empty.ask("verify").status == 1
    assert flush.ask("verify").status == 1
    replace(flush, params={"domain": "other.test"}).must("verify")
    pair.new.run(f"printf '# held\\nlast.test' > {HOLDS}")
    flush.capture()
    flush.cut("apply", 12)
    flush.must("apply")
    until_arrived(pair.new, "deferred")
    flush.there(already=False)
    flush.back()
    until_arrived(pair.new, "deferred")
    empty.there(already=False)
