"""What `cockpit init --from` finds on an old host with real daemons, and the plan that it drafts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.plan.load import load
from cockpit.plan.model import Plan, Sync
from cockpit.survey.inventory import parse, script
from tests.real.rig import RealHost, Rig
from tests.real.world import listening, needs_world, until, write

pytestmark = needs_world

WORKER = "import time; time.sleep(1e6)"
"""A program that listens nowhere."""
WORKERS = """\
mkdir -p /etc/systemd/system/multi-user.target.wants /etc/supervisor/conf.d /srv/app
ln -s ../queue-worker.service /etc/systemd/system/multi-user.target.wants/queue-worker.service
printf '#!/bin/sh\n# a comment\n/usr/local/bin/ticker $(touch /tmp/owned) &\nexit 0\n' >/etc/rc.local; chmod 755 /etc/rc.local
printf '#!/bin/sh\n' >/etc/init.d/feeder; chmod 755 /etc/init.d/feeder; ln -s ../init.d/feeder /etc/rc2.d/S20feeder
printf '[supervisord]\nnodaemon=true\n[program:mailer]\ncommand = /srv/app/mailer --all\n[program:other]\ncommand=sleep 9\n' >/etc/supervisor/conf.d/mailer.conf
useradd -u 450 -m elder; sed -i 's/^UID_MIN.*/UID_MIN 500/; s/^GID_MIN.*/GID_MIN 500/' /etc/login.defs
useradd -u 500 -U -M -d /srv/people/dora -s /usr/sbin/nologin dora; useradd -r -u 449 -M -d /var/lib/engine engine
groupadd -r -g 501 broker; groupadd -r -g 502 store; useradd -r -u 501 -g broker -M -d /var/lib/broker -s /usr/sbin/nologin broker; useradd -r -u 502 -g store -m -d /var/lib/store -s /bin/bash store
groupadd -g 503 -r brokers; usermod -aG broker,brokers ann; useradd -u 504 -U -m -d /var/people/eve -s /bin/bash -p '$6$salt$hash' eve
useradd -r -u 505 -U -m -d /opt/deploy -s /bin/sh deploy; mkdir /opt/deploy/.ssh; echo 'ssh-ed25519 AAAA' >/opt/deploy/.ssh/authorized_keys
useradd -r -u 999 -U -M -d / -s /usr/sbin/nologin network
"""
EVIL = "x'; touch /tmp/owned; $(touch /tmp/owned) `touch /tmp/owned` {client} #"
NAMES = """\
mkdir -p /srv/git /srv/darcs/planet /home/ann/work "/srv/odd/$evil" /srv/odd/"$(printf 'two\\nlines')" /srv/odd/"$(printf 'bad\\377')"
git init -q --bare /srv/git/site.git; git init -q /home/ann/work/notes; git init -q "/srv/odd/$evil"
git init -q /srv/odd/"$(printf 'two\\nlines')"; git init -q /srv/odd/"$(printf 'bad\\377')"
cd /srv/darcs/planet && HOME=/root darcs init -q >/dev/null
mkdir -p /srv/svn/old/db /srv/svn/old/hooks /srv/svn/old/conf /srv/hg/code/.hg; echo 5 >/srv/svn/old/format
"""
SQL = """
mkdir -p /run/postgresql /run/mysqld /srv/archive; chown postgres /srv/archive; chown postgres /run/postgresql; chown mysql /run/mysqld
as='setpriv --reuid=postgres --regid=postgres --init-groups'
bin=/usr/lib/postgresql/$(ls /usr/lib/postgresql | sort -n | tail -n 1)/bin
ln -sf $bin/psql /usr/local/bin/psql
cd / && $as $bin/initdb -D /var/lib/postgresql/rig --auth-local=peer --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
$as $bin/pg_ctl start -w -t 60 -s -D /var/lib/postgresql/rig -o '-c fsync=off -c listen_addresses=' -l /var/lib/postgresql/rig/log >/dev/null 2>&1 </dev/null
$as $bin/initdb -D /srv/archive/base --auth-local=peer --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
$as $bin/pg_ctl start -w -t 60 -s -D /srv/archive/base -o '-c fsync=off -c listen_addresses= -c log_connections=on -c port=5499 -c unix_socket_directories=/srv/archive' -l /srv/archive/log >/dev/null 2>&1 </dev/null
$as psql -h /srv/archive -p 5499 -Xqc 'create database rt' postgres; $as psql -h /srv/archive -p 5499 -Xqc 'create database past' postgres
$as psql -h /srv/archive -p 5499 -Xqc 'create role root login; create role ann login' postgres
mkdir -p /var/lib/postgresql/9.1/resting; echo 9.1 >/var/lib/postgresql/9.1/resting/PG_VERSION
$as psql -Xqc 'create database rt' postgres; $as psql -Xqc "create database \\"we ird'\\"" postgres
sqlite3 /srv/trac.db 'create table t (a); insert into t values (1)'; echo 'no database' >/srv/notes.db
rm -rf /var/lib/mysql; mkdir /var/lib/mysql; chown mysql /var/lib/mysql
mariadb-install-db --no-defaults --datadir=/var/lib/mysql --user=mysql --skip-test-db --basedir=/usr >/dev/null 2>&1
mkdir -p /srv/second; cp -a /var/lib/mysql /srv/second/data; chown mysql /srv/second
"""
PRETENDERS = (
    ("port", "5499,1/;e touch /tmp/owned #", "/srv/archive,/srv/archive"),
    ("fields", "5499\\t/srv/archive\\troot\\tx", ""),
    ("folder\n5499\t/srv/archive\troot\tx", "5499", "/srv/archive"),
    ("other", "5499", "/srv/archive"),
    ("pipe", "", ""),
)
"""What somebody can write for processes of theirs that they call `postgres`: where it stands, port and folder of the socket."""
PRETENCE = r"""
cd "$1" && if [ "$1" = /home/ann/pipe ]; then mkfifo postmaster.pid; else printf "$$\n$1\n1\n$2\n$3\n" >postmaster.pid; fi
exec /home/ann/postgres 1000000
"""
LURE = """
import os, socket, sys
os.chdir(sys.argv[1])
open("/proc/self/comm", "w").write("mysqld")
server = socket.socket(socket.AF_UNIX)
server.bind(os.path.join(sys.argv[1], "db.sock"))
os.chmod("db.sock", 0o777)
server.listen()
while True:
    server.accept()[0].sendall(b"who are you")
    open("asked", "w").close()
