"""The last line of a screen, and which keys are there at all: where time moves, those of the transport stand first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cockpit.state import RunState
from cockpit.ui.actions import ACTIONS, Action, key_word
from cockpit.ui.moments import MOVES
from cockpit.ui.paint import Line, fit, width_of
from cockpit.ui.view import View
from cockpit.ui.wheel import Seat

ASKS = frozenset({"hold", "confirm"})
"""What may be asked for where the run is only watched."""


class Offer(msgspec.Struct, frozen=True):
    """A key of a footer in which not all have room: those of a low rank have it first. `off` is why it does nothing now."""

    rank: int
    key: str
    word: str
    off: str = ""

    @property
    def line(self) -> Line:
        """As it stands in the footer."""
        return [(self.key, "dim" if self.off else "key"), (f" {self.word}  ", "dim" if self.off else "")]


def there(action: Action, seat: Seat) -> bool:
    """Whether a screen has this key at all. Where time moves, the keys of a driver would be off for good."""
    if not seat.moves or action.id == "leave":
        return True
    if action.looks:
        # Its key belongs to the transport there.
        return action.id != "freeze-log"
    return not seat.replay and action.id in ASKS


def footer(state: RunState, view: View, seat: Seat, width: int) -> Line:
    """Keys that matter here; dimmed where they are off. Where time moves, as many as have room, and always how to leave."""
    mark: Line = [(f" filter {view.filter!r} ", "mark")] if view.filter else []
    if not seat.moves:
        return fit([*mark, *_acting(state, view, seat)], width)
    left = width - width_of(mark) - 1
    found = list(enumerate(_moving(state, view, seat)))
    chosen: dict[int, Line] = {}
    for place, offer in sorted(found, key=lambda one: one[1].rank):
        line = offer.line
        # The gap behind the last key may be cut.
        if width_of(line) - 2 <= left or not offer.rank:
            chosen[place] = line
            left -= width_of(line)
    line = [*mark, (" ", ""), *(span for place in sorted(chosen) for span in chosen[place])]
    word, style = line.pop()
    return fit([*line, (word.rstrip(), style)], width)


def _acting(state: RunState, view: View, seat: Seat) -> Line:
    """The keys of a live run; the reason for the first of those that are off stands at the end."""
    line: Line = [(" ", "")]
    reason = ""
    for action in ACTIONS:
        if not action.footer:
            continue
        why = action.why_not(state, view, seat)
        if why and action.id == "next":
            reason = why
        line += [(key_word(action), "dim" if why else "key"), (f" {action.label}  ", "dim" if why else "")]
    if reason:
        line.append((f"n: {reason}", "dim"))
    return line


def _moving(state: RunState, view: View, seat: Seat) -> Iterator[Offer]:
    """The keys where time moves, in the order in which they stand."""
    by_id = {action.id: action for action in ACTIONS}

    def of(id: str, rank: int, word: str = "") -> Offer:
        action = by_id[id]
        return Offer(rank, key_word(action), word or action.label, action.why_not(state, view, seat))

    live = not seat.replay
    if seat.past:
        yield of("live", 0, "now")
    for move in MOVES:
        if move.rank:
            word = "pause" if move.pauses and live and not seat.past else move.word
            yield Offer(move.rank, move.keys.replace(" ", ""), word)
    yield of("jump", 5)
    yield of("find", 6)
    if live:
        yield of("hold", 2)
        if seat.guest and not seat.past:
            yield of("confirm", 2)
        yield of("people", 14)
    else:
        yield of("live", 9)
    if seat.compares:
        yield of("versus", 5)
    yield of("around", 13)
    yield of("logs", 12)
    yield of("dns", 10)
    yield of("world", 11)
    yield of("help", 0)
    yield of("leave", 0)
