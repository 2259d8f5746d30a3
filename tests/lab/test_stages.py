"""The demos as a list, and their plans as files beside the example that each one follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.cli.demo import DEMOS
from cockpit.lab import Lab, LabError, stage, stages
from cockpit.plan.examples import examples
from cockpit.plan.load import load, loads
from cockpit.plan.model import Plan
from tests.lab.demos import cockpit

RENAMED = {"account-out"}
"""What is written down of an account differs: the lab has no passwords."""
OTHERS = sorted(set(stages()) - {"karl"})


def test_the_list_tells_of_every_demo(tmp_path: Path) -> None:
    assert [(name, kind.title) for name, kind in stages().items()] == list(DEMOS)
    told = cockpit("demo", "--list", runs=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in told] == list(stages())
    assert max(map(len, told)) <= 120


def test_an_unknown_name_is_told_in_a_sentence_that_lists_those_there_are(tmp_path: Path) -> None:
    for words in (("demo", "--headless"), ("lab", "--folder", str(tmp_path / "lab"))):
        ran = cockpit(*words, "--plan", "nobody", runs=tmp_path / "runs")
        assert ran.returncode in {1, 2}
        assert f"there is no demo nobody; there are {', '.join(stages())}" in ran.stderr
        assert not (tmp_path / "runs").exists()
    with pytest.raises(LabError, match="there is no demo nobody"):
        stage("nobody")


@pytest.mark.parametrize("name", OTHERS)
async def test_a_demo_s_plan_is_clean_also_in_a_folder_with_an_odd_name(tmp_path: Path, name: str) -> None:
    async with Lab.open(stage(name), tmp_path / "a {b} 'c' \\d", traffic=False) as lab:
        loaded = load(lab.plan_path)
        assert [str(finding) for finding in loaded.findings] == []
        assert loaded.plan is not None
        wanted = {answer.partition("=")[0] for answer in lab.stage.answers}
        asked = {step.ref for service in loaded.plan.services for step in service.steps if step.kind == "manual"}
        assert wanted <= asked


@pytest.mark.parametrize("name", OTHERS)
async def test_a_demo_s_plan_has_the_services_phases_and_words_of_its_example(tmp_path: Path, name: str) -> None:
    """What the two have in common is said in the same words; what only one of them has, docs/lab.md tells."""
    examples()[name].write(tmp_path / "example" / f"{name}.yaml")
    example = whole(tmp_path / "example" / f"{name}.yaml")
    async with Lab.open(stage(name), tmp_path / "lab", traffic=False) as lab:
        demo = whole(lab.plan_path)
    told = (Path(__file__).parents[2] / "docs/lab.md").read_text()
    assert (demo.name, demo.phases) == (example.name, example.phases)
    assert [(service.id, service.title) for service in demo.services] == [(s.id, s.title) for s in example.services]
    assert {gate.id for gate in demo.gates} <= {gate.id for gate in example.gates}
    for service in example.services:
        theirs = {step.id: step for step in service.steps}
        ours = {step.id: step for step in demo.service(service.id).steps}
        for id in theirs.keys() & ours.keys():
            assert ours[id].phase == theirs[id].phase, id
            assert id in RENAMED or ours[id].title == theirs[id].title, id
            assert set(ours[id].seeds) == set(theirs[id].seeds), id
        order = [id for id in theirs if id in ours]
        assert [id for id in ours if id in theirs] == order
        for id in theirs.keys() ^ ours.keys():
            assert f"`{id}`" in told, f"{service.id}/{id} is in one of the two plans only: docs/lab.md says why"


def whole(file: Path) -> Plan:
    found = loads(file.read_bytes(), file)
    assert found.plan is not None, found.findings
    return found.plan
