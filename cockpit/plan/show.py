"""The runbook as it will run, in Markdown: every step with its exact commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from cockpit.plan.brief import checklist
from cockpit.plan.model import Gate, Manual, Plan, Secret, Service, Shell, Step, Sync
from cockpit.plan.people import Notice
from cockpit.plan.script import NOT_ATOMIC, notice_text
from cockpit.plan.watched import Expect, Probe
from cockpit.plan.zones import DnsChange, DnsTtl, RecordSet

_OPS = ("probe", "capture", "apply", "verify", "undo", "verify_undo")


def markdown(plan: Plan, service: str = "", tag: str = "") -> str:
    """The whole plan, or the services of one id or tag. Recipes are printed once, at the end."""
    chosen = [s for s in plan.services if service in {"", s.id} and (not tag or tag in s.tags)]
    lines = [*_head(plan), "## At a glance", "", *checklist(plan, chosen, level=3)]
    for item in chosen:
        lines += _service(item, plan)
    lines += _recipes(chosen)
    return "\n".join(lines).rstrip() + "\n"


def _head(plan: Plan) -> Iterator[str]:
    yield from (f"# {plan.name}", "")
    if plan.description:
        yield from (plan.description.rstrip(), "")
    yield from (f"Plan `{plan.source}`, SHA-256 `{plan.hash}`. Phases: {' → '.join(plan.phases)}.", "")
    yield from ("## Hosts", "")
    for host in plan.hosts.values():
        at = f", probed at {host.address}" if host.address else ""
        key = "key pinned" if host.host_key else "key from known_hosts"
        machine = f", machine-id {host.machine_id}" if host.machine_id else ""
        named = f", host name {host.hostname}" if host.hostname else ""
        other = f"; commands run as {host.become_user} by {host.become}" if host.become else ""
        yield f"- **{host.id}** ({host.role}): `ssh {host.ssh}`{at}; {key}{machine}{named}{other}"
    yield ""
    if plan.dns is not None:
        asked = ", ".join(plan.dns.resolvers) or "none"
        signed = f", signed with TSIG key {plan.dns.tsig.name}" if plan.dns.tsig else ""
        authorities = ", ".join(plan.dns.authorities) or f"{plan.dns.primary} and the others that its NS name"
        kept = plan.dns.provider
        how = f"kept by {kept.kind} {kept.name}".strip() if kept else f"updates go to {plan.dns.primary}{signed}"
        yield f"Zone {plan.dns.zone}: {how}; authorities {authorities}; caches {asked}."
        yield ""
    if plan.secrets:
        yield from ("## Secrets", "", *(f"- {name}: {_source(secret)}" for name, secret in plan.secrets.items()), "")
    if plan.gates:
        yield from ("## Gates", "", *(line for gate in plan.gates for line in _gate(gate)), "")
    registers = {
        "Contacts": [f"{c.name}: {c.channel}" + (f" ({c.for_})" if c.for_ else "") for c in plan.contacts],
        "Acceptable losses": [
            f"{loss.what}: {loss.reason}" + (f" (accepted by {loss.accepted_by})" if loss.accepted_by else "")
            for loss in plan.acceptable_losses
        ],
        "Out of scope": list(plan.out_of_scope),
        "Bundled risks": list(plan.bundled_risks),
    }
    for title, entries in registers.items():
        if entries:
            yield from (f"## {title}", "", *(f"- {entry}" for entry in entries), "")


def _source(secret: Secret) -> str:
    words = {"file": "from the file", "env": "from the environment variable", "command": "printed by", "ask": "asked:"}
    return f"{words[secret.source]} {secret.at}" if secret.source == "ask" else f"{words[secret.source]} `{secret.at}`"


def _gate(gate: Gate) -> Iterator[str]:
    how = "opened by a person" if gate.kind == "human" else "opened by evidence"
    if gate.second:
        whom = f"{' or '.join(gate.second_by)}" if gate.second_by else "a second person"
        how += f", confirmed by {whom} from another account"
    yield f"- **{gate.id}** ({how}): {gate.question}".rstrip(": ")
    yield f"  - before: {', '.join(gate.before) or 'nothing'}"
    if gate.after:
        yield f"  - after: {', '.join(gate.after)}"
    for item in gate.evidence:
        yield f"  - evidence, at most {gate.fresh:g} s old: {item.service} {item.kind} {item.want}"


def _service(service: Service, plan: Plan) -> Iterator[str]:
    title = f" · {service.title}" if service.title and service.title != service.id else ""
    yield from (f"## {service.id}{title} (wave {service.wave})", "")
    facts = [service.disposition + (f" to {service.replaced_by}" if service.replaced_by else "")]
    if service.owner:
        facts.append(f"owner {service.owner}")
    if service.tags:
        facts.append(f"tags {', '.join(service.tags)}")
    if service.window is not None:
        span = f"window {service.window.start or 'any time'} to {service.window.end or 'any time'}"
        facts.append(span + (f" for {', '.join(service.window.phases)}" if service.window.phases else ""))
    if service.downtime is not None:
        facts.append(f"downtime budget {service.downtime.budget:g} s, asked every {service.downtime.every:g} s")
    yield from (f"{'; '.join(facts)}.", "")
    for probe in service.health:
        yield f"- health `{probe.id}`: {_probe(probe)}"
    if service.writer is not None:
        yield f"- writer: {service.writer.url} says `{service.writer.old}` (old) or `{service.writer.new}` (new)"
    for log in service.logs:
        yield f"- log: {log.host}:{log.name}" + (f", alarm `{log.alarm}`" if log.alarm else "")
    for record in service.records:
        yield f"- record: {_record(record)}"
    if service.health or service.writer or service.logs or service.records:
        yield ""
    for number, step in enumerate(service.steps, 1):
        yield from _step(number, step, plan)


def _probe(probe: Probe) -> str:
    what = probe.url or f"{probe.proto} `{' '.join(probe.target.split())}`"
    where = f"on {probe.host}" if probe.host else f"at {', '.join(probe.at)}"
    said = [
        f"in {probe.file or probe.unit}" if probe.proto == "log" else "",
        f"in {probe.database}" if probe.database else "",
        where,
        {"any": "", "4": "over IPv4", "6": "over IPv6", "each": "over IPv4 and over IPv6"}[probe.family],
        {"none": "", "starttls": "with STARTTLS", "implicit": "with TLS"}[probe.tls],
        f"as {probe.login.user}" if probe.login is not None else "",
        f"{probe.recipient} accepted" if probe.recipient else "",
        f"{probe.refuses} refused" if probe.refuses else "",
        _expect(probe.expect),
        f"{probe.row} times in a row" if probe.row > 1 else "",
        f"every {probe.every:g} s",
    ]
    return f"{what} {', '.join(part for part in said if part)}"


def _step(number: int, step: Step, plan: Plan) -> Iterator[str]:
    yield from (f"### {number}. {step.id} · {step.phase}" + (f": {step.title}" if step.title else ""), "")
    for need in step.needs:
        yield f"- needs `{need.step}`" + (f": {need.reason}" if need.reason else "")
    for gate in plan.gates:
        if step.ref in gate.before:
            yield f'- waits for gate "{gate.id}"'
    if step.when is not None:
        when = step.when
        said = (
            f"tag {when.tag}"
            if when.tag
            else f"no tag {when.not_tag}"
            if when.not_tag
            else f"{when.var} = {when.equals}"
        )
        yield f"- only with {said}" + (f": {when.reason}" if when.reason else "")
    if step.warns:
        yield f"- **mind:** {step.warns}"
    for side, word in ((step.closes, "closes"), (step.opens, "opens")):
        if side:
            yield f"- {word} the writer {side}"
    if step.released_by:
        yield f"- released by `{step.released_by}`"
    if step.point_of_no_return != "none":
        yield f"- **point of no return ({step.point_of_no_return})**"
    marks = [word for word, holds in (("destructive", step.destructive), ("not idempotent", not step.idempotent),
                                      ("cannot be undone", not step.undoable)) if holds]  # fmt: skip
    if marks:
        yield f"- {', '.join(marks)}"
    yield f"- time-out {step.timeout:g} s" + (f", planned {step.estimate:g} s" if step.estimate else "")
    yield from ("", *_action(step), "")
    for check in step.verify_http:
        yield f"Verified when {check.url} at {check.at} answers: {_expect(check.expect)}."
    for wait in step.verify_log:
        yield f"Verified when `{wait.pattern}` appears in {wait.host}:{wait.name} within {wait.timeout:g} s."
    for named in step.verify_probe:
        yield f"Verified when health probe `{named.probe}` is good at {named.at} within {named.timeout:g} s."
    if step.verify_http or step.verify_log or step.verify_probe:
        yield ""


def _action(step: Step) -> Iterator[str]:
    action = step.action
    match action:
        case Shell():
            yield f"On **{action.host}**" + (f", recipe `{action.recipe}`:" if action.recipe else ":")
            yield ""
            assigned = [f"export {name}={shlex.quote(value)}" for name, value in action.params.items()]
            assigned += [f"{name}=‹secret {secret}›" for name, secret in action.secrets.items()]
            body = list(assigned)
            for op in _OPS:
                text: str = getattr(action, op)
                if text:
                    body += [f"# {op}", *text.rstrip("\n").split("\n")]
            if action.recipe:
                body.append(f"# functions of {action.recipe}: see Recipes")
            yield from _fenced(body)
        case Sync():
            into = action.to or action.paths
            yield f"Copy {action.source} → {action.target}" + (" (final pass)" if action.final else "") + ":"
            yield ""
            yield from (f"- `{source}` → `{target}`" for source, target in zip(action.paths, into, strict=False))
            yield from (f"- without `{pattern}`" for pattern in action.exclude)
            if action.delete:
                kept = action.backup or "~/.cockpit/aside"
                yield f"- **deletes** on the target what the source lacks, at most {action.limit or '10%'}, moved to `{kept}`"
            if action.marks:
                yield "- once verified, writes the sentinel `.cockpit-sync` on the source, which a pass that deletes needs"
            if action.via != "auto" or action.at:
                yield f"- by {action.via}" + (f", finding the source at {action.at}" if action.at else "")
            if action.bwlimit:
                yield f"- at most {action.bwlimit:,} bytes a second"
        case DnsChange():
            together = ", in one message" if action.more and action.atomic else ""
            for record in action.records:
                yield f"- Update{together}, if and only if the old set is there: {_record(record)}"
            if not action.atomic:
                yield f"- **{NOT_ATOMIC}**"
        case DnsTtl():
            for name, type in action.names:
                yield f"- TTL of {name} {type}: {action.to} s; where that is lower, wait until the old one has passed everywhere"
            if not action.atomic:
                yield f"- **{NOT_ATOMIC}**"
        case Manual():
            yield f"**{action.owner}** does it: {action.message}"
            if action.observe is not None:
                yield f"\nComplete when seen: {_record(action.observe)}"
            if action.question or action.answers:
                good = (
                    f"; {' and '.join(action.good)} complete{'s' * (len(action.good) == 1)} it"
                    if action.answers
                    else ""
                )
                asked = f" ({' / '.join(action.answers)}{good})" if action.answers else ""
                yield f"\n{action.owner} answers: {action.question or 'How did it go?'}{asked}"
            if action.paste:
                yield from ("", "To hand over:", "", *_fenced(action.paste.rstrip("\n").split("\n"), ""))
        case Notice():
            yield from ("A notice:", "", *_fenced(notice_text(action).split("\n"), ""))
        case None:
            yield "**Draft**: nothing to run yet; it blocks the plan."


def _fenced(lines: list[str], language: str = "sh") -> Iterator[str]:
    longest = max((len(line) - len(line.lstrip("`")) for line in lines), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *lines, fence)


def _recipes(services: list[Service]) -> Iterator[str]:
    texts = {
        step.action.recipe: step.action.recipe_text
        for service in services
        for step in service.steps
        if isinstance(step.action, Shell) and step.action.recipe
    }
    if texts:
        yield from ("## Recipes", "")
    for name, text in sorted(texts.items()):
        yield from (f"### {name}", "", *_fenced(text.rstrip("\n").split("\n")), "")


def _record(record: RecordSet) -> str:
    ttl = f", TTL {record.ttl} s" if record.ttl else ""
    old, new = ", ".join(record.old) or "nothing", ", ".join(record.new) or "nothing"
    return f"{record.name} {record.type}: {old} → {new}{ttl}"


def _expect(expect: Expect) -> str:
    return ", ".join(
        [
            *([f"status {expect.status}"] if expect.status else []),
            *([f"body with `{expect.body}`"] if expect.body else []),
            *(f"{name} with `{value}`" for name, value in expect.header.items()),
            *(f"`{condition}`" for condition in expect.that),
        ]
    )
