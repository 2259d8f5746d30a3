"""What may be asked for now: each intent is judged by the state, and by what was begun and is not in the state yet. Pure."""

from __future__ import annotations

import msgspec

from cockpit import events as ev
from cockpit import intents as it
from cockpit.engine import answering, rules, second
from cockpit.state import RunState

NOBODY = ev.Who()


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of an engine."""

    state: RunState
    now: float
    """UTC."""
    busy: frozenset[str]
    """Services that have a task."""
    back: frozenset[str]
    """Those whose task takes steps back."""
    yielding: frozenset[str]
    """Those whose task only waits for time to pass, and ends that for other work."""
    waiting: frozenset[str]
    """Manual steps that wait for an answer."""
    stranded: bool
    """The driver has gone, and the journal could not take that yet."""
    broken: bool
    """The journal takes nothing."""

    def refusal(self, intent: it.Intent, who: ev.Who = NOBODY) -> str:
        """Why an intent cannot be taken, '' when it can."""
        state = self.state
        if state.plan is None:
            return "the run has not started"
        unknown = self._unknown_name(intent)
        if unknown:
            return unknown
        if state.ended and not isinstance(intent, it.AddNote):
            return "the run has ended"
        match intent:
            case it.RunNext():
                return self._refuse_next(intent.service)
            case it.RunStep():
                if intent.ref.partition("/")[0] in self.busy:
                    return f"{intent.ref} cannot run: its service is busy"
                found = self.readiness(intent.ref)
                return "" if found.ok else f"{intent.ref} cannot run: {found.reason}"
            case it.RunToGate():
                return self._refuse_run()
            case it.Verify():
                view = state.step(intent.ref)
                if self._works(intent.ref) and not self._may_break_off(intent.ref):
                    return f"{intent.ref} cannot be verified while its service is busy"
                if view.attempt == 0:
                    return f"{intent.ref} has not run: there is nothing to verify"
                if view.state in {"skipped", "undone", "blocked"}:
                    return f"{intent.ref} is {view.state}: there is nothing to verify"
                if view.state == "unknown" and view.intended is None:
                    return f"{intent.ref} has not acted yet: run it again"
                if state.panicked:
                    return "panic: nothing is touched until you continue"
                return ""
            case it.Undo():
                if intent.service in self.busy and intent.service not in self.yielding:
                    return f"{intent.service} is busy"
                found = self.undo_readiness(intent.service, allow_loss=intent.typed == intent.service)
                return "" if found.ok else found.reason
            case it.Skip():
                return self._refuse_skip(intent)
            case it.Answer():
                if intent.ref not in self.waiting:
                    return f"{intent.ref} waits for no answer"
                return answering.refusal(state.planned(intent.ref), intent)
            case it.Decide():
                view = state.step(intent.ref)
                if view.state != "unknown" or view.intended is None:
                    return f"{intent.ref} is {view.state}: there is nothing to decide"
                if intent.ref.partition("/")[0] in self.busy:
                    return f"{intent.ref} is being looked up on its host"
                return "" if intent.reason.strip() else "say what you found: a decision needs a reason"
            case it.Limit():
                return rules.refuse_limit(self.state, intent.ref, intent.rate)
            case it.Continue():
                return "" if state.paused or state.panicked or self.broken else "the run is not paused"
            case it.Pause():
                return "the run is paused already" if state.paused else ""
            case it.Abort():
                return self._refuse_abort(intent)
            case it.OpenGate():
                return self._refuse_gate(intent)
            case it.CloseGate():
                seen = state.gates[intent.gate]
                return "" if seen.open or seen.asked else f"gate {intent.gate} is closed already"
            case it.Confirm():
                return second.refuse_confirm(state, intent, who, self.now)
            case it.Decline():
                return second.refuse_decline(state, intent, who)
            case it.TakeOver():
                return self._refuse_take_over(intent)
            case it.Hold():
                return self._refuse_hold(intent, who)
            case it.Release():
                return self._refuse_release(intent)
            case it.AddNote():
                return "" if intent.text.strip() else "an empty note says nothing"
            case it.End():
                asked = {ref.partition("/")[0] for ref in self.waiting}
                busy = sorted(self.busy - asked)
                return f"{', '.join(busy)}: still busy; wait or pause first" if busy else ""
        return ""

    def _refuse_hold(self, intent: it.Hold, who: ev.Who) -> str:
        if not intent.reason.strip():
            return "a hold needs a reason: the driver must know what you see"
        mine = any(
            (hold.screen == who.screen and hold.by == who.words) or (who.guest and hold.name == who.name)
            for hold in self.state.holds
        )
        return "you hold already; the driver releases it" if mine else ""

    def _refuse_release(self, intent: it.Release) -> str:
        hold = next((hold for hold in self.state.holds if hold.seq == intent.hold), None)
        if hold is None:
            return "that hold is over"
        if not self.state.driver:
            return "nobody holds the wheel"
        return "" if intent.typed == hold.name else f"type {hold.name} to release the hold: {hold.reason}"

    def _refuse_take_over(self, intent: it.TakeOver) -> str:
        host = self.state.hosts.get(intent.host)
        if host is None or not host.holder:
            return f"no other run is known to hold {intent.host}"
        return "" if intent.typed == intent.host else f"type {intent.host} to take it from: {host.holder}"

    def _unknown_name(self, intent: it.Intent) -> str:
        service = getattr(intent, "service", "")
        if service and service not in self.state.services:
            return f"the plan has no service {service}"
        ref = getattr(intent, "ref", "")
        home = self.state.services.get(ref.partition("/")[0])
        if ref and (home is None or ref not in home.steps):
            return f"the plan has no step {ref}"
        gate = getattr(intent, "gate", "")
        if gate and gate not in self.state.gates:
            return f"the plan has no gate {gate}"
        return ""

    def _refuse_run(self) -> str:
        state = self.state
        if state.panicked:
            return "panic: nothing is touched until you continue"
        if state.paused:
            return "the run is paused"
        if state.holds:
            return rules.held(state)
        return "" if state.driver else "nobody holds the wheel"

    def _refuse_next(self, service: str) -> str:
        refusal = self._refuse_run()
        if refusal:
            return refusal
        reason = "every step is ticked"
        for id in [service] if service else self.in_waves():
            ref = rules.next_ref(self.state, id)
            if ref is None:
                continue
            found = self.readiness(ref)
            if found.ok and id not in self.busy:
                return ""
            reason = f"{ref} cannot run: {found.reason or 'its service is busy'}"
            if service:
                break
        return reason

    def _works(self, ref: str) -> bool:
        return ref.partition("/")[0] in self.busy

    def _may_break_off(self, ref: str) -> bool:
        """Whether what its service does is the wait of this very step."""
        return ref.partition("/")[0] in self.yielding and rules.waits_for_time(self.state.step(ref))

    def _refuse_skip(self, intent: it.Skip) -> str:
        view = self.state.step(intent.ref)
        planned = self.state.planned(intent.ref)
        if not intent.reason.strip():
            return "a skip needs a reason"
        if not self.state.driver:
            return "nobody holds the wheel"
        if planned.service in self.busy and not self._may_break_off(intent.ref):
            return f"{planned.service} is busy"
        if view.state == "waiting" and view.applied == "ok":
            return f"{intent.ref} took effect and cannot be skipped: undo it, or let it wait"
        if view.state in {"done", "already", "skipped", "drifted", "unverified", "undo_failed"}:
            return f"{intent.ref} is {view.state}; it took effect and cannot be skipped"
        if view.intended is not None or (view.applied and view.state in {"failed", "unknown"}):
            return f"{intent.ref} was begun: undo it first"
        if planned.closes:
            return f"{intent.ref} closes the writer on {planned.closes}; skipping it could make two writers"
        return ""

    def _refuse_abort(self, intent: it.Abort) -> str:
        wanted = intent.service or "all"
        if intent.typed != wanted:
            return f"type {wanted} to abort it"
        if not self.state.driver:
            return "nobody holds the wheel"
        if self.state.holds:
            return rules.held(self.state)
        services = [intent.service] if intent.service else list(self.state.services)
        if not any(rules.safe_point(self.state, service) or service in self.busy for service in services):
            return "nothing has gone past the safe point"
        return ""

    def _refuse_gate(self, intent: it.OpenGate) -> str:
        plan = self.state.plan
        gate = plan.gate(intent.gate) if plan is not None else None
        if gate is None:
            return f"the plan has no gate {intent.gate}"
        if self.state.gates[gate.id].open:
            return f"gate {gate.id} is open already"
        if not self.state.driver:
            return "nobody holds the wheel"
        if self.state.holds:
            return rules.held(self.state)
        if intent.typed != gate.typed:
            return f"type {gate.typed} to open it"
        found = rules.gate_readiness(self.state, gate.id, self.now)
        if intent.override.strip():
            return ""
        if found.ok:
            asked = self.state.gates[gate.id].asked is not None
            return f"gate {gate.id} waits for its second person already" if asked else ""
        return f"gate {gate.id} stays closed: {found.reason}"

    def in_waves(self) -> list[str]:
        """The services in the order of their waves."""
        plan = self.state.plan
        if plan is None:
            return []
        return [service.id for service in sorted(plan.services, key=lambda service: service.wave)]

    def readiness(self, ref: str) -> rules.Readiness:
        """Whether a step may start. What another service has just begun to take back may still be ticked in the state."""
        for need in self.state.planned(ref).needs:
            home = need.step.partition("/")[0]
            if home in self.back and home != ref.partition("/")[0]:
                return rules.Readiness(False, f"it needs {need.step}, and {home} is going back", waits=True)
        if self.stranded:
            return rules.Readiness(False, "nobody holds the wheel", waits=True)
        return rules.readiness(self.state, ref, self.now)

    def undo_readiness(self, service: str, allow_loss: bool) -> rules.Readiness:
        """Whether the last step may be taken back. What another service has just begun may not be in the state yet."""
        target = rules.undo_target(self.state, service)
        plan = self.state.plan
        for other in plan.services if plan is not None else ():
            if other.id == service or other.id not in self.busy or other.id in self.back:
                continue
            ref = next((step.ref for step in other.steps if any(need.step == target for need in step.needs)), "")
            if ref:
                return rules.Readiness(False, f"{ref} needs {target}, and {other.id} is busy", waits=True)
        return rules.undo_readiness(self.state, service, allow_loss)

    def others_go_back_first(self, target: str) -> bool:
        """Whether what still needs the step belongs to services that are being taken back, too."""
        plan = self.state.plan
        return any(
            other.id in self.back and any(need.step == target for step in other.steps for need in step.needs)
            for other in (plan.services if plan is not None else ())
            if other.id != target.partition("/")[0]
        )
