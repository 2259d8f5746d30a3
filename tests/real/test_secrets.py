"""What a real host shows of a secret while a step has it: in no words of a process, and in no file once the step has begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cockpit.engine.ports import Outcome
from cockpit.hosts.hands import ShellHands
from cockpit.hosts.job import Jobs
from cockpit.journal.needles import needles
from cockpit.journal.raw import RawFiles
from cockpit.journal.redaction import Redactor
from cockpit.plan.model import Op, Shell, Step
from tests.hosts.told import Told, call_of, pooled
from tests.real.rig import RealHost, Rig, needs_rig

pytestmark = needs_rig

PASSWORD = "correct'horse battery$(staple)"

SCRIPTS = {
    "probe": 'test -n "$password" && sleep 0.3; exit 1',
    "capture": 'sleep 0.3; echo "was=$password"',
    "apply": 'printf %s "$password" | { cat >stored; }; sleep 0.6; env | grep -c correct || :; echo "stored $password"',
    "verify": 'sleep 0.3; test "$(cat stored)" = "$password"',
    "undo": 'sleep 0.3; test "$captured_was" = "$password" && rm stored',
    "verify_undo": "test ! -e stored",
}


@contextmanager
def watched(host: RealHost) -> Iterator[set[bytes]]:
    """Samples the words of every process of this machine, that of the host's among them."""
    seen: set[bytes] = set()
    over = threading.Event()

    def sample() -> None:
        while not over.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        seen.add((entry / "cmdline").read_bytes())
                    except OSError:
                        continue
            time.sleep(0.01)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("server", "tools", "shell"),
    [("openssh", "gnu", "dash"), ("openssh", "gnu", "bash"), ("dropbear", "busybox", "busybox")],
)
async def test_a_secret_is_in_no_words_of_a_process_and_in_no_script_that_stays(
    desk: Rig, tmp_path: Path, server: str, tools: str, shell: str
) -> None:
    host = desk.host(f"{server}-{shell}", server=server, tools=tools, shell=shell)
    step = Step(
        ref="osf/pw", id="pw", service="osf", phase="copy", kind="shell", host="new",
        action=Shell(host="new", secrets={"password": "root_password"}, **SCRIPTS),
    )  # fmt: skip
    redactor = Redactor(b"key")
    redactor.add("root_password", PASSWORD)
    told = Told()
    raw = RawFiles(tmp_path / "raw", redactor)
    captured: dict[str, str] = {}
    with watched(host) as seen:
        async with pooled({"new": host.plan("new")}, told) as pool:
            hands = ShellHands(pool, Jobs(pool), raw.append, {"root_password": PASSWORD})
            ops: tuple[Op, ...] = ("probe", "capture", "apply", "verify", "undo", "verify_undo")
            outcomes: dict[str, Outcome] = {}
            for op in ops:
                outcomes[op] = await hands.act(call_of(step, op, captured, job="run.osf.pw.1"), told)
                captured = captured or outcomes[op].captured
    raw.close()
    verdicts = {op: outcome.verdict for op, outcome in outcomes.items()}
    assert verdicts == {
        "probe": "no",
        "capture": "ok",
        "apply": "ok",
        "verify": "ok",
        "undo": "ok",
        "verify_undo": "ok",
    }
    assert captured == {"was": PASSWORD}
    assert any(b"cockpit-job" in words for words in seen), "the sampling saw the job"
    assert not [words for words in seen for needle in needles(PASSWORD) if needle in words.replace(b"\0", b" ")]
    jobs = host.file("/root/.cockpit/jobs")
    assert sorted(path.name for path in jobs.iterdir()) == ["run.osf.pw.1.apply", "run.osf.pw.1.undo"]
    left = {path.name for path in jobs.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()}
    assert left == {"out"}, "only what the script itself printed"
    [kept] = [path.read_bytes() for path in (tmp_path / "raw").iterdir() if path.name.endswith("apply.out")]
    # The 0 is how many exported variables hold it.
    assert kept == b"0\nstored " + b"*" * len(PASSWORD) + b"\n"
