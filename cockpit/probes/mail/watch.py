"""The watches of mail: the domain's servers, messages of our own, queues, and what is left in old mailboxes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cockpit.events import QueueSeen, StragglersSeen
from cockpit.plan.model import Service
from cockpit.plan.watched import Mail, Mailbox, Queue
from cockpit.probes.context import AGAIN, Context, Watch
from cockpit.probes.mail import mx, queues, tokens
from cockpit.probes.mail.boxes import Box, Look


def watches(context: Context) -> Iterator[Watch]:
    """The watches of every service that has mail."""
    for service in context.plan.services:
        if service.mail is None or service.disposition == "drop":
            continue
        mail = service.mail
        yield from mx.watches(context, service, mail)
        yield from tokens.watches(context, service, mail)
        for queue in mail.queues:
            yield Watch(f"queue on {queue.host}", partial(_queue, context, service, mail, queue))
        for box in mail.stragglers:
            yield Watch(f"mailbox {box.path} on {box.host}", partial(_stragglers, context, service, mail, box))


async def _queue(context: Context, service: Service, mail: Mail, queue: Queue) -> None:
    told: tuple[object, float] = (None, 0.0)
    while True:
        said = await context.on_host(queue.host, queues.script(queue.mta), mail.timeout)
        read = queues.unasked(said.out) if said.exit is None else queues.reading(queue.mta, said.out)
        now = context.clock.monotonic()
        if (read.count, read.reason) != told[0] or now - told[1] >= AGAIN:
            told = ((read.count, read.reason), now)
            context.emit(
                QueueSeen(
                    service=service.id,
                    host=queue.host,
                    mta=queue.mta,
                    count=read.count,
                    oldest=round(read.oldest, 1),
                    reason=read.reason,
                )
            )
        await context.clock.sleep(mail.every)


async def _stragglers(context: Context, service: Service, mail: Mail, box: Mailbox) -> None:
    reader = Box(box, whole=True)
    began = context.before.started or context.clock.utc()
    told: tuple[Look | None, float] = (None, 0.0)
    while True:
        look = await reader.look(context.on_host, mail.timeout, elapsed=context.clock.utc() - began)
        now = context.clock.monotonic()
        if look != told[0] or now - told[1] >= AGAIN:
            told = (look, now)
            context.emit(
                StragglersSeen(
                    service=service.id,
                    host=box.host,
                    path=box.path,
                    count=look.count,
                    since=look.since,
                    newest=look.newest,
                    detail=look.trouble,
                )
            )
        await context.clock.sleep(mail.every)
