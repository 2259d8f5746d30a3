"""The data sets of a plan, and how one is measured: the shell that does it, and what it printed. Pure; nothing is changed."""

from __future__ import annotations

from importlib import resources
from shlex import quote

import msgspec

from cockpit.plan.model import Plan, Shell, Sync


class DataSet(msgspec.Struct, frozen=True, kw_only=True):
    """Something whose size is of interest: a path that a step copies, or a database that a recipe dumps."""

    host: str
    kind: str
    """`path`, `postgresql` or `mysql`."""
    name: str
    account: str = ""
    port: str = ""

    @property
    def label(self) -> str:
        """What it is called in tables and in the book."""
        return f"{self.host}:{self.name}" if self.kind == "path" else f"{self.host} {self.kind} {self.name}"


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a data set. `changed` are bytes of files that were changed since `since`; -1 where that is not known."""

    what: str
    utc: float
    bytes: int
    files: int = 0
    since: float = 0.0
    changed: int = -1
    changed_files: int = -1
    look: float = 0.0
    """Seconds that going through it took."""


def data_sets(plan: Plan) -> dict[DataSet, list[str]]:
    """Each data set once, with the steps that move it."""
    found: dict[DataSet, list[str]] = {}
    for service in plan.services:
        for step in service.steps:
            action = step.action
            if isinstance(action, Sync):
                for path in action.paths:
                    found.setdefault(DataSet(host=action.source, kind="path", name=path), []).append(step.ref)
            elif isinstance(action, Shell):
                kind = {"postgres": "postgresql", "mysql": "mysql"}.get(action.recipe.partition("-")[0], "")
                name = action.params.get("database", "")
                if kind and name and action.recipe.endswith("-dump"):
                    account, port = action.params.get("account", ""), action.params.get("port", "")
                    one = DataSet(host=action.host, kind=kind, name=name, account=account, port=port)
                    found.setdefault(one, []).append(step.ref)
    return found


def script(sets: list[DataSet], since: dict[str, int]) -> str:
    """Measures each of the sets of one host; `since` are seconds back, by label. Names go as data, quoted."""
    lines = [resources.files("cockpit.survey").joinpath("sizes.sh").read_text(encoding="utf-8")]
    for number, one in enumerate(sets):
        name = one.name if one.name.startswith("/") or one.kind != "path" else f"./{one.name}"
        if one.kind == "path":
            lines.append(f"path {number} {quote(name)} {since.get(one.label, 86400)}")
        else:
            lines.append(f"{one.kind} {number} {quote(name)} {quote(one.port)} {quote(one.account)}")
    return "\n".join(lines) + "\n"


def parsed(out: bytes, sets: list[DataSet], since: dict[str, int], utc: float) -> tuple[list[Measure], list[str]]:
    """The measures of what the script printed, and what could not be measured, as sentences."""
    found: dict[int, Measure] = {}
    missing: set[int] = set()
    for line in out.decode("utf-8", "replace").splitlines():
        kind, _, rest = line.partition("\t")
        fields = rest.split("\t")
        if not fields[0].isdigit() or int(fields[0]) >= len(sets):
            continue
        number = int(fields[0])
        label = sets[number].label
        if kind == "missing":
            missing.add(number)
        elif kind == "path" and len(fields) == 6 and all(field.isdigit() for field in fields):
            files, size, changed_files, changed, took = (int(field) for field in fields[1:])
            back = float(since.get(label, 86400))
            found[number] = Measure(
                what=label,
                utc=utc,
                bytes=size,
                files=files,
                since=utc - back,
                changed=changed,
                changed_files=changed_files,
                look=took,
            )
        elif kind == "database" and len(fields) == 2 and fields[1].strip().isdigit():
            found[number] = Measure(what=label, utc=utc, bytes=int(fields[1]))
    troubles = [
        f"{one.label} {'is not there' if number in missing else 'could not be measured'}"
        for number, one in enumerate(sets)
        if number not in found
    ]
    return list(found.values()), troubles
