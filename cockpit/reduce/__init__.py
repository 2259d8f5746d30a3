"""`reduce(state, record) -> state`: what each event does to RunState. Pure: a state is never mutated."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.reduce.logs import of_gap, of_log
from cockpit.reduce.people import of_people
from cockpit.reduce.steps import of_step
from cockpit.reduce.tell import tell
from cockpit.reduce.world import of_world
from cockpit.state import ClockView, GateView, HostView, QuestionView, RunState, ServiceView, StepView
from cockpit.text import harmless

SHOWN_OF_UNKNOWN = 200
"""Characters that the timeline shows of an event that this version does not know."""


def reduce(state: RunState, record: ev.Record) -> RunState:
    """The state after one more event. Pure; an event about something the plan does not know changes only `seq` and `utc`."""
    event = record.event
    if isinstance(event, ev.LogSeen):
        return of_log(state, record, event)  # Three events of four.
    state = replace(state, seq=record.seq, utc=record.utc)
    match event:
        case ev.RunStarted():
            return _begin(state, record, event)
        case ev.RunResumed():
            return _resume(state, record, event)
        case ev.RunPaused():
            return tell(replace(state, paused=True), record, "", "paused", event.reason)
        case ev.RunContinued():
            return tell(replace(state, paused=False, panicked=False), record, "", "continued", "")
        case ev.RunPanicked():
            return tell(replace(state, panicked=True, paused=True), record, "", "panic", "nothing is touched")
        case ev.RunEnded():
            ended = replace(state, ended=record.utc, verdict=event.verdict, exit=event.exit, questions={})
            return tell(ended, record, "", "ended", event.verdict)
        case ev.WatchersChanged():
            return replace(state, watchers=event.count)
        case ev.IntentRefused():
            return tell(state, record, "", "refused", event.reason)
        case ev.Noted():
            state = tell(state, record, event.ref, "note", event.text)
            return replace(state, notes=(*state.notes, state.timeline[-1]))
        case ev.Trouble():
            return replace(tell(state, record, "", "trouble", event.message), troubles=state.troubles + 1)
        case ev.Asked() | ev.Answered() | ev.AskGivenUp():
            return _question(state, record, event)
        case ev.GateOpened():
            return _open(state, record, event)
        case ev.GateClosed():
            gate = GateView(open=False, reason=event.reason, utc=record.utc)
            return tell(
                replace(state, gates=state.gates | {event.gate: gate}),
                record,
                "",
                "gate closed",
                f"{event.gate}: {event.reason}",
            )
        case (
            ev.PeopleSeen()
            | ev.WheelTaken()
            | ev.WheelLost()
            | ev.WheelOffered()
            | ev.WheelRequested()
            | ev.WheelSettled()
            | ev.RunHeld()
            | ev.RunReleased()
            | ev.AccessGiven()
            | ev.AccessTaken()
            | ev.DoorChanged()
            | ev.SecondAsked()
            | ev.SecondOver()
        ):
            return of_people(state, record, event)
        case ev.HostSeen():
            before = state.hosts.get(event.host)
            since = before.since if before is not None and before.link == event.link else record.utc
            identity = event.identity or (before.identity if before is not None else "")
            holder = before.holder if before is not None else ""
            host = HostView(link=event.link, detail=event.detail, identity=identity, since=since, holder=holder)
            return replace(state, hosts=state.hosts | {event.host: host})
        case ev.ScreenKept():
            return tell(
                state, record, "", "screen", f"kept: {event.of}, {event.why}, of {event.by} at event {event.shown}"
            )
        case ev.HostLocked():
            host = replace(state.hosts.get(event.host, HostView()), holder=event.holder)
            state = replace(state, hosts=state.hosts | {event.host: host})
            if event.former:
                return tell(state, record, "", "taken over", f"{event.host} from {event.former}")
            if event.holder:
                word = "taken from us" if event.lost else "held"
                return tell(state, record, "", word, f"{event.host}: {event.holder}")
            return state
        case ev.HostClock():
            clock = ClockView(offset=event.offset, bound=event.bound, zone=event.zone, utc=record.utc)
            return replace(state, clocks=state.clocks | {event.host: clock})
        case ev.LogGap():
            return of_gap(state, record, event)
        case (
            ev.StepIntended()
            | ev.StepMoved()
            | ev.StepCaptured()
            | ev.StepApplied()
            | ev.StepOutput()
            | ev.StepProgress()
            | ev.StepLimited()
            | ev.SyncPassed()
            | ev.NoticeSent()
        ):
            return of_step(state, record, event)
        case (
            ev.HealthSeen()
            | ev.WriterSeen()
            | ev.DowntimeSeen()
            | ev.DnsSeen()
            | ev.HorizonSeen()
            | ev.CompareSeen()
            | ev.BudgetAlarm()
            | ev.QueueSeen()
            | ev.TokenSeen()
            | ev.StragglersSeen()
            | ev.TrafficSeen()
            | ev.ServiceAdvancing()
            | ev.LossDeclared()
        ):
            return of_world(state, record, event)
        case ev.Unknown():
            return tell(state, record, "", "other version", f"{event.name}: {harmless(event.raw, SHOWN_OF_UNKNOWN)}")
        case _:
            return state


def fold(records: list[ev.Record], state: RunState | None = None) -> RunState:
    """`reduce` over many records."""
    state = state or RunState()
    for record in records:
        state = reduce(state, record)
    return state


def _begin(state: RunState, record: ev.Record, event: ev.RunStarted) -> RunState:
    plan = event.plan
    services = {
        service.id: ServiceView(
            id=service.id,
            steps={
                step.ref: StepView(ref=step.ref, state="draft" if step.kind == "draft" else "blocked")
                for step in service.steps
            },
        )
        for service in plan.services
    }
    state = replace(
        state,
        run=event.run,
        plan=plan,
        mode=event.mode,
        version=event.version,
        started=record.utc,
        forecast=event.forecast,
        boot=event.boot,
        services=services,
        gates={gate.id: GateView() for gate in plan.gates},
        hosts={id: HostView() for id in plan.hosts},
    )
    return tell(state, record, "", "started", plan.name)


def _resume(state: RunState, record: ev.Record, event: ev.RunResumed) -> RunState:
    """Another process conducts: who was attached, drove or was asked is gone; holds and access stay."""
    gates = {id: replace(gate, asked=None) if gate.asked is not None else gate for id, gate in state.gates.items()}
    state = replace(
        state,
        driver="",
        driver_screen=0,
        people=(),
        watchers=0,
        offer=None,
        requests={},
        gates=gates,
        boot=event.boot,
        verdict="",
        ended=0.0,
        questions={},
    )
    anew = "; this machine was started anew meanwhile" if event.rebooted else ""
    return tell(state, record, "", "resumed", f"after event {event.after}{anew}")


def _open(state: RunState, record: ev.Record, event: ev.GateOpened) -> RunState:
    gate = GateView(
        open=True,
        by=event.by,
        override=event.override,
        reason=event.evidence,
        utc=record.utc,
        second=event.second,
        alone=event.alone,
    )
    state = replace(state, gates=state.gates | {event.gate: gate})
    text = event.gate + (f": confirmed by {event.second}" if event.second else "")
    alone = "without the second person, " if event.alone else ""
    text += f": override, {alone}{event.override}" if event.override else ""
    return tell(state, record, "", "break-glass" if event.alone else "gate opened", text)


def _question(state: RunState, record: ev.Record, event: ev.Asked | ev.Answered | ev.AskGivenUp) -> RunState:
    others = {name: view for name, view in state.questions.items() if name != event.name}
    match event:
        case ev.Asked():
            view = QuestionView(question=event.question, secret=event.secret, exact=event.exact, seq=record.seq)
            state = replace(state, questions=others | {event.name: view})
            return tell(state, record, "", "asked", f"{event.name}: {event.question}")
        case ev.Answered():
            return tell(replace(state, questions=others), record, "", "answered", f"{event.name}, by {event.by}")
        case ev.AskGivenUp():
            return tell(replace(state, questions=others), record, "", "not answered", f"{event.name}: {event.reason}")
