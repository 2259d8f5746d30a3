"""`cockpit recipes`: the library's shell files, and those beside a plan."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers the command."""
    parser = sub.add_parser("recipes", help="list recipes, or print one")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the recipe to print, as it runs")
    parser.add_argument("--plan", metavar="PLAN", help="with the recipes of this plan's own folder")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One line for each recipe, or the text of one. Exit status 0; 2 when there is none of that name."""
    import sys

    from cockpit.plan.recipes import Shelf

    shelf = Shelf(Path(args.plan).parent if args.plan else Path())
    if not args.name:
        for name in shelf.names():
            recipe = shelf.get(name)
            if recipe is not None:
                print(f"{name:<20} {recipe.title}")
                print(f"{'':<20} {', '.join(recipe.params)}")
        return 0
    recipe = shelf.get(args.name)
    if recipe is None:
        print(f"cockpit: there is no recipe {args.name}; there are: {', '.join(shelf.names())}", file=sys.stderr)
        return 2
    print(recipe.text, end="")
    return 0
