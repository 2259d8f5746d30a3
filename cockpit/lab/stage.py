"""What one demo has: its hosts, what stands on them, the servers and the people, and the plan. The lab runs any of them."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cockpit.lab.addresses import LabError
from cockpit.lab.zone import Zone

if TYPE_CHECKING:
    from cockpit.lab.account import Found
    from cockpit.lab.host import LabHost
    from cockpit.lab.lab import Lab
    from cockpit.lab.mail import Post
    from cockpit.lab.traffic import Tally
    from cockpit.lab.web import Site


class Server(Protocol):
    """What can be killed and started again at the same place."""

    async def start(self) -> None:
        """Listen, or run. Raises OSError or LabError when it cannot."""
        ...

    async def stop(self) -> None:
        """Cut whoever is connected, and be away; what is stopped already stays so."""
        ...


class Place(msgspec.Struct, frozen=True):
    """A host of a stage: what the plan calls it, what it calls itself, and the last octet of its address."""

    id: str
    name: str
    last: int


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it is put down: its text, and recipes of its own by file name."""

    text: str
    recipes: dict[str, str] = {}


class Stage:
    """A demo's own part of a lab. It holds no state of a run: what changes lies on the hosts."""

    name: str
    """What `cockpit demo --plan` calls it."""
    title: str
    """One line for a list."""
    domain: str
    login: str
    """The account that the operator logs in as."""
    hosts: tuple[Place, ...]
    kinds: tuple[str, ...]
    """What people give and hosts take, as the account counts it."""
    folders: tuple[str, ...] = ()
    """Folders that each host has beside the usual ones."""
    lags: tuple[float, float] = (0.8, 2.0)
    """Seconds that the two secondaries are behind the primary."""
    stale_for: float = 3.0
    """Seconds that the last resolver hands out what has expired."""
    ports: tuple[str, ...] = ()
    """Names of ports that are free at each host, beside the usual ones."""
    answers: tuple[str, ...] = ()
    """What the stage's people answer when nobody sits at a screen, `SERVICE/STEP=ANSWER`."""

    borrowed: tuple[str, ...] = ()
    """Recipes that the plan shares with the example of the same name."""
    shared: tuple[str, ...] = ()
    """Recipes that it shares with other plans of the lab."""

    def of(self, clients: tuple[str, ...]) -> Stage:
        """The stage with these of its clients only. Raises LabError where it has none to choose among."""
        raise LabError(f"the demo {self.name} has no clients to choose among: leave --clients out")

    def plan(self, lab: Lab) -> Written:
        """The plan, with this lab's addresses, keys and paths. Raises LabError."""
        plans = resources.files("cockpit.lab").joinpath("plans")
        folder = plans.joinpath(self.name)
        recipes = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.joinpath("recipes").iterdir()}
        example = resources.files("cockpit.examples").joinpath(self.name, "recipes")
        for names, place in ((self.borrowed, example), (self.shared, plans.joinpath("shared", "recipes"))):
            recipes |= {f"{name}.sh": place.joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in names}
        text = folder.joinpath(f"{self.name}.yaml").read_text(encoding="utf-8")
        return Written(text=adapted(text, lab), recipes=recipes)

    def furnish(self, lab: Lab) -> None:
        """Put on the hosts what stands there before the night. Blocks."""
        raise NotImplementedError

    def zones(self, lab: Lab) -> dict[str, Zone]:
        """The zones by name; the first is the stage's own domain. Without one there are no name servers."""
        return {}

    def site(self, lab: Lab, host: LabHost) -> Site | None:
        """What the host's web server serves; None when it has none."""
        return None

    def post(self, lab: Lab, host: LabHost) -> Post | None:
        """What the host's mail server does with mail; None when it has none."""
        return None

    def servers(self, lab: Lab) -> Mapping[str, Server]:
        """Servers beside SSH, web, mail and names, by name."""
        return {}

    def works(self, lab: Lab) -> Iterable[Coroutine[Any, Any, None]]:
        """What goes on by itself for as long as the lab runs, with or without people."""
        return ()

    def people(self, lab: Lab, tally: Tally) -> Iterable[Coroutine[Any, Any, None]]:
        """Those who use the services all the time; what they do is counted."""
        return ()

    def kept(self, lab: Lab) -> Found:
        """Where what people gave lies now, for the account at the end. Blocks."""
        raise NotImplementedError

    def ready(self, lab: Lab) -> dict[str, object]:
        """What the line of a lab that is ready says beside the usual."""
        return {}

    def owner_changes(self, lab: Lab, client: str, side: str) -> None:
        """The owner of a zone that is not ours points it at a host. Raises LabError where there is none."""
        raise LabError(f"no zone of the demo {self.name} belongs to somebody else")


KEY = re.compile(r'host_key: "[^"]*"')
PORTS = {"20022": "ssh", "20080": "http", "20025": "smtp", "20053": "dns"}


def adapted(text: str, lab: Lab) -> str:
    """A plan with samples in it as a plan for this lab.

    Addresses of 192.0.2.0/24 keep their last octet. Ports 20022, 20080, 20025 and 20053, and 20101 and so on for ports of the
    stage's own, become the lab's. Host keys, and machine ids that end in a host's number, are put in in the order of the hosts.
    `/lab/HOST/` is a host's home, in double quotes only.
    """
    where = lab.where
    text = text.replace("192.0.2.", f"{where.block}.")
    text = text.replace("192\\\\.0\\\\.2\\\\.", f"{where.block}.".replace(".", "\\\\."))
    ports = {sample: where.port(kind) for sample, kind in PORTS.items()}
    ports |= {str(20101 + at): where.port(name) for at, name in enumerate(lab.stage.ports)}
    text = re.sub(rf"\b({'|'.join(ports)})\b", lambda match: str(ports[match[1]]), text)
    keys = iter([lab.public_keys[place.id] for place in lab.stage.hosts])
    text = KEY.sub(lambda _: f'host_key: "{next(keys)}"', text)
    for number, place in enumerate(lab.stage.hosts, 1):
        host = lab.hosts[place.id]
        text = text.replace(str(number).rjust(32, "0"), host.machine_id)
        text = text.replace(f"/lab/{place.id}/", f"{_quoted(str(host.home))}/")
    return text


def _quoted(path: str) -> str:
    """A path inside a double-quoted YAML scalar of a plain field."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("{", "{{"), ("}", "}}")):
        path = path.replace(plain, written)
    return path
