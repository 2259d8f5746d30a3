"""How long what a probe saw stays true: one rule for the evidence, the gates and the screen. Pure."""

from __future__ import annotations

from cockpit.plan.model import Service
from cockpit.plan.watched import Probe

FRESH = 30.0
"""Seconds after which an observation is no evidence any more."""
ROUNDS = 2.5
"""Rounds of a probe with a longer interval that its last answer stays evidence."""


def allowed(fresh: float, every: float) -> float:
    """Seconds that an observation stays evidence, of something that is asked every so many seconds: a probe that is asked more
    rarely than `fresh` would otherwise be out of date between two of its answers."""
    return max(fresh, every * ROUNDS)


def age(utc: float, now: float, every: float = 0.0, fresh: float = FRESH) -> float:
    """Seconds since an observation that is too old to be true now; 0 for one that is not. What was never seen has no age."""
    return now - utc if utc and now - utc > allowed(fresh, every) else 0.0


def probe_of(service: Service, key: str) -> Probe | None:
    """The plan's probe behind `probe@vantage` or, asked over one address family, `probe/4@vantage`."""
    name = key.rpartition("@")[0]
    return next((probe for probe in service.health if name == probe.id or name.startswith(f"{probe.id}/")), None)


def health_every(service: Service, key: str) -> float:
    """Seconds between two answers of what is behind `probe@vantage`: a probe of the plan, or a server of its mail domain."""
    probe = probe_of(service, key)
    return probe.every if probe is not None else service.mail.every if service.mail is not None else 0.0
