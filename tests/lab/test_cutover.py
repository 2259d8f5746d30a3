"""The demo plan's shell steps on the lab, forward and back, each verified: what the recipes promise holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cockpit.hosts.hands import script_for
from cockpit.lab import Lab
from cockpit.lab.stages.karl import CLIENTS, Karl
from cockpit.plan.load import load
from cockpit.plan.model import Op, Shell, Step, Sync
from tests.lab.test_servers import get, link, post_mail, until


async def run(lab: Lab, step: Step, op: Op, captured: dict[str, str]) -> tuple[int, str]:
    assert isinstance(step.action, Shell)
    async with await link(lab, step.action.host) as conn:
        ran = await conn.run("exec sh -s", input=script_for(step.action, op, captured))
        assert isinstance(ran.stdout, str)
        assert ran.exit_status is not None, f"{step.ref} {op}: {ran.stderr!r}"
        return ran.exit_status, ran.stdout + str(ran.stderr)


async def forward(lab: Lab, step: Step) -> dict[str, str]:
    if isinstance(step.action, Sync):
        for path in step.action.paths:
            shutil.rmtree(lab.new.home / path, ignore_errors=True)
            shutil.copytree(lab.old.home / path, lab.new.home / path, symlinks=True)
        return {}
    assert (await run(lab, step, "probe", {}))[0] == 1, step.ref
    status, said = await run(lab, step, "capture", {})
    assert status == 0, said
    captured = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    for op in ("apply", "verify"):
        status, said = await run(lab, step, op, captured)  # type: ignore[arg-type]
        assert status == 0, f"{step.ref} {op}: {said}"
    return captured


async def test_the_demo_plan_is_clean_and_has_the_nine_steps(lab: Lab) -> None:
    loaded = load(lab.plan_path)
    assert [str(finding) for finding in loaded.findings] == []
    assert loaded.plan is not None
    told = {seed for step in loaded.plan.service("osf").steps for seed in step.seeds}
    assert {"S4", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13"} <= told


@pytest.mark.parametrize("clients", [CLIENTS, ("osf",), ("wwf", "harbor")])
async def test_every_choice_of_clients_gives_a_clean_plan(tmp_path: Path, clients: tuple[str, ...]) -> None:
    async with Lab.open(Karl(clients), tmp_path / "lab", traffic=False) as lab:
        loaded = load(lab.plan_path)
        assert [str(finding) for finding in loaded.findings] == []
        assert loaded.plan is not None
        assert tuple(service.id for service in loaded.plan.services) == clients


async def test_a_client_goes_over_and_comes_back_with_its_mail(lab: Lab) -> None:
    plan = load(lab.plan_path).plan
    assert plan is not None
    steps = {step.id: step for step in plan.service("osf").steps}
    order = ["test-site", "presync", "maintenance-on", "hold-mail", "redirect-mail", "bridge", "final-sync"]
    captured = {name: await forward(lab, steps[name]) for name in order}

    assert (await get(lab, lab.old, "/login")).status_code == 503
    assert await post_mail(lab, lab.old, "list@osf.karl.test") == "ok"

    captured["promote"] = await forward(lab, steps["promote"])
    assert (await get(lab, lab.old, "/whoami")).text.strip() == "shared"

    for name in ["promote", "bridge", "redirect-mail", "hold-mail", "maintenance-on", "test-site"]:
        for op in ("undo", "verify_undo"):
            status, said = await run(lab, steps[name], op, captured[name])  # type: ignore[arg-type]
            assert status == 0, f"{name} {op}: {said}"
        assert (await run(lab, steps[name], "probe", {}))[0] == 1, name
    assert (await get(lab, lab.old, "/whoami")).text.strip() == "xen"
    box = lab.old.home / "var/mail/osf/mbox"
    await until(lambda: "Subject: hello" in box.read_text())
    assert "Subject: hello" not in (lab.new.home / "var/mail/osf/mbox").read_text()


async def test_held_mail_is_delivered_on_new_once_when_released(lab: Lab) -> None:
    plan = load(lab.plan_path).plan
    assert plan is not None
    steps = {step.id: step for step in plan.service("osf").steps}
    order = ["test-site", "presync", "maintenance-on", "hold-mail", "redirect-mail", "bridge", "final-sync", "promote"]
    for name in order:
        await forward(lab, steps[name])
    assert await post_mail(lab, lab.old, "list@osf.karl.test") == "ok"
    await forward(lab, steps["release-mail"])
    box = lab.new.home / "var/mail/osf/mbox"
    await until(lambda: "Subject: hello" in box.read_text())
    assert box.read_text().count("Subject: hello") == 1
    for name in ("outside-check", "stragglers"):
        await forward(lab, steps[name])


async def test_verification_sees_what_apply_did_not_do(lab: Lab) -> None:
    plan = load(lab.plan_path).plan
    assert plan is not None
    steps = {step.id: step for step in plan.service("osf").steps}
    await forward(lab, steps["test-site"])
    for name in ("maintenance-on", "hold-mail", "redirect-mail", "bridge", "promote"):
        status, said = await run(lab, steps[name], "verify", {})
        assert status == 1, f"{name}: {said}"
