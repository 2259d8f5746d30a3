"""The plan as frozen data: what a runbook says after its YAML was read, its templates expanded, its variables filled.

Nothing here reads files or talks to a host. Durations are seconds. Every tuple keeps the order of the file.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from cockpit.plan.base import Frozen, Role, Vantage
from cockpit.plan.people import Address, Notice
from cockpit.plan.watched import Compare, Downtime, Expect, Mail, Probe, Traffic, Writer
from cockpit.plan.zones import Dns, DnsChange, DnsTtl, RecordSet

Op = Literal["probe", "capture", "apply", "verify", "undo", "verify_undo"]
PointOfNoReturn = Literal["none", "soft", "hard"]

PHASES: tuple[str, ...] = ("prepare", "copy", "freeze", "sync", "switch", "verify", "hypercare")


class Host(Frozen, frozen=True, kw_only=True):
    """A machine reached over SSH. `address` is what HTTP, SMTP and TCP probes are pinned to."""

    id: str
    ssh: str
    """`user@name[:port]`, or a Host of ~/.ssh/config."""
    role: Role = "other"
    address: str = ""
    address6: str = ""
    """Its IPv6 address, for probes that ask over IPv6."""
    host_key: str = ""
    """A pinned public key, `ssh-ed25519 AAAA…`; empty means known_hosts decides."""
    known_hosts: str = ""
    identity_file: str = ""
    machine_id: str = ""
    """Expected content of /etc/machine-id, asked when a link is opened and before each step; empty: as it was first seen."""
    hostname: str = ""
    """Expected host name, asked together with the machine-id."""
    become: Literal["", "sudo", "doas", "su"] = ""
    """How commands run as another account; empty: as the one that logs in."""
    become_user: str = "root"
    jobs: str = ""
    """The folder for detached jobs on the host; empty: `~/.cockpit/jobs`."""
    ssh_config: str = ""
    """A file to read in place of ~/.ssh/config."""


class Secret(Frozen, frozen=True, kw_only=True):
    """Where a secret comes from; its value is nowhere in a plan. `at` is a path, a variable's name, shell text or a question."""

    source: Literal["file", "env", "command", "ask"]
    at: str


class Log(Frozen, frozen=True, kw_only=True):
    """A file or a journald unit to tail on a host. `alarm` is a regular expression that marks a line."""

    host: str
    file: str = ""
    alarm: str = ""
    unit: str = ""

    @property
    def name(self) -> str:
        """What it is called on screen and in events."""
        return self.file or self.unit


ADJACENT = "the step before it"
"""The reason of a need that nobody wrote."""


class Need(Frozen, frozen=True, kw_only=True):
    """A dependency: `step` is `service/step`; `reason` is shown where it blocks."""

    step: str
    reason: str = ""


class Shell(Frozen, frozen=True, kw_only=True, tag_field="do", tag="shell"):
    """POSIX shell run verbatim on `host`; parameters arrive as shell variables. Empty text: nothing to do for that op.

    A recipe is one text that defines the five functions; inline steps give a text for each.
    """

    host: str
    recipe: str = ""
    recipe_text: str = ""
    probe: str = ""
    capture: str = ""
    apply: str = ""
    verify: str = ""
    undo: str = ""
    verify_undo: str = ""
    params: dict[str, str] = {}
    secrets: dict[str, str] = {}
    """Shell variable → name of the plan's secret that it gets."""


class Sync(Frozen, frozen=True, kw_only=True, tag_field="do", tag="sync"):
    """Copy `paths` from one host to the other, then compare manifests. `delete` removes what the source lacks."""

    source: str
    target: str
    paths: tuple[str, ...]
    to: tuple[str, ...] = ()
    """Where each path lands on the target; empty means the same path."""
    exclude: tuple[str, ...] = ()
    delete: bool = False
    final: bool = False
    """The pass inside the freeze; its duration is predicted from the passes before."""
    via: Literal["auto", "agent", "key", "relay"] = "auto"
    """How the bytes travel; `auto` takes a one-time key where the target reaches the source, else the relay."""
    at: str = ""
    """Where the target finds the source, when that is not where we find it."""
    bwlimit: int = 0
    """Bytes a second, 0 for no limit."""
    limit: str = ""
    """Most entries that may be deleted, a number or a percentage of what the target holds; empty means 10%."""
    backup: str = ""
    """Folder on the target for what is overwritten or deleted; empty means below `.cockpit/aside`."""
    marks: bool = False
    """Whether a verified pass writes the sentinel that a later pass needs to delete (the loader says so)."""


