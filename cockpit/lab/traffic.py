"""The world: visitors that browse, post and write mail to every client all the time, by what their resolver tells them."""

from __future__ import annotations

import asyncio
import random

import dns.exception
import dns.message
import dns.rdatatype

from cockpit.lab import smtp
from cockpit.lab.addresses import Addresses
from cockpit.lab.host import DOMAIN
from cockpit.lab.wire import ask

PACE = 1.2
"""Mean seconds between two acts of one visitor; with six clients that is about five requests a second in all."""
AGENTS = ("Mozilla/5.0 (X11; Linux)", "Mozilla/5.0 (Macintosh)", "Opera/9.80", "FeedReader/2.1")
LIMIT = 64 * 1024


class Tally:
    """What became of the visitors' acts."""

    def __init__(self) -> None:
        self.answers: dict[int, int] = {}
        self.failures = 0
        self.posts = 0
        self.mails = 0
        self.mails_refused = 0

    def as_dict(self) -> dict[str, object]:
        """For the control socket."""
        return {
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
            "failures": self.failures,
            "posts": self.posts,
            "mails": self.mails,
            "mails_refused": self.mails_refused,
        }


class Visitor:
    """One visitor of one client, with an address and a resolver of their own; never more than one act at a time."""

    def __init__(self, client: str, where: Addresses, index: int, tally: Tally) -> None:
        self._client = client
        self._name = f"{client}.{DOMAIN}"
        self._where = where
        self._source = where.visitor(index)
        self._resolver = where.resolvers[index % len(where.resolvers)]
        self._agent = AGENTS[index % len(AGENTS)]
        self._chance = random.Random(index)
        self._tally = tally
        self._count = 0

    async def live(self) -> None:
        """Come and go for ever; what fails is counted."""
        await asyncio.sleep(self._chance.uniform(0, PACE))
        while True:
            try:
                await self._act()
            except (OSError, TimeoutError, ValueError, dns.exception.DNSException, asyncio.IncompleteReadError):
                self._tally.failures += 1
            await asyncio.sleep(min(self._chance.expovariate(1 / PACE), 4 * PACE))

    async def _act(self) -> None:
        self._count += 1
        address = await self._resolve()
        kind = self._chance.random()
        if kind < 0.15:
            await self._write_mail(address)
        elif kind < 0.30:
            body = f"entry {self._count} by {self._source}\n".encode()
            if await self._http(address, "POST", "/post", body) == 201:
                self._tally.posts += 1
        else:
            path = "/login" if kind < 0.8 else self._chance.choice(("/", "/pages/page-0000.html", "/whoami"))
            await self._http(address, "GET", path)

    async def _resolve(self) -> str:
        query = dns.message.make_query(self._name, "A")
        answer = await ask(query, self._resolver, self._where.dns_port, timeout=3)
        for one in answer.answer:
            if one.rdtype == dns.rdatatype.A:
                return str(next(iter(one)).address)
        raise ValueError(f"{self._name} has no address")

    async def _http(self, address: str, method: str, path: str, body: bytes = b"") -> int:
        async with asyncio.timeout(8):
            reader, writer = await asyncio.open_connection(address, self._where.http_port, local_addr=(self._source, 0))
            try:
                head = (
                    f"{method} {path} HTTP/1.1\r\nHost: {self._name}:{self._where.http_port}\r\n"
                    f"User-Agent: {self._agent}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                status = int((await reader.readline()).split()[1])
                while await reader.read(LIMIT):
                    pass
            except IndexError:
                raise ValueError("an empty answer") from None
            finally:
                writer.close()
        self._tally.answers[status] = self._tally.answers.get(status, 0) + 1
        return status

    async def _write_mail(self, address: str) -> None:
        text = f"From: reader{self._count}@example.net\r\nSubject: note {self._count}\r\n\r\nHello from {self._source}.\r\n"
        try:
            await smtp.send(
                (address, self._where.smtp_port),
                f"reader{self._count}@example.net",
                f"list@{self._name}",
                text.encode(),
                source=self._source,
            )
            self._tally.mails += 1
        except smtp.MailRefused:
            self._tally.mails_refused += 1
