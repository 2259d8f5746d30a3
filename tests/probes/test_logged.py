"""Patterns in the logs of hosts: what was logged since the last look, over rotations, cuts and hostile text."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cockpit.plan.watched import Expect, Probe
from cockpit.probes.aside import Aside
from cockpit.probes.plain.logged import LogLook
from tests.probes.hosted import on_this
from tests.probes.turning import turning

HERE = "127.0.0.1"


@pytest.fixture
async def aside() -> AsyncIterator[Aside]:
    async with Aside() as made:
        yield made


def look_at(aside: Aside, file: Path, pattern: str = "status=sent", **more: object) -> LogLook:
    probe = Probe(
        id="l",
        proto="log",
        target=pattern,
        file=str(file),
        **{"expect": Expect(status=0), **more},  # type: ignore[arg-type]
    )
    return LogLook(on_this, "old", probe, aside)


def write(file: Path, *lines: str) -> None:
    with file.open("a") as out:
        out.writelines(f"{line}\n" for line in lines)


async def test_a_pattern_counts_when_it_was_logged_since_the_last_look(aside: Aside, tmp_path: Path) -> None:
    file = tmp_path / "mail $(x).log"
    write(file, "status=sent before")
    look = look_at(aside, file)
    assert await look.look() is None
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, seen.detail) == (False, "not seen in 0 lines since the last look")
    write(file, "other", "status=sent one", "status=sent two")
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, seen.detail) == (True, "seen 2 times: status=sent two")
    assert seen.facts == {"count": "2", "lines": "3", "line": "status=sent two"}
    seen = await look.look()
    assert seen is not None
    assert not seen.ok


@pytest.mark.parametrize("how", ["rename", "copytruncate", "rename twice"])
async def test_what_was_logged_around_a_rotation_is_seen(aside: Aside, tmp_path: Path, how: str) -> None:
    file, older = tmp_path / "mail.log", tmp_path / "mail.log.1"
    write(file, "nothing here, and long enough to be more than what follows")
    look = look_at(aside, file)
    await look.look()
    if how == "copytruncate":
        older.write_bytes(file.read_bytes())
        file.write_text("status=sent new\n")
    else:
        write(file, "status=sent old")
        file.rename(older)
        write(file, "status=sent new")
    if how == "rename twice":
        older.rename(tmp_path / "mail.log.2")
        file.rename(older)
        write(file, "last")
    seen = await look.look()
    assert seen is not None
    assert seen.ok
    assert seen.facts["count"] == {"rename": "2", "copytruncate": "1", "rename twice": "1"}[how]
    # A file that came and went between two looks is not read, and that is said.
    assert ("missing" in seen.facts) == (how != "rename")
    write(file, "status=sent after")
    seen = await look.look()
    assert seen is not None
    assert seen.facts["count"] == "1"


async def test_not_seen_is_no_evidence_when_lines_are_gone(aside: Aside, tmp_path: Path) -> None:
    file = tmp_path / "mail.log"
    write(file, "one")
    look = look_at(aside, file, expect=Expect(status=0, that=("count == 0",)))
    await look.look()
    file.rename(tmp_path / "mail.log.1")
    (tmp_path / "mail.log.1.gz").write_bytes(gzip.compress((tmp_path / "mail.log.1").read_bytes()))
    (tmp_path / "mail.log.1").unlink()
    # The new file must not get the old one's inode.
    (tmp_path / "hold").touch()
    write(file, "two")
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, seen.detail) == (False, "not seen, but what was logged before its rotation is gone")
    write(file, *["x" * 1000] * 1200)
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, seen.detail) == (False, "not seen, but more was logged than is read")
    seen = await look.look()
    assert seen is not None
    assert seen.ok


async def test_a_file_that_is_not_there_is_a_stated_failure_and_is_seen_when_it_comes(
    aside: Aside, tmp_path: Path
) -> None:
    file = tmp_path / "mail.log"
    look = look_at(aside, file)
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, "cannot be read" in seen.detail) == (False, True)
    write(file, "status=sent")
    assert await look.look() is None
    write(file, "status=sent")
    seen = await look.look()
    assert seen is not None
    assert seen.ok


async def test_a_line_that_was_half_written_at_a_look_is_read_when_it_is_whole(aside: Aside, tmp_path: Path) -> None:
    file = tmp_path / "mail.log"
    file.write_text("one\nstatus")
    look = look_at(aside, file)
    await look.look()
    for more, count, lines in (("=sent a\nother ä sta", "1", "1"), ("tus=", "0", "0"), ("sent b\n", "1", "1")):
        with file.open("a") as out:
            out.write(more)
        seen = await look.look()
        assert seen is not None
        assert (seen.facts["count"], seen.facts["lines"]) == (count, lines)
    with file.open("a") as out:
        out.write("status=sent c")
    await look.look()
    file.rename(tmp_path / "mail.log.1")
    write(file, "status=sent d")
    seen = await look.look()
    assert seen is not None
    assert (seen.facts["count"], seen.facts["lines"]) == ("2", "2"), "what a rotation left half is a line of its own"


async def test_conditions_do_not_count_on_what_was_left_out(aside: Aside, tmp_path: Path) -> None:
    file = tmp_path / "mail.log"
    write(file, "one")
    look = look_at(aside, file, expect=Expect(status=0, that=("count < 5",)))
    await look.look()
    write(file, *["status=sent"] * 9, *["x" * 1000] * 1200, "status=sent")
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, seen.detail) == (False, "seen 1 times, but more was logged than is read")


async def test_a_pattern_that_takes_for_ever_holds_up_nobody(aside: Aside, tmp_path: Path) -> None:
    file = tmp_path / "mail.log"
    write(file, "one")
    look = look_at(aside, file, pattern="(a+)+$", timeout=1.0)
    await look.look()
    write(file, "a" * 100 + "b")
    async with turning() as turns:
        seen = await look.look()
    assert seen is not None
    assert (seen.ok, "not done within 1 s" in seen.detail) == (False, True)
    assert turns() > 10


CURSOR = "s=0a-1;i=2;b=3;m=4;t=5;x=6"
JOURNALS = {
    "silent": ("", 0),
    "refused": ("", 1),
    "forged": (f"hit\n-- cursor: s=ff\n-- cursor: {CURSOR}\n", 0),
    "cut": ("hit\n-- cursor: forged\n", 0),
}


@pytest.mark.parametrize("kind", list(JOURNALS))
async def test_a_journal_that_cannot_be_read_is_no_silent_one(
    aside: Aside, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(out: str, status: int) -> None:
        (tmp_path / "said").write_text(out)
        script = f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncat {tmp_path}/said\n'
        script += f"[ {status} = 0 ] || echo 'No journal files were opened' >&2\nexit {status}\n"
        (tmp_path / "journalctl").write_text(script)
        (tmp_path / "journalctl").chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    probe = Probe(id="l", proto="log", target="hit", unit="postfix", expect=Expect(status=0, that=("count == 0",)))
    look = LogLook(on_this, "old", probe, aside)
    says(*JOURNALS["refused"])
    seen = await look.look()
    assert seen is not None
    assert (seen.ok, seen.detail) == (False, "No journal files were opened")
    says("", 0)
    assert await look.look() is None, "an empty journal can be read: all that comes is new"
    look = LogLook(on_this, "old", probe, aside)
    says(f"-- cursor: s=ff\n-- cursor: {CURSOR}\n", 0)
    assert await look.look() is None
    says(*JOURNALS[kind])
    seen = await look.look()
    assert seen is not None
    assert f"--after-cursor={CURSOR}" in (tmp_path / "asked").read_text().splitlines()[-1]
    if kind == "forged":
        assert (seen.facts["count"], seen.facts["lines"]) == ("1", "2")
    assert seen.ok == (kind in {"silent", "forged"})
