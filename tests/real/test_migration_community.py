"""community.haskell.org goes from etch to lun on real servers, with its people on it; and comes back from its last safe point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.haskell.people import account, busy, people, settled
from tests.real.haskell.stage import ZONE, Stage, build
from tests.real.night import wayback
from tests.real.night.night import conducting
from tests.real.night.stage import plant
from tests.real.rig import Rig
from tests.real.world import needs_world, until

pytestmark = needs_world

DATES = (
    "2026-11-07T09:00:00+01:00",
    "2026-11-14T09:00:00+01:00",
    "2026-11-23T09:00:00+01:00",
    "2027-01-09T09:00:00+01:00",
)
"""The calendar of the plan. Here all of it has come already."""
SAFE = ("server/move-names", "rt/open", "trac/open", "lists/start-mailman", "mail/igloo-checks", "planet/final-copy", "backup/folder", "normal-ttl/raise-ttl", "etch/delete")  # fmt: skip
"""The steps before which everything can be taken back without a loss."""


@pytest.fixture(scope="module")
def stage(rig: Rig) -> Stage:
    return build(rig)


def planted(stage: Stage, folder: Path) -> Path:
    samples = stage.samples | dict.fromkeys(DATES, "2001-01-01T00:00:00+00:00")
    plan = plant(stage.rig, folder, "community", samples)
    stage.key.file(folder / "keys")
    return plan


async def test_undone_from_the_last_safe_point_etch_is_as_before_but_for_what_people_did(
    desk: Rig, stage: Stage, tmp_path: Path
) -> None:
    etch = stage.etch
    zone = wayback.zone(desk.pid, stage.ns1.address, ZONE)
    with people(stage) as crowd:
        before = wayback.remember(
            etch,
            ["/srv", "/home", "/root", "/etc", "/usr/local", "/var/spool/cron", "/var/backups"],
            asked={
                "tickets of before": 'cd /; su postgres -c "psql -Atc \\"select * from tickets where subject ~ \'^old\'\\" rt";'
                "sqlite3 /srv/trac/trac.db \"select * from tickets where subject like 'old%'\"",
                "settings": "cd /; su postgres -c 'psql -Atc \"select * from pg_db_role_setting\"'",
                "mounts": "sed 's/^[0-9]* [0-9]* //' /proc/mounts | grep -v /proc | sort",
                "crontab": "crontab -l -u planet",
                "mail": "postconf -n",
                "lists": "ls /srv/lists/lists",
            },
            skip=["/root/.cockpit*", "/srv/lists/*"],
        )
        async with conducting(tmp_path / "run", planted(stage, tmp_path / "plan")) as night:
            await night.go(before=SAFE, override="a drill: nothing of this stays")
            assert night.states()["mail/copy-mailboxes"] == "done"
            await night.back()
            busy(crowd, "etch", ("rt", "trac", "accounts", "projects", "planet"))
        crowd.home()
    until(lambda: settled(stage, crowd, etch), lambda: etch.run("postqueue -p; tail -n 20 /var/log/mail.log"), 60)
    grown, came, anything = wayback.grown, wayback.came, wayback.anything
    users = {
        "/srv/trac/trac.db": anything,
        "/srv/planet/runs": grown,
        "/srv/planet/output/index.html": anything,
        "/srv/projects/lens.git/*": came,
        "/home/ann/diary": grown,
    }
    assert wayback.differences(before, etch, but=users) == []
    assert wayback.zone(desk.pid, stage.ns1.address, ZONE) == zone
    books = account(crowd, stage, etch, ["etch"])
    books.journal(tmp_path / "run", undone=True)
    books.settle()


async def test_the_community_goes_to_lun_with_everybody_on_it(desk: Rig, stage: Stage, tmp_path: Path) -> None:
    etch, lun = stage.etch, stage.lun

    def a_user_asks_for_an_account(_: str) -> None:
        etch.run(
            "useradd -m -u 2020 -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 carol; echo new >/home/carol/hello; groupadd -g 3020 pandoc"
        )

    with people(stage) as crowd:
        async with conducting(tmp_path / "run", planted(stage, tmp_path / "plan")) as night:
            await night.go(
                before=["server/notify-begin", "planet/stop-cron", "lists/stop-mailman", "accounts/read-only",
                        "projects/figures", "trac/closed", "mail/hold", "backup/folder", "normal-ttl/raise-ttl", "etch/delete"]
            )  # fmt: skip
            a_user_asks_for_an_account("")
            await night.go(before="delete")
            busy(crowd, "lun", ("rt", "trac", "accounts", "projects", "planet"))
            crowd.wait("message", "lists", 1, by=f"lun.{ZONE}")
            crowd.wait("message", "mail", 1, by=f"lun.{ZONE}")
            # Nobody comes to etch any more: the plan's evidence says when that is proven.
            await night.go()
            await night.end()
        crowd.home()
    until(lambda: settled(stage, crowd, lun), lambda: lun.run("postqueue -p; tail -n 20 /var/log/mail.log"), 60)
    books = account(crowd, stage, lun, ["etch", "lun"])
    books.journal(tmp_path / "run")
    books.settle()
