"""The forms that a report has, by the end of its file's name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from cockpit.report import html, markdown
from cockpit.report.facts import Report
from cockpit.report.screens import Shown
from cockpit.report.story import document

FORMS = (".html", ".md", ".json")


def form_of(file: Path) -> str | None:
    """The form that a file's name asks for, None for none of ours."""
    suffix = file.suffix.lower()
    return suffix if suffix in FORMS else None


def painted(report: Report, form: str, screens: Mapping[int, Shown] | None = None) -> str:
    """The text of a report in one of `FORMS`. `screens` are shown in the HTML; the other forms name them. The same report gives
    the same bytes."""
    if form == ".json":
        return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    pages = document(report, screens if form == ".html" else None)
    return html.paint(pages) if form == ".html" else markdown.paint(pages)
