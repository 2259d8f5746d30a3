"""The demo of `release`: two customers' sites run out of `current`, and get a new tag; some tags are bound to break off."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from importlib import resources
from shlex import quote
from typing import TYPE_CHECKING, Any

from cockpit.lab.account import Found
from cockpit.lab.addresses import HOSTS, LabError
from cockpit.lab.host import TOOLS, LabHost
from cockpit.lab.program import Program
from cockpit.lab.stage import Place, Server, Stage
from cockpit.lab.traffic import Person, Tally
from cockpit.lab.web import Answer, Onward, Request, Site, file_of
from cockpit.plan.script import exports

if TYPE_CHECKING:
    from cockpit.lab.lab import Lab

DOMAIN = "karl.test"
CLIENTS = ("osf", "oxfam")
SOUND, NO_BUILD, NO_EVOLVE, EVOLVES = "tag-3.0", "tag-3.1", "tag-3.2", "tag-3.3"
"""What becomes of each tag: in use; its build breaks off; its evolve breaks off; all goes well."""
BUILDOUT = """\
#!/bin/sh
# As buildout does: the old commands go first, then they are made anew.
set -e
rm -rf bin
mkdir bin static
{breaks}
cat > bin/karl << 'END'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
case $1 in --version) cat "$here/version"; exit ;; esac
config=$HOME/etc/karl/$1.cfg
of() {{ sed -n "s/^$1 = //p" "$config"; }}
cd -P "$here" && exec python3 -I -S lib/karl.py "$(of host)" "$(of port)" "$(cat version)" "$1" "$HOME/srv/karl"
END
chmod 755 bin/karl
echo "made by buildout for $(cat version)" > static/about.txt
"""
EVOLVE = """\
# It writes as it goes: a live folder would be spoilt by it.
for page in pages/*.html; do
    sed 's/Welcome/Willkommen/' "$page" > "$page.new" && mv "$page.new" "$page"
done
{breaks}
echo 2 > schema
"""
BUILD = 'cp -R "$HOME/srv/karl/tags/$tag/." .\n./buildout\n'
START = 10.0
"""Seconds for which the web server waits for an application that is being restarted."""


class Release(Stage):
    """A host with two customers' applications, and the one where QA has tried the new tag."""

    name = "release"
    title = "a new tag for two customers, built apart, switched at one stroke; a build and an evolve break off"
    domain = DOMAIN
    login = "karl"
    hosts = (Place("staging", "staging", 30), Place("karl", "karl", HOSTS[1]))
    kinds = ("posts",)
    ports = CLIENTS
    borrowed = ("karl-mode",)

    def furnish(self, lab: Lab) -> None:
        """Tags, configuration, data, and the first release: built, switched to and run as the plan does it."""
        for host in lab.hosts.values():
            host.tool("supervisorctl", "supervise.py")
            for client in CLIENTS:
                port = lab.where.port(client)
                text = f"host = {host.address}\nport = {port}\nworkers = 2\n# {host.name}'s own\n"
                host.put(f"etc/karl/{client}.cfg", text)
                (host.home / "var/lib/karl" / client).mkdir(parents=True, exist_ok=True)
        karl = lab.hosts["karl"]
        for name in ("release-build", "release-switch", "data-evolve"):
            karl.put(f"srv/karl/library/{name}.sh", recipe(name))
        for tag in (SOUND, NO_BUILD, NO_EVOLVE, EVOLVES):
            self._tag(karl, tag)
        (karl.home / "srv/karl/sites").mkdir(parents=True, exist_ok=True)
        for client in CLIENTS:
            self._client(lab, karl, client)

    def site(self, lab: Lab, host: LabHost) -> ReleaseSite | None:
        return ReleaseSite(host) if host.id == "karl" else None

    def servers(self, lab: Lab) -> Mapping[str, Server]:
        """Each client's application; between start and stop the host's supervisor has it."""
        host = lab.hosts["karl"]
        supervisor = str(host.home / "bin/supervisorctl")
        return {
            f"app-{client}": Program(
                client, host, lab.id, (supervisor, "start", client), host.home, host.home / f"var/run/{client}.pid"
            )
            for client in CLIENTS
        }

    def people(self, lab: Lab, tally: Tally) -> Iterable[Coroutine[Any, Any, None]]:
        """Two users for each customer."""
        return [User(CLIENTS[at % 2], lab, at, tally).live() for at in range(4)]

    def kept(self, lab: Lab) -> Found:
        """What the data in use holds; it lies outside of all releases."""
        there: Counter[str] = Counter()
        for client in CLIENTS:
            file = lab.hosts["karl"].home / "srv/karl" / client / "data/current/writes"
            there.update(file.read_text().split() if file.exists() else ())
        return Found(kept=there)

    def _tag(self, karl: LabHost, tag: str) -> None:
        folder = f"srv/karl/tags/{tag}"
        breaks = "echo 'Error: could not find a distribution for karlserve' >&2; exit 1" if tag == NO_BUILD else ""
        karl.put(f"{folder}/buildout", BUILDOUT.format(breaks=breaks), 0o755)
        breaks = "echo 'POSKeyError: an object is not in the database' >&2; exit 1" if tag == NO_EVOLVE else ""
        karl.put(f"{folder}/evolve", EVOLVE.format(breaks=breaks))
        karl.put(f"{folder}/version", f"{tag}\n")
        karl.put(f"{folder}/lib/karl.py", (TOOLS / "karl.py").read_text(encoding="utf-8"))

    def _client(self, lab: Lab, karl: LabHost, client: str) -> None:
        home = karl.home / "srv/karl" / client
        current = home / "current"
        data = home / "data" / SOUND
        if current.is_symlink():
            return
        karl.put(f"srv/karl/{client}/data/{SOUND}/pages/index.html", f"<h1>Welcome to {client}</h1>\n")
        karl.put(f"srv/karl/{client}/data/{SOUND}/writes", "")
        karl.put(f"srv/karl/{client}/data/{SOUND}/schema", "1\n")
        (home / "data/current").symlink_to(data)
        given = {"releases": str(home / "releases"), "tag": SOUND, "build": BUILD}
        done(lab, karl, "release-build", **given)
        shared = {"release": str(home / "releases" / SOUND), "shared": str(home / "shared"), "paths": "log\nmailout\n"}
        done(lab, karl, "release-shared", **shared)
        done(lab, karl, "release-switch", releases=given["releases"], tag=SOUND)
        karl.put(
            f"etc/supervisor/{client}.conf", f"command={quote(str(current))}/bin/karl {client}\ndirectory={current}\n"
        )
        karl.put(f"etc/web/{client}.conf", f"static={current}/static\napp={karl.address}:{lab.where.port(client)}\n")


class ReleaseSite(Site):
    """A web server before the applications: `etc/web/CLIENT.conf` says where a client's static files are, and its application."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    def _said(self, request: Request) -> dict[str, str]:
        client = request.below(DOMAIN)
        text = (self._host.flag(f"web/{client}.conf") or "") if client else ""
        return {key: value for key, sign, value in (line.partition("=") for line in text.splitlines()) if sign}

    def onward(self, request: Request) -> Onward | None:
        said = self._said(request)
        if not said or request.path.startswith("/static/"):
            return None
        return Onward(said["app"], bridge=False, patience=START)

    async def answer(self, request: Request) -> Answer:
        said = self._said(request)
        if not said:
            return Answer(404, f"{self._host.fqdn} has no such site.\n")
        return file_of(self._host.home / said["static"], request.path.removeprefix("/static"))


class User(Person):
    """Somebody who reads pages and writes entries, at an address that does not change."""

    def __init__(self, client: str, lab: Lab, index: int, tally: Tally) -> None:
        super().__init__(client, lab.where, index, tally, pace=0.5)
        self._client = client
        self._address = lab.hosts["karl"].address

    async def act(self) -> None:
        name = f"{self._client}.{DOMAIN}"
        if self.chance.random() < 0.6:
            path = self.chance.choice(("/", "/login", "/static/about.txt"))
            await self.read(self._address, name, path)
            return
        await self.give(self._address, name, "/write", "posts", self._client)


def recipe(name: str) -> str:
    """The text of a recipe of the library."""
    return resources.files("cockpit").joinpath("recipes", f"{name}.sh").read_text(encoding="utf-8")


def done(lab: Lab, host: LabHost, name: str, **given: str) -> None:
    """Apply a recipe of the library before the night. Blocks. Raises LabError with its last words."""
    text = f"{exports(given)}\n{recipe(name)}\napply && verify\n"
    ran = subprocess.run(
        ["/bin/sh"], input=text, cwd=host.home, env=host.env(lab.id), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        last = (ran.stdout + ran.stderr).strip().splitlines()[-1:]
        raise LabError(f"{name} on {host.id} failed ({sys.platform}): {' '.join(last)}")
