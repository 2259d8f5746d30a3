"""The hosts of the KARL night: six Xens with Apache and Postfix, the shared platform with nginx and Postfix, a zone on BIND."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.real.night import app
from tests.real.night.names import Names
from tests.real.night.refusals import Meant
from tests.real.night.stage import forget, plant
from tests.real.night.traffic import Crowd
from tests.real.rig import RealHost, Rig
from tests.real.world import listening, until, write
from tests.real.world.dns import Key, asked, bind, nsd, unbound, update, zone_text
from tests.real.world.mail import postfix

ZONE = "karl.test"
CLIENTS = ("osf", "oxfam", "wwf", "jubilee", "harbor", "commons")
CLOSED = tuple(
    Meant(
        "old hands its visitors to new, which has its page up",
        kind,
        CLIENTS,
        "{service}/bridge",
        "{service}/page-down",
        "is moving",
    )
    for kind in ("visit", "write")
)
"""When a client's users are meant to be refused. Their mail never is: it waits."""
KARL = 3000
"""The user id that owns the sites, on every host."""


class Platform:
    """All hosts, furnished as before the night."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.key = Key()
        self.xens = {client: rig.host(f"xen-{client}") for client in CLIENTS}
        self.karl, self.ns1, self.ns2, self.cache, self.world = (
            rig.host(name) for name in ("karl", "ns1", "ns2", "cache", "world")
        )
        self._names()
        with ThreadPoolExecutor(3) as workers:
            list(workers.map(lambda client: self._xen(client), CLIENTS))
        self._shared()

    def fresh(self) -> None:
        """Before a night: no visitor was there, the zone says old."""
        forget(self.rig)
        for client, xen in self.xens.items():
            place = f"/srv/karl/{client}"
            xen.run(f"rm -rf {place}/Maildir/*/* /var/mail/checks/*/*/*; : >{place}/data/writes")
            self.dns(client, xen)

    def dns(self, client: str, to: RealHost) -> None:
        """Point a client's name at a host, as the zone's keeper may."""
        name = f"{client}.{ZONE}"
        update(self.ns1, self.key, f"update delete {name} A\nupdate add {name} 2 A {to.address}", zone=ZONE)

    def plan(self, folder: Path) -> Path:
        """The plan `karl-servers` on these hosts."""
        samples = {f"192.0.2.{11 + n}": self.xens[client].address for n, client in enumerate(CLIENTS)}
        samples |= {"192.0.2.20": self.karl.address, "192.0.2.53": self.ns1.address, "192.0.2.54": self.ns2.address}
        samples |= {"192.0.2.61": self.cache.address}
        # Two cores carry all of these hosts: the probes ask more seldom than they would in earnest.
        samples |= {"every: 250ms": "every: 1s", "every: 1s": "every: 2s", "every: 2s": "every: 5s"}
        plan = plant(self.rig, folder, "karl-servers", samples)
        self.key.file(folder / "keys")
        return plan

    def people(self) -> Crowd:
        """Users of every client, and who writes to them."""
        crowd = Crowd(self.world, Names(self.cache.address))
        for client in CLIENTS:
            site = f"http://{client}.{ZONE}"
            crowd.browse(client, f"{site}/", every=1.2)
            crowd.write(client, f"{site}/write", every=1.2)
            crowd.mail(client, f"list@{client}.{ZONE}", every=2.5)
        return crowd

    def delivered(self) -> None:
        """Wait until nothing is left in a queue. A queue manager that was reloaded in the middle of a delivery can overlook the
        message, whose recipients are all done, until its next wake-up, minutes later: so it is told to look."""
        trouble = "postqueue -p; ls -l --time-style=full-iso /var/spool/postfix/[aidh]*/* ; grep -E 'warning|fatal|panic' /var/log/mail.log | tail -20"
        for host in (*self.xens.values(), self.karl):
            until(
                lambda host=host: "empty" in host.run("postqueue -f; sleep 0.2; postqueue -p"),
                lambda host=host: f"the queue of {host.name}: {host.run(trouble, check=False)}",
                60,
            )

    # --- furnishing ---------------------------------------------------------------------------------------------------

    def _names(self) -> None:
        servers = {"ns1": self.ns1, "ns2": self.ns2}
        lines = [f"{client} 2 IN A {xen.address}\n{client} 2 IN MX 10 {client}" for client, xen in self.xens.items()]
        bind(self.ns1, zone_text(servers, "\n".join(lines), zone=ZONE), zone=ZONE, key=self.key, secondaries=[self.ns2])
        nsd(self.ns2, zone=ZONE, primary=self.ns1)
        unbound(self.cache, self.ns1)
        until(lambda: asked(self.cache, f"osf.{ZONE}", "A"), lambda: "the resolver", 30)

    def _xen(self, client: str) -> None:
        host, place = self.xens[client], f"/srv/karl/{client}"
        host.run(
            f"useradd -u {KARL} -m karl; mkdir -p {place}/pages {place}/data {place}/Maildir/new {place}/Maildir/cur {place}/Maildir/tmp;"
            f"echo '<title>KARL {client}</title><h1>Welcome to {client}</h1>' >{place}/pages/index.html;"
            f'for n in 1 2 3 4 5 6 7 8 9; do seq 1 $((n * 300)) >{place}/pages/"minutes of $n.html"; done;'
            f"ln -s index.html {place}/pages/start; chmod 640 {place}/pages/minutes*; : >{place}/data/writes;"
            f"chown -hR karl: /srv/karl; chmod 750 {place}/Maildir"
        )
        app.serve(host, "xen")
        write(
            host,
            "/etc/apache2/sites-available/karl.conf",
            f"<VirtualHost *:80>\n    ServerName {client}.{ZONE}\n    ProxyPreserveHost On\n"
            "    ProxyPass / http://127.0.0.1:8080/\n    CustomLog /var/log/apache2/access.log combined\n</VirtualHost>",
        )
        host.run(
            "mkdir -p /var/log/apache2 /run/lock; echo ServerName localhost >/etc/apache2/conf-enabled/name.conf;"
            "a2dissite -q 000-default; a2enmod -q proxy proxy_http; a2ensite -q karl; apache2ctl start"
        )
        self._postfix(host, [client])
        # What a careless edit loses: an access list, a second name of a file.
        host.run(
            "cd /etc; setfacl -m u:karl:r postfix/main.cf apache2/sites-available/karl.conf; ln postfix/vmailbox postfix/vmailbox.too"
        )
        until(lambda: listening(host, 80), lambda: f"Apache on {host.name}", 30)

    def _shared(self) -> None:
        host = self.karl
        host.run(
            f"useradd -u {KARL} -m karl; install -d -o karl -g karl /srv/karl; mkdir -p /var/log/nginx; rm -f /etc/nginx/sites-enabled/*"
        )
        for client in CLIENTS:
            host.run(f"install -d -o karl -g karl /srv/karl/{client}")
            write(
                host,
                f"/etc/nginx/sites-enabled/{client}",
                f"server {{\n    listen 80;\n    server_name {client}.{ZONE};\n    access_log /var/log/nginx/{client}.log combined;\n"
                "    location / {\n        proxy_pass http://127.0.0.1:8080;\n        proxy_set_header Host $host;\n    }\n}",
            )
        app.serve(host, "shared")
        host.run("nginx")
        self._postfix(host, CLIENTS)
        until(lambda: listening(host, 80), lambda: f"nginx on {host.name}", 30)

    def _postfix(self, host: RealHost, clients: list[str] | tuple[str, ...]) -> None:
        boxes = "".join(
            f"list@{client}.{ZONE} srv/karl/{client}/Maildir/\ncutover-check@{client}.{ZONE} var/mail/checks/{client}/\n"
            for client in clients
        )
        write(host, "/etc/postfix/vmailbox", boxes)
        host.run("install -d -o karl -g karl /var/mail/checks")
        settings = {
            "virtual_mailbox_domains": ", ".join(f"{client}.{ZONE}" for client in clients),
            "virtual_mailbox_maps": "texthash:/etc/postfix/vmailbox",
            "virtual_mailbox_base": "/",
            "virtual_uid_maps": f"static:{KARL}",
            "virtual_gid_maps": f"static:{KARL}",
        }
        postfix(host, f"{host.name}.hosts.test", "localhost.localdomain", settings=settings)
