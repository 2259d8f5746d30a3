"""One service as a panel: phases as checkboxes, the current step, health, DNS, downtime. Pure."""

from __future__ import annotations

from cockpit.engine import rules
from cockpit.events import WriterSide
from cockpit.plan.model import Plan, Service
from cockpit.state import BUSY, HealthView, RunState, ServiceView
from cockpit.ui.glyphs import GLYPHS
from cockpit.ui.paint import Line, Span, box, seconds, width_of

WRITERS: dict[WriterSide, Span] = {
    "old": ("OLD", "old"),
    "new": ("NEW", "new"),
    "both": ("BOTH!", "bad"),
    "none": ("none", "warn"),
    "unknown": ("?", "dim"),
}


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
    right: Line = [(" writer ", "dim"), WRITERS[view.writer], (" ", "")]
    back: Line = [("  rollback ", "dim"), (text, quality)]
    lost: Line = [*downtime(service, view), *back]
    if width_of(lost) > inner:
        lost = [*downtime(service, view), (" back ", "dim"), (text, quality)]
    body = [phases(plan, service, view, inner), current(state, service, view, now), health(view, inner)]
    if height - 2 >= 6:
        body += [dns(view, now), lost, last(view)]
    else:
        both: Line = [*dns(view, now), (" ", ""), *downtime(service, view)]
        body.append(both if width_of(both) <= inner else [*dns(view, now, short=True), *downtime(service, view)])
    return box(left, right, body, width, height, frame)


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
        return [("■ all steps done", "good")]
    found = rules.readiness(state, ref)
    name = ref.partition("/")[2]
    if found.ok:
        return [("▷ ready: ", "ready"), (name, "ready"), ("   going on by itself" if view.advancing else "", "busy")]
    return [(f"□ {name}: ", "dim"), (found.reason, "dim")]


def health(view: ServiceView, width: int) -> Line:
    """The worst answer at each vantage."""
    for how in (" bridged", "⇢", ""):
        line: Line = []
        for at, style in (("old", "old"), ("new", "new"), ("world", "")):
            seen = [answer for key, answer in view.health.items() if key.endswith(f"@{at}")]
            line += [("  " if line else "", ""), (f"{at} ", style), *_answer(seen, how)]
        if width_of(line) <= width:
            break
    return line


def _answer(seen: list[HealthView], bridged: str) -> Line:
    if not seen:
        return [("·", "dim")]
    worst = min(seen, key=lambda answer: answer.ok)
    how = bridged if worst.bridged else ""
    if worst.ok:
        return [("✓", "good"), (f" {worst.ms:.0f} ms{how}", "dim")]
    word = str(worst.status) if worst.status else "down"
    return [("✗", "bad"), (f" {word}{how}", "bad" if not worst.status else "warn")]


def dns(view: ServiceView, now: float, short: bool = False) -> Line:
    """How many authorities and caches have the new answer, and the horizon while it is ahead."""
    authorities = [answer for answer in view.dns.values() if answer.role != "resolver"]
    caches = [answer for answer in view.dns.values() if answer.role == "resolver"]
    if not authorities and not caches:
        return [("dns –", "dim")]
    line: Line = [("dns ", "dim")]
    for word, answers in (("auth", authorities), ("caches", caches)):
        new = sum(answer.state == "new" for answer in answers)
        style = "new" if new == len(answers) and new else "old" if not new else "warn"
        line += [(f"{word[0] if short else word} ", "dim"), (f"{new}/{len(answers)} ", style)]
    if any("stale" in answer.flags for answer in caches):
        line.append(("! " if short else "stale ", "bad"))
    if short:
        return line
    ahead = max(view.horizon.values(), default=0.0) - now
    if ahead > 0:
        line.append((f"horizon {seconds(ahead)} ", "warn"))
    return line


def downtime(service: Service, view: ServiceView) -> Line:
    """The outage's bounds against the budget."""
    if service.downtime is None:
        return []
    down, budget = view.down, service.downtime.budget
    style = "bad" if down.upper > budget else "warn" if down.ongoing or down.upper > budget * 0.8 else ""
    line: Line = [("down ", "dim"), (bounds(down.lower, down.upper), style), (f" of {seconds(budget)}", "dim")]
    if down.ongoing:
        line.append((" NOW", "bad"))
    if down.stalled:
        line.append((f" {down.stalled} stalled", "warn"))
    return line


def bounds(lower: float, upper: float) -> str:
    """`0.6–0.9 s`; `0 s` for none."""
    if upper <= 0:
        return "0 s"
    return f"{lower:.1f}–{upper:.1f} s"


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
