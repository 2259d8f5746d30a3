"""The journal on disk: what is acknowledged is there, a torn tail is mended, damage is named, a full disk is survived."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.clock import SystemClock
from cockpit.events import LogSeen, Noted, Record, StepIntended, Trouble, Unknown
from cockpit.journal import line as lines
from cockpit.journal import writer as writing
from cockpit.journal.reader import JournalDamaged, end, mend, records
from cockpit.journal.seek import line_at, offset_after
from cockpit.journal.writer import JournalFull, JournalWriter


def note(text: str) -> Noted:
    return Noted(text=text)


async def written(file: Path, count: int = 12) -> list[Record]:
    seen: list[Record] = []
    async with JournalWriter(file, SystemClock()) as journal:
        journal.subscribe(seen.append)
        for number in range(count):
            await journal.write(note(f"note {number} – ü"), "someone")
    return seen


async def test_what_was_acknowledged_is_read_back_in_order(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    seen = await written(file, 40)
    assert list(records(file)) == seen
    assert [record.seq for record in seen] == list(range(1, 41))


async def test_a_journal_goes_on_where_it_ended(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    await written(file, 3)
    async with JournalWriter(file, SystemClock(), end(file)) as journal:
        assert await journal.write(note("after"), "someone") == 4
    assert [record.seq for record in records(file)] == [1, 2, 3, 4]


async def test_a_tail_torn_at_any_byte_is_mended_and_nothing_before_it_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    await written(file, 4)
    whole = file.read_bytes()
    places = [0]
    for piece in whole.split(b"\n")[:-1]:
        places.append(places[-1] + len(piece) + 1)
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        kept = sum(place <= cut for place in places) - 1
        assert [record.seq for record in records(file)] == list(range(1, kept + 1))
        found, gone = mend(file)
        assert (found.seq, gone) == (kept, cut - places[kept])
        assert file.read_bytes() == whole[: places[kept]]


async def test_any_flipped_bit_is_found_and_its_line_named(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    await written(file, 5)
    whole = file.read_bytes()
    chance = random.Random(3)
    last = whole.rindex(b"\n", 0, len(whole) - 1)
    for place in [*range(80), *(chance.randrange(last) for _ in range(400))]:
        bad = bytearray(whole)
        bad[place] ^= 1 << chance.randrange(8)
        file.write_bytes(bad)
        line = whole.count(b"\n", 0, place) + 1
        with pytest.raises(JournalDamaged) as caught:
            list(records(file))
        # A newline that was changed joins two lines, one that was made breaks one: the damage shows there or one further.
        assert caught.value.number in {line, line + 1}
        assert f"{file}:{caught.value.number}:" in str(caught.value)


async def test_a_line_that_was_taken_out_or_changed_with_its_checksum_breaks_the_chain(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    seen = await written(file, 5)
    kept = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join(kept[:2] + kept[3:]))
    with pytest.raises(JournalDamaged, match="changed, removed or put in"):
        list(records(file))
    _, head = lines.decode(kept[0], None)
    forged, _ = lines.encode(Record(seq=2, utc=1.0, mono=1.0, actor="mallory", event=note("never said")), head)
    file.write_bytes(b"\n".join([kept[0], forged.rstrip(b"\n"), *kept[2:]]))
    with pytest.raises(JournalDamaged) as caught:
        list(records(file))
    assert caught.value.number == 3
    assert len(seen) == 5


async def test_an_event_of_another_version_is_kept_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    await written(file, 1)
    known = file.read_bytes()
    _, head = lines.decode(known.rstrip(b"\n"), None)
    body = b'{"seq":2,"utc":1.0,"mono":1.0,"actor":"x","event":{"kind":"moon.phase","phase":"full"}}'
    import hashlib
    import zlib

    crc = zlib.crc32(body, zlib.crc32(head.encode()))
    file.write_bytes(known + b'{"crc":"%08x","prev":"%s","rec":%s}\n' % (crc, head.encode(), body))
    found = list(records(file))[-1].event
    assert isinstance(found, Unknown)
    assert (found.name, '"phase":"full"' in found.raw) == ("moon.phase", True)
    assert end(file).head == hashlib.blake2b(head.encode() + body, digest_size=16).hexdigest()


async def test_a_full_disk_refuses_the_event_and_leaves_a_whole_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "journal.jsonl"
    real = os.write
    room = [10_000]

    def write(descriptor: int, data: bytes) -> int:
        if room[0] < 120:
            raise OSError(28, "No space left on device")
        # A disk that fills up takes the first part of a write.
        took = real(descriptor, bytes(data)[: room[0]])
        room[0] -= took
        return took

    monkeypatch.setattr(writing.os, "write", write)
    async with JournalWriter(file, SystemClock()) as journal:
        taken = 0
        why = ""
        while not why:
            try:
                await journal.write(note("x" * 700), "someone")
                taken += 1
            except JournalFull as error:
                why = str(error)
        assert "(No space left on device); make room, then continue" in why
        assert end(file).seq == taken
        room[0] = 1 << 30
        assert await journal.write(note("there is room again"), "someone") == taken + 1
    assert [record.seq for record in records(file)] == list(range(1, taken + 2))


async def test_a_flood_of_log_lines_is_dropped_and_counted_and_never_an_intent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_WAITING", 50)
    file = tmp_path / "journal.jsonl"
    intents = 20
    async with JournalWriter(file, SystemClock()) as journal:
        for number in range(2000):
            journal.post(LogSeen(host="old", file="f", lines=(str(number),)), "probe")
            if number % 100 == 0:
                journal.post(StepIntended(ref=f"s/{number}", attempt=1, op="apply", job=f"j{number}"), "someone")
    found = [record.event for record in records(file)]
    assert sum(isinstance(event, StepIntended) for event in found) == intents
    told = sum(int(event.message.split()[0]) for event in found if isinstance(event, Trouble))
    kept = sum(isinstance(event, LogSeen) for event in found)
    assert told + kept == 2000
    assert told > 0


async def test_observers_hear_in_the_order_of_the_file_and_only_of_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    heard: list[int] = []
    async with JournalWriter(file, SystemClock()) as journal:

        def hear(record: Record) -> None:
            heard.append(record.seq)
            assert line_at(file, record.seq) is not None

        journal.subscribe(hear)
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(journal.write(note(str(number)), "someone"))
                journal.post(LogSeen(host="old", file="f", lines=("x",)), "probe")
    assert heard == list(range(1, 101))


KILLED = """
import asyncio, sys
from pathlib import Path
from cockpit.clock import SystemClock
from cockpit.events import Noted
from cockpit.journal.writer import JournalWriter
async def main():
    async with JournalWriter(Path(sys.argv[1]), SystemClock()) as journal:
        while True:
            seq = await journal.write(Noted(text="x" * 300), "someone")
            print(seq, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 37, 200])
