"""The report shows what was on the screen beside who confirmed what, and says when that is missing or was changed."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cockpit import events as ev
from cockpit.cli.main import main
from cockpit.journal.reader import records
from cockpit.journal.redaction import Redactor
from cockpit.plan.model import Gate
from cockpit.report.fold import made, of
from cockpit.report.forms import FORMS, painted
from cockpit.report.read import Reading
from cockpit.report.screens import shown
from tests.report.making import began, plan, service, step, told, written
from tests.report.screened import screened

XHTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screened")
    screened(recording, folder)
    return folder


def html(folder: Path) -> str:
    report = of(folder / "journal.jsonl")
    return painted(report, ".html", shown(folder, report))


def test_each_screen_of_the_journal_is_a_row_and_each_gate_names_its_own(run: Path) -> None:
    report = of(run / "journal.jsonl")
    kept = [record for record in records(run / "journal.jsonl") if isinstance(record.event, ev.ScreenKept)]
    assert [fact.seq for fact in report.screens] == [record.seq for record in kept]
    assert {fact.why for fact in report.screens} == {"confirmed", "failed"}
    assert all(not fact.trouble for fact in report.screens)
    by_seq = {fact.seq: fact for fact in report.screens}
    for gate in report.gates:
        assert by_seq[gate.screen].of == f"open-gate {gate.gate}"
        assert by_seq[gate.screen].shown < gate.seq
    assert not [item for item in report.moments if item.what == "screen"]


def test_the_html_shows_picture_and_text_and_the_other_forms_name_them(run: Path) -> None:
    page = html(run)
    tree = ElementTree.fromstring(page)
    pictures = [div[0] for div in tree.iter(f"{XHTML}div") if div.get("class") == "screen"]
    report = of(run / "journal.jsonl")
    assert len(pictures) == len(report.screens) > 1
    for picture, fact in zip(pictures, report.screens, strict=True):
        assert picture.tag == f"{SVG}svg"
        assert picture.get("role") == "img"
        assert fact.of in (picture[0].text or "")
        text = (run / f"{fact.file}.txt").read_text()
        assert "REPLAY" in text
        assert any("".join(pre.itertext()) == text for pre in tree.iter(f"{XHTML}pre"))
    for form in (".md", ".json"):
        other = painted(report, form)
        assert "<svg" not in other
        assert all(fact.file.replace("-", "") in other.replace("\\", "").replace("-", "") for fact in report.screens)


def test_a_screen_that_is_missing_or_was_changed_is_said_so_and_not_shown(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    first, second, *_ = of(folder / "journal.jsonl").screens
    (folder / f"{first.file}.svg").unlink()
    picture = folder / f"{second.file}.svg"
    picture.write_text(picture.read_text().replace("REPLAY", "RELAY ", 1))
    report = of(folder / "journal.jsonl")
    assert "missing" in report.screens[0].trouble
    assert "was changed" in report.screens[1].trouble
    page = html(folder)
    assert "2 of" in page
    assert "cannot be shown" in page
    assert "RELAY" not in page
    assert page.count('class="screen"') == len(report.screens) - 2


def test_a_picture_that_is_not_ours_does_not_get_into_the_page_though_its_hash_fits(tmp_path: Path) -> None:
    from cockpit.journal.screens import ScreenFiles

    evil = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    files = ScreenFiles(tmp_path).write("x", evil, "text\n")
    event = ev.ScreenKept(
        why="confirmed", of="open-gate good", by="tom", shown=1, page="board", width=1, height=1, version="",
        file=files.file, bytes=files.bytes, svg=files.svg, text=files.text,
    )  # fmt: skip
    night = plan(service("a", step("a/x")), gates=(Gate(id="good", before=("a/x",)),))
    written(tmp_path / "journal.jsonl", told([began(night), event, ev.GateOpened(gate="good", by="tom")]))
    page = html(tmp_path)
    assert "alert(1)" not in page
    assert "it holds &lt;script&gt;" in page


def looked(folder: Path, *looks: tuple[str, str, int]) -> list[ev.ScreenKept]:
    """Screens that were kept: of what, by whom, and the last event on them."""
    from cockpit.journal.screens import ScreenFiles
    from cockpit.picture.ink import Picture
    from cockpit.picture.svg import svg

    files, found = ScreenFiles(folder), []
    for of_, by, last in looks:
        file = files.write("x", svg(Picture(1, 1, ((("x", ""),),)), of_), "x\n")
        found.append(ev.ScreenKept(
            why="confirmed", of=of_, by=by, shown=last, page="board", width=1, height=1, version="",
            file=file.file, bytes=file.bytes, svg=file.svg, text=file.text,
        ))  # fmt: skip
    return found


def test_beside_a_gate_stands_the_screen_of_who_opened_it_at_last_and_of_no_earlier_try(tmp_path: Path) -> None:
    night = plan(service("a", step("a/x")), gates=(Gate(id="good", before=("a/x",)), Gate(id="two", before=("a/x",))))
    door = "another account's door"
    kept = looked(
        tmp_path,
        ("open-gate good", "tom", 1),
        ("confirm good", f"eve ({door})", 1),
        ("open-gate good", "tom", 3),
        ("open-gate two", "tom", 5),
        ("confirm two", f"bob ({door})", 6),
        ("confirm two", f"eve ({door})", 6),
    )
    bob = ev.Who(name="bob", account="bob", uid=7)
    opened = [
        ev.GateOpened(gate="good", by="tom"),
        ev.GateOpened(gate="two", by="tom", second="bob", confirmed=bob),
    ]
    written(tmp_path / "journal.jsonl", told([began(night), *kept, *opened]))
    assert {gate.gate: gate.screen for gate in of(tmp_path / "journal.jsonl").gates} == {"good": 4, "two": 6}


def test_a_run_without_screens_says_so(recording: Path) -> None:
    assert "No screen was kept" in painted(of(recording), ".html")


SECRET = "correct-horse-battery-staple"


def test_no_secret_is_in_any_form_of_a_report_wherever_a_host_or_a_person_said_it() -> None:
    redactor = Redactor(b"k")
    redactor.add("db", SECRET)
    said = f"password={SECRET};"
    night = plan(service("a", step("a/x"), step("a/y")), gates=(Gate(id="good", before=("a/x",)),))
    events: list[ev.Event] = [
        began(night),
        ev.WheelTaken(driver="tom", uid=1),
        ev.StepMoved(ref="a/x", attempt=1, state="running"),
        ev.StepCaptured(ref="a/x", attempt=1, captured={"old": said}),
        ev.StepIntended(ref="a/x", attempt=1, op="apply", job="j"),
        ev.StepOutput(ref="a/x", attempt=1, op="apply", stream="out", lines=(said,)),
        ev.LogSeen(host="old", file="x.log", lines=(said,), alarms=(0,)),
        ev.StepApplied(ref="a/x", attempt=1, op="apply", outcome="failed", exit=1),
        ev.StepMoved(ref="a/x", attempt=1, state="failed", detail=said),
        ev.GateOpened(gate="good", by="tom", override=said, evidence=said),
        ev.IntentRefused(intent="{}", reason=said),
        ev.Noted(text=said),
        ev.Trouble(message=said),
        ev.HostSeen(host="new", link="down", detail=said),
        ev.RunEnded(verdict=said, exit=1),
    ]  # fmt: skip
    plain = made(told(events), Reading(Path("nothing")).journal)
    kept = made(told([redactor.event(event) for event in events]), Reading(Path("nothing")).journal)
    for form in FORMS:
        assert SECRET in re.sub(r"\\(.)", r"\1", painted(plain, form)), "the test says it where a report tells of it"
        text = painted(kept, form)
        assert SECRET not in re.sub(r"\\(.)", r"\1", text)
        assert "secret db" in text


def test_the_command_writes_the_screens_into_the_html(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "night.html"
    assert main(["report", str(run), "-o", str(file)]) == 0
    assert 'class="screen"' in file.read_text()


def test_replay_lists_prints_and_exports_what_was_kept(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fact = of(run / "journal.jsonl").screens[0]
    assert main(["replay", str(run), "--screen"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == len(of(run / "journal.jsonl").screens)
    assert fact.of in listed[0]
    assert main(["replay", str(run), "--screen", str(fact.seq)]) == 0
    assert capsys.readouterr().out == (run / f"{fact.file}.txt").read_text()
    assert main(["replay", str(run), "--screen", str(fact.seq), "--export", "svg", str(tmp_path / "x.svg")]) == 0
    assert (tmp_path / "x.svg").read_bytes() == (run / f"{fact.file}.svg").read_bytes()
    assert main(["replay", str(run), "--screen", "3"]) == 2
    assert "tells of no screen" in capsys.readouterr().err


def test_names_of_any_length_leave_a_page_that_can_be_read() -> None:
    long = "n" * 5000
    night = plan(
        service(f"s{long}", step(f"s{long}/x{long}")), gates=(Gate(id=f"g{long}", before=(f"s{long}/x{long}",)),)
    )
    report = made(
        told(
            [
                began(night),
                ev.WheelTaken(driver=f"d{long}", uid=1),
                ev.StepMoved(ref=f"s{long}/x{long}", attempt=1, state="failed"),
                ev.GateOpened(gate=f"g{long}", by=f"d{long}"),
                ev.Noted(text="word", ref=f"s{long}/x{long}"),
            ],
            actor=f"a{long}",
        ),
        Reading(Path("nothing")).journal,
    )
    for form in (".html", ".md"):
        page = painted(report, form)
        cells = re.findall(r"<t[dh][^>]*>([^<]*)", page) if form == ".html" else re.split(r" \| |\n", page)
        assert max(map(len, cells)) < 2100
        assert len(re.findall("n{121}", " ".join(cells))) <= len(re.findall("more", page))


def test_no_picture_is_read_for_a_report_that_shows_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.report.screens.shown", lambda folder, report: pytest.fail("the pictures were read"))
    words = ["report", str(run), "-o", str(tmp_path / "a.md"), "-o", str(tmp_path / "a.json")]
    assert main(words) == 0
