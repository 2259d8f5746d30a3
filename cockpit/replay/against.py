"""Two runs beside each other: aligned at a step, what each step took and how it came out, and where they part. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from cockpit.replay.markers import Passage, passages
from cockpit.replay.timeline import Moment, Timeline
from cockpit.state import BUSY, RunState

NOTABLE = (1.0, 0.2)
"""A step is called slower or faster from this many seconds on, and from this share of the longer one on."""


class CannotAlign(ValueError):
    """The runs have no step in common, or not the one that was asked for; a sentence."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it went in one run: UTC of its first beginning and of its last end (0 while it has none), seconds of its last
    attempt, how often it was begun, and how it stands at the end."""

    ref: str
    began: float
    ended: float
    took: float
    begun: int
    state: str
    turns: tuple[tuple[float, str], ...] = ()
    """(UTC, state) of each of its moves."""

    def at(self, utc: float) -> str:
        """Its state at a moment."""
        before = [state for when, state in self.turns if when <= utc]
        return before[-1] if before else ""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """A run: its steps in the order in which they were begun first."""

    run: str
    mode: str
    plan: str
    hash: str
    verdict: str
    lives: dict[str, Life]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One step in both runs; None where it did not move. `word` says in what they differ, '' in nothing that matters."""

    ref: str
    one: Life | None
    two: Life | None
    word: str = ""

    @property
    def slower(self) -> float | None:
        """Seconds that the first run took longer; None where one of them has no figure."""
        if self.one is None or self.two is None or not self.one.ended or not self.two.ended:
            return None
        return self.one.took - self.two.took


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, aligned where `align` began: `zero_one` and `zero_two` are that moment's UTC in each."""

    one: Played
    two: Played
    align: str
    zero_one: float
    zero_two: float
    rows: tuple[Row, ...]
    parts: str
    """The first step at which the runs part, '' if they do not."""
    why: str
    """In what way, as a sentence."""


def played(state: RunState, timeline: Timeline) -> Played:
    """The course of a run from its last state and its timeline."""
    lives: dict[str, Life] = {}
    moves: dict[str, list[Moment]] = {}
    for moment in timeline.moments:
        if moment.kind in {"step", "failure"}:
            moves.setdefault(moment.ref, []).append(moment)
    for ref, moments in moves.items():
        turns = [(timeline.utc[moment.index], moment.text) for moment in moments]
        service, view = ref.partition("/")[0], None
        if service in state.services:
            view = state.services[service].steps.get(ref)
        lived = passages(moments, ref)
        ended = turns[-1][0] if turns[-1][1] not in BUSY else 0.0
        lives[ref] = Life(
            ref=ref,
            began=turns[0][0],
            ended=ended,
            took=view.took if view is not None else 0.0,
            begun=max(1, _attempts(lived)),
            state=turns[-1][1],
            turns=tuple(turns),
        )
    plan = state.plan
    return Played(
        run=state.run,
        mode=state.mode,
        plan=plan.name if plan is not None else "",
        hash=plan.hash if plan is not None else "",
        verdict=state.verdict,
        lives=lives,
    )


def compare(one: Played, two: Played, align: str = "") -> Comparison:
    """Both runs, aligned at the step `align`, or at the first one that both have, in the order of the first run. Raises
    CannotAlign."""
    common = [ref for ref in one.lives if ref in two.lives]
    if align and align not in common:
        missing = [course.run for course in (one, two) if align not in course.lives]
        near = f"; both have {', '.join(common[:5])}" if common else ""
        raise CannotAlign(f"{align} did not begin in {' nor in '.join(missing)}{near}")
    if not common:
        raise CannotAlign(f"{one.run} and {two.run} have no step in common that began in both")
    align = align or common[0]
    rows = tuple(_row(ref, one.lives.get(ref), two.lives.get(ref)) for ref in [*one.lives, *_only(two, one)])
    parts, why = _parting(rows, one, two)
    return Comparison(
        one=one, two=two, align=align, zero_one=one.lives[align].began, zero_two=two.lives[align].began,
        rows=rows, parts=parts, why=why,
    )  # fmt: skip


