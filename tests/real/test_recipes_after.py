"""What comes afterwards, on real hosts: backups that come back, evidence before the end, checks and limits."""

from __future__ import annotations

import re

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until, write
from tests.real.world.databases import postgres
from tests.real.world.web import apache

pytestmark = needs_world

NAME = EVIL.replace("/", ":")
STATE = "cd /srv; find . | LC_ALL=C sort"
QUOTED = "'" + NAME.replace("'", "'\\''") + "'"


@pytest.fixture(scope="module")
def host(rig: Rig) -> RealHost:
    made = rig.host("old")
    made.run(
        "mkdir -p /srv/site/sub /srv/backups; cd /srv/site; echo one >a; echo two >sub/b; ln -s a link; mkfifo pipe; echo new >'line\nbreak'; echo slash >'back\\n\\\\slash';"
        f"printf x >-x; echo odd >{QUOTED}; chmod 600 a; chown mover sub/b"
    )
    return made


def test_a_backup_is_taken_and_comes_back_file_by_file(host: RealHost) -> None:
    """S24, S41: automated backups; one that was never restored is none."""
    archive = f"/srv/backups/{NAME}.tar"
    take = Trial(host, "backup-take", {"source": "/srv/site", "archive": archive}, STATE)
    take.there_and_back()
    take.cut_anywhere()
    write(host, "/usr/local/bin/tar", '#!/bin/sh\nexec busybox tar "$@"\n', "755")
    for op in ("capture", "apply"):
        assert "GNU tar" in take.must(op, 1)  # type: ignore[arg-type]
    host.run("rm /usr/local/bin/tar")
    take.there()
    assert "there already" in take.ask("capture").said
    back = {"archive": archive, "into": f"/srv/into {NAME}", "evidence": "/srv/evidence"}
    restore = Trial(host, "backup-restorable", back, STATE + "; cat evidence")
    restore.there_and_back()
    host.run("mkdir /srv/into")
    plain = Trial(host, "backup-restorable", {**back, "into": "/srv/into"}, STATE)
    plain.cut_anywhere()
    never_half_gone(plain)
    assert "is not empty" in Trial(host, "backup-restorable", {**back, "into": "/srv/site"}).ask("capture").said
    restore.there()
    assert host.run(f"cd /srv/into\\ {QUOTED}; stat -c '%a %U' a sub/b; readlink link") == "600 root\n644 mover\na\n"
    host.run(f"echo other >/srv/into\\ {QUOTED}/a")
    assert "not what was taken" in restore.must("verify", 1)
    restore.back()
    Trial(host, "backup-take", {"source": "/srv/site", "archive": "/srv/backups/other.tar"}, STATE).refuses()
    odd = f"/srv/backups/{NAME}\n{NAME}"
    two = Trial(host, "backup-take", {"source": f"/srv/{NAME}\n{NAME}", "archive": odd}, STATE)
    host.run("cp -a /srv/site /srv/copy")
    host.inner("/srv/copy").rename(host.inner(two.params["source"]))
    two.there()
    back = {"archive": odd, "into": f"/srv/{NAME}\ninto", "evidence": f"/srv/{NAME}\nevidence"}
    Trial(host, "backup-restorable", back, STATE).there_and_back(shells=("dash",))
    two.back()
    host.inner(two.params["source"]).rename(host.inner("/srv/copy"))
    host.run("rm -r /srv/copy")
    host.run(f"dd if=/dev/zero of=/srv/backups/{QUOTED}.tar bs=1 seek=1024 count=9 conv=notrunc 2>/dev/null")
    assert "does not fit" in take.must("verify", 1) or not take.recognised()
    assert "not what its checksum says" in restore.must("apply", 1)
    host.run(f"cd /srv/backups; sha256sum <{QUOTED}.tar >{QUOTED}.tar.sha256")
    before = restore.seen()
    assert "it is no backup" in restore.must("apply", 1)
    assert restore.seen() == before
    take.back()
    assert not evil_left(host)


def never_half_gone(restore: Trial) -> None:
    """Wherever its undo is cut off, there is no evidence of what is not there any more."""
    restore.capture()
    restore.must("apply")
    for point in range(1, restore.traced("undo")):
        restore.must("apply")
        restore.cut("undo", point)
        gone = restore.must("verify", 1) if not restore.recognised() else restore.must("verify")
        assert "not what was taken" not in gone, f"after {point} commands: {gone}"
        restore.must("undo")


