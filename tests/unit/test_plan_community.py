"""The plan of the community server, by what its account asks for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from cockpit.plan.brief import brief
from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from cockpit.plan.model import DnsChange, Manual, Plan, Service, Sync
from cockpit.plan.people import Notice

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


def test_names_mail_and_data_of_one_domain_move_by_steps_of_their_own(plan: Plan) -> None:
    """S25: services, data sets and domains are separate things: the web name of projects moves before its mail, each in its step,
    and the data below both were copied by others, each of which can go or come back alone."""
    steps = {step.ref: step for service in plan.services for step in service.steps}
    moved: dict[tuple[str, str], list[str]] = {}
    for ref, step in steps.items():
        if isinstance(step.action, DnsChange):
            for record in step.action.records:
                moved.setdefault((record.name.partition(".")[0], record.type), []).append(ref)
    assert moved.pop(("old-community", "A")) == ["server/name-for-the-copy"]
    assert moved == {
        **{(name, "A"): ["server/move-names"] for name in ("community", "projects")},
        **{(name, "CNAME"): ["server/move-names"] for name in ("trac", "code")},
        **{(name, "MX"): ["mail/move-mx"] for name in ("community", "projects")},
        ("rt", "CNAME"): ["rt/move"],
        ("planet", "CNAME"): ["planet/move"],
    }
    # One set of data, one service that brings it: no path is copied for good by two.
    final = [
        (path, step.service)
        for step in steps.values()
        if isinstance(step.action, Sync) and step.action.final
        for path in step.action.paths
    ]
    assert len({path for path, _ in final}) == len(final)
    assert {service for _, service in final} == {"accounts", "projects", "trac", "lists", "mail", "planet"}


def test_everybody_whom_the_plan_needs_is_a_contact_with_a_channel(plan: Plan) -> None:
    """S27: who answers for a step, and whom a notice is for, stand among the contacts with how they are reached."""
    contacts = {contact.name: contact for contact in plan.contacts}
    asked = {service.owner for service in plan.services if service.owner}
    asked |= {step.action.owner for s in plan.services for step in s.steps if isinstance(step.action, Manual)}
    assert {"Ian", "Malcolm", "infrastructure"} <= asked
    assert asked <= contacts.keys()
    assert all(contact.channel and contact.for_ for contact in contacts.values())
    told = {
        receiver.name.rpartition(" ")[0] if receiver.name[-1].isdigit() else receiver.name
        for s in plan.services
        for step in s.steps
        if isinstance(step.action, Notice)
        for receiver in step.action.to
    }
    assert told == {"users", "community"}
    assert all(contacts[name].notify for name in told)
    head = brief(plan).partition("## Wave")[0]
    assert all(f"{contact.name}, {contact.channel}" in head for contact in contacts.values())


def _due(service: Service) -> datetime:
    assert service.window is not None, f"{service.id} has no due date"
    return datetime.fromisoformat(service.window.start)
