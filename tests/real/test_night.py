"""The stage of the migrations itself: a good night passes, and each fault that its accountant is there for is found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cockpit.events import AnyEvent, DnsSeen, DowntimeSeen, Record, StepApplied, StepIntended, StepMoved
from cockpit.journal.line import START, encode
from cockpit.plan.examples import Example
from tests.real.night import app, wayback
from tests.real.night.accountant import Accountant, marks, numbers
from tests.real.night.charon import closed
from tests.real.night.ledger import Act, Kind, Ledger, Outcome
from tests.real.night.names import Names
from tests.real.night.night import Wrong, conducting
from tests.real.night.refusals import Meant
from tests.real.night.stage import fitted, forget, plant
from tests.real.night.traffic import Crowd
from tests.real.rig import RealHost, Rig
from tests.real.world import needs_world
from tests.real.world.dns import Key, bind, update, zone_text

pytestmark = needs_world

ZONE = "night.test"
PLAN = """\
cutover: 1
name: a small night
hosts:
  old: {ssh: root@192.0.2.10, address: 192.0.2.10, known_hosts: keys/known_hosts, identity_file: keys/operator}
  new: {ssh: root@192.0.2.20, address: 192.0.2.20, known_hosts: keys/known_hosts, identity_file: keys/operator}
dns: {zone: night.test, primary: 192.0.2.53, authorities: [192.0.2.53], resolvers: [192.0.2.53], tsig: {name: cutover, file: keys/cutover.key}}
services:
  - id: shop
    writer: {http: "http://shop.night.test/whoami", old: old, new: new}
    steps:
      - {id: presync, phase: copy, sync: {from: old, to: new, paths: [/srv/shops/shop/]}}
      - id: freeze
        phase: freeze
        closes: old
        released_by: open
        on: old
        run: &mode
          probe: test "$(cat /srv/shops/shop.mode 2>/dev/null)" = "$mode"
          capture: echo "was=$(cat /srv/shops/shop.mode 2>/dev/null)"
          apply: echo "$mode" >/srv/shops/shop.mode
          verify: |
            test "$(curl -s -H 'Host: shop.night.test' http://127.0.0.1/whoami)" = "$says"
          undo: if [ -n "$captured_was" ]; then echo "$captured_was" >/srv/shops/shop.mode; else rm -f /srv/shops/shop.mode; fi
        with: {mode: staging, says: staging}
      - {id: final-sync, phase: sync, sync: {from: old, to: new, paths: [/srv/shops/shop/], final: true}}
      - {id: open, phase: switch, opens: new, point_of_no_return: soft, on: new, run: *mode, with: {mode: live, says: new}}
      - {id: dns, phase: switch, dns: {name: shop.night.test, type: A, old: [192.0.2.10], new: [192.0.2.20], ttl: 1}}
      - {id: look, phase: verify, manual: {owner: ann, message: Is your shop there?}}
