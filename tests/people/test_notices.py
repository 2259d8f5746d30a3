"""Notices reach people: over mail, web hooks, Slack's and Matrix's shape, and IRC; each once, also after a crash."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from cockpit import intents as it
from cockpit.events import NoticeSent
from cockpit.journal.reader import records
from cockpit.people.helper import Helper
from cockpit.plan.load import load_plan
from cockpit.preflight.people import people_rows
from tests.people.receivers import hooks, irc, mail
from tests.people.running import headless, written

HARD = 'it\'s "here" $(touch owned) `x` \\ <b> {{}} é\nsecond line'


def plan_text(addresses: list[str], more: str = "", step: str = "") -> str:
    notify = ", ".join(f'"{address}"' for address in addresses)
    return f"""\
cutover: 1
name: notices
contacts: [{{name: users, channel: the list, notify: [{notify}]}}]
services:
  - id: web
{more}
    steps:
      - id: tell
        phase: prepare
        notice: {{to: [users], subject: "web moves tonight", text: {msgspec.json.encode(HARD).decode()}{step}}}
"""


async def test_one_notice_goes_over_every_kind_of_channel(tmp_path: Path) -> None:
    with hooks() as web, mail() as (box, smtp), irc() as (said, chat):
        addresses = [
            f"json://127.0.0.1:{web.port}/plain",
            f"mmost://127.0.0.1:{web.port}/{'k' * 24}",
            f"matrix://bot:{'t' * 64}@127.0.0.1:{web.port}?mode=slack",
            f"mailto://127.0.0.1:{smtp}?from=ops@old.example&to=users@new.example&mode=insecure",
            f"irc://127.0.0.1:{chat}/%23cutover?join=yes",
        ]
        state = await headless(tmp_path, plan_text(addresses))
        assert (state.step("web/tell").state, state.exit) == ("done", 0), state.step("web/tell")
        (plain,) = web.texts("/plain")
        assert (plain["title"], plain["message"]) == ("web moves tonight", HARD.replace("{{}}", "{}"))
        assert "second line" in str(web.texts("/hooks/"))
        assert "second line" in str(web.texts("/api/v1/matrix/hook/"))
        ((to, letter),) = box.got
        assert to == ("users@new.example",)
        assert "Subject: web moves tonight" in letter
        # What was handed over is on its way: the server may not have read all of it yet.
        async with asyncio.timeout(30):
            while not any("second line" in line and line.startswith("#cutover") for line in said):
                await asyncio.sleep(0.05)
    assert not Path("owned").exists()


async def test_who_could_not_be_reached_is_told_again_and_nobody_twice(tmp_path: Path) -> None:
    with hooks() as web:
        web.breaks["/bad"] = 503
        addresses = [f"json://127.0.0.1:{web.port}/{name}" for name in ("one", "bad", "three")]
        state = await headless(tmp_path, plan_text(addresses))
        assert (state.step("web/tell").state, state.exit) == ("failed", 1)
        assert "users 2: " in state.step("web/tell").detail
        web.breaks.clear()
        state = await headless(tmp_path, plan_text(addresses), first=it.RunStep(ref="web/tell"))
        assert (state.step("web/tell").state, state.exit) == ("done", 0)
        assert [path for path, _ in web.got] == ["/one", "/bad", "/three", "/bad"]


async def test_what_may_have_arrived_is_asked_to_a_person_and_not_sent_again(tmp_path: Path) -> None:
    with hooks() as web:
        web.breaks["/cut"] = 0
        addresses = [f"json://127.0.0.1:{web.port}/{name}" for name in ("cut", "two")]
        state = await headless(tmp_path, plan_text(addresses))
        assert state.step("web/tell").state == "unknown"
        assert "in doubt whether it reached users 1" in state.step("web/tell").detail
        decided = it.Decide(ref="web/tell", applied=True, reason="it is in the channel")
        state = await headless(tmp_path, plan_text(addresses), first=decided)
        assert (state.step("web/tell").state, state.exit) == ("done", 0)
        assert [path for path, _ in web.got] == ["/cut", "/two"]


async def test_a_crash_while_it_is_sent_doubles_nothing(tmp_path: Path) -> None:
    with hooks() as web:
        web.held.clear()
        plan = written(tmp_path, plan_text([f"json://127.0.0.1:{web.port}/slow", f"json://127.0.0.1:{web.port}/next"]))
        words = [sys.executable, "-m", "cockpit.conductor", "--folder", str(tmp_path / "run"), "--plan", str(plan)]
        conductor = await asyncio.create_subprocess_exec(*words, "--headless", stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not web.got:
            assert time.monotonic() < until, "nothing was sent"
            await asyncio.sleep(0.02)
        conductor.kill()
        await conductor.wait()
        web.held.set()
        state = await headless(tmp_path)
        assert state.step("web/tell").state == "unknown"
        assert [path for path, _ in web.got] == ["/slow"]
        # A person found that it had arrived: only the other one is told.
        state = await headless(tmp_path, first=it.Decide(ref="web/tell", applied=True, reason="Ann has it"))
        assert state.step("web/tell").state == "unverified"
        assert "not told yet: users 2" in state.step("web/tell").detail
        state = await headless(tmp_path, first=it.RunStep(ref="web/tell"))
        assert (state.step("web/tell").state, [path for path, _ in web.got]) == ("done", ["/slow", "/next"])


async def test_a_scheduled_notice_waits_for_its_time(tmp_path: Path) -> None:
    """S29: a preliminary notice goes out before the window of its service, and what comes behind it waits."""
    with hooks() as web:
        at = time.time() + 2.5
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at + 3600))
        end = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at + 7200))
        window = f"    window: {{start: {stamp}, end: {end}}}"
        text = plan_text([f"json://127.0.0.1:{web.port}/x"], window, ", before: 1h")
        due = load_plan(written(tmp_path, text)).services[0].steps[0].action.at  # type: ignore[union-attr]
        state = await headless(tmp_path, text)
        sent = next(
            record.utc for record in records(tmp_path / "run/journal.jsonl") if isinstance(record.event, NoticeSent)
        )
        assert (state.step("web/tell").state, len(web.got)) == ("done", 1)
        assert sent >= due


async def test_a_rehearsal_tells_nobody(tmp_path: Path) -> None:
    with hooks() as web:
        state = await headless(tmp_path, plan_text([f"json://127.0.0.1:{web.port}/x"]), mode="rehearsal")
        assert (state.step("web/tell").state, web.got) == ("done", [])


async def test_an_address_that_is_a_secret_is_written_down_nowhere(tmp_path: Path) -> None:
    with hooks() as web:
        (tmp_path / "hook").write_text(f"json://127.0.0.1:{web.port}/quite-secret-part\n")
        text = plan_text([]).replace("notify: []", "notify: [{secret: chat}]")
        state = await headless(tmp_path, f"{text}secrets: {{chat: {{file: hook}}}}\n")
        assert (state.step("web/tell").state, len(web.got)) == ("done", 1)
        web.breaks["/"] = 500
        kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
        assert b"quite-secret-part" not in kept


async def test_the_helper_that_is_silent_or_gone_leaves_a_doubt() -> None:
    with hooks() as web:
        web.held.clear()
        async with Helper(wait=3.0) as helper:
            said = await helper.send(f"json://127.0.0.1:{web.port}/x", "s", "t")
            assert said.state == "unknown"
            process = helper._process
            assert process is not None
            process.kill()
            await process.wait()
            assert (await helper.send("json://127.0.0.1:1/x", "s", "t")).state == "unknown"


async def test_an_address_that_nobody_understands_fails_before_anything_is_sent(tmp_path: Path) -> None:
    state = await headless(tmp_path, plan_text(["nonsense://x"]))
    assert state.step("web/tell").state == "failed"
    assert "does not understand" in state.step("web/tell").detail


async def test_preflight_looks_at_addresses_and_sends_nothing(tmp_path: Path) -> None:
    with hooks() as web:
        good = load_plan(written(tmp_path, plan_text([f"json://127.0.0.1:{web.port}/x", "nonsense://y"])))
        rows = await people_rows(good)
        assert [(row.where, row.grade) for row in rows] == [("users 1", "ok"), ("users 2", "fail")]
        assert web.got == []
