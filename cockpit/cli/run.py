"""`cockpit run PLAN`: the cockpit on a plan."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "run",
        help="the cockpit on a plan",
        description="Run a plan. The conductor goes on when the screen is closed; `cockpit attach` opens a new one.",
        epilog="exit status, headless: 0 every step done, 1 a step failed or is in doubt, 2 the plan cannot be used, "
        "3 a gate stayed closed, 4 another process conducts the run, 130 interrupted",
    )
    parser.add_argument("plan", type=Path, nargs="?", help="the plan's file; not needed with --resume")
    parser.add_argument("--rehearsal", action="store_true", help="mark the run as a rehearsal, everywhere")
    parser.add_argument("--resume", metavar="RUN", nargs="?", const="last", help="go on with a run after any death")
    parser.add_argument("--headless", action="store_true", help="without a screen: steps in order, progress on stderr")
    parser.add_argument(
        "--go", action="append", default=[], metavar="GATE", help="a gate to open when headless, or all"
    )
    parser.add_argument("--json", action="store_true", help="headless: print a summary when it has ended")
    parser.add_argument("--run-folder", type=Path, metavar="DIR", help="keep the run in this folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status as in the epilog."""
    from cockpit.cli.live import end, found, screen
    from cockpit.journal.folder import RunFolder, create

    if options.resume:
        folder = found(options.resume)
        if folder is None:
            return 2
        plan = options.plan or _plan_of(folder.path)
        if plan is None:
            print(f"cockpit: {folder.id} does not say which plan it ran; name the plan's file", file=sys.stderr)
            return 2
    elif options.plan is None:
        print("cockpit: name the plan's file, or --resume a run", file=sys.stderr)
        return 2
    else:
        from cockpit.plan.load import PlanError, load_plan

        plan = options.plan
        try:
            loaded = load_plan(plan)
        except PlanError as error:
            print(error, file=sys.stderr)
            return 2
        if options.run_folder is not None:
            options.run_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder = RunFolder(options.run_folder.resolve())
        else:
            folder = create(loaded.name)
    arguments = ["--folder", str(folder.path), "--plan", str(Path(plan).resolve())]
    if options.rehearsal:
        arguments += ["--mode", "rehearsal"]
    if options.headless:
        from cockpit.conductor.__main__ import main

        arguments += ["--headless", *(word for gate in options.go for word in ("--go", gate))]
        return main([*arguments, *(["--json"] if options.json else [])])
    from cockpit.conductor.launch import spawn

    pid = spawn(folder.path, arguments)
    status = screen(folder, drive=True, starting=pid)
    if _ended(folder.path):
        end(pid)
    else:
        print(f"The run goes on without a screen. `cockpit attach {folder.id}` opens one.", file=sys.stderr)
    return status


def _plan_of(folder: Path) -> Path | None:
    """The plan's file, as the journal's first event names it."""
    from cockpit.events import RunStarted
    from cockpit.journal.reader import records

    for record in records(folder / "journal.jsonl"):
        if isinstance(record.event, RunStarted) and record.event.plan.source:
            return Path(record.event.plan.source)
        break
    return None


def _ended(folder: Path) -> bool:
    from cockpit.events import RunEnded, RunResumed
    from cockpit.journal.reader import records

    file = folder / "journal.jsonl"
    ended = not file.exists()
    for record in records(file) if not ended else ():
        if isinstance(record.event, RunEnded | RunResumed):
            ended = isinstance(record.event, RunEnded)
    return ended
