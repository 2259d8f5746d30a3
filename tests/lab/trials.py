"""Recipes of the lab's hosts, function by function, as tests/real/trial.py tries those of real ones: the steps of a demo's plan with
the plan's own parameters, in its order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from copy import copy as shallow
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from cockpit.lab import Lab
from cockpit.lab.host import LabHost
from cockpit.plan.model import DnsChange, Op, Plan, Shell, Sync
from tests.real.trial import EVIL, Said, Trial


class Place:
    """A host of the lab, as a trial takes one."""

    def __init__(self, lab: Lab, host: LabHost) -> None:
        self.home = host.home
        self._env = [f"{name}={value}" for name, value in host.env(lab.id).items()]

    def copied(self, home: Path) -> Place:
        """The same host with a copy of its files."""
        # What the host's own programs take away meanwhile is not missed.
        subprocess.run(["cp", "-a", str(self.home), str(home)], capture_output=True, check=False)
        other = shallow(self)
        other.home = home
        other._env = [word.replace(str(self.home), str(home)) for word in self._env]
        return other

    def entered(self) -> list[str]:
        """The words before a command that is to run there."""
        return ["env", "-i", "-C", str(self.home), *self._env]

    def inner(self, path: str) -> Path:
        """A file of the host."""
        return self.home / path.lstrip("/")

    def run(self, script: str, *, check: bool = True) -> str:
        """Run shell text there."""
        done = subprocess.run([*self.entered(), "sh", "-c", script], capture_output=True, text=True, check=check)
        return done.stdout


@dataclass
class LabTrial(Trial):
    """One recipe with its parameters on one host of the lab, whose home is its whole file system."""

    text_: str = ""
    volatile: tuple[str, ...] = ()
    """Parts of paths that change by themselves."""

    @property
    def name(self) -> str:
        """The recipe, as one of the lab."""
        return f"lab/{self.recipe}"

    @property
    def text(self) -> str:
        """The recipe's file, as the plan has it."""
        return self.text_

    def seen(self) -> str:
        """All that recipes may have to restore on a host of the lab."""
        lines = []
        for top in ("etc", "home", "srv"):
            for folder, names, files in os.walk(self.host.inner(top)):
                for path in (Path(folder, name) for name in (*names, *files)):
                    place = str(path.relative_to(self.host.inner("")))
                    if not any(part in place for part in self.volatile):
                        what = (
                            path.readlink()
                            if path.is_symlink()
                            else zlib.crc32(path.read_bytes())
                            if path.is_file()
                            else ""
                        )
                        lines.append(f"{path.lstat().st_mode:o} {place} {what}")
        return "\n".join(sorted(lines))

    @contextlib.contextmanager
    def _file(self, script: str) -> Iterator[str]:
        file = self.host.inner("tmp/trial.sh")
        file.write_bytes(script.encode(errors="surrogateescape"))
        yield quote(str(file))

    def ask_briefly(self, op: Op) -> None:
        """Run one function to its end, or for a moment."""
        with self._file(self.script(op)) as file:
            process = self._start(f"dash {file}")
            try:
                process.communicate(timeout=0.3)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        self._note(op, Said(process.returncode, ""))

    def runs_no_parameter(self, ops: Sequence[Op]) -> None:
        """Each parameter full of quotes, spaces, newlines and `$( )`: none is run, whatever the recipe makes of it. On a copy of the
        host's files, since it may well do what it says. What waits for something is not waited for."""
        with tempfile.TemporaryDirectory() as spare:
            place = self.host.copied(Path(spare, "home"))  # type: ignore[attr-defined]
            for param in self.params:
                params = {**self.params, param: f"{EVIL}\n{EVIL}"}
                odd = replace(self, host=place, params=params, captured=dict(self.captured))
                for op in ops:
                    odd.ask_briefly(op)
        assert not Path("/tmp/owned").exists(), f"{self.recipe} ran a parameter"


class Walk:
    """A plan's steps, one after the other."""

    def __init__(self, lab: Lab, plan: Plan, volatile: Sequence[str] = ()) -> None:
        self.lab = lab
        self.plan = plan
        self.volatile = tuple(volatile)

    def step(self, ref: str) -> LabTrial | None:
        """A shell step as a trial; a copy or a change of names is made."""
        match self.plan.step(ref).action:
            case Shell() as action:
                place = Place(self.lab, self.lab.hosts[action.host])
                return LabTrial(place, action.recipe, action.params, text_=action.recipe_text, volatile=self.volatile)  # type: ignore[arg-type]
            case Sync() as action:
                copy(self.lab, action)
            case DnsChange() as action:
                zone = self.lab.zones[self.plan.dns.zone]
                for record in action.records:
                    zone.put(f"{record.name}.", record.ttl or 1, record.type, *record.new)
                zone.serial += 1
        return None


def copy(lab: Lab, action: Sync) -> None:
    """Files and folders from one host to the other; what is there already is replaced."""
    for path, to in zip(action.paths, action.to or action.paths, strict=True):
        source, target = lab.hosts[action.source].home / path, lab.hosts[action.target].home / to
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, symlinks=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
