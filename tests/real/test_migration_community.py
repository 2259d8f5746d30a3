"""community.haskell.org goes from etch to lun on real servers, with its people on it; and comes back from its last safe point."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.plan.load import load
from cockpit.plan.model import Sync
from tests.real.haskell import notices
from tests.real.haskell.people import CLOSED, JOB, SITES, account, busy, people, settled, waiting
from tests.real.haskell.stage import CAFE, LISTS, MAIL, OLD_LETTER, PEOPLE, SPOOL, STATIC, ZONE, Stage, build
from tests.real.night import wayback
from tests.real.night.night import conducting
from tests.real.night.stage import plant
from tests.real.rig import Rig
from tests.real.world import needs_world, until
from tests.real.world.dns import asked
from tests.real.world.mailman import mailman_words

pytestmark = needs_world

DATES = (
    "2026-11-07T09:00:00+01:00",
    "2026-11-14T09:00:00+01:00",
    "2026-11-23T09:00:00+01:00",
    "2026-11-28T09:00:00+01:00",
    "2027-01-09T09:00:00+01:00",
)
"""The calendar of the plan. Here all of it has come already."""
AFTER = ("first-day/network", "normal-ttl/raise-ttl", "first-week/tune", "etch/evidence")
"""What comes when all has gone over."""
SAFE = ("server/move-names", "rt/open", "trac/open", "lists/start-mailman", "mail/igloo-checks", "planet/final-copy", "backup/folder", *AFTER)  # fmt: skip
"""The steps before which everything can be taken back without a loss."""


COPIED = ("server/notify-begin", "planet/stop-cron", "lists/stop-mailman", "accounts/read-only", "projects/figures", "trac/closed", "mail/hold", "backup/folder", *AFTER)  # fmt: skip
"""The steps before which the initial copy is complete, and nothing is frozen."""
USERS = {
    "/srv/trac/trac.db": wayback.anything,
    "/srv/planet/runs": wayback.grown,
    "/srv/planet/output/index.html": wayback.anything,
    "/srv/projects/lens.git/*": wayback.came,
    "/home/ann/diary": wayback.grown,
    "/var/spool/cron/crontabs/planet": wayback.installed,
    **{f"{SPOOL}/{user}": wayback.grown for user in ("igloo", "ann", "bob")},
    f"/srv/lists/archives/prototype/{CAFE}/new/*": wayback.came,
    "/srv/lists/lists/haskell-cafe.*/digest*": wayback.anything,
    "/srv/lists/data/mailman.db": wayback.anything,
    # Our own test messages, in a mailbox that is there for them.
    f"{SPOOL}/cutover-check": wayback.came,
}
"""What users change on etch while the night goes on; and a crontab that was installed anew. What Mailman has in its database
is asked of it."""

EDITED = (wayback.KEYS, "/etc/postfix/main.cf", "/etc/postfix/transport*")
"""What the night changes on etch, and puts back: by its content, not by its time."""


@pytest.fixture(scope="module")
def stage(rig: Rig) -> Stage:
    return build(rig)


def planted(stage: Stage, folder: Path) -> Path:
    samples = stage.samples | dict.fromkeys(DATES, "2001-01-01T00:00:00+00:00")
    plan = plant(stage.rig, folder, "community", samples)
    stage.nights.append(folder.parent / "run")
    notices.forget(stage.world)
    stage.key.file(folder / "keys")
    return plan


def remembered(stage: Stage) -> wayback.Past:
    """etch before the night: what is on it, and what it says of itself."""
    sql = 'cd /; su postgres -c "psql -Atc \\"{}\\" {}"'
    return wayback.remember(
        stage.etch,
        ["/srv", "/home", "/root", "/etc", "/usr/local", "/var/spool/cron", "/var/backups", SPOOL],
        asked={
            "rt": sql.format("select * from tickets where subject ~ '^old'", "rt"),
            "trac": "sqlite3 /srv/trac/trac.db \"select * from tickets where subject like 'old%'\"",
            "databases": sql.format("select datname, datcollate, datdba from pg_database order by 1", "postgres"),
            "roles": sql.format("select rolname, rolsuper, rolcanlogin from pg_roles order by 1", "postgres"),
            "schema": "cd /; su postgres -c 'pg_dump --schema-only rt' | grep -v 'restrict '",
            "settings": sql.format("select * from pg_db_role_setting", "postgres"),
            "mounts": "grep -c -e ' /srv' -e ' /home' /proc/mounts",
            "crontab": "crontab -l -u planet",
            "mail": "postconf -n",
            "queue": "postqueue -p",
            "lists": mailman_words(),
        },
        skip=["/srv/lists/queue", "/srv/lists/locks"],
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
    steps = {step.ref: step for service in loaded.plan.services for step in service.steps}
    titles = {ref: step.title for ref, step in steps.items()}
    decided = {ref: step.action.paths for ref, step in steps.items() if isinstance(step.action, Sync)}
    tagged = {
        tag: {s.title for s in loaded.plan.services if tag in s.tags} for tag in ("web", "mail", "list", "repositories")
    }

    sites = [f"{name}.{ZONE}" for name in SITES]
    # This machine's own nginx has a site without a name.
    assert tagged["web"] - {"default"} == {*sites}
    assert tagged["mail"] == {*(f"Mail of {domain}" for domain in (MAIL, LISTS, f"etch.{ZONE}")), "Mailboxes"}
    lists = [name.replace("@", ".") for name in (CAFE, f"lens@{LISTS}")]
    assert tagged["list"] == {f"List {name}" for name in lists}
    assert tagged["repositories"] == {"Repositories below /srv/projects (darcs, git)"}

    accounts = [line.split(":") for line in etch.run("getent passwd").splitlines()]
    groups = [line.split(":") for line in etch.run("getent group").splitlines()]
    open_ = {line.split()[3].rpartition(":")[2] for line in etch.run("ss -Hlnt").splitlines()} - {
        "22",
        "25",
        "80",
        "5432",
    }
    assert open_ >= {"8024", "9001", "9002"}
    # What is started with the host and is not seen to listen, by its unit or its init script.
    wants = "/etc/systemd/system/multi-user.target.wants"
    units = {name.removesuffix(".service") for name in etch.run(f"ls {wants}").split() if name.endswith(".service")}
    held = {"apache2", "postfix", "postgresql", "ssh", "cron", "atd", "e2scrub_reap"}
    told = "\n".join(titles.values())
    assert {name for name in units - held if f"service {name}, of a package" not in told} == set()
    assert "service apache2" not in told, "it listens"
    vhost = "apache virtual host of /etc/apache2/sites-enabled/community.conf on new"
    wanted = {
        **{f"accounts/user-{one[0]}": f"account {one[0]}, uid {one[2]}, {one[6]}" for one in accounts if 1000 <= int(one[2]) < 65000},
        **{f"accounts/group-{one[0]}": f"group {one[0]}, gid {one[2]}: {one[3]}".rstrip(": ") for one in groups if 1000 <= int(one[2]) < 65000},
        **{f"web-{site}/vhost-apache": vhost for site in sites},
        **{f"web-{site}/dns-{site}": f"point {site} to new" for site in sites},
        **{f"mail-{domain}/mx": f"MX of {domain}" for domain in (MAIL, LISTS)},
        **{f"list-{name}/configuration": f"mailman3 list {name}: configuration and members" for name in lists},
        **{f"list-{name}/archives": f"archives of {name}" for name in lists},
        "jobs/cron-planet": f"cron job of planet: {JOB}",
        "repositories-srv-projects/frozen-copy": "freeze writers, copy /srv/projects again, verify hooks and modes",
        "db-trac.db/final-copy": "stop the writer of /srv/trac/trac.db, copy it again",
        "db-mailman.db/final-copy": "stop the writer of /srv/lists/data/mailman.db, copy it again",
        **{f"listening/python3-{port}": f"python3 listens on tcp 127.0.0.1:{port}" for port in open_},
    }  # fmt: skip
    assert {"accounts/user-malcolm", "accounts/user-planet", "accounts/group-lens"} <= wanted.keys()
    assert {ref: titles.get(ref) for ref in wanted} == wanted
    assert titles["accounts/group-lens"].endswith(": ann,bob")
    assert titles["db-rt/dump-and-restore"].startswith("postgresql database rt, owner rt, ")
    copies = {
        "repositories-srv-projects/copy": ("/srv/projects/lens.git/", "/srv/projects/xmonad/"),
        **{f"web-{name}.{ZONE}/copy": (f"{root}/",) for name, root in STATIC.items()},
        "mailboxes/copy": ("/var/mail/",),
    }
    assert {ref: decided.get(ref) for ref in copies} == copies
    assert {f"/home/{user}/" for user in (*PEOPLE, "planet")} <= {*decided["accounts/homes"]}
    # What is not a copy is a person's to decide.
    assert all(step.action is None for ref, step in steps.items() if ref not in decided)


async def test_undone_from_the_last_safe_point_etch_is_as_before_but_for_what_people_did(
    desk: Rig, stage: Stage, tmp_path: Path
) -> None:
    etch = stage.etch
    zone = wayback.zone(desk.pid, stage.ns1.address, ZONE)
    before = remembered(stage)
    with people(stage) as crowd:
        async with conducting(tmp_path / "run", planted(stage, tmp_path / "plan")) as night:
            await night.go(before=SAFE, override="a drill: nothing of this stays")
            assert night.states()["mail/copy-mailboxes"] == "done"
            await night.back()
            await busy(crowd, "etch", ("rt", "trac", "accounts", "projects", "planet"))
            await night.end()
        crowd.home()
    # They were told that it begins, and nothing after that.
    assert notices.wrong(stage.world, tmp_path / "run", notices.PLANNED[:4]) == []
    until(lambda: settled(stage, crowd, etch), lambda: f"{waiting(etch)} {waiting(stage.lun)}", 60)
    differences = wayback.differences(before, etch, but=USERS, touched=EDITED)
    assert not differences, "\n".join(differences)
    assert wayback.zone(desk.pid, stage.ns1.address, ZONE) == zone
    books = account(crowd, stage, etch, ["etch"])
    books.refused(stage.nights, CLOSED)
    books.journal(tmp_path / "run", undone=True)
    books.settle()


async def test_the_community_goes_to_lun_with_everybody_on_it(desk: Rig, stage: Stage, tmp_path: Path) -> None:
    """S24 to S41. Each notice goes to whom it is for, once, after what it tells of and before what it warns of (S29, S35)."""
    lun = stage.lun
    with people(stage) as crowd:
        async with conducting(tmp_path / "run", planted(stage, tmp_path / "plan")) as night:
            await night.go(before=COPIED)
            a_user_asks_for_an_account(stage)
            await night.go(before="etch/evidence")
            posted = (crowd.see("message", service, 1, by=f"lun.{ZONE}") for service in ("lists", "mail"))
            await asyncio.gather(busy(crowd, "lun", ("rt", "trac", "accounts", "projects", "planet")), *posted)
            # S30: etch is left active as a read-only copy under a name of its own.
            assert asked(stage.cache, f"old-community.{ZONE}", "A") == [stage.etch.address]
            page = f"curl -q -sS -m 10 -D - http://old-community.{ZONE}/ --resolve old-community.{ZONE}:80:{stage.etch.address}"
            assert "X-Served-By: etch" in (said := stage.world.run(page)), said
            assert "community.haskell.org" in said
            assert "Read-only" in stage.etch.run("touch /srv/projects/new /home/ann/new 2>&1 || :")
            # Nobody comes to etch any more: the plan's evidence says when that is proven.
            await night.go()
            await night.end()
        crowd.home()
    assert notices.wrong(stage.world, tmp_path / "run") == []
    for user in ("igloo", "malcolm"):
        assert lun.file(f"{SPOOL}/{user}").read_text().startswith(OLD_LETTER)
    assert stage.etch.run("ss -Hlnt | awk '{ print $4 }' | grep -E ':(25|80|5432|8024)$' || :") == ""
    until(lambda: settled(stage, crowd, lun), lambda: f"{waiting(stage.etch)} {waiting(lun)}", 60)
    books = account(crowd, stage, lun, ["etch", "lun"])
    books.refused(stage.nights, CLOSED)
    books.journal(tmp_path / "run")
    books.settle()
