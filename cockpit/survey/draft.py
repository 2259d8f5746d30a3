"""From what an old host holds to the draft of a plan: what is plain is a step, what a person must decide is a draft. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from cockpit.survey.inventory import Inventory, Item
from cockpit.survey.starts import BASES, KNOWN, MAIL, WEB, starts

NO_HOME = frozenset({"/", "/nonexistent", "/dev/null", "/var/empty"})


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the draft: `act` is YAML behind the id and the phase; empty leaves it a draft."""

    id: str
    phase: str
    title: str = ""
    act: str = ""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service of the draft. `remarks` become comments."""

    id: str
    title: str
    wave: int
    steps: tuple[Step, ...]
    tags: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Ids:
    """Names of a plan made from anything, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, *texts: str) -> str:
        """A name that says as much of the texts as a name can."""
        words = "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-._") for text in texts if text)
        base = words.strip("-")[:60] or "unnamed"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}-{number}", number + 1
        self._taken.add(name)
        return name


def quoted(text: str) -> str:
    """A text in YAML's double quotes, whatever it holds."""
    return '"' + "".join(_sign(char) for char in text) + '"'


def plain(text: str) -> str:
    """The same for a field that takes variables: braces stand for themselves."""
    return quoted(text.replace("{", "{{").replace("}", "}}"))


