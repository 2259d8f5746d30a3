"""`cockpit lab`: the embedded hosts alone, and how they misbehave."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

FAULTS = (
    ("drop-links", "cut every SSH link of a host, without a word"),
    ("slow-copy", "throttle each SSH channel of a host to --value bytes a second (50000)"),
    ("kill-server", "kill --server (web-old, mail-new, dns-primary, resolver-3, ssh-old …)"),
    ("start-server", "start --server again, at the same address and port"),
    ("stale-resolver", "the last resolver serves expired answers for --value seconds (120)"),
    ("refuse-mail", "a host's mail server refuses every recipient for now (450)"),
    ("freeze", "a host's servers accept connections and answer nothing"),
    ("freeze-dns", "the primary name server answers nothing"),
    ("disk-full", "a host cannot write: commands fail, POST gives 507, mail 452"),
    ("owner-changes-dns", "the owner of --client's zone points it at --host (new)"),
    ("restore", "end every fault and start what was killed"),
)
"""Told here too, so that the help needs no network library; a test keeps the two lists the same."""


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    listed = "\n".join(f"  {name:<18} {text}" for name, text in FAULTS)
    parser = sub.add_parser(
        "lab",
        help="the embedded hosts alone, for practice",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Start the hosts of a demo (SSH, web, mail), name servers and visitors on loopback, write its plan,\nand "
        "print one JSON line with its place. Run it with `cockpit run PLAN` in another terminal.",
        epilog=f"cockpit lab fault NAME makes a running lab misbehave:\n{listed}",
    )
    parser.add_argument("--folder", type=Path, help="where the hosts live (default: a temporary folder)")
    parser.add_argument("--plan", default="karl", metavar="NAME", help="which migration, see `cockpit demo --list`")
    parser.add_argument("--clients", default="", help="which clients of karl, with commas (default: all six)")
    parser.add_argument("--quiet", action="store_true", help="no visitors: servers alone")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    parser.set_defaults(run=run)
    inner = parser.add_subparsers(dest="lab_command", metavar="fault | status")
    fault = inner.add_parser(
        "fault",
        help="make a running lab misbehave",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=listed,
    )
    fault.add_argument("name", choices=[name for name, _ in FAULTS], metavar="NAME", help="what goes wrong, see below")
    fault.add_argument("--host", default="", help="which host, as the plan calls it (default: all)")
    fault.add_argument("--server", default="", help="which server")
    fault.add_argument("--client", default="", help="which client")
    fault.add_argument("--value", type=float, default=0.0, help="how much")
    status = inner.add_parser("status", help="what the lab's visitors have seen")
    for one in (fault, status):
        one.add_argument("--folder", dest="lab_folder", type=Path, help="the lab's folder (default: the one that runs)")
    fault.set_defaults(run=order)
    status.set_defaults(run=order, name="status", host="", server="", client="", value=0.0)


def run(args: argparse.Namespace) -> int:
    """Exit status: 0 when it was ended, 1 when it cannot start."""
    from cockpit.lab.__main__ import main

    words = ["--plan", args.plan, *(["--folder", str(args.folder)] if args.folder else [])]
    words += ["--clients", args.clients] if args.clients else []
    words += ["--quiet"] if args.quiet else []
    words += ["--until-stdin-closes"] if args.until_stdin_closes else []
    return main(words)


def order(args: argparse.Namespace) -> int:
    """Exit status: 0 done, 1 refused, 2 no lab to give orders to."""
    from cockpit.lab.addresses import LabError
    from cockpit.lab.control import send
    from cockpit.lab.faults import Order

    folder = args.lab_folder or args.folder or _running()
    if folder is None:
        print("cockpit lab: no lab, or more than one, runs here: name its folder with --folder", file=sys.stderr)
        return 2
    try:
        said = send(
            folder, Order(fault=args.name, host=args.host, server=args.server, client=args.client, value=args.value)
        )
    except LabError as error:
        print(f"cockpit lab: {error}", file=sys.stderr)
        return 2
    print(said.text, *(f"{name}: {value}" for name, value in said.data.items()), sep="\n")
    return 0 if said.ok else 1


def _running() -> Path | None:
    """The folder of the one lab that runs: $COCKPIT_LAB, else a lab alone or that of a demo."""
    from cockpit.journal.folder import root
    from cockpit.lab.control import answers

    if named := os.environ.get("COCKPIT_LAB"):
        return Path(named)
    sockets = [*Path(tempfile.gettempdir()).glob("cockpit-lab-*/control.sock"), *root().glob("*/lab/control.sock")]
    found = [path.parent for path in sockets if answers(path)]
    return found[0] if len(found) == 1 else None
