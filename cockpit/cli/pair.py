"""`cockpit pair PLAN`: the cockpit in a tmux session of its own, for two people at one screen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "pair",
        help="the cockpit in a tmux session that several share",
        description="Start a run in a tmux session of its own, on its own socket and with its own settings, and go in. "
        "A colleague joins it; C-b d leaves; the run and the session go on. Who may type into a tmux session can do all that "
        "its owner's account can: docs/pairing.md says what that means.",
    )
    parser.add_argument("plan", type=Path, nargs="?", help="the plan's file; a session that is on it already is joined")
    parser.add_argument("--demo", action="store_true", help="on the demo's servers, to practise")
    parser.add_argument("--plan", dest="demo_plan", default="karl", metavar="NAME", help="which demo (default: karl)")
    parser.add_argument("--rehearsal", action="store_true", help="mark the run as a rehearsal, everywhere")
    parser.add_argument("--resume", metavar="RUN", nargs="?", const="last", help="go on with a run after any death")
    parser.add_argument("--run-folder", type=Path, metavar="DIR", help="keep the run in this folder")
    parser.add_argument("--detached", action="store_true", help="start the session, and do not go in")
    joining = {"metavar": "RUN", "nargs": "?", "const": "last"}
    parser.add_argument("--join", **joining, help="go into a run's session; RUN may also be the path of its socket")  # type: ignore[arg-type]
    parser.add_argument("--observe", **joining, help="go in to look; with --allow: let them in to look only")  # type: ignore[arg-type]
    parser.add_argument("--allow", metavar="USER", help="let another account in (tmux 3.3 or later)")
    parser.add_argument("--disallow", metavar="USER", help="throw another account out")
    parser.add_argument(
        "--of", metavar="RUN", default="last", help="for --allow and --disallow: the session of this run"
    )
    parser.add_argument("--who", **joining, help="list who is in the session")  # type: ignore[arg-type]
    parser.add_argument("--end", **joining, help="end the session; the run goes on without it, a demo ends")  # type: ignore[arg-type]
    for hidden in ("--keep", "--screen"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--starting", type=int, default=0, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 2 when there is no such run or session, no tmux that will do, or the plan cannot be used; 4 as `cockpit run`."""
    from cockpit.cli.paired import begun, let_in, let_out, over, went_in, who_is_there
    from cockpit.pairing.access import NoAccess
    from cockpit.pairing.tmux import NoTmux, installed

    if options.keep:
        return _kept(Path(options.keep), options.starting)
    if options.screen:
        return _shown(Path(options.screen), options.starting)
    try:
        version = installed()
        if options.allow:
            return let_in(options.of, options.allow, version, write=options.observe is None)
        if options.disallow:
            return let_out(options.of, options.disallow, version)
        if options.who:
            return who_is_there(options.who, version)
        if options.end:
            return over(options.end)
        if options.join or options.observe:
            return went_in(options.join or options.observe, version, observe=options.join is None)
        if options.plan is None and not options.demo and not options.resume:
            print("cockpit: name the plan's file, or --demo, or --join a run", file=sys.stderr)
            return 2
        return begun(options, version)
    except (NoTmux, NoAccess) as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2


def _kept(folder: Path, starting: int) -> int:
    """In the pane: keep a screen open until the run has no conductor any more."""
    from cockpit.cli.live import alive, end
    from cockpit.cli.run import ended
    from cockpit.journal.folder import RunFolder, answers
    from cockpit.pairing.keeper import keep
    from cockpit.pairing.session import own_words

    there = RunFolder(folder)
    screen = own_words("pair", "--screen", str(folder), "--starting", str(starting))
    status = keep(screen, lambda: not answers(there.socket) and not (starting and alive(starting)))
    if starting and ended(folder):
        end(starting)
    return status


def _shown(folder: Path, starting: int) -> int:
    """In the pane: one screen."""
    from cockpit.cli.live import alive, screen
    from cockpit.journal.folder import RunFolder

    return screen(RunFolder(folder), drive=True, starting=starting if starting and alive(starting) else 0)
