"""`cockpit init`: a first plan, commented, or a copy of an example."""

from __future__ import annotations

import argparse


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers the command."""
    parser = sub.add_parser("init", help="a new plan: a commented first one, or a copy of an example")
    parser.add_argument("file", nargs="?", default="plan.yaml", metavar="FILE", help="where to write it (plan.yaml)")
    parser.add_argument("--example", default="", metavar="NAME", help="copy this example instead")
    parser.add_argument("--list", action="store_true", help="list the examples")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 written, 2 not (the reason is on standard error). An existing file is never overwritten."""
    import sys
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
    target = Path(args.file)
    chosen = known[args.example] if args.example else Example(name="", text=STARTER, recipes={})
    try:
        written = chosen.write(target)
    except FileExistsError as error:
        print(f"{error.filename} is already there and was left alone: give another name.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{target} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    recipes = f" with {len(written) - 1} recipes of its own beside it" if len(written) > 1 else ""
    print(f"{target} is written{recipes}. Next: cockpit check {target}")
    return 0
