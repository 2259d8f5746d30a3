"""A small MUSH: people connect by telnet, talk and build, one line at a time. Standard library only, so that any host runs it.

    python3 mush.py FOLDER PORT [OPTIONS]      serves the world in FOLDER/data/save.db
    python3 mush.py --check SAVE              says how many things a save holds; status 1 when it cannot be loaded

The world lives in memory. It is written to the save by `@dump`, at SIGTERM or a wizard's shutdown, and every so many seconds.
OPTIONS: --name NAME, --every SECONDS, --at ADDRESS (all of them), --host NAME (what it calls its host).
FOLDER/wizard holds the wizard's password; FOLDER/run has the pid and the log, and is nobody's to copy.

Before `connect NAME` a session may ask `INFO`, as on any MUSH. After a wizard's `@freeze NOTICE` people stay, but what they
change is not written any more, and each answer says so; `@thaw` ends that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path


class Broken(Exception):
    """A save that cannot be loaded; the sentence says why."""


def load(file: Path) -> list[str]:
    """The things of a save. Raises Broken."""
    try:
        head, _, body = file.read_text(encoding="utf-8").partition("\n")
        things = json.loads(body)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Broken(f"{file} cannot be read: {error}") from None
    if head != _digest(body) or not isinstance(things, list):
        raise Broken(f"{file} is damaged")
    return [str(thing) for thing in things]


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


class Mush:
    """The world, and who is in it."""

    def __init__(self, folder: Path, name: str, host: str) -> None:
        self.name = name
        self.host = host
        self.save = folder / "data" / "save.db"
        self.password = (folder / "wizard").read_text().strip()
        self.log = (folder / "run" / "log").open("a", encoding="utf-8")
        self.things = load(self.save) if self.save.exists() else []
        self.notice = ""
        self.down = False
        self.lock = threading.RLock()
        self.players: dict[socket.socket, str] = {}

    def info(self) -> str:
        """The line that `INFO` gets, without a login."""
        with self.lock:
            players = sum(name != "wizard" for name in self.players.values())
            kept = "lost" if self.notice else "kept"
            return f"INFO name={self.name} host={self.host} players={players} things={len(self.things)} changes={kept}"

    def build(self, who: str, thing: str) -> str:
        """Make a thing. It is acknowledged while the lock is held: a shutdown cannot come between it and the save."""
        with self.lock:
            if self.down:
                raise ConnectionResetError
            self.things.append(thing)
            lost = f", and it will be lost: {self.notice}" if self.notice else ""
            self.say(f"{who} built {thing}{lost}")
            return f"Built: {thing} (#{len(self.things)}){lost}"

    def write(self) -> str:
        """The world into its save, unless what was changed since is not to be kept."""
        with self.lock:
            if self.notice:
                return "Not saved: changes are not kept."
            body = json.dumps(self.things)
            self.save.parent.mkdir(exist_ok=True)
            fresh = self.save.with_suffix(".new")
            with fresh.open("w", encoding="utf-8") as out:
                out.write(f"{_digest(body)}\n{body}")
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(self.save)
            return f"Saved: {len(self.things)}"

    def say(self, text: str) -> None:
        """A line in the log, with the local time."""
        self.log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
        self.log.flush()

    def wall(self, text: str) -> None:
        """Tell everybody."""
        with self.lock:
            self.say(f"announced: {text}")
            for player in self.players:
                try:
                    player.sendall(f"Announcement: {text}\r\n".encode())
                except OSError:
                    continue

    def wizard(self, verb: str, rest: str) -> str:
        """What only a wizard may do."""
        if verb == "@wall":
            self.wall(rest)
            return "Announced."
        if verb == "@freeze":
            with self.lock:
                saved = self.write() if not self.notice else "Saved before."
                self.notice = rest or "no more changes"
                self.wall(self.notice)
            return saved
        if verb == "@thaw":
            self.notice = ""
            return "Changes are kept again."
        return self.write()


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        """Answer line after line until the client says QUIT or goes."""
        mush = self.server.mush
        self._tell(f"Welcome to {mush.name} on {mush.host}. connect NAME, INFO or QUIT")
        who = ""
        try:
            for raw in iter(lambda: self.rfile.readline(4096), b""):
                line = raw.decode("utf-8", "replace").strip()
                verb, _, rest = line.partition(" ")
                if verb == "QUIT":
                    break
                if verb == "INFO":
                    self._tell(mush.info())
                elif not who:
                    who = self._connect(verb, rest)
                elif verb == "@shutdown" and who == "wizard":
                    self._tell("Going down.")
                    self.server.stop()
                    break
                else:
                    self._tell(self._do(who, verb, rest))
        except OSError:
            pass
        finally:
            with mush.lock:
                mush.players.pop(self.connection, None)
            if who:
                mush.say(f"{who} left")

    def _connect(self, verb: str, rest: str) -> str:
        mush = self.server.mush
        name, _, password = rest.partition(" ")
        if verb != "connect" or not name or (name == "wizard" and password != mush.password):
            self._tell("Either that player does not exist, or has a different password.")
            mush.say(f"refused {verb}")
            return ""
        with mush.lock:
            mush.players[self.connection] = name
            mush.say(f"{name} connected")
            self._tell(f"You are {name}." + (f" Notice: {mush.notice}" if mush.notice else ""))
        return name

    def _do(self, who: str, verb: str, rest: str) -> str:
        mush = self.server.mush
        if verb == "@build" and rest:
            return mush.build(who, rest)
        if verb == "look":
            return f"You see {len(mush.things)} things, the last is {mush.things[-1] if mush.things else 'nothing'}."
        if verb in {"@wall", "@freeze", "@thaw", "@dump"} and who == "wizard":
            return mush.wizard(verb, rest)
        return 'Huh?  (Type "help" for help.)'

    def _tell(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    """The port."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, at: tuple[str, int], mush: Mush) -> None:
        super().__init__(at, Session)
        self.mush = mush

    def stop(self, *_: object) -> None:
        """Take nothing more, save, and go."""
        threading.Thread(target=self._stop).start()

    def _stop(self) -> None:
        with self.mush.lock:
            self.mush.down = True
            self.mush.say(self.mush.write())
            for player in self.mush.players:
                try:
                    player.sendall(b"GAME: going down.\r\n")
                except OSError:
                    continue
        self.shutdown()


