"""Evidence from name servers, resolvers and published TTLs. What the plan asks and nobody has answered yet is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from cockpit.evidence.items import Item, Sureness, allowed, span, stale
from cockpit.plan.model import Plan, Service
from cockpit.plan.records import declared
from cockpit.plan.zones import Dns
from cockpit.state import DnsView, RunState, ServiceView

STALE = frozenset({"ds-stale", "glue-stale"})


def authorities(keys: tuple[str, ...], dns: Dns | None, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """Every authority publishes the last of the declared changes of each record set."""
    views = published(seen)
    if not keys and not views:
        return None
    behind = [view for view in views if view.state != "new" or view.stage != view.stages]
    unheard = silent_authorities(keys, dns, seen)
    text = f"{len(views) - len(behind)} of {len(views) + len(unheard)} answers of authorities are new"
    missing = _not_new(behind, "authority") or next(iter(unheard), "") or _old_news(views, dns, now, fresh)
    return Item(what="authorities", ok=not missing, text=text, sure="proof", missing=missing)


def published(seen: ServiceView) -> list[DnsView]:
    """What authorities say."""
    return [view for view in seen.dns.values() if view.role in {"primary", "authority"}]


def silent_authorities(keys: tuple[str, ...], dns: Dns | None, seen: ServiceView) -> list[str]:
    """A sentence for each record set of the plan at each of its authorities that has said nothing yet."""
    servers = (dns.primary, *dns.authorities) if dns is not None else ()
    return _unheard(keys, servers, published(seen))


def _unheard(keys: tuple[str, ...], servers: Iterable[str], views: Iterable[DnsView]) -> list[str]:
    heard = {(_key(f"{view.name} {view.type}"), view.vantage) for view in views}
    return [
        f"nothing was heard of {key} from {server}"
        for key in keys
        for server in dict.fromkeys(servers)
        if (_key(key), server) not in heard
    ]


def _old_news(views: Iterable[DnsView], dns: Dns | None, now: float, fresh: float) -> str:
    limit = allowed(fresh, dns.every if dns is not None else 0.0)
    return next((why for view in views if (why := stale(view.vantage, view.utc, now, limit))), "")


def delegation(state: RunState, keys: tuple[str, ...], seen: ServiceView, now: float, fresh: float) -> Item | None:
    """The parent hands on what the zone says. The delegation of the zone is watched once for all services."""
    dns = state.plan.dns if state.plan is not None else None
    own = [view for view in seen.dns.values() if view.role == "parent"]
    shared = _of_the_zone(state, dns) if dns is not None and keys else []
    views = list({(view.name, view.type, view.vantage): view for view in (*shared, *own)}.values())
    parents = _parents(state.plan, dns) if state.plan is not None and dns is not None and keys else ()
    if not views and not parents:
        return None
    zone = f"{dns.zone} NS" if dns is not None else ""
    unheard = _unheard((zone,), parents, views)
    bad = [view for view in views if not _fits(view, view.service == seen.id)]
    first = next(iter(bad), None)
    missing = ""
    if first is not None:
        words = [word for word in first.flags if word in STALE]
        missing = f"the parent {first.vantage} says {' and '.join(words) or first.state} of {first.name}"
    missing = missing or next(iter(unheard), "") or _old_news(views, dns, now, fresh)
    text = f"{len(views) - len(bad)} of {len(views) + len(unheard)} answers of the parent fit"
    return Item(what="delegation", ok=not missing, text=text, sure="proof", missing=missing)


def _fits(view: DnsView, own: bool) -> bool:
    # A delegation that another service is still to change is as it should be for this one.
    good = {"new"} if own else {"new", "old"}
    return view.state in good and STALE.isdisjoint(view.flags)


def _of_the_zone(state: RunState, dns: Dns) -> list[DnsView]:
    """What each parent says of the plan's zone, the newest, whichever service it was told for."""
    bare = dns.zone.rstrip(".")
    spelled = dict.fromkeys((dns.zone, bare, f"{bare}.", bare.lower(), f"{bare.lower()}."))
    # Looked up by their keys: of hundreds of services each has many vantages, and one the parent.
    keys = [f"{name} NS parent {server}" for server in dns.parent for name in spelled]
    found: dict[str, DnsView] = {}
    for service in state.services.values():
        for key in keys:
            view = service.dns.get(key)
            if view is not None and (view.vantage not in found or found[view.vantage].utc < view.utc):
                found[view.vantage] = view
    return list(found.values())


