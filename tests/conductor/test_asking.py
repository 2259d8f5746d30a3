"""Questions: only whoever drives answers, each is asked once, and no answer is ever written down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from textual.widgets import Button, Input

from cockpit import intents as it
from cockpit.clock import SystemClock
from cockpit.conductor.asking import Asker, NotAnswered, Person, to_type
from cockpit.conductor.client import LiveSource
from cockpit.conductor.server import Server
from cockpit.conductor.vault import Vault
from cockpit.engine.engine import Engine
from cockpit.engine.ledger import Ledger
from cockpit.events import Answered, Asked, AskGivenUp, Event, RunStarted, Trouble
from cockpit.journal.reader import records
from cockpit.journal.writer import JournalWriter
from cockpit.ui.app import CockpitApp
from cockpit.ui.asking import Question
from tests.conductor.seats import TOKEN, Screen
from tests.engine.world import ModelHands, World, small_plan
from tests.ui.test_keys import shown, until

VALUE = "correct-horse-battery"


class Run:
    """A conductor's heart that can ask: journal on disk, vault, asker, socket."""

    def __init__(self, folder: Path, journal: JournalWriter, vault: Vault) -> None:
        self.file, self.socket = folder / "journal.jsonl", folder / "socket"
        self.vault = vault
        self.ledger = Ledger(journal)
        journal.subscribe(self.ledger.observe)
        self.asker = self.asking()
        hands = ModelHands(World(), lambda: self.ledger.state)
        self.engine = Engine(self.ledger, hands, SystemClock())
        self.server = Server(self.file, self.ledger, self.engine, TOKEN, self.asker)
        self.server.opened = True
        journal.subscribe(self.server.observe)

    def asking(self, person: Person = "screen", wait: float = 30.0) -> Asker:
        return Asker(self.ledger, self.vault, person, wait)

    def source(self, token: str = TOKEN, name: str = "tom") -> LiveSource:
        return LiveSource(self.socket, name, token, wait=5)

    def told(self, kind: type[Event]) -> list[Event]:
        return [record.event for record in records(self.file) if isinstance(record.event, kind)]

    async def asked(self, *names: str) -> None:
        async with asyncio.timeout(5):
            while set(self.ledger.state.questions) != set(names):
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    plan = small_plan()
    vault = Vault(plan, "night", "key")
    async with JournalWriter(tmp_path / "journal.jsonl", SystemClock(), redactor=vault.redactor) as journal:
        made = Run(tmp_path, journal, vault)
        await made.ledger.write(RunStarted(run="night", plan=plan), "test")
        tasks = [asyncio.create_task(made.engine.run()), asyncio.create_task(made.server.run(made.socket))]
        while not made.socket.exists():
            await asyncio.sleep(0.01)
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert VALUE.encode() not in made.file.read_bytes()


def dialog(app: CockpitApp) -> bool:
    """Whether a question's dialog stands there, whole."""
    return isinstance(app.screen, Question) and bool(app.screen.query("#ok")) and app.screen.query_one(Input).has_focus


async def followed(run: Run, token: str = TOKEN, name: str = "tom") -> tuple[Screen, asyncio.Task[None]]:
    made = Screen(run.source(token, name))
    following = asyncio.create_task(made.follow())
    await made.until(lambda: made.state.plan is not None)
    return made, following


