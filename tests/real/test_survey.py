"""`cockpit survey` on real hosts: sizes over time, the final copy predicted, and told again beside what it took."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.conductor.assembly import Options, conduct
from cockpit.conductor.headless import Orders
from cockpit.conductor.summary import summary
from cockpit.journal.folder import create
from cockpit.plan.load import load_plan
from tests.real.rig import RealHost, Rig, needs_rig

pytestmark = needs_rig


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    host = rig.host("old")
    host.run(
        "mkdir -p /srv/site; cd /srv/site; for n in 1 2 3 4 5; do head -c 2000000 /dev/urandom > big$n; done; touch -d '3 days ago' big*"
    )
    return host


@pytest.fixture(scope="module")
def new(rig: Rig) -> RealHost:
    return rig.host("new")


def survey(file: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", "survey", str(file), *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_final_copy_is_predicted_and_told_again_afterwards(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11, S28: estimated from size and rate of change before, measured after."""
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "plan.yaml"
    hosts = {
        name: {
            "ssh": f"root@{host.address}",
            "address": host.address,
            "host_key": host.host_key,
            "identity_file": str(desk.key),
        }
        for name, host in (("old", old), ("new", new))
    }

    def write(number: int) -> str:
        """A step in which the site's people go on writing: without it there would be nothing to bring over."""
        name = f"/srv/site/more{number}"
        run = f'run: {{apply: "head -c 300000 /dev/urandom > {name}", verify: test -s {name}, undo: rm -f {name}}}'
        return f"      - {{id: write{number}, phase: copy, on: old, {run}}}\n"

    copy = '{from: old, to: new, paths: ["/srv/site/"]'
    file.write_text(
        f"cutover: 1\nname: measured\nhosts: {json.dumps(hosts)}\nservices:\n  - id: site\n    steps:\n"
        f"      - {{id: first, phase: copy, sync: {copy}}}}}\n{write(1)}      - {{id: second, phase: copy, sync: {copy}}}}}\n{write(2)}"
        f"      - {{id: final, phase: sync, sync: {copy}, final: true}}}}\n"
    )
    said = survey(file)
    assert "old:/srv/site/    10.0 MB" in said
    assert "site/final: how fast bytes go over is not known" in said
    old.run("head -c 500000 /dev/urandom > /srv/site/fresh")
    found = json.loads(survey(file, "--json", "--rate", "10m"))
    grown = found["sets"]["old:/srv/site/"]
    assert (grown["measures"], grown["bytes"], grown["files"]) == (2, 10_500_000, 6)
    assert grown["high"] > grown["low"] >= 0
    assert 0 <= found["finals"][0]["expected"]["low"] < found["finals"][0]["expected"]["high"]
    options = Options(headless=Orders(settle=0.0))
    run = create("measured")
    state, _ = asyncio.run(conduct(run, load_plan(file), options, SystemClock()))
    assert state.exit == 0, [view.detail for view in state.services["site"].steps.values()]
    final = summary(state)["services"]["site"]["final_copy"]
    assert final["step"] == "site/final"
    assert final["predicted"]["passes"] == 2
    said = survey(file, "--show")
    assert "the last one took 0:0" in said
    assert "predicted 0:0" in said
    assert "from 2 passes" in said
    measures = (tmp_path / "plan.survey.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["what"] for line in measures] == ["old:/srv/site/"] * 2


def test_what_cannot_be_measured_is_a_sentence(desk: Rig, old: RealHost, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        f'cutover: 1\nname: gone\nhosts: {{old: {{ssh: root@{old.address}, host_key: "{old.host_key}", identity_file: {desk.key}}},'
        " new: {ssh: root@10.213.0.77}}\nservices:\n  - id: site\n    steps:\n"
        "      - {id: first, phase: copy, sync: {from: old, to: new, paths: [/srv/nothing/]}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "cockpit", "survey", str(file)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stderr.strip()) == (1, "cockpit: old:/srv/nothing/ is not there")
