"""One fold over a journal's records: the state of replay, and beside it what a state does not keep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.reduce import reduce
from cockpit.report.facts import SCHEMA, Driver, GateFact, Journal, Moment, Report, RunFact, Session
from cockpit.report.judge import care, deviations, losses
from cockpit.report.lives import Lives
from cockpit.report.read import Reading
from cockpit.report.rows import Rows, short
from cockpit.report.screens import Screens
from cockpit.report.seen import Curves, Outages
from cockpit.report.steps import Steps, services
from cockpit.state import TICKED, RunState

MOMENTS = 10_000
ELSEWHERE = frozenset(
    {"started", "ended", "resumed", "wheel", "gate opened", "break-glass", "gate closed", "loss declared", "screen"}
)
"""Words of the timeline of which the report tells in a place of their own."""
_ONLY_OF_THE_REPORT = (ev.StepOutput, ev.StepProgress, ev.HostClock)
"""Events that change nothing that the report asks the state for."""


class Fold:
    """Feed it every record in order, then ask for the report."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is the run's, where it is at hand: what was kept of screens is looked up there."""
        self.state = RunState()
        self._lives, self._outages, self._curves = Lives(), Outages(), Curves()
        self._screens = Screens(folder)
        self._moments: Rows[Moment] = Rows(MOMENTS)
        self._gates: Rows[GateFact] = Rows(MOMENTS)
        self._drivers: Rows[Driver] = Rows(MOMENTS)
        self._sessions: Rows[Session] = Rows(MOMENTS)
        self._driving: Driver | None = None
        self._declared: Rows[tuple[ev.Record, ev.LossDeclared]] = Rows(MOMENTS)
        self._writers: dict[str, int] = {}
        self._links: dict[str, str] = {}
        self._seq, self._utc, self._watchers = 0, 0.0, 0
        self._began = self._forecast_from = ""
        self._begun_at = 0
        self._over: tuple[int, float] | None = None

    def feed(self, record: ev.Record) -> None:
        """One more event."""
        event = record.event
        if not isinstance(event, _ONLY_OF_THE_REPORT) and not (isinstance(event, ev.LogSeen) and not event.alarms):
            self._reduced(record)
        self._lives.feed(record, self.state)
        match event:
            case ev.RunStarted():
                self._began, self._begun_at, self._forecast_from = event.run, record.seq, event.forecast_from
                self._sessions.add(Session(seq=record.seq, utc=record.utc, pid=0, after=0, mended=0, idle=0.0))
            case ev.RunResumed():
                self._over = None
                self._resumed(record, event)
            case ev.RunEnded():
                self._over = (record.seq, record.utc)
            case ev.WheelTaken():
                self._left(record, f"{event.driver} took the wheel")
                self._driving = Driver(
                    seq=record.seq, utc=record.utc, driver=event.driver, uid=event.uid, until=0.0, until_seq=0, why=""
                )
            case ev.WheelLost():
                self._left(record, event.reason or "left the wheel")
            case ev.WatchersChanged():
                self._watchers = max(self._watchers, event.count)
            case ev.PeopleSeen():
                self._watchers = max(self._watchers, self.state.watchers)
            case ev.GateOpened() | ev.GateClosed():
                self._gates.add(self._gate(record, event))
            case ev.ScreenKept():
                self._screens.feed(record, event)
            case ev.LossDeclared():
                self._declared.add((record, event))
            case ev.DowntimeSeen():
                self._outages.feed(record, event)
            case ev.DnsSeen():
                self._curves.feed(record, event, self.state)
            case ev.WriterSeen():
                self._writers[event.service] = record.seq
            case ev.HostSeen():
                self._link(record, event)
            case _:
                pass
        self._seq, self._utc = record.seq, record.utc

    def report(self, journal: Journal) -> Report:
        """All that was fed, as facts. `journal` says how whole it was."""
        state = replace(self.state, seq=self._seq, utc=self._utc)
        attempts = self._lives.attempts(state)
        steps = Steps.of(state, attempts)
        outages = self._outages.facts(state.plan)
        gates = self._screens.beside(tuple(self._gates))
        rows = (self._moments, self._screens.rows, self._gates, self._drivers, self._sessions, self._declared)
        drivers = (*self._drivers, *([self._driving] if self._driving is not None else []))
        seq, ended = self._over or (self._seq, self._utc)
        plan = state.plan
        return Report(
            schema=SCHEMA,
            run=RunFact(
                run=self._began,
                plan=plan.name if plan is not None else "",
                plan_hash=plan.hash if plan is not None else "",
                description=short(plan.description) if plan is not None else "",
                mode=state.mode,
                version=state.version,
                over=self._over is not None,
                started=state.started,
                ended=ended,
                seq=seq,
                verdict=short(state.verdict),
                exit=state.exit,
                steps=len(steps.facts),
                ticked=sum(step.state in TICKED for step in steps.facts.values()),
                critical=steps.critical,
                planned_critical=steps.schedule.critical,
                planned=max((end for _, end in steps.schedule.spans.values()), default=0.0),
                took=steps.took,
                forecast_from=self._forecast_from,
                watchers=self._watchers,
                left_out=sum(row.left_out for row in rows) + self._lives.left_out,
            ),
            journal=journal,
            services=services(state, steps, self._writers, self._begun_at),
            downtime=outages,
            spread=self._curves.facts(state),
            gates=gates,
            attempts=attempts,
            deviations=deviations(state, steps, attempts, gates, outages, over=self._over is not None),
            losses=losses(state, tuple(self._declared), self._begun_at),
            notices=self._lives.notices,
            care=care(state, steps, outages),
            sessions=tuple(self._sessions),
            drivers=drivers,
            moments=tuple(self._moments),
            screens=tuple(self._screens.rows),
        )

    def _reduced(self, record: ev.Record) -> None:
        state = reduce(self.state, record)
        for entry in reversed(state.timeline):
            if entry.seq != record.seq:
                break
            if entry.word not in ELSEWHERE and not (entry.ref and entry.word != "note"):
                self._moments.add(
                    Moment(
                        seq=entry.seq,
                        utc=entry.utc,
                        actor=entry.actor,
                        what=entry.word,
                        text=short(entry.text),
                        ref=entry.ref,
                    )
                )
        # The reducers look back a few entries only; what the report keeps of the others it has now.
        self.state = replace(state, timeline=state.timeline[-40:], notes=()) if state.timeline else state

    def _resumed(self, record: ev.Record, event: ev.RunResumed) -> None:
        idle = max(0.0, record.utc - self._utc) if self._utc else 0.0
        self._left(record, "the conductor died")
        self._sessions.add(
            Session(seq=record.seq, utc=record.utc, pid=event.pid, after=event.after, mended=event.mended, idle=idle)
        )

    def _left(self, record: ev.Record, why: str) -> None:
        if self._driving is not None:
            self._drivers.add(replace(self._driving, until=record.utc, until_seq=record.seq, why=short(why)))
        self._driving = None

    def _gate(self, record: ev.Record, event: ev.GateOpened | ev.GateClosed) -> GateFact:
        plan = self.state.plan
        gates = plan.gates if plan is not None else ()
        opened = isinstance(event, ev.GateOpened)
        return GateFact(
            seq=record.seq,
            utc=record.utc,
            gate=event.gate,
            question=next((short(gate.question) for gate in gates if gate.id == event.gate), ""),
            opened=opened,
            by=event.by if isinstance(event, ev.GateOpened) else record.actor,
            override=short(event.override) if isinstance(event, ev.GateOpened) else "",
            evidence=short(event.evidence if isinstance(event, ev.GateOpened) else event.reason),
            head=event.head if isinstance(event, ev.GateOpened) else "",
            second=short(event.second) if isinstance(event, ev.GateOpened) else "",
            second_account=event.confirmed.account if isinstance(event, ev.GateOpened) else "",
            alone=isinstance(event, ev.GateOpened) and event.alone,
        )

    def _link(self, record: ev.Record, event: ev.HostSeen) -> None:
        """A link that was lost, and one that came back."""
        before = self._links.get(event.host, "up")
        if event.link == "connecting" or event.link == before:
            return
        self._links[event.host] = event.link
        self._moments.add(
            Moment(
                seq=record.seq,
                utc=record.utc,
                actor=record.actor,
                what="link",
                text=short(f"{event.host} is {event.link}" + (f": {event.detail}" if event.detail else "")),
            )
        )


def made(records: Iterable[ev.Record], journal: Journal) -> Report:
    """The report of records that are at hand."""
    fold = Fold()
    for record in records:
        fold.feed(record)
    return fold.report(journal)


def of(file: Path) -> Report:
    """The report of a journal file, read once and never changed. Raises OSError."""
    reading, fold = Reading(file), Fold(file.parent)
    for record in reading.records():
        fold.feed(record)
    return fold.report(reading.journal)
