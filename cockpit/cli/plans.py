"""Loading a plan for a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.plan.model import Plan


def usable(path: str) -> Plan | None:
    """The plan of that file; None when it cannot be used, and its findings are on standard error then."""
    from cockpit.plan.load import PlanError, load_plan

    try:
        return load_plan(Path(path))
    except PlanError as error:
        print(error, file=sys.stderr)
        return None
