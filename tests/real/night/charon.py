"""The hosts of charon's migration: two servers at home with Apache and games, Sendmail on the old one and Postfix on the new one,
three name servers, the world outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cockpit.lab.mush import load
from tests.real import mush
from tests.real.night.ledger import Outcome
from tests.real.night.names import Names
from tests.real.night.refusals import Meant
from tests.real.night.stage import forget, plant
from tests.real.night.talk import Talker
from tests.real.night.traffic import Crowd
from tests.real.rig import RealHost, Rig
from tests.real.world import listening, until, write
from tests.real.world.dns import Key, asked, bind, unbound, zone_text
from tests.real.world.mail import postfix
from tests.real.world.sendmail import LOG, sendmail

ZONE = "nekodojo.test"
USERS = {"akira": 2001, "beni": 2002, "chiyo": 2003, "daichi": 2004, "emi": 2005}
WEB, SPOOL, GAMES = ("akira", "beni", "emi"), ("akira", "beni"), {"beni": 4202, "daichi": 4204}
OUTSIDE = "mail.outside.test"
TABLE = "/usr/local/adm/mail/virtusertable"
LETTER = (
    "From old@friend.test Thu Jan  1 00:00:00 2026\nFrom: old@friend.test\nSubject: hello {user}\n\nAn old letter.\n"
)


def closed(charon: str) -> tuple[Meant, ...]:
    """When people are meant to be refused, with charon's address. Web, mail and logins never are: no outage is observed by
    anybody's clients."""
    return (
        Meant("the game is shut down", "line", ["beni"], "{service}/game-down", "{service}/game-up"),
        # With the game up on neko-base the name still leads to charon, where nobody listens: until it has moved, and for as long
        # as somebody's resolver knows the old address.
        Meant(
            "the old address is known", "line", ["beni"], "{service}/game-down", "{service}/mush-dns",
            "^ConnectionRefused", charon, f"{{service}}.{ZONE}",
        ),
        Meant(
            "players drop and reconnect", "line", ["daichi"], "{service}/game-off", "{service}/game-off", "Connection re", charon
        ),
    )  # fmt: skip


class Player(Talker):
    """A player who drops and reconnects when that is asked for."""

    def say(self, number: int) -> tuple[Outcome, str, str]:
        found = super().say(number)
        if b"drop and reconnect" in self._heard:
            self._heard = b""
            self.leave()
        return found


