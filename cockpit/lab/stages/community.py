"""The demo of `community`: a whole server with accounts, repositories, trackers, lists, mailboxes, a job, and six names."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.name
import dns.rdatatype

from cockpit.lab.account import Found, in_mailboxes, in_queues
from cockpit.lab.addresses import HOSTS
from cockpit.lab.host import LabHost, at_home
from cockpit.lab.mail import Box, Held, Relay, Way
from cockpit.lab.stage import Place, Server, Stage, Written
from cockpit.lab.stages.community_people import PROJECTS, ZONE, Developer, Reader, Reporter, Writer
from cockpit.lab.tools.users import may
from cockpit.lab.traffic import Person, Tally
from cockpit.lab.web import Answer, Request, Site, file_of
from cockpit.lab.zone import Zone

if TYPE_CHECKING:
    from cockpit.lab.lab import Lab

USERS = {"igloo": 2001, "malcolm": 2002, "simon": 2003, "don": 2004}
NEWCOMER, NUMBER = "newcomer", 2005
LISTS, BOXES = ("cafe", "announce"), ("igloo", "malcolm")
ALIASES = ("trac", "code", "rt", "planet")
SCRIPTS = (
    *(
        f"usr/local/bin/{name}"
        for name in ("account_request", "project_request", "createlist", "createtrac", "addtoproject", "crontabfor")
    ),
    "usr/local/sbin/new-account",
)
"""What admins have written for users, and for themselves."""
PAGES = {"community": "community.haskell.org", "projects": "the projects", "code": "code of the projects"}
TTL = 4
HOUR = 3.0
"""Seconds of the hour of Planet Haskell's job."""
PLANET = """\
#!/bin/sh
# Reads the feeds and writes the page; each run says where it was.
"$HOME/bin/may" srv/planet > /dev/null || exit 1
cd "$HOME/srv/planet" && printf '%s\\n' "$LAB_HOST" >> runs || exit
printf '<title>Planet Haskell</title>\\n<p>Run %s</p>\\n' "$(wc -l < runs)" > index.new && mv index.new index.html
"""
LETTER = "From a@b.test Thu Jan  1 00:00:00 2026\nSubject: hello\n\nAn old letter.\n\n"
ANSWERS = {
    **dict.fromkeys(("communicate", "provision", "scripts"), ("server", "done")),
    **dict.fromkeys(("igloo-checks", "malcolm-checks"), ("mail", "all there")),
    "network": ("first-day", "it is and it does"),
    "tune": ("first-week", "done"),
    "delete": ("etch", "done"),
    **dict.fromkeys(("mirror-host", "mirror-script"), ("backup", "done")),
}


