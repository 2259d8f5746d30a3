"""Access logs that are counted."""

from __future__ import annotations

from cockpit.plan.accesslog import FormatError, reader
from cockpit.plan.scope import Scope
from cockpit.plan.shape import Obj
from cockpit.plan.steps import log_name
from cockpit.plan.watched import Traffic


def traffic(scope: Scope, obj: Obj) -> Traffic:
    """A log, what its lines look like and which of them are the service's."""
    found, leaf = scope.site.found, obj.leaf("host")
    file, unit = log_name(scope, obj)
    if leaf is not None and _role(scope, leaf.text) == "other":
        found.error(
            leaf, "traffic-side", f"host {leaf.text} is neither old nor new, so its requests prove nothing",
            "name a host with role: old or role: new", scope.service,
        )  # fmt: skip
    format = obj.verbatim("format", "combined")
    try:
        reader(format)
    except FormatError as error:
        found.error(
            obj.leaf("format") or obj, "log-format", f"no line can be read by this format: {error}",
            "write combined, common, json, or the server's own format", scope.service,
        )  # fmt: skip
    return Traffic(
        host=scope.host(leaf),
        file=file,
        unit=unit,
        format=format,
        match=scope.field(obj, "match"),
        quiet=obj.seconds("quiet", 600.0),
    )


def _role(scope: Scope, name: str) -> str:
    """The side of a host, also of one that each service has for itself; '' when there is none of that name."""
    templated = scope.site.templated.get(name)
    if templated is not None:
        return templated.verbatim("role", name if name in {"old", "new"} else "other")
    known = scope.site.hosts.get(name)
    return known.role if known is not None else ""
