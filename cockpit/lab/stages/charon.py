"""The demo of `charon`: two servers at home, five users of whom each has some of web, mail and a game, and three name servers."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.lab.account import Found, in_mailboxes, in_queues
from cockpit.lab.addresses import AUTHORITIES, HOSTS
from cockpit.lab.host import LabHost, at_home
from cockpit.lab.mail import Box, Relay, Way
from cockpit.lab.program import Program
from cockpit.lab.stage import Place, Server, Stage, Written
from cockpit.lab.traffic import Act, Person, Tally
from cockpit.lab.web import Answer, Request, Site, file_of
from cockpit.lab.zone import Zone

if TYPE_CHECKING:
    from cockpit.lab.lab import Lab

ZONE = "nekodojo.test"
OUTSIDE = "outside.test"
USERS = {"akira": 2001, "beni": 2002, "chiyo": 2003, "daichi": 2004, "emi": 2005}
WEB, MAIL, GAMES = ("akira", "beni", "emi"), ("akira", "beni", "chiyo"), ("beni", "daichi")
DOMAINS, SPOOLS = ("akira", "beni"), ("akira", "beni")
TTL = 3
TABLE = "mail/virtusertable"
START = """\
#!/bin/sh
# The host says where it is: this folder goes from host to host.
exec python3 mush.py . "$PORT" --name {user} --at "$(cat "$HOME/etc/address")" --host "$(cat "$HOME/etc/name")" --every 0.5
"""
ASKED = ("login", "view", "firewall", "modify", "no-updates", "client-settings", "web-page", "finished", "watch-logs")
"""What people are asked in the course of their move."""


class Charon(Stage):
    """charon and neko-base, the other two name servers, and a mail server elsewhere."""

    name = "charon"
    title = "five users leave a home server one by one, each with some of web, mail and a game; three name servers"
    domain = ZONE
    login = "root"
    hosts = (
        Place("old", "charon", HOSTS[0]),
        Place("new", "neko-base", HOSTS[1]),
        Place("ns2", "ns2", AUTHORITIES[1]),
        Place("ns3", "ns3", AUTHORITIES[2]),
        Place("elsewhere", "mail", 70),
    )
    kinds = ("mails", "buildings")
    lags = (0.4, 0.8)
    folders = (
        "home",
        "srv/www",
        "etc/accounts",
        "etc/web",
        "etc/redirect",
        "var/mail",
        "var/writes",
        "var/adm/accounts",
    )
    ports = ("telnet", "beni", "beni-test", "daichi", "daichi-test")
    borrowed = ("mush-up", "mush-down", "mush-freeze", "mush-backup", "spool-out", "token-message", "dns-forced")
    answers = tuple(
        f"{user}/{step}=done"
        for user in USERS
        for step in ASKED
        if not (step in {"view", "web-page"} and user not in WEB)
        and not (step == "client-settings" and user not in SPOOLS)
    )

    def plan(self, lab: Lab) -> Written:
        """The plan, with every window open from now on for an hour, and games of the account that the lab runs as."""
        written = super().plan(lab)
        now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        text = re.sub(r"2026-11-\d\dT20:00:00\+01:00", now.isoformat(), written.text)
        text = re.sub(r"2026-11-\d\dT21:00:00\+01:00", (now + timedelta(hours=1)).isoformat(), text)
        return Written(text=text.replace("lab-account", account()), recipes=written.recipes)

    def furnish(self, lab: Lab) -> None:
        """Homes with pages, mail and games on charon; neko-base has its servers and nobody yet."""
        for host in lab.hosts.values():
            host.put("etc/address", f"{host.address}\n")
            host.put("etc/name", f"{host.name}\n")
            host.knows_names(lab.where.dns_port)
            host.tool("rndc", "names.py")
            host.tool("game", "game.py")
        for host in (lab.old, lab.new):
            host.put("srv/www/index.html", "<title>nekodojo</title>\n<p>A dojo for cats.</p>\n")
            host.put(f"etc/web/{host.fqdn}", "srv/www\n")
            host.put(f"etc/web/{ZONE}", "srv/www\n")
            for user in DOMAINS:
                host.put(f"etc/web/{user}.{ZONE}", f"home/{user}/www\n")
            table = {f"{user}@{user}.{ZONE}": user if host is lab.old else f"{user}@{lab.old.fqdn}" for user in SPOOLS}
            table[f"chiyo@chiyo.{ZONE}"] = f"chiyo@{OUTSIDE}"
            host.put(f"etc/{TABLE}", "".join(f"{address}\t{target}\n" for address, target in sorted(table.items())))
        for user, number in USERS.items():
            self._home(lab, user, number)

    def zones(self, lab: Lab) -> dict[str, Zone]:
        zone = Zone.of(ZONE, lab.where.authorities, ((host.fqdn, host.address) for host in (lab.old, lab.new)))
        zone.put(f"{ZONE}.", TTL, "A", lab.old.address)
        for user in (*DOMAINS, "daichi"):
            zone.put(f"{user}.{ZONE}.", TTL, "A", lab.old.address)
        for user in MAIL:
            zone.put(f"{user}.{ZONE}.", TTL, "MX", f"10 {lab.old.fqdn}.")
        return {ZONE: zone}

    def site(self, lab: Lab, host: LabHost) -> Pages | None:
        return Pages(host) if host.id in {"old", "new"} else None

    def post(self, lab: Lab, host: LabHost) -> Post | None:
        relays = {f"{lab.hosts[id].fqdn}": f"{lab.hosts[id].address}:{lab.where.smtp_port}" for id in ("old", "new")}
        relays[OUTSIDE] = f"{lab.hosts['elsewhere'].address}:{lab.where.smtp_port}"
        return Post(host, relays) if host.id in {"old", "new", "elsewhere"} else None

    def servers(self, lab: Lab) -> Mapping[str, Server]:
        """The games on charon, and its telnet logins."""
        found: dict[str, Server] = {"telnet": Telnet(lab.old, lab.where.port("telnet"))}
        for user in GAMES:
            folder = lab.old.home / "home" / user / "mush"
            port = str(lab.where.port(user))
            found[f"game-{user}"] = Program(
                f"game-{user}", lab.old, lab.id, ("./start",), folder, folder / "run/pid", PORT=port
            )
        return found

    def people(self, lab: Lab, tally: Tally) -> Iterable[Coroutine[Any, Any, None]]:
        """Visitors of every page, correspondents of everybody with mail, and players."""
        found: list[Person] = [Browser(user, lab, at, tally) for at, user in enumerate(WEB)]
        found += [Correspondent(user, lab, at, tally) for at, user in enumerate(MAIL, len(found))]
        found += [Player(user, lab, at, tally) for at, user in enumerate(GAMES, len(found))]
        return [person.live() for person in found]

    def kept(self, lab: Lab) -> Found:
        """Mail where the table on the user's own host ends, buildings where the game runs."""
        there: Counter[str] = Counter()
        for user in SPOOLS:
            moved = Post(lab.new, {}).target(f"{user}@{user}.{ZONE}") == user
            there += in_mailboxes((lab.new if moved else lab.old).home / "var/mail" / user)
        there += in_mailboxes(lab.hosts["elsewhere"].home / "var/mail/chiyo")
        for user in GAMES:
            games = [host.home / "home" / user / "mush" for host in (lab.new, lab.old)]
            moved = (games[0] / "run/pid").exists()
            there.update(saved(games[0 if moved else 1] / "data/save.db"))
        return Found(kept=there, waiting=in_queues(lab.hosts.values()), declared=dict(lab.tally.warned))

    def _home(self, lab: Lab, user: str, number: int) -> None:
        old, home = lab.old, f"home/{user}"
        if (old.home / home).exists():
            return
        private = at_home(old, user, lab.folder / "keys")
        old.put(f"{home}/.ssh/id_ed25519", private, 0o600)
        old.put(f"etc/accounts/{user}", f"{user} {number} /bin/sh\n")
        if user in WEB:
            old.put(f"{home}/www/index.html", f"<title>{user}</title>\n<p>The page of {user}.</p>\n")
        old.put(f"{home}/notes/todo", "feed the cats\n")
        if user in SPOOLS:
            letter = "From old@friend.test Thu Jan  1 00:00:00 2026\nFrom: old@friend.test\nSubject: hello\n\nAn old letter.\n\n"
            old.put(f"var/mail/{user}", letter, 0o600)
        if user in GAMES:
            text = resources.files("cockpit.lab").joinpath("mush.py").read_text(encoding="utf-8")
            old.put(f"{home}/mush/mush.py", text)
            old.put(f"{home}/mush/start", START.format(user=user), 0o755)
            old.put(f"{home}/mush/wizard", "xyzzy\n", 0o600)


