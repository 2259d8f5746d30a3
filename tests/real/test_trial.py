"""The trial of recipes itself: a good one passes, and each fault that it is there for is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.rig import RealHost, Rig, needs_rig
from tests.real.trial import EVIL, Trial

pytestmark = needs_rig

GOOD = """\
probe() { [ "$(cat /srv/flag 2> /dev/null)" = "$text" ]; }
capture() { if [ -e /srv/flag ]; then printf 'was=%s\\n' "$(cat /srv/flag)"; fi; }
apply() { printf '%s\\n' "$text" > /srv/flag.new && mv /srv/flag.new /srv/flag && echo set; }
verify() { grep -qxF -e "$text" /srv/flag && echo "it is there"; }
undo() { rm -f /srv/flag.new; if [ -n "${captured_was-}" ]; then printf '%s\\n' "$captured_was" > /srv/flag; else rm -f /srv/flag; fi; }
"""
FAULTS = {
    "does not restore": ("else rm -f /srv/flag; fi", "else :; fi"),
    "does not know what it did": ('[ "$(cat /srv/flag 2> /dev/null)" = "$text" ]', "false"),
    "says nothing": ("&& echo set", ""),
    "runs its parameter": ("&& echo set", '&& eval "echo $text" > /dev/null 2>&1; echo set'),
}


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    return rig.host("old")


def trial(old: RealHost, folder: Path, text: str) -> Trial:
    (folder / "flag.sh").write_text(text)
    return Trial(old, "flag", {"text": EVIL}, state="ls /srv; cat /srv/flag", folder=folder)


def test_a_good_recipe_passes(old: RealHost, tmp_path: Path) -> None:
    good = trial(old, tmp_path, GOOD)
    good.there_and_back()
    good.cut_anywhere()
    old.run("echo before >/srv/flag")
    good.there_and_back()
    old.run("rm /srv/flag")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(old: RealHost, tmp_path: Path, fault: str) -> None:
    bad = GOOD.replace(*FAULTS[fault])
    assert bad != GOOD
    with pytest.raises(AssertionError):
        trial(old, tmp_path, bad).there_and_back()
    old.run("rm -rf /srv/* /tmp/owned")


def test_what_a_cut_leaves_behind_is_found(old: RealHost, tmp_path: Path) -> None:
    leaves = GOOD.replace("undo() { rm -f /srv/flag.new; ", "undo() { ")
    assert leaves != GOOD
    with pytest.raises(AssertionError, match="cut after"):
        trial(old, tmp_path, leaves).cut_anywhere()
    old.run("rm -rf /srv/*")


def test_a_probe_that_says_yes_too_early_is_found(
    old: RealHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = GOOD
    for was, now in (
        ("&& echo set", "&& touch /srv/second && echo set"),
        ('&& echo "it', '&& [ -e /srv/second ] && echo "it'),
        ("rm -f /srv/flag.new", "rm -f /srv/flag.new /srv/second"),
    ):
        assert was in early
        early = early.replace(was, now)
    one = trial(old, tmp_path, early)
    one.there_and_back()
    monkeypatch.setenv("COCKPIT_CUTS", "all")
    with pytest.raises(AssertionError, match="probe says yes"):
        one.cut_anywhere()
    old.run("rm -rf /srv/*")


def test_a_cut_kills_at_the_command_that_is_named(old: RealHost, tmp_path: Path) -> None:
    lines = "".join(f"    echo {number} >> /srv/flag\n" for number in range(9))
    one = trial(old, tmp_path, f"apply() {{\n{lines}}}\nundo() {{\n    rm -f /srv/flag\n}}\n")
    length = one.traced("apply")
    for point in range(length - 9, length):
        one.must("undo")
        one.cut("apply", point)
        assert old.run("cat /srv/flag 2>/dev/null || :").count("\n") == point - (length - 9)
    with pytest.raises(AssertionError, match="not cut"):
        one.cut("apply", length + 1)
    slow = trial(old, tmp_path, "apply() { sleep 1000; }\nundo() { :; }\n")
    slow.cut("apply", length - 8)
    assert "sleep" not in old.run("ps -eo args")
    old.run("rm -rf /srv/*")
