"""How time moves in a recording: play and pause, faster and slower, from event to event, to a moment, to what was said."""

from __future__ import annotations

import asyncio
import bisect
import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from cockpit.events import Record
from cockpit.plan.model import Plan
from cockpit.replay import times
from cockpit.replay.course import Course, Cut
from cockpit.replay.markers import Marker, Passage, Traits, bands, markers, outages, passage_at, passages, said
from cockpit.replay.search import Hit, Search
from cockpit.replay.timeline import IDLE, Moment, Timeline
from cockpit.state import RunState

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
CLOCKS: tuple[times.ClockStyle, ...] = ("utc", "local", "t")


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """What is on a recording, for the scrubber: places count events from 0, `shown` says when each is shown."""

    shown: Sequence[float] = ()
    cuts: Sequence[Cut] = ()
    moments: Sequence[Moment] = ()
    markers: Sequence[Marker] = ()
    bands: Sequence[tuple[int, str]] = ()
    outages: Sequence[tuple[int, int]] = ()
    hits: Sequence[int] = ()
    """Events in which what is looked for was said."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the transport bar shows."""

    playing: bool
    speed: float
    place: int
    """Events shown, of `total`."""
    total: int
    share: float
    """0 to 1."""
    clock: str
    cut: float = 0.0
    """Seconds that are left out at this place."""
    whole: bool = False
    """Whether idle time is shown as it was."""
    event: str = ""
    """What happened at this place, where that is a moment to go to."""
    behind: float = -1.0
    """Seconds that this moment is behind a live run; 0 while it is followed, -1 for a recording that does not grow."""
    found: str = ""
    """How the search goes: which hit of how many."""
    hit: str = ""
    """Where and what the hit is at which one stands."""
    notice: str = ""
    condition: str = ""
    tape: Tape = Tape()


class Moved(Protocol):
    """What a transport has to know of the recording that it moves through (`cockpit.replay.recording`)."""

    @property
    def timeline(self) -> Timeline:
        """What is known of all events so far; it may grow."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the timeline holds all of the recording."""
        ...

    @property
    def total(self) -> int:
        """How many events there are; an estimate until it is complete."""
        ...

    @property
    def notice(self) -> str:
        """What must stay on the screen about the recording itself."""
        ...

    @property
    def damaged(self) -> bool:
        """Whether something in it is not as it was written."""
        ...

    @property
    def condition(self) -> str:
        """How far it is read and checked, in a few words."""
        ...

    def state_after(self, count: int) -> RunState | None:
        """The state after the first `count` events. Blocks."""
        ...


