"""The demo of `karl`: six clients' sites and mail, each from its own host to a shared platform."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Coroutine, Iterable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cockpit.lab.account import Found, in_mailboxes, in_queues
from cockpit.lab.addresses import HOSTS, LabError
from cockpit.lab.host import LabHost
from cockpit.lab.mail import Box, Held, Relay, Way
from cockpit.lab.stage import Place, Stage, Written, adapted
from cockpit.lab.traffic import Person, Tally
from cockpit.lab.web import Answer, Onward, Request, Site, file_of
from cockpit.lab.zone import Zone

if TYPE_CHECKING:
    from cockpit.lab.lab import Lab

CLIENTS = ("osf", "oxfam", "wwf", "jubilee", "harbor", "commons")
OWN_DNS = ("harbor",)
"""Clients that own their zone; the lab's third party changes it."""
DOMAIN = "karl.test"
PRODUCTION = "production"
CHECKS = "cutover-check"
"""The local part that cutover probes write to; kept out of the clients' mailboxes."""
OWNERS = "hostmaster"
FILES = 240
TTL = 5
OWNER_DELAY = 8.0
"""Seconds from the letter to the third party until it changes its zone."""


class Karl(Stage):
    """Clients on an old host and a shared one, with web, mail and DNS; one client owns its zone."""

    name = "karl"
    title = "six clients' sites and mail move to a shared platform; one goes first, one owns its DNS zone"
    domain = DOMAIN
    login = "karl"
    kinds = ("posts", "mails")
    hosts = (Place("old", "xen", HOSTS[0]), Place("new", "shared", HOSTS[1]))
    folders = (
        *("etc/mode", "etc/maintenance", "etc/proxy", "etc/mail/hold", "etc/mail/redirect"),
        *("var/mail", "var/writes", "var/check", "var/owners"),
    )

    def __init__(self, clients: tuple[str, ...] = CLIENTS) -> None:
        self.clients = tuple(clients)
        self.owner_delay = OWNER_DELAY

    def of(self, clients: tuple[str, ...]) -> Karl:
        """With these clients; one that there is not shows when the plan is written."""
        return Karl(clients)

    def plan(self, lab: Lab) -> Written:
        """The example itself, with the clients that are there."""
        clients = self.clients
        unknown = sorted(set(clients) - set(CLIENTS))
        if unknown or not clients:
            raise LabError(f"the lab has no client {', '.join(unknown) or 'at all'}; choose among {', '.join(CLIENTS)}")
        text = resources.files("cockpit.examples").joinpath("karl", "karl.yaml").read_text(encoding="utf-8")
        lines = [
            line
            for line in text.splitlines()
            if not (match := re.match(r"  - \{id: (\w+), title:", line)) or match[1] in clients
        ]
        text = "\n".join(lines) + "\n"
        if CLIENTS[0] not in clients:
            # The first of those that are there is the pilot then.
            text = text.replace(f"service: {CLIENTS[0]},", f"service: {clients[0]},")
            text = re.sub(rf"(- {{id: {clients[0]}, .*)wave: 2", r"\1wave: 1", text)
        if len(clients) == 1:
            text = re.sub(r"(?ms)^gates:\n.*?(?=^templates:)", "", text)
        return Written(text=adapted(text, lab))

    def furnish(self, lab: Lab) -> None:
        """Each client's site, data and mailbox on old."""
        furnish(lab.old, self.clients)

    def zones(self, lab: Lab) -> dict[str, Zone]:
        """The platform's zone, and one for each client that owns its own."""
        where = lab.where
        root = Zone.of(DOMAIN, where.authorities, ((host.fqdn, host.address) for host in lab.hosts.values()))
        zones = {DOMAIN: root}
        for client in self.clients:
            name = f"{client}.{DOMAIN}"
            zone = root
            if client in OWN_DNS:
                zone = zones[name] = Zone(f"{name}.", f"ns1.{DOMAIN}.")
                servers = [f"ns{number}.{DOMAIN}." for number in (1, 2, 3)]
                zone.put(f"{name}.", 60, "NS", *servers)
                root.put(f"{name}.", 60, "NS", *servers)
            zone.put(f"{name}.", TTL, "A", where.old)
            zone.put(f"{name}.", TTL, "MX", f"10 {name}.")
        return zones

    def site(self, lab: Lab, host: LabHost) -> KarlSite:
        return KarlSite(host)

    def post(self, lab: Lab, host: LabHost) -> KarlPost:
        return KarlPost(host)

    def works(self, lab: Lab) -> Iterable[Coroutine[Any, Any, None]]:
        """The third party of each zone that is not ours."""
        return [self._owner(lab, client) for client in sorted(set(self.clients) & set(OWN_DNS))]

    def people(self, lab: Lab, tally: Tally) -> Iterable[Coroutine[Any, Any, None]]:
        """One visitor for each client."""
        return [Visitor(client, lab, index, tally).live() for index, client in enumerate(self.clients)]

    def kept(self, lab: Lab) -> Found:
        """Entries and mail, where the client is in production."""
        there: Counter[str] = Counter()
        for client in self.clients:
            moved = lab.new.flag(f"mode/{client}") == PRODUCTION
            home = (lab.new if moved else lab.old).home
            for entry in (home / "srv" / client / "data").glob("*.entry"):
                there.update(re.findall(r"by (\S+-\d{5,})$", entry.read_text(errors="replace").strip()))
            there += in_mailboxes(home / "var/mail" / client / "mbox")
        return Found(kept=there, waiting=in_queues(lab.hosts.values()))

    def ready(self, lab: Lab) -> dict[str, object]:
        return {"clients": list(self.clients)}

    async def _owner(self, lab: Lab, client: str) -> None:
        """The third party: some seconds after a letter reached it, it points its zone at the new host."""
        boxes = [host.home / "var/owners" / client for host in lab.hosts.values()]
        read = 0
        while True:
            await asyncio.sleep(0.3)
            size = sum(box.stat().st_size for box in boxes if box.exists())
            if size > read:
                read = size
                await asyncio.sleep(self.owner_delay)
                self.owner_changes(lab, client, "new")

    def owner_changes(self, lab: Lab, client: str, side: str) -> None:
        """The owner of a zone points it at the old or new host."""
        zone = lab.zones.get(f"{client}.{DOMAIN}")
        if zone is None or side not in lab.hosts:
            raise LabError(f"{client} has no zone of its own; {', '.join(OWN_DNS)} has")
        zone.put(f"{client}.{DOMAIN}.", TTL, "A", lab.hosts[side].address)
        zone.serial += 1