"""
"""What calls itself MariaDB, and remembers that somebody came."""


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    """A host with everything on it."""
    host = rig.host("old")
    host.run(SQL)
    for data, sock in (("/var/lib/mysql", "/run/mysqld/mysqld.sock"), ("/srv/second/data", "/srv/second/db.sock")):
        words = f"--no-defaults --datadir={data} --user=mysql --socket={sock} --skip-networking --pid-file={data}/pid"
        host.spawn(
            "/usr/sbin/mariadbd", *words.split(), "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"
        )
    host.run(
        "useradd -m ann; useradd -M -d /srv/gone away; useradd -m -c 'Bob $(touch /tmp/owned)' bob; groupadd -g 4000 editors; usermod -aG editors ann;"
        "echo bob@elsewhere.test >/home/bob/.forward; echo mail >/var/mail/ann;"
        "printf '# no job\\nA=b\\n*/5 * * * * planet --run \"$(touch /tmp/owned)\"\\n' | crontab -u ann -;"
        "echo '0 3 * * * root backup.sh' >/etc/cron.d/backup; printf '#!/bin/sh\\n' >/etc/cron.daily/rotate-own; chmod 755 /etc/cron.daily/rotate-own;"
        "echo 'mail-the-report' | HOME=/root at -M 23:59 2>/dev/null; mkdir -p /var/lib/mailman3/lists/announce.lists.old.test;"
        "mkdir -p /var/lib/mailman/lists/staff; touch /var/lib/mailman/lists/staff/config.pck"
    )
    host.run(f"evil={quote(EVIL.replace('/', '_'))}; {NAMES}")
    write(host, "/etc/systemd/system/digest.timer", "[Timer]\nOnCalendar=Mon 04:00\n")
    write(
        host,
        "/etc/apache2/sites-enabled/shop.conf",
        f'<VirtualHost *:80>\n ServerName shop.old.test\n ServerAlias www.shop.old.test "$(touch /tmp/owned)"\n DocumentRoot "/srv/www/shop"\n'
        f"</VirtualHost>\n<VirtualHost *:80>\n ServerName wiki.old.test\n DocumentRoot /srv/www/wiki\n</VirtualHost>\n# {EVIL}",
    )
    write(
        host,
        "/etc/nginx/conf.d/static.conf",
        "server { listen 8080; # server_name not.this.test;\n  server_name static.old.test\n    img.old.test;\n"
        "  location / { root /nowhere; }\n  root /srv/www/static;\n}\nserver{listen 8081;server_name one.old.test;root /srv/one;}",
    )
    write(host, "/etc/postfix/virtual", "info@virtual.old.test ann\n@whole.old.test bob\n")
    write(
        host,
        "/etc/postfix/main.cf",
        "compatibility_level = 3.6\nmydestination = localhost, mail.old.test,\n  old.test\nvirtual_alias_maps = hash:/etc/postfix/virtual\n"
        "virtual_alias_domains = $virtual_alias_maps, extra.old.test\nmaillog_file = /dev/stdout",
    )
    write(host, "/etc/mail/local-host-names", "send.old.test\n# no\n")
    write(host, "/etc/exim4/update-exim4.conf.conf", "dc_other_hostnames='exim.old.test:$(touch /tmp/owned)'\n")
    host.run(
        "mkdir -p /srv/www/shop /srv/www/wiki /srv/www/static /var/log/nginx /var/log/apache2; apache2ctl -t 2>&1 | grep -q 'Syntax OK'; nginx -t 2>/dev/null"
    )
    host.run(WORKERS)
    write(host, "/etc/systemd/system/queue-worker.service", "[Service]\nExecStart=-/srv/app/worker --queue 'a b'\n")
    write(host, "/etc/systemd/system/by-hand.service", "[Service]\nExecStart=/srv/app/once\n")
    write(host, "/srv/app/left-behind.py", WORKER)
    host.spawn("python3", "/srv/app/left-behind.py")
    host.spawn("/usr/bin/setpriv", "--reuid=ann", "--regid=ann", "--clear-groups", "python3", "-c", WORKER)
    host.run("cp /usr/bin/sleep /home/ann/postgres")
    for folder, port, sockets in PRETENDERS:
        place = f"/home/ann/{folder}"
        host.run(f"install -d -o ann {quote(place)}")
        words = ["--reuid=ann", "--regid=ann", "--clear-groups", "sh", "-c", PRETENCE, "sh", place, port, sockets]
        host.spawn("/usr/bin/setpriv", *words)
    until(lambda: host.run("pgrep -u ann -cx postgres") == f"{len(PRETENDERS)}\n", host.said, 60)
    for owner, folder in (("ann", "/srv/lure"), ("mysql", "/srv/lure/deeper")):
        host.run(f"install -d -o {owner} {folder}")
        host.spawn("/usr/bin/setpriv", f"--reuid={owner}", "--clear-groups", "python3", "-c", LURE, folder)
        until(lambda folder=folder: host.run(f"ls {folder}/db.sock", check=False), host.said, 60)  # type: ignore[misc]
    host.spawn("python3", "-m", "http.server", "4201", "--directory", "/srv/www")
    until(lambda: listening(host, 4201), lambda: "nothing listens on 4201", 60)
    for sock, name in (("/run/mysqld/mysqld.sock", "blog"), ("/srv/second/db.sock", "shop")):
        until(
            lambda sock=sock: host.run(f"mariadb -S {sock} -Ne 'select 1' 2>/dev/null", check=False).strip() == "1",  # type: ignore[misc]
            lambda sock=sock: f"no MariaDB at {sock}",  # type: ignore[misc]
            60,
        )
        host.run(f"mariadb -S {sock} -e 'create database {name}; create table {name}.t (a int)'")
    return host


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.fixture
def drafted(desk: Rig, old: RealHost, tmp_path: Path) -> Plan:
    """The plan as the command line drafts it."""
    (tmp_path / "known").write_text(f"{old.address} {old.host_key}\n")
    (tmp_path / "config").write_text(
        f"Host old\n HostName {old.address}\n User root\n IdentityFile {desk.key}\n UserKnownHostsFile {tmp_path}/known\n"
    )
    words = [sys.executable, "-m", "cockpit", "init", str(tmp_path / "plan.yaml"), "--from", "old", "--ssh-config"]
    done = subprocess.run([*words, str(tmp_path / "config")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    loaded = load(tmp_path / "plan.yaml")
    assert loaded.plan is not None, loaded.findings
    assert {finding.code for finding in loaded.findings} == {"draft"}, loaded.findings
    return loaded.plan


def test_the_draft_names_everything_that_is_there_and_passes_check(
    drafted: Plan, old: RealHost, tmp_path: Path
) -> None:
    """Services, also those that listen nowhere, domains, jobs, lists, repositories, databases of every server and people of the
    old host; nothing of it was run."""
    told = (tmp_path / "plan.yaml").read_text()
    titles = "\n".join(
        title for service in drafted.services for title in (service.title, *(step.title for step in service.steps))
    )
    paths = {
        path
        for s in drafted.services
        for step in s.steps
        if isinstance(step.action, Sync)
        for path in step.action.paths
    }
    for words in (
        "shop.old.test", "point www.shop.old.test to new", "wiki.old.test", "static.old.test", "point img.old.test to new", "one.old.test",
        "Mail of old.test", "Mail of mail.old.test", "Mail of virtual.old.test", "Mail of whole.old.test", "Mail of extra.old.test",
        "Mail of send.old.test", "Mail of exim.old.test",
        'cron job of ann: */5 * * * * planet --run "$(touch /tmp/owned)"', "cron job in /etc/cron.d/backup: 0 3 * * * root backup.sh",
        "daily /etc/cron.daily/rotate-own", "timer digest.timer: OnCalendar=Mon 04:00", "of root: mail-the-report",
        "List announce.lists.old.test", "List staff", "account ann, uid ", "mail is forwarded to bob@elsewhere.test", "group editors, gid 4000: ann",
        "postgresql we ird'", "mysql blog", "sqlite /srv/trac.db", "copy of /srv/trac.db", "/srv/gone is no folder", "/srv/one is no folder", "python3 listens on tcp 0.0.0.0:4201",
        "systemd service queue-worker: /srv/app/worker --queue 'a b'", "systemd service by-hand, not enabled: /srv/app/once",
        "init script feeder: /etc/init.d/feeder", "supervisor program mailer: /srv/app/mailer --all", "supervisor program other: sleep 9",
        "rc.local starts: /usr/local/bin/ticker $(touch /tmp/owned) &", "process of root, started by nothing that was found: python3 /srv/app/left-behind.py",
        f"process of ann, started by nothing that was found: python3 -c {WORKER}",
        "account elder, uid 450", "group elder, gid ", "account dora, uid 500", "group dora, gid ", "account eve, uid 504",
        "account deploy, uid 505", "group broker, gid ", "group brokers, gid 503: ann",
        "postgresql rt at port 5499", "postgresql past at port 5499", "mysql shop at socket /srv/second/db.sock",
    ):  # fmt: skip
        assert words in titles, f"{words} is not in:\n{titles}"
    assert "postgresql rt" in titles.splitlines()
    assert "not.this" not in titles
    assert "notes.db" not in titles
    assert "e2scrub" not in titles
    # What every host starts for itself, what listens and is told as that, and a login that is ours.
    for words in (
        "account engine",
        "account broker",
        "account store",
        "account network",
        "group store",
        "group network",
        "service cron",
        "service ssh",
        "script procps",
        "http.server",
        "sh -s",
    ):
        assert words not in titles, f"{words} is in:\n{titles}"
    # Nobody is dropped without a word.
    (taken,) = [line for line in told.splitlines() if "whose ids are among those of people: " in line]
    assert {"broker", "store", "network"} <= set(taken.split(": ")[-1].split()), taken
    assert "a PostgreSQL cluster in /var/lib/postgresql/9.1/resting does not run" in told
    assert {
        "/srv/www/shop/",
        "/srv/www/static/",
        "/home/ann/",
        "/srv/git/site.git/",
        "/home/ann/work/notes/",
    } <= paths
    assert {"/srv/darcs/planet/", "/srv/svn/old/", "/srv/hg/code/", "/var/mail/"} <= paths
    # What is copied can be copied: a sync takes folders.
    assert not [path for path in paths if not path.endswith("/") or not old.file(path).is_dir()]
    host = drafted.hosts["old"]
    assert (host.host_key, host.machine_id, host.hostname, host.address) == (
        old.host_key,
        old.machine_id,
        "old",
        old.address,
    )
    assert not old.run("ls /tmp/owned 2>/dev/null", check=False)


def test_who_calls_a_process_a_server_is_asked_as_nobody_else_and_runs_nothing(
    drafted: Plan, old: RealHost, tmp_path: Path
) -> None:
    told = (tmp_path / "plan.yaml").read_text()
    assert told.count("of ann calls itself a PostgreSQL server, but does not look like one") == 3, told
    assert "PostgreSQL is installed and could not be asked for its databases on port 5499" in told
    users = set(re.findall("connection authorized: user=(\\w+)", old.run("cat /srv/archive/log")))
    assert users == {"postgres"}
    assert not old.run("ls /tmp/owned 2>/dev/null", check=False)


def test_nobody_who_may_be_anybody_is_asked_with_the_rights_of_root(
    drafted: Plan, old: RealHost, tmp_path: Path
) -> None:
    """Root's client would show its password to whoever listens there."""
    told = (tmp_path / "plan.yaml").read_text()
    for place in ("/srv/lure", "/srv/lure/deeper"):
        assert f"at {place}/db.sock was not asked for its databases: that place belongs to a person" in told
        assert not old.run(f"ls {place}/asked 2>/dev/null", check=False)