def test_what_changes_while_the_backup_is_taken_is_taken_again(host: RealHost) -> None:
    host.run("mkdir /srv/busy; cd /srv/busy; seq 300 | while read n; do seq 2000 >f$n; done")
    archive = "/srv/backups/busy.tar"
    take = Trial(host, "backup-take", {"source": "/srv/busy", "archive": archive, "tries": "50"}, STATE)
    take.capture()
    # It changes as soon as the first archive has begun, and thrice only.
    writer = host.spawn(
        "sh", "-c", "cd /srv/busy; until [ -s ../backups/busy.tar.part ]; do :; done; for n in 1 2 3; do echo $n >>f$n; echo $n >new$n; done; rm f9"
    )  # fmt: skip
    said = take.must("apply")
    writer.wait(60)
    assert "302 files" in said
    assert re.search(r"[1-9]\d* times something had changed", said)
    take.must("verify")
    restore = Trial(host, "backup-restorable", {"archive": archive, "into": "/srv/r", "evidence": "/srv/e"}, STATE)
    restore.there()
    assert host.run("tail -n 1 /srv/r/f2; cat /srv/r/new3; ls /srv/r | wc -l") == "2\n3\n302\n"
    restore.back()
    take.back()
    for_ever = host.spawn("sh", "-c", "while [ -d /srv/busy ]; do echo x >>/srv/busy/f1; done")
    take.params = {"source": "/srv/busy", "archive": archive, "tries": "1"}
    take.capture()
    assert "changes all the time, as in ./f1: freeze it first" in take.must("apply", 1)
    assert "busy.tar" not in take.seen()
    host.run("mv /srv/busy /srv/gone")
    for_ever.wait(60)
    take.must("apply", 1)
    host.run("rm -rf /srv/gone")
    assert "busy.tar" not in take.seen()


def test_a_restic_backup_is_checked_and_a_sample_comes_back(host: RealHost) -> None:
    secret = {"password": EVIL}
    host.run(f"cat >/run/p <<'END'\n{EVIL}\nEND\nrestic -q --no-cache -r /srv/restic -p /run/p init >/dev/null")
    state = "ls /srv; ls /srv/restic/snapshots | wc -l"
    params = {"source": "/srv/site", "repository": "/srv/restic", "sample": NAME}
    backup = Trial(host, "backup-restic", params, state, secret)
    before = backup.seen()
    assert not backup.recognised()
    backup.capture()
    backup.cut("apply", 14)
    backup.must("apply", shell="bash --posix")
    assert "already" in backup.must("apply", shell="busybox sh")
    assert backup.seen().split()[-1] == "1"
    backup.must("verify")
    for param, value, status in (("check", EVIL, 1), ("check", f"{EVIL}\n{EVIL}", 1), ("sample", f"{EVIL}\n{EVIL}", 0)):
        odd = backup.given(param, value)
        odd.must("apply", status)
        odd.must("verify", 1 + status)
    host.run(f"echo changed >>/srv/site/{QUOTED}")
    assert "something else" in backup.must("verify", 1)
    backup.cut("undo", 12)
    backup.back()
    assert backup.seen() == before
    backup.refuses(only=("source", "repository"))
    backup.secrets = {"password": "wrong\n"}
    assert "is that its password" in backup.must("apply", 1)
    backup.must("verify", 2)
    assert not evil_left(host)


RC = "for s in cron atd; do service $s status; done; find /etc/rc*.d -name '*cron' -o -name '*atd' | sort; find /etc/systemd/system | sort"


