"""The plan of the community server, by what its account asks for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from cockpit.plan.model import Plan, Service

GONE_OVER = datetime.fromisoformat("2026-11-21T20:00:00+00:00")
"""When all becomes read-only, as users are told in advance."""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    examples()["community"].write(tmp_path / "plan.yaml")
    return load_plan(tmp_path / "plan.yaml")


def test_each_check_after_the_move_has_its_due_date_but_for_what_is_due_at_once(plan: Plan) -> None:
    """S41: "after a day or two, raise TTL back", "after a month or two, delete the Etch server", and looks in between."""
    afterwards = {service.id: service for service in plan.services if service.steps[-1].phase == "post-migration"}
    # In the account's order. "Activate backup mirroring" stands first, and waits for nothing.
    assert list(afterwards) == ["backup", "first-day", "first-week", "normal-ttl", "etch"]
    assert afterwards.pop("backup").window is None
    days = {id: (_due(service) - GONE_OVER).total_seconds() / 86400 for id, service in afterwards.items()}
    assert 1 <= days["first-day"] <= 2
    assert 1 <= days["normal-ttl"] <= 2
    assert 6 <= days["first-week"] <= 8
    assert 30 <= days["etch"] <= 62
    left = [
        step.ref
        for service in plan.services
        if service.id not in {*afterwards, "backup"}
        for step in service.steps
        if step.phase == "post-migration"
    ]
    assert left == []


def test_etch_is_deleted_only_when_all_that_was_due_before_is_done(plan: Plan) -> None:
    """S41: what waits for what, through all needs of its first step."""
    steps = {step.ref: step for service in plan.services for step in service.steps}
    met, left = set[str](), ["etch/delete"]
    while left:
        needs = {need.step for need in steps[left.pop()].needs} - met
        met |= needs
        left += needs
    assert {
        "first-day/network",
        "first-day/load",
        "normal-ttl/raise-ttl",
        "first-week/load",
        "backup/activate",
        "server/notify-community",
    } <= met


def _due(service: Service) -> datetime:
    assert service.window is not None, f"{service.id} has no due date"
    return datetime.fromisoformat(service.window.start)