async def gone(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_driver_answers_once_for_everybody_who_needs_it(run: Run) -> None:
    first, second = (asyncio.create_task(run.asker.ask("key", "Passphrase of key")) for _ in range(2))
    await run.asked("key")
    screen, following = await followed(run)
    assert screen.state.questions["key"].question == "Passphrase of key"
    assert await screen.source.tell("key", VALUE) is None
    assert (await first, await second) == (VALUE, VALUE)
    await run.asked()
    assert await run.asker.ask("key", "Passphrase of key") == VALUE
    await run.ledger.write(Trouble(message=f"it says {VALUE}"), "test")
    assert run.told(Trouble) == [Trouble(message="it says ‹secret key›")]
    assert run.told(Asked) == [Asked(name="key", question="Passphrase of key")]
    [answered] = run.told(Answered)
    assert isinstance(answered, Answered)
    assert (answered.by, answered.who.name, answered.who.pid) == ("tom", "tom", os.getpid())
    await gone(following)


async def test_an_answer_at_a_shared_screen_is_of_who_pressed_the_key(run: Run) -> None:
    sure = "tmux 3.4 client pid 123 account bob, in-band"
    asking = asyncio.create_task(run.asker.ask("key", "Passphrase of key"))
    refusing = asyncio.create_task(run.asker.ask("db", "Password"))
    await run.asked("key", "db")
    screen, following = await followed(run)
    assert await screen.source.tell("key", VALUE, "bob", sure) is None
    assert await screen.source.tell("db", None, "bob", sure) is None
    assert await asking == VALUE
    with pytest.raises(NotAnswered, match=r"bob .* gives no answer"):
        await refusing
    await run.asked()
    [answered], [refused] = run.told(Answered), run.told(AskGivenUp)
    assert isinstance(answered, Answered)
    assert isinstance(refused, AskGivenUp)
    assert answered.by == "bob (tom's screen; by the tmux binding)"
    assert [(who.by, who.sure, who.proven) for who in (answered.who, refused.who)] == [("bob", sure, True)] * 2
    assert VALUE not in run.file.read_text()
    await gone(following)


async def test_who_watches_sees_the_question_and_cannot_answer(run: Run) -> None:
    asking = asyncio.create_task(run.asker.ask("key", "Passphrase"))
    driver, one = await followed(run)
    watcher, two = await followed(run, token="", name="eve")
    second, three = await followed(run, name="ann")
    await watcher.until(lambda: watcher.state.questions)
    assert await watcher.source.tell("key", VALUE) == "this screen only watches"
    assert await second.source.tell("key", VALUE) == "tom drives; you watch"
    assert run.asker.open == ("key",)
    assert await driver.source.tell("key", VALUE) is None
    assert await asking == VALUE
    await gone(one, two, three)


async def test_an_answer_that_will_not_do_is_told_and_asked_for_again(run: Run) -> None:
    asking = asyncio.create_task(run.asker.ask("db", "Password", run.vault.unfit))
    await run.asked("db")
    for text, why in (
        ("", "empty"),
        ("abc", "too short"),
        ("shell", "stands in the plan"),
        ("a\0bcdef", "no password"),
    ):
        assert why in run.asker.answer("db", text, "tom")
    assert run.asker.answer("db", VALUE, "tom") == ""
    assert await asking == VALUE
    assert run.asker.answer("db", VALUE, "tom") == "nothing asks for db any more"


async def test_a_yes_is_the_end_of_the_fingerprint_and_nothing_else(run: Run) -> None:
    question = "old shows an unknown key, SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDcB4tE1TqzZfDaN6s. Is it the right one?"
    assert to_type("host key of old", question) == "TqzZfDaN6s"[-8:]
    asking = asyncio.create_task(run.asker.confirm("host key of old", question))
    await run.asked("host key of old")
    for text in ("y", "yes", "zZfDaN6S"):
        assert run.asker.answer("host key of old", text, "tom") == "a yes is zZfDaN6s, typed as it stands there"
    assert run.asker.answer("host key of old", "zZfDaN6s ", "tom") == ""
    assert await asking is True
    assert await run.asker.confirm("host key of old", question) is True
    assert [asked.secret for asked in run.told(Asked)] == [False]  # type: ignore[attr-defined]


async def test_a_refusal_is_a_no_until_it_is_forgotten(run: Run) -> None:
    asking = [asyncio.create_task(run.asker.confirm("k", "Go?")), asyncio.create_task(run.asker.ask("p", "Password?"))]
    await run.asked("k", "p")
    assert run.asker.answer("k", None, "tom") == run.asker.answer("p", None, "tom") == ""
    assert await asking[0] is False
    with pytest.raises(NotAnswered, match="p: tom gives no answer"):
        await asking[1]
    assert await run.asker.confirm("k", "Go?") is False
    with pytest.raises(NotAnswered):
        await run.asker.ask("p", "Password?")
    run.asker.forget("p")
    again = asyncio.create_task(run.asker.ask("p", "Password?"))
    await run.asked("p")
    run.asker.answer("p", VALUE, "tom")
    assert await again == VALUE


async def test_a_question_that_nobody_answers_or_needs_is_closed(run: Run) -> None:
    with pytest.raises(NotAnswered, match="nobody answered within 0 s"):
        await run.asking(wait=0.01).ask("late", "Password?")
    assert await run.asking(wait=0.01).confirm("later", "Go?") is False
    leaving = asyncio.create_task(run.asker.ask("left", "Password?"))
    await run.asked("left")
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await run.asked()
    reasons = [given_up.reason for given_up in run.told(AskGivenUp)]  # type: ignore[attr-defined]
    assert reasons == ["nobody answered within 0 s"] * 2 + ["nobody needs it any more"]


async def test_a_headless_run_has_nobody_to_ask_but_its_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run.asking("nobody")
    assert await alone.confirm("k", "Go?") is False
    with pytest.raises(NotAnswered, match="nobody can be asked in a headless run; set COCKPIT_SECRET_KEY_OF_OLD"):
        await alone.ask("key of old", "Passphrase?")
    monkeypatch.setenv("COCKPIT_SECRET_KEY_OF_OLD", VALUE)
    assert await alone.ask("key of old", "Passphrase?") == VALUE
    assert run.vault.redactor.text(VALUE) == "‹secret key of old›"
    assert not run.told(Asked)


async def test_a_password_too_short_to_hide_is_used_and_told(run: Run) -> None:
    asking = asyncio.create_task(run.asker.ask("login", "Password?"))
    await run.asked("login")
    assert run.asker.answer("login", "abc", "tom") == ""
    assert await asking == "abc"
    await run.ledger.write(Trouble(message="end"), "test")
    assert "is not taken out of what is written down: it is too short" in str(run.told(Trouble)[0])


async def test_the_dialog_hides_what_is_typed_and_sends_it_past_the_journal(run: Run) -> None:
    app = CockpitApp(run.source())
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "s0")
        asking = asyncio.create_task(run.asker.ask("db", "Password of the database", run.vault.unfit))
        await until(pilot, lambda: dialog(app))
        field = app.screen.query_one(Input)
        assert field.password
        await pilot.press(*"abc")
        await until(pilot, lambda: field.value == "abc" and "•••" in field.render_line(0).text)
        assert "abc" not in field.render_line(0).text
        await pilot.press("enter")
        await until(pilot, lambda: dialog(app) and not app.screen.query_one(Input).value)
        await pilot.press("escape")
        await shown(pilot, "? db: Password of the database  K answers")
        await pilot.press("K")
        await until(pilot, lambda: dialog(app))
        app.screen.query_one(Input).value = VALUE
        await pilot.press("enter")
        assert await asking == VALUE
        await until(pilot, lambda: not app.state.questions and not isinstance(app.screen, Question))
        await until(pilot, lambda: "K answers" not in app.canvas.text())
        assert VALUE not in app.canvas.text()


