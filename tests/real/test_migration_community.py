"""community.haskell.org goes from etch to lun on real servers, with its people on it; and comes back from its last safe point."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.plan.load import load
from cockpit.plan.model import Sync
from tests.real.haskell.people import JOB, SITES, account, busy, people, settled, waiting
from tests.real.haskell.stage import PEOPLE, ZONE, Stage, build
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
SAFE = ("server/move-names", "rt/open", "trac/open", "lists/start-mailman", "mail/igloo-checks", "planet/final-copy", "backup/folder", "normal-ttl/raise-ttl", "etch/evidence")  # fmt: skip
"""The steps before which everything can be taken back without a loss."""


COPIED = ("server/notify-begin", "planet/stop-cron", "lists/stop-mailman", "accounts/read-only", "projects/figures", "trac/closed", "mail/hold", "backup/folder", "normal-ttl/raise-ttl", "etch/evidence")  # fmt: skip
"""The steps before which the initial copy is complete, and nothing is frozen."""
USERS = {
    "/srv/trac/trac.db": wayback.anything,
    "/srv/planet/runs": wayback.grown,
    "/srv/planet/output/index.html": wayback.anything,
    "/srv/projects/lens.git/*": wayback.came,
    "/home/ann/diary": wayback.grown,
    "/var/spool/cron/crontabs/planet": wayback.installed,
}
"""What users change on etch while the night goes on; and a crontab that was installed anew."""


@pytest.fixture(scope="module")
def stage(rig: Rig) -> Stage:
    return build(rig)


def planted(stage: Stage, folder: Path) -> Path:
    samples = stage.samples | dict.fromkeys(DATES, "2001-01-01T00:00:00+00:00")
    plan = plant(stage.rig, folder, "community", samples)
    stage.key.file(folder / "keys")
    return plan


def remembered(stage: Stage) -> wayback.Past:
    """etch before the night: what is on it, and what it says of itself."""
    sql = 'cd /; su postgres -c "psql -Atc \\"{}\\" {}"'
    return wayback.remember(
        stage.etch,
        ["/srv", "/home", "/root", "/etc", "/usr/local", "/var/spool/cron", "/var/backups"],
        asked={
            "rt": sql.format("select * from tickets where subject ~ '^old'", "rt"),
            "trac": "sqlite3 /srv/trac/trac.db \"select * from tickets where subject like 'old%'\"",
            "settings": sql.format("select * from pg_db_role_setting", "postgres"),
            "mounts": "grep -c -e ' /srv' -e ' /home' /proc/mounts",
            "crontab": "crontab -l -u planet",
            "mail": "postconf -n",
        },
        skip=["/root/.cockpit*", "/srv/lists/*"],
    )


def a_user_asks_for_an_account(stage: Stage) -> None:
    """What happens on etch between the first copy and the freeze."""
    stage.etch.run(
        "useradd -m -u 2020 -s /bin/sh -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 carol; echo new >/home/carol/hello; groupadd -g 3020 pandoc"
    )


def test_the_draft_from_etch_names_all_that_is_on_it(desk: Rig, stage: Stage, tmp_path: Path) -> None:
    """Every service, domain, cron job, list, repository root, database and user; the draft passes `check` with drafts only."""
    etch = stage.etch
    (tmp_path / "known").write_text(f"{etch.address} {etch.host_key}\n")
    (tmp_path / "config").write_text(
        f"Host etch\n HostName {etch.address}\n User root\n IdentityFile {desk.key}\n UserKnownHostsFile {tmp_path}/known\n"
    )
    words = [sys.executable, "-m", "cockpit", "init", str(tmp_path / "plan.yaml"), "--from", "etch", "--ssh-config"]
    done = subprocess.run([*words, str(tmp_path / "config")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    loaded = load(tmp_path / "plan.yaml")
    assert loaded.plan is not None, loaded.findings
    assert {finding.code for finding in loaded.findings} == {"draft"}, loaded.findings
    steps = [step for service in loaded.plan.services for step in service.steps]
    said = "\n".join([*(service.title for service in loaded.plan.services), *(step.title for step in steps)])
    paths = {path for step in steps if isinstance(step.action, Sync) for path in step.action.paths}
    for name in SITES:
        assert f"{name}.{ZONE}" in said, name
    for words_ in (
        "Mail of community.haskell.test", "Mail of projects.haskell.test", f"cron job of planet: {JOB}",
        "List haskell-cafe.projects.haskell.test", "List lens.projects.haskell.test", "postgresql rt", "sqlite /srv/trac/trac.db",
        "group lens, gid 3001: ann,bob", *(f"account {user}, uid {uid}" for user, uid in PEOPLE.items()), "account planet, uid 2010",
        "python3 listens on",
    ):  # fmt: skip
        assert words_ in said, f"{words_} is not in:\n{said}"
    assert {"/srv/projects/lens.git/", "/srv/projects/xmonad/", "/srv/code/", "/srv/planet/output/"} <= paths
    assert {f"/home/{user}/" for user in PEOPLE} <= paths


async def test_undone_from_the_last_safe_point_etch_is_as_before_but_for_what_people_did(
    desk: Rig, stage: Stage, tmp_path: Path
) -> None:
    etch = stage.etch
    zone = wayback.zone(desk.pid, stage.ns1.address, ZONE)
    with people(stage) as crowd:
        before = remembered(stage)
        async with conducting(tmp_path / "run", planted(stage, tmp_path / "plan")) as night:
            await night.go(before=SAFE, override="a drill: nothing of this stays")
            assert night.states()["mail/copy-mailboxes"] == "done"
            await night.back()
            await busy(crowd, "etch", ("rt", "trac", "accounts", "projects", "planet"))
            await night.end()
        crowd.home()
    until(lambda: settled(stage, crowd, etch), lambda: f"{waiting(etch)} {waiting(stage.lun)}", 60)
    assert wayback.differences(before, etch, but=USERS) == []
    assert wayback.zone(desk.pid, stage.ns1.address, ZONE) == zone
    books = account(crowd, stage, etch, ["etch"])
    books.journal(tmp_path / "run", undone=True)
    books.settle()


async def test_the_community_goes_to_lun_with_everybody_on_it(desk: Rig, stage: Stage, tmp_path: Path) -> None:
    lun = stage.lun
    with people(stage) as crowd:
        async with conducting(tmp_path / "run", planted(stage, tmp_path / "plan")) as night:
            await night.go(before=COPIED)
            a_user_asks_for_an_account(stage)
            await night.go(before="etch/evidence")
            posted = (crowd.see("message", service, 1, by=f"lun.{ZONE}") for service in ("lists", "mail"))
            await asyncio.gather(busy(crowd, "lun", ("rt", "trac", "accounts", "projects", "planet")), *posted)
            # Nobody comes to etch any more: the plan's evidence says when that is proven.
            await night.go()
            await night.end()
        crowd.home()
    assert stage.etch.run("ss -Hlnt | awk '{ print $4 }' | grep -E ':(25|80|5432|8024)$' || :") == ""
    until(lambda: settled(stage, crowd, lun), lambda: f"{waiting(stage.etch)} {waiting(lun)}", 60)
    books = account(crowd, stage, lun, ["etch", "lun"])
    books.journal(tmp_path / "run")
    books.settle()
