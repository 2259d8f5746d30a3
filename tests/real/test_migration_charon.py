"""The users of charon move to neko-base, on real servers and with people on every service: over, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.night import wayback
from tests.real.night.accountant import Accountant, in_mbox
from tests.real.night.charon import GAMES, SPOOL, TABLE, USERS, ZONE, Home, closed
from tests.real.night.ledger import Ledger
from tests.real.night.night import conducting
from tests.real.night.refusals import moves
from tests.real.rig import Rig
from tests.real.world import needs_world
from tests.real.world.sendmail import needs_sendmail

pytestmark = [needs_world, needs_sendmail]


EDITED = (wayback.KEYS, f"{TABLE}*", "/usr/local/adm/apache/virtual.conf")
"""What the night changes on charon, and puts back: by its content, not by its time."""


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> Home:
    return Home(rig)


@pytest.fixture
def home(desk: Rig, hosts: Home) -> Home:
    """The hosts as before the migration."""
    hosts.fresh()
    return hosts


def told(ledger: Ledger, user: str) -> set[int]:
    """What players were told would be lost: the loss that the plan declares."""
    return {act.number for act in ledger.of("line", user, "taken") if "be lost" in act.detail}


async def test_taken_back_from_the_last_safe_point_charon_is_as_before_but_for_what_users_did(
    home: Home, tmp_path: Path
) -> None:
    asked = {
        "accounts": "getent passwd; getent group; cat /etc/shadow",
        "table": f"makemap -u hash {TABLE} | sort",
        "redirects": f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Host: {ZONE}' http://127.0.0.1/~emi/",
    }
    points = (
        "akira/virtusertable-neko-base",
        "beni/game-up",
        "chiyo/finished",
        "daichi/game-up",
        "emi/finished",
    )
    zone = wayback.zone(home.rig.pid, home.ns1.address, ZONE)
    before = wayback.remember(home.old, ["/home", "/etc", "/usr/local", "/var/mail", "/srv", "/root"], asked=asked)
    with home.people() as crowd:
        await crowd.see("message", "chiyo", 1)
        await crowd.see("line", "daichi", 3)
        async with conducting(tmp_path / "run", home.plan(tmp_path / "plan")) as night:
            await night.go(before=points, seconds=900)
            # Somebody has been there before all goes back, however quick that is.
            await crowd.see("visit", "emi", 1, by="neko-base")
            await night.back(seconds=900)
            await crowd.see("line", GAMES, 3, by=home.old.address)
            await crowd.see("visit", "emi", 2, by="charon")
            await night.end()
        crowd.home()
    home.delivered()
    books = Accountant(crowd.ledger)
    books.busy()
    for user in ("akira", "beni"):
        books.visits(user, ["charon"])
    books.visits("emi", ["charon", "neko-base", "charon"])
    for user in SPOOL:
        books.messages(user, in_mbox(home.old, f"/var/mail/{user}", user))
    books.messages("chiyo", in_mbox(home.world, "/var/mail/chiyo", "chiyo"))
    for user in GAMES:
        books.lines(user, home.built(home.old, user))
    books.refused([tmp_path / "run"], closed(home.old.address))
    books.journal(tmp_path / "run", undone=True)
    books.settle()
    since = {
        "/var/mail/*": wayback.grown,
        "/home/*/mush/data/save.db": wayback.anything,
        "/home/*/mush/run*": wayback.anything,
    }
    differences = wayback.differences(before, home.old, but=since, touched=EDITED)
    assert not differences, "\n".join(differences)
    assert wayback.zone(home.rig.pid, home.ns1.address, ZONE) == zone


async def test_users_go_over_one_by_one_and_nothing_is_lost_but_what_players_were_told(
    home: Home, tmp_path: Path
) -> None:
    deeds = {"no-updates": lambda user: home.old.run(f"su {user} -c 'echo last minute >>~/notes'")}
    with home.people() as crowd:
        await crowd.see("message", "chiyo", 1)
        await crowd.see("line", "daichi", 3)
        async with conducting(tmp_path / "run", home.plan(tmp_path / "plan"), deeds) as night:
            for user in USERS:
                await night.go(services=[user], seconds=900)
            await night.go()
            await crowd.see("visit", ("akira", "beni", "emi"), 2, by="neko-base")
            await crowd.see("line", GAMES, 3, by=home.new.address)
            await crowd.see("message", SPOOL, 1, by="neko-base." + ZONE)
            await crowd.see("login", "akira", 1, by="neko-base")
            states = night.states()
            await night.end()
        crowd.home()
    home.delivered()
    books = Accountant(crowd.ledger)
    books.busy()
    for user in ("akira", "beni", "emi"):
        books.visits(user, ["charon", "neko-base"])
    for user in SPOOL:
        books.messages(user, in_mbox(home.new, f"/var/mail/{user}", user))
    books.messages("chiyo", in_mbox(home.world, "/var/mail/chiyo", "chiyo"))
    lost = {user: told(crowd.ledger, user) for user in GAMES}
    for user in GAMES:
        books.lines(user, home.built(home.new, user), lost=lost[user])
    books.refused([tmp_path / "run"], closed(home.old.address))
    books.journal(tmp_path / "run")
    books.settle()
    # S59: the receiver knew each address before the sender handed it on. S62: the new MX was there before the old one went.
    order = [(ref, what) for _, ref, what in moves(tmp_path / "run")]
    for user in SPOOL:
        for first, then in (("virtusertable-neko-base", "virtusertable-charon"), ("mx-add", "mx-remove")):
            assert order.index((f"{user}/{first}", "done")) < order.index((f"{user}/{then}", "apply"))
    # S61: each with a mailbox was asked to set up their own mail program anew, and said that it is done; nobody else was.
    asked = {ref.partition("/")[0]: state for ref, state in states.items() if ref.endswith("/client-settings")}
    assert asked == {user: "done" if user in SPOOL else "skipped" for user in USERS}
    # What was skipped was meant to be, and what came last came along.
    assert not lost["beni"]
    assert lost["daichi"]
    skipped = {ref for ref, state in states.items() if state == "skipped"}
    assert {
        "chiyo/spool",
        "chiyo/virtusertable-charon",
        "daichi/game-down",
        "beni/game-announce",
        "emi/web-dns",
    } <= skipped
    assert not {"chiyo/mx-remove", "daichi/game-off", "emi/redirect", "akira/spool"} & skipped
    for user in USERS:
        assert "last minute" in home.new.file(f"/home/{user}/notes").read_text()
    for user in SPOOL:
        assert "An old letter." in home.new.file(f"/var/mail/{user}").read_text()