def _parents(plan: Plan, dns: Dns) -> tuple[str, ...]:
    """The parents that are asked for the delegation of the plan's zone: where it changes, one that is an authority of the zone
    too is asked as that alone."""
    ours = {dns.primary, *dns.authorities}
    changes = not ours.isdisjoint(dns.parent) and any(
        _key(key) == _key(f"{dns.zone} NS")
        for service in plan.services
        if service.disposition != "drop"
        for key in declared(service)
    )
    return tuple(server for server in dns.parent if not changes or server not in ours)


def horizon(keys: tuple[str, ...], seen: ServiceView, now: float) -> Item | None:
    """No honest cache can hold what was published before."""
    keys = keys or tuple(
        dict.fromkeys(f"{view.name} {view.type}" for view in seen.dns.values() if view.role != "parent")
    )
    if not keys:
        return None
    sure: Sureness = "bound"
    for key in keys:
        at = seen.horizon.get(key, 0.0)
        if any(term.sure == "estimate" and term.at <= at for term in seen.terms.get(key, ())):
            sure = "estimate"
    unheard = [key for key in keys if key not in seen.horizon]
    if unheard:
        missing = f"{unheard[0]}: nothing is known of its horizon yet"
        return Item(what="horizon", ok=False, text="there is no horizon yet", sure=sure, missing=missing)
    going_on = [key for key in keys if not seen.horizon.get(key, 0.0)]
    last = max(seen.horizon.get(key, 0.0) for key in keys)
    if going_on:
        missing = f"{going_on[0]}: old is still published, so caches go on taking it"
        return Item(what="horizon", ok=False, text="there is no horizon yet", sure=sure, missing=missing)
    if last > now:
        missing = f"{span(last - now)} until no honest cache can hold old"
        return Item(what="horizon", ok=False, text=missing, sure=sure, missing=missing, eta=last)
    return Item(what="horizon", ok=True, text=f"no honest cache can hold old since {span(now - last)}", sure=sure)


def caches(keys: tuple[str, ...], dns: Dns | None, seen: ServiceView, now: float, fresh: float) -> Item | None:
    """Every resolver that is sampled answers new, and none of them from what has expired."""
    views = [view for view in seen.dns.values() if view.role == "resolver"]
    unheard = _unheard(keys, dns.resolvers if dns is not None else (), views)
    if not views and not unheard:
        return None
    stale_ = [view for view in views if "stale" in view.flags]
    behind = [view for view in views if (view.state != "new" or view.stage != view.stages) and view not in stale_]
    moved = len(views) - len(stale_) - len(behind)
    text = f"{moved} of {len(views) + len(unheard)} answers of sampled caches are new"
    if stale_:
        names = list(dict.fromkeys(view.vantage for view in stale_))
        missing = f"{_few(names)} {'serves' if len(names) == 1 else 'serve'} what has expired"
    else:
        missing = _not_new(behind, "cache") or next(iter(unheard), "") or _old_news(views, dns, now, fresh)
    return Item(what="caches", ok=not missing, text=text, sure="estimate", missing=missing)


def caches_missing(planned: Service, dns: Dns | None, seen: ServiceView, now: float, fresh: float) -> str:
    """Why the horizon has not passed, or not every sampled cache has moved; '' when both have."""
    keys = declared(planned) if dns is not None else ()
    made = (
        authorities(keys, dns, seen, now, fresh),
        horizon(keys, seen, now),
        caches(keys, dns, seen, now, fresh),
    )
    items = [item for item in made if item is not None]
    if not any(item.what == "caches" for item in items):
        return "no cache has answered"
    return next((item.missing for item in items if not item.ok), "")


def _not_new(views: list[DnsView], what: str) -> str:
    if not views:
        return ""
    first = views[0]
    if first.state == "new":
        return f"{first.name} {first.type}: change {first.stage} of {first.stages} is the last that was made"
    more = f", and {len(views) - 1} more" if len(views) > 1 else ""
    words = {"authority": "the authority", "cache": "the cache"}[what]
    return f"{words} {first.vantage} says {first.state} for {first.name} {first.type}{more}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _key(key: str) -> tuple[str, str]:
    name, _, type = key.partition(" ")
    return name.lower().rstrip("."), type
