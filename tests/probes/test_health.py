"""How health probes are run: each on its own beat, judged also by what other vantages saw, good only after enough in a row."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cockpit.clock import SystemClock
from cockpit.events import Certificate, Event, HealthSeen, Record, RunStarted, Trouble
from cockpit.plan.base import Vantage
from cockpit.plan.model import Host, Plan, ProbeCheck, Service
from cockpit.plan.watched import Expect, Family, Login, Probe
from cockpit.plan.zones import Dns
from cockpit.probes import asking, health
from cockpit.probes.aside import Aside
from cockpit.probes.asking import Ask, HealthAsker
from cockpit.probes.checks import check_probe
from cockpit.probes.context import Context, Said
from cockpit.probes.health import Board, Post, posts
from cockpit.probes.pace import TICK, Pace, Room, room_here
from cockpit.probes.seen import Seen
from cockpit.probes.turns import PER_HOST, Turns
from cockpit.probes.world import Found, address_at, name_in, world_address
from cockpit.reduce import reduce
from cockpit.state import RunState
from tests.probes.wild import hearing, saying, wild

NOTHING = Expect(status=0)
SEEN = {("hello", False), ("other", False), (None, True)}
HOSTS = {
    "old": Host(id="old", ssh="a@old", role="old", address="127.0.0.1"),
    "new": Host(id="new", ssh="a@new", role="new", address="127.0.0.2", address6="::1"),
    "db": Host(id="db", ssh="a@db"),
}


def plan_of(*probes: Probe, hosts: dict[str, Host] | None = None) -> Plan:
    return Plan(name="p", hash="0", hosts=hosts or HOSTS, services=(Service(id="osf", health=probes, vars={"x": "y"}),))


def tcp(port: int, **more: object) -> Probe:
    fields = {"id": "port", "proto": "tcp", "target": f"x.test:{port}", "expect": NOTHING, "at": ("old",), "every": 0.1}
    return Probe(**{**fields, **more})  # type: ignore[arg-type]


class Told:
    """What health probes told, in order; `answer` is what hosts say to scripts."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answer: Callable[[str], Said] = lambda host: Said(0, f"{host}\n")
        self._news = asyncio.Event()

    def take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def on_host(self, host: str, script: str, timeout: float) -> Said:
        return self.answer(host)

    def of(self, probe: str, at: str = "old") -> list[HealthSeen]:
        return [e for e in self.events if isinstance(e, HealthSeen) and (e.probe, e.at) == (probe, at)]

    async def until(self, holds: Callable[[], object], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(plan: Plan, secrets: dict[str, str] | None = None) -> AsyncIterator[Told]:
    told = Told()
    context = Context(plan, told.take, SystemClock(), told.on_host, secrets)
    tasks = [asyncio.create_task(watch.work()) for watch in health.watches(context)]
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- the beat ---------------------------------------------------------------------------------------------------------


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.floats(0.5, 60), st.floats(0, 0.5), st.lists(st.floats(0, 3), min_size=1, max_size=60), st.integers(0, 1 << 30)
)
def test_questions_keep_to_their_grid_whatever_answers_take(
    every: float, jitter: float, took: list[float], seed: int
) -> None:
    """`took` are how long the answers take, in intervals."""
    begins = random.Random(seed).uniform(0.5, 1.0)
    chance = random.Random(seed)
    pace, now, slots = Pace(every, jitter, 0.0, chance.uniform), 0.0, []
    for share in took:
        now += share * every
        wait = pace.wait(now)
        assert wait >= 0
        now += wait
        slot = now / every - begins
        slots.append(round(slot - TICK / every / 2))
        assert abs(slot - slots[-1]) <= jitter + TICK / every + 1e-6
    if jitter < 0.4:
        assert slots == sorted(set(slots)), "no slot is asked twice"
        assert len(slots) + pace.missed == slots[-1] + 1, "each slot was asked or counted"