class Manual(Frozen, frozen=True, kw_only=True, tag_field="do", tag="manual"):
    """Something a person does. `observe` completes it when the record set is seen; otherwise an answer does."""

    owner: str
    message: str
    observe: RecordSet | None = None
    question: str = ""
    answers: tuple[str, ...] = ()
    """What may be answered; empty: done, or not."""
    good: tuple[str, ...] = ()
    """Those of them that complete the step."""
    paste: str = ""
    """A text to hand over as it is."""


class WaitLog(Frozen, frozen=True, kw_only=True):
    """Done when `pattern` appears in `file`, or in what `unit` logs, on `host` after the step began."""

    host: str
    file: str = ""
    pattern: str
    timeout: float = 60.0
    unit: str = ""

    @property
    def name(self) -> str:
        """What it is called on screen and in events."""
        return self.file or self.unit


class HttpCheck(Frozen, frozen=True, kw_only=True):
    """Done when `url` pinned to `at` answers as expected (a verification by another path than the act)."""

    url: str
    at: Vantage = "world"
    expect: Expect = Expect()
    timeout: float = 10.0


class ProbeCheck(Frozen, frozen=True, kw_only=True):
    """Done when a health probe of the service is good at `at`, as often in a row as it wants to be."""

    probe: str
    at: Vantage
    timeout: float = 30.0


Action = Shell | Sync | DnsChange | DnsTtl | Manual | Notice | None


class Condition(Frozen, frozen=True, kw_only=True):
    """Runs only if the fact holds; otherwise the step is skipped with `reason`. Exactly one is set."""

    tag: str = ""
    not_tag: str = ""
    var: str = ""
    equals: str = ""
    reason: str = ""


class Step(Frozen, frozen=True, kw_only=True):
    """The unit of work. `ref` is `service/step` and is unique in the plan."""

    ref: str
    id: str
    service: str
    phase: str
    action: Shell | Sync | DnsChange | DnsTtl | Manual | Notice | None = None
    """None is a draft: nothing to run yet; it blocks the plan."""
    kind: Literal["shell", "sync", "dns", "ttl", "manual", "notice", "draft"] = "draft"
    title: str = ""
    host: str = ""
    """The host it acts on, where there is one."""
    needs: tuple[Need, ...] = ()
    when: Condition | None = None
    verify_http: tuple[HttpCheck, ...] = ()
    verify_log: tuple[WaitLog, ...] = ()
    verify_probe: tuple[ProbeCheck, ...] = ()
    released_by: str = ""
    """ref of the step that ends what this one holds."""
    opens: Literal["", "old", "new"] = ""
    """The writer that this step opens; its undo closes it."""
    closes: Literal["", "old", "new"] = ""
    """The writer that this step closes; its undo opens it."""
    point_of_no_return: PointOfNoReturn = "none"
    destructive: bool = False
    idempotent: bool = True
    undoable: bool = True
    timeout: float = 600.0
    estimate: float = 0.0
    """Planned seconds; 0 when the plan does not say."""
    warns: str = ""
    seeds: tuple[str, ...] = ()


class Contact(Frozen, frozen=True, kw_only=True):
    """Somebody to turn to: `for` what, and over which channel a person reaches them."""

    name: str
    channel: str
    for_: str = msgspec.field(name="for", default="")
    notify: tuple[Address, ...] = ()
    """Where notices to them go."""


class Loss(Frozen, frozen=True, kw_only=True):
    """An accepted loss: what, why, and who accepted it."""

    what: str
    reason: str
    accepted_by: str = ""


