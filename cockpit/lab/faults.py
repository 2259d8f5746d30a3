"""What can go wrong in the lab on request, for practice and for tests. Each fault has an end or is ended by `restore`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from cockpit.lab.addresses import LabError
from cockpit.lab.host import LabHost
from cockpit.lab.lab import Lab


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order on the control socket: a fault's name, and where and how much."""

    fault: str
    host: str = ""
    """A host of the plan; empty is all of them."""
    server: str = ""
    """A server's name, such as web-old or dns-primary."""
    client: str = ""
    value: float = 0.0


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault: what it is in one line, and the doing. `act` returns a sentence that says what is so now."""

    name: str
    help: str
    act: Callable[[Lab, Order], Awaitable[str]]


def _hosts(lab: Lab, order: Order) -> list[LabHost]:
    if order.host and order.host not in lab.hosts:
        raise LabError(f"there is no host {order.host}; the lab has {', '.join(lab.hosts)}")
    return [lab.hosts[order.host]] if order.host else list(lab.hosts.values())


def _named(hosts: list[LabHost]) -> str:
    return " and ".join(host.id for host in hosts)


async def _drop_links(lab: Lab, order: Order) -> str:
    cut = sum(lab.ssh[host.id].drop() for host in _hosts(lab, order))
    return f"{cut} SSH links were cut"


async def _slow_copy(lab: Lab, order: Order) -> str:
    rate = int(order.value or 50_000)
    if rate < 1:
        raise LabError(f"a channel cannot carry {rate} bytes a second; name a number from 1 on")
    hosts = _hosts(lab, order)
    for host in hosts:
        host.rate = rate
    return f"SSH channels of {_named(hosts)} carry {rate} bytes a second"


async def _kill_server(lab: Lab, order: Order) -> str:
    await lab.kill(order.server)
    return f"{order.server} is gone"


async def _start_server(lab: Lab, order: Order) -> str:
    await lab.restart(order.server)
    return f"{order.server} runs"


async def _stale_resolver(lab: Lab, order: Order) -> str:
    if not lab.resolvers:
        raise LabError(f"the demo {lab.stage.name} has no name servers")
    seconds = order.value or 120.0
    lab.resolvers[-1].stale_for = seconds
    return f"resolver {len(lab.resolvers)} hands out what has expired for {seconds:g} s more"


async def _refuse_mail(lab: Lab, order: Order) -> str:
    hosts = _hosts(lab, order)
    for host in hosts:
        host.refuse_mail = True
    return f"{_named(hosts)} answers 450 to every recipient"


async def _freeze(lab: Lab, order: Order) -> str:
    hosts = _hosts(lab, order)
    for host in hosts:
        host.thawed.clear()
    return f"{_named(hosts)} accepts connections and answers nothing"


async def _freeze_dns(lab: Lab, order: Order) -> str:
    if not lab.resolvers:
        raise LabError(f"the demo {lab.stage.name} has no name servers")
    lab.primary.server.thawed.clear()
    return "the primary name server answers nothing"


async def _disk_full(lab: Lab, order: Order) -> str:
    hosts = _hosts(lab, order)
    for host in hosts:
        host.disk_full = True
    return f"nothing new can be written on {_named(hosts)}"


async def _owner(lab: Lab, order: Order) -> str:
    lab.stage.owner_changes(lab, order.client, order.host or "new")
    return f"the owner of {order.client}'s zone points it at {order.host or 'new'}"


async def _restore(lab: Lab, order: Order) -> str:
    for host in lab.hosts.values():
        host.rate, host.refuse_mail, host.disk_full = 0, False, False
        host.thawed.set()
    if lab.resolvers:
        lab.primary.server.thawed.set()
        lab.resolvers[-1].stale_for = lab.stage.stale_for
    for name in sorted(lab.down):
        await lab.restart(name)
    return "everything works again"


FAULTS: tuple[Fault, ...] = (
    Fault(name="drop-links", help="cut every SSH link of a host, without a word", act=_drop_links),
    Fault(
        name="slow-copy", help="throttle each SSH channel of a host to --value bytes a second (50000)", act=_slow_copy
    ),
    Fault(
        name="kill-server",
        help="kill --server (web-old, mail-new, dns-primary, resolver-3, ssh-old …)",
        act=_kill_server,
    ),
    Fault(name="start-server", help="start --server again, at the same address and port", act=_start_server),
    Fault(
        name="stale-resolver",
        help="the last resolver serves expired answers for --value seconds (120)",
        act=_stale_resolver,
    ),
    Fault(name="refuse-mail", help="a host's mail server refuses every recipient for now (450)", act=_refuse_mail),
    Fault(name="freeze", help="a host's servers accept connections and answer nothing", act=_freeze),
    Fault(name="freeze-dns", help="the primary name server answers nothing", act=_freeze_dns),
    Fault(name="disk-full", help="a host cannot write: commands fail, POST gives 507, mail 452", act=_disk_full),
    Fault(name="owner-changes-dns", help="the owner of --client's zone points it at --host (new)", act=_owner),
    Fault(name="restore", help="end every fault and start what was killed", act=_restore),
)


async def apply(lab: Lab, order: Order) -> str:
    """Carry out an order. Returns what is so now. Raises LabError with a sentence."""
    for fault in FAULTS:
        if fault.name == order.fault:
            return await fault.act(lab, order)
    raise LabError(f"there is no fault {order.fault}; there are {', '.join(fault.name for fault in FAULTS)}")