def test_what_fell_due_while_an_answer_was_out_is_left_out_and_counted() -> None:
    pace = Pace(10.0, 0.0, 0.0, lambda low, high: high)
    assert pace.wait(0.0) == pytest.approx(10.0, abs=TICK)
    assert pace.wait(11.0) == pytest.approx(9.0, abs=TICK)
    assert pace.missed == 0
    assert pace.wait(55.0) == pytest.approx(5.0, abs=TICK)
    assert pace.missed == 3


def test_a_full_room_leaves_questions_out_and_counts_them() -> None:
    room = Room(2)
    assert [room.enter() for _ in range(4)] == [True, True, False, False]
    assert room.dropped == 2
    room.leave()
    assert room.enter()
    assert room_here() >= 64


async def test_a_slow_answer_delays_no_other_probe_s_question() -> None:
    async with wild(hearing(b"")) as silent, wild(hearing(b"220 ready\r\n")) as quick:
        wants = Expect(status=0, body="ready")
        slow = [tcp(silent, id=f"slow{n}", expect=wants, timeout=30.0) for n in range(60)]
        async with running(plan_of(*slow, tcp(quick, expect=wants))) as told:
            await told.until(lambda: len(told.of("port")) >= 8, 6)
            assert not [e for e in told.events if isinstance(e, HealthSeen) and e.probe != "port"]


async def test_questions_that_find_no_room_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "room_here", lambda: 3)
    monkeypatch.setattr(health, "AGAIN", 0.2)
    async with wild(hearing(b"")) as silent:
        slow = [tcp(silent, id=f"s{n}", expect=Expect(status=0, body="x"), timeout=30.0) for n in range(5)]
        async with running(plan_of(*slow)) as told:
            await told.until(lambda: any(isinstance(event, Trouble) for event in told.events))
    [trouble, *more] = [event for event in told.events if isinstance(event, Trouble)]
    assert "health questions were left out: 3 were waiting" in trouble.message
    assert not more


async def test_a_probe_has_one_question_out_at_a_time() -> None:
    open_now = most = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.35)
        writer.write(b"hi\n")
        await writer.drain()
        open_now -= 1

    async with wild(counting) as port, running(plan_of(tcp(port, expect=Expect(status=0, body="hi")))) as told:
        await told.until(lambda: len(told.of("port")) >= 3)
    assert most == 1
    assert int(told.of("port")[-1].facts["missed"]) >= 3


# --- good enough ------------------------------------------------------------------------------------------------------


async def test_a_probe_is_good_after_enough_good_answers_in_a_row_and_a_bad_one_begins_anew() -> None:
    said = [b"up\n", b"up\n", b"down\n", b"up\n", b"up\n", b"up\n", b"up\n", b"down\n"]
    turn = iter([*said, *[b"down\n"] * 1000])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(turn))

    async with wild(talk) as port:
        probe = tcp(port, row=3, expect=Expect(status=0, body="up"))
        async with running(plan_of(probe)) as told:
            await told.until(lambda: sum(not event.ok and event.row == 0 for event in told.of("port")) >= 2)
    seen = told.of("port")
    rows = [event.row for event in seen]
    assert rows[:6] == [1, 2, 0, 1, 2, 3]
    assert [event.ok for event in seen[:6]] == [False, False, False, False, False, True]
    assert seen[0].detail == "good 1 of 3 times in a row: says up"
    assert not seen[-1].ok


async def test_answers_are_compared_with_what_other_vantages_saw() -> None:
    probe = Probe(
        id="count",
        proto="command",
        target="wc -l",
        at=("old", "new"),
        expect=Expect(status=0, that=("new.number == old.number",)),
        every=0.1,
    )
    async with running(plan_of(probe)) as told:
        told.answer = lambda host: Said(0, "12\n" if host == "old" else "11\n")
        await told.until(lambda: any("is 1" in event.detail for event in told.of("count", "new")))
        bad = told.of("count", "new")[-1]
        assert (bad.ok, bad.proto) == (False, "command")
        assert "new.number is 11" in bad.detail
        assert "old.number is 12" in bad.detail
        told.answer = lambda host: Said(0, "12\n")
        await told.until(lambda: told.of("count", "new")[-1].ok)


