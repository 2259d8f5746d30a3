"""Every key that a plan file may hold: the one table behind reading, the JSON Schema and the reference page."""

from __future__ import annotations

from cockpit.plan.keys.compare import COMPARE
from cockpit.plan.keys.dns import DNS
from cockpit.plan.keys.health import HEALTH
from cockpit.plan.keys.mail import MAIL
from cockpit.plan.keys.outage import OUTAGE
from cockpit.plan.keys.plan import PLAN
from cockpit.plan.keys.probes import PROBES
from cockpit.plan.keys.steps import STEPS
from cockpit.plan.keys.traffic import TRAFFIC
from cockpit.plan.keys.types import Key, Type, obj

__all__ = ["OBJECTS", "Key", "Type", "obj"]

OBJECTS: dict[str, tuple[Key, ...]] = {
    **PLAN,
    **STEPS,
    **DNS,
    **HEALTH,
    **PROBES,
    **COMPARE,
    **OUTAGE,
    **MAIL,
    **TRAFFIC,
}
"""Objects by name; `plan` is the file itself."""