def test_names_that_try_to_be_commands_stay_names(drafted: Plan) -> None:
    steps = [step for service in drafted.services for step in service.steps]
    paths = {path for step in steps if isinstance(step.action, Sync) for path in step.action.paths}
    assert f"/srv/odd/{EVIL.replace('/', '_')}/" in paths
    by_hand = [step.title for step in steps if step.title.startswith("copy by hand")]
    assert len(by_hand) == 2, by_hand


@pytest.mark.parametrize("shell", ["bash --posix", "busybox sh"])
def test_every_shell_finds_the_same(old: RealHost, shell: str) -> None:
    def found(words: str) -> set[tuple[str, ...]]:
        text = script().encode()
        out = subprocess.run([*old.entered(), *words.split(), "-s"], input=text, capture_output=True, check=True).stdout
        assert parse(out).whole
        return {(item.kind, *item.fields) for item in parse(out).items if item.kind != "listen"}

    assert found(shell) == found("dash")


def test_a_login_without_rights_says_what_it_could_not_see(old: RealHost) -> None:
    words = [*old.entered(), "su", "-s", "/bin/sh", "mover", "-c", "exec sh -s"]
    out = subprocess.run(words, input=script().encode(), capture_output=True, check=True).stdout
    found = parse(out)
    assert found.whole
    assert any("not root" in item.field(0) for item in found.of("note"))
    assert any(item.field(0) == "ann" for item in found.of("user"))


def test_a_host_that_is_not_there_is_a_sentence(desk: Rig, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "cockpit", "init", str(tmp_path / "plan.yaml"), "--from", "root@10.213.0.99:1"]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert (done.returncode, done.stderr.startswith("cockpit: "), (tmp_path / "plan.yaml").exists()) == (2, True, False)
