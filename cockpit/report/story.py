"""The facts of a report as a document: which sections there are, and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.report.confirmed import gates
from cockpit.report.facts import Attempt, Report
from cockpit.report.figures import propagation, schedule
from cockpit.report.pages import LONGEST_NAME, Block, Document, Mood, Row, Section, Table, Text
from cockpit.report.rows import short
from cockpit.report.screens import Shown
from cockpit.report.words import NEVER, bounds, clock, count, seconds, stamp, whose
from cockpit.state import TICKED

GLANCE = 20
"""Meters of downtime that the first table shows; the section on downtime has all of them."""
_EXCEPTIONS = frozenset({"failed", "skipped", "undone", "run again", "verified again", "cut off"})


def document(report: Report, screens: Mapping[int, Shown] | None = None) -> Document:
    """The document of a report, with the screens that it is to show."""
    sections = (
        _verdict(report),
        Section(id="schedule", title="Planned against actual", blocks=schedule(report)),
        _downtime(report),
        Section(id="propagation", title="Propagation", blocks=propagation(report)),
        gates(report, screens or {}),
        _exceptions(report),
        _deviations(report),
        _losses(report),
        _care(report),
        _moments(report),
        _people(report),
        _attempts(report),
        _journal(report),
    )
    name = report.run.plan or report.run.run or "a run without a beginning"
    return Document(run=report.run.run, title=f"Report: {short(name, LONGEST_NAME)}", sections=sections)


def _verdict(report: Report) -> Section:
    run, journal = report.run, report.journal
    blocks: list[Block] = []
    if run.over:
        good = run.exit == 0 and run.ticked == run.steps
        blocks.append(Text(text=f"{run.verdict or 'The run ended without a word.'}", mood="good" if good else "bad"))
    else:
        text = f"The run is not over: this is what its journal held at event {run.seq:,}, {stamp(run.ended)}."
        blocks.append(Text(text=text, mood="mind"))
    if run.mode == "rehearsal":
        blocks.append(Text(text="This was a rehearsal.", mood="mind"))
    if run.description:
        blocks.append(Text(text=run.description))
    if not journal.verified:
        text = "The journal is damaged; the last section says where. What follows is what can still be read of it."
        blocks.append(Text(text=text, mood="bad"))
    if alone := [gate for gate in report.gates if gate.alone]:
        text = f"{count(len(alone), 'gate was', 'gates were')} opened without the second person (break-glass)."
        blocks.append(Text(text=text, mood="bad"))
    if overrides := [gate for gate in report.gates if gate.override and (not gate.alone or gate.evidence)]:
        text = f"{count(len(overrides), 'gate was', 'gates were')} opened against the evidence."
        blocks.append(Text(text=text, mood="bad"))
    failures = [item for item in report.deviations if item.what == "failed"]
    still = [item for item in report.care if item.open]
    first = report.journal.first
    rows = [
        ("ended" if run.over else "last event", stamp(run.ended)),
        ("steps settled", f"{run.ticked:,} of {run.steps:,}"),
        ("services cut over", f"{sum(item.complete for item in report.services)} of {len(report.services)}"),
        ("first step to last", f"{seconds(run.took)}; {seconds(run.planned)} were forecast"),
        ("failures", str(len(failures))),
        ("open in hypercare", str(len(still))),
    ]
    begun = [
        ("run", run.run or NEVER),
        ("plan", f"{run.plan}, SHA-256 {run.plan_hash}" if run.plan else NEVER),
        ("mode", run.mode),
        ("program", f"cockpit {run.version}" if run.version else NEVER),
        ("begun", stamp(run.started)),
    ]
    down = [(item, f"{bounds(item.lower, item.upper)}, {item.verdict}") for item in report.downtime[:GLANCE]]
    table = (
        *(Row(cells=cells, seq=first) for cells in begun),
        *(Row(cells=cells, seq=run.seq) for cells in rows),
        *(Row(cells=(f"downtime, {whose(item)}", text), seq=item.seq) for item, text in down),
    )
    blocks.append(Table(caption="The run at a glance", head=("what", "is"), rows=table))
    services = tuple(
        Row(
            cells=(
                item.id,
                item.title,
                str(item.wave),
                "cut over" if item.complete else "not cut over",
                f"{sum(step.state in TICKED for step in item.steps)} of {len(item.steps)}",
                f"{item.writer_before} → {item.writer}",
                item.rollback,
                item.final_copy or NEVER,
            ),
            seq=item.seq,
            mood="" if item.complete else "mind",
        )
        for item in report.services
    )
    head = ("service", "title", "wave", "is", "steps settled", "writer", "going back", "final copy")
    blocks.append(Table(caption="Services", head=head, rows=services, numbers=frozenset({2})))
    if run.left_out:
        blocks.append(
            Text(text=f"{count(run.left_out, 'row')} more than this report holds were left out.", mood="mind")
        )
    return Section(id="verdict", title="Verdict", blocks=tuple(blocks))


_OUTAGE = ("whose", "seen from", "until", "added to the downtime")


def _downtime(report: Report) -> Section:
    day = report.run.started
    rows = tuple(
        Row(
            cells=(
                whose(item),
                item.what,
                bounds(item.lower, item.upper) + (", goes on" if item.ongoing else ""),
                f"{item.budget:g} s" if item.budget else NEVER,
                item.verdict,
                f"{item.samples:,}",
                f"{item.failed:,}",
                f"{item.stalled:,}",
                f"{item.missed:,}",
            ),
            seq=item.seq,
            mood="bad" if item.verdict == "over" or item.ongoing else "mind" if item.verdict == "perhaps over" else "",
        )
        for item in report.downtime
    )
    head = ("whose", "of", "downtime", "budget", "verdict", "samples", "failed", "stalled", "not sent")
    table = Table(caption="Downtime with its bounds", head=head, rows=rows, numbers=frozenset({5, 6, 7, 8}))
    outages = tuple(
        Row(
            cells=(
                whose(item),
                clock(stretch.started, day),
                clock(stretch.ended, day) if stretch.ended else "goes on",
                bounds(stretch.lower, stretch.upper),
            ),
            seq=stretch.seq,
        )
        for item in report.downtime
        for stretch in item.stretches
    )
    return Section(
        id="downtime",
        title="Downtime",
        blocks=(table, Table(caption="Each outage as it was seen", head=_OUTAGE, rows=outages)),
    )


def _exceptions(report: Report) -> Section:
    wanted = {(item.ref, item.seq) for item in report.deviations if item.what in _EXCEPTIONS}
    rows = tuple(
        _attempt(report, item)
        for item in report.attempts
        if (item.ref, item.end_seq) in wanted or (item.ref, item.seq) in wanted
    )
    table = Table(caption="Each with its command, output and log lines", head=_ATTEMPT, rows=rows)
    return Section(id="exceptions", title="Failed, retried, skipped, undone", blocks=(table,))


_ATTEMPT = ("step", "attempt", "was", "by", "on", "from", "intended", "acted", "until", "exit", "came out as")


def _attempt(report: Report, item: Attempt) -> Row:
    day = report.run.started
    cells = (
        item.ref,
        str(item.attempt),
        {"apply": "run", "undo": "undone", "verify": "verified again", "none": "set"}.get(item.what, item.what),
        item.by or NEVER,
        item.host or NEVER,
        clock(item.started, day),
        clock(item.intended, day),
        clock(item.applied, day),
        clock(item.ended, day) if item.ended else "under way",
        NEVER if item.exit is None else str(item.exit),
        f"{item.state}: {item.detail}" if item.detail else item.state,
    )
    moves = "\n".join(
        f"{clock(move.utc, day)}  {move.seq}  {move.state}" + (f"  {move.detail}" if move.detail else "")
        for move in item.moves
    )
    shown = len(item.output)
    output = f"the last {shown} of {item.output_lines} lines" if item.output_lines > shown else "all of it"
    more = (
        ("Command", item.command),
        (f"Output, {output}", "\n".join(item.output)),
        ("Logs at that moment", "\n".join(f"{line.log}  {line.text}" for line in item.logs)),
        ("Moves", moves),
    )
    mood: Mood = "" if item.state in TICKED else "mind" if item.what == "undo" and item.state == "undone" else "bad"
    return Row(
        cells=cells,
        seq=item.end_seq,
        mood=mood,
        more=tuple((title, text) for title, text in more if text),
    )


def _deviations(report: Report) -> Section:
    rows = tuple(
        Row(cells=(item.what, item.ref or NEVER, item.text), seq=item.seq, mood="bad" if item.what in _BAD else "")
        for item in report.deviations
    )
    table = Table(caption="What went otherwise than planned", head=("what", "step", "how"), rows=rows)
    text = "" if rows else "Everything went as the plan says."
    return Section(
        id="deviations", title="Deviations from the plan", blocks=(Text(text=text), table) if text else (table,)
    )


_BAD = frozenset({"failed", "override", "downtime", "not finished", "cut off"})


def _losses(report: Report) -> Section:
    rows = tuple(
        Row(
            cells=(
                item.what,
                item.reason,
                item.by or NEVER,
                clock(item.utc, report.run.started) if item.utc else "in the plan",
            ),
            seq=item.seq,
        )
        for item in report.losses
    )
    head = ("what", "why", "accepted by", "when")
    return Section(
        id="losses",
        title="Acceptable losses",
        blocks=(Table(caption="What was accepted to be lost", head=head, rows=rows),),
    )


def _care(report: Report) -> Section:
    def table(caption: str, is_open: bool) -> Table:
        rows = tuple(
            Row(cells=(item.service, item.what, item.text), seq=item.seq, mood="mind" if is_open else "")
            for item in report.care
            if item.open is is_open
        )
        return Table(caption=caption, head=("service", "what", "is"), rows=rows)

    when = f"As it stood at event {report.journal.last:,}."
    blocks = (Text(text=when), table("Open", True), table("Settled", False))
    return Section(id="hypercare", title="Hypercare", blocks=blocks)


def _moments(report: Report) -> Section:
    day = report.run.started

    def table(caption: str, words: frozenset[str], inside: bool) -> Table:
        rows = tuple(
            Row(
                cells=(clock(item.utc, day), item.what, item.actor or NEVER, item.ref or NEVER, item.text),
                seq=item.seq,
                mood="bad" if item.what in {"trouble", "panic", "taken from us"} else "",
            )
            for item in report.moments
            if (item.what in words) is inside
        )
        return Table(caption=caption, head=("at", "what", "by", "step", "text"), rows=rows)

    notes, troubles = frozenset({"note"}), frozenset({"trouble"})
    blocks = (
        table("Notes", notes, True),
        table("Troubles of our own", troubles, True),
        table("Alarms, refusals, pauses, links", notes | troubles, False),
    )
    return Section(id="notes", title="Notes, troubles, alarms", blocks=blocks)


def _people(report: Report) -> Section:
    day = report.run.started
    drivers = tuple(
        Row(
            cells=(
                item.driver,
                str(item.uid) if item.uid >= 0 else "headless",
                clock(item.utc, day),
                clock(item.until, day) if item.until else "the end",
                item.why or NEVER,
            ),
            seq=item.seq,
        )
        for item in report.drivers
    )
    sessions = tuple(
        Row(
            cells=(
                "resumed" if item.after else "begun",
                clock(item.utc, day),
                str(item.after) if item.after else NEVER,
                seconds(item.idle) if item.after else NEVER,
                count(item.mended, "byte"),
            ),
            seq=item.seq,
        )
        for item in report.sessions
    )
    notices = tuple(
        Row(
            cells=(
                item.ref,
                item.to,
                clock(item.utc, day),
                f"{item.state}: {item.detail}" if item.detail else item.state,
            ),
            seq=item.seq,
            mood="" if item.state == "sent" else "bad",
        )
        for item in report.notices
    )
    watched = f"At most {count(report.run.watchers, 'person', 'people')} watched at one time."
    return Section(
        id="people",
        title="People",
        blocks=(
            Table(caption="Who drove", head=("driver", "user id", "from", "until", "why it ended"), rows=drivers),
            Text(text=watched),
            Table(caption="Notices to people", head=("step", "to", "at", "came out as"), rows=notices),
            Table(
                caption="Starts of the conductor",
                head=("was", "at", "after event", "nothing conducted for", "torn tail cut"),
                rows=sessions,
            ),
        ),
    )


def _attempts(report: Report) -> Section:
    rows = tuple(_attempt(report, item) for item in report.attempts)
    plain = tuple(Row(cells=row.cells, seq=row.seq, mood=row.mood) for row in rows)
    table = Table(caption="Every attempt of every step", head=_ATTEMPT, rows=plain, folded=True)
    return Section(id="attempts", title="All attempts", blocks=(table,))


def _journal(report: Report) -> Section:
    journal = report.journal
    if journal.verified:
        text = f"The journal is whole: each of its {count(journal.events, 'event')} follows from the one before it."
    else:
        text = f"The journal is damaged: {count(journal.damaged, 'line does', 'lines do')} not hold."
        text = (
            text if journal.damaged else f"The journal does not begin with its first event but with {journal.first:,}."
        )
    blocks: list[Block] = [Text(text=text, mood="good" if journal.verified else "bad")]
    if journal.torn:
        why = "a power cut, or an event that was being written"
        blocks.append(Text(text=f"Its last {count(journal.torn, 'byte')} are no whole line: {why}.", mood="mind"))
    rows = [
        ("head of the chain", journal.head),
        ("head at the run's end", journal.head_at_end or NEVER),
        ("events", f"{journal.events:,}, numbers {journal.first:,} to {journal.last:,}"),
        ("size", count(journal.size, "byte")),
    ]
    table = tuple(Row(cells=cells, seq=journal.last) for cells in rows)
    blocks.append(Table(caption="What to compare", head=("what", "is"), rows=table))
    blocks.append(
        Text(text="A chain proves nothing by itself: compare the head with the one that was written down elsewhere.")
    )
    if journal.damages:
        damaged = tuple(
            Row(
                cells=(f"{item.line:,}", item.why, "in the report, not proven" if item.kept else "left out"),
                seq=item.seq,
                mood="bad",
            )
            for item in journal.damages
        )
        blocks.append(
            Table(caption="Damage", head=("line", "why", "the line is"), rows=damaged, numbers=frozenset({0}))
        )
    if journal.unknown:
        unknown = tuple(Row(cells=(item.name, f"{item.count:,}"), seq=item.seq) for item in journal.unknown)
        caption = "Events of kinds that this version does not know"
        blocks.append(Table(caption=caption, head=("kind", "events"), rows=unknown, numbers=frozenset({1})))
    return Section(id="journal", title="Journal", blocks=tuple(blocks))
