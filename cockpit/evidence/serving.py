"""Evidence from what the service itself shows: its writer, its answers, its certificates, its answers beside old's. Pure."""

from __future__ import annotations

from cockpit.evidence.items import Item, Sum, allowed, stale
from cockpit.freshness import health_every
from cockpit.plan.base import Vantage
from cockpit.plan.model import Service
from cockpit.state import ServiceView

AFTER: tuple[Vantage, ...] = ("new", "world")
"""Vantages that have to be well once old is off."""


def writer(planned: Service, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """New takes the writes, and nobody else."""
    if planned.writer is None:
        return None
    missing = "" if seen.writer == "new" else f"the writer is {seen.writer}"
    missing = missing or stale("the writer probe", seen.writer_utc, now, allowed(fresh, planned.writer.every))
    return Item(what="writer", ok=not missing, text=f"the writer is {seen.writer}", sure="proof", missing=missing)


def health(planned: Service, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """Every probe at new and of what the world reaches is answered well, those of the mail domain's servers too."""
    keys = [key for at in AFTER for key in _asked(planned, seen, at, now, fresh)]
    if not keys:
        return None
    missing = [why for key in keys if (why := _ill(planned, seen, key, now, fresh))]
    text = f"{len(keys) - len(missing)} of {len(keys)} answers of probes at new and of the world are good"
    return Item(what="health", ok=not missing, text=text, sure="proof", missing=next(iter(missing), ""))


def health_missing(planned: Service, seen: ServiceView, at: str, now: float, fresh: float) -> str:
    """Why the service is not known to be well at a vantage; '' when it is."""
    keys = _asked(planned, seen, at, now, fresh)
    if not any(key in seen.health for key in keys):
        return f"no health probe at {at} has answered"
    return next((why for key in keys if (why := _ill(planned, seen, key, now, fresh))), "")


def _asked(planned: Service, seen: ServiceView, at: str, now: float, fresh: float) -> tuple[str, ...]:
    """`probe@vantage` of every answer that there has to be at a vantage: those that the plan asks for, and of the servers of the
    mail domain, whose names come and go, those that are still heard."""
    probes = tuple(
        f"{probe.id}{family}@{at}"
        for probe in planned.health
        if at in probe.at
        for family in (("/4", "/6") if probe.family == "each" else ("",))
    )
    others = [key for key in seen.health if key.endswith(f"@{at}") and key not in probes]
    limits = {key: allowed(fresh, health_every(planned, key)) for key in others}
    heard = [key for key in others if now - seen.health[key].utc <= limits[key]]
    return (*probes, *(heard or others))


def _ill(planned: Service, seen: ServiceView, key: str, now: float, fresh: float) -> str:
    view = seen.health.get(key)
    if view is None:
        return f"nothing was heard of {key}"
    if not view.ok:
        return f"{key} fails: {view.detail}"
    return stale(key, view.utc, now, allowed(fresh, health_every(planned, key)))


def certificates(planned: Service, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """What new shows holds, and has not expired."""
    views = {
        key: view for key, view in seen.health.items() if view.certificate is not None and not key.endswith("@old")
    }
    if not views:
        return None
    found = Sum()
    for key, view in views.items():
        shown = view.certificate
        assert shown is not None
        if shown.problem:
            found.lacks(f"the certificate of {key} does not hold: {shown.problem}")
        elif shown.until and shown.until <= now:
            found.lacks(f"the certificate of {key} has expired")
        else:
            found.lacks(stale(key, view.utc, now, allowed(fresh, health_every(planned, key))))
    days = min(
        (view.certificate.until for view in views.values() if view.certificate and view.certificate.until), default=0.0
    )
    left = f", the first expires in {(days - now) / 86400:.0f} days" if days else ""
    found.says(f"{len(views)} certificates of new were seen{left}")
    return found.item("certificates", "proof")


def compare_missing(planned: Service, seen: ServiceView, now: float, fresh: float) -> str:
    """Why old and new are not known to answer alike; '' when they are, for every URL of the list."""
    for what, view in seen.compare_troubles.items():
        return f"the list of URLs is not whole, {what} cannot be read: {view.detail}"
    if not seen.compare:
        return "nothing was compared yet"
    if len(seen.compare) < seen.compare_of:
        return f"{len(seen.compare)} of {seen.compare_of} URLs were compared"
    limit = allowed(fresh, planned.compare.every if planned.compare is not None else 0.0)
    for url, view in seen.compare.items():
        if not view.same:
            what = ", ".join(difference.what for difference in view.differences[:3])
            return f"{url} is not the same on new: {view.detail or what}"
        if why := stale(url, view.utc, now, limit):
            return why
    return ""