def test_what_another_vantage_saw_long_ago_is_compared_with_no_more() -> None:
    board, probe = Board(Room(1)), tcp(1, every=2.0, timeout=1.0)
    old, new = (Post(service="osf", probe=probe, at=at) for at in ("old", "new"))
    board.pin(old, {"a": "1"}, 100.0)
    board.pin(new, {"a": "2"}, 100.0)
    assert board.others(new, 101.0) == {"old": {"a": "1"}}
    assert board.others(new, 107.0) == {"old": {"a": "1"}}
    assert board.others(new, 107.1) == {}


async def test_each_family_is_a_probe_of_its_own() -> None:
    async with wild(saying(b"six\n"), host="::1") as port:
        probe = tcp(port, at=("new", "old"), family="each")
        plan = plan_of(probe)
        assert [(post.name, post.at) for post in posts(Context(plan, print, SystemClock(), Told().on_host))] == [
            ("port/4", "new"),
            ("port/6", "new"),
            ("port/4", "old"),
            ("port/6", "old"),
        ]
        async with running(plan) as told:
            await told.until(lambda: all(told.of(f"port/{n}", at) for n in "46" for at in ("old", "new")))
    assert (told.of("port/6", "new")[0].ok, told.of("port/6", "new")[0].via) == (True, "::1")
    assert told.of("port/4", "new")[0].via == "127.0.0.2"
    assert told.of("port/6", "old")[0].detail == "the host of old has no IPv6 address"


@pytest.mark.parametrize(
    ("text", "at", "family", "address"),
    [
        ("x.test:25", "old", "any", "127.0.0.1"),
        ("x.test:25", "old", "6", ""),
        ("x.test:25", "new", "6", "::1"),
        ("https://x.test/", "new", "4", "127.0.0.2"),
        ("127.0.0.9:25", "world", "any", "127.0.0.9"),
        ("127.0.0.9:25", "world", "6", ""),
        ("https://[::1]:8443/", "world", "any", "::1"),
        ("[::1]:25", "world", "6", "::1"),
        ("localhost:1", "world", "4", "127.0.0.1"),
        ("no.such.name.invalid:1", "world", "any", ""),
    ],
)
async def test_a_probe_is_pinned_to_an_address_of_its_family(text: str, at: Vantage, family: str, address: str) -> None:
    assert await address_at(plan_of(), text, at, "osf", family) == address  # type: ignore[arg-type]


def test_the_name_stands_in_urls_and_in_targets() -> None:
    assert [name_in(text) for text in ("https://a.test:1/b", "a.test:25", "[::1]:25", "a.test", "http://[", "a b")] == [
        "a.test",
        "a.test",
        "::1",
        "a.test",
        "",
        "",
    ]


async def test_the_world_s_address_of_a_name_that_is_none_is_none() -> None:
    assert await world_address(plan_of(), "https://" + "a" * 300 + ".test/") == ""


# --- protocols --------------------------------------------------------------------------------------------------------


async def test_a_probe_on_a_host_runs_at_each_side_or_on_the_one_it_names() -> None:
    asked: set[str] = set()
    both = Probe(id="both", proto="command", target="true", at=("old", "new"), expect=NOTHING, every=0.2)
    one = Probe(
        id="one", proto="query", target="select 1", database="sqlite:x", host="db", at=("world",), expect=NOTHING
    )
    async with running(plan_of(both, one)) as told:

        def answer(host: str) -> Said:
            asked.add(host)
            return Said(0, host)

        told.answer = answer
        await told.until(lambda: told.of("both", "old") and told.of("both", "new") and told.of("one", "world"))
    assert asked == {"old", "new", "db"}
    assert told.of("one", "world")[0].facts["value"] == "db"
    assert told.of("one", "world")[0].via == "db"


