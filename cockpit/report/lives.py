"""The attempts of steps: each time that one was run, taken back or verified again, from its first move to its last."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from cockpit import events as ev
from cockpit.plan.model import Op, Plan
from cockpit.plan.script import command_text
from cockpit.report.facts import Attempt, LogLine, Move, NoticeFact
from cockpit.report.rows import Rows, short
from cockpit.state import BUSY, TICKED, RunState

ATTEMPTS = 20_000
EXPLAINED = 1000
"""Attempts of which command, output and log lines are kept."""
MOVES = 60
OUTPUT = 20
"""Last lines kept of an attempt's output."""
LOGS = 4
"""Last lines kept of each log that was near."""
TAILED = 500
"""Logs of which the last lines are kept."""
COMMAND = 8000
"""Characters kept of a command."""
WIDTH = 400
"""Characters kept of a line."""

_BEGINS = {"running": "apply", "waiting": "apply", "undoing": "undo", "verifying": "verify"}


@dataclass
class _Life:
    """An attempt that is under way."""

    record: ev.Record
    ref: str
    attempt: int
    what: str
    driver: str
    again: int
    host: str = ""
    intended: float = 0.0
    intended_seq: int = 0
    applied: float = 0.0
    applied_seq: int = 0
    outcome: str = ""
    exit: int | None = None
    cut: bool = False
    moves: list[Move] = field(default_factory=list)
    output: deque[str] = field(default_factory=lambda: deque(maxlen=OUTPUT))
    lines: int = 0
    last: ev.StepMoved | None = None
    seq: int = 0
    utc: float = 0.0