class Window(Frozen, frozen=True, kw_only=True):
    """When a service's steps may run, ISO 8601 times with offset; empty means any time. Steps of other than its `phases` have no
    clock; without phases it is for all."""

    start: str = ""
    end: str = ""
    phases: tuple[str, ...] = ()


class Service(Frozen, frozen=True, kw_only=True):
    """What is cut over: one panel."""

    id: str
    title: str = ""
    wave: int = 1
    tags: tuple[str, ...] = ()
    disposition: Literal["move", "drop", "replace"] = "move"
    replaced_by: str = ""
    owner: str = ""
    window: Window | None = None
    vars: dict[str, str] = {}
    health: tuple[Probe, ...] = ()
    downtime: Downtime | None = None
    meters: tuple[Downtime, ...] = ()
    """Further meters: of writes, of one address family."""
    compare: Compare | None = None
    mail: Mail | None = None
    traffic: tuple[Traffic, ...] = ()
    writer: Writer | None = None
    logs: tuple[Log, ...] = ()
    records: tuple[RecordSet, ...] = ()
    steps: tuple[Step, ...] = ()


class Evidence(Frozen, frozen=True, kw_only=True):
    """A condition a probe must show: `health` at a vantage, `writer` on a side, `dns` authorities on a side, `caches` (the
    horizon has passed and every sampled cache has moved), `compare` (nothing differs), `off` (all that speaks for switching
    off old)."""

    service: str
    kind: Literal["health", "writer", "dns", "caches", "compare", "off"]
    want: str


class Gate(Frozen, frozen=True, kw_only=True):
    """A decision before the named steps. Closed until opened; errors and time-outs leave it closed."""

    id: str
    kind: Literal["human", "evidence"] = "human"
    question: str = ""
    before: tuple[str, ...] = ()
    """refs of the steps that wait for it (the loader expands `wave`, `phase` and `service`)."""
    after: tuple[str, ...] = ()
    """refs of the steps that must be settled before it may open."""
    target: str = ""
    """What the operator types to open it; the loader fills the gate's id."""
    evidence: tuple[Evidence, ...] = ()
    fresh: float = 30.0
    """Evidence older than this closes the gate, seconds."""
    second: bool = False
    """A second person confirms it, from another Unix account."""
    second_by: tuple[str, ...] = ()
    """The accounts of those who may be that person; () for everybody who was given access to confirm."""

    @property
    def typed(self) -> str:
        """What a person types to open or confirm it."""
        return self.target or self.id


class Plan(Frozen, frozen=True, kw_only=True):
    """A whole runbook."""

    name: str
    hash: str
    """SHA-256 of the file's bytes, hex."""
    source: str = ""
    description: str = ""
    phases: tuple[str, ...] = PHASES
    hosts: dict[str, Host] = {}
    secrets: dict[str, Secret] = {}
    dns: Dns | None = None
    downtime: float = 0.0
    """The night's budget: seconds for which any service may be away; 0 for none."""
    services: tuple[Service, ...] = ()
    gates: tuple[Gate, ...] = ()
    acceptable_losses: tuple[Loss, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    bundled_risks: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()

    @property
    def planned_start(self) -> float:
        """UTC at which the first window that the plan names opens; 0 where it names none."""
        opens = [service.window.start for service in self.services if service.window is not None]
        return min((datetime.fromisoformat(text).timestamp() for text in opens if text), default=0.0)

    def gate(self, id: str) -> Gate | None:
        """The gate of that id."""
        return next((gate for gate in self.gates if gate.id == id), None)

    def service(self, id: str) -> Service:
        """The service of that id. Raises KeyError."""
        for service in self.services:
            if service.id == id:
                return service
        raise KeyError(id)

    def step(self, ref: str) -> Step:
        """The step of that ref (`service/step`). Raises KeyError."""
        service = self.service(ref.partition("/")[0])
        for step in service.steps:
            if step.ref == ref:
                return step
        raise KeyError(ref)
