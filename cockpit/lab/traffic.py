"""The world: people who come to a stage's services all the time, by what their resolver tells them, and what became of it.

What was taken from them is written down with a token of its own, so that at the end each can be looked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import msgspec

from cockpit.lab import smtp
from cockpit.lab.addresses import Addresses
from cockpit.lab.wire import ask

PACE = 1.2
"""Mean seconds between two acts of one person; with six visitors that is about five requests a second in all."""
AGENTS = ("Mozilla/5.0 (X11; Linux)", "Mozilla/5.0 (Macintosh)", "Opera/9.80", "FeedReader/2.1")
PATIENCE = 60.0
"""Seconds that a visitor waits for a page; a busy machine is slow, and that is no trouble of the servers."""
ATTEMPTS = (5.0, 5.0, 10.0)
"""Seconds that one resolver has for an answer, question by question: a datagram may get lost, as stub resolvers know."""
LIMIT = 64 * 1024
TROUBLE = (OSError, TimeoutError, ValueError, dns.exception.DNSException, asyncio.IncompleteReadError)


@contextlib.asynccontextmanager
async def patient(what: str) -> AsyncIterator[None]:
    """Gives up after a visitor's patience. Raises TimeoutError with a sentence."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise TimeoutError(f"{what} was not answered within {PATIENCE:g} s") from None


class Act(msgspec.Struct, frozen=True):
    """Something that was taken from somebody: its kind, whose service, and the token that it holds."""

    kind: str
    service: str
    token: str


class Tally:
    """What became of everybody's acts."""

    def __init__(self, *kinds: str) -> None:
        self.answers: Counter[int] = Counter()
        self.failures = 0
        self.trouble: list[str] = []
        """The first failures, as sentences."""
        self.taken: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        self.refused: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        self.acts: list[Act] = []
        self.warned: dict[str, str] = {}
        """The loss that was accepted beforehand, by the token of whoever was told of it in the very answer."""

    def take(self, act: Act) -> None:
        """Somebody's act was acknowledged."""
        self.taken[act.kind] += 1
        self.acts.append(act)

    def fail(self, who: str, why: str) -> None:
        """Something was neither taken nor refused in words: a connection broke, a name has no address."""
        self.failures += 1
        if len(self.trouble) < 20:
            self.trouble.append(f"{who}: {why}")

    def as_dict(self) -> dict[str, object]:
        """For the control socket."""
        return {
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
            "failures": self.failures,
            **dict(sorted(self.taken.items())),
            **{f"{kind}_refused": count for kind, count in sorted(self.refused.items())},
        }


