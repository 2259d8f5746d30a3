"""Plans with one thing wrong each. `§` marks the place where the finding must point; it is taken out before reading.

A row is (code, severity, text). `STEPS` and `TOP` put a fragment into an otherwise good plan.
"""

# One row, one plan: a table reads better unbroken.
from __future__ import annotations

HEAD = """cutover: 1
name: Test
hosts: {old: {ssh: a@old}, new: {ssh: a@new}, db: {ssh: a@db}}
dns: {zone: x.test, primary: 127.0.0.1}
"""


def steps(*lines: str) -> str:
    """A good plan with these steps."""
    return HEAD + "services:\n  - id: osf\n    tags: [web]\n    steps:\n" + "".join(f"      {line}\n" for line in lines)


def body(*lines: str) -> str:
    """A good plan with these keys in its service."""
    return HEAD + "services:\n  - id: osf\n" + "".join(f"    {line}\n" for line in lines) + f"    steps: [{{{OK}}}]\n"


def top(*lines: str) -> str:
    """A good plan with these keys of its own."""
    return f"{HEAD}services: [{{id: osf, wave: 2, steps: [{{{OK}}}]}}]\n" + "".join(f"{line}\n" for line in lines)


OK = "id: ok, phase: copy, sync: {from: old, to: new, paths: [srv/]}"
RUN = "on: new, run: {apply: touch a, verify: test -e a, undo: rm a}"
TEMPLATE = HEAD + "template: t\nservices:\n"
E_, W = "error", "warning"

