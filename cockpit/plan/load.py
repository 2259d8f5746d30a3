"""The door to plans: a file's bytes to a Plan and everything that is wrong with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from cockpit.plan.expand import expand
from cockpit.plan.findings import Finding, Findings
from cockpit.plan.keys import obj
from cockpit.plan.lint import lint, lint_nodes
from cockpit.plan.model import Plan
from cockpit.plan.reader import Map, Scalar, Spot, read
from cockpit.plan.recipes import Shelf
from cockpit.plan.scope import Site
from cockpit.plan.shape import Obj, Shaper

VERSION = "1"


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """`plan` is None exactly when a finding is an error. `readable` is False when the file is no plan at all.

    `hash` is the SHA-256 of the file's bytes, hex; empty when there are none.
    """

    plan: Plan | None
    findings: tuple[Finding, ...]
    hash: str = ""
    readable: bool = True


class PlanError(Exception):
    """A plan that cannot be used. Its text is all findings, one a line."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


def load(path: Path) -> Loaded:
    """Reads a plan file. Never raises for what is in the file or for a file that cannot be read: that is a finding."""
    found = Findings(str(path))
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        found.error(Spot(1, 1), "unreadable", f"the file cannot be read: {why}", "give the path of a plan file")
        return Loaded(plan=None, findings=found.sorted(), readable=False)
    return loads(raw, path)


def loads(raw: bytes, path: Path) -> Loaded:
    """The same from bytes; `path` names the file in findings and is where relative paths and recipes start."""
    found = Findings(str(path))
    digest = hashlib.sha256(raw).hexdigest()
    root = read(raw, found)
    if root is None:
        return Loaded(plan=None, findings=found.sorted(), hash=digest, readable=False)
    if not _is_plan(root, found):
        return Loaded(plan=None, findings=found.sorted(), hash=digest, readable=False)
    shaped = Shaper(found).shape(root, obj("plan"), "the plan")
    plan: Plan | None = None
    if isinstance(shaped, Obj):
        source = path.absolute()
        site = Site(found, Shelf(source.parent))
        plan = expand(shaped, site, source, digest)
        lint_nodes(shaped, found)
        lint(plan, site)
    return Loaded(plan=None if found.unusable else plan, findings=found.sorted(), hash=digest)


def load_plan(path: Path) -> Plan:
    """The plan of a file. Raises PlanError with every finding when one of them is an error."""
    loaded = load(path)
    if loaded.plan is None:
        raise PlanError(loaded.findings)
    return loaded.plan


def _is_plan(root: object, found: Findings) -> bool:
    if not isinstance(root, Map):
        found.error(Spot(1, 1), "not-a-plan", "a plan is a map of keys", "begin with cutover: 1")
        return False
    version = next((value for key, value in root.pairs if key.text == "cutover"), None)
    if version is None:
        found.error(root, "not-a-plan", "the file does not say that it is a plan", "begin with cutover: 1")
        return False
    if not isinstance(version, Scalar) or version.text != VERSION:
        found.error(version, "version", "this program reads plans of version 1", "write cutover: 1")
        return False
    return True