async def test_mail_is_asked_in_its_own_words_and_its_secrets_come_from_the_plan() -> None:
    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.test ESMTP\r\n")
        while line := await reader.readline():
            writer.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 mx.test\r\n")

    async with wild(smtp) as port:
        probe = Probe(id="mx", proto="smtp", target=f"mx.test:{port}", at=("old",), expect=NOTHING, every=0.2)
        secret = Probe(
            id="box",
            proto="imap",
            target="mx.test:1",
            at=("old",),
            login=Login(user="a", secret="gone"),
            expect=NOTHING,
        )
        async with running(plan_of(probe, secret), {}) as told:
            await told.until(lambda: told.of("mx") and told.of("box"))
    assert (told.of("mx")[0].ok, told.of("mx")[0].proto) == (True, "smtp"), told.of("mx")[0].detail
    assert told.of("mx")[0].facts["banner"].endswith("mx.test ESMTP")
    assert told.of("box")[0].detail == "the secret gone is not there"


async def test_a_state_keeps_what_was_seen() -> None:
    async with wild(saying(b"hello\n")) as port, running(plan_of(tcp(port, expect=Expect(status=0, body="h")))) as told:
        await told.until(lambda: told.of("port"))
    plan = plan_of()
    state = reduce(RunState(), Record(seq=1, utc=1.0, mono=1.0, actor="c", event=RunStarted(run="r", plan=plan)))
    state = reduce(state, Record(seq=2, utc=2.0, mono=2.0, actor="probe", event=told.of("port")[0]))
    view = state.services["osf"].health["port@old"]
    assert (view.ok, view.proto, view.row, view.facts["banner"]) == (True, "tcp", 1, "hello")


async def test_what_did_not_change_is_not_told_again_and_the_state_keeps_it() -> None:
    words = iter([b"hello\n", b"hello\n", b"other\n", b"other\n"])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(words, b"other\n"))

    expect = Expect(status=0, that=('banner != "x"',))
    async with wild(talk) as port, running(plan_of(tcp(port, expect=expect))) as told:
        await told.until(lambda: {(e.facts.get("banner"), e.same) for e in told.of("port")} >= SEEN)
    state = reduce(RunState(), Record(seq=1, utc=1.0, mono=1.0, actor="c", event=RunStarted(run="r", plan=plan_of())))
    known = ""
    for number, event in enumerate(told.of("port"), 2):
        assert event.same == (not event.facts)
        known = event.facts.get("banner", known)
        record = Record(seq=number, utc=float(number), mono=float(number), actor="probe", event=event)
        state = reduce(state, record)
        view = state.services["osf"].health["port@old"]
        assert (view.facts["banner"], view.ms, view.utc) == (known, event.ms, float(number))
    assert known == "other"


def test_an_event_that_leaves_the_certificate_out_keeps_the_one_that_was_told() -> None:
    shown = Certificate(names=("x.test",), days=3.0)
    first = HealthSeen(service="osf", probe="web", at="new", ok=True, facts={"status": "200"}, certificate=shown)
    state = reduce(RunState(), Record(seq=1, utc=1.0, mono=1.0, actor="c", event=RunStarted(run="r", plan=plan_of())))
    again = HealthSeen(service="osf", probe="web", at="new", ok=True, ms=5.0, same=True)
    for number, event in enumerate((first, again), 2):
        state = reduce(state, Record(seq=number, utc=1.0, mono=1.0, actor="probe", event=event))
    view = state.services["osf"].health["web@new"]
    assert (view.ms, view.facts, view.certificate) == (5.0, {"status": "200"}, shown)
    gone = msgspec.structs.replace(again, same=False)
    state = reduce(state, Record(seq=4, utc=1.0, mono=1.0, actor="probe", event=gone))
    assert state.services["osf"].health["web@new"].certificate is None


async def test_a_slow_resolver_takes_its_time_from_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object) -> Found:
        await asyncio.sleep(0.8)
        return Found("127.0.0.1")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(asking, "found_at", slow)
    async with wild(silent) as port:
        probe = tcp(port, timeout=1.0, expect=Expect(status=0, body="never"))
        plan, told = plan_of(probe), Told()
        ask = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host)).asking("osf", probe, "old", "any")
        seen = await ask({})
    assert seen is not None
    assert not seen.ok
    assert seen.ms < 900, "a fifth of the time-out was left"


