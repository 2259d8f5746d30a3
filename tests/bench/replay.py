"""A recording of 1,000,000 events, made from the recorded demo: how soon its first screen is there, what a seek and a step cost, and
the memory it takes, beside asciinema's player, which can only play on, on the same night's beginning as a terminal cast.

The peer is looked for in the environment named by COCKPIT_PEERS (a virtual environment with asciinema), else on the path.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from cockpit.reduce import reduce
from cockpit.replay.recording import Recording
from cockpit.replay.timeline import timeline
from cockpit.state import RunState
from cockpit.ui.actions import Seat
from cockpit.ui.compose import screen
from cockpit.ui.view import View
from tests.recordings.long import make
from tests.terminal import Terminal

EVENTS = 1_000_000
CAST_EVENTS = 10_000
"""Of the recording's beginning are made into a cast: the whole of it would take hours to make, and gigabytes."""
ROUNDS = 5
SEEKS = 200
SIZE = (120, 40)
FIRST = "Open Society Forum"
"""Stands on the first screen that shows the run."""

OPEN, SEEK, STEP, MEMORY = 1.5, 0.150, 0.050, 300
"""The targets: seconds, and MB."""

SEAT = Seat(can_drive=False, drives=False, replay=True)


class Figures(msgspec.Struct, kw_only=True):
    """What the probe measured: seconds, and MB at the peak of the cockpit and of the process beside it."""

    opened: float
    indexed: float
    checked: float
    known: float
    early: list[float]
    late: list[float]
    forward: list[float]
    back: list[float]
    memory: float
    beside: float


