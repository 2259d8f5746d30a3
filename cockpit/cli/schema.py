"""`cockpit schema`: the JSON Schema of plans, for editors."""

from __future__ import annotations

import argparse


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers the command."""
    parser = sub.add_parser("schema", help="the JSON Schema of plans, for editors")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the schema; exit status 0."""
    import json

    from cockpit.plan.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
