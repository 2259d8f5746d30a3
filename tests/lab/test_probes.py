"""A whole run with probes of several protocols over the lab: what they saw is in the state, and one of them proves a step."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from cockpit.conductor.assembly import Options, conduct
from cockpit.conductor.headless import Orders
from cockpit.events import HealthSeen
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import records
from cockpit.lab import Lab
from cockpit.plan.load import load, load_plan
from tests.hosts.told import hosts_of

PASSWORD = "a-password-of-ours"


def plan(lab: Lab) -> Path:
    hosts = {id: msgspec.to_builtins(host) for id, host in hosts_of(lab).items()}
    for host in hosts.values():
        del host["id"]
    name, port = "osf.karl.test", lab.where.http_port
    ssh = hosts["new"]["ssh"].rpartition(":")[2]
    health = [
        {"tcp": f"{name}:{port}", "every": "500ms"},
        {"http": f"http://{name}:{port}/", "every": "500ms", "expect": {"that": ["status == 200"]}},
        {"ssh": f"{name}:{ssh}", "at": ["new"], "every": "500ms"},
        {"command": "cat served 2>/dev/null; echo $client", "id": "served", "at": ["new"], "every": "500ms",
         "expect": {"body": "yes"}},
        {"ssh": f"{name}:{ssh}", "id": "login", "at": ["new"], "login": {"user": "tom", "secret": "box"}, "every": "500ms"},
    ]  # fmt: skip
    step = {
        "id": "serve",
        "phase": "switch",
        "on": "new",
        "run": {"apply": "echo yes >served", "undo": "rm served"},
        "verify": {"probe": [{"id": "served", "at": "new", "timeout": "10s"}]},
    }
    text = {
        "cutover": 1,
        "name": "night",
        "hosts": hosts,
        "secrets": {"box": {"file": "box"}},
        "services": [{"id": "osf", "vars": {"client": "osf"}, "health": health, "steps": [step]}],
    }
    folder = lab.folder / "plan"
    folder.mkdir()
    (folder / "box").write_text(PASSWORD)
    (folder / "box").chmod(0o600)
    (folder / "plan.yaml").write_text(json.dumps(text))
    return folder / "plan.yaml"


async def test_a_run_shows_what_each_protocol_s_probe_saw_and_one_of_them_proves_a_step(
    lab: Lab, tmp_path: Path
) -> None:
    file = plan(lab)
    assert [str(finding) for finding in load(file).findings if finding.code != "conformance"] == []
    (tmp_path / "run").mkdir(mode=0o700)
    run = RunFolder(tmp_path / "run")
    state, _ = await conduct(run, load_plan(file), Options(headless=Orders(settle=3.0)))
    assert state.step("osf/serve").state == "done", state.step("osf/serve")
    assert state.step("osf/serve").detail == "probe served at new: yes"
    seen = state.services["osf"].health
    web = f"tcp-{lab.where.http_port}"
    assert {key for key, view in seen.items() if view.ok} >= {f"{web}@old", f"{web}@new", "web@old", "served@new"}
    assert seen["served@new"].facts["value"] == "yes"
    assert seen["served@new"].proto == "command"
    [ssh] = [view for key, view in seen.items() if key.startswith("ssh-")]
    assert ssh.ok, ssh.detail
    assert ssh.facts["hostkey"].startswith("ssh-ed25519 SHA256:")
    assert not seen["login@new"].ok
    told = [record for record in records(run.journal) if isinstance(record.event, HealthSeen)]
    assert len(told) > 10
    assert PASSWORD not in run.journal.read_text()
