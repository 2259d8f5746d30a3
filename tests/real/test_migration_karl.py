"""The night of the KARL clients (S1-S13), on real servers and with people on every site: over to the shared platform, and back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.real.night import wayback
from tests.real.night.accountant import Accountant, in_maildir, numbers
from tests.real.night.karl import CLIENTS, CLOSED, ZONE, Platform
from tests.real.night.ledger import Ledger
from tests.real.night.night import conducting
from tests.real.night.refusals import course
from tests.real.rig import RealHost, Rig
from tests.real.world import needs_world

pytestmark = needs_world


EDITED = ("/etc/apache2/sites-available/karl.conf", "/etc/postfix/main.cf", wayback.KEYS)
"""What the night changes on old, and puts back: by its content, not by its time."""


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> Platform:
    return Platform(rig)


@pytest.fixture
def platform(desk: Rig, hosts: Platform) -> Platform:
    """The hosts as before a night."""
    hosts.fresh()
    return hosts


def balance(ledger: Ledger, at: dict[str, RealHost]) -> Accountant:
    """Each client's writes and messages against what lies on the host that has them now."""
    books = Accountant(ledger)
    books.busy()
    for client, host in at.items():
        books.writes(client, numbers(host, f"/srv/karl/{client}/data/writes"))
        books.messages(client, in_maildir(host, f"/srv/karl/{client}/Maildir", client))
    return books


async def test_taken_back_before_the_switch_every_old_host_is_as_before_but_for_what_people_did(
    platform: Platform, tmp_path: Path
) -> None:
    asked = {
        "queue": "postqueue -p",
        "accounts": "getent passwd; getent group; cat /etc/shadow",
        "mail": "postconf -n; postconf -M; find /var/spool/postfix -maxdepth 1 -printf '%p %M %u %g\n' | sort",
        "web": "apache2ctl -t -D DUMP_VHOSTS -D DUMP_MODULES",
    }
    places = ["/srv", "/etc", "/var/mail", "/var/spool/cron", "/var/lib/postfix", "/home", "/root", "/usr/local"]
    # Postfix and its queue manager write down for themselves when they were last told to look.
    skip = ["/var/lib/postfix/*_scache*"]
    before = {client: wayback.remember(xen, places, asked=asked, skip=skip) for client, xen in platform.xens.items()}
    zone = wayback.zone(platform.rig.pid, platform.ns1.address, ZONE)
    with platform.people() as crowd:
        await crowd.see("message", CLIENTS, 1)
        async with conducting(tmp_path / "run", platform.plan(tmp_path / "plan")) as night:
            await night.go(
                before="promote", override="a rehearsal of the way back: all of them before anybody is on new"
            )
            assert {night.states()[f"{client}/final-sync"] for client in CLIENTS} == {"done"}
            await night.back()
            await crowd.see("write", CLIENTS, by="xen")
            await night.end()
        crowd.home()
    platform.delivered()
    since = {
        "/srv/karl/*/data/writes": wayback.grown,
        "/srv/karl/*/Maildir/new/*": wayback.came,
        # Our own test messages, in a mailbox that is there for them.
        "/var/mail/checks/*": wayback.came,
    }
    for client, xen in platform.xens.items():
        differences = wayback.differences(before[client], xen, but=since, touched=EDITED)
        assert not differences, "\n".join(differences)
    assert wayback.zone(platform.rig.pid, platform.ns1.address, ZONE) == zone
    books = balance(crowd.ledger, platform.xens)
    for client in CLIENTS:
        books.visits(client, ["xen"])
    books.refused([tmp_path / "run"], CLOSED)
    books.journal(tmp_path / "run", undone=True)
    books.settle()


async def test_six_clients_go_over_in_a_night_and_nothing_is_lost_or_doubled(
    platform: Platform, tmp_path: Path
) -> None:
    """S3: a downtime clock for each client, which agrees with the plan's closed time and with what that client's users saw."""
    with platform.people() as crowd:
        await crowd.see("message", CLIENTS, 1)
        deeds = {"owner-dns": lambda client: platform.dns(client, platform.karl)}
        async with conducting(tmp_path / "run", platform.plan(tmp_path / "plan"), deeds) as night:
            await night.go()
            await crowd.see("write", CLIENTS, by="shared")
            await crowd.see("message", CLIENTS, 1, by="karl.hosts.test")
            await night.until(lambda state: all(view.writer == "new" for view in state.services.values()))
            # S8, S9: that new holds the mail was seen in the live log of new, line and all.
            for client in CLIENTS:
                said = night.state.step(f"{client}/redirect-mail").detail
                assert re.search(rf"new:/var/log/mail\.log says .*to=<cutover-check@{client}\.{ZONE}>", said), said
            await night.end()
        crowd.home()
    platform.delivered()
    books = balance(crowd.ledger, dict.fromkeys(CLIENTS, platform.karl))
    for client in CLIENTS:
        books.visits(client, ["xen", "shared"])
    books.refused([tmp_path / "run"], CLOSED)
    books.journal(tmp_path / "run")
    books.settle()
    # Each client has a clock of its own, and each has seen its page; what it says of that is judged above.
    assert {client for client, seen in course(tmp_path / "run").outages.items() if seen.failed} == {*CLIENTS}
