"""Recipes that need no daemon, in a folder of their own: what the library's shell text does where something is odd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cockpit.plan.model import Op, Shell
from cockpit.plan.script import script_for

# A release that a process names is kept, and one test must not see the programs of another.
pytestmark = pytest.mark.xdist_group("scratch")

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
    assert (tmp_path / "current").readlink() == tmp_path / "one"
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
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=www.example.org", "-addext", "subjectAltName=DNS:www.example.org", "-keyout", key, "-out", pem],
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


def test_hard_links_are_files_of_a_backup(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("one")
    (source / "b").hardlink_to(source / "a")
    trial = Scratch("backup-take", source=source, archive=tmp_path / "backup.tar")
    trial.must("capture")
    trial.must("apply")
    assert "the 2 files" in trial.must("verify")


def test_a_file_that_goes_while_it_is_added_to_a_backup_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live database writes a journal beside itself, and takes it away: between the look and the archive, too."""
    source, first = tmp_path / "source", tmp_path / "first"
    source.mkdir()
    (source / "db").write_text("1")
    tar = tmp_path / "bin" / "tar"
    tar.parent.mkdir()
    tar.write_text(
        "#!/bin/sh\n"
        f"if [ ! -e '{first}' ]; then {shutil.which('tar')} \"$@\"; status=$?; : >'{first}'; echo 2 >'{source}/db-journal'; exit $status; fi\n"
        f"rm -f '{source}/db-journal'; exec {shutil.which('tar')} \"$@\"\n"
    )
    tar.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tar.parent}:{os.environ['PATH']}")
    trial = Scratch("backup-take", source=source, archive=tmp_path / "backup.tar")
    trial.must("capture")
    assert "1 files" in trial.must("apply")
    assert "the 1 files" in trial.must("verify")


def released(place: Path, *tags: str) -> Path:
    """A folder of built releases, the first of them in use."""
    for at, tag in enumerate(tags):
        folder = place / "releases" / tag
        folder.mkdir(parents=True)
        (folder / ".built").write_text(f"build x\ntag {tag}\nat {1000 - at}\n")
        (folder / "app.py").write_text("import os, sys; os.chdir('/'); print('runs', flush=True); sys.stdin.read()\n")
    (place / "current").symlink_to(place / "releases" / tags[0])
    return place / "releases"


@contextmanager
def program(words: list[str], folder: Path, **more: object) -> Iterator[None]:
    """Something that runs meanwhile, which says so as it begins."""
    process = subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)  # type: ignore[call-overload]
    try:
        assert process.stdout.readline() == b"runs\n"
        yield
    finally:
        process.communicate()


LOOKS = {
    "by its name": "{new}",
    "by its relative name": "releases/old/app.py",
    "by an open file": "import os, sys; log = open('releases/old/log', 'w'); {rest}",
    "by a mapped file": "import mmap, os, sys; f = open('releases/old/app.py', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=1); f.close(); {rest}",
}


@pytest.mark.parametrize("how", LOOKS)
def test_a_release_that_something_runs_out_of_is_seen(tmp_path: Path, how: str) -> None:
    releases = released(tmp_path, "new", "older", "old")
    text = LOOKS[how].format(new=releases / "old" / "app.py", rest=(releases / "old" / "app.py").read_text()[15:])
    words = [text] if text.endswith(".py") else ["-c", text.replace("releases/old", str(releases / "old"))]
    (tmp_path / "conf").write_text(f"{tmp_path}/current")
    keep = Scratch("release-keep", releases=releases, keep=1, others="ignore")
    consumers = Scratch(
        "release-consumers",
        releases=releases,
        config=tmp_path / "conf",
        restart="true",
        processes=0,
        within=0,
        others="ignore",
    )
    with program([sys.executable, *words], tmp_path):
        keep.must("capture")
        keep.must("apply")
        assert (releases / "old").is_dir()
        assert not (releases / "older").exists()
        if "relative" not in how:
            assert "1 still run out of another release" in consumers.must("verify", 1)
    consumers.must("verify")
    keep.must("apply")
    assert not (releases / "old").exists()


def test_a_switch_whose_restart_failed_is_not_already_so(tmp_path: Path) -> None:
    releases = released(tmp_path, "1.0", "1.1")
    given = {"releases": releases, "tag": "1.1"}
    failing = Scratch("release-switch", **given, restart=f"echo again >> {tmp_path}/tries; false")
    failing.must("probe", 1)
    failing.must("capture")
    failing.must("apply", 1)
    failing.must("probe", 1)
    failing.must("apply", 1)
    assert (tmp_path / "tries").read_text() == "again\n" * 2
    good = Scratch("release-switch", **given, restart="true")
    good.captured = failing.captured
    good.must("apply")
    good.must("probe")
    # What another switch has done meanwhile without a restart is no restart.
    Scratch("release-switch", releases=releases, tag="1.0").must("apply")
    Scratch("release-switch", **given).must("apply")
    good.must("probe", 1)
    good.must("undo")
    assert (tmp_path / "current").readlink() == releases / "1.0"
    assert not (releases / ".restarted").exists()


def test_a_link_of_the_release_is_shared_by_what_it_leads_to(tmp_path: Path) -> None:
    release, shared, old = tmp_path / "releases" / "1", tmp_path / "elsewhere" / "shared", tmp_path / "oldlog"
    release.mkdir(parents=True)
    old.mkdir()
    (old / "a.log").write_text("a line\n")
    (tmp_path / "file").write_text("text\n")
    (release / "log").symlink_to("../../oldlog")
    (release / "conf").symlink_to("../../file")
    trial = Scratch("release-shared", release=release, shared=shared, paths="log\nconf")
    trial.must("capture")
    trial.must("apply")
    trial.must("verify")
    assert (shared / "log" / "a.log").read_text() == "a line\n"
    assert (shared / "conf").read_text() == "text\n"
    trial.must("undo")
    trial.must("verify_undo")
    assert (release / "log").readlink() == Path("../../oldlog")
    assert not shared.exists()
    shared.mkdir(parents=True)
    (shared / "log").symlink_to("nowhere")
    trial.must("capture")
    assert "leads nowhere" in trial.must("apply", 1)
    (release / "conf").unlink()
    (release / "conf").symlink_to(shared / "conf")
    Scratch("release-shared", release=release, shared=shared, paths="conf").must("verify", 1)