class KarlSite(Site):
    """`NAME.karl.test` by files below the host's etc/: `maintenance/NAME` (503), `proxy/NAME` (holds `address:port`, everything
    is forwarded there), `mode/NAME` (production or staging; without the file there is no site)."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    def onward(self, request: Request) -> Onward | None:
        site = request.below(DOMAIN)
        target = self._host.flag(f"proxy/{site}") if site else None
        return Onward(target) if target else None

    async def answer(self, request: Request) -> Answer:
        host, site, path = self._host, request.below(DOMAIN), request.path.partition("?")[0]
        mode = host.flag(f"mode/{site}") if site else None
        if mode is None:
            return Answer(404, f"{host.fqdn} has no such site.\n")
        if path == "/served-by":
            return Answer(200, f"{host.name}\n")
        down = host.flag(f"maintenance/{site}")
        if path == "/maintenance":
            return Answer(200, down or "No maintenance.\n")
        if down is not None:
            if path == "/whoami":
                return Answer(503, "maintenance\n", Retry_After="30")
            return Answer(503, f"{down or 'maintenance'}\n", "text/html", Retry_After="30")
        match request.method, path:
            case ("POST", "/post"):
                return self._take(site, mode, request)
            case ("GET" | "HEAD", "/whoami"):
                return Answer(200, f"{host.name if mode == PRODUCTION else mode}\n")
            case ("GET" | "HEAD", "/login"):
                return Answer(200, f"<title>KARL {site}</title>\n<h1>KARL {site}</h1>\n<p>Log in.</p>\n", "text/html")
            case ("GET" | "HEAD", _):
                return file_of(host.home / "srv" / site, path)
        return Answer(405, "Only GET, HEAD and POST /post.\n", Allow="GET, HEAD, POST")

    def _take(self, site: str, mode: str, request: Request) -> Answer:
        if mode != PRODUCTION:
            return Answer(403, f"{mode}: this site takes no entries yet.\n")
        if self._host.disk_full:
            return Answer(507, "No space left on device.\n")
        name = self._host.number()
        entry = self._host.home / "srv" / site / "data" / f"{name}.entry"
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            entry.write_bytes(request.body)
            self._host.append(f"var/writes/{site}", f"post {name}\n")
        except OSError as error:
            return Answer(507, f"{error.strerror}\n")
        return Answer(201, f"{self._host.name} {name}\n", Location=f"/data/{name}.entry")


class KarlPost:
    """Mail of clients by files below the host's etc/mail/: `hold/NAME` (stay in the queue) and `redirect/NAME` (holds
    `address:port`, relay there). Mail for names that are no site of the host is refused."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    def group(self, address: str) -> str:
        domain = address.rpartition("@")[2].lower().strip("<> ")
        name = domain.removesuffix(f".{DOMAIN}")
        return name if domain.endswith(f".{DOMAIN}") and name and "/" not in name else ""

    def way(self, address: str) -> Way | None:
        client = self.group(address)
        if not client or self._host.flag(f"mode/{client}") is None:
            return None
        if self._host.flag(f"mail/hold/{client}") is not None:
            return Held()
        target = self._host.flag(f"mail/redirect/{client}")
        if target:
            return Relay(target, address)
        special = {CHECKS: f"var/check/{client}", OWNERS: f"var/owners/{client}"}
        box = special.get(address.partition("@")[0].lower())
        return Box(box) if box else Box(f"var/mail/{client}/mbox", f"var/writes/{client}")


