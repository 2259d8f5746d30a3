"""Copies between hosts: the same tree by rsync and by tar, exact about what is left out, and gone again after an undo."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cockpit.hosts.pool import HostPool
from cockpit.hosts.sync import SyncHands, guard
from cockpit.hosts.sync.facts import facts
from cockpit.hosts.sync.manifest import _SCRIPT, Manifest, _left_out, manifest
from cockpit.hosts.sync.rsync import SENTINEL
from cockpit.lab import Lab
from cockpit.plan.model import Op, Step, Sync
from tests.hosts.told import Told, call_of

TOOLS = [
    "tar",
    pytest.param("rsync", marks=pytest.mark.skipif(not shutil.which("rsync"), reason="needs apt-get install -y rsync")),
]


@pytest.fixture(params=TOOLS)
def tool(request: pytest.FixtureRequest, lab: Lab) -> str:
    """Both hosts have rsync, or the new one has none: there its name is a command that is not found."""
    if request.param == "tar":
        for host in (lab.old, lab.new):
            hidden = host.home / "bin"
            hidden.mkdir(exist_ok=True)
    return str(request.param)


@pytest.fixture
def hands(pool: HostPool, told: Told, tool: str, monkeypatch: pytest.MonkeyPatch) -> SyncHands:
    if tool == "tar":
        real = HostPool.__getitem__

        def without_rsync(self: HostPool, id: str) -> object:
            link = real(self, id)
            run = link.run

            async def asked(command: str, *rest: object) -> object:
                return await run(command.replace("command -v rsync", "command -v no-rsync-here"), *rest)  # type: ignore[arg-type]

            made = {"run": staticmethod(asked), "process": staticmethod(link.process), "host": link.host}
            return type("Link", (), made)()

        monkeypatch.setattr(HostPool, "__getitem__", without_rsync)
    return SyncHands(pool, told.raw)


def step(**changes: object) -> Step:
    action = Sync(**{"source": "old", "target": "new", "paths": ("tree/",), **changes})  # type: ignore[arg-type]
    return Step(ref="osf/copy", id="copy", service="osf", phase="copy", action=action, kind="sync")


async def act(
    hands: SyncHands, told: Told, planned: Step, op: Op, captured: dict[str, str] | None = None
) -> tuple[str, str, dict[str, str]]:
    outcome = await hands.act(call_of(planned, op, captured), told)
    return outcome.verdict, outcome.detail, outcome.captured


async def copied(hands: SyncHands, told: Told, planned: Step) -> dict[str, str]:
    """Probe, capture, apply and verify as the engine does; returns what was captured."""
    assert (await act(hands, told, planned, "probe"))[0] == "no"
    verdict, detail, captured = await act(hands, told, planned, "capture")
    assert verdict == "ok", detail
    for op in ("apply", "verify"):
        verdict, detail, _ = await act(hands, told, planned, op, captured)  # type: ignore[arg-type]
        assert verdict == "ok", (op, detail)
    return captured


async def permit(pool: HostPool, lab: Lab) -> None:
    """The sentinel that a first copy without deletion would have left."""
    known = await facts(pool, Sync(source="old", target="new", paths=("tree",)))
    line = guard.sentinel((known.source.mark, "tree"), (known.target.mark, "tree"))
    (lab.old.home / "tree").mkdir(exist_ok=True)
    (lab.old.home / "tree" / SENTINEL).write_text(line + "\n")


def plant(folder: Path) -> None:
    (folder / "deep/er").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "plain").write_text("plain\n")
    (folder / "deep/er/blob").write_bytes(os.urandom(700_000))
    (folder / "a name with spaces & 'quotes' $HOME").write_text("x")
    (folder / "a\nnewline").write_text("two lines in a name")
    os.fsencode(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/latin-\xe9")).write_text("not UTF-8")
    (folder / "link").symlink_to("plain")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    (folder / "script").write_text("#!/bin/sh\n")
    (folder / "script").chmod(0o750)


def look(folder: Path) -> dict[str, tuple[str, int, str | bytes]]:
    """Name → what it is, read by Python alone."""
    found: dict[str, tuple[str, int, str | bytes]] = {}
    for path in [folder, *folder.rglob("*")]:
        name = os.fsencode(path.relative_to(folder)).decode("latin-1")
        mode = path.lstat().st_mode & 0o7777
        if path.is_symlink():
            found[name] = ("link", 0, str(path.readlink()))
        elif path.is_dir():
            found[name] = ("folder", mode, "")
        else:
            found[name] = ("file", mode, path.read_bytes())
    return found


async def test_a_copy_brings_every_kind_of_name_and_undo_takes_all_of_it_away(
    hands: SyncHands, told: Told, lab: Lab, tool: str
) -> None:
    plant(lab.old.home / "tree")
    captured = await copied(hands, told, step())
    assert look(lab.new.home / "tree") == look(lab.old.home / "tree")
    assert (await act(hands, told, step(), "probe"))[0] == "ok"
    said = [line for event in told.events for line in getattr(event, "lines", ())]
    assert any(f" s by {tool}" in line for line in said), said
    assert (await act(hands, told, step(), "undo", captured))[0] == "ok"
    assert (await act(hands, told, step(), "verify_undo", captured))[0] == "ok"
    assert not (lab.new.home / "tree").exists()


async def test_what_is_overwritten_or_deleted_comes_back_with_the_undo(
    hands: SyncHands, told: Told, lab: Lab, pool: HostPool
) -> None:
    plant(lab.old.home / "tree")
    target = lab.new.home / "tree"
    target.mkdir()
    for number in range(20):
        (target / f"same-{number}").write_text("same")
        (lab.old.home / "tree" / f"same-{number}").write_text("same")
    (target / "plain").write_text("what new had")
    (target / "only on new").write_text("kept aside")
    (target / "only\non new").write_text("kept aside, too")
    before = look(target)
    await permit(pool, lab)
    captured = await copied(hands, told, step(delete=True))
    was = look(lab.old.home / "tree")
    del was[SENTINEL]
    assert look(target) == was
    assert (await act(hands, told, step(), "undo", captured))[0] == "ok"
    after = look(target)
    assert {name: what for name, what in after.items() if name != "."} == {
        name: what for name, what in before.items() if name != "."
    }


async def test_without_delete_what_only_new_has_stays(hands: SyncHands, told: Told, lab: Lab) -> None:
    plant(lab.old.home / "tree")
    (lab.new.home / "tree").mkdir()
    (lab.new.home / "tree/mine").write_text("mine")
    await copied(hands, told, step())
    assert (lab.new.home / "tree/mine").read_text() == "mine"


async def test_what_is_excluded_is_neither_copied_nor_deleted_nor_compared(
    hands: SyncHands, told: Told, lab: Lab, pool: HostPool
) -> None:
    for host in (lab.old, lab.new):
        (host.home / "tree/cache").mkdir(parents=True)
        (host.home / "tree/deep/cache").mkdir(parents=True)
        (host.home / "tree/cache/of").write_text(str(host.home))
        (host.home / "tree/deep/cache/of").write_text(str(host.home))
        (host.home / "tree/maintenance.flag").write_text(str(host.home))
        (host.home / "tree/deep/some.log").write_text(str(host.home))
    (lab.old.home / "tree/a\nname").write_text("that once took all with it")
    await permit(pool, lab)
    await copied(hands, told, step(exclude=("cache/", "/maintenance.flag", "*.log"), delete=True))
    for name in ("cache/of", "deep/cache/of", "maintenance.flag", "deep/some.log"):
        assert (lab.new.home / "tree" / name).read_text() == str(lab.new.home), name
    assert (lab.new.home / "tree/a\nname").exists()


async def test_a_copy_that_would_delete_too_much_of_new_does_not_begin(
    hands: SyncHands, told: Told, lab: Lab, pool: HostPool
) -> None:
    (lab.old.home / "tree").mkdir()
    (lab.old.home / "tree/one").write_text("1")
    target = lab.new.home / "tree"
    target.mkdir()
    for number in range(10):
        (target / f"precious-{number}").write_text("p")

    async def refused(**changes: object) -> str:
        for op, captured in (("capture", {}), ("apply", {"aside": ".cockpit/aside/x"})):
            verdict, detail, _ = await act(hands, told, step(delete=True, **changes), op, captured)  # type: ignore[arg-type]
            assert verdict == "failed", op
        assert len(list(target.iterdir())) == 10
        return detail

    assert "there is no sentinel" in await refused()
    await permit(pool, lab)
    assert "would delete 10 of 11 entries on new; the limit is 10% (2)" in await refused()
    assert "the limit is 9 (9)" in await refused(limit="9")
    (lab.old.home / "tree" / "one").unlink()
    assert "is empty: deleting on new would take everything" in await refused(limit="100%")
    (lab.old.home / "tree" / "one").write_text("1")
    line = (lab.old.home / "tree" / SENTINEL).read_text()
    (lab.old.home / "tree" / SENTINEL).write_text(line.replace("tree", "other"))
    assert "names another direction" in await refused(limit="100%")
    first, second = line.split()[3:5], line.split()[6:8]
    (lab.old.home / "tree" / SENTINEL).write_text(line)
    (target / SENTINEL).write_text(" ".join([*line.split()[:3], *second, "to", *first]) + "\n")
    verdict, detail, _ = await act(hands, told, step(delete=True, limit="100%"), "capture")
    assert (verdict, "from and to look swapped" in detail) == ("failed", True)


async def test_a_verified_copy_marks_its_source_for_the_pass_that_deletes_and_undo_takes_the_mark_away(
    hands: SyncHands, told: Told, lab: Lab
) -> None:
    plant(lab.old.home / "tree")
    mark = lab.old.home / "tree" / SENTINEL
    before = look(lab.old.home / "tree")
    captured = await copied(hands, told, step(marks=True))
    line = mark.read_text()
    assert line.startswith("cockpit-sync 1 from ")
    assert (await act(hands, told, step(marks=True), "undo", captured))[0] == "ok"
    assert (await act(hands, told, step(marks=True), "verify_undo", captured))[0] == "ok"
    assert look(lab.old.home / "tree") == before
    # One that is left is found, and one of an earlier run is not ours to take away.
    mark.write_text(line)
    verdict, detail, _ = await act(hands, told, step(marks=True), "verify_undo", captured)
    assert (verdict, detail) == ("no", f"{SENTINEL} is still in tree on old")
    captured = (await act(hands, told, step(marks=True), "capture"))[2]
    assert not any(line.strip() == value for value in captured.values())


async def test_a_pass_before_the_freeze_forgives_what_changed_meanwhile_and_the_final_one_does_not(
    hands: SyncHands, told: Told, lab: Lab
) -> None:
    plant(lab.old.home / "tree")
    captured = (await act(hands, told, step(), "capture"))[2]
    assert (await act(hands, told, step(), "apply", captured))[0] == "ok"
    (lab.old.home / "tree/plain").write_text("written after the copy\n")
    verdict, detail, _ = await act(hands, told, step(), "verify", captured)
    assert verdict == "ok"
    assert "1 changed on old since" in detail
    verdict, detail, _ = await act(hands, told, step(final=True), "verify", captured)
    assert verdict == "no"
    assert "1 entries of tree differ, the first: " in detail
    assert detail.endswith("./plain")


async def test_damage_on_new_is_seen_though_size_and_time_are_the_same(hands: SyncHands, told: Told, lab: Lab) -> None:
    plant(lab.old.home / "tree")
    captured = await copied(hands, told, step())
    blob = lab.new.home / "tree/deep/er/blob"
    was = blob.stat()
    data = bytearray(blob.read_bytes())
    data[300_000] ^= 1
    blob.write_bytes(data)
    os.utime(blob, ns=(was.st_atime_ns, was.st_mtime_ns))
    verdict, detail, _ = await act(hands, told, step(), "verify", captured)
    assert (verdict, "./deep/er/blob" in detail) == ("no", True)


async def test_what_does_not_exist_on_old_is_no_copy_to_make(hands: SyncHands, told: Told) -> None:
    assert await act(hands, told, step(paths=("missing",)), "probe") == ("failed", "missing does not exist on old", {})


async def test_a_link_lost_in_the_middle_is_unknown_and_the_next_try_completes_it(
    hands: SyncHands, told: Told, lab: Lab
) -> None:
    plant(lab.old.home / "tree")
    (lab.old.home / "tree/large").write_bytes(os.urandom(30_000_000))
    captured = (await act(hands, told, step(), "capture"))[2]
    cut = False

    def cutting(event: object) -> None:
        nonlocal cut
        if not cut and getattr(event, "fraction", -1) > 0:
            cut = True
            lab.ssh["new"].drop()

    outcome = await hands.act(call_of(step(), "apply", captured), cutting)
    if cut:
        assert outcome.verdict != "ok"
    verdict, detail, _ = await act(hands, told, step(), "apply", captured)
    assert verdict == "ok", detail
    assert look(lab.new.home / "tree") == look(lab.old.home / "tree")


async def test_a_manifest_reads_every_name_as_it_is(pool: HostPool, lab: Lab) -> None:
    plant(lab.old.home / "tree")
    read = await manifest(pool, "old", "tree")
    names = {os.fsencode(name.removeprefix("./")).decode("latin-1") for name in read.entries}
    assert names == set(look(lab.old.home / "tree"))
    assert await manifest(pool, "old", "missing") == Manifest(absent=True)


NAMES = st.sampled_from(["a", "b", "cache", "a.log", "x-1", "log"])
PATTERN = st.lists(
    st.sampled_from(["a", "b", "cache", "*", "?", "*.log", "x-[0-9]", "[!a]", "**", "l*g"]), min_size=1, max_size=3
).flatmap(
    lambda parts: st.tuples(st.sampled_from(["", "/"]), st.just("/".join(parts)), st.sampled_from(["", "/"])).map(
        "".join
    )
)


@pytest.mark.skipif(not shutil.which("rsync"), reason="needs apt-get install -y rsync")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    trees=st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=8),
    patterns=st.lists(PATTERN, min_size=1, max_size=3),
)
def test_exclude_means_what_it_means_to_rsync(
    tmp_path_factory: pytest.TempPathFactory, trees: list[list[str]], patterns: list[str]
) -> None:
    base = tmp_path_factory.mktemp("rsync")
    for parts in trees:
        path = base / "from" / Path(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except (NotADirectoryError, FileExistsError):
            continue
    entries = {
        f"./{path.relative_to(base / 'from')}": "directory 755" if path.is_dir() else "file"
        for path in (base / "from").rglob("*")
    }
    subprocess.run(
        ["rsync", "-a", *(f"--exclude={pattern}" for pattern in patterns), f"{base}/from/", f"{base}/to/"], check=True
    )
    brought = {f"./{path.relative_to(base / 'to')}" for path in (base / "to").rglob("*")}
    assert set(entries) - _left_out(entries, tuple(patterns)) == brought
    shutil.rmtree(base)


async def test_an_undo_takes_back_all_that_several_attempts_did(hands: SyncHands, told: Told, lab: Lab) -> None:
    plant(lab.old.home / "tree")
    target = lab.new.home / "tree"
    target.mkdir()
    (target / "plain").write_text("what new had")
    (target / "script").write_text("what new had")
    before = look(target)
    first = (await act(hands, told, step(), "capture"))[2]
    (lab.old.home / "tree/plain").write_text("what the first attempt brought")
    assert (await act(hands, told, step(), "apply", first))[0] == "ok"
    (lab.old.home / "tree/plain").write_text("what the second one brought")
    (lab.old.home / "tree/deep/er/blob").write_text("changed")
    (lab.old.home / "tree/late").write_text("made on old after the first attempt")
    captured = (await act(hands, told, step(), "capture", first))[2]
    assert captured == first
    for op in ("apply", "verify", "undo", "verify_undo"):
        verdict, detail, _ = await act(hands, told, step(), op, captured)  # type: ignore[arg-type]
        assert verdict == "ok", (op, detail)
    assert {name: what for name, what in look(target).items() if name != "."} == {
        name: what for name, what in before.items() if name != "."
    }


async def test_a_copy_whose_tree_has_gone_is_not_verified(hands: SyncHands, told: Told, lab: Lab) -> None:
    plant(lab.old.home / "tree")
    captured = await copied(hands, told, step())
    (lab.old.home / "tree").rename(lab.old.home / "away")
    assert await act(hands, told, step(), "verify", captured) == ("no", "tree is not on old", {})
    assert (await act(hands, told, step(), "apply", captured))[:2] == ("failed", "tree does not exist on old")
    assert look(lab.new.home / "tree") == look(lab.old.home / "away")


@pytest.mark.skipif(not shutil.which("rsync"), reason="needs apt-get install -y rsync")
async def test_what_the_new_host_asks_for_is_no_command_on_the_old_one(pool: HostPool, told: Told, lab: Lab) -> None:
    plant(lab.old.home / "tree")
    fake = lab.new.home / "bin/rsync"
    fake.write_text(
        "#!/bin/sh\nprintf 'relay rsync --server --sender -x . ; touch PWNED\\n' >&4\nprintf 'relay rsync --server; touch PWNED\\n' >&4\n"
    )
    fake.chmod(0o755)
    captured = (await act(SyncHands(pool, told.raw), told, step(), "capture"))[2]
    await act(SyncHands(pool, told.raw), told, step(), "apply", captured)
    assert not list(lab.old.home.rglob("PWNED"))


def test_a_tree_that_cannot_be_read_whole_is_no_tree(tmp_path: Path) -> None:
    """As another account, where we may: root reads everything."""
    plant(tmp_path / "tree")
    (tmp_path / "tree/deep").chmod(0o311)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and folder != Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    words = ["sh", "-c", _SCRIPT, "cockpit-manifest", str(tmp_path / "tree")]
    if os.getuid() == 0:
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
    ran = subprocess.run(words, capture_output=True, check=False)
    assert b"Permission denied" in ran.stdout.rpartition(b"unreadable ")[2]
    assert not ran.stdout.endswith(b"end\n")
