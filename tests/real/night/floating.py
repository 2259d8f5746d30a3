"""The hosts of the floating address: two web servers with nginx, PostgreSQL and keepalived, a search server behind them on a
private network, and somebody outside who watches who holds the address. No name server: people know one address."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.real.night import relaunch
from tests.real.night.names import Fixed
from tests.real.night.refusals import Meant
from tests.real.night.stage import forget, plant
from tests.real.night.traffic import Crowd
from tests.real.rig import RealHost, Rig, sh
from tests.real.world import listening, until, write
from tests.real.world.databases import postgres, psql
from tests.real.world.web import nginx

ADDRESS = "10.213.0.200"
PRIVATE = "10.214.0"
FLIP = "Error|reset|timed out"
CLOSED = (
    Meant("content freeze", "write", ["articles"], "site/content-freeze", "site/flip", "frozen: content"),
    Meant(
        "user registration freeze",
        "write",
        ["members"],
        "site/registration-freeze",
        "site/flip",
        "frozen: registration",
    ),
    Meant("the address is on its way", "visit", ["site"], "site/flip", "site/flip", FLIP),
    Meant(
        "the address is on its way",
        "write",
        ["articles", "members", "sessions", "forms"],
        "site/flip",
        "site/flip",
        FLIP,
    ),
)
"""When people are meant to be refused: what is frozen, and what is under way while the address moves."""
ARTICLES, USERS = 1800, 300
SCHEMA = f"""
create table users (uid serial primary key, name text unique not null, pass text not null);
create table preferences (uid integer references users, key text, value text, primary key (uid, key));
create table node (nid serial primary key, number integer not null, title text not null, body text not null, section text not null);
create table sessions (sid text primary key, number integer not null, uid integer not null);
create table cache_form (cid serial primary key, number integer not null, form text not null);
insert into users (name, pass) values ('editor', 'hunter2');
insert into users (name, pass) select 'member-' || n, md5(n::text) from generate_series(1, {USERS}) n;
insert into preferences select uid, 'theme', E'dark\\t\\\\N\\n\\\\.\\r' from users;
insert into node (number, title, body, section) select -n, 'Old number ' || n, repeat(E'whole\\n\\\\. é ', 20) || n,
    case when n % 3 = 0 then 'jobs' else 'news' end from generate_series(1, {ARTICLES}) n;