class Transport:
    """Moves through a recording that may grow. Times of its own are seconds of `wall`, which is monotonic."""

    def __init__(
        self,
        recording: Moved,
        search: Callable[[str], Search],
        *,
        speed: float = 1.0,
        playing: bool = True,
        idle: float = IDLE,
        grows: bool = False,
        wall: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._recording = recording
        self._begin_search = search
        self._goal, self._goal_utc = 0, 0.0
        """The event that is wanted and not yet known, while the recording is still being read, and the UTC to show."""
        self._dismissed = ""
        self._turns = False
        """Whether the other course is wanted, as soon as the times of all events in it are known."""
        self._wall, self._utc = wall, utc
        self._speed = min(SPEEDS, key=lambda known: abs(known - speed))
        self._course, self._other = Course(idle), Course(math.inf if math.isfinite(idle) else IDLE)
        self._style: times.ClockStyle = "utc"
        self._touched = wall()
        self._after = 0.0
        self._traits, self._zero = Traits({}, frozenset()), 0.0
        self._known: tuple[int, int] = (-1, -1)
        self._markers: tuple[Marker, ...] = ()
        self._bands: tuple[tuple[int, str], ...] = ()
        self._outages: tuple[tuple[int, int], ...] = ()
        self._places: dict[str, list[int]] = {}
        self.grows = grows
        self.following = grows
        """Whether the end of a recording that grows is shown, whatever comes."""
        self.playing = playing
        self.place = 0
        """Events shown."""
        self.search: Search | None = None
        self._hit = -1
        self.shown_live: Callable[[], int] = lambda: 0
        """The number of the event that is on the screen while the end is followed."""
        self.meanwhile: Callable[[RunState, Record, float], None] = lambda state, record, now: None
        """Told what happens in a live run whose past is shown, with the state after it and the UTC of now."""
        self.changed: Callable[[], None] = lambda: None
        """Called when a key has moved something."""

    def learn(self, plan: Plan | None, zero: float) -> None:
        """The plan, once it is known, and the UTC of T."""
        self._traits, self._zero, self._known = Traits.of(plan), zero, (-1, -1)

    @property
    def timeline(self) -> Timeline:
        """What is known of the recording."""
        return self._recording.timeline

    def now(self) -> float:
        """UTC of the moment shown."""
        if self.following:
            return self._utc()
        timeline = self.timeline
        if not self.place:
            return timeline.utc[0] if len(timeline) else 0.0
        return timeline.utc[self.place - 1] + self._after

    @property
    def notice(self) -> str:
        """What must stay on the screen about the recording itself. What is no damage of it goes with the next key."""
        notice = self._recording.notice
        return notice if self._recording.damaged or notice != self._dismissed else ""

    @property
    def reading(self) -> Reading:
        """What the bar shows now."""
        timeline = self.timeline
        self._course.follow(timeline)
        self._mark()
        course, now = self._course, self.now()
        hits = self.search.places(timeline) if self.search is not None else ()
        tape = Tape(
            shown=course.shown, cuts=course.cuts, moments=timeline.moments, markers=self._markers, bands=self._bands,
            outages=self._outages, hits=hits,
        )  # fmt: skip
        return Reading(
            playing=self.playing,
            speed=self._speed,
            place=self.place,
            total=max(self._recording.total, len(timeline)),
            share=min(1.0, self._shown() / course.length) if course.length else 1.0,
            clock=times.told(now, self._style, self._zero or (timeline.utc[0] if len(timeline) else 0.0)),
            cut=course.cut_before(self.place) if not self.following else 0.0,
            whole=math.isinf(course.idle),
            event=self._event(),
            behind=(0.0 if self.following else max(0.0, self._utc() - now)) if self.grows else -1.0,
            found=self._found(),
            hit=self._hit_words(),
            notice=self.notice,
            condition=self._recording.condition,
            tape=tape,
        )

    # --- moving --------------------------------------------------------------------------------------------------

    def press(self, key: str) -> bool:
        """Take a key; False for one that means nothing here. Whatever jumps also pauses."""
        taken = self._press(key)
        if taken:
            self._dismissed = self._recording.notice
            self.changed()
        return taken

    def _press(self, key: str) -> bool:
        match key:
            case "space":
                self._toggle()
            case "full_stop" | "comma":
                self.stop_at(self.place + (1 if key == "full_stop" else -1))
            case "right_square_bracket" | "left_square_bracket":
                self._beside("move", key.startswith("right"))
            case "right_curly_bracket" | "left_curly_bracket":
                self._beside("failure", key.startswith("right"))
            case "right_parenthesis" | "left_parenthesis":
                self._beside("marker", key.startswith("right"))
            case "greater_than_sign" | "less_than_sign":
                index = SPEEDS.index(self._speed) + (1 if key == "greater_than_sign" else -1)
                self._speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]
            case "Z":
                self._style = CLOCKS[(CLOCKS.index(self._style) + 1) % len(CLOCKS)]
            case "I":
                self._turns = not self._turns
            case "dollar_sign":
                self._to_the_end()
            case _ if len(key) == 1 and key.isdigit() and not self.following:
                self.go(f"{int(key) * 10}%")
            case _:
                return False
        return True

    def go(self, text: str) -> str:
        """To the moment that a text names (`times.FORMS`), paused. Returns why not as a sentence, '' when it was done."""
        timeline = self.timeline
        self._course.follow(timeline, whole=True)
        frame = times.Frame(
            zero=self._zero or (timeline.utc[0] if len(timeline) else 0.0),
            now=self.now(),
            style=self._style,
            steps=frozenset(self._traits.phases),
        )
        try:
            wanted = times.target(text, timeline, frame, self._course)
        except times.NoMoment as error:
            return str(error)
        self.stop_at(wanted.place, wanted.after)
        return ""

    def jump(self, seq: int) -> None:
        """To right after the event of that number (or of the last one before it), paused; where the recording is still being
        read, as soon as that is known."""
        self._seek(seq, 0.0)
        self.changed()

    @property
    def waits(self) -> bool:
        """Whether the event that is wanted is not known yet."""
        return self._goal > 0

    def _seek(self, seq: int, utc: float) -> None:
        """To after that event, at that UTC; with 0 at the event's own."""
        timeline = self.timeline
        self.playing = self.following = False
        place = timeline.after_seq(seq)
        self._put(place, max(0.0, utc - timeline.utc[place - 1]) if utc and place else 0.0)
        behind = bool(place and timeline.seqs[-1] >= seq)
        known = behind or (self._recording.complete and not self.grows)
        self._goal, self._goal_utc = (0, 0.0) if known else (seq, utc)

    def stop_at(self, place: int, after: float = 0.0) -> None:
        """To where that many events are shown, and so many seconds after the last of them, paused."""
        self.playing = self.following = False
        self._goal = 0
        self._put(place, after)
        self.changed()

    def advance(self) -> int:
        """Let the time go by that has gone by since the last call; returns how many events are shown."""
        timeline = self.timeline
        now = self._wall()
        gone, self._touched = now - self._touched, now
        self._course.follow(timeline)
        if self._turns and self._other.follow(timeline):
            self._turns, self._course, self._other = False, self._other, self._course
        if self._goal:
            self._seek(self._goal, self._goal_utc)
        if self.following:
            self._put(len(timeline))
        elif self.playing and len(timeline):
            self.place = max(self.place, 1)
            course = self._course
            shown = self._shown() + gone * self._speed
            place = max(self.place, course.after(shown))
            if place >= len(timeline) and (self.grows or self._recording.complete):
                self._to_the_end()
            else:
                self.place, self._after = place, max(0.0, shown - course.shown[place - 1])
        return self.place

    def _toggle(self) -> None:
        timeline = self.timeline
        if self.following:
            # What is on the screen stays there, with the ages that it shows.
            self._seek(self.shown_live() or (timeline.seqs[-1] if len(timeline) else 0), self._utc())
            return
        self.playing = not self.playing
        self._touched = self._wall()
        if self.playing and self.place >= len(timeline):
            if self.grows:
                self._to_the_end()
            else:
                self._put(0)

    def _to_the_end(self) -> None:
        self._goal = 0
        self._put(len(self.timeline))
        self.following = self.playing = self.grows

    def _put(self, place: int, after: float = 0.0) -> None:
        self.place, self._after = max(0, min(place, len(self.timeline))), after

    def _shown(self) -> float:
        """Where we are, seconds from the beginning as they are shown."""
        shown = self._course.shown
        return (shown[min(self.place, len(shown)) - 1] if self.place and len(shown) else 0.0) + self._after

    # --- what there is to go to ----------------------------------------------------------------------------------

    def _mark(self) -> None:
        timeline = self.timeline
        known = (len(timeline.moments), len(self._traits.phases))
        if known == self._known:
            return
        self._known = known
        moments = timeline.moments
        self._markers, self._bands = markers(moments, self._traits), bands(moments, self._traits)
        self._outages = outages(moments)
        self._places = {
            "move": [moment.index for moment in moments if moment.kind in {"step", "failure"}],
            "failure": [moment.index for moment in moments if moment.kind == "failure"],
            "marker": [marker.index for marker in self._markers],
        }

    def _beside(self, what: str, ahead: bool) -> None:
        self._mark()
        indexes, here = self._places[what], self.place - 1
        at = bisect.bisect_right(indexes, here) if ahead else bisect.bisect_left(indexes, here) - 1
        if 0 <= at < len(indexes):
            self.stop_at(indexes[at] + 1)
        else:
            self.stop_at(self.place, self._after)

    def _event(self) -> str:
        here = self.place - 1
        at = bisect.bisect_left(self._markers, here, key=lambda marker: marker.index)
        found = [marker.text for marker in self._markers[at : at + 3] if marker.index == here]
        if not found:
            moments = self.timeline.moments
            at = bisect.bisect_left(moments, here, key=lambda moment: moment.index)
            found = [said(moment) for moment in moments[at : at + 1] if moment.index == here]
        return ", ".join(found)

    def passage(self, ref: str) -> Passage | None:
        """The life of a step that goes on, or went on last, at this place; its first one before it has begun; None for a step
        that never moves."""
        return passage_at(passages(self.timeline.moments, ref), self.place)

    async def state(self, place: int) -> RunState:
        """The state after so many events, without going there."""
        return await asyncio.to_thread(self._recording.state_after, place) or RunState()

    # --- what was said -------------------------------------------------------------------------------------------

    def look_for(self, text: str | None) -> None:
        """Begin to look for a text in all of time; None forgets what was found."""
        if self.search is not None:
            self.search.cancel()
        self.search, self._hit = (self._begin_search(text) if text else None), -1

    def hit(self, by: int) -> Hit | None:
        """Go to the next (1) or the last (-1) hit from here, paused. None where there is none any more."""
        if self.search is None or not self.search.hits:
            return None
        hits, seq = self.search.hits, self.timeline.seqs[self.place - 1] if self.place else 0
        if 0 <= self._hit < len(hits) and hits[self._hit].seq == seq:
            at = self._hit + by
        elif by > 0:
            at = bisect.bisect_right(hits, seq, key=lambda hit: hit.seq)
        else:
            at = bisect.bisect_left(hits, seq, key=lambda hit: hit.seq) - 1
        if not 0 <= at < len(hits):
            return None
        self._hit = at
        self.jump(hits[at].seq)
        return hits[at]

    def _here(self) -> Hit | None:
        """The hit at which one stands."""
        if self.search is None or not 0 <= self._hit < len(self.search.hits) or not self.place:
            return None
        hit = self.search.hits[self._hit]
        return hit if self.timeline.seqs[self.place - 1] == hit.seq else None

    def _found(self) -> str:
        search = self.search
        if search is None:
            return ""
        number = f"{self._hit + 1}/" if self._here() is not None else ""
        return f"{number}{search.words}"

    def _hit_words(self) -> str:
        hit = self._here()
        return f"{hit.where}: {hit.text}" if hit is not None else ""
