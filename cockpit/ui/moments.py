"""The actions that move in time, or show what was so at other times."""

from __future__ import annotations

import msgspec

from cockpit.state import RunState
from cockpit.ui.action import Action
from cockpit.ui.view import View, focus_step
from cockpit.ui.wheel import Seat


def _moves(state: RunState, view: View, seat: Seat) -> str:
    return "" if seat.moves else "time moves in `cockpit watch` and `cockpit replay`"


def _around(state: RunState, view: View, seat: Seat) -> str:
    return _moves(state, view, seat) or ("" if focus_step(state, view) else "no step")


def _versus(state: RunState, view: View, seat: Seat) -> str:
    return "" if seat.compares else "needs `replay --against OTHER`"


MOMENTS: tuple[Action, ...] = (
    Action(
        id="jump",
        key="colon",
        label="go to",
        help="go to a moment: 1h30s, T-5m, 22:41:07, 37%, #1234, osf/dns",
        why_not=_moves,
        footer=False,
        looks=True,
    ),
    Action(
        id="find",
        key="F",
        label="find",
        help="look for a text in all that was said, in all of time",
        why_not=_moves,
        footer=False,
        looks=True,
    ),
    Action(id="hit-next", key="plus", label="next hit", help="the next hit", why_not=_moves, footer=False, looks=True),
    Action(
        id="hit-last", key="minus", label="last hit", help="the hit before", why_not=_moves, footer=False, looks=True
    ),
    Action(
        id="around",
        key="x",
        label="before, after",
        help="the step in focus: what was so before it and after it",
        why_not=_around,
        footer=False,
        looks=True,
    ),
    Action(
        id="versus",
        key="V",
        label="compare",
        help="this run beside another one, step by step",
        why_not=_versus,
        footer=False,
        looks=True,
    ),
    Action(
        id="clock", key="Z", label="clock", help="the clock in UTC, local, T±", why_not=_moves, footer=False, looks=True
    ),
    Action(
        id="idle", key="I", label="idle", help="idle time in full, or cut", why_not=_moves, footer=False, looks=True
    ),
    Action(
        id="live",
        key="dollar_sign",
        label="end",
        help="to the end; in `cockpit watch` back to now",
        why_not=_moves,
        footer=False,
        looks=True,
    ),
)
"""They are off where time cannot be moved."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of the transport, which takes them before anything else (`cockpit.replay.transport`). In the footer those of a low
    `rank` have room first; 0 is on the help page alone."""

    keys: str
    word: str
    help: str
    rank: int = 0
    pauses: bool = False
    """Whether it is a pause where a live run is followed."""


MOVES: tuple[Move, ...] = (
    Move(keys="space", word="play", help="play or pause", rank=1, pauses=True),
    Move(keys=", .", word="event", help="one event back, one on", rank=3),
    Move(keys="[ ]", word="step", help="the last, the next move of a step", rank=2),
    Move(keys="{ }", word="failure", help="the last, the next failure", rank=4),
    Move(keys="( )", word="marker", help="the last, the next marker: gates, notes, outages, the wheel …", rank=7),
    Move(keys="< >", word="speed", help="slower, faster: ¼ to 64 times", rank=8),
    Move(keys="0–9", word="tenth", help="to that tenth of it; while a run is followed, a service"),
)
"""They are there where time can be moved."""
