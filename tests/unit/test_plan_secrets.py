"""Secrets of a plan: names and places only, in every text that people read; values only in what a host gets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from cockpit.plan.load import Loaded, loads
from cockpit.plan.model import Plan, Secret, Shell
from cockpit.plan.script import command_text, script_for
from cockpit.plan.show import markdown

TEXT = """cutover: 1
name: Night
hosts: {new: {ssh: a@new}}
secrets:
  osf_db: {file: secrets/osf}
  api: {env: HETZNER_TOKEN}
  root: {command: pass show cutover/root}
  vault: {ask: Password of the vault}
template: t
services:
  - {id: osf, vars: {client: osf}}
templates:
  t:
    steps:
      - id: user
        phase: copy
        on: new
        secrets: [api, root, vault, {password: "{client}_db"}]
        run:
          capture: "echo was=$(cat old)"
          apply: "printf '%s' \\"$password\\" | mkuser"
          verify: "test -e user"
          undo: "rm user"
"""


def loaded(tmp_path: Path, text: str = TEXT) -> Loaded:
    return loads(text.encode(), tmp_path / "plan.yaml")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    found = loaded(tmp_path)
    assert [str(finding) for finding in found.findings] == []
    assert found.plan is not None
    return found.plan


def shell(plan: Plan) -> Shell:
    action = plan.step("osf/user").action
    assert isinstance(action, Shell)
    return action


def test_a_plan_says_where_secrets_come_from_and_reads_none_of_them(plan: Plan, tmp_path: Path) -> None:
    assert plan.secrets == {
        "osf_db": Secret(source="file", at=str(tmp_path / "secrets/osf")),
        "api": Secret(source="env", at="HETZNER_TOKEN"),
        "root": Secret(source="command", at="pass show cutover/root"),
        "vault": Secret(source="ask", at="Password of the vault"),
    }
    assert shell(plan).secrets == {"api": "api", "root": "root", "vault": "vault", "password": "osf_db"}
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_the_runbook_and_the_screen_show_the_name_of_a_secret(plan: Plan) -> None:
    shown = markdown(plan)
    assert "- root: printed by `pass show cutover/root`\n- vault: asked: Password of the vault\n" in shown
    assert "\npassword=‹secret osf_db›\n" in shown
    captured = {"was": "‹secret osf_db 0123456789abcdef›", "other": "x"}
    text = command_text(plan.step("osf/user"), "undo", captured)
    assert "password='‹secret osf_db›'\n" in text
    assert "captured_was='‹secret osf_db 0123456789abcdef›'\n" in text
    assert "export captured_other=x\n" in text
    assert "rm -f" not in text, "only a job's own script removes itself"


@pytest.mark.parametrize("sh", ["dash", "bash", "busybox sh"])
def test_a_script_with_secrets_removes_itself_and_exports_none_of_them(plan: Plan, tmp_path: Path, sh: str) -> None:
    values = {"osf_db": 'it\'s $(odd)\nand "long"', "api": "a", "root": "b", "vault": "c"}
    action = msgspec.structs.replace(shell(plan), undo='printf "%s|" "$password" "$captured_was"; env | grep -c odd')
    text = script_for(action, "undo", {"was": f"<{values['osf_db']}>"}, values)
    (tmp_path / "job").mkdir()
    for name in ("script.71", "mine.sh"):
        file = tmp_path / "job" / name
        file.write_text(text)
        ran = subprocess.run([*sh.split(), str(file)], capture_output=True, text=True)
        assert ran.stdout == f"{values['osf_db']}|<{values['osf_db']}>|0\n", ran.stderr
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["mine.sh"]
    piped = subprocess.run([*sh.split(), "-s"], input=text, capture_output=True, text=True, cwd=tmp_path)
    assert piped.stdout.startswith(values["osf_db"])


def test_a_script_without_its_secret_is_not_made(plan: Plan) -> None:
    with pytest.raises(KeyError, match="api"):
        script_for(shell(plan), "apply", {}, {})


def test_a_recipe_takes_a_secret_for_a_parameter(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    recipe = "# recipe: user\n# param: password its password\napply() { :; }\nverify() { :; }\nundo() { :; }\n"
    (tmp_path / "recipes/mkuser.sh").write_text(recipe)
    head, _, _ = TEXT.partition("        run:")
    found = loaded(tmp_path, f"{head}        use: mkuser\n".replace("[api, root, vault, ", "["))
    assert [finding.code for finding in found.findings] == ["unused-secret"] * 3
