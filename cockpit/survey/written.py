"""The draft as YAML text that `cockpit check` reads. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from cockpit.survey.draft import Service, plain, quoted, services
from cockpit.survey.inventory import Inventory


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The host as it proved to be, and how it was reached."""

    ssh: str
    address: str = ""
    host_key: str = ""
    machine_id: str = ""
    name: str = ""
    options: dict[str, str] = {}
    """Further keys of the host, as `become` and `ssh_config`."""


def text(found: Inventory, origin: Origin, now: float) -> str:
    """The whole draft."""
    made = services(found)
    notes = [item.field(0) for item in found.of("note")] + (
        [] if found.whole else ["the list is not whole: it was cut off"]
    )
    date = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    system = next((item.field(1) for item in found.of("host") if item.field(0) == "system"), "")
    lines = [
        f"# Drafted from what was on {_comment(origin.name or origin.ssh)} on {date}.",
        "# A step without an act is to be decided: it blocks the plan.",
        "# `cockpit check` lists what is left, `cockpit show --brief` shows all of it.",
        *(f"# Not seen: {_comment(note)}" for note in notes),
        "cutover: 1",
        f"name: {quoted(f'Everything on {origin.name or origin.ssh}')}",
        f"description: {quoted(f'From {system}' if system else 'A draft')}",
        "hosts:",
        *_host(origin),
        "  new: {ssh: root@new.example.org} # where it goes",
        "services:" if made else "services: []",
    ]
    for service in made:
        lines += _service(service)
    return "\n".join(lines) + "\n"


def _host(origin: Origin) -> list[str]:
    said = {
        "ssh": plain(origin.ssh),
        "address": plain(origin.address),
        "host_key": quoted(origin.host_key),
        "machine_id": plain(origin.machine_id),
        "hostname": plain(origin.name),
    } | {name: plain(value) for name, value in origin.options.items()}
    return ["  old:", *(f"    {name}: {value}" for name, value in said.items() if value != '""')]


def _service(service: Service) -> list[str]:
    tags = ", ".join(quoted(tag) for tag in service.tags)
    lines = [
        f"  - id: {quoted(service.id)}",
        f"    title: {plain(service.title)}",
        f"    wave: {service.wave}",
        f"    tags: [{tags}]",
    ]
    lines += [f"    # {_comment(remark)}" for remark in service.remarks]
    lines.append("    steps:")
    for step in service.steps:
        title = f", title: {plain(step.title)}" if step.title else ""
        act = f", {step.act}" if step.act else ""
        lines.append(f"      - {{id: {quoted(step.id)}, phase: {step.phase}{title}{act}}}")
    return lines


def _comment(words: str) -> str:
    """Text that cannot leave its comment."""
    return "".join(char if char.isprintable() else "?" for char in words)
