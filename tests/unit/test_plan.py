"""Good plans: what they become, what is documented, and that no text at all ends in a traceback."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cockpit.cli import check, init, schema, show
from cockpit.plan.examples import examples
from cockpit.plan.keys import OBJECTS
from cockpit.plan.load import load_plan, loads
from cockpit.plan.model import Plan, Shell
from cockpit.plan.schema import json_schema, reference
from cockpit.plan.script import script_for
from cockpit.plan.show import markdown
from cockpit.plan.starter import STARTER
from cockpit.plan.watched import Downtime, Expect, Traffic, Writer
from tests.plans.broken import BROKEN, body, steps

FUZZ = int(os.environ.get("COCKPIT_FUZZ", "60"))
DOC = Path(__file__).parents[2] / "docs" / "plan.md"
RECIPE = "# param: site the site\nverify() { test -e on; }\napply() { touch on; }\nundo() { rm on; }\n"


def documented() -> str:
    """The sketch in the documentation."""
    match = re.search(r"```yaml\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert match is not None
    return match.group(1)


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    """The documented sketch as a file, with the recipes that it uses beside it."""
    (tmp_path / "recipes").mkdir()
    for name in ("my-maintenance", "my-release"):
        (tmp_path / "recipes" / f"{name}.sh").write_text(RECIPE)
    (tmp_path / "plan.yaml").write_text(documented())
    return tmp_path / "plan.yaml"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers()
    for module in (check, show, schema, init):
        module.add(sub)
    args = parser.parse_args(words)
    status: int = args.run(args)
    return status


def test_the_documented_sketch_loads_with_its_variables_filled(sketch: Path) -> None:
    plan = load_plan(sketch)
    osf = plan.service("osf")
    assert plan.hosts["old@osf"].ssh == "karl@xen-osf.example.org"
    assert plan.hosts["old@osf"].role == "old"
    assert plan.hosts["new"].role == "new"
    assert osf.logs[0].host == "old@osf"
    assert osf.health[0].id == "login"
    assert osf.downtime is not None
    assert osf.downtime.url == "https://osf.example.org/login"
    assert osf.downtime.expect.body == "KARL"
    assert plan.dns is not None
    assert plan.dns.tsig is not None
    assert plan.dns.tsig.file == str(sketch.parent / "cutover.key")
    step = plan.step("osf/maintenance-on")
    assert isinstance(step.action, Shell)
    assert step.action.recipe_text == RECIPE
    assert step.action.params == {"site": "osf"}
    assert step.released_by == "osf/maintenance-off"
    assert [need.step for need in step.needs] == ["osf/presync"]


def test_shell_text_is_never_templated_and_parameters_are(tmp_path: Path) -> None:
    text = steps(
        "- {id: a, phase: copy, on: new, with: {x: '{service}'}, run: {apply: 'echo {service} $x', verify: 'true'}}"
    )
    plan = loads(text.encode(), tmp_path / "p.yaml").plan
    assert plan is not None
    action = plan.step("osf/a").action
    assert isinstance(action, Shell)
    assert (action.apply, action.params) == ("echo {service} $x", {"x": "osf"})


SWITCH = """
- id: a
  phase: switch
  on: new
  use: release-switch
  with: {releases: "FOLDER/releases", tag: "1", restart: 'printf "%s" "$who" >FOLDER/told; echo ${who} {{none}} >/dev/null', who: "{who}"}
