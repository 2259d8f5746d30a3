"""A pack: one file that a colleague can open as it is, with nothing in it that is not theirs to have."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest

from cockpit.cli import unpacked
from cockpit.cli.main import main
from cockpit.events import ScreenKept
from cockpit.journal import keyframes, pack
from cockpit.journal.folder import RunFolder
from cockpit.journal.reader import end
from cockpit.journal.screens import ScreenFiles, kept


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpacked and swept here is nobody else's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture(scope="module")
def run(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run folder with all that a run leaves behind."""
    folder = tmp_path_factory.mktemp("runs") / "20261121-071112-night-ab12"
    folder.mkdir()
    shutil.copy(recording, folder / "journal.jsonl")
    keyframes.rebuild(folder / "journal.jsonl", every=500)
    for name in ("raw", "lab/keys"):
        (folder / name).mkdir(parents=True)
    (folder / "raw" / "log.old.access").write_bytes(os.urandom(3000))
    (folder / "raw" / "link").symlink_to("/etc/passwd")
    for name in ("token", "lock", "socket", "conductor.log", "lab/keys/id", "token.77"):
        (folder / name).write_text("PRIVATE")
    ScreenFiles(folder).write("open-gate", "<svg/>", "text\n")
    return RunFolder(folder)


def packed(run: RunFolder) -> bytes:
    target = io.BytesIO()
    pack.write(run, target)
    return target.getvalue()


def made(file: Path, *members: tuple[str | tarfile.TarInfo, bytes], note: dict[str, object] | None = None) -> Path:
    """A pack of anybody's making."""
    head = {"pack": 1, "run": "r", "events": 0, "head": "0", "size": 0, **(note or {})}
    with tarfile.open(file, "w:gz") as tar:
        for name, data in (("pack.json", json.dumps(head).encode()), *members):
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


def test_the_same_run_gives_the_same_bytes_and_nothing_private_goes_with_it(run: RunFolder) -> None:
    data = packed(run)
    assert data == packed(run)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
    assert names == [
        "pack.json", "journal.jsonl", "keyframes.jsonl", "raw/log.old.access",
        "screens/00001-open-gate.svg", "screens/00001-open-gate.txt",
    ]  # fmt: skip
    assert b"PRIVATE" not in gzip.decompress(data)
    assert b"root:x" not in gzip.decompress(data)


def test_what_is_unpacked_is_the_run_byte_for_byte(run: RunFolder, tmp_path: Path) -> None:
    file = tmp_path / "night.cockpit"
    file.write_bytes(packed(run))
    again = pack.unpack(file, tmp_path)
    assert again.id == run.id
    assert pack.check(again, file) == ""
    assert again.path.stat().st_mode & 0o077 == 0
    for path in again.path.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (run.path / path.relative_to(again.path)).read_bytes()
    assert end(again.journal) == end(run.journal)
    event = ScreenKept(
        why="confirmed", of="x", by="x", shown=1, page="", width=1, height=1, version="", file="screens/00001-open-gate",
        bytes=0, svg=hashlib.blake2b(b"<svg/>", digest_size=16).hexdigest(),
        text=hashlib.blake2b(b"text\n", digest_size=16).hexdigest(),
    )  # fmt: skip
    assert kept(again.path, event.file, event.svg, event.text) == (b"<svg/>", "text\n")


def test_a_torn_tail_stays_behind_and_a_live_journal_is_packed_as_far_as_it_is_whole(
    run: RunFolder, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.path, other, symlinks=True)
    with (other / "journal.jsonl").open("ab") as target:
        target.write(b'{"crc":"half a li')
    file = tmp_path / "night.cockpit"
    file.write_bytes(packed(RunFolder(other)))
    (tmp_path / "there").mkdir()
    again = pack.unpack(file, tmp_path / "there")
    assert pack.check(again, file) == ""
    assert again.journal.read_bytes() == run.journal.read_bytes()


