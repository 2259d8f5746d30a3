"""A recipe on a real host, function by function, as the conductor would run it: forward, twice, back, cut off in the middle.

A recipe's test names the host, the parameters and a shell text that prints the state which undo must restore. The rest is the
same for all of them:

    trial = Trial(host, "postfix-hold", {"domain": "example.test"}, state="postconf -n; postqueue -p")
    trial.there_and_back()
    trial.cut_anywhere()

`python -m tests.soak recipes` cuts at every command of every `apply` and `undo` (COCKPIT_CUTS=all), under every shell
(COCKPIT_SHELLS=all); otherwise one cut is made for each function, under dash, and a recipe goes there and back under dash and one
of the other shells.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
import select
import signal
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from cockpit.plan.model import Op, Shell
from cockpit.plan.recipes import parse
from cockpit.plan.script import script_for
from tests.real.rig import RealHost
from tests.real.stood import note

SHELLS = ("dash", "bash --posix", "busybox sh")
"""What a host's `sh` may be."""

EVIL = 'it\'s "here" $(touch /tmp/owned) `touch /tmp/owned` \\ * ; & | > <\ttab é'
"""A value that a careless quotation would run, split or lose. It is one line: so are the values that recipes print."""


MARK = "+trace+"
"""What a traced shell writes before each command, in a write of its own."""

BLIND: Mapping[Op, int] = {"probe": 2, "capture": 1, "apply": 1, "verify": 2}
"""How the functions of a recipe end that cannot see what it is about."""


@contextlib.contextmanager
def without(host: RealHost, *tools: str) -> Iterator[None]:
    """Hide these commands of a host, wherever they are looked for."""
    folders = "/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin"
    each = f"for dir in {folders}; do for tool in {' '.join(tools)}; do"
    host.run(f"{each} [ ! -e $dir/$tool ] || mv $dir/$tool $dir/$tool.hidden; done; done")
    try:
        yield
    finally:
        host.run(f"{each} [ ! -e $dir/$tool.hidden ] || mv $dir/$tool.hidden $dir/$tool; done; done")


def evil_left(host: RealHost) -> bool:
    """Whether a value was taken for a command, also one whose slashes were made something else to be the name of a file."""
    return host.run("ls -d /tmp/owned ~/?tmp?owned", check=False).strip() != ""


@dataclass(frozen=True)
class Said:
    """How one function ended. `status` is -9 when it was cut off."""

    status: int
    out: str
    err: str = ""

    @property
    def said(self) -> str:
        """All that it said."""
        return f"{self.out}{self.err}"