def test_services_are_stopped_for_good_only_when_all_the_evidence_is_there(host: RealHost) -> None:
    """S41: "delete the Etch server": no traffic, no mail, a backup restored elsewhere."""
    host.run("service cron start; service atd start; touch -d '2 hours ago' /var/log/access.log /var/log/mail.log")
    proof = "archive-sha256 " + "ab" * 32
    host.run(f"printf '%s\\nrestored-on else\\n' '{proof}' >/srv/evidence")
    params = {
        "services": "cron\natd",
        "quiet": "/var/log/access.log\n/var/log/mail.log",
        "seconds": "3600",
        "holds": f"test -d /srv\ntest '$(touch /tmp/owned)' = {QUOTED} || true",
        "backup": "/srv/evidence",
        "checksum": "ab" * 32,
        "ports": "2525",
    }
    trial = Trial(host, "decommission", params, RC)
    for spoil, mend, why in (
        ("touch /var/log/mail.log", "touch -d '2 hours ago' /var/log/mail.log", "/var/log/mail.log was written to"),
        ("mv /var/log/mail.log /srv/", "mv /srv/mail.log /var/log/", "cannot be read"),
        ("sed -i s/ab/cd/ /srv/evidence", "sed -i s/cd/ab/ /srv/evidence", "of another one"),
        ("sed -i s/else/old/ /srv/evidence", "sed -i s/old/else/ /srv/evidence", "on this very host"),
        ("touch -d '8 days ago' /srv/evidence", "touch /srv/evidence", "older than 7 days"),
        ("mv /srv/evidence /srv/x", "mv /srv/x /srv/evidence", "there is no evidence"),
    ):
        before = trial.seen()
        trial.capture()
        host.run(spoil)
        said = trial.must("apply", 1)
        assert "nothing was stopped" in said
        assert why in said
        host.run(mend)
        assert trial.seen() == before
    held = Trial(host, "decommission", {**params, "holds": "test -d /srv\ntest -d /nowhere"}, RC)
    assert "this does not hold: test -d /nowhere" in held.must("apply", 1)
    for odd in ({"services": EVIL}, {"services": ""}, {"seconds": EVIL}):
        assert Trial(host, "decommission", {**params, **odd}).ask("capture").status == 1
    unknown = Trial(host, "decommission", {**params, "services": "corn"}, RC)
    assert "there is no service corn" in unknown.must("probe", 2)
    assert "there is no service corn" in unknown.must("verify", 2)
    # Links that nobody's `update-rc.d` would make come back as they were, too.
    host.run(
        "cd /etc; rm -f rc?.d/*cron rc?.d/*atd; ln -s ../init.d/cron rc3.d/S07cron; ln -s ../init.d/cron rc4.d/K91cron"
    )
    host.run("cd /etc; ln -s ../init.d/atd rc5.d/S99atd; ln -s ../init.d/atd rc2.d/S01atd")
    trial.there_and_back()
    Trial(host, "decommission", {**params, "services": "atd"}, RC).cut_anywhere()
    trial.there()
    assert host.run("pidof cron atd || :") == ""
    assert "nothing listens" in trial.must("verify")
    assert "listens" not in Trial(host, "decommission", {**params, "ports": ""}, RC).must("verify")
    user = host.spawn("python3", "-c", "import socket,time; s=socket.create_server(('', 2525)); time.sleep(600)")
    until(lambda: "2525" in trial.ask("verify").said, lambda: "a listener")
    user.kill()
    trial.must("undo")
    assert not evil_left(host)


def test_a_program_of_supervisor_is_stopped_for_good_only_with_supervisor(host: RealHost) -> None:
    """S41: what supervisor runs is a service of the old host like any other."""
    rc = "service supervisor status; find /etc/rc*.d -name '*supervisor' | sort"
    state = f"{rc}; until supervisorctl status shop:app | grep -q RUNNING; do sleep 0.2; done; supervisorctl avail"
    program = "[program:app]\ncommand=sleep 1000\nstartsecs=0\n[group:shop]\nprograms=app"
    write(host, "/etc/supervisor/conf.d/app.conf", program)
    host.run("mkdir /var/log/supervisor; update-rc.d supervisor enable; service supervisor start")
    host.run(
        f"printf 'archive-sha256 {'ab' * 32}\\nrestored-on else\\n' >/srv/evidence; touch -d '2 hours ago' /var/log/old.log"
    )
    params = {
        "services": "supervisor:shop:app",
        "quiet": "/var/log/old.log",
        "seconds": "60",
        "backup": "/srv/evidence",
    }
    until(lambda: "RUNNING" in host.run("supervisorctl status shop:app", check=False), lambda: "the program", 60)
    alone = Trial(host, "decommission", params, state)
    assert not alone.recognised()
    alone.capture()
    assert "supervisor would start shop:app again" in alone.must("apply", 1)
    assert "supervisor:shop:app runs" in alone.must("verify", 1)
    for unknown in ("supervisor:none", "none"):
        said = Trial(host, "decommission", {**params, "services": unknown}).ask("probe")
        assert (said.status, said.said) == (2, f"there is no service {unknown} on this host\n")
    both = Trial(host, "decommission", {**params, "services": "supervisor:shop:app\nsupervisor"}, state)
    before = both.seen()
    both.capture()
    both.must("apply")
    both.must("verify")
    assert both.recognised()
    assert not host.run("pidof sleep", check=False)
    both.back("busybox sh")
    assert both.seen() == before
    write(host, "/etc/supervisor/conf.d/app.conf", program.replace("startsecs", "autostart=false\nstartsecs"))
    host.run("supervisorctl reread")
    alone.there("bash --posix", already=False)
    alone.back()
    assert "RUNNING" in host.run("supervisorctl status shop:app")
    host.run("service supervisor stop")


