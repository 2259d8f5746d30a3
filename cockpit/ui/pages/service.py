"""One service: its steps, and the one in focus with all that it will run."""

from __future__ import annotations

from cockpit.engine import rules
from cockpit.passes import final_measured, final_sync, words
from cockpit.plan.model import Op
from cockpit.plan.script import command_text
from cockpit.state import RunState
from cockpit.ui.glyphs import GLYPHS
from cockpit.ui.pages.common import filled, marked
from cockpit.ui.paint import Line, beside, fit
from cockpit.ui.panel import phases
from cockpit.ui.view import View, focus, focus_step
from cockpit.ui.world import aged
from cockpit.ui.world.figures import dns, downtime, health
from cockpit.ui.world.foot import extras

OPS: tuple[Op, ...] = ("probe", "capture", "apply", "verify", "undo", "verify_undo")


def service_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Steps on the left; on the right what the step in focus is, will run, said and why it stands where it stands."""
    plan, id = state.plan, focus(state, view)
    if plan is None or not id:
        return filled([[("no service", "dim")]], width, height)
    service, seen = plan.service(id), state.services[id]
    rollback = rules.rollback(state, id)
    writer: Line = [("  writer ", "dim"), *aged.writer(service, seen, now), (f" {seen.writer_detail}", "dim")]
    top: list[Line] = [
        [
            (f" {service.title or id}", "title"),
            (f"  wave {service.wave}  {' '.join(service.tags)}", "dim"),
            *(writer if service.writer is not None else []),
            ("  rollback ", "dim"),
            (rollback.text, {"lossless": "good", "loses": "warn", "impossible": "bad"}[rollback.quality]),
        ],
        [(" ", ""), *phases(plan, service, seen, width)],
        [(" ", ""), *health(service, seen, width // 2, now), ("   ", ""), *dns(plan, seen, now, width // 2 - 4)],
        [
            (" ", ""),
            *downtime(service, seen, width // 2),
            ("   ", ""),
            *extras(plan, service, seen, width // 2 - 4, now),
        ],
        *_prediction(state, id, now),
        [("─" * width, "frame")],
    ]
    here = focus_step(state, view)
    left_width = min(44, width // 2)
    steps = _steps(state, id, here, left_width, now)
    room = max(1, height - len(top))
    position = list(seen.steps).index(here) if here in seen.steps else 0
    first = max(0, min(position - room // 2, len(steps) - room))
    body = beside(
        [
            (steps[first : first + room], left_width),
            ([[("│", "frame")]] * room, 1),
            (_step(state, here, width - left_width - 1, view.search)[view.scroll :], width - left_width - 1),
        ],
        room,
    )
    return filled(top + body, width, height)


def _prediction(state: RunState, id: str, now: float) -> list[Line]:
    """How long the final copy will take, once passes have been timed."""
    found = final_sync(state, id, now)
    if found is None:
        over = final_measured(state, id)
        said = f"{over.ref.partition('/')[2]} {over.text}" if over is not None else ""
        return [[(" final sync ", "dim"), (said, "title")]] if said else []
    ref, prediction = found
    return [[(" final sync ", "dim"), (f"{ref.partition('/')[2]} predicted {words(prediction)}", "title")]]


def _steps(state: RunState, service: str, here: str, width: int, now: float) -> list[Line]:
    lines: list[Line] = []
    for ref, step in state.services[service].steps.items():
        ready = step.state in {"blocked", "undone"} and rules.readiness(state, ref).ok
        glyph, style = GLYPHS["ready" if ready and step.state == "blocked" else step.state]
        word = "ready" if ready and step.state == "blocked" else step.state
        planned = state.planned(ref)
        took = f"{step.took:6.1f} s" if step.took else " " * 8
        if ref in state.forecast:
            took += f" ~{state.forecast[ref]:.0f}"
        mark = "▸" if ref == here else " "
        lines.append(
            fit(
                [
                    (mark, "key"),
                    (f"{glyph} ", style),
                    (f"{planned.id:<18.18} ", "title" if ref == here else ""),
                    (f"{word:<11}", style),
                    (took, "dim"),
                ],
                width,
            )
        )
    return lines


def place_of(state: RunState, ref: str, text: str, width: int) -> int:
    """Where in what is told of a step its output has a line of that text, the last one of them; 0 where it has none."""
    found = [
        place for place, line in enumerate(_step(state, ref, width)) if "".join(part for part, _ in line[1:]) == text
    ]
    return found[-1] if found else 0


def _step(state: RunState, ref: str, width: int, search: str = "") -> list[Line]:
    if not ref:
        return [[("no step", "dim")]]
    planned, step = state.planned(ref), state.step(ref)
    glyph, style = GLYPHS[step.state]
    found = rules.readiness(state, ref)
    lines: list[Line] = [
        [(f" {planned.title or planned.id}", "title"), (f"  {planned.phase} on {planned.host or '–'}", "dim")],
        [(f" {glyph} {step.state}", style), (f"  {step.detail}", "")],
    ]
    if not found.ok and step.state not in {"done", "already", "skipped"}:
        lines.append([(" why not: ", "dim"), (found.reason, "warn")])
    if rules.undo_target(state, planned.service) == ref:
        back = rules.undo_readiness(state, planned.service)
        lines.append([(" undo: ", "dim"), ("this step is next to be taken back" if back.ok else back.reason, "")])
    for need in planned.needs:
        glyph, style = GLYPHS[state.step(need.step).state]
        lines.append([(" needs ", "dim"), (f"{glyph} ", style), (f"{need.step}  {need.reason}", "dim")])
    facts = [
        ("opens the writer on", planned.opens),
        ("closes the writer on", planned.closes),
        ("released by", planned.released_by),
        ("point of no return", "" if planned.point_of_no_return == "none" else planned.point_of_no_return),
        ("beware", planned.warns),
        ("limit", "" if step.limit < 0 else f"{step.limit:,} bytes/s" if step.limit else "none"),
        ("cites", " ".join(planned.seeds)),
        ("captured", " ".join(f"{name}={value}" for name, value in step.captured.items())),
    ]
    lines += [[(f" {name}: ", "dim"), (value, "")] for name, value in facts if value]
    if step.output:
        lines.append([("── output " + "─" * max(0, width - 10), "frame")])
        lines += [[(" ", ""), *marked(text, search)] for text in step.output[-200:]]
    shown_before = False
    for op in OPS:
        text = command_text(planned, op, step.captured)
        if op in {"probe", "capture"} and step.state in {"running"} and step.op != op:
            continue
        if not text or (shown_before and _same_recipe(planned.action)):
            continue
        shown_before = True
        title = (
            "what will run (probe, capture, apply, verify, undo)" if _same_recipe(planned.action) else f"{op} will run"
        )
        lines.append([(f"── {title} " + "─" * max(0, width - len(title) - 4), "frame")])
        lines += [[(" ", ""), (line, "")] for line in text.splitlines()]
    for index, check in enumerate(planned.verify_http):
        lines.append(
            [(f"── verify also, {index + 1}: ", "frame"), (f"GET {check.url} at {check.at}: {check.expect.status}", "")]
        )
    for log in planned.verify_log:
        lines.append([("── verify also: ", "frame"), (f"{log.pattern!r} appears in {log.host}:{log.name}", "")])
    return lines


def _same_recipe(action: object) -> bool:
    return bool(getattr(action, "recipe_text", ""))
