"""Conditions over what probes saw: one small language, read by a parser of its own, checked before the night, never evaluated as
code.

    status == 200 and header.server matches "nginx"
    ttfb < 500ms or bridged
    new.digest == old.digest
    size within 10% of old.size
"""

from __future__ import annotations

from cockpit.plan.conditions.facts import known_facts
from cockpit.plan.conditions.judge import judge, named, unmet, vantages
from cockpit.plan.conditions.parser import Fault, parse
from cockpit.plan.conditions.sense import beside, check
from cockpit.plan.conditions.syntax import Condition

__all__ = ["Condition", "Fault", "beside", "check", "judge", "known_facts", "named", "parse", "unmet", "vantages"]
