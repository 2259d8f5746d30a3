"""Where secrets come from: each source, and what is said when it gives none. No sentence quotes a value."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cockpit.conductor import sources
from cockpit.conductor.beginning import ask_at_terminal, filled
from cockpit.conductor.launch import said, spawn
from cockpit.conductor.sources import Gathered, SecretMissing, gather
from cockpit.conductor.vault import RedactedStream, Vault
from cockpit.plan.model import Plan, Secret
from tests.engine.world import small_plan

VALUE = "correct-horse"


def plan(folder: Path, **secrets: tuple[str, str]) -> Plan:
    made = {name: Secret(source=source, at=at) for name, (source, at) in secrets.items()}  # type: ignore[arg-type]
    return msgspec.structs.replace(small_plan(), secrets=made, source=str(folder / "plan.yaml"))


async def test_each_source_gives_its_value_without_the_newline_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "db").write_text(f"{VALUE}\r\n\n")
    (tmp_path / "db").chmod(0o600)
    named = plan(
        tmp_path,
        a=("file", str(tmp_path / "db")),
        b=("env", "B"),
        c=("command", "cat db; echo told >&2"),
        d=("ask", "?"),
    )
    got = await gather(named, {"B": VALUE})
    assert got == Gathered(values={"a": VALUE, "b": VALUE, "c": VALUE}, asked=("d",))
    assert (await gather(named, {"B": VALUE, "COCKPIT_SECRET_D": "sesame"})).values["d"] == "sesame"


async def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "db").write_text(VALUE)
    (tmp_path / "db").chmod(0o640)
    got = await gather(plan(tmp_path, a=("file", str(tmp_path / "db"))))
    assert got.warnings == (f"secret a: {tmp_path}/db is open to others (mode 0640): chmod 600 {tmp_path}/db",)


@pytest.mark.parametrize(
    ("source", "at", "why"),
    [
        ("file", "{}/none", "secret x: {}/none cannot be read: No such file or directory"),
        ("env", "NOWHERE", "secret x: the environment variable NOWHERE is not set"),
        ("env", "EMPTY", "secret x: it is empty"),
        ("command", "echo half; echo locked >&2; exit 7", "secret x: `echo half; echo locked >&2; exit 7` ended with status 7: locked"),
        ("command", "kill -9 $$", "secret x: `kill -9 $$` ended with signal 9: it said nothing"),
        ("command", "printf '\\n'", "secret x: it is empty"),
        ("command", "printf 'ab\\377cd'", "secret x: it is not UTF-8 text; encode it, and let the script decode it"),
        ("command", "printf 'ab\\000cd'", "secret x: it holds a zero byte, which no shell variable can hold"),
        ("command", "head -c 20000 /dev/zero", "secret x: it has more than 16384 bytes; keep it in a file on the host and give its path"),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_is_told_in_words(tmp_path: Path, source: str, at: str, why: str) -> None:
    with pytest.raises(SecretMissing) as told:
        await gather(plan(tmp_path, x=(source, at.format(tmp_path))), {"EMPTY": "\n"})
    assert str(told.value) == why.format(tmp_path)


async def test_every_secret_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as told:
        await gather(plan(tmp_path, a=("env", "A"), b=("env", "B")), {})
    assert str(told.value).count("\n") == 1


async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "COMMAND_WAIT", 0.3)
    with pytest.raises(SecretMissing, match=r"`exec sleep 600` took longer than 0 s"):
        await gather(plan(tmp_path, x=("command", "exec sleep 600")))


async def test_what_a_command_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    got = await gather(plan(tmp_path, x=("command", "sleep 20 & echo $! >pid; echo correct-horse")))
    assert got.values == {"x": VALUE}
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("abc", "it is too short to be taken out of what is written down: it needs 4 characters"),
        ("ab\ncd\nef", "it is too short to be taken out of what is written down: it needs 8 characters in one of its lines"),
        ("switch", "it stands in the plan, or is a word of it, which everybody reads: change the one or the other"),
        ("secret", "it stands in the plan, or is a word of it, which everybody reads: change the one or the other"),
        ("a‹b›cd", "it holds ‹ or ›, the signs that mark what was taken out"),
    ],
)  # fmt: skip
async def test_what_cannot_be_kept_secret_is_refused_and_not_quoted(tmp_path: Path, value: str, why: str) -> None:
    with pytest.raises(SecretMissing) as told:
        await filled(plan(tmp_path, db=("env", "X")), given=Gathered(values={"db": value}))
    assert str(told.value) == f"secret db: {why}"


def test_without_a_terminal_a_question_refuses_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdin__", io.StringIO())
    asked = plan(tmp_path, vault=("ask", "Password of the vault"))
    with pytest.raises(
        SecretMissing, match="secret vault: nobody can be asked in a headless run; set COCKPIT_SECRET_VAULT"
    ):
        ask_at_terminal(asked, Gathered(values={}, asked=("vault",)))


def test_on_a_terminal_a_question_is_asked_until_its_answer_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = plan(tmp_path, vault=("ask", "Password of the vault"))
    questions: list[str] = []
    answers = iter(["abc", "\0\0\0\0\0", VALUE])

    def typed(question: str) -> str:
        questions.append(question)
        return next(answers)

    monkeypatch.setattr("cockpit.conductor.beginning.has_terminal", lambda: True)
    monkeypatch.setattr("cockpit.conductor.beginning.typed", typed)
    assert ask_at_terminal(asked, Gathered(values={"db": "x"}, asked=("vault",))) == Gathered(
        values={"db": "x", "vault": VALUE}
    )
    assert [question.partition("\n")[0] for question in questions[1:]] == [
        "it is too short to be taken out of what is written down: it needs 4 characters",
        "it holds a zero byte, which no shell variable can hold",
    ]
    monkeypatch.setattr("cockpit.conductor.beginning.typed", lambda question: None)
    with pytest.raises(SecretMissing, match="secret vault: it was not answered"):
        ask_at_terminal(asked, Gathered(values={}, asked=("vault",)))


def test_a_vault_does_not_print_what_it_holds() -> None:
    vault = Vault(small_plan(), "night", "key")
    assert vault.put("db", VALUE) == ""
    assert VALUE not in f"{vault!r} {vault} {vault.redactor!r}"


def test_errors_go_through_the_redactor_whole_lines_at_a_time() -> None:
    vault = Vault(small_plan(), "night", "key")
    vault.put("db", VALUE)
    target = io.StringIO()
    stream = RedactedStream(target)
    stream.redactor = vault.redactor
    print("it said", VALUE[:6], end="", file=stream)
    print(VALUE[6:], "twice", VALUE, file=stream)
    print("and then", VALUE, end="", file=stream)
    stream.close()
    assert target.getvalue() == "it said ‹secret db› twice ‹secret db›\nand then ‹secret db›"


def test_a_conductor_that_fails_writes_no_secret_into_its_log(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, cockpit.conductor.assembly as a\n"
        "import cockpit.conductor.__main__ as m\n"
        "async def fails(run, plan, options, observers=(), vault=None):\n"
        "    loop = asyncio.get_running_loop()\n"
        "    loop.call_exception_handler({'message': f'lost {vault[\"db\"]}'})\n"
        "    raise RuntimeError(f'it was {vault[\"db\"]}')\n"
        "a.conduct = fails\n"
        "import resource; code = m.main(sys.argv[1:]); print(resource.getrlimit(resource.RLIMIT_CORE)); sys.exit(code)\n"
    )
    (tmp_path / "plan.yaml").write_text(
        "cutover: 1\nname: night\nsecrets: {db: {env: DB}}\nhosts: {new: {ssh: a@new}}\nservices: [{id: osf, steps: "
        "[{id: x, phase: copy, on: new, secrets: [db], run: {apply: 'true', verify: 'true', undo: 'true'}}]}]\n"
    )
    words = [sys.executable, "-c", code, "--folder", str(tmp_path / "run"), "--plan", str(tmp_path / "plan.yaml")]
    done = subprocess.run(
        words,
        env={"PATH": "/usr/bin:/bin", "DB": VALUE, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 70, done.stderr
    assert "RuntimeError: it was ‹secret db›" in done.stderr
    assert "lost ‹secret db›" in done.stderr
    assert VALUE not in done.stderr + done.stdout
    assert done.stdout.strip() == str((0, 0))


def test_values_reach_a_conductor_in_neither_its_words_nor_its_environment(tmp_path: Path) -> None:
    given = msgspec.json.encode(Gathered(values={"db": "ab"}))
    (tmp_path / "plan.yaml").write_text(
        "cutover: 1\nname: night\nsecrets: {db: {command: exit 9}}\nhosts: {new: {ssh: a@new}}\nservices: [{id: osf, steps: "
        "[{id: x, phase: copy, on: new, secrets: [db], run: {apply: 'true', verify: 'true', undo: 'true'}}]}]\n"
    )
    run = tmp_path / "run"
    pid = spawn(run, ["--folder", str(run), "--plan", str(tmp_path / "plan.yaml"), "--given"], given)
    os.waitpid(pid, 0)
    assert said(run).startswith("cockpit: secret db: it is too short")
