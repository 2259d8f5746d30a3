"""DNS: vantages × time for the record set in focus, its horizon, and how the change spread."""

from __future__ import annotations

from collections import Counter

from cockpit.plan.model import Service
from cockpit.plan.records import changes, same_change
from cockpit.plan.zones import RecordSet
from cockpit.state import DnsView, RunState, ServiceView
from cockpit.ui.pages.common import filled
from cockpit.ui.paint import Line
from cockpit.ui.view import View, focus, focus_record, record_keys
from cockpit.ui.world.figures import first_fitting, three, wrong
from cockpit.ui.world.spread import curve, horizon
from cockpit.ui.world.vantages import columns, rows, vantages, window


def dns_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """The record set in focus; ↑ ↓ walk the record sets of the service, j k scroll its vantages."""
    plan, id = state.plan, focus(state, view)
    if plan is None or not id:
        return filled([], width, height)
    service, seen = plan.service(id), state.services[id]
    key = focus_record(state, view)
    if not key:
        return filled([_title(service, seen, "", width, now), [(" no vantage has answered yet", "dim")]], width, height)
    found = vantages(plan, seen, key)
    chain = _common_chain(found)
    top: list[Line] = [_title(service, seen, key, width, now), _record(service, seen, key)]
    if chain:
        top.append([(" chain ", "dim"), (" → ".join((key.partition(" ")[0], *chain)), "")])
    top += horizon(seen, key, now, max(1, height // 8))
    tall = _tall(found, chain, width, height - len(top) - 3, now)
    below = [[("─" * width, "frame")], *curve(seen, width, tall, now)]
    room = max(2, height - len(top) - len(below) - 1)
    middle = _matrix(found, chain, view, (width, room), now)
    top.append(middle[0])
    return filled([*top, *middle[1:], *below], width, height)


def _tall(found: list[DnsView], chain: tuple[str, ...], width: int, room: int, now: float) -> int:
    """Lines for each row of the curve: what the vantages leave, but at most six."""
    if room > 2 * len(found) + 18:
        return 6
    span, sizes = window(found, now), columns(found, width)
    needed = sum(len(rows(seen, span, sizes, chain, now, width)) for seen in found[:room])
    return max(1, min(6, (room - needed) // 3))


def _matrix(found: list[DnsView], chain: tuple[str, ...], view: View, size: tuple[int, int], now: float) -> list[Line]:
    """Its head, and exactly `size[1]` lines of vantages; `scroll` vantages are above."""
    width, room = size
    span, sizes = window(found, now), columns(found, width)
    first, used = len(found), 0
    while first and (used := used + len(rows(found[first - 1], span, sizes, chain, now, width))) <= room:
        first -= 1
    first = min(first, view.scroll)
    lines: list[Line] = []
    shown = 0
    for seen in found[first : first + room]:
        block = rows(seen, span, sizes, chain, now, width)
        if len(lines) + len(block) > room:
            break
        lines += block
        shown += 1
    sight = f"{first + 1}–{first + shown}/{len(found)}: j k" if shown < len(found) else ""
    return [sizes.head(span, sight), *lines, *[[] for _ in range(room - len(lines))]]


def _title(service: Service, seen: ServiceView, key: str, width: int, now: float) -> Line:
    bad = "".join(f"  !{count} {flag}" for flag, count in wrong(seen, key).items())
    head: Line = [(f" {service.title or service.id}", "title"), ("   ", "")]
    return first_fitting([[*head, *figures, (bad, "bad")] for figures in three(seen, now, key)], width)


def _record(service: Service, seen: ServiceView, key: str) -> Line:
    """Which record set, and what is declared to become of it."""
    keys = record_keys(seen)
    line: Line = [(f" {key}", "title")]
    if len(keys) > 1:
        line.append((f"  {keys.index(key) + 1} of {len(keys)}: ↑ ↓", "key"))
    stage, stages = next(
        ((view.stage, view.stages) for view in seen.dns.values() if f"{view.name} {view.type}" == key), (1, 1)
    )
    declared = _declared(service, key, stage, stages)
    if declared is not None:
        line += [
            ("   ", ""),
            (" ".join(declared.old) or "nothing", "old"),
            (" → ", "dim"),
            (" ".join(declared.new) or "nothing", "new"),
        ]
    if stages > 1:
        line.append((f"  change {stage} of {stages}", "dim"))
    return line


def _declared(service: Service, key: str, stage: int, stages: int) -> RecordSet | None:
    """What a service or its steps declare of a record set: of several changes, one after the other, the one that is looked
    at."""
    found: list[RecordSet] = []
    for _, record in changes(service):
        if record.key == key and not any(same_change(record, one) for one in found):
            found.append(record)
    if stages > 1 and len(found) == stages:
        return found[stage - 1]
    return next((record for record in (*service.records, *found) if record.key == key), None)


def _common_chain(found: list[DnsView]) -> tuple[str, ...]:
    """The CNAME chain that most vantages see."""
    most = Counter(seen.chain for seen in found if seen.chain).most_common(1)
    return most[0][0] if most else ()
