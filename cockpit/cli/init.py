"""`cockpit init`: a first plan, commented, a copy of an example, or a draft from what is on an old host."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.plan.examples import Example


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers the command."""
    parser = sub.add_parser(
        "init",
        help="a new plan: a commented first one, a copy of an example, or a draft from an old host",
        epilog="--from looks at the host over SSH with one script that only reads, and writes what it finds as a draft: "
        "services, domains, jobs, accounts, databases, mail domains, lists and repositories.",
    )
    parser.add_argument("file", nargs="?", default="plan.yaml", metavar="FILE", help="where to write it (plan.yaml)")
    parser.add_argument("--example", default="", metavar="NAME", help="copy this example instead")
    parser.add_argument("--list", action="store_true", help="list the examples")
    parser.add_argument("--from", dest="host", default="", metavar="[USER@]HOST[:PORT]", help="draft it from this host")
    parser.add_argument("--become", default="", choices=["sudo", "doas", "su"], help="with --from: look as root")
    parser.add_argument("--ssh-config", default="", metavar="FILE", help="with --from: read in place of ~/.ssh/config")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 written, 2 not (the reason is on standard error). An existing file is never overwritten."""
    from pathlib import Path

    from cockpit.plan.examples import Example, examples
    from cockpit.plan.starter import STARTER

    known = examples()
    if args.list:
        print("\n".join(sorted(known)))
        return 0
    if args.example and args.example not in known:
        there = ", ".join(sorted(known)) or "none"
        print(f"There is no example {args.example}. There is: {there}.", file=sys.stderr)
        return 2
    if args.example and args.host:
        print("An example is no draft from a host: give --example or --from.", file=sys.stderr)
        return 2
    target = Path(args.file)
    if args.host and target.exists():
        print(f"{target} is already there and was left alone: give another name.", file=sys.stderr)
        return 2
    drafted = _drafted(args) if args.host else None
    if args.host and drafted is None:
        return 2
    chosen = drafted or (known[args.example] if args.example else Example(name="", text=STARTER, recipes={}))
    try:
        written = chosen.write(target)
    except FileExistsError as error:
        print(f"{error.filename} is already there and was left alone: give another name.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{target} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    own = len(written) - 1
    recipes = f" with {own} recipe{'s' if own > 1 else ''} of its own beside it" if own else ""
    print(f"{target} is written{recipes}. Next: cockpit check {target}")
    return 0


def _drafted(args: argparse.Namespace) -> Example | None:
    """The draft, or None after saying why there is none. What was found is counted on standard error."""
    import asyncio
    import time
    from collections import Counter
    from pathlib import Path

    import msgspec

    from cockpit.plan.examples import Example
    from cockpit.plan.model import Host
    from cockpit.preflight.person import Person
    from cockpit.survey.visit import NotSeen, inventory
    from cockpit.survey.written import text

    config = str(Path(args.ssh_config).absolute()) if args.ssh_config else ""
    host = Host(id="old", ssh=args.host, role="old", become=args.become, ssh_config=config)
    asks = Person() if sys.stdin.isatty() and sys.stderr.isatty() else None
    try:
        found, origin = asyncio.run(inventory(host, asks))
    except NotSeen as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return None
    options = {name: value for name, value in (("become", args.become), ("ssh_config", config)) if value}
    counts = Counter(item.kind for item in found.items if item.kind not in {"host", "note", "packaged"})
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing was found", file=sys.stderr)
    for note in found.of("note"):
        print(f"not seen: {note.field(0)}", file=sys.stderr)
    drafted = text(found, msgspec.structs.replace(origin, options=options), time.time())
    return Example(name="", text=drafted, recipes={})
