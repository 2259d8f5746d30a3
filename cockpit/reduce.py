"""`reduce(state, record) -> state`: what each event does to RunState. Pure: a state is never mutated."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.plan.model import Step
from cockpit.state import (
    BUSY,
    RING,
    ClockView,
    DnsView,
    DownView,
    GateView,
    HealthView,
    HostView,
    LogView,
    PassView,
    QuestionView,
    RunState,
    ServiceView,
    StepView,
    TimelineEntry,
)

TIMELINE_RING = 5000

ALARM_AGAIN = 30.0
"""Seconds after which the timeline tells again of alarms in the same log."""


HOLDS: frozenset[str] = frozenset({"done", "already"})


def reduce(state: RunState, record: ev.Record) -> RunState:
    """The state after one more event. Pure; an event about something the plan does not know changes only `seq` and `utc`."""
    event = record.event
    state = replace(state, seq=record.seq, utc=record.utc)
    match event:
        case ev.RunStarted():
            return _begin(state, record, event)
        case ev.RunResumed():
            return _tell(
                replace(state, driver="", verdict="", ended=0.0, questions={}),
                record,
                "",
                "resumed",
                f"after event {event.after}",
            )
        case ev.RunPaused():
            return _tell(replace(state, paused=True), record, "", "paused", event.reason)
        case ev.RunContinued():
            return _tell(replace(state, paused=False, panicked=False), record, "", "continued", "")
        case ev.RunPanicked():
            return _tell(replace(state, panicked=True, paused=True), record, "", "panic", "nothing is touched")
        case ev.RunEnded():
            ended = replace(state, ended=record.utc, verdict=event.verdict, exit=event.exit, questions={})
            return _tell(ended, record, "", "ended", event.verdict)
        case ev.WheelTaken():
            return _tell(replace(state, driver=event.driver), record, "", "wheel", f"{event.driver} drives")
        case ev.WheelLost():
            return _tell(
                replace(state, driver=""), record, "", "wheel", f"{event.driver} left the wheel {event.reason}".rstrip()
            )
        case ev.WatchersChanged():
            return replace(state, watchers=event.count)
        case ev.IntentRefused():
            return _tell(state, record, "", "refused", event.reason)
        case ev.Noted():
            state = _tell(state, record, event.ref, "note", event.text)
            return replace(state, notes=(*state.notes, state.timeline[-1]))
        case ev.Trouble():
            return replace(_tell(state, record, "", "trouble", event.message), troubles=state.troubles + 1)
        case ev.Asked() | ev.Answered() | ev.AskGivenUp():
            return _question(state, record, event)
        case ev.GateOpened():
            gate = GateView(open=True, by=event.by, override=event.override, reason=event.evidence, utc=record.utc)
            state = replace(state, gates=state.gates | {event.gate: gate})
            return _tell(
                state,
                record,
                "",
                "gate opened",
                f"{event.gate}" + (f": override, {event.override}" if event.override else ""),
            )
        case ev.GateClosed():
            gate = GateView(open=False, reason=event.reason, utc=record.utc)
            return _tell(
                replace(state, gates=state.gates | {event.gate: gate}),
                record,
                "",
                "gate closed",
                f"{event.gate}: {event.reason}",
            )
        case ev.HostSeen():
            before = state.hosts.get(event.host)
            since = before.since if before is not None and before.link == event.link else record.utc
            identity = event.identity or (before.identity if before is not None else "")
            holder = before.holder if before is not None else ""
            host = HostView(link=event.link, detail=event.detail, identity=identity, since=since, holder=holder)
            return replace(state, hosts=state.hosts | {event.host: host})
        case ev.HostLocked():
            host = replace(state.hosts.get(event.host, HostView()), holder=event.holder)
            state = replace(state, hosts=state.hosts | {event.host: host})
            if event.former:
                return _tell(state, record, "", "taken over", f"{event.host} from {event.former}")
            if event.holder:
                word = "taken from us" if event.lost else "held"
                return _tell(state, record, "", word, f"{event.host}: {event.holder}")
            return state
        case ev.HostClock():
            clock = ClockView(offset=event.offset, bound=event.bound, zone=event.zone, utc=record.utc)
            return replace(state, clocks=state.clocks | {event.host: clock})
        case ev.LogSeen():
            return _log(state, record, event)
        case ev.LogGap():
            return _gap(state, record, event)
        case (
            ev.StepIntended()
            | ev.StepMoved()
            | ev.StepCaptured()
            | ev.StepApplied()
            | ev.StepOutput()
            | ev.StepProgress()
            | ev.StepLimited()
            | ev.SyncPassed()
        ):
            return _step(state, record, event)
        case (
            ev.HealthSeen()
            | ev.WriterSeen()
            | ev.DowntimeSeen()
            | ev.DnsSeen()
            | ev.HorizonSeen()
            | ev.ServiceAdvancing()
            | ev.LossDeclared()
        ):
            return _service(state, record, event)
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
        services=services,
        gates={gate.id: GateView() for gate in plan.gates},
        hosts={id: HostView() for id in plan.hosts},
    )
    return _tell(state, record, "", "started", plan.name)


def _tell(state: RunState, record: ev.Record, ref: str, word: str, text: str) -> RunState:
    entry = TimelineEntry(seq=record.seq, utc=record.utc, actor=record.actor, ref=ref, word=word, text=text)
    return replace(state, timeline=(*state.timeline[-TIMELINE_RING:], entry))


def _question(state: RunState, record: ev.Record, event: ev.Asked | ev.Answered | ev.AskGivenUp) -> RunState:
    others = {name: view for name, view in state.questions.items() if name != event.name}
    match event:
        case ev.Asked():
            view = QuestionView(question=event.question, secret=event.secret, exact=event.exact, seq=record.seq)
            state = replace(state, questions=others | {event.name: view})
            return _tell(state, record, "", "asked", f"{event.name}: {event.question}")
        case ev.Answered():
            return _tell(replace(state, questions=others), record, "", "answered", f"{event.name}, by {event.by}")
        case ev.AskGivenUp():
            return _tell(replace(state, questions=others), record, "", "not answered", f"{event.name}: {event.reason}")


StepEvent = (
    ev.StepIntended
    | ev.StepMoved
    | ev.StepCaptured
    | ev.StepApplied
    | ev.StepOutput
    | ev.StepProgress
    | ev.StepLimited
    | ev.SyncPassed
)

PASSES = 40
"""Passes of a service's copies that are kept."""