"""


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture
def hosts(rig: Rig, key: Key) -> dict[str, RealHost]:
    """The hosts, with the shop on old and nothing on new."""
    if not rig.hosts:
        for name in ("old", "new", "ns1", "world"):
            rig.host(name)
        for name in ("old", "new"):
            rig.hosts[name].run("mkdir -p /srv/shops/shop")
            app.serve(rig.hosts[name], name, root="/srv/shops", domain=ZONE, address="0.0.0.0", port=80)
        ns1 = rig.hosts["ns1"]
        bind(ns1, zone_text({"ns1": ns1}, f"shop 1 IN A {rig.hosts['old'].address}", zone=ZONE), zone=ZONE, key=key)
    old, new = rig.hosts["old"], rig.hosts["new"]
    old.run(
        "mkdir -p /srv/shops/shop/pages /srv/shops/shop/data; echo hello >/srv/shops/shop/pages/index.html; cd /srv/shops/shop/pages; echo same >again; echo 2 >one; ln -f one two; touch listed able"
    )
    new.run("rm -rf /srv/shops/*; mkdir -p /srv/shops/shop; echo staging >/srv/shops/shop.mode")
    old.run("rm -f /srv/shops/shop.mode /srv/shops/shop/data/writes")
    forget(rig)
    name = f"shop.{ZONE}"
    update(rig.hosts["ns1"], key, f"update delete {name} A\nupdate add {name} 1 A {old.address}", zone=ZONE)
    return rig.hosts


def planted(rig: Rig, folder: Path, key: Key, text: str = PLAN) -> Path:
    samples = {"192.0.2.10": "old", "192.0.2.20": "new", "192.0.2.53": "ns1"}
    example = Example(name="small", text=text, recipes={})
    file = plant(rig, folder, example, {sample: rig.hosts[name].address for sample, name in samples.items()})
    key.file(folder / "keys")
    return file


def people(hosts: dict[str, RealHost], rig: Rig) -> Crowd:
    crowd = Crowd(hosts["world"], Names(hosts["ns1"].address))
    crowd.browse("shop", f"http://shop.{ZONE}/", every=0.1)
    crowd.write("shop", f"http://shop.{ZONE}/write", every=0.05)
    crowd.login("shop", "mover", f"shop.{ZONE}", rig.key)
    return crowd


async def test_a_night_goes_over_with_people_on_it_and_the_accountant_is_content(
    desk: Rig, hosts: dict[str, RealHost], key: Key, tmp_path: Path
) -> None:
    asked: list[str] = []
    with people(hosts, desk) as crowd:
        await crowd.see("write", "shop")
        await crowd.see("login", "shop", 1)
        async with conducting(tmp_path / "run", planted(desk, tmp_path / "plan", key), {"look": asked.append}) as night:
            await night.go()
            await crowd.see("write", "shop", 5, by="new")
            await crowd.see("login", "shop", 1, by="new")
            await night.until(lambda state: state.services["shop"].writer == "new")
            await night.end()
        crowd.home()
        books = Accountant(crowd.ledger)
        books.visits("shop", ["old", "new"])
        books.writes("shop", numbers(hosts["new"], "/srv/shops/shop/data/writes"))
        books.busy()
        # Old stays closed: whoever still has its address is refused there.
        frozen = Meant("frozen", "write", ["shop"], "{service}/freeze", "nothing opens it", "503 read-only")
        books.refused([tmp_path / "run"], [frozen])
        books.journal(tmp_path / "run")
        books.settle()
        # The same accountant finds what is not there, and what nobody knows of.
        books.writes("shop", [*numbers(hosts["new"], "/srv/shops/shop/data/writes")[1:], 10_000])
        assert ["lost write [1]" in books.wrong[0], "[10000]" in books.wrong[1]] == [True, True]
    assert asked == ["shop"]


async def test_undone_from_the_last_safe_point_old_is_as_before_but_for_what_people_did(
    desk: Rig, hosts: dict[str, RealHost], key: Key, tmp_path: Path
) -> None:
    old, writes = hosts["old"], "/srv/shops/shop/data/writes"
    zone = wayback.zone(desk.pid, hosts["ns1"].address, ZONE)
    with people(hosts, desk) as crowd:
        await crowd.see("write", "shop")
        await crowd.see("login", "shop", 1)
        before = wayback.remember(old, ["/srv", "/etc"], asked={"users": "getent passwd"})
        async with conducting(tmp_path / "run", planted(desk, tmp_path / "plan", key)) as night:
            await night.go(before="open")
            assert night.states()["shop/final-sync"] == "done"
            await night.kill()
            await night.start()
            await night.back()
            await crowd.see("write", "shop", 5, by="old")
            await night.end()
        crowd.home()
    left = wayback.differences(before, old, but={writes: wayback.grown}, touched=[wayback.KEYS])
    assert not left, "\n".join(left)
    assert wayback.zone(desk.pid, hosts["ns1"].address, ZONE) == zone
    books = Accountant(crowd.ledger)
    books.visits("shop", ["old"])
    books.writes("shop", numbers(old, writes))
    books.journal(tmp_path / "run", undone=True)
    books.settle()
    # What somebody else did is found: content, mode, owner, a new file, one that went.
    old.run(
        "chmod 600 /srv/shops/shop/pages/index.html; touch /srv/more; echo x >>/etc/hosts; chown 1 /etc/hostname; rm /etc/machine-id;"
        "cd /srv/shops/shop/pages; setfacl -m u:mover:r listed; cp -p two two.new; mv two.new two; echo same >again;"
        "setcap cap_net_raw+ep able;"
        # Nothing of this was named.
        "touch /tmp/left; rm /usr/lib/os-release; chmod 700 /usr/bin/env; echo 1 >/var/log/syslog"
    )
    found = wayback.differences(before, old, but={writes: wayback.grown}, touched=[wayback.KEYS])
    assert [line.split(":")[1].split()[0] for line in found] == [
        "/etc/hostname", "/etc/hosts", "/etc/machine-id", "/srv/more", *(f"/srv/shops/shop/pages/{name}" for name in ("able", "again", "index.html", "listed", "one", "two")),
        "/tmp/left", "/usr/bin/env", "/usr/lib/os-release",
    ]  # fmt: skip
    assert not any(
        "/again" in line for line in wayback.differences(before, old, but={writes: wayback.grown}, touched=["*/again"])
    )


async def test_a_step_that_fails_ends_the_night_with_what_it_said(
    desk: Rig, hosts: dict[str, RealHost], key: Key, tmp_path: Path
) -> None:
    text = PLAN.replace('apply: echo "$mode" >/srv/shops/shop.mode', "apply: echo no room >&2; exit 1")
    assert text != PLAN
    async with conducting(tmp_path / "run", planted(desk, tmp_path / "plan", key, text)) as night:
        with pytest.raises(Wrong, match=r"shop/freeze is failed(?s:.*)no room"):
            await night.go()


# --- without hosts ----------------------------------------------------------------------------------------------------


def ledger(kind: Kind, *outcomes: Outcome) -> Ledger:
    made = Ledger()
    for number, outcome in enumerate(outcomes, 1):
        made.add(Act(kind, "osf", number, outcome))
    return made


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ({1: 1, 3: 1}, ""),
        ({1: 1}, ""),  # nobody knows of 3
        ({3: 1}, "lost message [1]"),
        ({1: 2}, "more than once"),
        ({1: 1, 3: 2}, "more than once"),
        ({1: 1, 2: 1}, "nobody was told of: [2]"),
    ],
)
def test_each_message_is_there_once_or_the_accountant_says_so(found: dict[int, int], fault: str) -> None:
    books = Accountant(ledger("message", "taken", "refused", "unknown"))
    books.messages("osf", found)
    assert (fault in books.wrong[0]) if fault else not books.wrong


def test_a_message_that_was_tried_again_after_a_lost_answer_may_be_there_twice() -> None:
    made = ledger("message", "unknown")
    made.add(Act("message", "osf", 1, "taken"))
    books = Accountant(made)
    books.messages("osf", {1: 2})
    books.settle()


def freeze(
    folder: Path, *moves: tuple[float, str, str], away: float = 0.0, of: str = "osf", name: str = "", ttl: int = -1
) -> Path:
    """A journal in which steps of a service were intended (`apply`, `undo`) and came to be (`done`, `undone`), and what a meter
    saw; with a `name` also with which TTLs its servers told the old address: this one at the most."""
    told: list[tuple[float, AnyEvent]] = []
    for role, seen in (("primary", ttl), ("authority", ttl - 1), ("resolver", ttl + 60)) if name else ():
        told.append((0.0, DnsSeen(service=of, name=name, type="A", vantage=role, role=role, state="old", ttl=seen)))  # type: ignore[arg-type]
    for at, step, what in moves:
        ref = f"{of}/{step}"
        if what in {"apply", "undo"}:
            told.append((at, StepIntended(ref=ref, attempt=1, op="undo" if what == "undo" else "apply", job="j")))
        else:
            told.append(
                (at, StepMoved(ref=ref, attempt=1, state="undone" if what == "undone" else "done", verified=True))
            )
    told.append((99.0, DowntimeSeen(service="osf", lower=away, upper=away + 1, failed=2 if away else 0)))
    head, text = START, b""
    for seq, (at, event) in enumerate(told, 1):
        line, head = encode(Record(seq=seq, utc=at, mono=at, actor="operator", event=event), head)
        text += line
    folder.mkdir(exist_ok=True)
    (folder / "journal.jsonl").write_bytes(text)
    return folder


OVER = ((10.0, "freeze", "apply"), (11.0, "freeze", "done"), (20.0, "open", "apply"), (21.0, "open", "done"))
BACK = ((10.0, "freeze", "apply"), (11.0, "freeze", "done"), (20.0, "freeze", "undo"), (21.0, "freeze", "undone"))
ROLLED = (*OVER, (30.0, "open", "undo"), (31.0, "open", "undone"), (40.0, "freeze", "undo"), (41.0, "freeze", "undone"))
FROZEN = Meant("frozen", "visit", ["osf"], "{service}/freeze", "{service}/open", "^50[23]")


@pytest.mark.parametrize(
    ("moves", "at", "said", "fault"),
    [
        (
            OVER,
            9.0,
            "502 Bad Gateway",
            "1 of kind visit were refused or unanswered for no reason: 1 refused by nobody: 502",
        ),
        (OVER, 10.5, "502 Bad Gateway", ""),
        (OVER, 20.5, "503 moving", ""),
        (OVER, 22.0, "502 Bad Gateway", "for no reason"),
        (OVER, 15.0, "404 no such page", "for no reason"),
        (BACK, 15.0, "502 Bad Gateway", ""),
        (BACK, 22.0, "502 Bad Gateway", "for no reason"),
        (ROLLED, 25.0, "502 Bad Gateway", "for no reason"),
        (ROLLED, 35.0, "502 Bad Gateway", ""),
        (ROLLED, 42.0, "502 Bad Gateway", "for no reason"),
    ],
)
def test_whoever_is_refused_while_nothing_is_closed_is_found(
    tmp_path: Path, moves: tuple[tuple[float, str, str], ...], at: float, said: str, fault: str
) -> None:
    """One 502 outside of the freeze is enough, before it as after it, with a hundred visits around it that were answered."""
    made = Ledger()
    for number in range(100):
        made.add(Act("visit", "osf", number, "taken", "old", "200", number / 10, number / 10))
    made.add(Act("visit", "osf", 1, "refused", "", said, at, at + 0.2))
    books = Accountant(made)
    books.refused([freeze(tmp_path, *moves)], [FROZEN])
    assert (fault in books.wrong[0]) if fault else not books.wrong, books.wrong


MOVED = (
    *((10.0, "game-down", "apply"), (12.0, "game-down", "done"), (20.0, "game-up", "apply"), (21.0, "game-up", "done")),
    *(
        (21.5, "mush-dns", "apply"),
        (22.0, "mush-dns", "done"),
        (30.0, "force-ns3", "apply"),
        (31.0, "force-ns3", "done"),
    ),
    *((40.0, "game-off", "apply"), (41.0, "game-off", "done"), (50.0, "finished", "done")),
)
"""A player's game goes down, comes up on another host, and its name is moved. A cache may have asked until 22, and its answer is
good for a TTL of 3 seconds and one more: until 26."""
STAYED = (
    *MOVED[:4],
    (23.0, "game-up", "undo"),
    (24.0, "game-up", "undone"),
    (25.0, "game-down", "undo"),
    (28.0, "game-down", "undone"),
)
OLD, NEW, REFUSED = (
    "192.0.2.10",
    "192.0.2.20",
    "ConnectionRefusedError: [Errno 111] Connection refused: GAME: going down.",
)


@pytest.mark.parametrize(
    ("user", "moves", "at", "by", "said", "meant"),
    [
        ("beni", MOVED, 9.7, OLD, REFUSED, False),
        ("beni", MOVED, 12.5, OLD, REFUSED, True),
        # The game is up there, and the name leads here still.
        ("beni", MOVED, 21.2, OLD, REFUSED, True),
        ("beni", MOVED, 21.2, NEW, REFUSED, False),
        ("beni", MOVED, 21.2, "", "no answer", False),
        ("beni", MOVED, 25.9, OLD, REFUSED, True),
        ("beni", MOVED, 25.9, OLD, "TimeoutError: timed out", False),
        ("beni", MOVED, 26.1, OLD, REFUSED, False),
        ("beni", MOVED, 30.5, OLD, REFUSED, False),
        ("beni", STAYED, 26.0, OLD, REFUSED, True),
        ("beni", STAYED, 28.1, OLD, REFUSED, False),
        # Whose players stay is refused nothing, but by the old game when it goes.
        ("daichi", MOVED, 22.5, OLD, REFUSED, False),
        ("daichi", MOVED, 40.5, OLD, REFUSED, True),
        ("daichi", MOVED, 40.5, NEW, REFUSED, False),
        ("daichi", MOVED, 41.1, OLD, REFUSED, False),
    ],
)  # fmt: skip
def test_a_player_may_be_refused_by_the_old_address_for_as_long_as_a_cache_may_hold_it_and_no_longer(
    tmp_path: Path, user: str, moves: tuple[tuple[float, str, str], ...], at: float, by: str, said: str, meant: bool
) -> None:
    made = Ledger()
    made.add(Act("line", user, 75, "refused", by, said, at, at + 0.05))
    books = Accountant(made)
    books.refused([freeze(tmp_path, *moves, of=user, name=f"{user}.nekodojo.test", ttl=3)], closed(OLD))
    fault = (
        []
        if meant
        else [
            f"{user}: 1 of kind line were refused or unanswered for no reason: 75 refused by {by or 'nobody'}: {said}"
        ]
    )
    assert books.wrong == fault


@pytest.mark.parametrize("kind", ["write", "login", "line", "message"])
def test_what_got_no_answer_is_found_as_what_was_refused(tmp_path: Path, kind: Kind) -> None:
    books = Accountant(ledger(kind, "taken", "unknown", "taken"))
    books.refused([freeze(tmp_path, *OVER)], [FROZEN])
    assert f"1 of kind {kind} were refused or unanswered" in books.wrong[0]


@pytest.mark.parametrize(("away", "fault"), [(0.0, ""), (10.9, ""), (11.1, "meant to be for 11.00 s")])
def test_a_meter_that_saw_more_than_the_closed_time_is_believed(tmp_path: Path, away: float, fault: str) -> None:
    """S3: the downtime of a service is what its plan takes away, and nothing more."""
    books = Accountant(Ledger())
    books.refused([freeze(tmp_path, *OVER, away=away)], [FROZEN])
    assert (fault in books.wrong[0]) if fault else not books.wrong, books.wrong


def test_a_meter_that_saw_less_than_visitors_did_is_found(tmp_path: Path) -> None:
    made = Ledger()
    for at in (10.5, 14.0, 18.0):
        made.add(Act("visit", "osf", 1, "refused", "", "503 moving", at, at + 0.1))
    books = Accountant(made)
    books.refused([freeze(tmp_path, *OVER, away=2.0)], [FROZEN])
    assert "visitors were refused for 7.40 s, its meter saw 3.00 at the most" in books.wrong[0]


def test_a_declared_loss_is_no_fault_unless_it_is_there_after_all() -> None:
    books = Accountant(ledger("write", "taken", "taken"))
    books.writes("osf", [1], lost=[2])
    books.settle()
    books.writes("osf", [1, 2], lost=[2])
    assert "declared lost" in books.wrong[0]


def test_going_to_and_fro_between_hosts_is_found() -> None:
    made = Ledger()
    for by in ("old", "old", "new", "old", "new"):
        made.add(Act("visit", "osf", 1, "taken", by))
    books = Accountant(made)
    books.visits("osf", ["old", "new"])
    assert "old → new → old → new" in books.wrong[0]


@pytest.mark.parametrize(
    ("looked", "verified", "fault"),
    [(True, True, ""), (False, True, "without a verification"), (True, False, "without a verification")],
)
def test_a_tick_without_a_verification_is_found_in_the_journal(
    tmp_path: Path, looked: bool, verified: bool, fault: str
) -> None:
    told: list[StepApplied | StepMoved] = [StepApplied(ref="osf/dns", attempt=1, op="apply", outcome="ok")]
    if looked:
        told.append(StepMoved(ref="osf/dns", attempt=1, state="verifying"))
    told.append(StepMoved(ref="osf/dns", attempt=1, state="done", verified=verified))
    head, text = START, b""
    for seq, event in enumerate(told, 1):
        line, head = encode(Record(seq=seq, utc=1.0, mono=1.0, actor="operator", event=event), head)
        text += line
    (tmp_path / "journal.jsonl").write_bytes(text)
    books = Accountant(Ledger())
    books.journal(tmp_path)
    assert (fault in books.wrong[0]) if fault else not books.wrong


def test_marks_of_messages_are_told_apart_by_service() -> None:
    raw = b"From a\nX-Night: osf 1\r\n\nX-Night: wwf 7\nX-Night: osf 1\n"
    assert marks(raw, "osf") == Counter({1: 2})
    assert marks(raw) == Counter({1: 2, 7: 1})


def test_samples_of_a_plan_are_replaced_alone_and_a_stale_one_is_a_fault() -> None:
    text = r'a: 192.0.2.1, b: "192\\.0\\.2\\.10", c: 192.0.2.10:25, d: x192.0.2.1'
    assert fitted(text, {"192.0.2.1": "10.0.0.1", "192.0.2.10": "192.0.2.1"}) == (
        r'a: 10.0.0.1, b: "192\\.0\\.2\\.1", c: 192.0.2.1:25, d: x192.0.2.1'
    )
    with pytest.raises(AssertionError, match=r"192\.0\.2\.99"):
        fitted(text, {"192.0.2.99": "10.0.0.9"})
