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