def serve(folder: Path, at: tuple[str, int], mush: Mush, every: float) -> None:
    """Serve until it is told to stop."""
    with Server(at, mush) as server:
        (folder / "run" / "pid").write_text(f"{os.getpid()}\n")
        signal.signal(signal.SIGTERM, server.stop)
        mush.say(f"up on port {at[1]} with {len(mush.things)} things")
        threading.Thread(target=_keep, args=(mush, every), daemon=True).start()
        server.serve_forever(0.05)
    (folder / "run" / "pid").unlink(missing_ok=True)


def _keep(mush: Mush, every: float) -> None:
    while not mush.down:
        time.sleep(every)
        with mush.lock:
            if not mush.down:
                mush.write()


def main() -> int:
    """By the command line. 0, or 1 when a save cannot be loaded."""
    words = argparse.ArgumentParser(description="A small MUSH.")
    words.add_argument("--check", type=Path)
    words.add_argument("--name", default="mush")
    words.add_argument("--every", type=float, default=300.0)
    words.add_argument("--at", default="")
    words.add_argument("--host", default=socket.gethostname())
    words.add_argument("folder", type=Path, nargs="?")
    words.add_argument("port", type=int, nargs="?")
    said = words.parse_args()
    try:
        if said.check:
            print(f"{said.check} holds {len(load(said.check))} things")
        elif said.folder is None or said.port is None:
            words.error("FOLDER and PORT, or --check SAVE")
        else:
            (said.folder / "run").mkdir(exist_ok=True)
            serve(said.folder, (said.at, said.port), Mush(said.folder, said.name, said.host), said.every)
    except Broken as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