def account() -> str:
    """The account that the lab runs as, as `id -un` says it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def saved(file: Path) -> list[str]:
    """What a game's save holds."""
    try:
        things = json.loads(file.read_text(encoding="utf-8").partition("\n")[2])
    except (OSError, ValueError):
        return []
    return [str(thing) for thing in things]


class Pages(Site):
    """Web sites by name, each a file `etc/web/NAME` that holds the folder, and everybody's pages at `/~USER/`; a file
    `etc/redirect/USER` holds the URL to which these are redirected."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    async def answer(self, request: Request) -> Answer:
        root = self._host.flag(f"web/{request.name}") if re.fullmatch(r"[a-z0-9.-]+", request.name) else None
        if not root or request.name.startswith("."):
            return Answer(404, f"{self._host.fqdn} has no such site.\n")
        path = request.path.partition("?")[0]
        personal = re.match(r"/~([a-z][a-z0-9_-]*)(/.*|$)", path)
        if personal is None:
            return file_of(self._host.home / root, path)
        to = self._host.flag(f"redirect/{personal[1]}")
        if to:
            return Answer(302, "Moved.\n", Location=f"{to.rstrip('/')}{path}")
        return file_of(self._host.home / "home" / personal[1] / "www", personal[2] or "/")


class Post:
    """Mail by the table `etc/mail/virtusertable`: lines of an address and of a user of this host or an address elsewhere."""

    def __init__(self, host: LabHost, relays: dict[str, str]) -> None:
        self._host = host
        self._relays = relays

    def group(self, address: str) -> str:
        return address.rpartition("@")[2].lower().removesuffix(f".{ZONE}")

    def target(self, address: str) -> str:
        """What the table says of an address, '' for nothing."""
        for line in (self._host.flag(TABLE) or "").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == address.lower():
                return words[1]
        return ""

    def way(self, address: str) -> Way | None:
        address = address.strip("<>").lower()
        user, _, domain = address.rpartition("@")
        if domain in {self._host.fqdn, OUTSIDE if self._host.id == "elsewhere" else ""}:
            return self._box(user)
        if domain in self._relays and domain != OUTSIDE:
            return Relay(self._relays[domain], address)
        to = self.target(address)
        if not to or "@" not in to:
            return self._box(to)
        place = to.rpartition("@")[2]
        if place == self._host.fqdn:
            return self._box(to.partition("@")[0])
        return Relay(self._relays[place], to) if place in self._relays else None

    def _box(self, user: str) -> Way | None:
        return Box(f"var/mail/{user}", f"var/writes/{user}", locked=True) if user in USERS else None


class Telnet:
    """Logins by telnet, which the new host has no more: it asks who is there, and lets nobody in."""

    def __init__(self, host: LabHost, port: int) -> None:
        self.name = f"telnet on {host.id}"
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, self._host.address, self._port)

    async def stop(self) -> None:
        """Close the listener."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(f"{self._host.name} login: ".encode())
            async with asyncio.timeout(15):
                await reader.readline()
                writer.write(b"Login incorrect\r\n")
                await writer.drain()
        except (OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()


class Browser(Person):
    """Somebody who reads a user's page, and follows a redirect."""

    def __init__(self, user: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"visitor of {user}", lab.where, index, tally)
        self._user = user
        self._name, self._path = (f"{user}.{ZONE}", "/") if user in DOMAINS else (ZONE, f"/~{user}/")

    async def act(self) -> None:
        name = self._name
        status, body = await self.http((await self.resolve(name))[0], name, "GET", self._path)
        if status == 302:
            name = f"neko-base.{ZONE}"
            status, body = await self.http((await self.resolve(name))[0], name, "GET", self._path)
        if status != 200 or f"page of {self._user}".encode() not in body:
            self.tally.fail(self.who, f"the page was answered with {status}")


class Correspondent(Person):
    """Somebody who writes to a user, by the MX of the domain."""

    def __init__(self, user: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"correspondent of {user}", lab.where, index, tally)
        self._user = user
        self._domain = f"{user}.{ZONE}"

    async def act(self) -> None:
        await self.mail(await self.exchanger(self._domain), f"{self._user}@{self._domain}", self._user)


class Player(Person):
    """Somebody in a game, who stays connected, builds, and drops and reconnects when that is asked for."""

    def __init__(self, user: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(f"player of {user}", lab.where, index, tally, pace=0.5)
        self._user = user
        self._port = lab.where.port(user)
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def act(self) -> None:
        token = self.token()
        try:
            async with asyncio.timeout(10):
                reader, writer = self._link or await self._connect()
                writer.write(f"@build {token}\r\n".encode())
                while True:
                    line = (await reader.readuntil(b"\n")).decode("utf-8", "replace").strip()
                    if line.startswith(f"Built: {token} "):
                        break
                    if "drop and reconnect" in line:
                        self._drop()
                        return
        except (ConnectionError, asyncio.IncompleteReadError):
            # The game is down, and nobody said that it took anything.
            self.tally.refused["buildings"] += 1
            self._drop()
            return
        self.tally.take(Act("buildings", self._user, token))
        if "it will be lost" in line:
            self.tally.warned[token] = "built on charon after the announcement, where players stay"

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = (await self.resolve(f"{self._user}.{ZONE}"))[0]
        self._link = await asyncio.open_connection(address, self._port, local_addr=(self.source, 0))
        self._link[1].write(f"connect kit-of-{self._user}\r\n".encode())
        return self._link

    def _drop(self) -> None:
        if self._link is not None:
            self._link[1].close()
            self._link = None
