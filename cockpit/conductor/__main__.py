"""`python -m cockpit.conductor`: conducts one run, with or without a screen."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.conductor.sources import Gathered
    from cockpit.conductor.vault import RedactedStream


def arguments() -> argparse.ArgumentParser:
    """The options that `cockpit run` and `cockpit demo` pass on."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.conductor", description=__doc__)
    parser.add_argument("--folder", required=True, type=Path, help="the run folder")
    parser.add_argument("--plan", type=Path, help="the plan's file")
    parser.add_argument("--lab", default="", help="start the embedded lab with this plan, and conduct it there")
    parser.add_argument("--mode", default="live", choices=["live", "rehearsal"])
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--go", action="append", default=[], help="a gate to open, or all")
    parser.add_argument("--answer", action="append", default=[], help="what a person has answered, STEP=ANSWER")
    parser.add_argument(
        "--second-wait", type=float, default=900.0, help="seconds that a gate waits for its second person"
    )
    parser.add_argument("--given", action="store_true", help="read the plan's secrets from standard input")
    parser.add_argument("--json", action="store_true", help="print a summary when it has ended")
    parser.add_argument(
        "--linger", type=float, default=0.0, help="seconds without a screen after which it ends; 0 never"
    )
    return parser


def main(argv: Sequence[str] | None = None, gathered: Gathered | None = None) -> int:
    """The run's exit status: 0 all over, 1 a step failed, 2 it cannot start, 3 a gate or a person waits, 4 locked, 130 signalled.

    `gathered` are secrets that were got already. What goes to standard error goes through the redactor, tracebacks too."""
    from cockpit.conductor.vault import RedactedStream, no_core_dumps

    options = arguments().parse_args(argv)
    no_core_dumps()
    with contextlib.closing(RedactedStream(sys.stderr)) as errors, contextlib.redirect_stderr(errors):
        try:
            return asyncio.run(_main(options, gathered, errors))
        except KeyboardInterrupt:
            return 130
        except Exception as error:
            if options.headless and not os.environ.get("COCKPIT_DEBUG"):
                words = "this is a fault of ours; COCKPIT_DEBUG=1 shows where, and the journal of the run is whole"
                print(f"cockpit: {type(error).__name__}: {error}; {words}", file=sys.stderr)
            else:
                traceback.print_exc()
            return 70


async def _main(given: argparse.Namespace, gathered: Gathered | None, errors: RedactedStream) -> int:
    import msgspec

    from cockpit.conductor.assembly import Options, PlanChanged, conduct
    from cockpit.conductor.beginning import filled, unanswerable
    from cockpit.conductor.headless import Orders, Progress, WrongOrder, answers
    from cockpit.conductor.lab import LabFailed, running_lab
    from cockpit.conductor.lock import Locked, hold
    from cockpit.conductor.sources import Gathered, SecretMissing
    from cockpit.conductor.summary import summary
    from cockpit.journal.folder import RunFolder
    from cockpit.journal.reader import JournalDamaged
    from cockpit.plan.load import PlanError, load_plan

    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    interrupted: list[int] = []

    def stop(number: int) -> None:
        interrupted.append(number)
        if task is not None:
            task.cancel()

    # A terminal or a login that ends does not end a cutover.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    observers = (Progress(sys.stderr).observe,) if given.headless else ()
    run = RunFolder(given.folder.resolve())
    try:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(hold(run.path))
            path, said = given.plan, list(given.answer)
            if given.lab:
                lab = await stack.enter_async_context(running_lab(run.path / "lab", given.lab))
                path, said = Path(lab.plan), [*lab.answers, *said]
            plan = load_plan(path)
            orders = (
                Orders(gates=frozenset(given.go), answers=answers(plan, said), second_wait=given.second_wait)
                if given.headless
                else None
            )
            options = Options(mode=given.mode, headless=orders, linger=given.linger)
            if given.given:
                gathered = msgspec.json.decode(sys.stdin.buffer.read(), type=Gathered)
            vault = await filled(plan, run.id, run.token(), gathered)
            errors.redactor = vault.redactor
            if given.headless and vault.asked:
                raise SecretMissing(unanswerable(vault.asked))
            state, head = await conduct(run, plan, options, observers=observers, vault=vault)
        if given.json:
            print(json.dumps(summary(state, head), indent=2, ensure_ascii=False))
        return state.exit
    except PlanError as error:
        print(error, file=sys.stderr)
        return 2
    except (PlanChanged, LabFailed, JournalDamaged, SecretMissing, WrongOrder, OSError) as error:
        print("\n".join(f"cockpit: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2
    except ExceptionGroup as group:
        print(f"cockpit: the run was left: {_first(group)}; `cockpit run --resume` goes on with it", file=sys.stderr)
        return 1
    except Locked as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 4
    except asyncio.CancelledError:
        if not interrupted:
            return 0  # It was left alone and went by itself; the journal resumes.
        return 130


def _first(error: Exception) -> str:
    """The first fault of a group, as a sentence."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)


if __name__ == "__main__":
    sys.exit(main())