class Home:
    """All hosts, furnished as before the migration."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.key = Key()
        names = ("charon", "neko-base", "ns1", "ns2", "ns3", "world")
        self.old, self.new, self.ns1, self.ns2, self.ns3, self.world = (rig.host(name) for name in names)
        self._names()
        self._users()
        for host in (self.old, self.new):
            self._web(host)
            self._mail(host)
        postfix(self.world, OUTSIDE, "localhost.localdomain", ("chiyo",))

    def fresh(self) -> None:
        """Before anything has happened: no message has come, nobody has played."""
        forget(self.rig)
        self.world.run("rm -f /var/mail/chiyo")
        for user in SPOOL:
            # Not even root writes over somebody's file in a folder that is everybody's.
            self.old.run(f"rm -f /var/mail/{user}")
            write(self.old, f"/var/mail/{user}", LETTER.format(user=user), "600")
            self.old.run(f"chown {user}:mail /var/mail/{user}")
        for user, port in GAMES.items():
            folder = f"/home/{user}/mush"
            mush.ask(self.old, port, "connect wizard xyzzy", "@shutdown")
            until(
                lambda port=port: not listening(self.old, port), lambda user=user: f"the game of {user} goes down", 30
            )  # type: ignore[misc]
            self.old.run(f"rm -rf {folder}/data {folder}/run")
            mush.start(self.old, user, folder, port)
            mush.ask(self.old, port, f"connect {user}", "@build 0", "look")
            mush.ask(self.old, port, "connect wizard xyzzy", "@dump")

    def plan(self, folder: Path) -> Path:
        """The plan `charon` on these hosts, with every window open now."""
        samples = {"192.0.2.10": self.old.address, "192.0.2.20": self.new.address, "192.0.2.61": self.world.address}
        samples |= {f"192.0.2.{53 + n}": host.address for n, host in enumerate((self.ns1, self.ns2, self.ns3))}
        samples["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBHXLk2qYzPpd7wIDi1lX1rC1dcXlWXZ6cJNCyZCbmNl"] = self.new.host_key
        # Two cores carry all of these hosts: the probes ask more seldom than they would in earnest.
        samples |= {
            "every: 500ms": "every: 1s",
            "every: 2s": "every: 4s",
            "every: 3s": "every: 6s",
            "every: 5s": "every: 10s",
            "every: 10s": "every: 20s",
        }
        now = datetime.now(UTC).replace(microsecond=0)
        for day in range(23, 28):
            samples[f"2026-11-{day}T20:00:00+01:00"] = (now - timedelta(minutes=1)).isoformat()
            samples[f"2026-11-{day}T21:00:00+01:00"] = (now + timedelta(minutes=59)).isoformat()
        plan = plant(self.rig, folder, "charon", samples)
        self.key.file(folder / "keys")
        return plan

    def people(self) -> Crowd:
        """Visitors, correspondents, players, and a user who logs in."""
        crowd = Crowd(self.world, Names(self.world.address))
        crowd.browse("akira", f"http://akira.{ZONE}/", every=0.8)
        crowd.browse("beni", f"http://beni.{ZONE}/", every=0.8)
        crowd.browse("emi", f"http://{ZONE}/~emi/", every=0.8)
        for user in ("akira", "beni", "chiyo"):
            crowd.mail(user, f"{user}@{user}.{ZONE}", every=1.5)
        for user, port in GAMES.items():
            player = Player([f"connect kit-of-{user}"], "@build {number}", "Built: {number} (")
            crowd.talk(user, f"{user}.{ZONE}", port, player, every=0.6)
        crowd.login("akira", "akira", f"akira.{ZONE}", self.rig.key, every=5.0)
        return crowd

    def built(self, host: RealHost, user: str) -> list[int]:
        """The numbers that the game of a user has kept on a host."""
        mush.ask(host, GAMES[user], "connect wizard xyzzy", "@dump")
        return [int(thing) for thing in load(host.file(f"/home/{user}/mush/data/save.db")) if thing != "0"]

    def delivered(self) -> None:
        """Wait until nothing is left in a queue."""
        for host, flush, logs in (
            (self.old, "sendmail -q", LOG),
            (self.new, "postqueue -f", "/var/log/mail.log"),
            (self.world, "postqueue -f", "/var/log/mail.log"),
        ):
            until(
                lambda host=host, flush=flush: "is empty" in host.run(f"{flush}; mailq"),  # type: ignore[misc]
                lambda host=host, logs=logs: f"the queue of {host.name}: {host.run(f'mailq; tail -n 30 {logs}')}",  # type: ignore[misc]
                60,
            )

    # --- furnishing ---------------------------------------------------------------------------------------------------

    def _names(self) -> None:
        servers = {"ns1": self.ns1, "ns2": self.ns2, "ns3": self.ns3}
        old, new = self.old.address, self.new.address
        lines = [f"@ 1 IN A {old}", f"charon 1 IN A {old}", f"neko-base 1 IN A {new}"]
        lines += [f"{user} 1 IN A {old}" for user in ("akira", "beni", "daichi")]
        lines += [f"{user} 1 IN MX 10 charon" for user in ("akira", "beni", "chiyo")]
        others = [self.ns2, self.ns3]
        bind(self.ns1, zone_text(servers, "\n".join(lines), zone=ZONE), zone=ZONE, key=self.key, secondaries=others)
        for host in others:
            write(
                host,
                "/etc/bind/rig.conf",
                'options { directory "/var/cache/bind"; listen-on { any; }; recursion no; pid-file "/run/named.pid";'
                'session-keyfile "/run/session.key"; minimal-responses no; };\n'
                f'zone "{ZONE}" {{ type secondary; primaries {{ {self.ns1.address}; }}; file "/var/cache/bind/{ZONE}"; }};',
            )
            host.run("chmod 777 /var/cache/bind; chown root /etc/bind/rndc.key")
            host.spawn("/usr/sbin/named", "-f", "-c", "/etc/bind/rig.conf")
        for host in others:
            until(
                lambda host=host: asked(host, ZONE, "SOA"),
                lambda host=host: f"named on {host.name}: {host.said()[-500:]}",
                30,
            )  # type: ignore[misc]
        unbound(self.world, self.ns1)
        until(lambda: asked(self.world, ZONE, "A"), lambda: "the resolver", 30)

    def _users(self) -> None:
        pub = self.rig.key.with_suffix(".pub").read_text().strip()
        for user, uid in USERS.items():
            home = f"/home/{user}"
            self.old.run(
                f"useradd -m -u {uid} -s /bin/bash -c '{user.title()} of the dojo' {user}; echo '{user}:river of {user}' | chpasswd;"
                f"install -d -m 700 -o {user} -g {user} {home}/.ssh; ssh-keygen -q -t ed25519 -N '' -f {home}/.ssh/id_ed25519;"
                f"{{ cat {home}/.ssh/id_ed25519.pub; echo '{pub}'; }} >{home}/.ssh/authorized_keys; chmod 600 {home}/.ssh/*;"
                f"mkdir -p '{home}/my files'; seq 1 2000 >'{home}/my files/räksmörgås'; ln -s 'my files' {home}/files; echo note >{home}/notes;"
                + (f"mkdir {home}/www; echo '<h1>page of {user}</h1>' >{home}/www/index.html;" if user in WEB else "")
                + f"chown -hR {user}: {home}; chmod 711 {home}"
            )
        for user in GAMES:
            mush.furnish(self.old, user, f"/home/{user}/mush", f"{user}-mush")
        self.old.run("mkdir -p /var/mail; chmod 1777 /var/mail; mkdir -p /usr/local/adm")

    def _web(self, host: RealHost) -> None:
        """The same virtual.conf on both."""
        pages = f'    Header always set X-Served-By "{host.name}"\n    CustomLog /var/log/apache2/access.log combined\n</VirtualHost>\n'
        hosts = (
            f"<VirtualHost *:80>\n    ServerName {ZONE}\n    ServerAlias {host.name}.{ZONE}\n    DocumentRoot /srv/www\n"
            f'    AliasMatch "^/~([a-z]+)(/.*)?$" "/home/$1/www$2"\n{pages}'
        ) + "".join(
            f"<VirtualHost *:80>\n    ServerName {user}.{ZONE}\n    DocumentRoot /home/{user}/www\n{pages}"
            for user in ("akira", "beni")
        )
        write(host, "/srv/www/index.html", "the dojo")
        write(
            host,
            "/usr/local/adm/apache/virtual.conf",
            f'<Directory "/home/*/www">\n    Require all granted\n    DirectoryIndex index.html\n</Directory>\n{hosts}',
        )
        host.run(
            "mkdir -p /var/log/apache2 /run/lock; echo ServerName localhost >/etc/apache2/conf-enabled/name.conf;"
            "a2dissite -q 000-default; a2enmod -q headers rewrite; ln -s /usr/local/adm/apache/virtual.conf /etc/apache2/sites-enabled/virtual.conf;"
            "chmod 755 /srv /srv/www; apache2ctl start"
        )
        until(
            lambda: listening(host, 80),
            lambda: f"Apache on {host.name}: {host.run('cat /var/log/apache2/error.log')}",
            30,
        )

    def _mail(self, host: RealHost) -> None:
        """Who has a mailbox on charon gets it there, whichever of the two a message comes to."""
        here = "" if host is self.old else f"@charon.{ZONE}"
        entries = "".join(f"{user}@{user}.{ZONE}\t{user}{here}\n" for user in SPOOL)
        write(host, TABLE, f"# user@domain\tmailbox\n{entries}chiyo@chiyo.{ZONE}\tchiyo@{OUTSIDE}")
        domains = [f"{user}.{ZONE}" for user in ("akira", "beni", "chiyo")]
        hops = {f"charon.{ZONE}": self.old, f"neko-base.{ZONE}": self.new, OUTSIDE: self.world}
        routes = {name: at.address for name, at in hops.items() if at is not host}
        if host is self.old:
            sendmail(host, f"charon.{ZONE}", "localhost.localdomain", virtual=domains, table=TABLE, routes=routes)
            return
        host.run(f"postmap hash:{TABLE}")
        settings = {"virtual_alias_domains": ", ".join(domains), "virtual_alias_maps": f"hash:{TABLE}"}
        transports = {name: f"smtp:[{address}]" for name, address in routes.items()}
        postfix(host, f"neko-base.{ZONE}", "localhost.localdomain", settings=settings, transports=transports)