"""
# On a machine that is busy a slow check is none that failed, and a late word of the other host none that is missing.
KEEPALIVED = """
global_defs {{
    script_user root
    enable_script_security
    vrrp_garp_master_delay 0
}}
vrrp_script chk_health {{
    script "/usr/local/bin/chk_health"
    interval 1
    timeout 10
    fall 1
    rise 1
    weight -50
}}
vrrp_instance site {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.7
    version 3
    unicast_peer {{
        {peer}
    }}
    virtual_ipaddress {{
        {address}/24 dev eth0
    }}
    track_script {{
        chk_health
    }}
}}
"""
PROXY = """
    location = /health { default_type text/plain; try_files /health =404; }
    location / { proxy_pass http://127.0.0.1:8080; proxy_set_header Host $host; }
"""


def private(rig: Rig, *hosts: RealHost) -> None:
    """A second network, with a switch of its own, that only these hosts are on."""
    desk = f"nsenter -t {rig.pid} -n"
    sh(f"{desk} sh -euc 'ip link add br1 type bridge forward_delay 0; ip link set br1 up'")
    for number, host in enumerate(hosts, 1):
        sh(
            f"{desk} ip link add p{number} type veth peer name eth1 netns {host._pid}; {desk} ip link set p{number} master br1 up"
        )
        host.run(f"ip addr add {PRIVATE}.{number}0/24 dev eth1; ip link set eth1 up")


class Pair:
    """All hosts, furnished as before the night."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.old, self.new, self.search, self.watch, self.world = (
            rig.host(name) for name in ("web-old", "web-new", "solr", "watch", "world")
        )
        private(rig, self.old, self.new, self.search)
        write(self.search, "/usr/local/lib/relaunch.py", Path(relaunch.__file__).read_text())
        self.search.run("mkdir -p /srv/search")
        self.search.spawn("/usr/bin/python3", "/usr/local/lib/relaunch.py", "search", f"{PRIVATE}.30", "8983", "/srv/search")  # fmt: skip
        with ThreadPoolExecutor(2) as workers:
            list(workers.map(self._web, (self.old, self.new), ("old", "new")))
        until(lambda: listening(self.search, 8983), lambda: f"the search server: {self.search.said()[-500:]}", 30)
        self._content()
        self._address()

    def plan(self, folder: Path) -> Path:
        """The plan `floating` on these hosts."""
        samples = {
            "192.0.2.10": self.old.address, "192.0.2.20": self.new.address, "192.0.2.40": self.watch.address,
            "192.0.2.30": self.search.address, "192.0.2.100": ADDRESS, "02:00:5e:00:53:10": mac(self.old), "02:00:5e:00:53:20": mac(self.new),
            "every: 250ms": "every: 500ms",
        }  # fmt: skip
        samples |= {f"198.51.100.{number}0": f"{PRIVATE}.{number}0" for number in (1, 2, 3)}
        plan = plant(self.rig, folder, "floating", samples)
        (folder / "keys/check_password").write_text("hunter2\n")
        return plan

    def people(self) -> Crowd:
        """Readers, an editor, people who register, who log in, and who begin to fill a form and leave."""
        crowd = Crowd(self.world, Fixed(ADDRESS))
        site = "http://www.site.test"
        crowd.browse("site", f"{site}/", every=0.3)
        crowd.write("articles", f"{site}/write", every=0.3)
        crowd.write("members", f"{site}/register", every=0.4)
        crowd.write("sessions", f"{site}/login", every=0.4)
        crowd.write("forms", f"{site}/draft", every=0.4)
        return crowd

    def forget(self) -> None:
        """Take away what a run leaves."""
        forget(self.rig)

    def found(self, host: RealHost, what: str) -> list[int]:
        """The numbers of what people left in the database of a host: of a table, or of the members' names."""
        database = "site" if host is self.old else "multisite"
        texts = {
            "articles": "select number from node where number > 0",
            "members": "select substr(name, 8)::int from users where name like 'member %'",
            "sessions": "select number from sessions where number > 0",
            "forms": "select number from cache_form",
        }
        return [int(word) for word in psql(host, texts[what], database).split()]

    def holder(self) -> str:
        """Who has the address by its own account."""
        return " ".join(host.name for host in (self.old, self.new) if holds(host))

    # --- furnishing ---------------------------------------------------------------------------------------------------

    def _web(self, host: RealHost, name: str) -> None:
        database, core = ("site", "site") if name == "old" else ("multisite", "multisite")
        postgres(host)
        psql(host, "create role site login")
        host.run(
            "useradd -r site; mkdir -p /srv/site /var/backups/relaunch/rehearsal /var/backups/relaunch/golive; chmod 755 /srv/site"
        )
        if name == "old":
            psql(host, "create database site owner site")
            psql(host, f"set role site; {SCHEMA}", "site")
        else:
            host.run(": > /srv/site/maintenance")
        write(host, "/usr/local/lib/relaunch.py", Path(relaunch.__file__).read_text())
        host.spawn(
            "/usr/bin/setpriv", "--reuid=site", "--regid=site", "--init-groups", "/usr/bin/python3", "/usr/local/lib/relaunch.py",
            "site", "8080", name, database, core, f"{PRIVATE}.30:8983", "/srv/site",
        )  # fmt: skip
        nginx(host, "www.site.test", {"/health": "true" if name == "old" else "false"}, more=PROXY)
        until(lambda: listening(host, 8080), lambda: f"the site on {host.name}: {host.said()[-500:]}", 30)

    def _content(self) -> None:
        """Old's own core, as the site filled it over the years."""
        psql(
            self.old,
            f"\\copy (select json_build_object('id', nid, 'domain', section, 'text', title) from node) to program "
            f"'curl -q -sS -o /dev/null --data-binary @- http://{PRIVATE}.30:8983/site/update' csv quote e'\\x01' delimiter e'\\x02'",
            "site",
        )

    def _address(self) -> None:
        for host, peer, priority in ((self.old, self.new, 150), (self.new, self.old, 120)):
            write(host, "/usr/local/bin/chk_health", "#!/bin/sh\ncurl -q -sf -m 8 http://127.0.0.1/health | grep -qx true", "755")  # fmt: skip
            config = KEEPALIVED.format(priority=priority, peer=peer.address, address=ADDRESS)
            write(host, "/etc/keepalived/rig.conf", config)
            host.spawn("/usr/sbin/keepalived", "-n", "-P", "-f", "/etc/keepalived/rig.conf")
        said = lambda: f"who holds the address: {self.holder()}; {self.old.said()[-600:]}"  # noqa: E731
        until(lambda: holds(self.old) and not holds(self.new), said, 60)
        # It is old's for good once new has seen its own check fail.
        time.sleep(0.5)
        until(lambda: holds(self.old) and not holds(self.new), said, 60)


def holds(host: RealHost) -> bool:
    """Whether a host has the address."""
    return f" {ADDRESS}/" in host.run("ip -o addr show dev eth0")


def mac(host: RealHost) -> str:
    """The hardware address of a host on the public network."""
    return host.run("cat /sys/class/net/eth0/address").strip()
