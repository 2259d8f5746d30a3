"""A run whose scripts say their secrets in every way: none of them is in the run folder, and undo still has what it needs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from cockpit import intents as it
from cockpit.conductor.assembly import Options, conduct
from cockpit.conductor.client import LiveSource
from cockpit.conductor.headless import Orders
from cockpit.conductor.sources import SecretMissing
from cockpit.events import Asked, LogSeen, StepCaptured, StepIntended, StepMoved, StepOutput
from cockpit.journal.folder import RunFolder
from cockpit.journal.needles import needles
from cockpit.journal.reader import records
from cockpit.lab import Lab
from cockpit.plan.load import load_plan
from tests.conductor.seats import Screen
from tests.hosts.told import hosts_of

PASSWORD = 'it\'s s3cret/"horse"?~'
TOKEN = "hcloud-0123456789abcdef"
KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGZ1bm55IHBlb3BsZSBkZWNvZGUg\ndGhpcywgaGVsbG8gdGhlcmU=\n-----END PRIVATE KEY-----"
ASKED = "open sesame, please"

LEAK = {
    "probe": "test -e stored",
    "capture": 'echo "was=before $db_password and $api"; echo "plain=1"',
    "apply": """
        echo "in clear: $db_password"
        printf %s "$db_password" | base64
        printf 'user:%s' "$api" | base64 -w0; echo
        echo "$key"; echo "$key" | base64 >&2
        printf %s "${api%????????????}"; sleep 0.4; printf '%s\\n' "${api#???????????}"
        echo "login with $db_password and $api" >>logs/app.log
        printf '%s' "$vault" >stored
        sleep 0.5
    """,
    "verify": 'test "$(cat stored)" = "$vault" && echo "it is $vault"',
    "undo": 'printf "%s\\n" "$captured_was" >restored; rm stored',
    "verify_undo": "test ! -e stored",
}
FAIL = {"apply": 'echo "fatal: $password refused" >&2; exit 3', "verify": "true", "undo": "true", "verify_undo": "true"}


def plan(lab: Lab, **secrets: dict[str, str]) -> Path:
    hosts = {id: msgspec.to_builtins(host) for id, host in hosts_of(lab).items()}
    for host in hosts.values():
        del host["id"]
    own = {
        "db_password": {"file": "secrets/db"},
        "api": {"env": "TEST_API_TOKEN"},
        "key": {"command": "cat secrets/key"},
    }
    names = ["db_password", "api", "key", "vault"]
    steps = [
        {"id": "leak", "phase": "copy", "on": "new", "secrets": names, "run": LEAK},
        {"id": "fail", "phase": "copy", "on": "new", "secrets": [{"password": "db_password"}], "run": FAIL},
    ]
    text = {
        "cutover": 1,
        "name": "night",
        "hosts": hosts,
        "secrets": {**own, "vault": {"ask": "Password of the vault"}, **secrets},
        "services": [{"id": "osf", "logs": [{"host": "new", "file": "logs/app.log"}], "steps": steps}],
    }
    folder = lab.folder / "plan"
    (folder / "secrets").mkdir(parents=True)
    for name, value in (("db", f"{PASSWORD}\n"), ("key", KEY)):
        (folder / "secrets" / name).write_text(value)
        (folder / "secrets" / name).chmod(0o600)
    (folder / "plan.yaml").write_text(json.dumps(text))
    (lab.new.home / "logs/app.log").touch()
    return folder / "plan.yaml"


def found(folder: Path) -> list[str]:
    """Every secret, in whatever encoding, in whatever file below a folder."""
    forms = {form for value in (PASSWORD, TOKEN, KEY, ASKED) for form in needles(value)}
    texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [f"{path.name}: {form.decode()}" for path, text in texts.items() for form in forms if form in text]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("TEST_API_TOKEN", TOKEN)
    (tmp_path / "run").mkdir(mode=0o700)
    return RunFolder(tmp_path / "run")


@asynccontextmanager
async def driven(run: RunFolder, plan: Path) -> AsyncIterator[Screen]:
    """A conductor with a screen on it, which dies at the end."""
    conducting = asyncio.create_task(conduct(run, load_plan(plan), Options()))
    screen = Screen(LiveSource(run.socket, "tom", run.token(), wait=10, alive=lambda: not conducting.done()))
    following = asyncio.create_task(screen.follow())
    try:
        yield screen
    finally:
        for task in (following, conducting):
            task.cancel()
        await asyncio.gather(following, conducting, return_exceptions=True)


async def done(screen: Screen, holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        await screen.until(holds)


async def test_nothing_that_a_script_says_reaches_the_run_folder_and_undo_after_a_crash_has_it_all(
    lab: Lab, folder: RunFolder
) -> None:
    file = plan(lab)
    for attempt in (1, 2):
        async with driven(folder, file) as screen:
            await done(screen, lambda: "vault" in screen.state.questions)
            assert "waits for its secrets" in (await screen.source.send(it.RunToGate()) or "")
            assert attempt == 2 or screen.state.hosts["new"].link == "connecting", (
                "no link is opened before the secrets are there"
            )
            assert await screen.source.tell("vault", ASKED) is None
            await done(screen, lambda: screen.state.hosts["new"].link == "up")
            if attempt == 1:
                assert await screen.source.send(it.RunStep(ref="osf/leak")) is None
                await done(screen, lambda: screen.state.step("osf/leak").state == "done")
                await done(screen, lambda: screen.state.logs)
                assert await screen.source.send(it.RunStep(ref="osf/fail")) is None
                await done(screen, lambda: screen.state.step("osf/fail").state == "failed")
            else:
                for ref in ("osf/fail", "osf/leak"):
                    assert await screen.source.send(it.Undo(service="osf")) is None
                    await done(screen, lambda: screen.state.step(ref).state == "undone")  # noqa: B023
    events = [record.event for record in records(folder.journal)]
    assert found(folder.path) == []
    said = [line for event in events if isinstance(event, StepOutput) for line in event.lines]
    assert "in clear: ‹secret db_password›" in said
    assert "‹secret db_password›" in said
    assert said.count("‹secret key›") >= 6
    assert "fatal: ‹secret db_password› refused" in said
    assert any(event.detail == "it is ‹secret vault›" for event in events if isinstance(event, StepMoved))
    logged = [event.lines for event in events if isinstance(event, LogSeen)]
    assert set(logged) == {("login with ‹secret db_password› and ‹secret api›",)}
    captured = next(event.captured for event in events if isinstance(event, StepCaptured) and event.ref == "osf/leak")
    assert captured["plain"] == "1"
    assert (lab.new.home / "restored").read_text() == f"before {PASSWORD} and {TOKEN}\n"
    assert len([event for event in events if isinstance(event, Asked)]) == 2, "what was typed is not kept over a crash"
    jobs = {event.job for event in events if isinstance(event, StepIntended)}
    for job in jobs:
        kept = lab.new.home / ".cockpit/jobs" / job
        assert kept.is_dir()
        assert not list(kept.glob("script*")), "a script with a secret vanishes when it begins"
        for stream in ("out", "err"):
            raw = folder.path / f"raw/{job}.{stream}"
            sizes = (raw.stat().st_size if raw.exists() else 0, (kept / stream).stat().st_size)
            assert sizes[0] == sizes[1], "offsets are those of the host"


async def test_a_run_does_not_begin_when_its_person_will_not_answer(lab: Lab, folder: RunFolder) -> None:
    conducting = asyncio.create_task(conduct(folder, load_plan(plan(lab)), Options()))
    screen = Screen(LiveSource(folder.socket, "tom", folder.token(), wait=10))
    following = asyncio.create_task(screen.follow())
    await done(screen, lambda: "vault" in screen.state.questions)
    assert await screen.source.tell("vault", None) is None
    with pytest.raises(SecretMissing, match=r"vault: tom gives no answer. Nothing has begun"):
        await conducting
    await following
    assert any(entry.word == "trouble" and "gives no answer" in entry.text for entry in screen.state.timeline)


async def test_a_headless_run_asks_nobody_and_refuses_before_it_makes_a_journal(lab: Lab, folder: RunFolder) -> None:
    words = ["-m", "cockpit.conductor", "--folder", str(folder.path), "--plan", str(plan(lab)), "--headless"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().splitlines() == [
        "cockpit: secret vault: nobody can be asked in a headless run; set COCKPIT_SECRET_VAULT, give another source, "
        "or run it on a terminal"
    ]
    assert not folder.journal.exists()


async def test_a_headless_run_takes_an_answer_from_its_environment_and_says_no_secret(
    lab: Lab, folder: RunFolder
) -> None:
    words = ["-m", "cockpit.conductor", "--folder", str(folder.path), "--plan", str(plan(lab)), "--headless", "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        env={**os.environ, "COCKPIT_SECRET_VAULT": ASKED},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 1, err
    (folder.path / "conductor.log").write_bytes(out + err)
    assert "it is ‹secret vault›" in err.decode()
    assert "fatal: ‹secret db_password› refused" in out.decode()
    assert found(folder.path) == []


async def test_a_secret_of_the_environment_that_is_missing_is_named(
    lab: Lab, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = plan(lab)
    monkeypatch.delenv("TEST_API_TOKEN")
    with pytest.raises(SecretMissing, match="secret api: the environment variable TEST_API_TOKEN is not set"):
        await conduct(folder, load_plan(file), Options(headless=Orders()))
    assert not folder.journal.exists()
