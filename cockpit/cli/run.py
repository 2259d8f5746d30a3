"""`cockpit run PLAN`: the cockpit on a plan."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.conductor.sources import Gathered
    from cockpit.journal.folder import RunFolder
    from cockpit.plan.model import Plan


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "run",
        help="the cockpit on a plan",
        description="Run a plan. The conductor goes on when the screen is closed; `cockpit attach` opens a new one.",
        epilog="exit status, headless: 0 every step done, 1 a step failed or is in doubt, 2 the plan cannot be used, "
        "3 a gate stayed closed or a person has not answered, 4 another process conducts the run, 130 interrupted",
    )
    parser.add_argument("plan", type=Path, nargs="?", help="the plan's file; not needed with --resume")
    parser.add_argument("--rehearsal", action="store_true", help="mark the run as a rehearsal, everywhere")
    parser.add_argument("--resume", metavar="RUN", nargs="?", const="last", help="go on with a run after any death")
    parser.add_argument("--headless", action="store_true", help="without a screen: steps in order, progress on stderr")
    parser.add_argument(
        "--go", action="append", default=[], metavar="GATE", help="a gate to open when headless, or all"
    )
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="STEP=ANSWER",
        help="headless: what a person has answered in a manual step",
    )
    parser.add_argument(
        "--second-wait",
        type=float,
        default=900.0,
        metavar="SECONDS",
        help="headless: how long a gate waits for its second person (default: 900)",
    )
    parser.add_argument("--json", action="store_true", help="headless: print a summary when it has ended")
    parser.add_argument(
        "--detach", action="store_true", help="start the conductor alone and return; `cockpit attach` opens a screen"
    )
    parser.add_argument("--run-folder", type=Path, metavar="DIR", help="keep the run in this folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status as in the epilog."""
    begun = begin(options)
    if isinstance(begun, int):
        return begun
    from cockpit.cli.live import end, gone, screen
    from cockpit.conductor.launch import said
    from cockpit.journal.folder import answers

    folder, pid = begun
    status = screen(folder, drive=True, starting=pid)
    if ended(folder.path):
        end(pid)
    elif not answers(folder.socket) and gone(pid):
        if not status:
            print(f"cockpit: the conductor has ended: {said(folder.path)}", file=sys.stderr)
        return status or 2
    else:
        print(f"The run goes on without a screen. `cockpit attach {folder.called}` opens one.", file=sys.stderr)
    return status


def begin(options: argparse.Namespace, unseen: bool = False) -> tuple[RunFolder, int] | int:
    """Start the conductor that the options ask for: the run's folder and the conductor's pid, for a screen to open on. A status
    instead where there is none to open: it could not begin, and why was said, or it ran without one. `unseen`: none looks yet."""
    from cockpit.cli.live import can_show, found
    from cockpit.cli.plans import usable
    from cockpit.journal.folder import RunFolder, create

    if options.resume:
        folder = found(options.resume)
        if folder is None:
            return 2
        recorded = plan_of(folder.path)
        plan = options.plan or (Path(recorded.source) if recorded is not None and recorded.source else None)
        if plan is None:
            print(f"cockpit: {folder.id} does not say which plan it ran; name the plan's file", file=sys.stderr)
            return 2
        loaded = usable(str(plan))
        if loaded is None:
            return 2
        if recorded is not None and recorded.hash != loaded.hash:
            print(
                f"cockpit: {folder.id} was started with another version of {plan}; put that version back, or start a new run",
                file=sys.stderr,
            )
            return 2
        given = _gathered(loaded, options.headless)
        if given is None:
            return 2
    elif options.plan is None:
        print("cockpit: name the plan's file, or --resume a run", file=sys.stderr)
        return 2
    else:
        plan = options.plan
        loaded = usable(str(plan))
        if loaded is None:
            return 2
        given = _gathered(loaded, options.headless)
        if given is None:
            return 2
        if options.run_folder is not None:
            options.run_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder = RunFolder(options.run_folder.resolve())
            if folder.journal.exists():
                words = f"`cockpit run --resume {options.run_folder}` goes on with it"
                print(f"cockpit: {options.run_folder} holds a run already; {words}", file=sys.stderr)
                return 2
        else:
            folder = create(loaded.name)
    arguments = ["--folder", str(folder.path), "--plan", str(Path(plan).resolve())]
    if options.rehearsal:
        arguments += ["--mode", "rehearsal"]
    if options.headless:
        from cockpit.conductor.__main__ import main

        arguments += ["--headless", *(word for gate in options.go for word in ("--go", gate))]
        arguments += [f"--answer={text}" for text in options.answer]
        arguments += [f"--second-wait={options.second_wait}", *(["--json"] if options.json else [])]
        if not options.detach:
            return main(arguments, given)
    import msgspec

    from cockpit.conductor.launch import spawn
    from cockpit.conductor.lock import Locked, hold

    if not options.detach and not unseen and not can_show():
        return 2
    try:
        with hold(folder.path):
            pass
    except Locked as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 4
    if loaded.secrets:
        pid = spawn(folder.path, [*arguments, "--given"], msgspec.json.encode(given))
    else:
        pid = spawn(folder.path, arguments)
    return _detached(folder, pid, options.headless) if options.detach else (folder, pid)


def _detached(folder: RunFolder, pid: int, headless: bool) -> int:
    """Leave a conductor alone once it listens, and tell how to come back to it."""
    import time

    from cockpit.cli.live import alive
    from cockpit.conductor.launch import said
    from cockpit.journal.folder import answers

    while alive(pid) and not answers(folder.socket):
        time.sleep(0.05)
    if not alive(pid) and not ended(folder.path):
        print(f"cockpit: the conductor did not begin: {said(folder.path)}", file=sys.stderr)
        return 2
    goes = "drives itself" if headless else "waits for a driver: nothing starts before somebody attaches"
    print(f"{folder.id}: process {pid} conducts it and {goes}.")
    called = folder.called
    print(f"  cockpit attach {called}\n  cockpit watch {called}\n  cockpit run --resume {called}   after a restart")
    print(f"Its words: {folder.path / 'conductor.log'}")
    return 0


def _gathered(plan: Plan, headless: bool) -> Gathered | None:
    """The plan's secrets, got while this process still has the terminal to itself; None after saying what is missing."""
    import asyncio

    from cockpit.conductor.sources import Gathered, SecretMissing, gather

    if not plan.secrets:
        return Gathered(values={})
    from cockpit.conductor.beginning import ask_at_terminal, filled
    from cockpit.conductor.vault import no_core_dumps

    no_core_dumps()

    try:
        given = asyncio.run(gather(plan))
        asyncio.run(filled(plan, given=given))
        if headless:
            given = ask_at_terminal(plan, given)
    except SecretMissing as error:
        print("\n".join(f"cockpit: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return None
    for warning in given.warnings:
        print(f"cockpit: {warning}", file=sys.stderr)
    return given


def plan_of(folder: Path) -> Plan | None:
    """The plan that the journal's first event carries."""
    from cockpit.events import RunStarted
    from cockpit.journal.reader import records

    first = next(records(folder / "journal.jsonl"), None)
    return first.event.plan if first is not None and isinstance(first.event, RunStarted) else None


def ended(folder: Path) -> bool:
    """Whether a run has ended and was not resumed."""
    from cockpit.events import RunEnded, RunResumed
    from cockpit.journal.reader import records

    file = folder / "journal.jsonl"
    ended = not file.exists()
    for record in records(file) if not ended else ():
        if isinstance(record.event, RunEnded | RunResumed):
            ended = isinstance(record.event, RunEnded)
    return ended
