"""Reports of journals that are torn, damaged, cut, from another version, or very long."""

from __future__ import annotations

import fcntl
import json
import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import pytest

from cockpit import events as ev
from cockpit.cli.main import main
from cockpit.journal import line as lines
from cockpit.journal.reader import records
from cockpit.report.facts import Report
from cockpit.report.fold import of
from cockpit.report.forms import painted
from tests.report.making import began, plan, service, step, told, written


@pytest.fixture
def run(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recorded demo in a folder of its own, the only run there is."""
    folder = tmp_path / "runs" / "20261121-071112-demo-karl-7cbb"
    folder.mkdir(parents=True)
    monkeypatch.setenv("COCKPIT_RUNS", str(folder.parent))
    monkeypatch.chdir(tmp_path)
    (folder / "journal.jsonl").write_bytes(recording.read_bytes())
    return folder / "journal.jsonl"


def changed(run: Path, number: int, *instead: bytes) -> list[bytes]:
    """The journal with other lines in place of one."""
    all_lines = run.read_bytes().splitlines(keepends=True)
    all_lines[number - 1 : number] = instead
    run.write_bytes(b"".join(all_lines))
    return all_lines


def test_a_torn_tail_is_counted_and_the_rest_is_proven(run: Path) -> None:
    whole = run.read_bytes()
    last = len(whole.splitlines()[-1]) + 1
    run.write_bytes(whole[:-40])
    report = of(run)
    assert (report.journal.verified, report.journal.torn, report.journal.last) == (True, last - 40, 2042)
    assert not report.run.over
    assert f"Its last {last - 40} bytes are no whole line" in painted(report, ".md")
    run.write_bytes(whole[:-3] + b"x}\n")
    assert (of(run).journal.verified, of(run).journal.torn) == (True, last)


def test_a_flipped_bit_is_named_with_its_line_and_the_rest_is_told(run: Path) -> None:
    good = of(run)
    bad = bytearray(run.read_bytes().splitlines(keepends=True)[599])
    bad[200] ^= 4
    changed(run, 600, bytes(bad))
    report = of(run)
    assert not report.journal.verified
    assert [(damage.line, damage.kept, damage.seq) for damage in report.journal.damages] == [(600, False, 599)]
    assert (report.journal.events, report.journal.last) == (2042, 2043)
    assert (report.run.verdict, report.gates, report.losses) == (good.run.verdict, good.gates, good.losses)
    assert "600 | its checksum does not match its content | left out" in painted(report, ".md")


def test_a_line_that_was_changed_with_its_checksum_is_found_by_the_chain(run: Path) -> None:
    number = 508
    raw = run.read_bytes().splitlines()[number - 1]
    record, _ = lines.decode(raw, None)
    forged = ev.Record(
        seq=record.seq,
        utc=record.utc,
        mono=record.mono,
        actor=record.actor,
        event=ev.GateOpened(gate="pilot-good", by="eve"),
    )
    changed(run, number, lines.encode(forged, raw[26:58].decode())[0])
    report = of(run)
    assert not report.journal.verified
    assert [(damage.line, damage.kept) for damage in report.journal.damages] == [(number, True)]
    assert "in the report, not proven" in painted(report, ".md")


def test_lines_that_were_taken_out_put_in_twice_or_swapped_are_named(run: Path) -> None:
    whole = run.read_bytes()
    split = whole.splitlines(keepends=True)
    for made, first in (
        (split[:99] + split[100:], 100),
        (split[:100] + split[99:], 101),
        ([*split[:99], split[100], split[99], *split[101:]], 100),
        (split[5:], 1),
    ):
        run.write_bytes(b"".join(made))
        report = of(run)
        assert not report.journal.verified
        assert report.journal.damages[0].line == first
        assert report.run.verdict == "6 of 6 services are cut over"
        assert painted(report, ".html")


def test_without_its_first_line_a_journal_is_reported_as_far_as_it_tells(run: Path) -> None:
    changed(run, 1, b"rubbish\n")
    report = of(run)
    assert report.run.steps == 0
    assert [(gate.gate, gate.by) for gate in report.gates] == [("pilot-good", "tom")]
    assert len(report.attempts) > 80
    assert [note.text for note in report.moments if note.what == "note"]
    assert "cockpit replay RUN --at 508" in painted(report, ".html")


def test_an_event_of_another_version_is_counted_and_named(tmp_path: Path) -> None:
    file = written(tmp_path / "journal.jsonl", told([began(plan(service("a", step("a/x"))))]))
    body = b'{"seq":2,"utc":1800000009.0,"mono":9.0,"actor":"tom","event":{"kind":"teleport.done","where":"<b>"}}'
    prev = lines.decode(file.read_bytes()[:-1], lines.START)[1].encode()
    crc = zlib.crc32(body, zlib.crc32(prev))
    with file.open("ab") as target:
        target.write(b'{"crc":"%08x","prev":"%s","rec":%s}\n' % (crc, prev, body))
    report = of(file)
    assert [(kind.name, kind.count, kind.seq) for kind in report.journal.unknown] == [("teleport.done", 1, 2)]
    assert report.journal.verified
    assert "teleport.done" in painted(report, ".html")


def test_the_command_writes_what_the_file_s_name_says(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["r.html", "r.md", "r.json"]
    assert main(["report", "last", *(word for name in names for word in ("-o", name))]) == 0
    assert Path("r.html").read_text().startswith("<!DOCTYPE html>")
    assert Path("r.md").read_text().startswith("# Report: KARL")
    assert json.loads(Path("r.json").read_text())["run"]["verdict"] == "6 of 6 services are cut over"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json", "r.md", "runs"]
    Path("plain").touch()
    assert Path("r.md").stat().st_mode == Path("plain").stat().st_mode
    capsys.readouterr()
    assert main(["report"]) == 0
    assert capsys.readouterr().out == Path("r.md").read_text()


def test_the_command_says_what_is_wrong_and_where(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "last", "-o", "r.pdf"]) == 2
    assert "r.pdf: a report's file ends in .html, .md, .json" in capsys.readouterr().err
    assert main(["report", "last", "-o", "nowhere/r.md"]) == 2
    assert "nowhere/r.md: No such file or directory" in capsys.readouterr().err
    changed(run, 7, b"rubbish\n")
    assert main(["report", "last", "-o", "r.md"]) == 1
    assert "journal.jsonl:7: it is not a journal line; the report says so" in capsys.readouterr().err
    assert Path("r.md").exists()
    run.write_bytes(b"")
    assert main(["report", "last", "-o", "s.md"]) == 2
    assert "holds no event: it is empty" in capsys.readouterr().err
    run.write_bytes(b"rubbish\nrubbish\n")
    assert main(["report", "last", "-o", "s.md"]) == 2
    assert "none of its 2 lines can be read" in capsys.readouterr().err
    assert not Path("s.md").exists()


def test_the_command_writes_as_whatever_is_exported_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = f"{'r' * 250}.md"
    Path(long).write_text("old")
    os.mkfifo("pipe.md")
    reader = os.open("pipe.md", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 1 << 20)
        assert main(["report", "last", "-o", long, "-o", "pipe.md"]) == 0, (
            "a name may be as long as the file system lets"
        )
        assert os.read(reader, 1 << 20) == Path(long).read_bytes()
    finally:
        os.close(reader)
    Path("folder.md").mkdir()
    assert main(["report", "last", "-o", "folder.md"]) == 2
    assert capsys.readouterr().err == "cockpit: folder.md is a folder: name a file in it\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.md", "pipe.md", long, "runs"]


def test_a_report_changes_nothing_in_the_run_s_folder(run: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run.parent.iterdir()}
    assert main(["report", "last", "-o", "r.html"]) == 0
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run.parent.iterdir()} == before


_PEAK = """
import resource, sys
from pathlib import Path
from cockpit.report.fold import of
from cockpit.report.forms import painted
report = of(Path(sys.argv[1]))
painted(report, ".html")
print(report.journal.events, len(report.moments), report.run.left_out, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(file: Path) -> list[int]:
    ran = subprocess.run(
        [sys.executable, "-c", _PEAK, str(file)], capture_output=True, text=True, check=True, env={**os.environ}
    )
    return [int(word) for word in ran.stdout.split()]


def test_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    night = plan(service("a", step("a/x"), budget=1.0))
    beginning: list[ev.Event] = [began(night), ev.StepMoved(ref="a/x", attempt=1, state="running")]
    line = "x" * 200
    flood: list[ev.Event] = []
    for number in range(10_000):
        flood.append(ev.LogSeen(host="old", file="/l", lines=(line, str(number))))
        flood.append(ev.StepOutput(ref="a/x", attempt=1, op="apply", stream="out", lines=(line,)))
    small = peak(written(tmp_path / "small", told(beginning + flood[:1000])))
    large = peak(written(tmp_path / "large", told(beginning + flood)))
    assert (small[0], large[0]) == (1002, 20_002)
    assert large[3] < small[3] + 8_000, "KiB"


def test_rows_over_the_bounds_are_counted(tmp_path: Path) -> None:
    night = plan(service("a", step("a/x")))
    events: list[ev.Event] = [began(night), *(ev.Noted(text=f"note {number}") for number in range(10_050))]
    report: Report = of(written(tmp_path / "journal.jsonl", told(events)))
    assert (len(report.moments), report.run.left_out) == (10_000, 50)
    assert "50 rows more than this report holds were left out" in painted(report, ".md")


@pytest.mark.parametrize("seed", range(30))
def test_whatever_befell_a_journal_its_report_is_whole(seed: int, run: Path) -> None:
    chance = random.Random(seed)
    split = run.read_bytes().splitlines(keepends=True)[:400]
    for _ in range(chance.randint(1, 6)):
        at, other = chance.randrange(1, len(split)), chance.randrange(1, len(split))
        match chance.randrange(5):
            case 0:
                bad = bytearray(split[at])
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
                split[at : at + 1] = [bytes(bad)]
            case 1:
                split[at] = split[at][: chance.randrange(len(split[at]))]
            case 2:
                split[at], split[other] = split[other], split[at]
            case 3:
                split.insert(at, split[other])
            case _:
                del split[at : at + chance.randint(1, 9)]
    run.write_bytes(b"".join(split))
    report = of(run)
    assert not report.journal.verified or report.journal.torn or report.journal.events == len(split)
    assert all(1 <= row.seq <= report.journal.last for row in (*report.gates, *report.attempts, *report.deviations))
    ElementTree.fromstring(painted(report, ".html"))
    assert painted(report, ".md")


@pytest.mark.parametrize("seed", range(3))
def test_events_in_an_order_that_no_engine_makes_are_reported_without_a_fault(
    seed: int, run: Path, tmp_path: Path
) -> None:
    events = [record.event for record in records(run)]
    first, rest = events[0], events[1:]
    random.Random(seed).shuffle(rest)
    report = of(written(tmp_path / "shuffled", told([first, *rest])))
    assert report.journal.verified
    assert report.journal.events == len(events)
    ElementTree.fromstring(painted(report, ".html"))
    assert painted(report, ".md")
