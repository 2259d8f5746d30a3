"""Old and new side by side, an entry for each URL that differs: what differs, and the diff of the body."""

from __future__ import annotations

from functools import partial

from cockpit.events import Difference
from cockpit.state import CompareView, ServiceView
from cockpit.ui.paint import Line, when
from cockpit.ui.world.entry import Entry, facts, wrapped


def comparison(view: ServiceView) -> list[Entry]:
    """What differs first, then what could not be compared; all that is the same is one entry."""
    if not view.compare and not view.compare_of and not view.compare_troubles:
        return []
    differ = [url for url, seen in view.compare.items() if seen.differences]
    open_ = [url for url, seen in view.compare.items() if not seen.same and not seen.differences]
    same = [url for url, seen in view.compare.items() if seen.same and not seen.differences]
    entries: list[Entry] = []
    for what, seen in view.compare_troubles.items():
        line: Line = [("? ", "warn"), (short(what), ""), (f"  {seen.detail}", "warn")]
        entries.append(Entry(f"list {what}", "old and new compared", line, partial(_not_listed, what, seen)))
    for url in differ:
        seen = view.compare[url]
        what = ", ".join(dict.fromkeys(each.what for each in seen.differences)) or "differs"
        line = [("≠ ", "bad"), (short(url), ""), (f"  {what}", "warn")]
        entries.append(Entry(f"url {url}", "old and new compared", line, partial(_differs, url, seen)))
    for url in open_:
        seen = view.compare[url]
        line = [("? ", "warn"), (short(url), ""), (f"  {seen.detail}", "warn")]
        entries.append(Entry(f"url {url}", "old and new compared", line, partial(_not_compared, url, seen)))
    waiting = max(0, view.compare_of - len(view.compare))
    rest: Line = [("= ", "good" if same else "dim"), (f"{len(same)} the same", "good" if same else "dim")]
    if waiting:
        rest.append((f"  {waiting} not compared yet", "warn"))
    entries.append(Entry("url =", "old and new compared", rest, partial(_same, same)))
    return entries


def short(url: str) -> str:
    """Path and query of a URL: the name is the service's own."""
    rest = url.partition("://")[2]
    return "/" + rest.partition("/")[2] if "/" in rest else url


def _differs(url: str, seen: CompareView, width: int) -> list[Line]:
    lines: list[Line] = [*wrapped(url, width, "title"), _times(seen), *wrapped(seen.detail, width, "warn")]
    for difference in seen.differences:
        lines += _difference(difference, width)
    return lines


def _times(seen: CompareView) -> Line:
    return [
        (" first byte ", "dim"),
        (f"old {seen.old_ms:.0f} ms", "old"),
        ("  ", ""),
        (f"new {seen.new_ms:.0f} ms", "new"),
        (f"  bodies {seen.alike:.1%} alike  compared {when(seen.utc)}", "dim"),
    ]


def _difference(difference: Difference, width: int) -> list[Line]:
    head = f"── {difference.what} "
    lines: list[Line] = [[(head + "─" * max(0, width - len(head)), "frame")]]
    if difference.old or difference.new or not difference.lines:
        lines += _side("old", difference.old, width) + _side("new", difference.new, width)
    for text in difference.lines:
        style = "old" if text.startswith("-") else "new" if text.startswith("+") else "dim"
        lines += wrapped(text.replace("\t", "  "), width, style, " ")
    return lines


def _side(side: str, value: str, width: int) -> list[Line]:
    parts = wrapped(value or "nothing", width - 5, side, "") or [[("nothing", side)]]
    return [[(f" {side if not index else '   '} ", "dim"), *part] for index, part in enumerate(parts)]


def _not_compared(url: str, seen: CompareView, width: int) -> list[Line]:
    why = wrapped(f"It could not be compared: {seen.detail or 'no reason was given'}", width, "warn")
    return [*wrapped(url, width, "title"), *why, *facts([("tried", when(seen.utc))], width)]


def _not_listed(what: str, seen: CompareView, width: int) -> list[Line]:
    why = wrapped(f"URLs are taken from it, and it could not be read: {seen.detail}", width, "warn")
    return [*wrapped(what, width, "title"), *why, *facts([("tried", when(seen.utc))], width)]


def _same(urls: list[str], width: int) -> list[Line]:
    if not urls:
        return [[(" no URL is the same at old and new yet", "dim")]]
    return [[(" the same at old and new", "title")], *([(" = ", "good"), (url, "")] for url in urls)]
