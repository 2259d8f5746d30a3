"""The shell text of a step as it will run: the same for the host that runs it and for the person who reads it before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from shlex import quote

from cockpit.plan.model import Manual, Op, Shell, Step, Sync
from cockpit.plan.people import Notice
from cockpit.plan.zones import DnsChange, DnsTtl, RecordSet

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


_VANISH = 'case $0 in */script.*) rm -f -- "$0" ;; esac\n'
"""A job's script that holds a secret is no longer on the host's disk once it has begun: the shell has it open."""


def script_for(action: Shell, op: Op, captured: dict[str, str], secrets: Mapping[str, str] | None = None) -> str:
    """The POSIX shell text of one op as it will run, '' when the step has none. Parameters, what was captured and secrets arrive
    as shell variables, quoted here; the text itself is never touched.

    `secrets` are values by name; without them their marks stand there, for people to read. Only this text's own shell sees
    them, and captured values that hold one: they are not exported. Raises KeyError for a secret that is not among them."""
    if action.recipe_text:
        if not re.search(rf"(?m)^[ \t]*{op}[ \t]*\(\)", action.recipe_text):
            return ""
        body = f"{action.recipe_text.rstrip()}\n\n{op}\n"
    else:
        text: str = getattr(action, op)
        if not text.strip():
            return ""
        body = text.rstrip() + "\n"
    mark = "‹secret "
    given = {
        name: f"{mark}{secret}›" if secrets is None else secrets[secret] for name, secret in action.secrets.items()
    }
    kept = {f"captured_{name}": value for name, value in captured.items()}
    hidden = {n: v for n, v in kept.items() if mark in v or any(text in v for text in given.values())}
    return (
        (_VANISH if given and secrets is not None else "")
        + exports(action.params)
        + exports({name: value for name, value in kept.items() if name not in hidden})
        + _assigned(given | hidden)
        + body
    )


def exports(variables: Mapping[str, str]) -> str:
    """Shell lines that export variables, quoted; what is no name of a shell variable is left out."""
    return _assigned(variables, "export ")


def _assigned(variables: Mapping[str, str], word: str = "") -> str:
    return "".join(f"{word}{name}={quote(value)}\n" for name, value in variables.items() if _NAME.match(name))


def command_text(step: Step, op: Op, captured: dict[str, str]) -> str:
    """What an op of a step will do, exactly: shell text for shell steps, words with every name for the others. '' for none."""
    match step.action:
        case Shell() as action:
            return script_for(action, op, captured)
        case Sync() as action:
            return _sync_text(action, op)
        case DnsChange() as action:
            words = [word for record in action.records if (word := _change_text(record, op, action.atomic))]
            return "\n".join(_marked(words, op, action.atomic))
        case DnsTtl() as action:
            words = [word for name, type in action.names if (word := _ttl_text(name, type, action.to, op))]
            return "\n".join(_marked(words, op, action.atomic))
        case Manual() as action:
            return manual_text(action) if op == "apply" else ""
        case Notice() as action:
            return notice_text(action) if op == "apply" else ""
        case None:
            return ""


def manual_text(action: Manual) -> str:
    """What a person is asked, what they may answer, and what they hand over."""
    lines = [f"{action.owner}: {action.message}"]
    if action.question or action.answers:
        asked = f" ({' / '.join(action.answers)})" if action.answers else ""
        lines.append(f"{action.question or 'How did it go?'}{asked}")
    return "\n".join([*lines, *(["", action.paste] if action.paste else [])])


def notice_text(action: Notice) -> str:
    """A notice as it will be sent, and to whom."""
    names = ", ".join(receiver.name for receiver in action.to) or "nobody"
    when = f"not before {datetime.fromtimestamp(action.at, UTC):%Y-%m-%d %H:%M} UTC, " if action.at else ""
    return f"{when}to {names}\nSubject: {action.subject}\n\n{action.text.rstrip()}"


NOT_ATOMIC = "not atomic: read, compared, written, read back; another writer could come between"
"""Said of a zone that a provider keeps."""


def _marked(words: list[str], op: Op, atomic: bool) -> list[str]:
    return [*words, NOT_ATOMIC] if words and not atomic and op in {"apply", "undo"} else words


def _change_text(record: RecordSet, op: Op, atomic: bool) -> str:
    was, becomes = " ".join(record.old) or "nothing", " ".join(record.new) or "nothing"
    verb, where = ("update", "the primary") if atomic else ("write", "the provider")
    return {
        "apply": f"{verb} {record.key}: only if it is {was}, make it {becomes}",
        "undo": f"{verb} {record.key}: only if it is {becomes}, make it {was}, with the captured TTL",
        "verify": f"ask every authority for {record.key} until all say {becomes}",
        "verify_undo": f"ask every authority for {record.key} until all say {was}, with the captured TTL",
        "probe": f"ask {where} for {record.key}",
        "capture": f"write down values and TTL of {record.key}",
    }.get(op, "")


def _ttl_text(name: str, type: str, to: int, op: Op) -> str:
    return {
        "apply": f"update {name} {type}: the same contents with a TTL of {to} s",
        "undo": f"update {name} {type}: the same contents with the captured TTL",
        "verify": f"ask every authority for {name} {type} until all say {to} s; then wait until the old TTL has passed",
        "verify_undo": f"ask every authority for {name} {type} until all say the captured TTL",
        "probe": f"ask the primary for {name} {type}",
        "capture": f"write down values and TTL of {name} {type}",
    }.get(op, "")


def _sync_text(action: Sync, op: Op) -> str:
    to = action.to or action.paths
    if op == "apply":
        delete = " --delete" if action.delete else ""
        return "\n".join(
            f"rsync -a{delete} {action.source}:{source} {action.target}:{target}   (a tar stream where rsync is missing)"
            for source, target in zip(action.paths, to, strict=True)
        )
    if op == "verify":
        return f"compare the checksums of both trees on {action.source} and {action.target}"
    if op == "undo":
        return f"bring back on {action.target} what the copy overwrote, and remove what it created"
    return ""