def _step(state: RunState, record: ev.Record, event: StepEvent) -> RunState:
    service = state.services.get(event.ref.partition("/")[0])
    step = service.steps.get(event.ref) if service is not None else None
    if service is None or step is None:
        return state
    telling: tuple[str, str] | None = None
    match event:
        case ev.StepIntended():
            step = replace(
                step,
                intended=event.op,
                applied="",
                told={},
                job=event.job,
                attempt=event.attempt,
            )
            service = _base(service, state.planned(event.ref), event.op)
        case ev.StepCaptured():
            step = replace(step, captured=event.captured)
        case ev.StepApplied():
            step = replace(step, intended=step.intended if event.outcome == "unknown" else None, applied=event.outcome)
        case ev.StepOutput():
            mine = event.file == f"raw/{step.job}.{event.stream}"
            step = replace(
                step,
                output=(*step.output, *event.lines)[-RING:],
                output_count=step.output_count + len(event.lines),
                told=step.told | {event.stream: event.offset + event.length} if mine else step.told,
            )
        case ev.StepProgress():
            step = replace(step, fraction=event.fraction, progress=event.detail)
        case ev.StepLimited():
            step = replace(step, limit=event.rate)
            telling = ("limit", f"{event.rate:,} bytes/s" if event.rate else "none")
        case ev.SyncPassed():
            passed = PassView(
                ref=event.ref,
                utc=record.utc,
                seconds=event.seconds,
                bytes=event.bytes,
                files=event.files,
                entries=event.entries,
                final=event.final,
            )
            service = replace(service, passes=(*service.passes, passed)[-PASSES:])
        case ev.StepMoved():
            step, service = _moved(step, service, record, event)
            telling = (event.state, event.detail)
    service = replace(service, steps=service.steps | {event.ref: replace(step, seq=record.seq)})
    if state.plan is not None and isinstance(event, ev.StepIntended | ev.StepApplied | ev.StepMoved):
        service = replace(service, may_write=_may_write(service, state.plan.service(service.id).steps))
    state = replace(state, services=state.services | {service.id: service})
    if telling is not None:
        state = _tell(state, record, event.ref, *telling)
    return state