"""


def test_a_parameter_that_is_shell_text_is_never_templated_and_gets_values_as_variables(tmp_path: Path) -> None:
    """A value that would be a command is told as it is: the shell text that names it runs nothing of it."""
    hostile = f"x'\"; touch {tmp_path}/spoilt; $(touch {tmp_path}/spoilt) `touch {tmp_path}/spoilt`\n\\"
    lines = SWITCH.replace("FOLDER", str(tmp_path)).strip().splitlines()
    text = steps(*lines).replace("    steps:", f"    vars: {json.dumps({'who': hostile})}\n    steps:")
    loaded = loads(text.encode(), tmp_path / "p.yaml")
    assert loaded.plan is not None
    assert [finding.code for finding in loaded.findings] == []
    action = loaded.plan.step("osf/a").action
    assert isinstance(action, Shell)
    assert "echo ${who} {{none}}" in action.params["restart"]
    release = tmp_path / "releases" / "1"
    release.mkdir(parents=True)
    (release / ".built").write_text("tag 1\nbuild 0\n")
    script = script_for(action, "apply", {})
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "told").read_text() == hostile
    assert not (tmp_path / "spoilt").exists()


def test_a_value_in_a_pattern_matches_itself_and_braces_stay(tmp_path: Path) -> None:
    text = steps(
        "- {id: a, phase: copy, on: new, run: {apply: 'true'}, verify: {log: [{host: new, file: a, pattern: '{service}x{2,3}'}]}}"
    )
    plan = loads(text.replace("id: osf", "id: o.f").encode(), tmp_path / "p.yaml").plan
    assert plan is not None
    assert plan.step("o.f/a").verify_log[0].pattern == r"o\.fx{2,3}"


def test_one_meter_is_the_services_own_and_a_list_has_further_ones(tmp_path: Path) -> None:
    meters = "[{probe: web, budget: 30s}, {probe: web, kind: write, body: 'x={service}'}, {url: 'http://a/', family: 6, slow: 100ms}]"
    text = body(
        "health: [{http: 'http://x.test/', expect: {body: here}}]",
        f"downtime: {meters}",
        "writer: {write: touch x}",
        "traffic: [{host: old, unit: caddy, format: json, match: '^{service}', quiet: 1h}]",
    )
    plan = loads((text + "downtime: {budget: 10m}\n").encode(), tmp_path / "p.yaml").plan
    assert plan is not None
    assert plan.downtime == 600
    osf = plan.service("osf")
    assert osf.downtime == Downtime(url="http://x.test/", expect=Expect(body="here"), budget=30.0)
    writes, six = osf.meters
    assert (writes.id, writes.method, writes.body, writes.expect.body) == ("write", "POST", "x=osf", "here")
    assert (six.id, six.family, six.slow, six.budget) == ("read-ipv6", "6", 0.1, 60.0)
    assert osf.writer == Writer(write="touch x")
    assert osf.traffic == (Traffic(host="old", unit="caddy", format="json", match="^osf", quiet=3600.0),)
    alone = loads(body("downtime: {url: 'http://a/'}").encode(), tmp_path / "p.yaml").plan
    assert alone is not None
    assert alone.service("osf").downtime == Downtime(url="http://a/")
    assert alone.service("osf").meters == ()


def test_no_needs_written_means_none(tmp_path: Path) -> None:
    line = "- {{id: {}, phase: copy, {}sync: {{from: old, to: new, paths: [a]}}}}"
    plan = loads(
        steps(line.format("a", ""), line.format("b", ""), line.format("c", "needs: [], ")).encode(), tmp_path / "p"
    ).plan
    assert plan is not None
    assert [[need.step for need in step.needs] for step in plan.service("osf").steps] == [[], ["osf/a"], []]


def test_a_plan_survives_the_journal(sketch: Path) -> None:
    plan = load_plan(sketch)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def large_plan(services: int) -> str:
    """The first plan with a row for each of so many services."""
    rows = "".join(f"  - {{id: c{n}, wave: {n % 9 + 1}, vars: {{site: c{n}}}}}\n" for n in range(services))
    return STARTER.replace("  - {id: www, wave: 1, vars: {site: www}}", rows.rstrip())


def test_five_hundred_services_make_five_hundred_panels(tmp_path: Path) -> None:
    loaded = loads(large_plan(500).encode(), tmp_path / "p.yaml")
    assert loaded.findings == ()
    assert loaded.plan is not None
    assert len(loaded.plan.services) == 500
    assert {len(service.steps) for service in loaded.plan.services} == {4}


def test_every_key_is_documented_as_the_table_says() -> None:
    assert DOC.read_text().endswith(reference())
    for name, keys in OBJECTS.items():
        section = DOC.read_text().partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        for key in keys:
            assert f"| `{key.name}` |" in section, f"{name}.{key.name}"
            assert key.meaning
            assert key.example


def test_the_schema_knows_every_key_and_refers_to_nothing_missing() -> None:
    document = json_schema()
    assert {name: set(shape["properties"]) for name, shape in document["$defs"].items()} == {
        name: {key.name for key in keys} for name, keys in OBJECTS.items()
    }
    assert set(re.findall(r"#/\$defs/(\w+)", json.dumps(document))) <= set(document["$defs"])


def test_init_writes_a_plan_that_passes_check_and_overwrites_nothing(tmp_path: Path, capsys: Any) -> None:
    target = str(tmp_path / "plan.yaml")
    assert run("init", target) == 0
    assert run("check", target) == 0
    assert run("init", target) == 2
    assert "already there" in capsys.readouterr().err


def test_check_prints_places_and_its_exit_status_tells_how_bad(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(steps("- {id: a, phase: copy}"))
    assert run("check", str(path)) == 1
    assert capsys.readouterr().out.startswith(f"{path}:9:9: warning draft step a has nothing to run")
    assert run("check", "--json", str(path)) == 1
    assert json.loads(capsys.readouterr().out)[0]["line"] == 9
    path.write_text("[]")
    assert run("check", str(path)) == 2


def test_show_prints_the_exact_commands_of_each_step(sketch: Path, capsys: Any) -> None:
    assert run("show", str(sketch)) == 0
    out = capsys.readouterr().out
    for words in (
        "site=osf",
        "touch on",
        "### 1. presync · copy",
        "needs `osf/presync`",
        "osf.example.org A: 192.0.2.10 → 192.0.2.20",
    ):
        assert words in out


@pytest.mark.parametrize("name", sorted(examples()))
def test_each_example_has_no_error(name: str, tmp_path: Path) -> None:
    examples()[name].write(tmp_path / "plan.yaml")
    loaded = loads(examples()[name].text.encode(), tmp_path / "plan.yaml")
    assert [f for f in loaded.findings if f.severity == "error"] == []


GOOD = [STARTER, *(text.replace("§", "") for _, _, text in BROKEN)]
LOOSE = settings(max_examples=FUZZ, deadline=None, suppress_health_check=list(HealthCheck))


@LOOSE
@given(
    st.sampled_from(GOOD),
    st.integers(0, 10**6),
    st.integers(0, 40),
    st.text(max_size=8) | st.sampled_from("{}[]:&*!|>-#%\t\"'"),
)
def test_no_edit_of_a_plan_ends_in_a_traceback(text: str, at: int, cut: int, put: str) -> None:
    at %= len(text) + 1
    raw = (text[:at] + put + text[at + cut :]).encode("utf-8", "surrogatepass")
    loaded = loads(raw, Path("/nowhere/plan.yaml"))
    assert (loaded.plan is None) == any(f.severity == "error" for f in loaded.findings)
    assert all(f.line >= 1 and f.column >= 1 for f in loaded.findings)


@LOOSE
@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(raw: bytes) -> None:
    assert loads(raw, Path("/nowhere/plan.yaml")).plan is None


WORDS = st.sampled_from([key.name for keys in OBJECTS.values() for key in keys])
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(
    ["old", "new", "copy", "osf", "osf/ok", "5s", "{x}", "{service}", "A", "x.test", "none", "http://a/"]
)  # fmt: skip
TREES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=12
)


@LOOSE
@given(st.data())
def test_no_plan_data_ends_in_a_traceback(data: st.DataObject) -> None:
    plan: Any = YAML(typ="safe", pure=True).load(STARTER)
    nodes: list[Any] = [plan]
    for node in nodes:
        nodes += [
            child
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list) and child
        ]
    for _ in range(data.draw(st.integers(1, 4))):
        node = data.draw(st.sampled_from(nodes))
        key = data.draw(st.sampled_from(sorted(node, key=str) if isinstance(node, dict) else range(len(node))))
        node[key] = data.draw(TREES)
    with contextlib.suppress(UnicodeEncodeError):
        raw = json.dumps(plan, default=str).encode()
        loaded = loads(raw, Path("/nowhere/plan.yaml"))
        assert (loaded.plan is None) == any(f.severity == "error" for f in loaded.findings)
        if loaded.plan is not None:
            assert markdown(loaded.plan).startswith("# ")
