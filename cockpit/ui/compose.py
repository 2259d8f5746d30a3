"""A whole screen as lines: header, page, message, transport, footer. Pure, so that a picture needs no terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cockpit.state import RunState
from cockpit.ui.actions import ACTIONS, key_word
from cockpit.ui.board import board, header
from cockpit.ui.footer import footer, there
from cockpit.ui.glyphs import DNS_GLYPHS, GLYPHS
from cockpit.ui.hosts import host_lines
from cockpit.ui.moments import MOVES
from cockpit.ui.pages.dns import dns_page
from cockpit.ui.pages.entries import notes_page, timeline_page
from cockpit.ui.pages.fleet import fleet_page
from cockpit.ui.pages.logs import logs_page
from cockpit.ui.pages.people import attention, meanwhile, people_page
from cockpit.ui.pages.service import service_page
from cockpit.ui.pages.world import world_page
from cockpit.ui.paint import Line, fit
from cockpit.ui.questions import question_line
from cockpit.ui.tails import tails_page
from cockpit.ui.view import View, focus
from cockpit.ui.wheel import Seat

Painter = Callable[[RunState, View, int, int, float], list[Line]]
"""(state, view, width, height, now) → a page's lines."""

PAINTERS: dict[str, Painter] = {
    "board": board,
    "service": service_page,
    "world": world_page,
    "fleet": fleet_page,
    "dns": dns_page,
    "timeline": timeline_page,
    "notes": notes_page,
    "logs": logs_page,
    "tails": tails_page,
    "people": people_page,
}

SIGNS = (
    ("a", "dim", "authorities with new"),
    ("c", "dim", "caches with new"),
    ("t", "dim", "traffic to new"),
    ("!", "bad", "stale or bogus; over the budget"),
    ("✗", "bad", "samples that failed"),
    ("◷", "warn", "that stalled; good, not yet in a row"),
    ("⇢", "dim", "bridged"),
    ("≠", "bad", "old and new differ"),
    ("=600", "dim", "TTL as published, 600 s"),
    ("AD", "good", "signatures hold"),
    ("≤", "dim", "a bound"),
    ("≈", "warn", "an estimate"),
)
"""Signs of the world's view that stand where there is no room for words."""

MOST_ASKED = 3
"""Lines of what people ask of each other; the page of people has all of them."""

SMALLEST = (40, 12)
"""Width and height below which a screen would hide what it must not."""


def label_of(label: str, mode: str) -> str:
    """What stands in the corner: a rehearsal says so wherever it is looked at."""
    if mode != "rehearsal":
        return label
    return "REHEARSAL" if label in {"LIVE", "REHEARSAL"} else f"{label} REHEARSAL"


def screen(
    state: RunState,
    view: View,
    seat: Seat,
    label: str,
    size: tuple[int, int],
    now: float,
    message: str = "",
    bar: Sequence[Line] = (),
    asides: Mapping[str, Painter] | None = None,
    present: tuple[RunState, float] | None = None,
) -> list[Line]:
    """All lines of a screen of `size` (width, height). `bar` is the transport bar, where time can be moved; `asides` paint the
    pages that show more than this state; `present` is what is so now and the UTC of now, where a live run's past is shown."""
    width, height = size
    if width < SMALLEST[0] or height < SMALLEST[1]:
        words = f" {width}×{height} is too small: 80×24 shows everything"
        return [fit([(words, "warn")], width), *([fit([], width)] * (height - 1))]
    below = host_lines(state, width, now)
    if asked := question_line(state, seat):
        below.append(fit(asked, width))
    said = attention(state, seat.drives, seat.can_drive, seat.screen, seat.guest and not seat.past, now)
    if present is not None:
        told = attention(present[0], False, False, seat.screen, False, present[1])
        below += [fit(line, width) for line in meanwhile(told)[:MOST_ASKED]]
        said = [line for line in said if line not in told]
    below += [fit(line, width) for line in said[:MOST_ASKED]]
    if message:
        below.append(fit([(" ", ""), (message, "warn")], width))
    below += bar
    below.append(footer(state, view, seat, width))
    room = max(1, height - 1 - len(below))
    if view.page == "help":
        body = help_page(state, view, seat, width, room)
    else:
        painter = (asides or {}).get(view.page) or PAINTERS.get(view.page, board)
        body = painter(state, view, width, room, now)
    return [header(state, label, seat.can_drive, seat.drives, width, now), *body, *below]


def help_page(state: RunState, view: View, seat: Seat, width: int, height: int) -> list[Line]:
    """Every key that this screen has, what it does, and why it is off now."""
    lines: list[Line] = [[(" keys", "title"), (f"   for {focus(state, view) or 'the run'}", "dim")]]
    if seat.moves:
        lines += [[(f"  {move.keys:<6} ", "key"), (move.help, "")] for move in MOVES]
    for action in ACTIONS:
        if not there(action, seat):
            continue
        why = action.why_not(state, view, seat)
        danger = {"acts": "acts", "destructive": "takes back"}.get(action.danger, "")
        lines.append(
            [
                (f"  {key_word(action):<6} ", "dim" if why else "key"),
                (f"{action.help:<62} ", "dim" if why else ""),
                (f"{danger:<11}", "warn"),
                (f"off: {why}" if why else "", "dim"),
            ]
        )
    if seat.moves:
        why = "a replay has nothing to act with" if seat.replay else "this screen only watches"
        lines.append([(f"  no other key acts: {why}", "dim")])
    lines.append(
        [("  ←↑↓→ tab 1–9 focus   Enter opens, Escape goes back   j k PageUp PageDown Home End scroll", "dim")]
    )
    if not seat.moves:
        moves = "   ".join(f"{move.keys} {move.word}" for move in MOVES)
        lines.append([(f"  replay and watch: {moves}", "dim")])
    lines.append(
        [
            (
                "  two at one screen (cockpit pair): C-b d or q leaves, C-b ] pastes; the status line has who is there",
                "dim",
            )
        ]
    )
    states: Line = [(" states  ", "title")]
    for word, (glyph, style) in GLYPHS.items():
        states += [(f"{glyph} ", style), (f"{word}  ", "dim")]
    vantages: Line = [(" dns  ", "title")]
    for word, (glyph, style) in DNS_GLYPHS.items():
        vantages += [(f"{glyph} ", style), (f"{word}  ", "dim")]
    signs: Line = [(" world  ", "title")]
    for sign, style, word in SIGNS:
        signs += [(f"{sign} ", style), (f"{word}  ", "dim")]
    lines += [[], *wrapped(states, width), *wrapped(vantages, width), *wrapped(signs, width)]
    if seat.moves:
        from cockpit.ui.scrubber import SIGNS as SCRUBBED

        course: Line = [(" time  ", "title")]
        for sign, style, word in SCRUBBED.values():
            course += [(f"{sign} ", style), (f"{word}  ", "dim")]
        lines += wrapped(course, width)
    lines = lines[view.scroll :] if len(lines) > height else lines
    return [fit(line, width) for line in lines[:height]] + [fit([], width)] * max(0, height - len(lines))


def wrapped(line: Line, width: int) -> list[Line]:
    """A line of pairs broken where it does not fit."""
    rows: list[Line] = [[]]
    used = 0
    pairs = [line[:1], *(line[index : index + 2] for index in range(1, len(line), 2))]
    for pair in pairs:
        size = sum(len(text) for text, _ in pair)
        if used + size > width and rows[-1]:
            rows.append([("   ", "")])
            used = 3
        rows[-1] += pair
        used += size
    return rows