def probe(file: Path) -> Figures:
    """Measure in this process, which has done nothing else."""
    began = time.perf_counter()
    recording = Recording.open(file)
    painted(recording, 1)
    opened = time.perf_counter() - began
    while not recording.complete:
        time.sleep(0.005)
    indexed = time.perf_counter() - began
    count, chance = len(recording.timeline), random.Random(6)
    places = [chance.randrange(1, count + 1) for _ in range(SEEKS * 2)]
    early = [painted(recording, place) for place in places[:SEEKS]]
    while not recording.known.done:
        time.sleep(0.02)
    checked = time.perf_counter() - began
    beside = recording.survey_process
    memory = 0.0
    while recording.surveying:
        memory = max(memory, peak(beside))
        time.sleep(0.1)
    known = time.perf_counter() - began
    late = [painted(recording, place) for place in places[SEEKS:]]
    forward = [painted(recording, place) for place in range(count // 2, count // 2 + 1500)]
    back = [painted(recording, place) for place in range(count // 2 + 1500, count // 2 - 1500, -1)]
    figures = Figures(
        opened=opened,
        indexed=indexed,
        checked=checked,
        known=known,
        early=early,
        late=late,
        forward=forward,
        back=back,
        memory=peak(os.getpid()),
        beside=memory,
    )
    recording.close()
    return figures


def painted(recording: Recording, place: int) -> float:
    """Seconds from the wish to be after `place` events to the lines of the screen there."""
    began = time.perf_counter()
    state = recording.state_after(place)
    assert state is not None
    screen(state, View(), SEAT, "REPLAY", SIZE, state.utc, "", "")
    return time.perf_counter() - began


def peak(pid: int) -> float:
    """The most memory that a process held at once, MB; 0 for one that has gone."""
    try:
        words = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()
    except (OSError, IndexError):
        return 0.0
    return int(words[0]) / 1024


def first_screen(file: Path) -> float:
    """Seconds from exec to the first screen with content, of a fresh `cockpit replay`."""
    terminal = Terminal.cockpit("replay", str(file.parent), size=SIZE)
    try:
        return terminal.expect(FIRST, 30)
    finally:
        terminal.close()


def cast(file: Path, target: Path, count: int) -> float:
    """The screens of the recording's first `count` events at 10 Hz of shown time, as asciicast v2: whatever line has changed is
    written again. Returns how many seconds of the run that is."""
    recording = Recording.open(file)
    told = recording.records(0, count)
    recording.close()
    course = timeline(told)
    state, before, at = RunState(), [""] * SIZE[1], 0.0
    with target.open("w") as out:
        out.write(json.dumps({"version": 2, "width": SIZE[0], "height": SIZE[1]}) + "\n")
        for place, record in enumerate(told):
            state = reduce(state, record)
            if place < len(told) - 1 and course.shown[place + 1] < at:
                continue
            at = course.shown[place] + 0.1
            found = screen(state, View(), SEAT, "REPLAY", SIZE, record.utc, "", "")
            now = ["".join(text for text, _ in line) for line in found]
            data = "".join(f"\x1b[{y};1H{text}\x1b[K" for y, text in enumerate(now, 1) if text != before[y - 1])
            before = now
            out.write(json.dumps([course.shown[place], "o", data]) + "\n")
    return course.shown[-1]


def peer(folder: Path, file: Path, count: int) -> float:
    """Seconds that asciinema needs to get through the cast of the recording's beginning, as fast as it can; 0 without it."""
    named = os.environ.get("COCKPIT_PEERS")
    program = str(Path(named) / "bin" / "asciinema") if named else shutil.which("asciinema")
    if program is None or not Path(program).exists():
        print("asciinema is not measured: name an environment that holds it in COCKPIT_PEERS")
        return 0.0
    tape = folder / "night.cast"
    seconds = cast(file, tape, count)
    env = dict(os.environ, ASCIINEMA_CONFIG_HOME=str(folder), TERM="xterm-256color")
    took: list[float] = []
    for _ in range(3):
        terminal = Terminal([program, "play", "-s", "1000000", "-i", "0.000001", str(tape)], env, SIZE)
        while terminal.process.poll() is None:
            terminal.read(0.02)
        took.append(time.perf_counter() - terminal.began)
        terminal.close()
    best = min(took)
    megabytes = tape.stat().st_size / 1e6
    print(
        f"asciinema play, as fast as it can  {best:8.2f} s for {count:,} events, {seconds:,.0f} s, {megabytes:.1f} MB of cast"
    )
    return best


def stats(name: str, values: list[float], target: float) -> bool:
    """Print and judge the 95th percentile."""
    ranked = sorted(values)
    middle, high = ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.95)]
    print(
        f"{name:<34} {middle * 1000:8.1f} ms median, {high * 1000:.1f} ms 95th percentile, {ranked[-1] * 1000:.1f} ms the longest"
        f"   target: {target * 1000:g} ms"
    )
    return high <= target


def measure(rounds: int = 0) -> bool:
    """Print all figures; whether they are within the targets."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = make(folder, EVENTS)
        frames = file.with_name("keyframes.jsonl")
        print(f"{EVENTS:,} events, {file.stat().st_size / 1e6:.0f} MB, keyframes {frames.stat().st_size / 1e6:.0f} MB")
        opens = [first_screen(file) for _ in range(rounds or ROUNDS)]
        found = _probed(file)
        aside = folder / "aside"
        frames.rename(aside)
        bare = [first_screen(file) for _ in range(rounds or ROUNDS)]
        aside.rename(frames)
        tape = peer(folder, file, CAST_EVENTS)
    good = statistics.median(opens) <= OPEN and statistics.median(bare) <= OPEN
    print(
        f"first screen, from exec            {statistics.median(opens):8.2f} s (the longest {max(opens):.2f})   target: {OPEN} s"
    )
    print(
        f"… without a keyframe               {statistics.median(bare):8.2f} s (the longest {max(bare):.2f})   target: {OPEN} s"
    )
    print(f"open, first lines, in the library  {found.opened:8.3f} s")
    print(f"index / chain / states complete    {found.indexed:8.1f} s / {found.checked:.1f} s / {found.known:.1f} s")
    good = stats("seek, while the survey goes on", found.early, SEEK) and good
    good = stats("seek, when all is known", found.late, SEEK) and good
    good = stats("a step forward", found.forward, STEP) and good
    good = stats("a step back", found.back, STEP) and good
    print(
        f"memory at the peak                 {found.memory:8.0f} MB, and {found.beside:.0f} MB beside   target: {MEMORY} MB"
    )
    if tape:
        for share in (0.25, 0.5, 0.75):
            there = tape * EVENTS * share / CAST_EVENTS
            ratio = there / statistics.median(found.late)
            print(
                f"to {share:.0%} of it: asciinema {there:8.0f} s (from its beginning, in proportion), {ratio:,.0f} times ours"
            )
    return good and found.memory + found.beside <= MEMORY


def _probed(file: Path) -> Figures:
    words = [sys.executable, "-m", "tests.bench.replay", str(file)]
    ran = subprocess.run(words, capture_output=True, check=True)
    return msgspec.json.decode(ran.stdout, type=Figures)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(probe(Path(sys.argv[1]))))
