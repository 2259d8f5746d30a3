"""The other pages: service, fleet, DNS, timeline, notes, logs. Each is a pure function of the state, the view and a size."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby

from cockpit.engine import rules
from cockpit.passes import final_sync, words
from cockpit.plan.model import Op
from cockpit.plan.script import command_text
from cockpit.state import RunState, TimelineEntry
from cockpit.ui.board import log_of, pace
from cockpit.ui.glyphs import DNS_GLYPHS, GLYPHS
from cockpit.ui.merged import merged_lines
from cockpit.ui.paint import Line, beside, fit, seconds
from cockpit.ui.panel import WRITERS, dns, downtime, health, phases
from cockpit.ui.view import View, focus, focus_step, shown

OPS: tuple[Op, ...] = ("probe", "capture", "apply", "verify", "undo", "verify_undo")


def when(utc: float) -> str:
    """Time of day, UTC."""
    return datetime.fromtimestamp(utc, UTC).strftime("%H:%M:%S")


def service_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Steps on the left; on the right what the step in focus is, will run, said and why it stands where it stands."""
    plan, id = state.plan, focus(state, view)
    if plan is None or not id:
        return _filled([[("no service", "dim")]], width, height)
    service, seen = plan.service(id), state.services[id]
    rollback = rules.rollback(state, id)
    top: list[Line] = [
        [
            (f" {service.title or id}", "title"),
            (f"  wave {service.wave}  {' '.join(service.tags)}", "dim"),
            ("  writer ", "dim"),
            WRITERS[seen.writer],
            (f" {seen.writer_detail}", "dim"),
            ("  rollback ", "dim"),
            (rollback.text, {"lossless": "good", "loses": "warn", "impossible": "bad"}[rollback.quality]),
        ],
        [(" ", ""), *phases(plan, service, seen, width)],
        [(" ", ""), *health(seen, width // 2), ("   ", ""), *dns(seen, now), ("  ", ""), *downtime(service, seen)],
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
            (_step(state, here, width - left_width - 1)[view.scroll :], width - left_width - 1),
        ],
        room,
    )
    return _filled(top + body, width, height)


def _prediction(state: RunState, id: str, now: float) -> list[Line]:
    """How long the final copy will take, once passes have been timed."""
    found = final_sync(state, id, now)
    if found is None:
        return []
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


def _step(state: RunState, ref: str, width: int) -> list[Line]:
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
        lines += [[(" ", ""), (text, "")] for text in step.output[-200:]]
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


def fleet_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Services × steps, for hundreds: only what fits is painted."""
    plan, here = state.plan, focus(state, view)
    if plan is None:
        return _filled([], width, height)
    ids = shown(state, view)
    room = max(1, height - 2)
    place = ids.index(here) if here in ids else 0
    first = max(0, min(place - room // 2, len(ids) - room))
    done = sum(rules.complete(state, id) for id in ids)
    lines: list[Line] = [
        [(f" {len(ids)} services, {done} done", "title"), ("   wave, writer, steps in order, downtime", "dim")],
        [("─" * width, "frame")],
    ]
    for id in ids[first : first + room]:
        service, seen = plan.service(id), state.services[id]
        boxes: Line = [GLYPHS[step.state] for step in seen.steps.values()]
        lines.append(
            [
                ("▸" if id == here else " ", "key"),
                (f"{id:<16.16} ", "title" if id == here else ""),
                (f"w{service.wave} ", "dim"),
                (f"{WRITERS[seen.writer][0]:<6}", WRITERS[seen.writer][1]),
                *boxes,
                ("  ", ""),
                *downtime(service, seen),
            ]
        )
    return _filled(lines, width, height)


def dns_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Every vantage for the record sets of the service in focus, and how they came over in time."""
    plan, id = state.plan, focus(state, view)
    if plan is None or not id:
        return _filled([], width, height)
    seen = state.services[id]
    lines: list[Line] = [[(f" {plan.service(id).title or id}", "title"), ("   ", ""), *dns(seen, now)]]
    lines.append([(" traffic of real clients: not measured yet (it is in the logs of both hosts)", "dim")])
    for key in dict.fromkeys(f"{answer.name} {answer.type}" for answer in seen.dns.values()):
        lines.append([("─" * width, "frame")])
        horizon = seen.horizon.get(key, 0.0)
        said = f"no honest cache has old after {when(horizon)}" if horizon else "an authority still serves old"
        if horizon and horizon <= now:
            said = f"no honest cache has old since {when(horizon)}"
        lines.append([(f" {key}", "title"), (f"   {said}", "dim")])
        for answer in seen.dns.values():
            if f"{answer.name} {answer.type}" != key:
                continue
            glyph, style = DNS_GLYPHS[answer.state]
            age = max(0.0, now - answer.utc)
            left = max(0.0, answer.ttl - age)
            ttl = (
                f"ttl {left:.0f} s"
                if answer.ttl >= 0 and answer.role == "resolver"
                else f"ttl {answer.ttl}"
                if answer.ttl >= 0
                else ""
            )
            serial = f"serial {answer.serial}" if answer.serial >= 0 else ""
            lines.append(
                [
                    (f"  {answer.role:<10}", "dim"),
                    (f"{answer.vantage:<22} ", ""),
                    (f"{glyph} {answer.state:<12}", style),
                    (f"{' '.join(answer.answers):<18} ", ""),
                    (f"{ttl:<12} {serial:<14} ", "dim"),
                    (" ".join(answer.flags), "bad"),
                ]
            )
    lines.append([("─" * width, "frame")])
    lines += _trail(seen.dns_trail, width, max(3, height - len(lines) - 1))
    return _filled(lines, width, height)


def _trail(trail: tuple[tuple[float, int, int, int], ...], width: int, height: int) -> list[Line]:
    """How many vantages had the new answer, over time: a column for each stretch."""
    if len(trail) < 2:
        return [[(" the curve begins with the first change", "dim")]]
    start, end = trail[0][0], max(trail[-1][0], trail[0][0] + 1)
    across = max(10, width - 16)
    columns: list[tuple[int, int]] = []
    for x in range(across):
        moment = start + (end - start) * x / (across - 1)
        point = [entry for entry in trail if entry[0] <= moment][-1]
        columns.append((point[1], sum(point[1:])))
    lines: list[Line] = []
    for row in range(height - 1, 0, -1):
        line: Line = [(f" {row / (height - 1):4.0%} ", "dim")]
        cells = [
            ("█" if total and new / total >= row / (height - 1) else "·", "new" if total and new else "dim")
            for new, total in columns
        ]
        # One span for equal neighbours: a row costs as much as it has changes.
        line += [("".join(char for char, _ in same), style) for (_, style), same in groupby(cells)]
        lines.append(line)
    lines.append([(f" new  {when(start)}", "dim"), (" " * max(1, across - 18), ""), (when(end), "dim")])
    return lines


def timeline_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """What happened, in order; the newest at the bottom, `scroll` lines back."""
    words = view.filter.lower().split()
    entries = [
        entry
        for entry in state.timeline
        if all(word in f"{entry.ref} {entry.word} {entry.text} {entry.actor}".lower() for word in words)
    ]
    return _entries(" timeline", entries, state, view, width, height)


def notes_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """The operators' notes."""
    return _entries(" notes   m writes one", list(state.notes), state, view, width, height)


def _entries(
    title: str, entries: list[TimelineEntry], state: RunState, view: View, width: int, height: int
) -> list[Line]:
    room = max(1, height - 2)
    end = max(room, len(entries) - view.scroll)
    head: Line = [(title, "title"), (f"   {len(entries)} entries", "dim")]
    planned, spent = _planned_and_spent(state)
    if planned:
        head.append((f"   ticked steps took {seconds(spent)}, {seconds(planned)} were forecast", "dim"))
    lines: list[Line] = [head, [("─" * width, "frame")]]
    for entry in entries[max(0, end - room) : end]:
        glyph, style = GLYPHS.get(entry.word, ("•", "dim"))
        lines.append(
            [
                (f" {when(entry.utc)} ", "dim"),
                (f"T+{seconds(entry.utc - state.started):>9} " if width >= 100 else "", "dim"),
                (f"{glyph} ", style),
                (f"{entry.ref:<22} ", ""),
                (f"{entry.word:<11} ", style),
                (entry.text, ""),
                (f"  ({entry.actor})" if entry.actor else "", "dim"),
            ]
        )
    return _filled(lines, width, height)


def _planned_and_spent(state: RunState) -> tuple[float, float]:
    """Forecast and actual seconds of the steps that are done and had a forecast."""
    done = [
        (state.forecast[ref], step.took)
        for service in state.services.values()
        for ref, step in service.steps.items()
        if step.state == "done" and ref in state.forecast
    ]
    return sum(planned for planned, _ in done), sum(took for _, took in done)


def logs_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Old and new at full height. A filter hides what misses, a search marks what hits, a frozen log stands still."""
    plan = state.plan
    if plan is None:
        return _filled([], width, height)
    if view.merged:
        both = [(role, log_of(state, plan, role, view.log)) for role in ("old", "new")]
        return merged_lines(state, view, [(role, log) for role, log in both if log is not None], width, height)
    blocks: list[tuple[list[Line], int]] = []
    half = width // 2
    room = max(1, height - 1)
    for role, wide in (("old", half - 1), ("new", width - half)):
        log = log_of(state, plan, role, view.log)
        lines: list[Line] = []
        if log is not None:
            frozen = "  ❚❚ held, space follows" if view.frozen >= 0 else ""
            hits = f"  /{view.search}" if view.search else ""
            lines.append(
                [
                    (f" {role.upper()} ", role),
                    (f"{log.host}:{log.file}", "title"),
                    *pace(log),
                    (f"  {log.dropped} left out" if log.dropped else "", "warn"),
                    (f"{frozen}{hits}", "warn"),
                ]
            )
            kept = [line for line in log.lines if _kept(view, line[2]) and (view.frozen < 0 or line[1] <= view.frozen)]
            end = max(room, len(kept) - view.scroll)
            for _, utc, text, alarm in kept[max(0, end - room + 1) : end]:
                lines.append(
                    [("! " if alarm else "  ", "bad"), (f"{when(utc)} ", "dim"), *marked(text, view.search, alarm)]
                )
        blocks.append((lines, wide))
        if role == "old":
            blocks.append(([[("│", "frame")]] * height, 1))
    return _filled(beside(blocks, height), width, height)


def _kept(view: View, text: str) -> bool:
    return view.filter.lower() in text.lower() if view.filter else True


def marked(text: str, search: str, alarm: bool = False) -> Line:
    """A text with the places that match marked."""
    style = "bad" if alarm else ""
    if not search:
        return [(text, style)]
    line: Line = []
    low, word, at = text.lower(), search.lower(), 0
    while (found := low.find(word, at)) >= 0:
        line += [(text[at:found], style), (text[found : found + len(word)], "mark")]
        at = found + len(word)
    return [*line, (text[at:], style)]


def _filled(lines: list[Line], width: int, height: int) -> list[Line]:
    return [fit(line, width) for line in lines[:height]] + [fit([], width)] * max(0, height - len(lines))