def _moved(
    step: StepView, service: ServiceView, record: ev.Record, event: ev.StepMoved
) -> tuple[StepView, ServiceView]:
    fresh = event.attempt != step.attempt or (
        step.state not in BUSY and event.state in {"running", "verifying", "undoing", "waiting"}
    )
    started = record.utc if fresh else step.started
    ended = 0.0 if event.state in BUSY else record.utc
    intended = step.intended if event.state in BUSY | {"unknown"} else None
    step = replace(
        step,
        state=event.state,
        attempt=event.attempt,
        op=event.op,
        detail=event.detail,
        until=event.until,
        took=event.took,
        started=started,
        ended=ended,
        intended=intended,
        fraction=step.fraction if event.state in BUSY and not fresh else -1.0,
        progress=step.progress if event.state in BUSY and not fresh else "",
    )
    if event.state in {"running", "undoing"}:
        step = replace(step, applied="")
    if event.state == "undone":
        # Another time begins with the state of its own time.
        step = replace(step, captured={})
    acted = event.state in {"done", "unverified", "drifted", "undo_failed"}
    acted = acted or (event.state in {"unknown", "failed"} and (step.applied != "" or step.intended is not None))
    if acted and event.ref not in service.history:
        service = replace(service, history=(*service.history, event.ref))
    elif event.state in {"undone"}:
        service = replace(service, history=tuple(ref for ref in service.history if ref != event.ref))
    return step, service


def _base(service: ServiceView, planned: Step, op: str) -> ServiceView:
    """What new had taken before an act opens it: what is over is what a rollback loses."""
    side = planned.opens if op == "apply" else planned.closes
    if side == "new" and side not in service.may_write:
        return replace(service, writes_base=max(service.writes, 0))
    return service


def _may_write(service: ServiceView, planned: tuple[Step, ...]) -> frozenset[str]:
    """The sides that may be open to writes. From its intent on, an act that opens a side may have happened whatever we hear
    of it; an act that closes one counts only while it is verified to hold. What is so already comes first, then what took
    effect, in that order, then what is under way."""
    by_ref = {step.ref: step for step in planned}
    stays = [ref for ref in by_ref if ref not in service.history and _holds_for_good(by_ref[ref], service.steps[ref])]
    under_way = [ref for ref, view in service.steps.items() if view.intended == "apply" and ref not in service.history]
    sides = {"old"}
    for ref in (*stays, *service.history, *under_way):
        step, view = by_ref[ref], service.steps[ref]
        if step.closes and (view.state in HOLDS or ref in stays):
            sides.discard(step.closes)
        if step.opens:
            sides.add(step.opens)
    return frozenset(sides)


def _holds_for_good(step: Step, view: StepView) -> bool:
    """So before we came, or without an undo that could end it."""
    return view.state == "already" or (view.state == "undone" and not step.undoable)


ServiceEvent = (
    ev.HealthSeen
    | ev.WriterSeen
    | ev.DowntimeSeen
    | ev.DnsSeen
    | ev.HorizonSeen
    | ev.ServiceAdvancing
    | ev.LossDeclared
)


def _service(state: RunState, record: ev.Record, event: ServiceEvent) -> RunState:
    service = state.services.get(event.service)
    if service is None:
        return state
    match event:
        case ev.HealthSeen():
            seen = HealthView(
                ok=event.ok,
                ms=event.ms,
                status=event.status,
                detail=event.detail,
                via=event.via,
                bridged=event.bridged,
                utc=record.utc,
            )
            service = replace(service, health=service.health | {f"{event.probe}@{event.at}": seen})
        case ev.WriterSeen():
            writes = event.writes if event.writes >= 0 else service.writes
            before = event.writer if service.writer_before == "unknown" else service.writer_before
            service = replace(
                service,
                writer=event.writer,
                writer_before=before,
                writer_detail=event.detail,
                writer_utc=record.utc,
                writes=writes,
            )
        case ev.DowntimeSeen():
            service = replace(
                service,
                down=DownView(
                    lower=event.lower,
                    upper=event.upper,
                    ongoing=event.ongoing,
                    failed=event.failed,
                    stalled=event.stalled,
                    samples=event.samples,
                ),
            )
        case ev.DnsSeen():
            service = _dns(service, record, event)
        case ev.HorizonSeen():
            service = replace(service, horizon=service.horizon | {f"{event.name} {event.type}": event.at})
        case ev.ServiceAdvancing():
            service = replace(service, advancing=event.on)
        case ev.LossDeclared():
            service = replace(service, losses_declared=event.writes)
            state = _tell(state, record, "", "loss declared", f"{event.service}: {event.writes} writes")
    return replace(state, services=state.services | {service.id: service})


