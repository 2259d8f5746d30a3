"""The forms that a report has, by the end of its file's name, and writing it whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
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


def written(file: Path, text: str) -> None:
    """Write a file whole or not at all, readable by whom the umask lets. Raises OSError."""
    if file.exists() and not file.is_file():
        # A pipe or a device gets the text as it is; only a file can be replaced.
        file.write_text(text, encoding="utf-8")
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