async def test_a_screen_that_watches_shows_the_question_and_opens_no_dialog(run: Run) -> None:
    driver, following = await followed(run)
    asking = asyncio.create_task(run.asker.ask("db", "Password of the database"))
    await run.asked("db")
    app = CockpitApp(run.source(token=""))
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, "? db: Password of the database  tom is asked")
        await pilot.press("K")
        await shown(pilot, "question: this screen only watches")
        assert not isinstance(app.screen, Question)
        assert await driver.source.tell("db", VALUE) is None
        assert await asking == VALUE
        await until(pilot, lambda: not app.state.questions)
    await gone(following)


async def test_a_dialog_closes_when_its_question_does(run: Run) -> None:
    app = CockpitApp(run.source())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.seat.drives)
        asking = asyncio.create_task(run.asker.confirm("host key of old", "Is it SHA256:aaaabbbbccccdddd?"))
        await until(pilot, lambda: dialog(app))
        assert not app.screen.query_one(Input).password
        await pilot.press("y", "enter")
        assert isinstance(app.screen, Question)
        assert app.screen.query_one("#ok", Button).disabled
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(pilot, lambda: not isinstance(app.screen, Question))


async def test_no_step_begins_before_the_secrets_are_there(run: Run) -> None:
    run.server.opened = False
    screen, following = await followed(run)
    assert "waits for its secrets" in (await screen.source.send(it.RunToGate()) or "")
    run.server.opened = True
    assert await screen.source.send(it.RunToGate()) is None
    await gone(following)
