"""The hosts of the community server: etch as it was for years, lun as its administrators have set it up, and what is around."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from tests.real.haskell import tracker
from tests.real.haskell.notices import receiver
from tests.real.night.ledger import Ledger
from tests.real.rig import RealHost, Rig
from tests.real.world import listening, until, write
from tests.real.world.databases import postgres, psql
from tests.real.world.dns import Key, bind, knot, unbound, zone_text
from tests.real.world.mail import postfix
from tests.real.world.mailman import mailing_lists, mailman, mailman_start

ZONE = "haskell.test"
LISTS = f"projects.{ZONE}"
MAIL = f"community.{ZONE}"
PEOPLE = {"ann": 2001, "bob": 2002, "igloo": 2003, "malcolm": 2004}
CAFE = f"haskell-cafe@{LISTS}"
NORMAL_TTL = 5
"""Seconds; what the plan calls a day."""
SPOOL = "/var/mail"
OLD_LETTER = "From simon@outside.test Thu Jan  1 00:00:00 2009\nSubject: hello\n\nAn old letter.\n\n"

STATIC = {
    "community": "/srv/www/community",
    "projects": "/srv/projects",
    "code": "/srv/code",
    "planet": "/srv/planet/output",
}
_TRACKED = {"rt": 9001, "trac": 9002}
PLANET = "/srv/planet/bin/planet"
_PLANET = """\
#!/bin/sh
# The planet's hourly run: one line in its log, and a fresh page.
cd /srv/planet || exit
echo "$(cat /etc/hostname) ${NUMBER-}" >> runs || exit
{ echo "<title>Planet Haskell</title>"; tail -n 1 runs; } > output/.new && mv output/.new output/index.html
"""


@dataclass
class Stage:
    """The hosts by what they are."""

    rig: Rig
    etch: RealHost
    lun: RealHost
    backup: RealHost
    ns1: RealHost
    ns2: RealHost
    cache: RealHost
    world: RealHost
    key: Key
    ledger: Ledger = field(default_factory=Ledger)
    """What people have done here, over all nights."""
    nights: list[Path] = field(default_factory=list)
    """The runs of these nights."""

    @property
    def samples(self) -> dict[str, str]:
        """What stands in the plan, with what it is here."""
        return {
            "192.0.2.10": self.etch.address,
            "192.0.2.20": self.lun.address,
            "192.0.2.30": self.backup.address,
            "192.0.2.53": self.ns1.address,
            "192.0.2.54": self.ns2.address,
            "192.0.2.61": self.cache.address,
            "192.0.2.25": self.world.address,
            "5m": "1s",
            "300": "1",
            "500ms": "1s",
            "604800": "1",
            'load: "4"': 'load: "90"',
            "1d": f"{NORMAL_TTL}s",
        }


def build(rig: Rig) -> Stage:
    """All of it, up and serving."""
    hosts = {name: rig.host(name) for name in ("etch", "lun", "backup", "ns1", "ns2", "cache", "world")}
    stage = Stage(rig=rig, key=Key(), **hosts)
    _names(stage)
    with ThreadPoolExecutor(2) as pool:
        lun, backup = pool.submit(_lun, stage.lun), pool.submit(_backup, stage.backup)
        _services(stage.etch)
        _years_of_use(stage.etch)
        _apache(stage.etch)
        lun.result()
        backup.result()
    receiver(stage.world)
    until(
        lambda: _posted(stage.etch),
        lambda: f"the first post: {stage.etch.run('postqueue -p; tail /var/log/mailman3/*')}",
        60,
    )
    return stage


def _lun(host: RealHost) -> None:
    _services(host)
    _apache(host)


def _backup(host: RealHost) -> None:
    """A server in which a dump can be tried."""
    postgres(host)
    psql(host, "create role rt")


def _names(stage: Stage) -> None:
    servers = {"ns1": stage.ns1, "ns2": stage.ns2}
    ttl = NORMAL_TTL
    records = [f"etch {ttl} IN A {stage.etch.address}", f"lun {ttl} IN A {stage.lun.address}"]
    for name in ("community", "projects"):
        records += [f"{name} {ttl} IN A {stage.etch.address}", f"{name} {ttl} IN MX 10 etch.{ZONE}."]
    records += [f"{name} {ttl} IN CNAME etch.{ZONE}." for name in ("code", "trac", "rt", "planet")]
    text = zone_text(servers, "\n".join(records), zone=ZONE)
    bind(stage.ns1, text, zone=ZONE, key=stage.key, secondaries=[stage.ns2])
    knot(stage.ns2, zone=ZONE, primary=stage.ns1)
    unbound(stage.cache, stage.ns1, forward=stage.ns2)


def _services(host: RealHost) -> None:
    """What either host has: the daemons, with nothing of the community in them."""
    host.run("useradd -m -s /bin/sh cutover-check; grep -q '^postfix:' /etc/passwd")
    host.run("git config --system --add safe.directory '*'")
    postfix(
        host,
        f"{host.name}.{ZONE}",
        MAIL,
        transports={LISTS: "lmtp:[127.0.0.1]:8024"},
        # Without limits for clients there are no statistics of them, which come into the log when nothing else happens.
        settings={"relay_domains": LISTS, "local_recipient_maps": "", "smtpd_client_connection_count_limit": "0"},
    )
    host.run("mkdir -p /srv/www /srv/projects /srv/code /srv/trac /srv/planet /srv/lists /var/spool/cron/crontabs")
    write(
        host,
        "/usr/local/sbin/backup-mirror",
        "#!/bin/sh\nexec rsync -a /var/backups/mirror/ backup:/var/backups/mirror/",
        "755",
    )
    host.run("mkdir -p /run/lock; service cron start")
    mailman(host, "/srv/lists", start=False, pause=0.5)
    postgres(host)
    # Where Debian's own script for the service looks for it.
    host.run(
        "cd /usr/lib/postgresql; conf=/etc/postgresql/$(ls | sort -n | tail -n 1)/main; data=/var/lib/postgresql/rig-5432;"
        "mkdir -p $conf; cp $data/*.conf $conf/; echo \"data_directory = '$data'\" >>$conf/postgresql.conf;"
        "echo auto >$conf/start.conf; chown -R postgres:postgres /etc/postgresql"
    )
    # RT asks for a connection each time; with a password of the newer kind each would cost a processor some milliseconds.
    host.run("sed -i 's/scram-sha-256/md5/' /var/lib/postgresql/rig-5432/pg_hba.conf")
    psql(host, "alter system set password_encryption = 'md5'")
    psql(host, "select pg_reload_conf()")
    psql(host, "create role rt login password 'tickets'")
    write(host, "/usr/local/lib/tracker.py", Path(tracker.__file__).read_text())


def _years_of_use(etch: RealHost) -> None:
    """Users, projects, tickets and lists of etch."""
    add = "".join(
        f"useradd -m -u {uid} -s /bin/sh -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 {name}; mkdir -p /home/{name}/.ssh /home/{name}/public_html;"
        f"cp /root/.ssh/authorized_keys /home/{name}/.ssh/; echo {name} >/home/{name}/public_html/index.html;"
        f"chown -R {name}:{name} /home/{name}; chmod 700 /home/{name}/.ssh; chmod 755 /home/{name};"
        for name, uid in PEOPLE.items()
    )
    etch.run(
        f"{add} echo 'ann:lambda' | chpasswd; groupadd -g 3001 lens; usermod -aG lens ann; usermod -aG lens bob;"
        "useradd -u 2010 -m -s /bin/sh -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 planet"
    )
    # Who reads mail on the server itself.
    for name in ("igloo", "malcolm"):
        write(etch, f"{SPOOL}/{name}", OLD_LETTER, "660")
        etch.run(f"chown {name}:mail {SPOOL}/{name}")
    # Repositories: one of git with a hook, one of darcs; a project's own data.
    etch.run(
        "cd /srv/projects; echo '<title>projects</title>' >index.html; git init -q --bare --shared=group lens.git; cd lens.git;"
        "git config receive.denyNonFastForwards true; printf '#!/bin/sh\\nexec true\\n' >hooks/post-update; chmod 755 hooks/post-update;"
        "T=$(git hash-object -t tree -w --stdin </dev/null); C=$(GIT_AUTHOR_NAME=ann GIT_AUTHOR_EMAIL=ann@x GIT_COMMITTER_NAME=ann"
        " GIT_COMMITTER_EMAIL=ann@x git commit-tree -m first $T); git update-ref refs/heads/master $C;"
        "cd ..; chgrp -R lens lens.git; chmod -R g+w lens.git; find lens.git -type d -exec chmod g+s {} +;"
        "mkdir xmonad; cd xmonad; darcs init -q >/dev/null; echo main >Main.hs; darcs record -q -l -a -A ann@x -m first >/dev/null;"
        "chown -R bob:lens /srv/projects/xmonad; mkdir -p /srv/code/lens; echo '<title>code</title>' >/srv/code/index.html;"
        "echo docs >/srv/code/lens/index.html; chown -R ann:lens /srv/code/lens"
    )
    etch.run("mkdir -p /srv/www/community; echo '<title>community.haskell.org</title>' >/srv/www/community/index.html")
    for script in ("account_request", "project_request", "createlist", "createtrac", "addtoproject", "crontabfor"):
        write(etch, f"/usr/local/bin/{script}", "#!/bin/sh\necho your request was noted", "755")
    # RT and Trac.
    psql(etch, "create database rt owner rt")
    psql(
        etch,
        "set role rt; create table tickets (id serial primary key, subject text not null);"
        "insert into tickets (subject) select 'old ' || n from generate_series(1, 50) n",
        "rt",
    )
    etch.run(
        "sqlite3 /srv/trac/trac.db \"create table tickets (id integer primary key, subject text); insert into tickets (subject) values ('old 1')\";"
        "chown -R www-data:www-data /srv/trac"
    )
    # The planet, with its hourly job.
    write(etch, PLANET, _PLANET, "755")
    etch.run(
        "mkdir -p /srv/planet/output; cd /srv/planet; touch runs; echo '<title>Planet Haskell</title>' >output/index.html;"
        "chown -R planet:planet /srv/planet; printf '# m h dom mon dow command\\n17 * * * * /srv/planet/bin/planet\\n' | crontab -u planet -"
    )
    mailing_lists(etch, {CAFE: [f"ann@{MAIL}", f"bob@{MAIL}"], f"lens@{LISTS}": [f"bob@{MAIL}"]})
    mailman_start(etch)
    # With its first message a list gets an archive, and knows who has sent it: the one who writes all night.
    etch.run(
        f"printf 'From: <ann@outside.test>\\nTo: <{CAFE}>\\nMessage-ID: <1@outside.test>\\n\\nFirst post.\\n' | sendmail -f ann@outside.test {CAFE}"
    )
    for name in _TRACKED:
        etch.run(f"mkdir -p /etc/{name}; echo production >/etc/{name}/mode")


def _posted(etch: RealHost) -> bool:
    """Whether the first message of the list has come to its archive and its members."""
    boxes = [etch.file(f"{SPOOL}/{member}") for member in ("ann", "bob")]
    found = etch.run(f"find /srv/lists/archives/prototype/{CAFE}/new -type f 2>/dev/null || :")
    return bool(found) and all(box.exists() and "First post." in box.read_text() for box in boxes)


def _apache(host: RealHost) -> None:
    """Apache with a virtual host for each name, and the trackers behind it. A header tells who answered."""
    sites = ""
    for name, root in STATIC.items():
        log = name if name == "planet" else "access"
        sites += f"<VirtualHost *:80>\nServerName {name}.{ZONE}\nDocumentRoot {root}\n<Directory {root}>\nRequire all granted\n</Directory>\nCustomLog /var/log/apache2/{log}.log combined\n</VirtualHost>\n"
    for name, port in _TRACKED.items():
        sites += f"<VirtualHost *:80>\nServerName {name}.{ZONE}\nProxyPass / http://127.0.0.1:{port}/\nCustomLog /var/log/apache2/{name}.log combined\n</VirtualHost>\n"
    modules = "mpm_event authz_core authz_host dir mime headers proxy proxy_http status"
    config = (
        "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in modules.split())
        + f"ServerRoot /etc/apache2\nServerName {host.name}.{ZONE}\nPidFile ${{APACHE_PID_FILE}}\nDefaultRuntimeDir /run\n"
        "ErrorLog /var/log/apache2/error.log\nTypesConfig /etc/mime.types\nUser www-data\nGroup www-data\nListen 80\n"
        'LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined\n'
        f"DirectoryIndex index.html\nStartServers 1\nHeader always set X-Served-By {host.name}\n"
        "<Location /server-status>\nSetHandler server-status\nRequire local\n</Location>\n"
        "IncludeOptional sites-enabled/*.conf\n"
    )
    host.run("rm -f /etc/apache2/sites-enabled/*")
    write(host, "/etc/apache2/sites-enabled/community.conf", sites)
    write(host, "/etc/apache2/apache2.conf", config)
    host.run("mkdir -p /var/log/apache2; service apache2 start")
    for name, port in _TRACKED.items():
        kind = "postgresql://rt:tickets@127.0.0.1/rt" if name == "rt" else "/srv/trac/trac.db"
        serve = f"cd /; exec setpriv --reuid=www-data --regid=www-data --init-groups python3 /usr/local/lib/tracker.py {port} {host.name} {name.upper()} /etc/{name}/mode {quote(kind)}"
        host.spawn("sh", "-c", serve)
    until(
        lambda: all(listening(host, port) for port in (80, *_TRACKED.values())),
        lambda: f"the web on {host.name}: {host.said()[-800:]}",
        30,
    )
