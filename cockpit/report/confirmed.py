"""The section that tells who confirmed what, and what they saw."""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.report.facts import GateFact, Report, ScreenFact
from cockpit.report.pages import Block, Row, Section, Table, Text
from cockpit.report.screens import Shown
from cockpit.report.words import NEVER, clock

_WHY = {"confirmed": "somebody confirmed it", "failed": "a step failed", "no return": "no return from here"}


def gates(report: Report, screens: Mapping[int, Shown]) -> Section:
    """Gates with who, evidence and screen; then each screen that was kept."""
    day = report.run.started
    rows = tuple(
        Row(
            cells=(
                gate.gate,
                clock(gate.utc, day),
                "opened" if gate.opened else "closed",
                gate.by or NEVER,
                _second(gate),
                gate.question,
                gate.evidence or NEVER,
                gate.override or NEVER,
                gate.head or NEVER,
                f"event {gate.screen}" if gate.screen else NEVER,
            ),
            seq=gate.seq,
            mood="bad" if gate.override or gate.alone else "",
        )
        for gate in report.gates
    )
    head = (
        "gate",
        "at",
        "was",
        "by",
        "second person",
        "question",
        "evidence or reason",
        "override",
        "head of the journal",
        "screen kept by",
    )
    table = Table(caption="Gates in the order in which they were opened and closed", head=head, rows=rows)
    return Section(id="gates", title="Who confirmed what", blocks=(table, *_screens(report, screens)))


def _second(gate: GateFact) -> str:
    if gate.alone:
        return "opened without one"
    if not gate.second:
        return NEVER
    return gate.second if gate.second == gate.second_account else f"{gate.second} (account {gate.second_account})"


def _screens(report: Report, screens: Mapping[int, Shown]) -> tuple[Block, ...]:
    if not report.screens:
        return (
            Text(text="No screen was kept: nobody sat at one, or an earlier version of the program recorded the run."),
        )
    told: list[Block] = []
    if bad := [fact for fact in report.screens if fact.trouble]:
        text = f"{len(bad)} of {len(report.screens)} kept screens cannot be shown: they are missing or were changed."
        told.append(Text(text=text, mood="bad"))
    if left_out := sum(fact.left_out for fact in report.screens):
        told.append(Text(text=f"{left_out} more screens came too fast, or were too large, to be kept.", mood="mind"))
    rows = tuple(_screen(fact, report.run.started, screens.get(fact.seq)) for fact in report.screens)
    head = ("what", "at", "why it was kept", "whose screen", "showing event", "page", "size", "program", "file", "is")
    table = Table(caption="What was on the screen", head=head, rows=rows, numbers=frozenset({4}))
    return (*told, table)


def _screen(fact: ScreenFact, day: float, shown: Shown | None) -> Row:
    cells = (
        fact.of or NEVER,
        clock(fact.utc, day),
        _WHY.get(fact.why, fact.why),
        fact.by or NEVER,
        str(fact.shown),
        fact.page or NEVER,
        f"{fact.width} × {fact.height}",
        f"cockpit {fact.version}" if fact.version else NEVER,
        f"{fact.file}.svg",
        fact.trouble or "as it was kept",
    )
    more = (("Screen", shown.text),) if shown is not None else ()
    picture = shown.svg if shown is not None else ""
    return Row(cells=cells, seq=fact.seq, mood="bad" if fact.trouble else "", more=more, picture=picture)
