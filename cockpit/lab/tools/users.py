"""What users of the community's host run there, and what all services ask before they write: `may`, `push` and `note`.

Runs alone: `python users.py COMMAND WORDS`.

    may PATH               whether services and users may write there: `etc/readonly` has lines of a path, and of an exception
    push PROJECT TOKEN     record a patch in a repository; its text is standard input
    note TOKEN             add a line to the notes in one's own home
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from pathlib import Path


def may(root: Path, path: str) -> bool:
    """Whether a path below a host's home may be written to."""
    file = root / "etc/readonly"
    rules = [line.split() for line in (file.read_text().splitlines() if file.exists() else [])]
    for rule in rules:
        frozen, free = rule[0], rule[1] if len(rule) > 1 else ""
        if within(path, frozen) and not (free and within(path, free)):
            return False
    return True


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or below it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def refused(what: str) -> int:
    """Say as the kernel does that it is read-only. 1, the exit status."""
    print(f"{what}: Read-only file system", file=sys.stderr)
    return 1


def push(root: Path, project: str, token: str) -> int:
    """A patch gets the next number; the inventory has its checksum, and is written last."""
    place = root / "srv/projects" / project
    if not (place / "inventory").is_file() or "/" in project:
        print(f"there is no project {project}", file=sys.stderr)
        return 2
    # Whoever makes the host read-only waits for this lock: a push is all there before, or refused.
    with (root / "var/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not may(root, f"srv/projects/{project}"):
            return refused(project)
        inventory = (place / "inventory").read_text()
        name = f"{len(inventory.splitlines()) + 1:05d}-{token}.patch"
        body = sys.stdin.buffer.read()
        (place / "patches" / name).write_bytes(body)
        fresh = place / "inventory.new"
        fresh.write_text(f"{inventory}{hashlib.sha256(body).hexdigest()} {name}\n")
        fresh.replace(place / "inventory")
    print(f"recorded {name}")
    return 0


def note(root: Path, home: Path, token: str) -> int:
    """A line more in ~/notes."""
    with (root / "var/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not may(root, str(home.relative_to(root))):
            return refused("notes")
        with (home / "notes").open("a") as out:
            out.write(f"{token}\n")
            out.flush()
            os.fsync(out.fileno())
    print(f"noted {token}")
    return 0


def main(words: list[str]) -> int:
    """0 done or allowed, 1 read-only, 2 usage."""
    home = Path(os.environ["HOME"])
    # Users log in to their home, the operator to the whole host.
    root = home.parent.parent if home.parent.name == "home" else home
    match words:
        case ["may", path]:
            allowed = may(root, path)
            print(f"{path} is {'writable' if allowed else 'read-only'}")
            return 0 if allowed else 1
        case ["push", project, token]:
            return push(root, project, token)
        case ["note", token]:
            return note(root, home, token)
    print("usage: may PATH | push PROJECT TOKEN | note TOKEN", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
