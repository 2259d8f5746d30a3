"""The demo as a newcomer starts it, and the same cutover on a lab that stays, asked afterwards by clients of other makers."""

from __future__ import annotations

import json
import shutil
import smtplib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.lab.stages.karl import CLIENTS
from tests.lab.demos import cockpit, demo, lab, tally, whole

pytestmark = pytest.mark.xdist_group("demos")
TOOLS = {"dig": "bind9-dnsutils", "curl": "curl", "ssh": "openssh-client"}


def until(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.2)
    return True


def complete(summary: dict[str, Any], clients: tuple[str, ...] = CLIENTS) -> None:
    """What the summary of a whole cutover tells of each service."""
    assert summary["exit"] == 0
    assert summary["verdict"] == f"{len(clients)} of {len(clients)} services are cut over"
    assert tuple(summary["services"]) == clients
    for name, service in summary["services"].items():
        assert service["complete"]
        assert len(service["steps"]) >= 14
        for step in service["steps"]:
            assert step["state"] in {"done", "already", "skipped"}, step
            assert step["state"] == "skipped" or (
                step["started"] and step["ended"] and step["started"] <= step["ended"]
            )
        down = service["downtime"]
        # How long it took depends on the machine; that nothing but maintenance was ever seen is what its people tell.
        assert down["budget"] == 60
        assert 0 <= down["lower"] <= down["upper"]
        assert down["samples"] > 20
        assert (service["writer"]["before"], service["writer"]["after"]) == ("old", "new")
        assert {answer["state"] for answer in service["dns"]["authorities"].values()} == {"new"}, name
        assert len(service["dns"]["authorities"]) == 3
        assert len(service["dns"]["resolvers"]) == 4
        assert all(answer["answers"] for answer in service["dns"]["resolvers"].values())


def test_the_demo_cuts_all_six_over_and_tells_how(tmp_path: Path) -> None:
    ran = demo("karl", tmp_path)
    whole(ran, *CLIENTS)
    complete(ran.summary)
    said = ran.tally
    assert said["trouble"] == [], f"what was not served was a maintenance page, which says so: {said['trouble']}"
    assert said["refused"]["pages"] > 0, "each client had its maintenance"


def test_a_run_that_waited_at_its_gate_goes_on_with_leave_and_clients_of_other_makers_confirm_the_end(
    tmp_path: Path,
) -> None:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs apt-get install -y {' '.join(missing)}")
    clients, runs = ("osf", "harbor"), tmp_path / "runs"
    with lab("karl", tmp_path / "lab", "--clients", ",".join(clients)) as where:
        ran = cockpit("run", where["plan"], "--headless", "--json", runs=runs)
        assert ran.returncode == 3, ran.stderr
        summary = json.loads(ran.stdout)
        assert [name for name, service in summary["services"].items() if service["complete"]] == ["osf"]
        assert not summary["gates"]["pilot-good"]["open"]
        ran = cockpit("run", "--resume", "last", "--headless", "--go", "all", "--json", runs=runs)
        assert ran.returncode == 0, ran.stderr
        complete(json.loads(ran.stdout), clients)
        _seen_by_others(where, clients, tmp_path)
    seen = tally(tmp_path / "lab")
    assert (seen["lost"], seen["doubled"]) == ([], [])


def _seen_by_others(where: dict[str, Any], clients: tuple[str, ...], folder: Path) -> None:
    """Names, pages, mail and modes are on new, as clients of other makers see them."""
    ports = where["ports"]
    for client in clients:
        name = f"{client}.karl.test"
        for server in where["authorities"]:
            assert dig(server, ports["dns"], name) == [where["new"]], (server, name)
        # One resolver hands out what has expired for a while: it comes over last.
        for server in where["resolvers"]:
            assert until(lambda s=server, n=name: dig(s, ports["dns"], n) == [where["new"]]), (server, name)  # type: ignore[misc]
        for host in ("old", "new"):
            said = curl(name, ports["http"], where[host], "/whoami")
            assert said == "shared", f"{name} at {host} is answered by {said}: the bridge must lead to new"
        assert f"KARL {client}" in curl(name, ports["http"], where["new"], "/login")
    key, hosts = Path(where["folder"]) / "keys/operator", folder / "known_hosts"
    count = "grep -c 'Subject: asked from outside' var/mail/osf/mbox"
    for number, host in enumerate(("new", "old"), 1):
        send(where[host], ports["smtp"], f"{host} list@osf.karl.test")
        arrived = until(lambda n=number: ssh(where["new"], ports["ssh"], key, hosts, count) == str(n))  # type: ignore[misc]
        assert arrived, f"mail handed to {host} never reached the mailbox on new"
    assert ssh(where["old"], ports["ssh"], key, hosts, f"{count}; true") == "0", "old delivered mail itself"
    assert ssh(where["new"], ports["ssh"], key, hosts, "cat etc/mode/osf") == "production"


def dig(server: str, port: int, name: str) -> list[str]:
    words = ["dig", "+short", "+time=2", "+tries=2", f"@{server}", "-p", str(port), name, "A"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def curl(name: str, port: int, address: str, path: str) -> str:
    words = ["curl", "-sS", "--max-time", "5", "--resolve", f"{name}:{port}:{address}", f"http://{name}:{port}{path}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def ssh(address: str, port: int, key: Path, hosts: Path, command: str) -> str:
    options = ["StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={hosts}", "BatchMode=yes", "IdentitiesOnly=yes"]
    words = ["ssh", "-F", "none", "-p", str(port), "-i", str(key), *(f"-o{option}" for option in options)]
    ran = subprocess.run([*words, f"karl@{address}", command], capture_output=True, text=True, check=False, timeout=20)
    assert ran.returncode < 2, ran.stderr
    return ran.stdout.strip()


def send(address: str, port: int, marked: str) -> None:
    with smtplib.SMTP(address, port, timeout=10) as session:
        session.ehlo("outside.example.org")
        text = f"Subject: asked from outside\r\nX-Through: {marked}\r\n\r\nHello.\r\n"
        assert session.sendmail("somebody@example.org", ["list@osf.karl.test"], text) == {}