@dataclass
class Trial:
    """One recipe with its parameters on one host."""

    host: RealHost
    recipe: str
    params: Mapping[str, str]
    state: str = "true"
    """Shell text that prints what undo must restore, and nothing that goes on by itself."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Shell variables that are secrets: not exported."""
    folder: Path | None = None
    """Where the recipe lies; None for the library."""
    captured: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The recipe's file."""
        place = resources.files("cockpit.recipes") if self.folder is None else self.folder
        return place.joinpath(f"{self.recipe}.sh").read_text(encoding="utf-8")

    @property
    def name(self) -> str:
        """The recipe, with the example that it belongs to."""
        return self.recipe if self.folder is None else f"{self.folder.parent.name}/{self.recipe}"

    def script(self, op: Op) -> str:
        """What would travel to the host."""
        action = Shell(
            host="h",
            recipe=self.recipe,
            recipe_text=self.text,
            params=dict(self.params),
            secrets={name: name for name in self.secrets},
        )
        return script_for(action, op, self.captured, dict(self.secrets))

    def ask(self, op: Op, shell: str = SHELLS[0]) -> Said:
        """Run one function to its end."""
        script = self.script(op)
        if not script:
            return Said(0, "")
        with self._file(script) as file:
            process = self._start(f"{shell} {file}")
            out, err = process.communicate(timeout=240)
        said = Said(process.returncode, _text(out), _text(err))
        self._note(op, said)
        return said

    def _note(self, op: Op, said: Said) -> None:
        """Record what the recipe has stood by this."""
        if op == "apply":
            for param, value in {**self.params, **self.secrets}.items():
                if "$(touch" in value:
                    note(self.name, f"evil {param}")
                if "\n" in value:
                    note(self.name, f"newline {param}")
        elif op == "verify_undo" and said.status == 0:
            note(self.name, "undone")

    def capture(self, shell: str = SHELLS[0]) -> None:
        """Capture, and keep it for what follows."""
        said = self.ask("capture", shell)
        assert said.status == 0, f"{self.recipe} capture: {said}"
        self.captured = dict(line.split("=", 1) for line in said.out.splitlines() if "=" in line)

    def capture_again(self, shell: str = SHELLS[0]) -> None:
        """Capture once more after an apply that was cut off, as another try does: what it finds is not taken for the old state,
        and where it refuses, what was captured first is gone on with. It has to say why."""
        said = self.ask("capture", shell)
        assert said.status == 0 or said.said.strip(), f"{self.recipe} capture refuses and does not say why: {said}"

    def must(self, op: Op, status: int = 0, shell: str = SHELLS[0]) -> str:
        """Run one function, which must end so. What it said."""
        said = self.ask(op, shell)
        assert said.status == status, f"{self.recipe} {op} under {shell}: {said}"
        if op in {"apply", "verify"}:
            assert said.said.strip(), f"{self.recipe} {op} says nothing"
        return said.said

    def seen(self) -> str:
        """The state that undo must restore, as it is now."""
        return self.host.run(f"( {self.state} ) 2>&1", check=False)

    def same(self, before: str, what: str) -> None:
        """The state is what it was; else this sentence, and what differs."""
        now = self.seen()
        differs = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", n=0, lineterm="")
        assert now == before, "\n".join([what, *differs])

    def recognised(self, shell: str = SHELLS[0]) -> bool:
        """Whether it is already so, by the recipe's own probe; anything but yes and no is a failure."""
        said = self.ask("probe", shell)
        assert said.status in {0, 1}, f"{self.recipe} probe under {shell}: {said}"
        return said.status == 0

    # --- what every recipe must stand ---------------------------------------------------------------------------------

    def there(self, shell: str = SHELLS[0], *, already: bool = True) -> None:
        """Forward, and again: `already`, and applied all the same it changes nothing more. Recipes that look, or that are
        made anew each time, are never already so."""
        assert not self.recognised(shell), f"{self.recipe} is already so before it is applied"
        self.capture(shell)
        self.must("apply", 0, shell)
        self.must("verify", 0, shell)
        if already:
            assert self.recognised(shell), f"{self.recipe} does not recognise what it has done"
            first = self.seen()
            self.must("apply", 0, shell)
            self.must("verify", 0, shell)
            self.same(first, f"{self.recipe} applied twice is not what it is once")
            note(self.name, "twice")

    def back(self, shell: str = SHELLS[0]) -> None:
        """Undo, and its verification."""
        self.must("undo", 0, shell)
        if self.script("verify_undo"):
            self.must("verify_undo", 0, shell)
        else:
            assert not self.recognised(shell), f"{self.recipe} undone is still so"
            note(self.name, "undone")

    def there_and_back(self, *, already: bool = True, shells: Sequence[str] = ()) -> None:
        """Forward, twice, back, under the first shell; under the second once there and back (COCKPIT_SHELLS=all: under all, all
        the way). `shells` are fewer where each function takes its time."""
        before = self.seen()
        # The recipes share the other shells: each has its own, always the same one.
        shells = shells or (SHELLS[0], SHELLS[1 + zlib.crc32(self.recipe.encode()) % (len(SHELLS) - 1)])
        thorough = os.environ.get("COCKPIT_SHELLS") == "all"
        for shell in SHELLS if thorough else shells:
            self.there(shell, already=already and (thorough or shell == shells[0]))
            self.back(shell)
            self.same(before, f"{self.recipe} undone under {shell} does not restore the state")
        assert not evil_left(self.host), f"{self.recipe} ran a parameter"

    def blind(self, *tools: str, ops: Mapping[Op, int] = BLIND) -> None:
        """Without these commands on its host, each function ends so, with a word: what cannot be seen is neither so nor not so,
        and nothing is changed."""
        before = self.seen()
        with without(self.host, *tools):
            for op, status in ops.items():
                said = self.ask(op)
                assert said.status == status, f"{self.recipe} {op} without {tools}: {said}"
                assert said.said.strip(), f"{self.recipe} {op} without {tools} says nothing"
        self.same(before, f"{self.recipe} without {tools} changes something")

    def refuses(self, *harmless: str, only: Sequence[str] = ()) -> None:
        """Each parameter (or these only) full of quotes, blanks, newlines and `$( )`: `apply` refuses it with a word and changes
        nothing. The harmless ones may be taken, or fail on the way: what was done with them is taken back. None is run."""
        before = self.seen()
        found = parse(self.recipe, self.text)
        assert set(only) <= {*found.params} - found.shell, f"{self.recipe} has no such parameter"
        for param in only or [*dict.fromkeys((*found.params, *self.secrets))]:
            if param in found.shell:
                continue
            for value in (EVIL, f"{EVIL}\n{EVIL}"):
                odd = self.given(param, value)
                said = odd.ask("apply")
                if said.status == 0:
                    assert param in harmless, f"{self.recipe} takes {param}={value!r}: {said}"
                    odd.ask("verify")
                else:
                    assert said.said.strip(), f"{self.recipe} refuses {param}={value!r} without a word"
                if param in harmless and (said.status == 0 or self.seen() != before):
                    odd.must("undo")
                self.same(before, f"{self.recipe} with {param}={value!r} changes something, or is not taken back")
        assert not evil_left(self.host), f"{self.recipe} ran a parameter"

    def given(self, param: str, value: str) -> Trial:
        """The same with another value of one parameter, or of one secret."""
        if param in self.secrets:
            return replace(self, secrets={**self.secrets, param: value})
        return replace(self, params={**self.params, param: value})

    def turned_away(self, about: str, live: str, *ops: Op) -> str:
        """A configuration that is broken, or would be by this, is refused before the daemon hears of it: `apply` (or these) fail
        and say why, what undo must restore is as it was, and so is what `live` prints: shell text that tells which configuration
        the daemon runs with, such as how often it was told to read it. All that they said."""
        before, running = self.seen(), self.host.run(live)
        assert running.strip(), f"nothing tells what the daemon of {self.recipe} runs with"
        words = ""
        for op in ops or ("apply",):
            said = self.ask(op)
            assert said.status, f"{self.recipe} {op} goes on with a broken configuration: {said}"
            assert about in said.said, f"{self.recipe} {op}: {said}"
            self.same(before, f"{self.recipe} {op} changes something though it refuses")
            now = self.host.run(live)
            assert now == running, f"{self.recipe} {op}: the daemon was told, though it refuses: {running!r} -> {now!r}"
            words += said.said
        note(self.name, "refused")
        return words

    def cut_anywhere(self, between: Callable[[], None] | None = None, ops: Sequence[Op] = ("apply", "undo")) -> None:
        """Killed after some commands of `apply`, and of `undo`: the probe still answers, what it takes for done can be verified,
        and the same function run again brings it to its end. `between` mends what no recipe could, after each cut."""
        before = self.seen()
        points = self._points()
        for op in ops:
            for point in points[op]:
                self.capture()
                if op == "undo":
                    self.must("apply")
                self._cut_off(op, point)
                if between is not None:
                    between()
                self._true()
                if op == "apply":
                    self.capture_again()
                self.must(op)
                if op == "apply":
                    self.must("verify")
                    self.must("undo")
                self.same(before, f"{self.recipe}: {op} cut after {point} commands is not mended by {op}")
            note(self.name, f"cut {op}")
        # From the middle of apply straight back.
        for point in points["apply"]:
            self.capture()
            self._cut_off("apply", point)
            if between is not None:
                between()
            self.must("undo")
            self.same(before, f"{self.recipe}: apply cut after {point} commands is not taken back by undo")

    def _true(self) -> None:
        """What the probe takes for done can be verified, but for what has gone on meanwhile, which the probe sees then, too."""
        if self.recognised():
            said = self.ask("verify")
            assert said.status == 0 or not self.recognised(), f"{self.recipe} probe says yes, and verify {said}"

    def _points(self) -> dict[Op, list[int]]:
        """After how many commands each function is cut: there and back once more, which tells how many there are."""
        self.capture()
        points: dict[Op, list[int]] = {}
        for op in ("apply", "undo"):
            length = self.traced(op)
            # One place for each recipe and function, another one for each.
            share = zlib.crc32(f"{self.recipe} {op}".encode()) % 1000 / 1000
            every = os.environ.get("COCKPIT_CUTS") == "all"
            points[op] = list(range(1, length)) if every else [1 + int(share * max(length - 2, 0))]
        return points

    def traced(self, op: Op) -> int:
        """Run one function to its end, which must be good. How many commands it has run."""
        count, status = self._trace(op, None)
        assert status == 0, f"{self.recipe} {op} ends with {status}"
        return count

    def killed(self, op: Op, point: int) -> bool:
        """Kill one function, with all that it has started, after its command of this number has begun: while that runs, or
        before the next one when it takes no time. False when it came to its end before."""
        return self._trace(op, point)[1] == -signal.SIGKILL

    def cut(self, op: Op, point: int) -> None:
        """Kill one function after its command of this number has begun, which must be before its end."""
        assert self.killed(op, point), f"{self.recipe} {op} was at its end before {point} commands: not cut"
        note(self.name, f"cut {op}")

    def _cut_off(self, op: Op, point: int) -> None:
        """As `cut`; earlier when the function waits for something, and this time is through with fewer commands."""
        while not self.killed(op, point):
            assert point > 1, f"{self.recipe} {op} ends before it can be cut"
            self.must("undo" if op == "apply" else "apply")
            point //= 2

    def _trace(self, op: Op, point: int | None) -> tuple[int, int]:
        """How many commands there were, and how it ended."""
        count = 0
        # Each write is one of its own and there is room for one: the shell, which writes a line word by word, waits with its
        # next command until this one was counted. Lines of a pipeline's shells run into each other; their marks do not.
        trace, end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
        with self._file(self.script(op)) as file, open(trace, "rb", 0) as lines:
            with open(end, "wb", 0) as writing:
                process = self._start(f"env PS4={MARK} dash -x {file}", writing.fileno())
            while word := lines.read(65536):
                count += word == MARK.encode()
                if point is not None and count >= point and word.endswith(b"\n"):
                    select.select([lines], [], [], 0.02)
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    break
            process.communicate(timeout=240)
        return count, process.returncode

    # --- running ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _file(self, script: str) -> Iterator[str]:
        name = f"/run/trial.{threading.get_native_id()}.sh"
        file = self.host.inner(name)
        file.write_bytes(script.encode(errors="surrogateescape"))
        file.chmod(0o644)
        yield name

    def _start(self, command: str, errors: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.host.entered(), "sh", "-c", f"cd ~ && exec {command}"],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def library() -> list[str]:
    """The names of all recipes of the library."""
    folder = resources.files("cockpit.recipes")
    return sorted(entry.name.removesuffix(".sh") for entry in folder.iterdir() if entry.name.endswith(".sh"))
