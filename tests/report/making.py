"""Journals of any shape for the report's tests, written line by line as the program writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cockpit.events import Event, Record, RunStarted
from cockpit.journal import line as lines
from cockpit.plan.model import Gate, Need, Plan, Service, Shell, Step
from cockpit.plan.watched import Downtime

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> | `x` </td></tr> [a](javascript:x) "
    "http://evil.example ]]> &amp; \x1b[31m \u202eabc \x00\x07 $(reboot)"
)


def step(ref: str, *needs: str, estimate: float = 0.0, phase: str = "prepare", title: str = "") -> Step:
    service, id = ref.split("/")
    return Step(
        ref=ref,
        id=id,
        service=service,
        phase=phase,
        kind="shell",
        action=Shell(host="new", apply="make it so", undo="take it back"),
        host="new",
        needs=tuple(Need(step=need) for need in needs),
        estimate=estimate,
        title=title,
    )


def plan(*services: Service, gates: tuple[Gate, ...] = (), **more: object) -> Plan:
    return Plan(name="a night", hash="0" * 64, services=services, gates=gates, **more)  # type: ignore[arg-type]


def service(id: str, *steps: Step, wave: int = 1, budget: float = 0.0) -> Service:
    down = Downtime(url="http://x.example/", budget=budget) if budget else None
    return Service(id=id, steps=steps, wave=wave, downtime=down)


def began(of: Plan, **forecast: float) -> RunStarted:
    return RunStarted(
        run="r1", plan=of, version="9.9", forecast={name.replace("__", "/"): s for name, s in forecast.items()}
    )


def told(events: Iterable[Event | tuple[float, Event]], actor: str = "tom") -> list[Record]:
    """Records of the events, a second apart or at the second that stands beside one."""
    made: list[Record] = []
    for number, item in enumerate(events, 1):
        at, event = item if isinstance(item, tuple) else (float(number), item)
        made.append(Record(seq=number, utc=1_800_000_000.0 + at, mono=at, actor=actor, event=event))  # type: ignore[arg-type]
    return made


def encoded(records: Iterable[Record], head: str = lines.START) -> Iterator[bytes]:
    """The lines of records in a journal, with newlines; the first goes on from `head`."""
    for record in records:
        line, head = lines.encode(record, head)
        yield line


def written(file: Path, records: Iterable[Record]) -> Path:
    """Records as a journal."""
    with file.open("wb", buffering=1 << 20) as target:
        target.writelines(encoded(records))
    return file


def line_of(record: Record, prev: str) -> bytes:
    return lines.encode(record, prev)[0]
