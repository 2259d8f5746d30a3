"""Preflight on real hosts: what is not there is found before the night, with a mend."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.clock import SystemClock
from cockpit.plan.load import load_plan
from cockpit.preflight.judge import Row
from cockpit.preflight.trial import preflight
from tests.real.rig import RealHost, Rig, needs_rig, sh

pytestmark = needs_rig


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    host = rig.host("old")
    host.run(
        "mkdir -p /srv/site; head -c 30000000 /dev/zero >/srv/site/big; useradd -u 1500 alice; useradd -u 1600 carol"
    )
    return host


@pytest.fixture(scope="module")
def new(rig: Rig) -> RealHost:
    host = rig.host("new", disk="24m", without=("rsync",))
    host.run("useradd -u 1500 bob; useradd -u 1700 carol")
    (host.root / "etc/sudoers.d/mover").write_text("mover ALL=(root) NOPASSWD: /usr/bin/id\n")
    sh(f"chmod 440 {host.root}/etc/sudoers.d/mover")
    return host


def written(folder: Path, old: RealHost, new: RealHost, at_new: str = "") -> Path:
    key = old.rig.key
    hosts = {
        "old": f"ssh: root@{old.address}, host_key: {old.host_key}, machine_id: {old.machine_id}",
        "new": at_new or f"ssh: mover@{new.address}, host_key: {new.host_key}",
    }
    file = folder / "plan.yaml"
    file.write_text(
        "cutover: 1\nname: tried\nhosts:\n"
        + "".join(f"  {name}: {{{text}, identity_file: {key}}}\n" for name, text in hosts.items())
        + """services:
  - id: site
    steps:
      - {id: copy, phase: copy, sync: {from: old, to: new, paths: [/srv/site/]}}
      - id: look
        phase: prepare
        on: new
        undo: none
        undo_reason: it only looks
        run:
          apply: |
            # needs: no-such-tool id no-such-other|id neither|nor
            sudo id && sudo -n systemctl restart nginx
          verify: "true"
"""
    )
    return file


def rows_of(file: Path) -> list[Row]:
    return asyncio.run(preflight(load_plan(file), SystemClock()))


def found(rows: list[Row], where: str, what: str) -> Row:
    return next(row for row in rows if (row.where, row.what) == (where, what))


def test_each_thing_is_tried_and_what_is_missing_has_a_mend(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    rows = rows_of(written(tmp_path, old, new))
    assert found(rows, "old", "host key").grade == "ok"
    assert found(rows, "old", "machine-id").grade == "ok"
    assert found(rows, "new", "machine-id").mend == f"write it into the plan: machine_id: {new.machine_id}"
    assert found(rows, "old", "rsync").found.startswith("rsync  version 3.")
    assert found(rows, "new", "rsync").mend == "install it on new: apt-get install rsync"
    assert found(rows, "new", "no-such-tool").grade == "fail"
    assert found(rows, "new", "id").grade == "ok"
    assert found(rows, "new", "neither|nor").mend == "install neither or nor on new"
    assert not [row for row in rows if "no-such-other" in row.what]
    rights = {row.found: row.grade for row in rows if row.what == "rights"}
    assert rights == {
        "may run id without a password": "ok",
        "mover may not run systemctl without a password": "fail",
    }
    assert found(rows, "new", "a job").grade == "ok"
    assert found(rows, "old", "clock").grade == "ok"
    ids = found(rows, "old → new", "account ids").found
    assert "1500 is alice on old, bob on new" in ids
    assert "carol is 1600 on old, 1700 on new" in ids
    assert found(rows, "old → new", "path").found == f"new reaches {old.address} port 22: copies go straight"
    room = found(rows, "new", "room for /srv/site/")
    assert room.grade == "fail"
    assert "30." in room.found or "cannot be written by mover" in room.found
    assert all(row.mend for row in rows if row.grade == "fail")
    assert not new.run("ls /home/mover/.cockpit/jobs 2>/dev/null", check=False)


def test_room_is_compared_with_what_is_to_come(desk: Rig, old: RealHost, new: RealHost, tmp_path: Path) -> None:
    file = written(tmp_path, old, new, at_new=f"ssh: root@{new.address}, host_key: {new.host_key}")
    room = found(rows_of(file), "new", "room for /srv/site/")
    assert room.grade == "fail"
    assert "30.0 MB to come" in room.found


def test_a_host_that_is_another_or_away_or_held_is_told(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    swapped = written(tmp_path, old, new, at_new=f"ssh: root@{old.address}, host_key: {new.host_key}")
    said = found(rows_of(swapped), "new", "reached")
    assert said.grade == "fail"
    assert "that is the key of old; are the two swapped?" in said.found
    new.run("rm -f /var/tmp/cockpit.lock; ln -s 'token ann@desk runs a plan' /var/tmp/cockpit.lock")
    try:
        rows = rows_of(written(tmp_path, old, new))
        assert found(rows, "new", "lock").found == "held: ann@desk runs a plan"
    finally:
        new.run("rm -f /var/tmp/cockpit.lock")


def test_a_clock_that_is_off_is_found_and_by_how_much(desk: Rig, old: RealHost, new: RealHost, tmp_path: Path) -> None:
    # Only its date is another one: the clock of this machine is not touched.
    new.run(
        'mv /usr/bin/date /usr/bin/date.real; printf \'#!/bin/sh\\nexec date.real -d "-400 seconds" "$@"\\n\' >/usr/bin/date; chmod 755 /usr/bin/date'
    )
    try:
        clock = found(rows_of(written(tmp_path, old, new)), "new", "clock")
    finally:
        new.run("mv /usr/bin/date.real /usr/bin/date")
    assert clock.grade == "fail"
    assert clock.found.startswith(("-400", "-399"))


def test_the_command_prints_the_table_and_ends_with_what_it_found(
    desk: Rig, old: RealHost, new: RealHost, tmp_path: Path
) -> None:
    file = written(tmp_path, old, new)
    words = [sys.executable, "-m", "cockpit", "preflight", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "✗ fail  new" in done.stdout
    assert "→ install no-such-tool on new" in done.stdout
    assert "in the way" in done.stderr
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert {row["grade"] for row in json.loads(done.stdout)} == {"ok", "warn", "fail"}
