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

FIRST = ("help", "leave", "next", "to-gate", "gate", "pause", "undo", "verify", "skip")
"""What a live run's footer has first; the first two always."""

LEAST = 8
"""Columns from which on a reason says something."""


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
    """Keys that matter here, as many as have room, and always those for help and to leave; dimmed where they are off. Where there
    is room behind them, the reason why the first of them is off."""
    mark: Line = [(f" filter {view.filter!r} ", "mark")] if view.filter else []
    found = list(enumerate(_moving(state, view, seat) if seat.moves else _acting(state, view, seat)))
    left = width - width_of(mark) - 1
    chosen: dict[int, Line] = {}
    for place, offer in sorted(found, key=lambda one: one[1].rank):
        line = offer.line
        # The gap behind the last key may be cut.
        if width_of(line) - 2 <= left or not offer.rank:
            chosen[place] = line
            left -= width_of(line)
    line = [*mark, (" ", ""), *(span for place in sorted(chosen) for span in chosen[place])]
    reason = next((offer.off for _, offer in found if offer.key == "n"), "")
    if reason and left > LEAST:
        return fit([*line, (f"n: {reason}", "dim")], width)
    word, style = line.pop()
    return fit([*line, (word.rstrip(), style)], width)


def _acting(state: RunState, view: View, seat: Seat) -> Iterator[Offer]:
    """The keys of a live run. Where there is little room, those that only look go first."""
    for place, action in enumerate(action for action in ACTIONS if action.footer):
        rank = FIRST.index(action.id) if action.id in FIRST else len(FIRST) + place
        yield Offer(rank if rank > 1 else 0, key_word(action), action.label, action.why_not(state, view, seat))


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
