"""Mailboxes read on from where the last reading ended: mbox and Maildir, through rotation, rewriting and what grows meanwhile."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cockpit.plan.watched import Mailbox
from cockpit.probes.context import Said
from cockpit.probes.mail import boxes
from cockpit.probes.mail.boxes import Box, Look, Position, read
from cockpit.probes.mail.received import Hop, hops, proven, queued_as
from tests.probes.mailers import here, mbox

OLD, LATER = "Fri Nov 20 10:00:00 2026", "Sun Nov 22 10:00:00 2026"
LATER_UTC = 1795341600.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def text(subject: str, body: str = "hello") -> str:
    return f"Received: by mx\nSubject: {subject}\n\n{body}"


class Reader:
    """A box on this machine, read for a run that began at `began`."""

    def __init__(
        self, path: Path, *, whole: bool = True, began: str = "2026-11-21 00:00:00", shell: str = "sh"
    ) -> None:
        self.box = Box(Mailbox(host="old", path=str(path)), whole=whole)
        self.box._began = subprocess.run(
            ["date", "-u", "-d", began, "+%s"], capture_output=True, text=True
        ).stdout.strip()
        self.shell = shell

    async def look(self, *tokens: str) -> Look:
        async def on_host(host: str, script: str, timeout: float) -> Said:
            if self.shell == "sh":
                return await here(host, script, timeout)
            done = await asyncio.to_thread(
                subprocess.run, [*self.shell.split(), "-s"], input=script.encode(), capture_output=True
            )
            return Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

        return await self.box.look(on_host, 20.0, tokens=tokens, recent=5)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
async def test_an_mbox_is_counted_once_and_then_read_on(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "a box"
    path.write_text(mbox([(OLD, text("one", "word\nFrom here on\n\n>From there")), (OLD, text("two"))]))
    reader = Reader(path, shell=shell)
    assert (await reader.look()).count == 2
    with path.open("a") as file:
        file.write(mbox([(LATER, text("three"))]))
    look = await reader.look()
    assert (look.count, look.since, look.newest) == (3, 1, LATER_UTC)
    assert await reader.look() == look


async def test_only_what_is_new_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_text(mbox([(OLD, text(str(n))) for n in range(50)]))
    reader = Reader(path)
    await reader.look()
    before = reader.box._at
    with path.open("a") as file:
        file.write(mbox([(LATER, text("more"))]))
    said = await here("old", reader.box._script(0.0, (), 0), 20.0)
    line = next(line for line in said.out.splitlines() if line.startswith("read "))
    assert int(line.split()[1]) == before.offset > 1000
    assert line.split()[4] == "1"


async def test_a_message_that_is_half_written_is_counted_when_it_is_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_text(mbox([(OLD, text("one"))]))
    reader = Reader(path)
    await reader.look()
    with path.open("a") as file:
        for piece in ("Fr", "om ann@example.test ", f"{LATER}", "\nSubject: x\n", "\nbody\n\n"):
            file.write(piece)
            file.flush()
            await reader.look()
    assert (await reader.look()).count == 2


async def test_a_rotated_a_rewritten_and_a_removed_mbox_are_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_text(mbox([(OLD, text(str(n))) for n in range(9)]))
    reader = Reader(path)
    assert (await reader.look()).count == 9
    path.rename(tmp_path / "box.1")
    assert (await reader.look()).count == 0
    path.write_text(mbox([(LATER, text("new"))]))
    assert (await reader.look()).count == 1
    path.write_text(mbox([(OLD, text("other" * 50)), (LATER, text("rewritten" * 20))]))  # The same file, and longer.
    assert (await reader.look()).count == 2
    path.write_text("")
    assert (await reader.look()).count == 0


async def test_a_mailbox_that_was_never_there_is_no_empty_one(tmp_path: Path) -> None:
    assert await Reader(tmp_path / "typo").look() == Look(trouble="there is none")
    (tmp_path / "folder").mkdir()
    look = await Reader(tmp_path / "folder").look()
    assert (look.count, "no Maildir" in look.trouble) == (-1, True)


def test_a_mailbox_that_may_not_be_read_says_so() -> None:
    somebody = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    # Not below pytest's own folder, which others may not enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "box"
        path.write_text(mbox([(OLD, text("one"))]))
        path.chmod(0)
        script = Box(Mailbox(host="old", path=str(path)), whole=True)._script(0.0, (), 0)
        done = subprocess.run([*somebody, "sh", "-s"], input=script.encode(), capture_output=True, check=True)
    look, _ = read(done.stdout.decode(), Position(), False)
    assert (look.count, "may not be read" in look.trouble) == (-1, True)


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
async def test_a_maildir_is_counted_by_the_names_of_its_files(shell: str, tmp_path: Path) -> None:
    for folder in ("new", "cur", "tmp", ".List s/cur", ".List s/new", ".List s/tmp", ".other"):
        (tmp_path / folder).mkdir(parents=True)
    for name in (
        "cur/1763632800.M1.mx:2,S",
        "new/1795341600.M2.mx",
        "tmp/1795341700.M3.mx",
        ".List s/new/1795341500.M4.mx",
        ".List s/tmp/1795341800.M5.mx",
        ".other/1795341800.M6.mx",
    ):
        (tmp_path / name).write_text(text("x"))
    reader = Reader(tmp_path, shell=shell)
    look = await reader.look()
    assert (look.count, look.since, look.newest) == (3, 2, LATER_UTC), "what a filter sorts into a subfolder came, too"
    (tmp_path / "new/1795341600.M2.mx").rename(tmp_path / "cur/1795341600.M2.mx:2,S")
    assert await reader.look() == look, "what is read is nothing that came"


def ours(token: str) -> str:
    return f"Received: by mx.example.test (Postfix)\n\tid 4F1; Sat, 21 Nov 2026 10:00:00 +0000\nX-Cutover-Token: {token}\n\nbody"


TOKEN = "cutover-0123456789abcdef"


async def test_a_message_of_ours_is_found_in_what_came_to_an_mbox_and_nothing_else_is_taken_for_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "box"
    path.write_text(mbox([(OLD, ours("cutover-ffffffffffffffff"))]))
    reader = Reader(path, whole=False)
    assert (await reader.look()).ours == {}, "what lay there before is not read"
    bounce = text("Undelivered", f"X-Cutover-Token: {TOKEN}\n\nthat was it")
    with path.open("a") as file:
        file.write(mbox([(OLD, bounce)]))
        file.write(f"From a {OLD}\nX-Cutover-Token: {TOKEN}\n")
    assert (await reader.look(TOKEN)).ours == {}, "its header is not whole"
    with path.open("a") as file:
        file.write("Subject: x\n\nbody\n\n")
    assert list((await reader.look(TOKEN)).ours) == [TOKEN]
    assert (await reader.look(TOKEN)).ours == {}


async def test_a_message_of_ours_is_found_in_a_maildir_among_large_and_old_ones(tmp_path: Path) -> None:
    for folder in ("new", "cur"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new/1.a").write_text(ours(TOKEN).replace("body", "x" * 100000))
    (tmp_path / "new/2.a").write_text(ours("cutover-00000000000000aa"))
    (tmp_path / "cur/3.a:2,S").write_text(ours(TOKEN))
    old = tmp_path / "new/4.a"
    old.write_text(ours("cutover-00000000000000bb"))
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    reader = Reader(tmp_path)
    look = await reader.look(TOKEN, "cutover-00000000000000bb")
    assert list(look.ours) == [TOKEN]
    assert hops(look.ours[TOKEN]) == (Hop(by="mx.example.test", id="4F1"),)
    assert (await reader.look()).ours == {}


async def test_a_mail_cannot_forge_what_the_script_says(tmp_path: Path) -> None:
    path = tmp_path / "box"
    evil = f"Subject: a\x0cread 0 0 0 99 99 0\rread 0 9 1 99 99 0\x1c.\u2028mbox 1 1 1:1\nX-Cutover-Token: {TOKEN}\nread 0 0 0 99 99 0\n.\n\nread 0 0 0 99 99 0"
    path.write_text(mbox([(OLD, evil)]))
    look = await Reader(path).look(TOKEN)
    assert look.count == 1


async def test_an_mbox_larger_than_a_window_is_counted_over_several_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "WINDOW", 4000)
    path = tmp_path / "box"
    path.write_text(mbox([(OLD, text(str(n), "x" * 500)) for n in range(20)]) + "y" * 20000 + "\n\n")
    reader = Reader(path)
    looks = [await reader.look() for _ in range(12)]
    assert looks[0].count == -1
    assert "still being counted" in looks[0].trouble
    assert looks[-1].count == 20


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bodies=st.lists(
        st.lists(
            st.sampled_from(["", "From x", "text", f"From a {LATER}", "é\x00", ">From y", "Subject: z"]), max_size=6
        ),
        min_size=1,
        max_size=5,
    ),
    cut=st.integers(1, 60),
)
async def test_pieces_give_the_same_count_as_the_whole(bodies: list[list[str]], cut: int, tmp_path: Path) -> None:
    whole = mbox([(LATER, text("s", "\n".join(body))) for body in bodies]).encode()
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"")
    reader = Reader(one)
    step = max(1, len(whole) // 4 + cut)
    for at in range(0, len(whole), step):
        with one.open("ab") as file:
            file.write(whole[at : at + step])
        await reader.look()
    other.write_bytes(whole)
    last, at_once = await reader.look(), await Reader(other).look()
    assert (last.count, last.since, last.newest) == (at_once.count, at_once.since, at_once.newest)
    lines = whole.split(b"\n")
    expected = sum(
        line.startswith(b"From ") and (n == 0 or lines[n - 1] == b"") and n < len(lines) - 2
        for n, line in enumerate(lines)
    )
    assert at_once.count == expected
    one.unlink()
    other.unlink()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["read 0 5 1 2 1 9", "mbox 7 5 1:2", "maildir 1 0 5", "absent", "unreadable", "h X-Cutover-Token: a", ".", "h "])
        | st.text(max_size=40),
        max_size=8,
    )
)  # fmt: skip
def test_no_output_of_a_host_ends_in_an_exception(lines: list[str]) -> None:
    look, at = read("\n".join(lines), Position(offset=3, count=4), True)
    assert look.count >= -1
    assert at is None or at.offset >= -1


# --- Received lines ------------------------------------------------------------------------------------------------------

POSTFIX_TO_EXIM = """\
Return-path: <cutover@else.test>
Received: from mx-old.example.test ([10.213.0.10])
\tby mx-new.example.test with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384
\t(Exim 4.96)
\t(envelope-from <cutover@else.test>)
\tid 1xUpFT-00000y-20
\tfor ann@example.test;
\tSat, 21 Nov 2026 17:51:29 +0000
Received: from [10.213.0.1] (unknown [10.213.0.1])
\tby mx-old.example.test (Postfix) with ESMTP id 8299F8F
\tfor <ann@example.test>; Sat, 21 Nov 2026 17:51:28 +0000 (UTC)
Subject: by nobody
"""


def test_the_way_of_a_message_is_read_from_its_received_lines() -> None:
    assert hops(POSTFIX_TO_EXIM) == (
        Hop(by="mx-new.example.test", from_="mx-old.example.test", id="1xUpFT-00000y-20"),
        Hop(by="mx-old.example.test", from_="[10.213.0.1]", id="8299F8F"),
    )


@pytest.mark.parametrize(
    ("value", "hop"),
    [
        (
            "from a (by evil (nested \\) by worse)) by B.Example. with SMTP id 1; Sat",
            Hop(by="b.example", from_="a", id="1"),
        ),
        ("(qmail 123 invoked by uid 5); 21 Nov 2026", Hop()),
        ("by mx with LMTP; x", Hop(by="mx")),
        ("from by by id", Hop(by="by", from_="by")),
    ],
)
def test_comments_in_a_received_line_are_no_part_of_it(value: str, hop: Hop) -> None:
    assert hops(f"Received: {value}") == (hop,)


def test_a_way_is_proven_by_the_id_under_which_it_was_taken_or_by_the_first_server() -> None:
    way = hops(POSTFIX_TO_EXIM)
    assert proven(way, "elsewhere", "8299F8F") == ""
    assert proven(way, "mx-old.example.test", "") == ""
    assert "its way begins at mx-old.example.test, not at mx-new.example.test" in proven(
        way, "mx-new.example.test", "9"
    )
    assert proven((), "mx", "1") == "it has no Received lines"


@pytest.mark.parametrize(
    ("reply", "id"),
    [
        ("250 2.0.0 Ok: queued as 8299F8F", "8299F8F"),
        ("250 OK id=1xUpFT-00000y-20", "1xUpFT-00000y-20"),
        ("250 2.0.0 5ALHsTwd012345 Message accepted for delivery", "5ALHsTwd012345"),
        ("250 ok", ""),
    ],
)
def test_the_id_is_read_from_the_answer_to_the_message(reply: str, id: str) -> None:
    assert queued_as(reply) == id


async def test_a_maildir_with_more_folders_than_are_looked_into_is_told(tmp_path: Path) -> None:
    for folder in ("new", "cur", *(f".f{number}/cur" for number in range(1001))):
        (tmp_path / folder).mkdir(parents=True)
    look = await Reader(tmp_path).look()
    assert (look.count, look.trouble) == (-1, f"{tmp_path} has more than 1000 folders")
