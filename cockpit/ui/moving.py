"""Keys that only move: the focus, the scroll, the page. Pure: a view goes in, another comes out."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit.evidence import switch_off
from cockpit.state import RunState
from cockpit.ui.board import columns
from cockpit.ui.view import View, focus, focus_record, focus_step, record_keys, shown
from cockpit.ui.world.listed import beside_list, entries, focus_entry
from cockpit.ui.world.vantages import vantages

FAR = 100_000
"""Lines of scroll that mean the other end."""


def moved(state: RunState, view: View, key: str, size: tuple[int, int], now: float) -> View | None:
    """The view after a key on a screen of `size`; None for a key that moves nothing."""
    ids, here = shown(state, view), focus(state, view)
    page = max(1, size[1] - 6)
    back = view.page in {"timeline", "notes", "logs"}
    match key:
        case "escape":
            kept = "" if view.page == "board" else view.filter
            return replace(view, page="board", scroll=0, search="", frozen=-1, filter=kept)
        case "enter":
            return replace(view, page="service", service=here, step="", scroll=0)
        case "tab" | "right":
            return _to(view, ids, here, 1)
        case "shift+tab" | "left":
            return _to(view, ids, here, -1)
        case "down" | "up" if view.page == "service":
            return _to_step(state, view, here, 1 if key == "down" else -1)
        case "down" | "up" if view.page == "world":
            return _to_item(state, view, here, 1 if key == "down" else -1, now)
        case "down" | "up" if view.page == "dns" and here and len(record_keys(state.services[here])) > 1:
            return _to_record(state, view, here, 1 if key == "down" else -1)
        case "down" | "up" if view.page in {"board", "fleet"}:
            stride = columns(size[0], len(ids)) if view.page == "board" else 1
            return _to(view, ids, here, stride if key == "down" else -stride)
        case "j" | "down" | "k" | "up" | "pagedown" | "pageup":
            step = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": page, "pageup": -page}[key]
            wanted = max(0, view.scroll + (-step if back else step))
            return replace(view, scroll=min(wanted, _most(state, view, here, size[0], now)))
        case "home" | "end":
            return replace(view, scroll=_most(state, view, here, size[0], now) if (key == "home") == back else 0)
        case _ if key.isdigit() and key != "0":
            everyone = state.plan.services if state.plan is not None else ()
            chosen = everyone[int(key) - 1].id if int(key) <= len(everyone) else view.service
            return replace(view, service=chosen, step="")
        case _:
            return None


def _most(state: RunState, view: View, service: str, width: int, now: float) -> int:
    """The farthest scroll that has something to show: what was pressed too often need not be taken back."""
    if state.plan is None or not service:
        return FAR
    if view.page == "dns":
        return max(0, len(vantages(state.plan, state.services[service], focus_record(state, view))) - 1)
    if view.page == "world":
        found = entries(state, state.plan, service, now, switch_off(state, service, now))
        return max(0, len(found[focus_entry(found, view)].detail(beside_list(width))) - 1)
    return FAR


def _to(view: View, ids: tuple[str, ...], here: str, by: int) -> View:
    if not ids:
        return view
    index = ids.index(here) + by if here in ids else 0
    chosen = ids[max(0, min(index, len(ids) - 1)) if abs(by) > 1 else index % len(ids)]
    return replace(view, service=chosen, step="", scroll=0)


def _to_step(state: RunState, view: View, service: str, by: int) -> View:
    refs = list(state.services[service].steps) if service else []
    return replace(view, step=_beside(refs, focus_step(state, view), by), scroll=0) if refs else view


def _to_item(state: RunState, view: View, service: str, by: int, now: float) -> View:
    if state.plan is None or not service:
        return view
    found = entries(state, state.plan, service, now, switch_off(state, service, now))
    keys = [entry.key for entry in found]
    return replace(view, item=_beside(keys, keys[focus_entry(found, view)], by), scroll=0) if keys else view


def _to_record(state: RunState, view: View, service: str, by: int) -> View:
    keys = record_keys(state.services[service])
    return replace(view, record=_beside(keys, focus_record(state, view), by), scroll=0)


def _beside(keys: list[str], here: str, by: int) -> str:
    """The key `by` further on, but no further than the ends."""
    return keys[max(0, min(keys.index(here) + by, len(keys) - 1))]
