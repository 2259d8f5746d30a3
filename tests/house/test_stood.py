"""Each recipe that changes something has stood what it must, on the servers that it is for, as tests/real/stood.json records it."""

from __future__ import annotations

from cockpit.plan.recipes import Shelf
from tests.house.test_recipes import ROOT

SHELF = Shelf(ROOT / "nowhere")
DAEMONS = ("nginx-", "apache-", "postfix-", "exim-", "sendmail-", "supervisor-enable", "monitoring-probe")
"""What changes the configuration of a daemon, or has it read again, refuses one that is broken."""

EXCEPT: dict[str, dict[str, str]] = {}
UNRECORDED: frozenset[str] = frozenset()