def test_a_check_is_registered_and_seen_by_the_monitoring(host: RealHost) -> None:
    """A small monitoring: it reads its checks when it is told to, and refuses what it does not know."""
    host.run("mkdir -p /etc/mon; echo 'check disk' >/etc/mon/a; chmod 640 /etc/mon/a; cat /etc/mon/* >/run/mon")
    params = {
        "file": f"/etc/mon/{NAME}\n{NAME}",
        "check": f"check {EVIL}\ncheck second",
        "test": "! grep -v ^check /etc/mon/* | grep .",
        "reload": "cat /etc/mon/* > /run/mon",
        "seen": "grep -q second /run/mon",
        "within": "1",
    }
    state = "cd /etc/mon; ls -ln --time-style=+%s; cat * /run/mon"
    Trial(host, "monitoring-probe", params, state).there_and_back()
    over = Trial(host, "monitoring-probe", {**params, "file": "/etc/mon/a"}, state)
    over.cut_anywhere()
    before = over.seen()
    broken = Trial(host, "monitoring-probe", {**params, "check": "chekc"}, state)
    broken.capture()
    broken.turned_away("nothing was reloaded", "ls --full-time /run/mon")
    over.capture()
    over.refuses(only=("within",))
    assert over.seen() == before
    deaf = Trial(host, "monitoring-probe", {**params, "reload": "true"}, state)
    deaf.capture()
    deaf.must("apply")
    assert "does not show the check" in deaf.must("verify", 1)
    deaf.must("undo")
    host.run("echo broken >/etc/mon/z")
    assert "broken already" in over.ask("capture").said
    host.run("rm /etc/mon/z")
    assert over.seen() == before
    assert not evil_left(host)


def test_figures_beyond_their_limits_are_named(host: RealHost) -> None:
    """S41: monitor memory, CPU, PostgreSQL, Apache."""
    apache(
        host, "www.example.test", {"/index.html": "old"}, more="<Location /s>\nSetHandler server-status\n</Location>"
    )
    postgres(host)
    given = {"load": "500", "memory": "0.1", "disk": "100", "status": "http://127.0.0.1/s?auto", "connections": "90"}
    fine = Trial(host, "hypercare-load", {**given, "paths": "/\n/srv"})
    fine.there_and_back(already=False)
    said = fine.must("verify")
    for part in ("memory available", "load ", "disk of /srv", "inodes of /", "PostgreSQL's connections ", "Apache's busy workers"):  # fmt: skip
        assert part in said
    over = fine.params = {**given, "memory": "100", "connections": "0"}
    said = fine.must("verify", 1)
    assert re.search(
        r"not within limits: memory available \d+% \(least 100\); PostgreSQL's connections \d+% \(most 0\)", said
    )
    fine.params = {
        **over,
        "memory": "0",
        "workers": "100",
        "status": "http://127.0.0.1:99/",
        "port": "99",
        "paths": EVIL,
    }
    said = fine.must("verify", 2)
    assert "cannot be seen: disk of it's" in said
    assert "PostgreSQL's connections" in said
    assert "a limit is a number" in Trial(host, "hypercare-load", {"load": EVIL}).must("verify", 2)
    assert not evil_left(host)
