"""What the passes of a copy say about its final one: how long it will take, as a range. Pure."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from cockpit.state import PassView, RunState

SCATTER = 1.25
"""By how much a figure that was measured once may be off either way."""


class Prediction(msgspec.Struct, frozen=True):
    """Seconds between which the final pass is expected to end, and from how many passes that is taken."""

    low: float
    high: float
    passes: int


def predict(passes: tuple[PassView, ...], now: float) -> Prediction | None:
    """The final pass, were it begun now; None when nothing was copied yet.

    A pass is a look at every entry, and then the bytes that changed. The look costs at most what the quickest pass took in
    all; the rate is that of the pass that moved most. What has changed since the last pass grows as it grew between those before.
    A single pass only says that the final one takes no longer than it did."""
    passes = tuple(item for item in passes if not item.final)
    if not passes:
        return None
    if len(passes) == 1:
        return Prediction(0.0, passes[0].seconds * SCATTER, 1)
    biggest = max(passes, key=lambda item: item.bytes)
    rate = biggest.bytes / biggest.seconds if biggest.seconds else 0.0
    looks = [max(item.seconds - (item.bytes / rate if rate else 0.0), 0.0) for item in passes if item is not biggest]
    quickest = min(item.seconds for item in passes)
    look_low, look_high = min([*looks, quickest]), max([*looks, quickest])
    growth = [item.bytes / (item.utc - before.utc) for before, item in pairwise(passes) if item.utc > before.utc]
    since = max(now - passes[-1].utc, 0.0)
    due = [speed * since / rate if rate else 0.0 for speed in (min(growth, default=0.0), max(growth, default=0.0))]
    low, high = (look_low + due[0]) / SCATTER, (look_high + due[1]) * SCATTER
    return Prediction(low, max(high, low), len(passes))


def final_sync(state: RunState, service: str, now: float) -> tuple[str, Prediction] | None:
    """The service's final copy that is still to come, and its prediction from the passes over the same paths."""
    plan = state.plan
    if plan is None:
        return None
    steps = plan.service(service).steps
    for step in steps:
        action = step.action
        if getattr(action, "final", False) and state.step(step.ref).state not in {"done", "already", "skipped"}:
            same = _same_paths(state, step.ref)
            found = predict(tuple(item for item in state.services[service].passes if item.ref in same), now)
            return (step.ref, found) if found is not None else None
    return None


class Measured(msgspec.Struct, frozen=True):
    """A final copy that is over: how long it took, and what was predicted when it began (None where nothing was)."""

    ref: str
    seconds: float
    predicted: Prediction | None

    @property
    def text(self) -> str:
        """Both in words: `0:51, predicted 0:42–1:10 from 3 passes`."""
        said = f"took {clock(self.seconds)}"
        return f"{said}, predicted {words(self.predicted)}" if self.predicted is not None else said


def final_measured(state: RunState, service: str) -> Measured | None:
    """The service's last final copy, beside its prediction from what was known when it began; None while there was none."""
    passes = state.services[service].passes
    last = next((item for item in reversed(passes) if item.final), None)
    if last is None or state.plan is None:
        return None
    same = _same_paths(state, last.ref)
    before = tuple(item for item in passes if item.ref in same and item.utc < last.utc)
    return Measured(last.ref, last.seconds, predict(before, last.utc - last.seconds))


def _same_paths(state: RunState, ref: str) -> set[str]:
    """The copies of the same paths in its service."""
    planned = state.planned(ref)
    steps = state.plan.service(planned.service).steps if state.plan is not None else ()
    paths = getattr(planned.action, "paths", None)
    return {step.ref for step in steps if step.kind == "sync" and getattr(step.action, "paths", ()) == paths}


def words(found: Prediction) -> str:
    """It in words: `0:42–1:10 from 3 passes`."""
    count = f"{found.passes} pass" + ("es" if found.passes != 1 else "")
    if found.passes == 1:
        return f"at most {clock(found.high)} from {count}"
    return f"{clock(found.low)}–{clock(found.high)} from {count}"


def clock(seconds: float) -> str:
    """A duration as `m:ss`, `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
