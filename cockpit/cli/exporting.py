"""`cockpit replay RUN --export …`: the recording as a cast, a clip, a picture or text."""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from cockpit.export.film import Camera

KINDS = ("cast", "clip", "svg", "text")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `replay` takes for exports."""
    group = parser.add_argument_group("exports", "instead of a screen, a file")
    group.add_argument(
        "--export",
        nargs=2,
        metavar=("KIND", "FILE"),
        help="cast: for asciinema's players; clip: a cast --from one step --to another; svg, text: the screen --at SEQ; "
        "FILE - is standard output",
    )
    group.add_argument("--cast-version", type=int, default=2, choices=(2, 3), help="asciicast version; default 2")
    group.add_argument("--size", default="120x40", metavar="COLSxROWS", help="size of the screen; default 120x40")
    group.add_argument("--page", default="board", help="the page that is looked at; default board")
    group.add_argument("--focus", default="", metavar="SERVICE", help="the service in focus; default: the first")
    group.add_argument("--from", dest="begin", default="", metavar="STEP", help="a step, or an event's number")
    group.add_argument("--to", dest="end", default="", metavar="STEP", help="a step, or an event's number")
    group.add_argument(
        "--screen",
        type=int,
        nargs="?",
        const=0,
        metavar="SEQ",
        help="what was on the screen when the run went on, as event SEQ keeps it; without SEQ a list of them",
    )
    group.add_argument("--force", action="store_true", help="replace a file that is there")


def export(journal: Path, options: argparse.Namespace, at: int) -> int:
    """Write the file; `at` is the event of --at.

    0; 1 when the journal is damaged and the file holds what is whole of it; 2 when nothing is written."""
    from cockpit.export.file import Refused
    from cockpit.export.making import NoSuchMoment, Source, aimed, clipped, export_cast, export_moment
    from cockpit.export.shown import export_kept
    from cockpit.journal.screens import ScreenGone

    kind, name = options.export
    began = time.monotonic()
    try:
        camera = _camera(kind, options)
        source = Source(journal, _Progress(began).say if name != "-" else lambda read, whole, shown: None)
        aimed(source, camera)
        if options.screen is not None:
            if kind not in {"svg", "text"} or not options.screen:
                raise ValueError("--screen SEQ is written as svg or text")
            export_kept(source, options.screen, name, kind, options.force)
            told = f"the screen that event {options.screen} keeps"
        elif kind in {"svg", "text"}:
            seq = export_moment(source, camera, name, kind, at, options.force)
            told = f"event {seq}"
        else:
            if options.begin or options.end:
                camera = clipped(source, camera, options.begin, options.end)
            count = export_cast(source, camera, name, options.cast_version, options.force)
            told = f"{count:,} shots, {source.shown:,.1f} s"
    except (Refused, NoSuchMoment, ScreenGone, ValueError) as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    if name != "-":
        size = Path(name).stat().st_size if Path(name).is_file() else 0
        print(f"{name}: {told}, {size:,} bytes", file=sys.stderr)
    for damage in source.damages[:3]:
        print(f"cockpit: {damage.sentence(journal)}; the file holds what can be read", file=sys.stderr)
    return 0 if source.whole else 1


def screens(journal: Path, options: argparse.Namespace) -> int:
    """`--screen`: what was kept, as text, or listed. 0; 1 when the journal is damaged; 2 when there is no such screen."""
    from cockpit.export.making import NoSuchMoment, Source
    from cockpit.export.shown import listed, screen
    from cockpit.journal.screens import ScreenGone

    source = Source(journal)
    try:
        if options.screen:
            print(screen(source, options.screen)[1], end="")
        else:
            lines = list(listed(source))
            print("\n".join(lines) if lines else "No screen was kept in this run.")
    except (NoSuchMoment, ScreenGone) as error:
        print(f"cockpit: {error}", file=sys.stderr)
        return 2
    return 0 if source.whole or options.screen else 1


def _camera(kind: str, options: argparse.Namespace) -> Camera:
    """What the options ask for. Raises ValueError with a sentence."""
    from cockpit.export.film import Camera
    from cockpit.ui.compose import SMALLEST
    from cockpit.ui.view import Page, View

    if kind not in KINDS:
        raise ValueError(f"there is no export {kind}: {', '.join(KINDS)} are there")
    if kind == "clip" and not (options.begin or options.end):
        raise ValueError("a clip needs --from, --to or both: a step (SERVICE/STEP) or the number of an event")
    if kind in {"svg", "text"} and (options.begin or options.end):
        raise ValueError(f"{kind} shows one moment: --at SEQ says which")
    if options.page not in get_args(Page):
        raise ValueError(f"there is no page {options.page}: {', '.join(get_args(Page))} are there")
    found = re.fullmatch(r"(\d{1,4})[x×](\d{1,4})", options.size)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (SMALLEST[0] <= size[0] <= 1000 and SMALLEST[1] <= size[1] <= 1000):
        least = f"{SMALLEST[0]}x{SMALLEST[1]}"
        raise ValueError(f"--size {options.size}: write columns x rows, as 120x40; from {least} to 1000x1000")
    if options.idle < 0.1:
        raise ValueError(f"--idle {options.idle:g}: 0.1 seconds or more, or full")
    if not 0.01 <= options.speed <= 10_000:
        raise ValueError(f"--speed {options.speed:g}: from 0.01 to 10000")
    view = View(page=options.page, service=options.focus)
    return Camera(view=view, size=size, speed=options.speed, idle=options.idle)


class _Progress:
    """Says on standard error how far an export is: one line that changes on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._told = began

    def say(self, read: int, whole: int, shown: float) -> None:
        """One more word."""
        now = time.monotonic()
        share = read / max(whole, 1)
        left = (now - self._began) * (1 - share) / max(share, 0.001)
        words = f"{share:.0%} of {whole / 1e6:,.0f} MB read, {shown:,.0f} s shown, about {left:.0f} s left"
        if sys.stderr.isatty():
            print(f"\r{words}\x1b[K\r", end="", file=sys.stderr, flush=True)
        elif now - self._told >= 10:
            self._told = now
            print(words, file=sys.stderr, flush=True)
