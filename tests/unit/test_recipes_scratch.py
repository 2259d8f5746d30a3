"""Recipes that need no daemon, in a folder of their own: what the library's shell text does where something is odd."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.plan.model import Op, Shell
from cockpit.plan.script import script_for

RECIPES = Path(__file__).resolve().parents[2] / "cockpit" / "recipes"


class Scratch:
    """One recipe with its parameters, run here by `sh`."""

    def __init__(self, recipe: str, **params: object) -> None:
        text = (RECIPES / f"{recipe}.sh").read_text()
        given = {name: str(value) for name, value in params.items()}
        self.action = Shell(host="h", recipe=recipe, recipe_text=text, params=given)
        self.captured: dict[str, str] = {}

    def ask(self, op: Op) -> tuple[int, str]:
        """How a function ended, and what it said."""
        script = script_for(self.action, op, self.captured, {})
        done = subprocess.run(
            ["/bin/sh", "-s"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
        )
        return done.returncode, done.stdout

    def must(self, op: Op, status: int = 0) -> str:
        """Run a function, which must end so. What it said."""
        ended, said = self.ask(op)
        assert ended == status, f"{op}: {said}"
        if op == "capture" and status == 0:
            self.captured = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return said


HALF = "false\ntouch done"
"""Shell text whose first line fails, and whose second does not."""


def test_data_whose_evolve_failed_in_its_first_line_is_not_switched_to(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "one")
    trial = Scratch("data-evolve", current=tmp_path / "current", to=tmp_path / "two", evolve=HALF)
    trial.must("capture")
    assert "no user impact" in trial.must("apply", 1)
    assert os.readlink(tmp_path / "current") == f"{tmp_path}/one"
    good = Scratch(
        "data-evolve", current=tmp_path / "current", to=tmp_path / "two", evolve="touch done", check="false\ntrue"
    )
    good.must("capture")
    good.must("apply")
    assert "does not hold" in good.must("verify", 1)


def test_a_monitoring_that_fails_in_its_first_line_is_believed_in_no_question(tmp_path: Path) -> None:
    given = {"file": tmp_path / "check", "check": "check new", "seen": "true", "within": 0}
    assert "broken already" in Scratch("monitoring-probe", **given, test="false\ntrue").must("capture", 1)
    trial = Scratch("monitoring-probe", **given, reload="false\ntrue")
    trial.must("capture")
    assert "does not reload" in trial.must("apply", 1)
    unseen = Scratch("monitoring-probe", **{**given, "seen": "false\ntrue"})
    assert "does not show" in unseen.must("verify", 1)
    unseen.must("probe", 1)


def test_a_server_s_test_that_fails_in_its_first_line_refuses_a_certificate(tmp_path: Path) -> None:
    pem, key = tmp_path / "new.pem", tmp_path / "new.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-subj", "/CN=www.example.org", "-addext", "subjectAltName=DNS:www.example.org", "-keyout", key, "-out", pem],
        check=True,
        capture_output=True,
    )  # fmt: skip
    (tmp_path / "bundle").write_text(key.read_text() + pem.read_text())
    trial = Scratch(
        "tls-copy",
        bundle=tmp_path / "bundle",
        certificate=tmp_path / "certificate",
        key=tmp_path / "key",
        name="www.example.org",
        reload="true",
        test="false\ntrue",
    )
    trial.must("capture")
    assert "broken already" in trial.must("apply", 2)
    assert not (tmp_path / "certificate").exists()
