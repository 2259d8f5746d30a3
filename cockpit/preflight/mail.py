"""Whether the queues and mailboxes of a plan can be read: at night one that cannot is no evidence."""

from __future__ import annotations

import asyncio

from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.plan.model import Plan
from cockpit.plan.watched import Mailbox, Queue
from cockpit.preflight import judge
from cockpit.preflight.judge import Row
from cockpit.probes.context import OnHost, Said
from cockpit.probes.mail import queues
from cockpit.probes.mail.boxes import Box, Look
from cockpit.probes.mail.queues import Reading

WAIT = 20.0
"""Seconds for one reading."""
_RIGHTS = "let the user of ssh: read it, or give the host become:"


def through(pool: HostPool) -> OnHost:
    """Asks hosts over their links. Never raises for what a host does."""

    async def on_host(host: str, script: str, timeout: float) -> Said:
        try:
            ran = await pool[host].run("exec sh -s", script.encode(), timeout)
        except (Unreachable, OSError) as error:
            return Said(None, str(error))
        return Said(ran.exit, ran.out.decode(errors="replace"), ran.err.decode(errors="replace"))

    return on_host


async def mail_rows(plan: Plan, hosts: frozenset[str], on_host: OnHost) -> list[Row]:
    """A row for each queue and mailbox on `hosts`, which were reached. Reads only."""
    found, boxes = dict[Queue, None](), dict[Mailbox, None]()
    for service in plan.services:
        if service.mail is None or service.disposition == "drop":
            continue
        token = service.mail.token
        found.update(dict.fromkeys(service.mail.queues))
        boxes.update(dict.fromkeys(service.mail.stragglers))
        if token is not None and token.mailbox is not None:
            boxes[token.mailbox] = None
    readings = [_queue(queue, on_host) for queue in found if queue.host in hosts]
    looks = [_mailbox(box, on_host) for box in boxes if box.host in hosts]
    return list(await asyncio.gather(*readings, *looks))


async def _queue(queue: Queue, on_host: OnHost) -> Row:
    said = await on_host(queue.host, queues.script(queue.mta), WAIT)
    return queue_row(queue, queues.unasked(said.out) if said.exit is None else queues.reading(queue.mta, said.out))


async def _mailbox(box: Mailbox, on_host: OnHost) -> Row:
    # From its end on: a large mbox is not counted for this.
    return mailbox_row(box, await Box(box, whole=False).look(on_host, WAIT))


def queue_row(queue: Queue, read: Reading) -> Row:
    """What a reading means for the night."""
    what = f"queue of {queue.mta}"
    if read.count < 0:
        return judge.warn(queue.host, what, f"cannot be read: {read.reason}", _RIGHTS)
    words = f"{read.count} waiting" + (f", the oldest because: {read.reason}" if read.reason else "")
    return judge.good(queue.host, what, words)


def mailbox_row(box: Mailbox, look: Look) -> Row:
    """What a look means for the night."""
    what = f"mailbox {box.path}"
    if look.count < 0:
        absent = look.trouble == "there is none"
        return judge.warn(box.host, what, look.trouble, "see that the path is right" if absent else _RIGHTS)
    return judge.good(box.host, what, "can be read")
