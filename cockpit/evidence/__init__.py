"""What speaks for switching off old, and what is still missing. Pure: one state, one service, one moment.

Nothing here is a single figure. Authorities are proof of what is published, the horizon is a bound on what honest caches hold,
sampled caches are an estimate of the world's, and traffic is what clients do. Old may go when all of them agree.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cockpit.evidence import leftovers, names, serving
from cockpit.evidence.items import FRESH, Item, Kind
from cockpit.plan.records import declared
from cockpit.reduce.world import propagation, traffic_share
from cockpit.state import RunState, ServiceView

__all__ = ["FRESH", "Figures", "Item", "Kind", "Verdict", "figures", "switch_off", "verdict"]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How far a change has come, as three figures: (moved, all) of the authorities and of the sampled caches, and the share of
    real clients' requests that new gets, -1 while that is not known."""

    authorities: tuple[int, int]
    caches: tuple[int, int]
    traffic: float


ENOUGH: tuple[frozenset[Kind], ...] = (
    frozenset({"authorities", "horizon"}),
    frozenset({"traffic"}),
    frozenset({"queue"}),
    frozenset({"stragglers"}),
)
"""What says that nobody uses old any more. All else may speak against it, and is not enough by itself."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether old may be switched off, in a sentence. `unwatched` is which of records and traffic the plan does not watch."""

    safe: bool
    text: str
    missing: tuple[str, ...] = ()
    unwatched: tuple[Kind, ...] = ()
    eta: float = 0.0


def figures(service: ServiceView, now: float) -> Figures:
    """The three figures of a service."""
    authorities, caches = propagation(service)
    return Figures(authorities=authorities, caches=caches, traffic=traffic_share(service, now))


def switch_off(state: RunState, service: str, now: float, fresh: float = FRESH) -> tuple[Item, ...]:
    """The evidence for switching off old, of all that the plan watches of this service. Raises KeyError for an
    unknown service."""
    if state.plan is None:
        return ()
    planned, seen = state.plan.service(service), state.services[service]
    dns = state.plan.dns
    keys = declared(planned) if dns is not None else ()
    made = (
        names.authorities(keys, dns, seen, now, fresh),
        names.delegation(state, keys, seen, now, fresh),
        names.horizon(keys, seen, now),
        names.caches(keys, dns, seen, now, fresh),
        leftovers.traffic(state, planned, seen, now, fresh),
        leftovers.queue(state, planned, seen, now, fresh),
        leftovers.stragglers(state, planned, seen, now, fresh),
        leftovers.token(planned, seen, now),
        serving.writer(planned, seen, now, fresh),
        serving.health(planned, seen, now, fresh),
        serving.certificates(planned, seen, now, fresh),
    )
    return tuple(item for item in made if item is not None)


def verdict(items: Iterable[Item]) -> Verdict:
    """Whether all of it holds, and what is missing."""
    all_items = tuple(items)
    open_ = tuple(item for item in all_items if not item.ok)
    have = {item.what for item in all_items}
    unwatched: tuple[Kind, ...] = tuple(kind for kind in ("authorities", "traffic") if kind not in have)
    if not all_items:
        return Verdict(
            safe=False, text="nothing of old is watched", missing=("nothing is watched",), unwatched=unwatched
        )
    missing = tuple(item.missing for item in open_)
    if not any(kinds <= have for kinds in ENOUGH):
        missing = (*missing, "nothing is watched that shows who still uses old: records, traffic, or mail on old")
        return Verdict(
            safe=False, text=f"old is still needed: {'; '.join(missing)}", missing=missing, unwatched=unwatched
        )
    if open_:
        eta = max((item.eta for item in open_), default=0.0) if all(item.eta for item in open_) else 0.0
        text = f"old is still needed: {'; '.join(missing)}"
        return Verdict(safe=False, text=text, missing=missing, unwatched=unwatched, eta=eta)
    text = "safe to switch off old"
    if unwatched:
        text += f", by what the plan watches: not {' and not '.join(unwatched)}"
    elif any(item.sure == "estimate" for item in all_items):
        text += f"; {' and '.join(item.what for item in all_items if item.sure == 'estimate')}: by estimate"
    return Verdict(safe=True, text=text, unwatched=unwatched)