def _sign(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable() and char != "\ufeff":
        return char
    return f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"


def services(found: Inventory) -> list[Service]:
    """What the host serves, in the order in which such things move: people and data first, names last."""
    ids = Ids()
    made: list[Service] = []
    for part in (_accounts, _repositories, _databases, _sites, _lists, _mail, _names, _jobs, _others, _started):
        made += part(found, ids)
    return made


def copy(id: str, folders: list[str], phase: str = "copy") -> Step:
    """A copy of folders to the same place on new. A sync takes no files."""
    listed = ", ".join(plain(f"{folder.rstrip('/')}/") for folder in folders)
    return Step(id=id, phase=phase, act=f"sync: {{from: old, to: new, paths: [{listed}]}}")


def draft(id: str, phase: str, title: str) -> Step:
    """Something to be decided."""
    return Step(id=id, phase=phase, title=title)


def _paths(items: list[Item], number: int) -> list[str]:
    return sorted({item.field(number) for item in items if not item.odd and item.field(number).startswith("/")})


def _there(found: Inventory, paths: list[str], ids: Ids) -> tuple[list[str], list[Step]]:
    """Those of the paths that are folders, and a draft for each that is configured and is none."""
    absent = {item.field(0) for item in found.of("absent")}
    gone = [draft(ids.make("no-folder"), "copy", f"{path} is no folder") for path in paths if path in absent]
    return [path for path in paths if path not in absent], gone


def _odd(items: list[Item], number: int, ids: Ids) -> list[Step]:
    """Names that no plan can hold are somebody's to look at."""
    return [draft(ids.make("odd-name"), "copy", f"copy by hand: {item.field(number)}") for item in items if item.odd]


def _accounts(found: Inventory, ids: Ids) -> Iterator[Service]:
    users, groups = found.of("user"), found.of("group")
    if not users and not groups:
        return
    inner = Ids()
    forwards = {item.field(0): item.field(1) for item in found.of("forward")}
    steps = [
        draft(
            inner.make("group", g.field(0)),
            "prepare",
            f"group {g.field(0)}, gid {g.field(1)}: {g.field(2)}".rstrip(": "),
        )
        for g in groups
    ]
    for user in users:
        away = f", mail is forwarded to {forwards[user.field(0)]}" if user.field(0) in forwards else ""
        title = f"account {user.field(0)}, uid {user.field(1)}, {user.field(4)}{away}"
        steps.append(draft(inner.make("user", user.field(0)), "prepare", title))
    # Who has one of these has no home.
    homes, gone = _there(found, [home for home in _paths(users, 3) if home not in NO_HOME], inner)
    steps += [copy(inner.make("homes"), homes)] if homes else []
    steps += gone
    steps += _odd([user for user in users if user.odd], 3, inner)
    steps.append(draft(inner.make("accounts-since-first-copy"), "freeze", "accounts that came up since the first copy"))
    yield Service(id=ids.make("accounts"), title="Accounts and homes", wave=1, steps=tuple(steps), tags=("accounts",))


def _repositories(found: Inventory, ids: Ids) -> Iterator[Service]:
    items = found.of("repository")
    roots: dict[str, list[Item]] = {}
    for item in items:
        roots.setdefault(str(PurePosixPath(item.field(1)).parent) if not item.odd else "", []).append(item)
    for root, held in sorted(roots.items()):
        inner = Ids()
        kinds = ", ".join(sorted({item.field(0) for item in held}))
        steps = [copy(inner.make("copy"), _paths(held, 1))] if root else []
        steps += _odd(held if not root else [], 1, inner)
        steps.append(
            draft(inner.make("frozen-copy"), "sync", f"freeze writers, copy {root} again, verify hooks and modes")
        )
        named = tuple(f"{item.field(0)} {item.field(1)}" for item in held)
        title = f"Repositories below {root}" if root else "Repositories with odd names"
        yield Service(
            id=ids.make("repositories", root),
            title=f"{title} ({kinds})",
            wave=2,
            steps=tuple(steps),
            tags=("repositories",),
            remarks=named,
        )


def _databases(found: Inventory, ids: Ids) -> Iterator[Service]:
    for item in found.of("database"):
        kind, name, owner, size, server = (item.field(number) for number in range(5))
        inner = Ids()
        whose = (f", of the server at {server}" if server else "") + (f", owner {owner}" if owner else "")
        large = f", {int(size):,} bytes" if size.isdigit() else ""
        steps = [
            draft(
                inner.make("dump-and-restore"),
                "sync",
                f"{kind} database {name}{whose}{large}: dump, restore, count rows",
            )
        ]
        if kind == "sqlite" and not item.odd:
            # A file that is being written to is no database when it arrives, and its folder may hold anything.
            steps = [
                draft(
                    inner.make("copy"),
                    "copy",
                    f"copy of {name}: by sqlite-copy on old, then a sync of the folder it made it in",
                ),
                draft(inner.make("final-copy"), "sync", f"stop the writer of {name}, copy it again"),
            ]
        yield Service(
            id=ids.make("db", PurePosixPath(name).name),
            title=f"{kind} {name}" + (f" at {server}" if server else ""),
            wave=2,
            steps=tuple(steps),
            tags=("database", kind),
        )


def _sites(found: Inventory, ids: Ids) -> Iterator[Service]:
    sites: dict[str, list[Item]] = {}
    for item in found.of("vhost"):
        name = item.field(2)
        sites.setdefault(name if name not in {"", "_"} else "default", []).append(item)
    for name, held in sites.items():
        inner = Ids()
        aliases = list(dict.fromkeys(word for item in held for word in item.field(3).split()))
        roots = [path for path in dict.fromkeys(item.field(4) for item in held if not item.odd) if path.startswith("/")]
        roots, gone = _there(found, roots, inner)
        steps = [copy(inner.make("copy"), roots)] if roots else []
        steps += gone
        steps += _odd([item for item in held if item.odd], 4, inner)
        for item in held:
            steps.append(
                draft(
                    inner.make("vhost", item.field(0)),
                    "prepare",
                    f"{item.field(0)} virtual host of {item.field(1)} on new",
                )
            )
        steps.append(draft(inner.make("maintenance"), "freeze", "maintenance page on new, writers closed on old"))
        steps.append(draft(inner.make("bridge"), "switch", "old hands its visitors to new"))
        for domain in [name, *aliases]:
            if "." in domain and not domain.startswith(("*", "~")):
                steps.append(draft(inner.make("dns", domain), "switch", f"point {domain} to new"))
        yield Service(
            id=ids.make("web", name),
            title=name,
            wave=3,
            steps=tuple(steps),
            tags=("web",),
            remarks=tuple(f"also {alias}" for alias in aliases),
        )


def _lists(found: Inventory, ids: Ids) -> Iterator[Service]:
    for item in found.of("list"):
        inner = Ids()
        steps = (
            draft(
                inner.make("configuration"), "copy", f"{item.field(0)} list {item.field(1)}: configuration and members"
            ),
            draft(inner.make("archives"), "copy", f"archives of {item.field(1)}"),
            draft(inner.make("switch"), "switch", f"mail for {item.field(1)} goes to new"),
        )
        yield Service(
            id=ids.make("list", item.field(1)),
            title=f"List {item.field(1)}",
            wave=3,
            steps=steps,
            tags=("list", item.field(0)),
        )


def _mail(found: Inventory, ids: Ids) -> Iterator[Service]:
    domains: dict[str, set[str]] = {}
    for item in found.of("mail"):
        if "." in item.field(2) and not item.field(2).startswith("localhost"):
            domains.setdefault(item.field(2), set()).add(f"{item.field(0)} {item.field(1)}")
    for domain, where in sorted(domains.items()):
        inner = Ids()
        steps = (
            draft(inner.make("receive"), "prepare", f"new takes mail for {domain}"),
            draft(inner.make("hold"), "freeze", f"mail for {domain} is held on new"),
            draft(inner.make("redirect"), "switch", f"old hands mail for {domain} to new"),
            draft(inner.make("mx"), "switch", f"MX of {domain}"),
            draft(inner.make("stragglers"), "verify", f"stragglers for {domain} on old"),
        )
        yield Service(
            id=ids.make("mail", domain),
            title=f"Mail of {domain}",
            wave=4,
            steps=steps,
            tags=("mail",),
            remarks=tuple(sorted(where)),
        )
    boxes = found.of("mailbox")
    if boxes:
        # A mailbox is a file in the spool, or a folder of its own.
        folders = sorted(
            {path if path.endswith("/Maildir") else str(PurePosixPath(path).parent) for path in _paths(boxes, 1)}
        )
        moved = (
            *([copy("copy", folders)] if folders else []),
            *_odd(boxes, 1, Ids()),
            draft("final-copy", "sync", "mailboxes again, once mail is held"),
        )
        yield Service(id=ids.make("mailboxes"), title="Mailboxes", wave=4, steps=moved, tags=("mail",))


def _names(found: Inventory, ids: Ids) -> Iterator[Service]:
    for item in found.of("zone"):
        step = draft("serve", "prepare", f"zone {item.field(1)} of {item.field(0)}: who serves it")
        yield Service(
            id=ids.make("zone", item.field(1)), title=f"Zone {item.field(1)}", wave=4, steps=(step,), tags=("dns",)
        )


def _jobs(found: Inventory, ids: Ids) -> Iterator[Service]:
    packaged = {item.field(0) for item in found.of("packaged")}
    inner, steps = Ids(), list[Step]()
    for item in found.of("cron"):
        user, file, line = item.field(0), item.field(1), item.field(2)
        if file not in packaged and "run-parts" not in line:
            whose = f"of {user}" if user else f"in {file}"
            steps.append(
                draft(inner.make("cron", user or PurePosixPath(file).name), "switch", f"cron job {whose}: {line}")
            )
    for item in found.of("cronrun"):
        if item.field(1) not in packaged:
            steps.append(
                draft(
                    inner.make(item.field(0), PurePosixPath(item.field(1)).name),
                    "switch",
                    f"{item.field(0)} {item.field(1)}",
                )
            )
    for item in found.of("timer"):
        steps.append(
            draft(
                inner.make("timer", item.field(0).removesuffix(".timer")),
                "switch",
                f"timer {item.field(0)}: {item.field(1)}",
            )
        )
    for item in found.of("at"):
        steps.append(
            draft(
                inner.make("at", item.field(0)), "switch", f"at job {item.field(0)} of {item.field(1)}: {item.field(2)}"
            )
        )
    if steps:
        yield Service(
            id=ids.make("jobs"),
            title="Cron jobs, timers and at jobs: one owner each",
            wave=3,
            steps=tuple(steps),
            tags=("jobs",),
        )


def _others(found: Inventory, ids: Ids) -> Iterator[Service]:
    inner, steps = Ids(), list[Step]()
    for item in found.of("listen"):
        proto, address, port, process, unit = (item.field(number) for number in range(5))
        # Whose program nobody could see is taken for what is usual there.
        usual = not process and proto == "tcp" and port in {"22", "25", "80", "443"}
        if process in KNOWN | WEB | MAIL | BASES or usual:
            continue
        whose = f" of {unit}" if unit else ""
        title = f"{process or 'something'}{whose} listens on {proto} {address}:{port}"
        steps.append(draft(inner.make(process or "port", port), "prepare", title))
    if steps:
        yield Service(id=ids.make("listening"), title="What else listens", wave=4, steps=tuple(steps), tags=("other",))


def _started(found: Inventory, ids: Ids) -> Iterator[Service]:
    inner = Ids()
    steps = [draft(inner.make(one.kind, one.name), "prepare", one.title) for one in starts(found)]
    if steps:
        yield Service(
            id=ids.make("workers"),
            title="What is started and listens nowhere",
            wave=4,
            steps=tuple(steps),
            tags=("other",),
        )