def test_the_commands_pack_replay_and_report_it(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "pack", str(run.path)]) == 0
    file = f"{run.id}.cockpit"
    assert end(run.journal).head in capsys.readouterr().out
    assert main(["runs", "pack", str(run.path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["replay", file, "--headless"]) == 0
    theirs = capsys.readouterr().out
    assert main(["replay", str(run.path), "--headless"]) == 0
    assert capsys.readouterr().out == theirs
    assert main(["report", file, "-o", "a.json"]) == 0
    assert main(["report", str(run.path), "-o", "b.json"]) == 0
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    assert main(["runs", "--verify", file]) == 0


@pytest.mark.parametrize(
    "words",
    [["run", "--resume"], ["pair", "--detached", "--resume"], ["access"], ["runs", "pack"]],
    ids=" ".join,
)
def test_nobody_acts_on_a_run_in_a_folder_that_goes_when_they_end(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    file = tmp_path / "night.cockpit"
    file.write_bytes(packed(run))
    monkeypatch.chdir(tmp_path)
    (there := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(there))
    assert main([*words, str(file)]) == 2
    said = capsys.readouterr()
    assert said.err == f"cockpit: {file} is a pack: it can be replayed, reported and verified, but not run\n"
    assert not said.out
    assert not list(there.iterdir())


OPENED = """
import signal
import sys
from pathlib import Path
from cockpit.cli.live import found
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Tests that go on without a terminal may have it ignored.
run = found(sys.argv[1], packed=True)
print(run.path.parent, flush=True)
sys.stdin.read()
assert run.journal.is_file()
"""


def opened(file: Path, temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has opened a pack and ends with its input, and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPENED, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_whose_process_was_killed_goes_with_the_next_pack_and_no_other_one_does(
    run: RunFolder, tmp_path: Path
) -> None:
    file = tmp_path / "night.cockpit"
    file.write_bytes(packed(run))
    (temporary := tmp_path / "temporary").mkdir()
    foreign = temporary / "cockpit-pack-of-somebody"
    (foreign / "kept").mkdir(parents=True)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / ".lock").touch()
    (temporary / "cockpit-pack-link").symlink_to(elsewhere)
    (temporary / "cockpit-pack-file").touch()
    (temporary / "cockpit-pack-empty").mkdir()
    others = {foreign.name, "cockpit-pack-link", "cockpit-pack-file"}
    if os.getuid() == 0:
        (theirs := temporary / "cockpit-pack-theirs").mkdir()
        (theirs / ".lock").touch()
        os.chown(theirs, 65534, 65534)
        others.add(theirs.name)
    living, folder = opened(file, temporary)
    left = []
    for signum in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        killed, its = opened(file, temporary)
        assert all(not other.exists() for other in left), "the one before is gone"
        killed.send_signal(signum)
        assert killed.wait(20) == -signum
        killed.communicate()
        left.append(its)
    assert (left[-1] / run.id / "journal.jsonl").is_file()
    # A removal that was cut off.
    (left[-1] / run.id / "journal.jsonl").unlink()
    last, its = opened(file, temporary)
    assert {path.name for path in temporary.iterdir()} == {*others, folder.name, its.name}
    for process in (last, living):
        process.communicate()
        assert process.returncode == 0, "its run is there to the end"
    assert {path.name for path in temporary.iterdir()} == others
    assert list(elsewhere.iterdir()) == [elsewhere / ".lock"]
    assert (foreign / "kept").is_dir()


def test_a_folder_that_is_swept_while_it_is_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made, real = [], tempfile.mkdtemp

    def at_once(prefix: str) -> str:
        made.append(real(prefix=prefix))
        if len(made) < 3:
            unpacked._sweep()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", at_once)
    flock, fast = fcntl.flock, []

    def faster(lock: int, how: int) -> None:
        if len(made) == 3 and not fast:
            fast.append(lock)
            unpacked._sweep()
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", faster)
    under = unpacked._held()
    assert len(made) == 4
    assert list(tmp_path.iterdir()) == [under]
    unpacked._sweep()
    assert list(under.iterdir()) == [under / unpacked.LOCK]


def test_a_journal_that_is_not_the_one_that_was_packed_is_told(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run.journal.read_bytes().splitlines(keepends=True)
    file = made(tmp_path / "cut.cockpit", ("journal.jsonl", b"".join(lines[:50])), note={"events": 99, "head": "ab"})
    assert main(["replay", str(file), "--headless"]) == 0
    assert "says event 99 and head ab; its journal ends with event 50" in capsys.readouterr().err


def _link() -> tarfile.TarInfo:
    member = tarfile.TarInfo("raw/x")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("members", "note", "why"),
    [
        ([("../evil", b"x")], {}, "no pack of a run holds"),
        ([("/tmp/evil", b"x")], {}, "no pack of a run holds"),
        ([("raw/../../evil", b"x")], {}, "no pack of a run holds"),
        ([("raw/..", b"x")], {}, "no pack of a run holds"),
        ([("raw/a/b", b"x")], {}, "no pack of a run holds"),
        ([("token", b"x")], {}, "no pack of a run holds"),
        ([(_link(), b"")], {}, "no pack of a run holds"),
        ([("journal.jsonl", b"x"), ("journal.jsonl", b"y")], {}, "twice"),
        ([("journal.jsonl", b"x" * 5000)], {}, "unpacks to more"),
        ([], {}, "no journal"),
        ([], {"run": "../x"}, "no name"),
        ([], {"run": ".."}, "no name"),
        ([], {"pack": 2, "version": "9"}, "newer program"),
        ([], {"events": "many"}, "cannot be read"),
    ],
)
def test_a_hostile_pack_is_refused_and_writes_nothing_elsewhere(
    tmp_path: Path, members: list[tuple[str, bytes]], note: dict[str, object], why: str
) -> None:
    file = made(tmp_path / "evil.cockpit", *members, note=note)
    under = tmp_path / "in" / "side"
    under.mkdir(parents=True)
    with pytest.raises(pack.BadPack, match=why):
        pack.unpack(file, under, most_bytes=4000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.cockpit", "in"]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["side"]


def headed(file: Path, kind: bytes, data: bytes, content: bytes) -> Path:
    """A pack whose second member has an extended header of that kind before it."""
    made(file, ("journal.jsonl", content))
    blocks = gzip.decompress(file.read_bytes())
    header = tarfile.TarInfo("raw/x")
    header.type, header.size = kind, len(data)
    extended = header.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)
    file.write_bytes(gzip.compress(blocks[:1024] + extended + blocks[1024:], 1, mtime=0))
    return file


LONG = 4 << 20
COMMENT = b"%d comment=%s\n" % (LONG, b"x" * (LONG - 17))
SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"


@pytest.mark.parametrize(
    ("kind", "data", "content"),
    [
        (tarfile.XHDTYPE, COMMENT, b"x"),
        (tarfile.XGLTYPE, COMMENT, b"x"),
        (tarfile.SOLARIS_XHDTYPE, COMMENT, b"x"),
        (tarfile.GNUTYPE_LONGNAME, b"raw/" + b"x" * LONG, b"x"),
        (tarfile.GNUTYPE_LONGLINK, b"raw/" + b"x" * LONG, b"x"),
        (tarfile.XHDTYPE, SPARSE, b"99999999\n" + b"1\n" * (LONG // 8)),
    ],
    ids=["pax", "pax for all", "Solaris", "long name", "long link", "a map of a sparse file"],
)
def test_a_header_is_not_taken_into_memory_however_long_it_says_to_be(
    tmp_path: Path, kind: bytes, data: bytes, content: bytes
) -> None:
    file = headed(tmp_path / "evil.cockpit", kind, data, content)
    (under := tmp_path / "in").mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(pack.BadPack, match="a header of it is longer than any of ours"):
            pack.unpack(file, under, most_bytes=4000)
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


def test_a_header_that_cannot_be_read_is_told_with_a_sentence(tmp_path: Path) -> None:
    file = headed(tmp_path / "evil.cockpit", tarfile.XHDTYPE, SPARSE, b"many\n")
    (under := tmp_path / "in").mkdir()
    with pytest.raises(pack.BadPack, match="is no pack"):
        pack.unpack(file, under)


def test_a_name_that_needs_an_extended_header_is_unpacked(run: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.path, other, symlinks=True)
    name = "log.old." + "ö" * 120
    (other / "raw" / name).write_bytes(b"bytes")
    file = tmp_path / "night.cockpit"
    file.write_bytes(packed(RunFolder(other)))
    (under := tmp_path / "in").mkdir()
    assert (pack.unpack(file, under).path / "raw" / name).read_bytes() == b"bytes"


@pytest.mark.parametrize(
    "data",
    [b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"hello", mtime=0), gzip.compress(b"", mtime=0)],
    ids=["two bytes", "nonsense", "no archive", "nothing"],
)
def test_what_is_no_pack_is_told_with_a_sentence(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.cockpit"
    file.write_bytes(data)
    assert main(["replay", str(file), "--headless"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cockpit: ")
    assert "no pack" in said


def test_a_pack_that_is_cut_off_is_told(run: RunFolder, tmp_path: Path) -> None:
    data = packed(run)
    file = tmp_path / "cut.cockpit"
    for size in (100, len(data) // 2, len(data) - 3):
        file.write_bytes(data[:size])
        (under := tmp_path / str(size)).mkdir()
        with pytest.raises(pack.BadPack):
            pack.unpack(file, under)
