"""The HTML and the Markdown: well-formed, whole, legible, and proof against what hosts and people write."""

from __future__ import annotations

import itertools
import re
import shlex
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cockpit import events as ev
from cockpit.plan.model import Gate, Loss
from cockpit.report.facts import Report
from cockpit.report.fold import made, of
from cockpit.report.forms import painted
from cockpit.report.read import Reading
from cockpit.report.safe import code_in_markdown, in_markdown
from cockpit.report.style import DARK, GROUNDS, LIGHT, SHAPES, TEXTS, css
from tests.report.making import HOSTILE, began, plan, service, step, told

XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def report(recording: Path) -> Report:
    return of(recording)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return painted(report, ".html")


@pytest.fixture(scope="module")
def tree(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page)


class Checker(HTMLParser):
    """Tags as a browser's tokenizer finds them; what is opened must be closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    return checker


def test_the_html_is_well_formed_to_an_xml_and_to_an_html_parser(page: str) -> None:
    ElementTree.fromstring(page)
    checked(page)


def test_every_id_is_unique_and_every_reference_leads_somewhere(page: str) -> None:
    tags = checked(page).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids)) > 20
    links = [str(attrs["href"]) for tag, attrs in tags if tag == "a"]
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    named = [str(attrs["aria-labelledby"]).split() for _, attrs in tags if "aria-labelledby" in attrs]
    assert {name for names in named for name in names} <= set(ids)


def test_the_html_needs_nothing_beside_it_and_no_script(page: str) -> None:
    tags = checked(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not [attrs for _, attrs in tags if {"src", "srcset", "style", "action"} & set(attrs)]
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert "url(" not in css()
    assert "@import" not in css()


def test_tables_have_captions_and_scoped_heads_and_charts_have_texts(tree: ElementTree.Element, report: Report) -> None:
    for table in tree.iter(f"{XHTML}table"):
        assert "".join(table.findall(f"{XHTML}caption")[0].itertext()).strip()
        width = len(table.findall(f"{XHTML}thead/{XHTML}tr/{XHTML}th"))
        for row in table.findall(f"{XHTML}tbody/{XHTML}tr"):
            cells = list(row)
            assert sum(int(cell.get("colspan", "1")) for cell in cells) == width
            assert row.get("class") == "more" or (cells[0].tag, cells[0].get("scope")) == (f"{XHTML}th", "row")
    assert all(head.get("scope") in {"row", "col"} for head in tree.iter(f"{XHTML}th"))
    pictures = list(tree.iter(f"{XHTML}svg"))
    assert len(pictures) == 7
    for picture in pictures:
        assert picture.get("role") == "img"
        title, desc = list(picture)[:2]
        assert (title.tag, desc.tag) == (f"{XHTML}title", f"{XHTML}desc")
        assert title.text
        assert desc.text
        assert picture.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    bars = [rect.get("class") for rect in tree.iter(f"{XHTML}rect")]
    steps = [fact for whole in report.services for fact in whole.steps]
    assert bars.count("planned") == sum(fact.planned_end > fact.planned_start for fact in steps) == 73
    assert bars.count("critical") >= len(report.run.critical) == 25
    assert (bars.count("undo"), bars.count("verify")) == (1, 1)


def test_there_are_landmarks_one_heading_and_sections_in_the_order_of_their_list(tree: ElementTree.Element) -> None:
    for name in ("header", "nav", "main", "footer", "h1"):
        assert len(list(tree.iter(f"{XHTML}{name}"))) == 1, name
    links = [str(link.get("href"))[1:] for link in tree.iter(f"{XHTML}a")][1:]
    assert links == [section.get("id") for section in tree.iter(f"{XHTML}section")]
    labels = [
        div.get("aria-labelledby") or div.get("aria-label") for div in tree.iter(f"{XHTML}div") if div.get("role")
    ]
    assert len(labels) == len(set(labels))


def test_every_row_shows_the_replay_of_its_event(tree: ElementTree.Element, report: Report) -> None:
    rows = [row for row in tree.iter(f"{XHTML}tr") if row.get("class") != "more" and row[-1].get("class") == "at"]
    assert len(rows) > 400
    for row in rows:
        words = shlex.split("".join(row[-1].itertext()))
        assert words[:4] == ["cockpit", "replay", report.run.run, "--at"]
        assert 1 <= int(words[4]) <= report.journal.last


def test_the_page_s_figures_are_those_of_the_facts(tree: ElementTree.Element, report: Report) -> None:
    tables = {table[0].text: table for table in tree.iter(f"{XHTML}table")}
    rows = tables["Downtime with its bounds"].findall(f"{XHTML}tbody/{XHTML}tr")
    shown = {row[0].text: row[2].text for row in rows}
    assert shown == {item.service: f"{item.lower:.2f}–{item.upper:.2f} s" for item in report.downtime}
    assert len(tables["All steps"].findall(f"{XHTML}tbody/{XHTML}tr")) == report.run.steps
    assert len(tables["Every attempt of every step"].findall(f"{XHTML}tbody/{XHTML}tr")) == len(report.attempts)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_of_text_is_legible_on_every_ground(palette: dict[str, str]) -> None:
    for text, ground in itertools.product(TEXTS, GROUNDS):
        assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for shape in SHAPES:
        assert contrast(palette[shape], palette["paper"]) >= 3, shape


def test_the_style_has_no_colour_beside_the_palettes() -> None:
    assert set(re.findall("#[0-9a-f]{3,8}", css())) == set(LIGHT.values()) | set(DARK.values())
    assert set(re.findall(r"var\(--(\w+)\)", css())) <= set(LIGHT)
    used = set(re.findall(r"(?<![-\w])color:var\(--(\w+)\)", css()))
    assert used <= set(TEXTS)
    assert set(re.findall(r"background:var\(--(\w+)\)", css())) <= set(GROUNDS)


@pytest.fixture(scope="module")
def hostile() -> Report:
    night = plan(
        service("a", step("a/x", title=HOSTILE), step("a/y"), budget=1.0),
        gates=(Gate(id="g", question=HOSTILE, before=("a/y",)),),
        description=HOSTILE,
        acceptable_losses=(Loss(what=HOSTILE, reason=HOSTILE, accepted_by=HOSTILE),),
    )
    moved = ev.StepMoved(ref="a/x", attempt=1, state="running")
    events = [
        ev.RunStarted(run="$(reboot) `x`|</td>", plan=night, version=HOSTILE),
        ev.WheelTaken(driver=HOSTILE),
        moved,
        ev.StepIntended(ref="a/x", attempt=1, op="apply", job="j", host=HOSTILE),
        ev.StepOutput(ref="a/x", attempt=1, op="apply", stream="out", lines=(HOSTILE, "``````", "```")),
        ev.StepApplied(ref="a/x", attempt=1, op="apply", outcome="failed", exit=1, detail=HOSTILE),
        ev.StepMoved(ref="a/x", attempt=1, state="failed", detail=HOSTILE),
        ev.GateOpened(gate="g", by=HOSTILE, override=HOSTILE, evidence=HOSTILE, head=HOSTILE),
        ev.Noted(text=HOSTILE, ref=HOSTILE),
        ev.Trouble(message=HOSTILE),
        ev.NoticeSent(ref="a/x", attempt=1, to=HOSTILE, state="failed", detail=HOSTILE),
        ev.DnsSeen(
            service="a", name=HOSTILE, type=HOSTILE, vantage=HOSTILE, role="resolver", state="new", answers=(HOSTILE,)
        ),
        ev.DowntimeSeen(service="a", meter=HOSTILE, lower=0.0, upper=3.0, ongoing=True),
        ev.Unknown(name=HOSTILE, raw="{}"),
        ev.RunEnded(verdict=HOSTILE, exit=1),
    ]
    return made(told(events, actor=HOSTILE), Reading(Path("nothing")).journal)


def test_hostile_text_stays_text_in_html(hostile: Report) -> None:
    page = painted(hostile, ".html")
    tree = ElementTree.fromstring(page)
    tags = checked(page).tags
    assert not {tag for tag, _ in tags} & {"script", "img"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    text = "".join(tree.itertext())
    assert text.count("<script>alert(1)</script>") >= 20
    commands = {"".join(cell.itertext()) for cell in tree.iter(f"{XHTML}td") if cell.get("class") == "at"} - {"–"}
    assert all(shlex.split(command)[2] == "$(reboot) `x`|</td>" for command in commands)


def test_hostile_text_stays_text_in_markdown(hostile: Report) -> None:
    page = painted(hostile, ".md")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    fence, outside = "", []
    for line in page.split("\n"):
        found = re.match("`{3,}", line)
        if not fence and found:
            fence = found[0]
        elif fence and line.strip("`") == "" and len(line) >= len(fence):
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    columns = 0
    for line in outside:
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert not cells or not columns or cells == columns, line
        columns = cells
        bare = re.sub(r"\\.", "", re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", line))
        assert "<" not in bare
        assert "](" not in bare
        assert "http:" not in bare


def test_markdown_keeps_words_as_they_are() -> None:
    assert in_markdown("a_b *c* <d> [e](f) | g\nh") == r"a\_b \*c\* \<d\> \[e\](f) \| g h"
    assert in_markdown("- no list") == r"\- no list"
    assert code_in_markdown("a `b` | c", cell=True) == r"`` a `b` \| c ``"


@pytest.mark.parametrize("form", [".html", ".md", ".json"])
def test_the_losses_that_the_plan_accepts_are_in_every_form(form: str, report: Report) -> None:
    """S47."""
    page = painted(report, form)
    for text in ("sessions on the old hosts", "users log in again after the switch", "release manager"):
        assert text in page


def test_the_same_journal_makes_the_same_report(recording: Path, page: str) -> None:
    assert painted(of(recording), ".html") == page


def test_secrets_that_the_journal_has_not_are_not_in_the_report(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "raw").mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(recording.read_bytes())
    for name in ("raw/20261121-071112-demo-karl-7cbb.oxfam.hold-mail.1.apply.out", "token", "conductor.log"):
        (folder / name).write_text("hunter2")
    report = of(folder / "journal.jsonl")
    assert not [form for form in (".html", ".md", ".json") if "hunter2" in painted(report, form)]


def test_a_plan_of_hundreds_of_steps_has_a_lane_for_each_service() -> None:
    many = plan(
        *(service(f"s{n}", step(f"s{n}/x", estimate=1.0), step(f"s{n}/y", f"s{n}/x", estimate=1.0)) for n in range(100))
    )
    events: list[ev.Event] = [began(many)]
    for n in range(100):
        events += [ev.StepMoved(ref=f"s{n}/x", attempt=1, state=state) for state in ("running", "done")]  # type: ignore[arg-type]
    page = painted(made(told(events), Reading(Path("nothing")).journal), ".html")
    tree = ElementTree.fromstring(page)
    charts = {str(svg.get("aria-labelledby")).split("-title")[0]: svg for svg in tree.iter(f"{XHTML}svg")}
    assert len(charts["gantt"].findall(f"{XHTML}text")) == 100 + 7
    assert "gantt-critical" in charts
