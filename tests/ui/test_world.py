"""The world's view on the screen: golden copies, boxes that always hold, and the keys that walk it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import cache
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len
from textual.pilot import Pilot

from cockpit import events as ev
from cockpit.events.world import DnsClass, DnsRole, WriterSide
from cockpit.evidence import switch_off
from cockpit.plan.base import Vantage
from cockpit.reduce import reduce
from cockpit.replay.player import Player
from cockpit.state import DownView, RunState
from cockpit.ui.app import CockpitApp
from cockpit.ui.compose import screen
from cockpit.ui.paint import Line, width_of
from cockpit.ui.view import Page, View
from cockpit.ui.wheel import Seat
from cockpit.ui.world.figures import bounds, dns, downtime, health, tone
from cockpit.ui.world.foot import extras
from tests.ui import evening
from tests.ui.scenes import WORLD, Scene, Stage
from tests.ui.test_screens import SIZES, looks_as_it_did, says_the_same_without_colour

SEAT = Seat(can_drive=True, drives=True)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage(evening.records())


@cache
def state() -> RunState:
    found = RunState()
    for record in evening.records():
        found = reduce(found, record)
    return found


def text(found: RunState, view: View, size: tuple[int, int], now: float = evening.START + 400) -> str:
    lines = screen(found, view, SEAT, "LIVE", size, now)
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", WORLD, ids=lambda scene: scene.name)
async def test_the_world_looks_as_it_did(stage: Stage, scene: Scene, size: tuple[int, int]) -> None:
    await looks_as_it_did(stage, scene, size)


@pytest.mark.parametrize("scene", WORLD, ids=lambda scene: scene.name)
async def test_the_world_without_colour_says_the_same(stage: Stage, scene: Scene) -> None:
    await says_the_same_without_colour(stage, scene)


# --- any state paints within its box -------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Mn", "Me")), max_size=60) | st.sampled_from(
    ["日本語のとても長い名前" * 4, "x" * 400, "a b " * 60, ""]
)  # fmt: skip
TIMES = st.floats(0, 2e9)
SPANS = st.floats(0, 1e6)
COUNTS = st.integers(-1, 10**9)
LISTS = st.lists(WORDS, max_size=4).map(tuple)
SERVICE = st.sampled_from(["osf", "oxfam"])
NAMES = st.sampled_from(["osf.example.org", "日本.example.org"])

CERTIFICATES = st.none() | st.builds(
    ev.Certificate, names=LISTS, issuer=WORDS, until=TIMES, days=st.floats(-4000, 4000), chain=LISTS, problem=WORDS
)
DIFFERENCES = st.lists(st.builds(ev.Difference, what=WORDS, old=WORDS, new=WORDS, lines=LISTS), max_size=3).map(tuple)
TERMS = st.lists(st.builds(ev.Term, what=WORDS, at=TIMES, sure=st.sampled_from(["bound", "estimate"])), max_size=6)

EVENTS: st.SearchStrategy[ev.AnyEvent] = st.one_of(
    st.builds(
        ev.HealthSeen, service=SERVICE, probe=st.sampled_from(["login", "mx", "db/6", "other"]),
        at=st.sampled_from(get_args(Vantage)), ok=st.booleans(), ms=SPANS, status=st.integers(0, 999), detail=WORDS, via=WORDS,
        bridged=st.booleans(), proto=st.sampled_from(["http", "smtp", "query"]), row=st.integers(0, 9),
        facts=st.dictionaries(WORDS, WORDS, max_size=3), certificate=CERTIFICATES,
    ),
    st.builds(
        ev.DnsSeen, service=SERVICE, name=NAMES, type=st.sampled_from(["A", "TXT"]), vantage=WORDS,
        role=st.sampled_from(get_args(DnsRole)), state=st.sampled_from(get_args(DnsClass)), answers=LISTS, ttl=COUNTS,
        serial=COUNTS, flags=st.lists(st.sampled_from(["stale", "bogus", "authentic", "clamped"]), max_size=3).map(tuple),
        samples=st.integers(1, 9), moved=st.integers(-1, 9), errors=st.lists(st.integers(0, 60), max_size=3).map(tuple),
        chain=LISTS, detail=WORDS,
    ),
    st.builds(
        ev.HorizonSeen, service=SERVICE, name=NAMES, type=st.sampled_from(["A", "TXT"]), at=TIMES, terms=TERMS.map(tuple)
    ),
    st.builds(ev.WriterSeen, service=SERVICE, writer=st.sampled_from(get_args(WriterSide)), writes=COUNTS, detail=WORDS),
    st.builds(
        ev.CompareSeen, service=SERVICE, url=WORDS, same=st.booleans(), differences=DIFFERENCES, alike=st.floats(0, 1),
        old_ms=SPANS, new_ms=SPANS, detail=WORDS, of=st.integers(0, 10**6),
    ),
    st.builds(
        ev.QueueSeen, service=SERVICE, host=st.sampled_from(["xen", "karl", "mars"]), mta=WORDS, count=COUNTS, oldest=SPANS,
        reason=WORDS,
    ),
    st.builds(
        ev.TokenSeen, service=SERVICE, through=st.sampled_from(["old", "new"]), token=WORDS,
        state=st.sampled_from(["sent", "arrived", "refused", "lost"]), took=SPANS, path=LISTS, detail=WORDS,
    ),
    st.builds(ev.StragglersSeen, service=SERVICE, host=WORDS, path=WORDS, count=COUNTS, since=COUNTS, newest=TIMES),
    st.builds(
        ev.TrafficSeen, service=SERVICE, host=st.sampled_from(["xen", "karl"]), side=st.sampled_from(["old", "new"]),
        rate=SPANS, probes=SPANS, total=COUNTS, last=TIMES, unread=COUNTS, example=WORDS,
    ),
    st.builds(
        ev.DowntimeSeen, service=SERVICE | st.just(""), lower=SPANS, upper=SPANS, ongoing=st.booleans(), failed=st.integers(0, 10**6),
        stalled=st.integers(0, 10**6), samples=st.integers(0, 10**6), meter=st.sampled_from(["", "posts", "日本"]),
        what=st.sampled_from(["read", "write", "mail"]), missed=st.integers(0, 99),
    ),
)  # fmt: skip

PAGES: tuple[Page, ...] = ("board", "service", "dns", "world", "fleet", "timeline")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(EVENTS, max_size=25),
    st.sampled_from([(40, 12), (80, 24), (109, 30), (110, 17), (200, 60)]),
    st.integers(0, 200) | st.just(100_000),
    TIMES,
    st.integers(0, 30),
)
def test_any_state_of_the_world_paints_within_its_box(
    told: list[ev.AnyEvent], size: tuple[int, int], scroll: int, now: float, item: int
) -> None:
    from cockpit.ui.world.listed import entries

    plan = evening.plan()
    found = RunState()
    for seq, event in enumerate((ev.RunStarted(run="r", plan=plan), *told), 1):
        found = reduce(found, ev.Record(seq=seq, utc=float(seq), mono=0.0, actor="tom", event=event))
    keys = [entry.key for entry in entries(found, plan, "osf", now, switch_off(found, "osf", now))]
    assert len(keys) == len(set(keys)), "two entries of the list share a key"
    for page in PAGES:
        view = View(page=page, service="osf", scroll=scroll, item=keys[item % len(keys)])
        lines = screen(found, view, SEAT, "LIVE", size, now)
        assert len(lines) == size[1]
        assert {width_of(line) for line in lines} == {size[0]}


# --- what it says --------------------------------------------------------------------------------------------------


def test_a_cached_answer_s_time_counts_down_and_a_published_one_does_not() -> None:
    now = evening.START + 400
    before, after = (text(state(), View(page="dns", service="osf"), (120, 40), now + later) for later in (0, 30))
    row = next(line for line in before.splitlines() if " 203.0.113.7 " in line)
    later = next(line for line in after.splitlines() if " 203.0.113.7 " in line)
    assert " 2:00 " in row
    assert " 1:30 " in later
    assert before.count("=300") == after.count("=300") == 3


def test_more_vantages_than_rows_scroll_and_the_last_page_is_full() -> None:
    found = state()
    first = text(found, View(page="dns", service="osf"), (80, 24))
    assert " 192.0.2.53 " in first
    assert " system " not in first
    last = text(found, View(page="dns", service="osf", scroll=100_000), (80, 24))
    assert " system " in last
    assert " 192.0.2.53 " not in last
    assert re.search(r" 1–\d/14: j k", first)
    assert "–14/14: j k" in last


def test_a_state_of_an_older_journal_without_a_past_still_paints() -> None:
    found = state()
    osf = found.services["osf"]
    bare = {key: replace(seen, past=()) for key, seen in osf.dns.items()}
    found = replace(found, services=found.services | {"osf": replace(osf, dns=bare, curve=())})
    shown = text(found, View(page="dns", service="osf"), (120, 40))
    assert "the curve begins with the first answers" in shown
    assert " 203.0.113.9 " in shown


def test_a_bad_certificate_is_shown_with_its_reason_and_its_days() -> None:
    shown = text(state(), View(page="world", service="osf", item="probe login@new"), (120, 40))
    assert "it is for karl.example.org, not for osf.example.org" in shown
    assert "3 days left" in shown
    assert "status is 503, not 200" in shown


def test_a_diff_of_old_and_new_can_be_read_at_80_columns() -> None:
    item = "url https://osf.example.org/contact?lang=en"
    pages = [text(state(), View(page="world", service="osf", item=item, scroll=by), (80, 24)) for by in range(0, 20, 4)]
    whole = "\n".join(pages)
    for line in ("-<li>Contact: xen@example.org</li>", "+<li>Contact: karl@example.org</li>", "max-age=3600, public"):
        assert line in whole


def test_more_urls_than_rows_keep_the_one_in_focus_in_sight() -> None:
    found = state()
    for number in range(300):
        event = ev.CompareSeen(
            service="osf",
            url=f"https://osf.example.org/{number:04}",
            same=False,
            differences=(ev.Difference(what="status"),),
            of=300,
        )
        found = reduce(found, ev.Record(seq=1000 + number, utc=evening.START + 500, mono=0.0, actor="c", event=event))
    lines = screen(
        found, View(page="world", service="osf", item="url https://osf.example.org/0150"), SEAT, "LIVE", (80, 24), 0.0
    )
    assert len(lines) == 24
    assert any("▸ ≠ /0150" in "".join(part for part, _ in line) for line in lines)


# --- keys ----------------------------------------------------------------------------------------------------------


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await pilot.pause(0.02)


async def test_the_keys_walk_record_sets_and_vantages() -> None:
    app = CockpitApp(Player(evening.records(), at=len(evening.records()), playing=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state.utc >= evening.START + 400)
        await pilot.press("d")
        await until(pilot, lambda: "osf.example.org A  1 of 3" in app.canvas.text())
        await pilot.press("down")
        await until(pilot, lambda: "osf.example.org MX  2 of 3" in app.canvas.text())
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: "www.osf.example.org AAAA  3 of 3" in app.canvas.text())
        await pilot.press("up", "up", "j", "j", "j", "pagedown")
        await until(pilot, lambda: " system " in app.canvas.text())
        await pilot.press("end", *"jjjjjjjjjj", *"kkkkkkkkkkkkk")
        await until(pilot, lambda: " 192.0.2.53 " in app.canvas.text())
        await pilot.press("right")
        await until(pilot, lambda: "no vantage has answered yet" in app.canvas.text())


async def test_the_keys_walk_the_world_s_list_and_scroll_what_is_in_focus() -> None:
    app = CockpitApp(Player(evening.records(), at=len(evening.records()), playing=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state.utc >= evening.START + 400)
        await pilot.press("W")
        await until(pilot, lambda: app.view.page == "world")
        for _ in range(60):
            if "▸ ≠ /contact" in app.canvas.text():
                break
            await pilot.press("down")
        await until(pilot, lambda: "▸ ≠ /contact?lang=en" in app.canvas.text())
        assert "+<li>Contact" not in app.canvas.text()
        await pilot.press("pagedown")
        await until(pilot, lambda: "+<li>Contact: karl@example.org</li>" in app.canvas.text())
        await pilot.press("down")
        await until(pilot, lambda: "▸ ≠ /feed" in app.canvas.text() and app.view.scroll == 0)
        await pilot.press("W")
        assert app.view.page == "board"


# --- the board -----------------------------------------------------------------------------------------------------


def words(line: Line) -> str:
    return "".join(part for part, _ in line)


@settings(deadline=None)
@given(st.integers(24, 140))
def test_dns_is_three_figures_at_every_width_never_one(width: int) -> None:
    said = words(dns(evening.plan(), state().services["osf"], evening.START + 400, width))
    assert re.search(r"\ba(uth)? 3/5\b", said)
    assert re.search(r"\bc(aches)? 4/12\b", said)
    assert re.search(r"\bt(raffic)? 99 ?%", said)
    assert "!" in said, "a stale and a bogus cache are kept quiet"
    assert cell_len(said) <= width or width < 28


def test_traffic_that_nobody_counts_is_said_to_be_unknown() -> None:
    bare = replace(state().services["osf"], traffic={})
    assert "traffic –" in words(dns(evening.plan(), bare, evening.START + 400, 140))


@settings(deadline=None)
@given(st.integers(20, 120))
def test_failed_samples_are_told_apart_from_stalled_ones_where_there_is_room(width: int) -> None:
    found = state()
    said = words(downtime(evening.plan().service("osf"), found.services["osf"], width))
    assert said.startswith("down 0.56–0.91")
    if width >= 45:
        assert said.endswith("3 failed  2 stalled")
    elif width >= 30:
        assert said.endswith("✗3 ◷2")


def test_a_budget_that_is_spent_is_marked_without_colour_too() -> None:
    found = state()
    said = words(downtime(evening.plan().service("oxfam"), found.services["oxfam"]))
    assert "61.2–62.3 s! of 1:00 NOW" in said
    near = DownView(lower=49.0, upper=50.0)
    assert (tone(near, 60.0), tone(DownView(upper=61.0), 60.0), tone(DownView(upper=40.0), 60.0)) == ("warn", "bad", "")


def test_the_header_has_the_night_s_outage_against_its_budget() -> None:
    assert "down 61.7–63.2 s of 5:00" in text(state(), View(), (80, 24)).splitlines()[0]


def test_what_is_most_urgent_comes_first_in_the_foot_of_a_panel() -> None:
    found = state()
    plan = evening.plan()
    said = [
        words(extras(plan, plan.service("osf"), found.services["osf"], width, evening.START + 400))
        for width in (36, 60, 140)
    ]
    assert said[0] == "token old ✓ new ✗ lost"
    assert said[1] == "token old ✓ new ✗ lost · cert bad at new · queue xen 12 3:40"
    for piece in ("queue xen 12 3:40", "posts 38.2–39.0 s", "2/12 URLs differ"):
        assert piece in said[2]


def test_mail_on_old_is_no_straggler_while_old_takes_it() -> None:
    plan = evening.plan()
    seen = state().services["osf"]
    shown_while: dict[WriterSide, bool] = {"old": False, "new": True, "unknown": True}
    for writer, shown in shown_while.items():
        line = extras(plan, plan.service("osf"), replace(seen, writer=writer), 400, evening.START + 400)
        assert ("2 stragglers" in words(line)) is shown


def test_the_worst_of_all_protocols_stands_for_a_vantage() -> None:
    found = state()
    said = words(health(evening.plan().service("osf"), found.services["osf"], 80, evening.START + 400))
    assert said == "old ✓ 312 ms bridged  new ✗ 503 1 of 3  world ✗ smtp 1 of 2"


@settings(deadline=None)
@given(st.floats(0, 119), st.floats(0, 300))
def test_the_bounds_that_are_shown_hold_the_outage(lower: float, wider: float) -> None:
    upper = lower + wider
    shown = bounds(lower, upper)
    numbers = [sum(float(part) * 60**place for place, part in enumerate(reversed(each.removesuffix(" s").split(":"))))
               for each in shown.split("–")]  # fmt: skip
    if len(numbers) == 1:
        assert upper <= 0
    else:
        assert numbers[0] <= lower + 1e-6
        assert numbers[1] >= upper - 1e-6


def test_bounds_below_ten_seconds_have_two_decimals() -> None:
    assert (bounds(0.56, 0.59), bounds(0.57, 12.34), bounds(0, 0)) == ("0.56–0.59 s", "0.5–12.4 s", "0 s")


def test_figures_that_nobody_has_renewed_fade_and_say_how_old_they_are() -> None:
    found, plan = state(), evening.plan()
    osf, oxfam = found.services["osf"], found.services["oxfam"]
    later = evening.START + 500
    assert "? " not in words(health(plan.service("osf"), osf, 100, evening.START + 400))
    said = health(plan.service("osf"), osf, 100, later)
    assert words(said).count("? 1:45 ago") == 3
    assert {style for _, style in said} <= {"dim", "old", "new", ""}
    line = dns(plan, osf, later, 140)
    assert re.search(r"auth 3/5 · caches 4/12 · traffic –.* \? 1:45 ago", words(line))
    assert "? 1:16 ago" in words(health(plan.service("oxfam"), oxfam, 100, evening.START + 400)), (
        "the one that is silent"
    )
    for page in ("board", "service", "world"):
        assert re.search(r"writer NEW \? 1:4\d ago", text(found, View(page=page, service="osf"), (200, 60), later))  # type: ignore[arg-type]


def test_a_write_budget_that_is_spent_is_shown_though_the_first_meter_says_the_same() -> None:
    plan = evening.plan()
    first = plan.service("osf")
    same = DownView(lower=125.2, upper=125.9)
    seen = replace(state().services["osf"], down=same, meters={"posts": replace(same, what="write")})
    assert "posts 2:05–2:06!" in words(extras(plan, first, seen, 400, evening.START + 400))
    little = DownView(lower=0.5, upper=0.6)
    seen = replace(seen, down=little, meters={"posts": little})
    assert "posts" not in words(extras(plan, first, seen, 400, evening.START + 400))


def test_the_board_lets_old_go_only_with_what_was_not_watched_beside_it() -> None:
    from cockpit.plan.watched import Traffic
    from cockpit.ui.panel import current

    now = evening.START + 2000
    step = replace(evening.plan().service("osf").steps[0], service="osf")
    bare = replace(evening.plan(), dns=None, services=(evening.plan().service("osf"),))
    for traffic, said in (
        ((Traffic(host="xen", file="a.log"),), "■ all done  ✓ old can go, authorities ?"),
        ((), "■ all done  old: 1 missing"),
    ):
        service = replace(
            bare.services[0], records=(), health=(), writer=None, mail=None, traffic=traffic, steps=(step,),
            compare=None, downtime=None, meters=(),
        )  # fmt: skip
        plan = replace(bare, services=(service,))
        certificate = ev.Certificate(names=("osf.example.org",), until=now + 86400)
        told = (
            (now - 700, ev.TrafficSeen(service="osf", host="xen", side="old", rate=0.0)),
            (now - 1, ev.TrafficSeen(service="osf", host="xen", side="old", rate=0.0)),
            (now - 1, ev.HealthSeen(service="osf", probe="x", at="new", ok=True, certificate=certificate)),
            (now - 1, ev.StepMoved(ref=step.ref, state="done", attempt=1)),
        )
        found = RunState()
        for utc, event in ((1.0, ev.RunStarted(run="r", plan=plan)), *told):
            found = reduce(found, ev.Record(seq=found.seq + 1, utc=utc, mono=0.0, actor="t", event=event))  # type: ignore[arg-type]
        assert words(current(found, service, found.services["osf"], now)) == said


def test_a_list_of_urls_that_cannot_be_read_is_told_apart_from_urls() -> None:
    event = ev.CompareSeen(
        service="osf", url="https://osf.example.org/map.xml", same=False, of=12, trouble=True, detail="404"
    )
    found = reduce(state(), ev.Record(seq=9999, utc=evening.START + 400, mono=0.0, actor="c", event=event))
    shown = text(found, View(page="world", service="osf", item="list https://osf.example.org/map.xml"), (120, 40))
    assert "▸ ? /map.xml" in shown
    assert "URLs are taken from it, and it could not be read: 404" in shown
    assert "2/12 URLs differ" in "".join(
        words(extras(evening.plan(), evening.plan().service("osf"), found.services["osf"], 400, evening.START + 400))
    )
