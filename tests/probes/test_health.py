"""What health probes tell: judged also by what other vantages saw, good only after enough in a row."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.events import Certificate, HealthSeen, Record, RunStarted
from cockpit.plan.base import Vantage
from cockpit.plan.watched import Expect, Login, Probe
from cockpit.plan.zones import Dns
from cockpit.probes import asking
from cockpit.probes.asking import HealthAsker
from cockpit.probes.context import Context, Said
from cockpit.probes.health import Board, Post, posts
from cockpit.probes.pace import Room
from cockpit.probes.turns import PER_HOST, Turns
from cockpit.probes.world import Found, address_at, name_in, world_address
from cockpit.reduce import reduce
from cockpit.state import RunState
from tests.probes.beating import NOTHING, Told, plan_of, running, tcp
from tests.probes.wild import saying, wild

SEEN = {("hello", False), ("other", False), (None, True)}


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
