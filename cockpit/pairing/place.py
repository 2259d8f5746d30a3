"""Where the tmux server of a run lives: a folder of this account outside the runs, with socket, configuration and secret."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

import msgspec

from cockpit.pairing.tmux import Server

BASE = Path("/tmp")
"""Every account can pass through it, which `--allow` needs, and the path stays below the 107 bytes of unix(7)."""

FOLDER_VARIABLE = "COCKPIT_PAIR"
"""Tells the screen inside the session where its folder is."""


class Place(msgspec.Struct, frozen=True):
    """The folder of one session. Mode 0700 until another account is let in."""

    path: Path

    @property
    def socket(self) -> Path:
        """tmux's socket."""
        return self.path / "tmux"

    @property
    def server(self) -> Server:
        """The server behind it."""
        return Server(self.socket)

    @property
    def config(self) -> Path:
        """tmux's configuration."""
        return self.path / "tmux.conf"

    @property
    def names(self) -> Path:
        """A file for each client of this account, by its pid, with the name that its person goes by."""
        return self.path / "names"

    @property
    def run(self) -> Path:
        """The run's folder. Raises OSError when the session is no more."""
        return Path((self.path / "run").read_text(encoding="utf-8").strip())

    @property
    def secret(self) -> str:
        """The word that marks begin with. Raises OSError."""
        return (self.path / "mark").read_text(encoding="ascii").strip()

    def keep(self, run: Path, config: str, secret: str) -> None:
        """Write down what the session needs. Raises OSError."""
        self.names.mkdir(mode=0o700, exist_ok=True)
        for old in self.names.iterdir():
            old.unlink()
        for name, text in (("run", f"{run}\n"), ("mark", f"{secret}\n"), ("tmux.conf", config)):
            file = self.path / name
            file.unlink(missing_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
                target.write(text)

    def name_of(self, pid: int) -> str:
        """The name that a client of this account goes by, '' when it gave none."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return tidy((self.names / str(pid)).read_text(encoding="utf-8"))
        return ""


def tidy(name: str) -> str:
    """A name without what tmux's formats or a terminal would read as more than a name."""
    return "".join(letter for letter in name.strip() if letter.isalnum() or letter in " ._@+-")[:32].strip()


def new_secret() -> str:
    """128 random bits."""
    return secrets.token_hex(16)


def place_of(run: Path, base: Path = BASE) -> Place:
    """The place of a run's session, whether it is there or not."""
    own = hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:12]
    return Place(base / f"cockpit-pair-{os.getuid()}-{own}")


def made(place: Place) -> Place:
    """The place with its folder, which only this account can change. Raises PermissionError when it is not ours."""
    place.path.mkdir(mode=0o700, exist_ok=True)
    status = place.path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{place.path} is not a folder of this account alone; remove it and try again")
    return place


def places(base: Path = BASE) -> list[Place]:
    """The places of this account's sessions that are up, the newest first."""
    found = [Place(path) for path in base.glob(f"cockpit-pair-{os.getuid()}-*") if (path / "tmux").exists()]
    found.sort(key=lambda place: place.config.stat().st_mtime if place.config.exists() else 0.0, reverse=True)
    return [place for place in found if place.server.answers()]


def clear(place: Place) -> None:
    """Remove what a session that has ended left behind."""
    import shutil

    if place.path.is_dir() and not place.path.is_symlink() and place.path.lstat().st_uid == os.getuid():
        shutil.rmtree(place.path, ignore_errors=True)
