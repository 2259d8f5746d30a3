"""The plan of the users of charon, by what its account asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from cockpit.plan.model import Plan

USERS = ("akira", "beni", "chiyo", "daichi", "emi")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    examples()["charon"].write(tmp_path / "plan.yaml")
    return load_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize("user", USERS)
def test_all_of_a_user_s_preparation_is_checked_off_at_a_gate_and_has_no_clock(plan: Plan, user: str) -> None:
    """S54: "Not time-critical, check off all before starting migration". The gate waits for each step of the preparation, all
    that comes after it waits for the gate, and the hour of the window does not begin before."""
    service = plan.service(user)
    prepared = {step.ref for step in service.steps if step.phase == "prepare"}
    (gate,) = (gate for gate in plan.gates if gate.id == f"{user}-prepared")
    assert {*gate.after} == prepared
    assert len(prepared) > 8
    steps = {step.ref: step for step in service.steps}
    held = {*gate.before}
    while more := {ref for ref, step in steps.items() if ref not in held and {need.step for need in step.needs} & held}:
        held |= more
    assert steps.keys() - prepared - held == set()
    assert gate.before[0] not in prepared
    assert service.window is not None
    assert "prepare" not in service.window.phases
    assert {"freeze", "first", "second"} == {*service.window.phases}


def test_the_receiver_learns_of_an_address_before_the_sender_does(plan: Plan) -> None:
    """S59: "Update neko-base first": the edit on charon needs the one on neko-base, with the reason beside it."""
    for user in ("akira", "beni"):
        steps = {step.ref: step for step in plan.service(user).steps}
        needs = {need.step: need.reason for need in steps[f"{user}/virtusertable-charon"].needs}
        assert "send everything back" in needs[f"{user}/virtusertable-neko-base"]
        assert steps[f"{user}/virtusertable-neko-base"].action.host == "new"  # type: ignore[union-attr]
