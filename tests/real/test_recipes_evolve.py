"""Copy, evolve, switch: data that changes its form under a link, and comes back."""

from __future__ import annotations

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world

pytestmark = needs_world

NAME = EVIL.replace("/", ":")
STATE = "cd /srv; find . | LC_ALL=C sort | xargs -d '\\n' stat -c '%A %U %N'; cat */file"


@pytest.fixture
def host(rig: Rig) -> RealHost:
    made = rig.hosts.get("new") or rig.host("new")
    made.run(
        "rm -rf /srv/* /tmp/owned; mkdir -p /srv/data-1/sub; cd /srv; echo one >data-1/file; ln -s file data-1/link; echo x >data-1/sub/'a b';"
        "chmod 600 data-1/file; chown -R mover data-1; ln -s data-1 current"
    )
    return made


def test_data_evolves_on_a_copy_and_comes_back(host: RealHost) -> None:
    """S20: make a copy of the data; if the evolve is successful, update the data's current link."""
    evolve = 'echo two > file && [ "$PWD" = "$data" ] && [ "$(cat /srv/current/file)" = one ]'
    plain = {"current": "/srv/current", "to": "/srv/data-2", "evolve": evolve}
    good = Trial(host, "data-evolve", plain, STATE)
    good.cut_anywhere()
    good.there()
    assert host.run("readlink /srv/current; cat /srv/current/file /srv/data-1/file") == "/srv/data-2\ntwo\none\n"
    assert host.run("stat -c '%U %a' /srv/current/file") == "mover 600\n"
    good.back()
    checked = Trial(host, "data-evolve", {**plain, "check": "grep -qx two file"}, STATE)
    checked.there()
    host.run("echo three >/srv/data-2/file")
    assert "does not hold" in checked.must("verify", 1)
    assert "kept in /srv/data-2.undone-" in checked.must("undo")
    checked.must("verify_undo")
    assert host.run("cat /srv/data-2.undone-*/file") == "three\n"


def test_an_evolve_that_fails_is_noticed_by_no_user(host: RealHost) -> None:
    """S16: the site is not offline and there is no fire."""
    bad = {"current": "/srv/current", "to": "/srv/data-2", "evolve": "echo half > file; rm -rf sub; exit 7"}
    trial = Trial(host, "data-evolve", bad, STATE)
    before = trial.seen()
    trial.capture()
    assert "ended with 7 on the copy: no user impact" in trial.must("apply", 1)
    assert trial.seen() == before
    assert not trial.recognised()
    assert "does not lead to" in trial.must("verify", 1)
    trial.must("undo")
    trial.must("verify_undo")
    assert trial.seen() == before


def test_paths_may_hold_anything_and_what_does_not_fit_is_refused(host: RealHost) -> None:
    host.run(f"cat >/tmp/make <<'END'\nmkdir '/srv/{NAME.replace(chr(39), '')}'\nEND\nsh /tmp/make; rm /tmp/make")
    name = NAME.replace("'", "")
    host.run(
        f"mv /srv/data-1/* '/srv/{name}/'; rmdir /srv/data-1; ln -sfn '{name}' '/srv/current {name}'; rm /srv/current"
    )
    odd = {"current": f"/srv/current {name}", "to": f"/srv/{name} 2", "evolve": 'echo "$0 two" > file'}
    whole = Trial(host, "data-evolve", odd, STATE)
    whole.there_and_back()
    whole.captured = {}
    whole.capture()
    whole.refuses()
    for wrong, why in (
        ({"current": f"/srv/{name}"}, "no link"),
        ({"to": "-relative"}, "no absolute path"),
        ({"to": "/srv/a\nb"}, "one line"),
        ({"to": f"/srv/{name}"}, "there already"),
    ):
        said = Trial(host, "data-evolve", {**odd, **wrong}).ask("capture")
        assert said.status == 1
        assert why in said.said
    assert not evil_left(host)