class Visitor(Person):
    """One visitor of one client: reads pages, posts entries, sends mail."""

    def __init__(self, client: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(client, lab.where, index, tally)
        self._client = client
        self._name = f"{client}.{DOMAIN}"

    async def act(self) -> None:
        address = (await self.resolve(self._name))[0]
        kind = self.chance.random()
        if kind < 0.15:
            await self.mail(address, f"list@{self._name}", self._client)
        elif kind < 0.30:
            await self.give(address, self._name, "/post", "posts", self._client, f"entry {self.count} by {{token}}\n")
        else:
            path = "/login" if kind < 0.8 else self.chance.choice(("/", "/pages/page-0000.html", "/whoami"))
            await self.read(address, self._name, path, announced=True)


def furnish(old: LabHost, clients: tuple[str, ...], files: int = FILES, seed: int = 7) -> None:
    """Put each client's site, data and mailbox on old: pages, attachments, symlinks, odd names, an empty folder. Blocks."""
    chance = random.Random(seed)
    for client in clients:
        root = old.home / "srv" / client
        for folder in ("data", "pages", "attachments/2009", "attachments/2010", "empty"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "index.html").write_text(f"<title>KARL {client}</title>\n<h1>Welcome to {client}</h1>\n")
        for number in range(files):
            kind = number % 3
            if kind == 0:
                text = f"<title>Page {number}</title>\n" + "<p>Minutes of the meeting.</p>\n" * chance.randint(5, 120)
                (root / f"pages/page-{number:04d}.html").write_text(text)
            elif kind == 1:
                body = chance.randbytes(chance.randint(200, 40_000))
                (root / f"attachments/{2009 + number % 2}/file {number:04d}.bin").write_bytes(body)
            else:
                (root / f"data/{number:020d}-{0:06d}.entry").write_text(f"entry {number} of {client}\n")
        _link(root / "pages/current.html", "page-0000.html")
        _link(root / "attachments/latest", "2010")
        _link(root / "pages/gone.html", "was-deleted.html")
        (root / "pages/übersicht – été.html").write_text("<p>Names are not ASCII everywhere.</p>\n", encoding="utf-8")
        (root / "bin").mkdir(exist_ok=True)
        (root / "bin/reindex").write_text("#!/bin/sh\necho reindexed\n")
        (root / "bin/reindex").chmod(0o750)
        (old.home / "etc/mode" / client).write_text(PRODUCTION + "\n")
        box = "".join(
            f"From list@{DOMAIN} Mon Jan  4 09:00:00 2010\nSubject: digest {number}\n\nNews.\n\n"
            for number in range(20)
        )
        (old.home / "var/mail" / client).mkdir(parents=True, exist_ok=True)
        (old.home / "var/mail" / client / "mbox").write_text(box)


def _link(path: Path, target: str) -> None:
    if not path.is_symlink():
        path.symlink_to(target)
