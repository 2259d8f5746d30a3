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
    """The recipes by group, or the text of one. Exit status 0; 2 when there is none of that name."""
    import sys

    from cockpit.plan.recipes import GROUPS, Shelf

    shelf = Shelf(Path(args.plan).parent if args.plan else Path())
    if not args.name:
        found = [recipe for name in shelf.names() if (recipe := shelf.get(name)) is not None]
        for group, words in (*GROUPS.items(), ("", "Beside the plan")):
            members = [recipe for recipe in found if (recipe.group if recipe.group in GROUPS else "") == group]
            if members:
                print(f"{words}")
            for recipe in members:
                print(f"  {recipe.name:<22} {recipe.title}")
                print(f"  {'':<22} {', '.join(recipe.params)}")
        return 0
    recipe = shelf.get(args.name)
    if recipe is None:
        print(f"cockpit: there is no recipe {args.name}; there are: {', '.join(shelf.names())}", file=sys.stderr)
        return 2
    print(recipe.text, end="")
    return 0