BROKEN: list[tuple[str, str, str]] = [
    # the text
    ("empty", E_, "§"),
    ("empty", E_, "§# only a comment\n"),
    ("yaml", E_, "cutover: 1\nname: 'never closed\n§"),
    ("yaml", E_, "cutover: 1\nname: x\n§]\n"),
    ("tab", E_, "cutover: 1\nhosts:\n§\told: {ssh: a}\n"),
    ("duplicate-key", E_, "cutover: 1\nname: a\n§name: b\nservices: []\n"),
    ("duplicate-key", E_, steps("- {id: a, §id: b, phase: copy, sync: {from: old, to: new, paths: [a]}}")),
    ("key", E_, top("description: a", "§[a, b]: c")),
    ("alias", E_, "cutover: 1\nname: §*nowhere\n"),
    ("alias", E_, "cutover: 1\nphases: &a [x, §*a]\n"),
    ("tag", E_, HEAD.replace("Test", "§!!python/object:os.system x") + "services: []\n"),
    ("documents", E_, "cutover: 1\nname: x\n§---\ncutover: 1\n"),
    ("control-character", E_, "cutover: 1\nname: a§\x07b\n"),
    ("nesting", E_, "cutover: 1\nname: " + "[" * 39 + "§[" + "]" * 40 + "\n"),
    ("not-a-plan", E_, "§- a\n- b\n"),
    ("not-a-plan", E_, "§name: x\n"),
    ("version", E_, "cutover: §2\nname: x\n"),
    ("version", E_, "cutover: §[1]\nname: x\n"),
    # keys and types
    ("unknown-key", E_, top("§contact: [{name: a, channel: b}]")),
    ("unknown-key", E_, steps("- {id: a, §fase: copy, phase: copy, sync: {from: old, to: new, paths: [a]}}")),
    ("unknown-key", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], §deleet: true}}")),
    ("missing-key", E_, "§" + HEAD.replace("name: Test\n", "") + "services: []\n"),
    ("missing-key", E_, steps("- §{id: a, sync: {from: old, to: new, paths: [a]}}")),
    ("missing-key", E_, steps("- {id: a, phase: copy, sync: §{from: old, to: new}}")),
    ("missing-key", E_, body("downtime: §{budget: 5s}")),
    ("missing-value", E_, top("description: §~")),
    ("type", E_, top("description: §[a]")),
    ("type", E_, top("contacts: §Ann")),
    ("type", E_, top("out_of_scope: §comments")),
    ("type", E_, body("wave: §first")),
    ("type", E_, body("wave: §0")),
    ("type", E_, body("wave: §'1'")),
    ("type", E_, body("vars: §[client]")),
    ("type", E_, body("window: §tonight")),
    ("type", E_, body("logs: [{host: old, file: §{client}}]")),
    ("type", E_, steps("- {id: a, phase: copy, destructive: §yes, sync: {from: old, to: new, paths: [a]}}")),
    ("choice", E_, body("disposition: §moved")),
    ("choice", E_, body("health: [{http: 'http://a.x.test/', at: [old, §news]}]")),
    ("choice", E_, steps("- {id: a, phase: copy, point_of_no_return: §harsh, " + RUN + "}")),
    ("duration", E_, body("downtime: {url: 'http://a.x.test/', budget: §1 minute}")),
    ("duration", E_, steps("- {id: a, phase: copy, timeout: §-5s, " + RUN + "}")),
    ("time", E_, body("window: {start: §22:00}")),
    ("time", E_, body("window: {start: §2026-11-21T22:00:00}")),
    ("id", E_, steps("- {id: §a/b, phase: copy, " + RUN + "}")),
    ("pattern", E_, body("logs: [{host: old, file: a, alarm: §'(a'}]")),
    ("url", E_, body("health: [{http: §a.x.test/login}]")),
    # names
    ("duplicate-id", E_, HEAD + "services:\n  - {id: a, steps: [{" + OK + "}]}\n  - {id: §a, steps: [{" + OK + "}]}\n"),
    ("duplicate-id", E_, steps("- {" + OK + "}", "- {id: §ok, phase: copy, " + RUN + "}")),
    ("duplicate-id", E_, top("gates:", "- {id: g, question: q, before: {wave: 2}}", "- {id: §g, question: q, before: {wave: 2}}")),
    ("duplicate-id", E_, top("phases: [copy, freeze, §copy]")),
    ("unknown-host", E_, steps("- {id: a, phase: copy, sync: {from: old, to: §nwe, paths: [a]}}")),
    ("unknown-host", E_, body("logs: [{host: §web, file: a}]")),
    ("unknown-phase", E_, steps("- {id: a, phase: §copying, " + RUN + "}")),
    ("unknown-template", E_, HEAD + "services: [{id: a, template: §tmpl, steps: [{" + OK + "}]}]\n"),
    ("unknown-template", E_, HEAD + "template: §tmpl\nservices: [{id: a, steps: [{" + OK + "}]}]\n"),
    ("unknown-recipe", E_, steps("- {id: a, phase: copy, on: new, use: §no-such-recipe}")),
    ("unknown-step", E_, steps("- {id: a, phase: copy, needs: [§b], " + RUN + "}")),
    ("unknown-step", E_, steps("- {id: a, phase: copy, needs: [{step: §osf/b, reason: r}], " + RUN + "}")),
    ("unknown-step", E_, top("gates: [{id: g, question: q, before: {steps: [§osf/no]}}, {id: h, question: q, before: {wave: 2}}]")),
    ("unknown-release", E_, steps("- {id: a, phase: freeze, released_by: §b, " + RUN + "}")),
    ("unknown-service", E_, top("gates: [{id: g, question: q, before: {service: §osv}}]")),
    ("unknown-probe", E_, body("downtime: {probe: §login}")),
    ("log", E_, body("logs: [§{host: old}]")),
    ("log", E_, body("logs: [{host: old, file: a, §unit: b.service}]")),
    ("log", E_, body("logs: [{host: old, unit: §'-f'}]")),
    ("undefined-variable", E_, body('logs: [{host: old, file: "logs/§{client}.log"}]')),
    ("undefined-variable", E_, body("logs: [{host: old, file: 'logs/§{servise}.log'}]")),
    ("undefined-variable", E_, HEAD.replace("a@old", "'§{who}@old'") + "services: [{id: osf, steps: [{" + OK + "}]}]\n"),
    ("built-in", E_, body("vars: {§service: x}")),
    # steps
    ("no-verify", E_, steps("- §{id: a, phase: copy, on: new, run: {apply: touch a}}")),
    ("no-apply", E_, steps("- {id: a, phase: copy, on: new, run: §{verify: test -e a}}")),
    ("no-host", E_, steps("- §{id: a, phase: copy, run: {apply: touch a, verify: test -e a}}")),
    ("no-undo", E_, steps("- {id: a, phase: copy, §destructive: true, on: new, run: {apply: rm a, verify: test ! -e a}}")),
    ("no-undo", E_, steps("- {id: a, phase: copy, §destructive: true, undo: none, " + RUN + "}")),
    ("no-reason", W, steps("- {id: a, phase: copy, §undo: none, " + RUN + "}")),
    ("no-release", W, steps("- §{id: a, phase: freeze, " + RUN + "}")),
    ("self-release", E_, steps("- {id: a, phase: freeze, §released_by: a, " + RUN + "}")),
    ("two-acts", E_, steps("- {id: a, phase: copy, " + RUN + ", §sync: {from: old, to: new, paths: [a]}}")),
    ("unused-key", W, steps("- {id: a, phase: copy, §on: new, sync: {from: old, to: new, paths: [a]}}")),
    ("parameter", E_, steps("- {id: a, phase: copy, with: {§a-b: c}, " + RUN + "}")),
    ("parameter", E_, steps("- {id: a, phase: copy, with: {§PATH: /tmp}, " + RUN + "}")),
    ("same-host", E_, steps("- {id: a, phase: copy, sync: {from: old, to: §old, paths: [a]}}")),
    ("into", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], §into: [b, c]}}")),
    ("empty", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, §paths: []}}")),
    ("backwards", W, steps("- {id: a, phase: copy, §sync: {from: new, to: old, paths: [a], delete: true}}")),
    ("other-zone", E_, steps("- {id: a, phase: switch, §dns: {name: a.y.test, type: A, old: [127.0.0.1], new: [127.0.0.2]}}")),
    ("no-change", W, steps("- {id: a, phase: switch, dns: {name: a.x.test, type: A, old: [127.0.0.1], §new: [127.0.0.1]}}")),
    ("condition", E_, steps("- {id: a, phase: copy, when: §{tag: a, not_tag: b}, " + RUN + "}")),
    ("condition", E_, steps("- {id: a, phase: copy, when: §{var: a}, " + RUN + "}")),
    ("draft", W, steps("- §{id: a, phase: copy}")),
    ("timeout", E_, steps("- {id: a, phase: copy, §timeout: 0s, " + RUN + "}")),
    ("estimate", W, steps("- {id: a, phase: copy, timeout: 1s, §estimate: 2s, " + RUN + "}")),
    ("twice", W, steps("- {" + OK + "}", "- {id: a, phase: copy, needs: [ok, §ok], " + RUN + "}")),
    ("cycle", E_, steps("- {id: a, phase: copy, §needs: [b], " + RUN + "}", "- {id: b, phase: copy, " + RUN + "}")),
    ("cycle", E_, steps("- {id: a, phase: copy, §needs: [a], " + RUN + "}")),
    ("cycle", E_, top("gates: [§{id: g, question: q, before: {wave: 2}, after: {wave: 2}}]")),
    ("two-writers", E_, steps("- {id: a, phase: switch, §opens: new, " + RUN + "}")),
    ("writers", E_, steps("- {id: a, phase: switch, opens: old, §closes: old, " + RUN + "}")),
    # services, templates and gates
    ("window", E_, HEAD + "services:\n  - §{id: a, window: {start: 2026-11-21T22:00:00Z, end: 2026-11-21T21:00:00Z}, steps: [{" + OK + "}]}\n"),
    ("budget", W, HEAD + "services:\n  - §{id: a, downtime: {url: 'http://a.x.test/', budget: 5s}, steps: [{id: f, phase: sync, estimate: 9s, sync: {from: old, to: new, paths: [a]}}]}\n"),
    ("no-steps", W, HEAD + "services:\n  - §{id: a}\n"),
    ("no-services", W, HEAD + "§services: []\n"),
    ("replaced-by", W, HEAD + "services:\n  - §{id: telnet, disposition: replace}\n"),
    ("same-writer", E_, body("writer: {http: 'http://a.x.test/', old: a, §new: a}")),
    ("unused-template", W, top("templates: {§t: {tags: [a]}}")),
    ("nonconforming", W, TEMPLATE + "  - {id: a, vars: {c: 1, d: 1}}\n  - {id: b, vars: {c: 1, d: 2}}\n  - {id: e, §vars: {c: 1}}\n"
     "templates: {t: {steps: [{id: ok, phase: copy, when: {var: d, equals: 1}, sync: {from: old, to: new, paths: ['{c}']}}]}}\n"),
    ("unused-variable", W, TEMPLATE + "  - {id: a, vars: {c: 1}}\n  - {id: b, vars: {c: 1, §d: 2}}\n"
     "templates: {t: {steps: [{id: ok, phase: copy, sync: {from: old, to: new, paths: ['{c}']}}]}}\n"),
    ("secret-source", E_, top("secrets: {§a: {}}")),
    ("secret-source", E_, top("secrets: {a: {env: A, §ask: what}}")),
    ("secret-source", E_, top("secrets: {a: {env: §$A}}")),
    ("parameter", E_, top("secrets: {§a-b: {env: A}}")),
    ("parameter", E_, top("secrets: {§PATH: {env: A}}")),
    ("unknown-key", E_, top("secrets: {a: {§path: A}}")),
    ("unused-secret", W, top("secrets: {§a: {env: A}}")),
    ("unknown-secret", E_, steps("- {id: a, phase: copy, secrets: [§db], " + RUN + "}")),
    ("unknown-secret", E_, steps("- {id: a, phase: copy, secrets: [{password: §db}], " + RUN + "}")),
    ("parameter", E_, steps("- {id: a, phase: copy, secrets: [{§PATH: db}], " + RUN + "}") + "secrets: {db: {env: DB}}\n"),
    ("twice", E_, steps("- {id: a, phase: copy, with: {db: x}, secrets: [§db], " + RUN + "}") + "secrets: {db: {env: DB}}\n"),
    ("unused-key", W, steps("- {id: a, phase: copy, §secrets: [db], sync: {from: old, to: new, paths: [a]}}") + "secrets: {db: {env: DB}}\n"),
    ("secret-field", E_, steps("- {id: a, phase: copy, title: 'x §{db}', secrets: [db], " + RUN + "}") + "secrets: {db: {env: DB}}\n"),
    ("secret", W, body("vars: {password: §hunter2}")),
    ("secret", W, steps("- {id: a, phase: copy, with: {url: §'https://u:p4ss@x.test/'}, " + RUN + "}")),
    ("idle-gate", W, top("gates: [{id: g, question: q, §before: {wave: 7}}]")),
    ("no-evidence", E_, top("gates: [§{id: g, kind: evidence, before: {wave: 2}}]")),
    ("no-question", W, top("gates: [§{id: g, before: {wave: 2}}]")),
    ("evidence", E_, top("gates: [{id: g, question: q, before: {wave: 2}, evidence: [§{service: osf}]}]")),
    ("no-probe", E_, top("gates: [{id: g, question: q, before: {wave: 2}, evidence: [{service: osf, §health: new}]}]")),
    # copies
    ("choice", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], via: §pigeon}}")),
    ("rate", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], bwlimit: §fast}}")),
    ("rate", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], bwlimit: §10}}")),
    ("limit", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], delete: true, limit: §most}}")),
    ("unused-key", W, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], limit: §10}}")),
    ("backup-inside", E_, steps("- {id: a, phase: copy, sync: {from: old, to: new, paths: [a], delete: true, backup: §a/old}}")),
    ("delete-first", W, steps("- {id: a, phase: copy, §sync: {from: old, to: new, paths: [a], delete: true}}")),
]  # fmt: skip
