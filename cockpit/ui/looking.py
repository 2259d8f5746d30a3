"""What a key leads to that only looks: pages, filters, copies, and moments of a recording. Asks nobody for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.plan.model import Manual
from cockpit.plan.script import command_text
from cockpit.ui.board import log_of, logs_of_side
from cockpit.ui.clipboard import copy
from cockpit.ui.dialogs import Ask
from cockpit.ui.view import focus_step

if TYPE_CHECKING:
    from cockpit.replay.search import Hit
    from cockpit.replay.transport import Transport
    from cockpit.state import RunState
    from cockpit.ui.app import CockpitApp


async def look(app: CockpitApp, action: str, key: str) -> None:
    """Carry out an action of the registry that only looks, and is possible now."""
    transport = app.source.transport
    match action:
        case "filter":
            await _filter(app)
        case "copy":
            app.say(await copy(_copied(app), app.copy_to_clipboard))
        case "jump" if transport is not None:
            await _jump(app, transport)
        case "find" if transport is not None:
            await _find(app, transport)
        case "hit-next" | "hit-last" if transport is not None:
            await _hit(app, transport, 1 if action == "hit-next" else -1)
        case "clock" | "idle" | "live" if transport is not None:
            transport.press(key)
        case "around" if transport is not None:
            from cockpit.ui.around import around

            await around(app, transport)
        case _:
            app.turn(action)


async def _jump(app: CockpitApp, transport: Transport) -> None:
    from cockpit.replay.times import FORMS

    body, value = f"{FORMS[0].upper()}{FORMS[1:]}.", ""
    while True:
        text = await app.push_screen_wait(Ask("Go to a moment", body, ok="Go", value=value))
        if text is None:
            return
        why = transport.go(text)
        if not why:
            app.look()
            return
        body, value = f"{why[0].upper()}{why[1:]}.", text


async def _find(app: CockpitApp, transport: Transport) -> None:
    before = transport.search.text if transport.search is not None else ""
    text = await app.push_screen_wait(
        Ask(
            "Find in all that was said",
            "Output, logs, notes, refusals, verdicts, from the beginning to the end. + and - go from hit to hit; "
            "empty forgets the hits.",
            required=False,
            value=before,
            ok="Find",
        )
    )
    if text is None:
        return
    transport.look_for(text)
    app.look(search=text)


async def _hit(app: CockpitApp, transport: Transport, by: int) -> None:
    """Go to a hit, and to the page on which it stands."""
    if transport.search is None:
        app.say("nothing is looked for: F finds")
        return
    hit = transport.hit(by)
    if hit is None:
        word = "later" if by > 0 else "earlier"
        app.say(f"no {word} hit of {transport.search.text!r}: {transport.search.words}")
        return
    state = await transport.state(transport.place)
    app.look(**_view_of(state, hit, app.size.width, max(1, app.size.height - 6)), search=transport.search.text)


def _view_of(state: RunState, hit: Hit, width: int, room: int) -> dict[str, object]:
    """What to look at for a hit: the output of its step, its log, or the timeline where that tells of it."""
    plan = state.plan
    if hit.ref and plan is not None:
        from cockpit.ui.pages.service import place_of

        service = hit.ref.partition("/")[0]
        scroll = max(0, place_of(state, hit.ref, hit.text, width) - room // 2)
        return {"page": "service", "service": service, "step": hit.ref, "scroll": scroll}
    if hit.log and plan is not None:
        for role in ("old", "new"):
            names = logs_of_side(plan, role)
            if hit.log in names:
                scroll = hit.behind if hit.behind >= room else 0
                return {"page": "logs", "log": names.index(hit.log), "merged": False, "filter": "", "scroll": scroll}
    if state.timeline and state.timeline[-1].seq == hit.seq:
        return {"page": "timeline", "filter": "", "scroll": 0}
    return {}


async def _filter(app: CockpitApp) -> None:
    view = app.view
    if view.page == "logs":
        text = await app.push_screen_wait(
            Ask(
                "Search in the logs",
                "Hits are marked; a text that begins with = hides what misses.",
                required=False,
                value=view.search or (f"={view.filter}" if view.filter else ""),
            )
        )
        if text is not None:
            hides = text.startswith("=")
            app.look(search="" if hides else text, filter=text[1:] if hides else "")
        return
    text = await app.push_screen_wait(
        Ask(
            "Filter",
            "Words that a service's id, title or tags hold; empty shows all.",
            required=False,
            value=view.filter,
        )
    )
    if text is not None:
        app.look(filter=text, scroll=0)


def _copied(app: CockpitApp) -> str:
    state, view = app.state, app.view
    if view.page in {"logs", "board"} and state.plan is not None:
        lines: list[str] = []
        for role in ("old", "new"):
            log = log_of(state, state.plan, role, view.log)
            if log is not None:
                lines += [f"{log.host}:{log.file}", *(text for _, _, text, _ in log.lines)]
        return "\n".join(lines)
    ref = focus_step(state, view)
    action = state.planned(ref).action if ref and view.page == "service" else None
    if isinstance(action, Manual) and action.paste:
        return action.paste
    return (
        command_text(state.planned(ref), "apply", state.step(ref).captured)
        if ref and view.page == "service"
        else app.canvas.text()
    )