def told(found: Comparison) -> dict[str, Any]:
    """The comparison as plain data: times are seconds from the step at which the runs are aligned."""

    def life(one: Life | None, zero: float) -> dict[str, Any] | None:
        if one is None:
            return None
        return {
            "began": round(one.began - zero, 3),
            "ended": round(one.ended - zero, 3) if one.ended else None,
            "took": round(one.took, 3),
            "attempts": one.begun,
            "state": one.state,
        }

    return {
        "one": {"run": found.one.run, "mode": found.one.mode, "plan": found.one.hash, "verdict": found.one.verdict},
        "two": {"run": found.two.run, "mode": found.two.mode, "plan": found.two.hash, "verdict": found.two.verdict},
        "same_plan": found.one.hash == found.two.hash,
        "aligned_at": found.align,
        "parts_at": found.parts or None,
        "why": found.why,
        "steps": [
            {
                "ref": row.ref,
                "one": life(row.one, found.zero_one),
                "two": life(row.two, found.zero_two),
                "longer": round(row.slower, 3) if row.slower is not None else None,
                "differs": row.word,
            }
            for row in found.rows
        ],
    }


def _only(two: Played, one: Played) -> list[str]:
    return [ref for ref in two.lives if ref not in one.lives]


def _attempts(lived: tuple[Passage, ...]) -> int:
    """How often it was begun; being verified again or taken back is no attempt."""
    return sum(1 for passage in lived if passage.state not in {"undone", "undo_failed", "skipped"})


def _row(ref: str, one: Life | None, two: Life | None) -> Row:
    word = ""
    if one is None or two is None:
        word = "only in the other run" if one is None else "only in this run"
    elif one.state != two.state:
        word = f"{one.state}, not {two.state}"
    elif one.begun != two.begun:
        word = f"begun {one.begun} times, not {two.begun}"
    else:
        longer = one.took - two.took
        if abs(longer) >= NOTABLE[0] and abs(longer) >= NOTABLE[1] * max(one.took, two.took):
            word = "slower" if longer > 0 else "faster"
    return Row(ref=ref, one=one, two=two, word=word)


def _parting(rows: tuple[Row, ...], one: Played, two: Played) -> tuple[str, str]:
    """The first step, in the order of the first run, that is missing, came out otherwise, was begun more often, or came in
    another order. How long a step took is no parting."""
    order = [ref for ref in two.lives if ref in one.lives]
    common = [ref for ref in one.lives if ref in two.lives]
    moved = next((a for a, b in zip(common, order, strict=True) if a != b), "")
    for row in rows:
        if row.one is None or row.two is None:
            return row.ref, f"{row.ref} is {row.word}"
        if row.one.state != row.two.state:
            return row.ref, f"{row.ref} is {row.word}"
        if row.one.begun != row.two.begun:
            return row.ref, f"{row.ref} was {row.word}"
        if row.ref == moved:
            other = order[common.index(row.ref)]
            return row.ref, f"{row.ref} came here, and {other} in the other run"
    return "", ""


def table(found: Comparison) -> list[str]:
    """The comparison as lines of text: when each step began (from where the runs are aligned), what it took, how it ended."""
    lines = [
        f"one    {found.one.run}  {found.one.mode}  {found.one.verdict or 'not ended'}",
        f"two    {found.two.run}  {found.two.mode}  {found.two.verdict or 'not ended'}",
    ]
    if found.one.hash != found.two.hash:
        lines.append("       the plans differ")
    lines += [
        f"aligned where {found.align} began; times are seconds from there",
        f"they part at {found.parts}: {found.why}"
        if found.parts
        else "every step came out the same, in the same order",
        "",
        f"{'step':<32} {'one began':>10} {'took':>9} {'':<11} {'two began':>10} {'took':>9} {'':<11} {'longer':>9}",
    ]
    for row in found.rows:
        longer = f"{row.slower:+9.2f}" if row.slower is not None else " " * 9
        one, two = _cells(row.one, found.zero_one), _cells(row.two, found.zero_two)
        lines.append(f"{row.ref:<32} {one} {two} {longer}  {row.word}".rstrip())
    return lines


def _cells(life: Life | None, zero: float) -> str:
    if life is None:
        return f"{'–':>10} {'–':>9} {'':<11}"
    took = f"{life.took:9.2f}" if life.ended else f"{'–':>9}"
    return f"{life.began - zero:10.2f} {took} {life.state:<11}"