class Lives:
    """Follows all steps."""

    def __init__(self) -> None:
        self._open: dict[str, _Life] = {}
        self._done: Rows[Attempt] = Rows(ATTEMPTS)
        self._runs: dict[str, int] = {}
        self._explained = 0
        self._tails: dict[tuple[str, str], deque[LogLine]] = {}
        self._notices: dict[tuple[str, str], NoticeFact] = {}
        self._lost_notices = 0

    @property
    def left_out(self) -> int:
        """Attempts and notices over the bounds."""
        return self._done.left_out + self._lost_notices

    @property
    def notices(self) -> tuple[NoticeFact, ...]:
        """The last word on each notice to each receiver."""
        return tuple(self._notices.values())

    def feed(self, record: ev.Record, state: RunState) -> None:
        """One event; `state` is right after it."""
        event = record.event
        match event:
            case ev.StepMoved():
                self._move(record, event, state)
            case ev.StepIntended():
                life = self._life(record, event.ref, event.attempt, event.op, state)
                life.intended, life.intended_seq, life.host = record.utc, record.seq, event.host
            case ev.StepApplied():
                life = self._life(record, event.ref, event.attempt, event.op, state)
                life.applied, life.applied_seq = record.utc, record.seq
                life.outcome, life.exit = event.outcome, event.exit
            case ev.StepOutput():
                if event.ref in self._open:
                    life = self._open[event.ref]
                    life.lines += len(event.lines)
                    life.output.extend(short(line, WIDTH) for line in event.lines[-OUTPUT:])
            case ev.NoticeSent():
                self._notice(record, event)
            case ev.LogSeen():
                key = (event.host, event.file)
                if event.lines and (key in self._tails or len(self._tails) < TAILED):
                    tail = self._tails.setdefault(key, deque(maxlen=LOGS))
                    name = f"{event.host}:{event.file}"
                    tail.extend(
                        LogLine(seq=record.seq, log=name, text=short(line, WIDTH)) for line in event.lines[-LOGS:]
                    )
            case ev.RunResumed():
                for life in self._open.values():
                    life.cut = True
            case _:
                pass

    def attempts(self, state: RunState) -> tuple[Attempt, ...]:
        """All of them in the order in which they began; those under way last moved when they last moved."""
        under_way = [self._attempt(life, state, over=False) for life in self._open.values()]
        return tuple(sorted([*self._done, *under_way], key=lambda attempt: attempt.seq))

    def _life(self, record: ev.Record, ref: str, attempt: int, what: str, state: RunState) -> _Life:
        life = self._open.get(ref)
        if life is not None and (life.attempt == attempt or what in {"verify", "verify_undo"}):
            return life
        if life is not None:
            self._close(life, state)
        life = self._open[ref] = _Life(
            record=record, ref=ref, attempt=attempt, what=what, driver=state.driver, again=self._runs.get(ref, 0)
        )
        life.seq, life.utc = record.seq, record.utc
        return life

    def _move(self, record: ev.Record, event: ev.StepMoved, state: RunState) -> None:
        what = _BEGINS.get(event.state, "none")
        if event.op in {"undo", "verify_undo"} and what != "none":
            what = "undo"
        life = self._life(record, event.ref, event.attempt, what, state)
        if len(life.moves) < MOVES:
            life.moves.append(
                Move(seq=record.seq, utc=record.utc, state=event.state, detail=short(event.detail, WIDTH))
            )
        life.last, life.seq, life.utc = event, record.seq, record.utc
        if event.state not in BUSY:
            self._close(life, state)

    def _close(self, life: _Life, state: RunState) -> None:
        self._open.pop(life.ref, None)
        if life.what == "apply":
            self._runs[life.ref] = life.again + 1
        self._done.add(self._attempt(life, state, over=life.last is not None and life.last.state not in BUSY))

    def _attempt(self, life: _Life, state: RunState, *, over: bool) -> Attempt:
        last = life.last
        reached = last.state if last is not None else "unknown"
        # A conductor that died leaves a life without an end: nobody knows what became of it.
        plain = over and reached in TICKED and life.what in {"apply", "verify"} and not life.again and not life.cut
        explain = not plain and (len(self._done) < ATTEMPTS) and self._explained < EXPLAINED
        self._explained += explain
        return Attempt(
            seq=life.record.seq,
            end_seq=life.seq,
            ref=life.ref,
            attempt=life.attempt,
            what=life.what,
            by=life.record.actor,
            driver=life.driver,
            host=life.host,
            started=life.record.utc,
            intended=life.intended,
            intended_seq=life.intended_seq,
            applied=life.applied,
            applied_seq=life.applied_seq,
            outcome=life.outcome,
            exit=life.exit,
            ended=life.utc if over else 0.0,
            state=reached,
            detail=short(last.detail) if last is not None else "",
            took=max(0.0, life.utc - life.record.utc),
            again=life.again,
            cut=life.cut,
            moves=tuple(life.moves),
            output=tuple(life.output) if explain else (),
            output_lines=life.lines,
            logs=self._near(life, state.plan) if explain and reached not in TICKED and life.what != "undo" else (),
            command=_command(life, state) if explain else "",
        )

    def _near(self, life: _Life, plan: Plan | None) -> tuple[LogLine, ...]:
        """The last lines, at that moment, of the logs that the step's service has."""
        service = life.ref.partition("/")[0]
        logs = next((item.logs for item in plan.services if item.id == service), ()) if plan is not None else ()
        keys = [(log.host, log.name) for log in logs][:6]
        return tuple(line for key in keys for line in self._tails.get(key, ()))

    def _notice(self, record: ev.Record, event: ev.NoticeSent) -> None:
        key = (event.ref, event.to)
        if key not in self._notices and len(self._notices) >= ATTEMPTS:
            self._lost_notices += 1
            return
        self._notices[key] = NoticeFact(
            seq=record.seq,
            utc=record.utc,
            ref=event.ref,
            to=event.to,
            state=event.state,
            detail=short(event.detail),
        )


def _command(life: _Life, state: RunState) -> str:
    """What it did, or would have done: the plan's exact text."""
    op: Op = "undo" if life.what == "undo" else "verify" if life.what == "verify" else "apply"
    try:
        planned, view = state.planned(life.ref), state.step(life.ref)
    except KeyError:
        return ""
    return short(command_text(planned, op, view.captured), COMMAND)
