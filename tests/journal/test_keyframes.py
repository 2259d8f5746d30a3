"""A keyframe and the rest are the whole, at every position; and an index that is damaged or foreign is not believed."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from cockpit import intents as it
from cockpit.events import Record
from cockpit.journal import keyframes
from cockpit.journal import line as lines
from cockpit.journal.reader import records
from cockpit.reduce import fold, reduce
from cockpit.replay.recording import Recording
from cockpit.state import RunState
from tests.engine.world import Rig, small_plan
from tests.report.making import written


async def night() -> list[Record]:
    """A cutover of two services, with a failure, an undo, a note, a skip and an abort."""
    rig = Rig(small_plan(2))
    await rig.start()
    rig.world.failing[("s0/switch", "verify")] = "no"
    for intent in (
        it.RunToGate(service="s0"),
        it.AddNote(text="the switch looks odd"),
        it.Verify(ref="s0/switch"),
        it.Undo(service="s0", typed="s0"),
        it.Undo(service="s0", typed="s0"),
        it.RunToGate(service="s0"),
        it.OpenGate(gate="pilot-good", typed="pilot-good", override="it looks good"),
        it.RunToGate(),
        it.Pause(),
        it.Continue(),
        it.Skip(ref="s1/check", reason="nobody there"),
        it.Abort(service="s1", typed="s1"),
    ):
        await rig.submit(intent)
        await rig.settle()
    found = rig.journal.records()
    await rig.kill()
    return found


async def test_reduce_over_the_whole_journal_equals_keyframe_plus_rest_at_every_position(tmp_path: Path) -> None:
    found = await night()
    assert len(found) > 60
    file = written(tmp_path / "journal.jsonl", found)
    whole = fold(found)
    assert keyframes.rebuild(file, every=1) == len(found)
    state = RunState()
    for position, record in enumerate(found):
        state = reduce(state, record)
        frame = keyframes.nearest(file, record.seq)
        assert frame == state
        assert fold(found[position + 1 :], frame) == whole


async def test_the_recording_of_the_demo_is_the_same_from_any_keyframe(recording: Path) -> None:
    found = list(records(recording))
    state = RunState()
    decoder = msgspec.json.Decoder(RunState)
    for record in found:
        state = reduce(state, record)
        if record.seq % 53 == 0:
            assert replace(decoder.decode(msgspec.json.encode(replace(state, plan=None))), plan=state.plan) == state


async def test_a_state_is_read_from_the_nearest_keyframe(tmp_path: Path) -> None:
    found = await night()
    file = written(tmp_path / "journal.jsonl", found)
    keyframes.rebuild(file, every=25)
    for seq in (1, 24, 25, 26, 60, len(found), len(found) + 10):
        assert Recording.open(file).state_after(seq) == fold(found[:seq])
    frame = keyframes.nearest(file, 60)
    assert frame is not None
    assert frame.seq == 50


@pytest.mark.parametrize("harm", ["bit", "torn", "missing", "foreign"])
async def test_a_keyframe_that_does_not_hold_is_not_used(tmp_path: Path, harm: str) -> None:
    found = await night()
    file = written(tmp_path / "journal.jsonl", found)
    keyframes.rebuild(file, every=40)
    index = file.with_name(keyframes.KEYFRAMES)
    data = bytearray(index.read_bytes())
    if harm == "bit":
        data[len(data) // 2] ^= 4
        index.write_bytes(data)
    elif harm == "torn":
        index.write_bytes(data[: len(data) - 9])
    elif harm == "missing":
        index.unlink()
    else:
        changed = [replace(record, actor="another") for record in found]
        file = written(tmp_path / "journal.jsonl", changed)
        found = changed
        assert keyframes.nearest(file, len(found)) is None
    assert Recording.open(file).state_after(len(found)) == fold(found)


async def test_a_keyframe_is_appended_while_the_run_goes_on(tmp_path: Path) -> None:
    found = await night()
    file = written(tmp_path / "journal.jsonl", found)
    keyframes.append(file, fold(found[:30]))
    keyframes.append(file, fold(found[:60]))
    assert [place.seq for place in keyframes.KeyframeFile(file).places()] == [30, 60]
    assert keyframes.nearest(file, 59) == fold(found[:30])
    assert keyframes.nearest(file, 60) == fold(found[:60])


async def test_a_keyframe_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    found = await night()
    file = written(tmp_path / "journal.jsonl", found)
    state = fold(found[:30])
    _, head = lines.decode(file.read_bytes().split(b"\n")[29], None)
    body = msgspec.json.encode(replace(state, plan=None))
    rest = b'"head":"%s","seq":30,"state":%s}\n' % (head.encode(), body)
    file.with_name(keyframes.KEYFRAMES).write_bytes(b'{"crc":"%08x",%s' % (zlib.crc32(rest), rest))
    assert keyframes.nearest(file, 40) == state