class Person:
    """Somebody with an address and a resolver of their own; never more than one act at a time."""

    def __init__(self, who: str, where: Addresses, index: int, tally: Tally, pace: float = PACE) -> None:
        self.who = who
        self.where = where
        self.tally = tally
        self.chance = random.Random(index)
        self.count = 0
        self._source = where.visitor(index)
        own = index % len(where.resolvers)
        self._resolvers = (*where.resolvers[own:], *where.resolvers[:own])
        self._agent = AGENTS[index % len(AGENTS)]
        self._pace = pace

    @property
    def source(self) -> str:
        """The address that they come from."""
        return self._source

    async def act(self) -> None:
        """One thing that they do. What it raises of `TROUBLE` is counted as a failure."""
        raise NotImplementedError

    async def live(self) -> None:
        """Come and go for ever; what fails is counted."""
        await asyncio.sleep(self.chance.uniform(0, self._pace))
        while True:
            self.count += 1
            try:
                await self.act()
            except TROUBLE as error:
                self.tally.fail(self.who, str(error) or type(error).__name__)
            await asyncio.sleep(min(self.chance.expovariate(1 / self._pace), 4 * self._pace))

    def token(self) -> str:
        """A word that no other act has."""
        return f"{self._source}-{self.count:05d}"

    async def resolve(self, name: str, type: str = "A") -> list[str]:
        """What their resolver says of a name, at the end of its CNAMEs; the next one where it cannot tell.

        Raises OSError, TimeoutError, DNSException, ValueError."""
        wanted = dns.rdatatype.from_text(type)
        for server in self._resolvers:
            answer = await self._answer(name, type, server)
            found = [str(item) for one in answer.answer if one.rdtype == wanted for item in one]
            if answer.rcode() != dns.rcode.SERVFAIL:
                break
        if not found:
            raise ValueError(f"{name} has no {type} record: {dns.rcode.to_text(answer.rcode())}")
        return found

    async def _answer(self, name: str, type: str, server: str) -> dns.message.Message:
        for patience in ATTEMPTS:
            with contextlib.suppress(TimeoutError):
                return await ask(dns.message.make_query(name, type), server, self.where.dns_port, timeout=patience)
        raise TimeoutError(f"{server} gave no answer for {name} {type} within {sum(ATTEMPTS):g} s")

    async def exchanger(self, domain: str) -> str:
        """The address of the best mail server of a domain."""
        best = min(await self.resolve(domain, "MX"), key=lambda record: int(record.split()[0]))
        return (await self.resolve(best.split()[1].rstrip(".")))[0]

    async def http(
        self, address: str, name: str, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body. Raises OSError, TimeoutError or ValueError."""
        more = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
        async with patient(f"{method} {path}"):
            reader, writer = await asyncio.open_connection(address, self.where.http_port, local_addr=(self._source, 0))
            try:
                head = (
                    f"{method} {path} HTTP/1.1\r\nHost: {name}:{self.where.http_port}\r\nUser-Agent: {self._agent}\r\n"
                    f"{more}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                status = int((await reader.readline()).split()[1])
                rest = b""
                while chunk := await reader.read(LIMIT):
                    rest = (rest + chunk)[-4 * LIMIT :]
            except IndexError:
                raise ValueError("an empty answer") from None
            finally:
                writer.close()
        self.tally.answers[status] += 1
        return status, rest.partition(b"\r\n\r\n")[2]

    async def give(self, address: str, name: str, path: str, kind: str, service: str, text: str = "n={token}") -> bool:
        """POST something with a token of its own, `{token}` in the text: 201 is taken, 503 is refused in words, anything else
        is a failure. Whether it was taken. Raises as `http`."""
        token = self.token()
        status, said = await self.http(address, name, "POST", path, text.replace("{token}", token).encode())
        if status == 201:
            self.tally.take(Act(kind, service, token))
        elif status == 503:
            self.tally.refused[kind] += 1
        else:
            self.tally.fail(self.who, f"{path} was answered with {status}: {said[:60]!r}")
        return status == 201

    async def read(self, address: str, name: str, path: str, *, announced: bool = False) -> None:
        """GET a page; another status than 200 is a failure. Where people were told of maintenance beforehand (`announced`),
        its page, a 503, is a refusal in words. Raises as `http`."""
        status, said = await self.http(address, name, "GET", path)
        if announced and status == 503:
            self.tally.refused["pages"] += 1
        elif status != 200:
            self.tally.fail(self.who, f"{path} was answered with {status}: {said[:60]!r}")

    async def mail(self, address: str, recipient: str, service: str, kind: str = "mails") -> bool:
        """Hand a message with a token to the server at an address. Whether it was taken."""
        token = self.token()
        text = (
            f"From: reader{self.count}@example.net\r\nSubject: note {self.count}\r\nX-Token: {token}\r\n\r\n"
            f"Hello from {self._source}.\r\n"
        )
        sender = f"reader{self.count}@example.net"
        try:
            await smtp.send((address, self.where.smtp_port), sender, recipient, text.encode(), source=self._source)
        except smtp.MailRefused:
            self.tally.refused[kind] += 1
            return False
        self.tally.take(Act(kind, service, token))
        return True