class Community(Stage):
    """etch and lun, and the host of the backups, which looks on from outside and takes the notices."""

    name = "community"
    title = "a whole server: accounts, repositories, trackers, lists, mailboxes, a cron job, six names; RT goes first"
    domain = ZONE
    login = "root"
    hosts = (Place("etch", "etch", HOSTS[0]), Place("lun", "lun", HOSTS[1]), Place("backup", "backup", 30))
    kinds = ("tickets", "requests", "posts", "mails", "pushes", "notes")
    lags = (0.3, 0.6)
    stale_for = 0.0
    folders = (
        *(
            "home",
            "srv/projects",
            "srv/code",
            "srv/www",
            "srv/trac/tickets",
            "srv/lists/archives",
            "srv/planet",
            "srv/rt",
        ),
        *("etc/accounts", "etc/trac", "etc/rt", "etc/mailman", "etc/cron.d", "etc/mail/hold", "etc/mail/redirect"),
        *("var/mail", "var/check", "var/notices", "var/backups"),
    )
    borrowed = ("data-sizes", "script-off", "script-on", "writes-refused", "production-mode")
    shared = ("sqlite-dump", "sqlite-restore")
    answers = tuple(f"{service}/{step}={said}" for step, (service, said) in ANSWERS.items())

    def plan(self, lab: Lab) -> Written:
        """The plan, in which a day or two and a month or two are over already."""
        written = super().plan(lab)
        now = datetime.now(UTC).replace(microsecond=0).isoformat()
        text = re.sub(r"20\d\d-\d\d-\d\dT09:00:00\+01:00", now, written.text)
        return Written(text=text, recipes=written.recipes)

    def furnish(self, lab: Lab) -> None:
        """Everything on etch; lun is provisioned, with trackers out of production and lists that do not run."""
        etch, lun = lab.hosts["etch"], lab.hosts["lun"]
        for host in lab.hosts.values():
            host.knows_names(lab.where.dns_port)
            host.tool("database", "database.py")
            for tool in ("may", "push", "note"):
                host.tool(tool, "users.py")
            host.put("var/lock", "")
        for name in (*PAGES, *ALIASES, "old-community"):
            for host in (etch, lun):
                host.put(f"etc/sites/{name}", "")
        lun.put("usr/local/sbin/backup-mirror", '#!/bin/sh\ndate >> "$HOME/var/backups/mirror.runs"\n', 0o755)
        lun.put("var/backups/mirror.runs", "")
        if (etch.home / "home/igloo").exists():
            return
        for user, number in USERS.items():
            account(etch, lab.folder / "keys", user, number)
        for project in PROJECTS:
            lines = []
            for number in range(1, 13):
                body = f"patch {number} of {project}\n" * number
                name = f"{number:05d}-old.patch"
                etch.put(f"srv/projects/{project}/patches/{name}", body)
                lines.append(f"{hashlib.sha256(body.encode()).hexdigest()} {name}\n")
            etch.put(f"srv/projects/{project}/inventory", "".join(lines))
            etch.put(f"srv/projects/{project}/hooks/posthook", "#!/bin/sh\necho recorded\n", 0o755)
            etch.put(f"srv/code/{project}/release.txt", f"{project} 1.0\n")
        for name, title in PAGES.items():
            etch.put(f"srv/www/{name}/index.html", f"<title>{title}</title>\n<h1>{title}</h1>\n")
        for number in range(1, 30):
            etch.put(f"srv/trac/tickets/{number:05d}", f"old-{number}\n")
        with closing(sqlite3.connect(etch.home / "srv/rt/rt.db")) as link, link:
            link.execute("create table ticket (id integer primary key autoincrement, token text not null, text text)")
            link.executemany(
                "insert into ticket (token, text) values (?, 'an old request')", [(f"old-{n}",) for n in range(40)]
            )
        for name in LISTS:
            etch.put(f"srv/lists/{name}/members", "".join(f"reader{n}@example.net\n" for n in range(9)))
            etch.put(f"srv/lists/archives/{name}.mbox", LETTER)
        etch.put("srv/planet/runs", "")
        etch.put("srv/planet/index.html", "<title>Planet Haskell</title>\n")
        etch.put("srv/planet/bin/planet", PLANET, 0o755)
        for user in BOXES:
            etch.put(
                f"var/mail/{user}",
                LETTER,
                0o600,
            )
        for script in SCRIPTS:
            etch.put(script, "#!/bin/sh\necho your request was noted\n", 0o755)
        etch.put("etc/mailman/running", "")
        etch.put("etc/cron.d/planet", "17 * * * * srv/planet/bin/planet\n")
        for tracker in ("trac", "rt"):
            etch.put(f"etc/{tracker}/mode", "production\n")

    def zones(self, lab: Lab) -> dict[str, Zone]:
        zone = Zone.of(ZONE, lab.where.authorities, ((host.fqdn, host.address) for host in lab.hosts.values()))
        etch = lab.hosts["etch"]
        for name in ("community", "projects"):
            zone.put(f"{name}.{ZONE}.", TTL, "A", etch.address)
            zone.put(f"{name}.{ZONE}.", TTL, "MX", f"10 {etch.fqdn}.")
        for name in ALIASES:
            zone.put(f"{name}.{ZONE}.", TTL, "CNAME", f"{etch.fqdn}.")
        return {ZONE: zone}

    def site(self, lab: Lab, host: LabHost) -> Sites | None:
        return Sites(host) if host.id in {"etch", "lun"} else None

    def post(self, lab: Lab, host: LabHost) -> Post:
        return Post(host)

    def servers(self, lab: Lab) -> Mapping[str, Server]:
        return {f"cron-{id}": Cron(lab.hosts[id], lab.id) for id in ("etch", "lun")}

    def works(self, lab: Lab) -> Iterable[Coroutine[Any, Any, None]]:
        """An account is made on etch after the first copy of accounts, as on any day; and etch obeys when it is to stop."""
        return [self._comes(lab), self._rests(lab)]

    def people(self, lab: Lab, tally: Tally) -> Iterable[Coroutine[Any, Any, None]]:
        """Readers of every page, people with tickets and requests, writers to lists and mailboxes, and users who log in."""
        found: list[Person] = [Reader(name, lab, at, tally) for at, name in enumerate((*PAGES, "planet"))]
        found += [Reporter(name, lab, len(found) + at, tally) for at, name in enumerate(("trac", "rt"))]
        found += [Writer(f"cafe@projects.{ZONE}", "posts", lab, len(found), tally)]
        found += [
            Writer(f"{user}@community.{ZONE}", "mails", lab, len(found) + at, tally) for at, user in enumerate(BOXES)
        ]
        found += [Developer(user, lab, len(found) + at, tally) for at, user in enumerate(("simon", "don"))]
        return [person.live() for person in found]

    def kept(self, lab: Lab) -> Found:
        """What lies on the host that takes it now, service by service."""
        etch, lun = lab.hosts["etch"], lab.hosts["lun"]
        there: Counter[str] = Counter()
        on = lun if lun.flag("trac/mode") == "production" else etch
        for ticket in (on.home / "srv/trac/tickets").iterdir():
            there.update(ticket.read_text().split())
        on = lun if lun.flag("rt/mode") == "production" else etch
        there.update(requests(on.home / "srv/rt/rt.db"))
        on = lun if lun.flag("mailman/running") is not None else etch
        there += in_mailboxes(*((on.home / "srv/lists/archives").glob("*.mbox")))
        on = lun if etch.flag("mail/redirect/community") else etch
        there += in_mailboxes(*(on.home / "var/mail" / user for user in BOXES))
        found = lab.zones[ZONE].get(dns.name.from_text(f"community.{ZONE}"), dns.rdatatype.A)
        on = lun if found is not None and lun.address in map(str, found) else etch
        for project in PROJECTS:
            patches = (on.home / "srv/projects" / project / "patches").glob("*.patch")
            there.update(path.stem.partition("-")[2] for path in patches)
        for user in ("simon", "don"):
            notes = on.home / "home" / user / "notes"
            there.update(notes.read_text().split() if notes.exists() else ())
        return Found(kept=there, waiting=in_queues(lab.hosts.values()))

    async def _rests(self, lab: Lab) -> None:
        resting = False
        while True:
            await asyncio.sleep(0.2)
            off = lab.hosts["etch"].flag("off") is not None
            for name in ("web-etch", "mail-etch", "cron-etch") if off != resting else ():
                await (lab.kill(name) if off else lab.restart(name))
            resting = off

    async def _comes(self, lab: Lab) -> None:
        etch, lun = lab.hosts["etch"], lab.hosts["lun"]
        while True:
            await asyncio.sleep(0.2)
            begun = (lun.home / "etc/accounts/igloo").exists() and not (etch.home / "home" / NEWCOMER).exists()
            if begun and may(etch.home, "home"):
                await asyncio.to_thread(account, etch, lab.folder / "keys", NEWCOMER, NUMBER)