def _dns(service: ServiceView, record: ev.Record, event: ev.DnsSeen) -> ServiceView:
    key = f"{event.name} {event.type} {event.vantage}"
    before = service.dns.get(key)
    seen = DnsView(
        service=event.service,
        name=event.name,
        type=event.type,
        vantage=event.vantage,
        role=event.role,
        state=event.state,
        answers=event.answers,
        ttl=event.ttl,
        serial=event.serial,
        flags=event.flags,
        utc=record.utc,
    )
    service = replace(service, dns=service.dns | {key: seen})
    if before is not None and before.state == event.state:
        return service
    new = sum(view.state == "new" for view in service.dns.values())
    old = sum(view.state == "old" for view in service.dns.values())
    point = (record.utc, new, old, len(service.dns) - new - old)
    return replace(service, dns_trail=(*service.dns_trail[-RING:], point))


def _log(state: RunState, record: ev.Record, event: ev.LogSeen) -> RunState:
    key = f"{event.host}:{event.file}"
    log = state.logs.get(key) or LogView(host=event.host, file=event.file)
    alarms = frozenset(event.alarms)
    fresh = tuple(
        (log.count + index, record.utc, text, index in alarms)
        for index, text in enumerate(event.lines)
        if index >= len(event.lines) - RING
    )
    gap = record.utc - log.utc if log.utc else 1.0
    # A rate over the last second or so: each batch moves it by the share of a second that it covers.
    weight = min(max(gap, 0.001), 1.0)
    rate = log.rate * (1 - weight) + (len(event.lines) / max(gap, 0.001)) * weight
    log = replace(
        log,
        lines=(*log.lines, *fresh)[-RING:],
        count=log.count + len(event.lines),
        lag=event.lag,
        dropped=log.dropped + event.dropped,
        alarms=log.alarms + len(alarms),
        rate=rate,
        utc=record.utc,
        behind=event.behind,
        position=event.position or log.position,
        raw_end=event.offset + event.length if event.position else log.raw_end,
    )
    state = replace(state, logs=state.logs | {key: log})
    first = next((event.lines[index] for index in event.alarms if index < len(event.lines)), None)
    if first is not None and not _alarmed_lately(state, key, record.utc):
        state = _tell(state, record, "", "alarm", f"{key}  {first}")
    return state


def _gap(state: RunState, record: ev.Record, event: ev.LogGap) -> RunState:
    """What the host has lost stands in the log as a line, and on the timeline."""
    key = f"{event.host}:{event.file}"
    log = state.logs.get(key) or LogView(host=event.host, file=event.file)
    size = f"at least {event.size} bytes" if event.size else "an unknown number of bytes"
    line = (log.count, record.utc, f"— gap: the host has lost {size} here —", True)
    log = replace(
        log,
        lines=(*log.lines, line)[-RING:],
        count=log.count + 1,
        gaps=log.gaps + 1,
        lost=log.lost + event.size,
        utc=record.utc,
        position=event.position or log.position,
    )
    return _tell(replace(state, logs=state.logs | {key: log}), record, "", "gap", f"{key} has lost {size} on its host")


def _alarmed_lately(state: RunState, key: str, utc: float) -> bool:
    """A log that cries without end must not push everything else off the timeline; the log counts each alarm."""
    return any(
        entry.word == "alarm" and entry.utc > utc - ALARM_AGAIN and entry.text.startswith(f"{key}  ")
        for entry in state.timeline[-40:]
    )
