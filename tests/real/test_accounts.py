"""A run and two more Unix accounts: access given and taken by name, a gate confirmed, refused, expired, and not by its opener."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.events import AccessGiven, AccessTaken, GateOpened, IntentRefused, IntentTaken, RunHeld, SecondOver
from cockpit.journal.reader import records
from tests.real.accounts import Process, accounts, needs_accounts

pytestmark = needs_accounts

GATE = "pilot-good"
OPEN = f'{{"intent":"open-gate","gate":"{GATE}","typed":"{GATE}"}}'


class House:
    """A machine with ann, who conducts, bob and eve."""

    def __init__(self, root: Path) -> None:
        tag = os.getpid()
        self.ann, self.bob, self.eve = f"ck-ann-{tag}", f"ck-bob-{tag}", f"ck-eve-{tag}"
        self.root = root
        self.env = {"COCKPIT_RUNS": str(root / "runs"), "COCKPIT_DOORS": str(root / "doors")}
        self.folder = root / "runs" / "night"
        self.running: list[Process] = []

    def process(self, account: str, *words: str) -> Process:
        made = Process(account, *words, env=self.env)
        self.running.append(made)
        return made

    def cockpit(self, account: str, *words: str) -> tuple[int, str]:
        return self.process(account, "cockpit", *words).end()


@pytest.fixture
def house() -> Iterator[House]:
    # Not below pytest's own folder: other accounts cannot enter that.
    root = Path(tempfile.mkdtemp(prefix="ck-", dir="/tmp"))
    made = House(root)
    try:
        with accounts(made.ann, made.bob, made.eve):
            root.chmod(0o755)
            (root / "doors").mkdir()
            (root / "doors").chmod(0o1777)
            (root / "runs").mkdir()
            os.chown(root / "runs", pwd.getpwnam(made.ann).pw_uid, -1)
            (root / "runs").chmod(0o700)
            try:
                yield made
            finally:
                for process in made.running:
                    process.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def test_another_account_is_let_in_watches_holds_confirms_and_is_let_out_again(house: House) -> None:
    run = house.process(house.ann, "conduct", str(house.folder))
    assert run.line() == "ready"
    uid = pwd.getpwnam(house.bob).pw_uid

    # Nobody has access yet: the run's own socket and folder are closed to them.
    status, said = house.cockpit(house.bob, "confirm", str(house.folder), GATE)
    assert status != 0, said

    status, said = house.cockpit(house.ann, "access", "night", "--give", house.bob)
    assert status == 0, said
    found = re.search(r"cockpit watch (\S+)", said)
    assert found, said
    door = found[1]
    assert f"names {house.bob}" in said or "group" in said

    # eve was not let in, whatever she knows.
    status, said = house.cockpit(house.eve, "confirm", door, GATE)
    assert status == 2, said
    assert "is not open to this account" in said

    # bob watches and holds, and cannot drive: not with a guess, and not with the token itself.
    token = (house.folder / "token").read_text().strip()
    for guess in ("guess", token):
        assert (
            house.process(house.bob, "visit", door, guess).line() == "over nobody drives by the door for other accounts"
        )
    bob = house.process(house.bob, "visit", door, "")
    assert bob.line() == "in"
    assert bob.ask('{"intent":"next"}') == "this screen only watches"
    assert bob.ask('{"intent":"claim"}') == "this screen only watches"
    assert bob.ask(f'{{"intent":"give-access","account":"{house.eve}"}}').startswith("only the account that conducts")
    assert bob.ask('{"intent":"hold","reason":"wait a moment"}') == "taken"
    assert run.ask('{"intent":"run","ref":"s1/copy"}') == f"s1/copy cannot run: {house.bob} holds: wait a moment"
    held = next(record for record in records(house.folder / "journal.jsonl") if isinstance(record.event, RunHeld))
    assert held.event.who.uid == uid  # type: ignore[union-attr]
    assert run.ask(f'{{"intent":"release","hold":{held.seq},"typed":"{house.bob}"}}') == "taken"

    # Asked, shown, and confirmed by its name.
    assert run.ask("green") == "green"
    assert run.ask(OPEN) == "taken"
    second = house.process(house.bob, "cockpit", "confirm", door, GATE)
    second.say(GATE)
    status, said = second.end()
    assert status == 0, said
    assert "evidence: s0: writer new holds" in said
    assert run.ask("gate") == f"open {house.bob}"

    # Taken away: the connection is cut at once, the door is gone, and no way leads back.
    status, said = house.cockpit(house.ann, "access", "night", "--take", house.bob)
    assert (status, said) == (0, "No other account has access.\n")
    assert bob.line().startswith("over")
    assert not Path(door).exists()
    status, said = house.cockpit(house.bob, "confirm", door, GATE)
    assert status == 2, said

    events = [record.event for record in records(house.folder / "journal.jsonl")]
    [given] = [event for event in events if isinstance(event, AccessGiven)]
    assert (given.account, given.uid, given.may) == (house.bob, uid, "confirm")
    assert [event.account for event in events if isinstance(event, AccessTaken)] == [house.bob]
    [opened] = [event for event in events if isinstance(event, GateOpened)]
    assert (opened.second, opened.confirmed.uid, opened.alone) == (house.bob, uid, False)
    confirmed = [event for event in events if isinstance(event, IntentTaken) and '"confirm"' in event.intent]
    assert [event.who.account for event in confirmed] == [house.bob]


def test_a_gate_is_not_confirmed_by_its_opener_nor_too_late_nor_by_the_wrong_word_nor_without_the_right(
    house: House,
) -> None:
    run = house.process(house.ann, "conduct", str(house.folder))
    assert run.line() == "ready"
    status, said = house.cockpit(house.ann, "access", "night", "--give", house.eve, "--watch")
    assert status == 0, said
    status, said = house.cockpit(house.ann, "access", "night", "--give", house.bob)
    assert status == 0, said
    found = re.search(r"cockpit watch (\S+)", said)
    assert found
    door = found[1]

    assert run.ask("green") == "green"
    assert run.ask(OPEN) == "taken"
    for account, socket, why in (
        (house.ann, "night", f"{house.ann} asked for it"),
        (house.eve, door, f"{house.eve} may look and hold, and not confirm"),
    ):
        other = house.process(account, "cockpit", "confirm", socket, GATE)
        other.say(GATE)
        status, said = other.end()
        assert status == 1, said
        assert why in said
    other = house.process(house.bob, "cockpit", "confirm", door, GATE)
    other.say("yes")
    status, said = other.end()
    assert status == 1, said
    assert f"type {GATE} to confirm it" in said
    assert run.ask("gate") == "asked"

    # He reads, and a minute goes by.
    late = house.process(house.bob, "cockpit", "confirm", door, GATE)
    while not late.line().startswith("To confirm"):
        pass
    assert run.ask("later 61") == "later 61"
    assert late.line() == "cockpit: the question is over: nobody confirmed it within 60 s"
    assert late.end()[0] == 1
    assert run.ask("gate") == "closed nobody confirmed it within 60 s"

    events = [record.event for record in records(house.folder / "journal.jsonl")]
    refused = [event for event in events if isinstance(event, IntentRefused) and '"confirm"' in event.intent]
    assert [event.who.account for event in refused] == [house.ann, house.eve, house.bob]
    assert [event.reason for event in events if isinstance(event, SecondOver)] == ["nobody confirmed it within 60 s"]
    assert not [event for event in events if isinstance(event, GateOpened)]
