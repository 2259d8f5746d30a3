"""One service as a panel: phases as checkboxes, the current step, health, DNS, downtime. Pure."""

from __future__ import annotations

from cockpit.engine import rules
from cockpit.evidence import switch_off, verdict
from cockpit.plan.model import Plan, Service
from cockpit.state import BUSY, RunState, ServiceView
from cockpit.ui.glyphs import GLYPHS
from cockpit.ui.paint import Line, box, seconds, width_of
from cockpit.ui.world import aged
from cockpit.ui.world.figures import dns, downtime, health
from cockpit.ui.world.foot import extras


def panel(
    state: RunState, plan: Plan, service: Service, number: int, size: tuple[int, int], focused: bool, now: float
) -> list[Line]:
    """The panel of a service as lines of exactly `size` (width, height)."""
    view = state.services[service.id]
    width, height = size
    inner = width - 2
    rollback = rules.rollback(state, service.id)
    quality = {"lossless": "good", "loses": "warn", "impossible": "bad"}[rollback.quality]
    frame = "focus" if focused else _mood(view)
    left: Line = [(f" {number} ", "dim"), (service.title or service.id, "title"), (" ", "")]
    text = "impossible" if rollback.quality == "impossible" else rollback.text.partition(",")[0]
    right: Line = [(" writer ", "dim"), *aged.writer(service, view, now), (" ", "")] if service.writer else []
    body = [phases(plan, service, view, inner), current(state, service, view, now), health(service, view, inner, now)]
    if height - 2 >= 6:
        body += [dns(plan, view, now, inner), _lost(service, view, text, quality, inner), last(view)]
    else:
        body.append(_spread_and_lost(plan, service, view, now, inner))
    return box(left, right, body, width, height, frame, extras(plan, service, view, inner - 2, now))


def _lost(service: Service, view: ServiceView, back: str, quality: str, width: int) -> Line:
    """The outage, and how good a rollback still is."""
    full: Line = [("  rollback ", "dim"), (back, quality)]
    short: Line = [(" back ", "dim"), (back, quality)]
    whole: Line = [*downtime(service, view), *full]
    return whole if width_of(whole) <= width else [*downtime(service, view, width - width_of(short)), *short]


def _spread_and_lost(plan: Plan, service: Service, view: ServiceView, now: float, width: int) -> Line:
    """DNS and the outage in one line: what is least urgent of both goes first."""
    most = width_of(downtime(service, view))
    wide = [*dns(plan, view, now, width - most - 1), (" ", ""), *downtime(service, view)]
    if width_of(wide) <= width:
        return wide
    least = dns(plan, view, now, 0)
    return [*least, (" ", ""), *downtime(service, view, width - width_of(least) - 1)]


def _mood(view: ServiceView) -> str:
    states = {step.state for step in view.steps.values()}
    if states & rules.STOPS_ADVANCE:
        return "bad"
    return "busy" if states & BUSY else "frame"


def phases(plan: Plan, service: Service, view: ServiceView, width: int) -> Line:
    """Each phase that the service has, with a box for each step; names shortened until it fits."""
    boxes: list[tuple[str, Line]] = []
    for phase in plan.phases:
        glyphs = [GLYPHS[view.steps[step.ref].state] for step in service.steps if step.phase == phase]
        if glyphs:
            boxes.append((phase, glyphs))
    for size in (12, 6, 4, 3, 2, 1, 0):
        line: Line = []
        for phase, glyphs in boxes:
            others = [other for other, _ in boxes if other != phase]
            name = phase[: max(size, _telling(phase, others))] if size else ""
            line += [(f"{name} " if name else "", "dim"), *glyphs, (" ", "")]
        if width_of(line) <= width + 1:
            break
    return line


def _old(state: RunState, service: str, now: float) -> Line:
    """Whether old can go, once all is done; nothing where there is no old, or the plan watches nothing. `?`: not watched, `≈`:
    an estimate."""
    has_old = state.plan is not None and any(host.role == "old" for host in state.plan.hosts.values())
    items = switch_off(state, service, now) if has_old else ()
    if not items:
        return []
    found = verdict(items)
    if not found.safe:
        return [(f"old: {len(found.missing)} missing", "warn")]
    guessed = [item.what for item in items if item.sure == "estimate"]
    proviso = "".join([*(f", {kind} ?" for kind in found.unwatched), *(f", {kind} ≈" for kind in guessed)])
    return [("✓ old can go", "good"), (proviso, "warn")]


def _telling(word: str, others: list[str]) -> int:
    """How many letters tell a word from the others."""
    return next((size for size in range(1, len(word)) if not any(o[:size] == word[:size] for o in others)), len(word))


def current(state: RunState, service: Service, view: ServiceView, now: float) -> Line:
    """What goes on, or what would go on with the next key, or what is in the way."""
    if service.disposition != "move":
        other = f" by {service.replaced_by}" if service.replaced_by else ""
        if service.disposition == "drop":
            return [("dropped, not moved", "dim")]
        if other:
            return [(f"replaced{other}", "dim")]
    for step in view.steps.values():
        if step.state in BUSY:
            glyph, style = GLYPHS[step.state]
            said = step.progress or (step.detail if step.state == "waiting" else "")
            forecast = state.forecast.get(step.ref, 0.0)
            spent = now - step.started if step.started else 0.0
            time = f"{seconds(spent)}" + (f" of {seconds(forecast)}" if forecast >= 1 else "")
            name = step.ref.partition("/")[2]
            bar: Line = []
            if step.fraction >= 0 and step.state == "running":
                full = int(step.fraction * 10)
                bar = [("█" * full + "░" * (10 - full) + " ", style)]
            return [(f"{glyph} {name} ", style), *bar, (f"{step.state} {time}  ", "dim"), (said, "")]
    for step in view.steps.values():
        if step.state in rules.STOPS_ADVANCE:
            glyph, style = GLYPHS[step.state]
            return [(f"{glyph} {step.ref.partition('/')[2]} {step.state}: ", style), (step.detail, "")]
    ref = rules.next_ref(state, service.id)
    if ref is None:
        return [("■ all done  ", "good"), *_old(state, service.id, now)]
    found = rules.readiness(state, ref)
    name = ref.partition("/")[2]
    if found.ok:
        return [("▷ ready: ", "ready"), (name, "ready"), ("   going on by itself" if view.advancing else "", "busy")]
    return [(f"□ {name}: ", "dim"), (found.reason, "dim")]


def last(view: ServiceView) -> Line:
    """The step that moved last, and what came of it."""
    moved = [step for step in view.steps.values() if step.attempt and step.state not in BUSY]
    if not moved:
        return []
    step = max(moved, key=lambda step: step.seq)
    glyph, style = GLYPHS[step.state]
    return [
        (f"{glyph} {step.ref.partition('/')[2]} ", style),
        (f"{step.state} {step.took:.1f} s ", "dim"),
        (step.detail, "dim"),
    ]
