"""`cockpit show PLAN`: the runbook as it will run, in Markdown."""

from __future__ import annotations

import argparse


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers the command."""
    parser = sub.add_parser("show", help="the runbook as it will run, each step with its exact commands")
    parser.add_argument("plan", metavar="PLAN", help="the plan file")
    parser.add_argument("--service", default="", metavar="ID", help="only this service")
    parser.add_argument("--tag", default="", help="only services with this tag")
    parser.add_argument("--brief", action="store_true", help="the checklist alone: what is done, in order")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 shown, 2 the plan cannot be used (its findings are on standard error)."""
    import sys

    from cockpit.cli.plans import usable
    from cockpit.plan.brief import brief
    from cockpit.plan.show import markdown

    plan = usable(args.plan)
    if plan is None:
        return 2
    if args.service and all(service.id != args.service for service in plan.services):
        print(f"{args.plan} has no service {args.service}: name one of its services.", file=sys.stderr)
        return 2
    if args.tag and not any(args.tag in service.tags for service in plan.services):
        print(f"{args.plan} has no service with the tag {args.tag}.", file=sys.stderr)
        return 2
    print(brief(plan, args.service, args.tag) if args.brief else markdown(plan, args.service, args.tag), end="")
    return 0
