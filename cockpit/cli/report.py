"""`cockpit report RUN`: what happened in a run, as HTML, Markdown or JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = sub.add_parser(
        "report",
        help="what happened in a run, as HTML, Markdown or JSON",
        description="Write the report of a run from its journal: verdict, planned against actual, downtime, propagation, gates, "
        "failures, deviations, losses, hypercare, notes. Each row names the replay that shows it.",
    )
    parser.add_argument(
        "name", nargs="?", default="last", metavar="RUN", help="the run's id, its beginning or end, or its folder"
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help="a file that ends in .html, .md or .json, which says the form; may be repeated; without it Markdown is printed",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 1 when the journal is damaged, and the report tells where; 2 when there is nothing to report on or no place for it."""
    from cockpit.cli.live import found
    from cockpit.export.file import Refused, written
    from cockpit.journal.opening import JournalUnreadable
    from cockpit.report.fold import of
    from cockpit.report.forms import FORMS, form_of, painted
    from cockpit.report.screens import shown

    files = [Path(name) for name in options.output]
    for file in files:
        if form_of(file) is None:
            print(f"cockpit: {file}: a report's file ends in {', '.join(FORMS)}", file=sys.stderr)
            return 2
    folder = found(options.name, packed=True)
    if folder is None:
        return 2
    try:
        report = of(folder.journal)
    except JournalUnreadable as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    journal = report.journal
    if not journal.events:
        why = f"none of its {journal.lines} lines can be read" if journal.size else "it is empty"
        if journal.damages:
            why += f"; line {journal.damages[0].line}: {journal.damages[0].why}" if journal.size else ""
        print(f"cockpit: {folder.journal} holds no event: {why}", file=sys.stderr)
        return 2
    if not files:
        print(painted(report, ".md"), end="")
    screens = shown(folder.path, report) if any(form_of(file) == ".html" for file in files) else {}
    for file in files:
        text = painted(report, form_of(file) or ".md", screens)
        try:
            with written(str(file), force=True) as target:
                target.write(text.encode())
        except Refused as error:
            print(f"cockpit: {error}", file=sys.stderr)
            return 2
    for damage in journal.damages[:3]:
        print(f"cockpit: {folder.journal}:{damage.line}: {damage.why}; the report says so", file=sys.stderr)
    return 0 if journal.verified else 1
