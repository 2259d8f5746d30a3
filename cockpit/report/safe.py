"""Text of others in our files: no control codes, no markup, no command that a copied line would run."""

from __future__ import annotations

import html
import re
import shlex

from cockpit.text import harmless

_NO_XML = re.compile("[\ufffe\uffff]")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#&$])")
_LINKS = re.compile(r"(?i)(https?|ftp)(:)(//)|(www)(\.)")
_STARTS = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def plain(text: str) -> str:
    """Text without control codes or direction tricks; its line ends stay."""
    return "\n".join(_NO_XML.sub("·", harmless(line)) for line in text.split("\n"))


def in_html(text: str) -> str:
    """Text as HTML, also for an attribute's value."""
    return html.escape(plain(text), quote=True)


def in_markdown(text: str) -> str:
    """Text as one line of Markdown, also for a cell of a table: it is no markup, no HTML and no link."""
    line = _MARKDOWN.sub(r"\\\1", " ".join(plain(text).split()))
    line = _LINKS.sub(lambda found: rf"{found[1]}\:{found[3]}" if found[1] else rf"{found[4]}\.", line)
    return _STARTS.sub(r"\1\\\2" if not line[:1].isdigit() else r"\1\2", line)


def code_in_markdown(text: str, *, cell: bool = False) -> str:
    """A code span that holds the text, whatever backticks are in it; in a table's `cell` without bars that would end it."""
    line = " ".join(plain(text).split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line.replace('|', chr(92) + '|') if cell else line}{pad}{fence}"


def fenced(text: str) -> str:
    """A block of code in Markdown that nothing in the text ends."""
    lines = plain(text)
    longest = max((len(run) for run in re.findall("`+", lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{lines}\n{fence}"


def replay(run: str, seq: int) -> str:
    """The command that shows an event, '' where there is none."""
    return f"cockpit replay {shlex.quote(run or 'RUN')} --at {seq}" if seq else ""