def test_a_writer_that_is_killed_has_on_disk_all_that_it_acknowledged(tmp_path: Path, after: int) -> None:
    file = tmp_path / "journal.jsonl"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = 0
        while told < after:
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    told = int(rest[-1]) if rest else told
    found, _ = mend(file)
    assert found.seq >= told
    assert [record.seq for record in records(file)] == list(range(1, found.seq + 1))


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=40), asked=st.integers(0, 45))
def test_an_event_is_found_by_its_number_without_an_index(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], asked: int
) -> None:
    file = tmp_path_factory.mktemp("seek") / "journal.jsonl"
    head, blob, places = lines.START, b"", []
    for seq, size in enumerate(sizes, 1):
        places.append(len(blob))
        record = Record(seq=seq, utc=1.0, mono=1.0, actor="a", event=note("y" * size))
        text, head = lines.encode(record, head)
        blob += text
    file.write_bytes(blob)
    found = line_at(file, asked)
    if 1 <= asked <= len(sizes):
        assert found is not None
        assert found[0] == places[asked - 1]
    else:
        assert found is None
    with file.open("rb") as source:
        assert offset_after(source, asked) == (places[asked] if asked < len(sizes) else len(blob))


def test_processes_that_start_together_have_one_token(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cockpit.journal.folder import RunFolder; run = RunFolder(Path(sys.argv[1]));"
        "sys.stdin.readline(); print(run.token())"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    tokens = {process.communicate()[0].strip() for process in started}
    assert len(tokens) == 1
    assert len(tokens.pop()) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


async def test_an_event_that_cannot_be_written_down_is_refused_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    async with JournalWriter(file, SystemClock()) as journal:
        results = await asyncio.gather(
            journal.write(note("before"), "a"),
            journal.write(note("\udce9"), "a"),
            journal.write(note("after"), "a"),
            return_exceptions=True,
        )
    assert [isinstance(result, JournalFull) for result in results] == [False, True, False]
    assert "Noted cannot be written down" in str(results[1])
    assert [record.event.text for record in records(file)] == ["before", "after"]  # type: ignore[union-attr]


async def test_a_sync_that_fails_now_and_then_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fdatasync, 0

    def failing(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(writing, "SYNC_EVERY", 0.01)
    monkeypatch.setattr(os, "fdatasync", failing)
    file = tmp_path / "journal.jsonl"
    async with JournalWriter(file, SystemClock()) as journal:
        for number in range(10):
            journal.post(LogSeen(host="h", file="f", lines=(str(number),)), "probe")
            await asyncio.sleep(0.03)
        for _ in range(3):
            with suppress(JournalFull):
                await asyncio.wait_for(journal.write(note("kept"), "a"), 5)
    assert any(isinstance(record.event, Noted) for record in records(file))


async def test_a_writer_that_dies_says_so_to_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, data: bytes) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(writing, "_write_all", broken)
    async with JournalWriter(tmp_path / "journal.jsonl", SystemClock()) as journal:
        for _ in range(3):
            with pytest.raises(JournalFull, match="is written no more"):
                await asyncio.wait_for(journal.write(note("x"), "a"), 5)
