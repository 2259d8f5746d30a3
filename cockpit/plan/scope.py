"""One service's variables, and the places and references that wait for the whole plan to be known."""

from __future__ import annotations

import re

import msgspec

from cockpit.plan.findings import Findings, Place, nearest
from cockpit.plan.model import Contact, Host, Secret
from cockpit.plan.reader import Spot
from cockpit.plan.recipes import Shelf
from cockpit.plan.shape import Leaf, Obj

VARIABLE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
BUILT_IN = ("service",)


class Link(msgspec.Struct, frozen=True):
    """A step named somewhere, to be looked up once all services are known."""

    at: Place
    ref: str
    service: str
    code: str


class Site:
    """What all services share while the plan is built."""

    def __init__(self, found: Findings, shelf: Shelf) -> None:
        self.found = found
        self.shelf = shelf
        self.hosts: dict[str, Host] = {}
        self.templated: dict[str, Obj] = {}
        """Hosts whose fields hold variables: one for each service, `id@service`."""
        self.secrets: dict[str, Secret] = {}
        self.wanted: set[str] = set()
        """Secrets that a step gets, or a notice goes by."""
        self.contacts: dict[str, Contact] = {}
        self.atomic = True
        """False where a provider keeps the plan's zone: its changes are no compare-and-swap."""
        self.links: list[Link] = []
        self.places: dict[str, Place] = {}
        """Where things stand, by `step:REF`, `step:REF:KEY`, `gate:ID`, `service:ID`, `host:ID`."""


class Scope:
    """Fills `{variable}` for one service. `used` collects the names that were asked for."""

    def __init__(self, site: Site, service: str, vars: dict[str, str], tags: tuple[str, ...] = ()) -> None:
        self.site, self.service, self.vars, self.tags = site, service, vars, tags
        self.window = ""
        """Start of the service's window, '' for none."""
        self.used: set[str] = set()

    def text(self, leaf: Leaf | None, default: str = "") -> str:
        """The leaf's text with its variables filled in; what is undefined is told at its place and left as it stands."""
        if leaf is None:
            return default
        text = leaf.text
        if "{" not in text and "}}" not in text:
            return text

        def fill(match: re.Match[str]) -> str:
            name = match.group(1)
            if name is None:
                return text[match.start()] if not leaf.pattern else match.group(0)
            self.used.add(name)
            value = self.vars.get(name)
            if value is None and name in self.site.secrets:
                at = inside(leaf, match.group(0))
                what = f"{name} is a secret: plain fields are shown and written down"
                self.site.found.error(
                    at, "secret-field", what, f"give it to a script with secrets: [{name}]", self.service
                )
                return match.group(0)
            if value is None:
                self.site.found.error(
                    inside(leaf, match.group(0)),
                    "undefined-variable",
                    f"{{{name}}} is defined nowhere",
                    nearest(name, self.vars) or f"add vars: {{{name}: …}}",
                    service=self.service,
                )
                return match.group(0)
            return re.escape(value) if leaf.pattern else value

        return VARIABLE.sub(fill, text)

    def place(self, leaf: Leaf, offset: int) -> Spot:
        """Where a character of the filled text stands in the file (the scalar's beginning, when it spans lines)."""
        node, source, filled = leaf.node, 0, 0
        if not node.one_line:
            return Spot(node.line, node.column)
        for match in VARIABLE.finditer(leaf.text):
            begins = filled + match.start() - source
            ends = begins + (1 if match[1] is None else len(self.vars.get(match[1], match[0])))
            if offset < ends:
                offset = min(offset, begins)
                break
            source, filled = match.end(), ends
        before = leaf.text[: source + offset - filled]
        return Spot(node.line, node.column + (0 if node.plain else 1) + len(_written(before, node.style)))

    def field(self, obj: Obj | None, key: str, default: str = "") -> str:
        """The filled text of an object's key; `default` where either is not there."""
        return self.text(obj.leaf(key), default) if obj is not None else default

    def texts(self, obj: Obj, key: str) -> tuple[str, ...]:
        """The filled texts of a key's list."""
        return tuple(self.text(leaf) for leaf in obj.leaves(key))

    def table(self, obj: Obj, key: str) -> dict[str, str]:
        """The filled texts of a key's map, by their own keys."""
        return {name: self.text(value) for name, (_, value) in obj.entries(key).items() if isinstance(value, Leaf)}

    def host(self, leaf: Leaf | None) -> str:
        """The id of a host that exists, this service's own where the host is templated; otherwise told."""
        if leaf is None:
            return ""
        site, name = self.site, leaf.text
        if name in site.templated:
            return f"{name}@{self.service}"
        if name not in site.hosts:
            known = set(site.hosts) | set(site.templated)
            site.found.error(
                leaf, "unknown-host", f"there is no host {name}", nearest(name, known) or "add it to hosts"
            )
        return name


def _written(text: str, style: str) -> str:
    """A text as it stands between its quotes."""
    if style == "'":
        return text.replace("'", "''")
    return re.sub(r'([\\"\n\t])', r"\\\1", text) if style == '"' else text


def inside(leaf: Leaf, word: str, offset: int = 0) -> Spot:
    """Where a word stands inside a scalar, looked for from `offset` on. In a block that keeps its lines that is its line; of
    another scalar that spans lines it is the beginning."""
    node, at = leaf.node, max(leaf.text.find(word, offset), 0)
    if node.one_line:
        return Spot(node.line, node.column + (0 if node.plain else 1) + at)
    if node.style == "|":
        return Spot(node.line + 1 + leaf.text.count("\n", 0, at), 1)
    return Spot(node.line, node.column)