def account(host: LabHost, keys: Path, user: str, number: int) -> None:
    """Make an account with a home and a key, as the host's admins do; the private key lies in `keys`."""
    at_home(host, user, keys)
    host.put(f"home/{user}/src/Main.hs", f'main = putStrLn "{user}"\n')
    # The account itself comes last: who has one has a home.
    host.put(f"etc/accounts/{user}", f"{user} {number} {','.join(PROJECTS[: number % 3 + 1])}\n")


def requests(file: Path) -> list[str]:
    """The tokens in RT's database."""
    if not file.is_file():
        return []
    with closing(sqlite3.connect(file, timeout=5)) as link:
        return [token for (token,) in link.execute("select token from ticket")]


class Sites(Site):
    """The pages and the trackers. A tracker is in the mode that `etc/NAME/mode` says, and takes tickets in production only, where
    its host is not read-only, and RT where `etc/rt/closed` is not there."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    async def answer(self, request: Request) -> Answer:
        host, name, path = self._host, request.below(ZONE), request.path.partition("?")[0]
        if not name or host.flag(f"sites/{name}") is None:
            return Answer(404, f"{host.fqdn} has no such site.\n")
        if name in {"trac", "rt"}:
            return self._tracker(name, path, request)
        if name == "planet":
            return file_of(host.home / "srv/planet", "/" if path == "/" else f"{path}.html")
        folder = "community" if name == "old-community" else name
        if name == "code" and path != "/":
            return file_of(host.home / "srv/code", path)
        return file_of(host.home / "srv/www" / folder, path)

    def _tracker(self, name: str, path: str, request: Request) -> Answer:
        host = self._host
        mode = host.flag(f"{name}/mode") or "staging"
        closed = mode != "production" or host.flag(f"{name}/closed") is not None or not may(host.home, f"srv/{name}")
        if path == "/whoami":
            said = mode if mode != "production" else "read-only" if closed else host.name
            return Answer(200, f"{said}\n")
        if request.method != "POST":
            return Answer(200, f"<title>{name.upper()}</title>\n<p>{name.upper()} on {host.name}</p>\n", "text/html")
        if closed:
            return Answer(503, "no tickets are taken\n")
        token = request.body.decode("utf-8", "replace").removeprefix("n=").strip()
        if path != "/write" or not re.fullmatch(r"[0-9.-]+", token):
            return Answer(400, "what?\n")
        try:
            number = self._ticket(token) if name == "trac" else self._request(token)
        except (OSError, sqlite3.Error) as error:
            return Answer(500, f"{error}\n")
        return Answer(201, f"ticket {number}\n")

    def _ticket(self, token: str) -> int:
        folder = self._host.home / "srv/trac/tickets"
        number = max((int(path.name) for path in folder.iterdir()), default=0) + 1
        (folder / f"{number:05d}").write_text(f"{token}\n")
        return number

    def _request(self, token: str) -> int:
        with closing(sqlite3.connect(self._host.home / "srv/rt/rt.db", timeout=5)) as link, link:
            return link.execute("insert into ticket (token, text) values (?, 'a request')", (token,)).lastrowid or 0


class Post:
    """Mail of two domains: lists of projects, which wait while Mailman does not run, and mailboxes of community. Files in
    etc/mail, `hold/DOMAIN` and `redirect/DOMAIN`, keep it in the queue or send it on. The backup host takes notices instead."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    def group(self, address: str) -> str:
        domain = address.strip("<>").rpartition("@")[2].lower()
        name = domain.removesuffix(f".{ZONE}")
        return name if name in {"community", "projects"} else "notices" if domain == ZONE else ""

    def way(self, address: str) -> Way | None:
        user, group = address.strip("<>").lower().partition("@")[0], self.group(address)
        if self._host.id == "backup":
            return Box(f"var/notices/{user}") if group == "notices" and re.fullmatch(r"[a-z]+", user) else None
        known = {"community": (*BOXES, "cutover-check"), "projects": (*LISTS, "cutover-check")}.get(group, ())
        if user not in known:
            return None
        if self._host.flag(f"mail/hold/{group}") is not None:
            return Held()
        target = self._host.flag(f"mail/redirect/{group}")
        if target:
            return Relay(target, address)
        if user == "cutover-check":
            return Box(f"var/check/{group}")
        if group == "projects":
            return Held() if self._host.flag("mailman/running") is None else Box(f"srv/lists/archives/{user}.mbox")
        return Box(f"var/mail/{user}")


class Cron:
    """Runs the jobs in etc/cron.d, one a file with its command in the sixth word, once in an hour of the lab."""

    def __init__(self, host: LabHost, lab: str) -> None:
        self.name = f"cron on {host.id}"
        self._host = host
        self._lab = lab
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Wait for the hour, again and again."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Run nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(HOUR)
            for file in sorted((self._host.home / "etc/cron.d").iterdir()):
                words = file.read_text().split(maxsplit=5) if not file.suffix else []
                if len(words) == 6:
                    job = await asyncio.create_subprocess_exec(
                        *("/bin/sh", "-c", words[5]),
                        cwd=self._host.home,
                        env=self._host.env(self._lab),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=asyncio.subprocess.DEVNULL,
                        stderr=asyncio.subprocess.DEVNULL,
                    )
                    self._host.log("cron.log", f"{self._host.name}: {file.name} ended with {await job.wait()}")
