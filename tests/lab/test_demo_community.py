"""The demo of the whole server: RT all the way first, then everything else together, and nothing of anybody lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.lab.stages.community import ALIASES, BOXES, NEWCOMER, SCRIPTS, USERS, requests
from cockpit.lab.stages.community_people import PROJECTS
from tests.lab.demos import demo, whole

pytestmark = pytest.mark.xdist_group("demos")
AFTER = ("first-day", "first-week", "normal-ttl", "etch")
SERVICES = ("server", "rt", "accounts", "projects", "trac", "lists", "mail", "planet", "backup", *AFTER)


def test_a_whole_server_moves_while_people_use_it(tmp_path: Path) -> None:
    """S24 to S41, as far as accounts without user ids and servers in Python go."""
    ran = demo("community", tmp_path)
    whole(ran, *SERVICES)
    etch, lun, backup = (ran.lab / host for host in ("etch", "lun", "backup"))
    assert all(ran.summary["gates"][gate]["open"] for gate in ("rt-good", "go", "delete-etch"))

    order = [(step["started"], service) for service in SERVICES for step in ran.summary["services"][service]["steps"]]
    last_of_rt = max(started for started, service in order if service == "rt")
    assert last_of_rt < min(started for started, service in order if service == "accounts"), "RT is the dry run"

    # Somebody got an account after the first copy of accounts, and is on lun too.
    for user in (*USERS, NEWCOMER):
        assert (lun / "etc/accounts" / user).read_text() == (etch / "etc/accounts" / user).read_text()
        assert (lun / "home" / user / ".ssh/authorized_keys").exists()
    assert NEWCOMER in (etch / "var/backups/accounts/last").read_text()
    assert NEWCOMER not in (etch / "var/backups/accounts/first").read_text()

    # Planet's job has one owner: all runs on etch come before all runs on lun.
    runs = (lun / "srv/planet/runs").read_text().split()
    assert runs == sorted(runs)
    assert set(runs) == {"etch", "lun"}
    assert "lun" not in (etch / "srv/planet/runs").read_text()

    assert sorted((etch / "etc/readonly").read_text().splitlines()) == ["home", "srv srv/lists"]
    said = ran.tally
    assert said["trouble"] == []
    assert all(said["refused"][kind] for kind in ("tickets", "requests", "pushes")), "while nothing takes them"
    assert not said["refused"]["posts"], "mail is not lost, it waits"
    assert not said["refused"]["mails"], "mail is not lost, it waits"
    for user in BOXES:
        assert "An old letter." in (lun / "var/mail" / user).read_text()
    # Each kind of data lies on the backup host as it was on lun while people used it: restored, or file by file.
    backups = backup / "var/backups"
    for project in PROJECTS:
        assert (backups / "restored/srv/projects" / project / "inventory").exists()
    for data in ("code/xmonad/release.txt", "trac/tickets/00029", "lists/cafe/members", "www/code/index.html"):
        assert (backups / "restored/srv" / data).read_text() == (lun / "srv" / data).read_text()
    assert "lun" in (backups / "restored/srv/planet/runs").read_text()
    restored, now = requests(backups / "restored/rt.db"), requests(lun / "srv/rt/rt.db")
    assert len(restored) >= 40
    assert now[: len(restored)] == restored
    for user in (*USERS, NEWCOMER):
        key = "/.ssh/authorized_keys"
        assert (backups / f"homes/{user}{key}").read_text() == (lun / f"home/{user}{key}").read_text()
    for user in BOXES:
        letters = (backups / "mailboxes" / user).read_bytes()
        assert b"An old letter." in letters
        assert (lun / "var/mail" / user).read_bytes().startswith(letters)

    # The admins' scripts came over, createlist disabled, and it stays so on etch.
    for script in SCRIPTS:
        assert (lun / script).read_text() == (etch / script).read_text()
    assert [bool((host / "usr/local/bin/createlist").stat().st_mode & 0o111) for host in (etch, lun)] == [False, True]
    for name in ALIASES:
        assert f"{name}.haskell.test" in (lun / "logs/access.log").read_text()
    assert (backup / "var/notices/users").read_text().count("X-Cutover:") >= 5
    assert "has moved" in (backup / "var/notices/haskell").read_text()