async def test_a_host_is_asked_few_things_at_once_and_a_silent_one_ends_in_time() -> None:
    now = most = 0

    async def slow(host: str, script: str, timeout: float) -> Said:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            await asyncio.sleep(0.05 if host == "old" else 60)
        finally:
            now -= 1
        return Said(0, "")

    turns = Turns(slow)
    answers = await asyncio.gather(*(turns("old", "true", 1.0) for _ in range(20)))
    assert {answer.exit for answer in answers} == {0}
    assert most == PER_HOST
    silent = await asyncio.gather(*(turns("new", "true", 0.1) for _ in range(PER_HOST + 1)))
    assert [answer.out for answer in silent] == [
        *["new did not answer for 0.6 s"] * PER_HOST,
        "new was busy with other probes for 0.6 s",
    ]
    assert now == 0


async def test_resolvers_that_say_nothing_end_in_a_stated_failure() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = f"127.0.0.1:{silent.getsockname()[1]}"
        dns = Dns(zone="x.test", primary=resolver, resolvers=(resolver, resolver))
        plan = msgspec.structs.replace(plan_of(tcp(1, at=("world",), timeout=0.3)), dns=dns)
        async with running(plan) as told:
            await told.until(lambda: told.of("port", "world"), 5)
    assert told.of("port", "world")[0].detail == "no resolver answered within 0.3 s"


# --- verifications by a probe -----------------------------------------------------------------------------------------


async def test_a_verification_by_a_probe_asks_anew_until_it_is_good_often_enough() -> None:
    turn = iter([b"down\n", b"up\n", b"up\n", *[b"down\n"] * 1000])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(turn))

    async with wild(talk) as port:
        plan, told = plan_of(tcp(port, row=2, expect=Expect(status=0, body="up"))), Told()
        asker = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host))
        check = ProbeCheck(probe="port", at="old", timeout=8.0)
        assert await check_probe(check, asker, plan, "osf") == (True, "probe port at old: says up")
        held, said = await check_probe(msgspec.structs.replace(check, timeout=0.1), asker, plan, "osf")
    assert (held, said) == (False, "probe port at old: the server closed without 'up': down")


async def test_a_verification_by_a_probe_asks_the_vantages_that_its_conditions_name() -> None:
    probe = Probe(
        id="count",
        proto="command",
        target="wc -l",
        at=("old", "new"),
        expect=Expect(status=0, that=("number == old.number",)),
    )
    plan, told = plan_of(probe), Told()
    asker = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host))
    told.answer = lambda host: Said(0, "12\n" if host == "old" else "11\n")
    check = ProbeCheck(probe="count", at="new", timeout=0.1)
    held, said = await check_probe(check, asker, plan, "osf")
    assert (held, "old.number is 12" in said) == (False, True), said
    told.answer = lambda host: Said(0, "12\n")
    assert (await check_probe(check, asker, plan, "osf"))[0]


async def test_a_verification_by_a_probe_ends_when_its_time_is_over() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with wild(silent) as port:
        plan, told = plan_of(tcp(port, timeout=20.0, expect=Expect(status=0, body="up"))), Told()
        asker = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host))
        async with asyncio.timeout(10):
            found = await check_probe(ProbeCheck(probe="port", at="old", timeout=0.3), asker, plan, "osf")
    assert found == (False, "probe port at old: no answer within 0.3 s")


async def test_a_verification_compares_each_family_with_its_own() -> None:
    asked: list[tuple[str, str]] = []

    class Asker:
        aside = Aside()

        def asking(self, service: str, probe: Probe, at: Vantage, family: Family) -> Ask:
            async def ask(others: Mapping[str, Mapping[str, str]]) -> Seen:
                if at == "new":
                    asked.append((family, others["old"]["via"]))
                return Seen(ok=True, facts={"via": f"old over {family}"})

            return ask

    plan = plan_of(tcp(1, family="each", expect=Expect(status=0, that=("via != old.via",))))
    check = ProbeCheck(probe="port", at="new", timeout=2.0)
    assert (await check_probe(check, Asker(), plan, "osf"))[0]  # type: ignore[arg-type]
    assert sorted(asked) == [("4", "old over 4"), ("6", "old over 6")]
