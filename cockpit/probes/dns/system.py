"""The operating system's own resolver, which sees /etc/hosts and whatever else nsswitch.conf names.

It tells no TTL and no flags, so an answer of it has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable

import dns.exception
import dns.name
import dns.reversename

from cockpit.probes.dns.answer import Answer, normal
from cockpit.probes.dns.wire import Question

THREADS = 4
"""Questions at the same time; one that the system does not answer holds its thread for as long as the system likes."""
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
_NONAME, _AGAIN, _NODATA = socket.EAI_NONAME, socket.EAI_AGAIN, getattr(socket, "EAI_NODATA", -5)
_HOST_NOT_FOUND, _NO_DATA = 1, 4
"""netdb.h."""


class System:
    """Asks it in threads of its own, a few at the same time."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(THREADS)

    async def ask(self, question: Question) -> Answer:
        """The caller limits the time. Never raises for what the system answers."""
        if question.type in _FAMILIES:
            return await self._thread(lambda: _addresses(question))
        if question.type == "PTR":
            return await self._thread(lambda: _pointer(question))
        return Answer(
            type=question.type,
            trouble=f"the system's resolver cannot be asked for {question.type}: only for A, AAAA and PTR",
        )

    async def _thread(self, work: Callable[[], Answer]) -> Answer:
        # A daemon thread of its own: the program ends although a lookup hangs.
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        found: asyncio.Future[Answer] = loop.create_future()

        def take(answer: Answer) -> None:
            self._free.release()
            if not found.done():
                found.set_result(answer)

        def run() -> None:
            answer = work()
            with contextlib.suppress(RuntimeError):  # The loop has ended meanwhile.
                loop.call_soon_threadsafe(take, answer)

        try:
            threading.Thread(target=run, name="system resolver", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            return Answer(trouble=f"the system gives no thread to ask its resolver: {error}")
        return await found


def _addresses(question: Question) -> Answer:
    try:
        found = socket.getaddrinfo(question.name, None, _FAMILIES[question.type], socket.SOCK_STREAM)
    except socket.gaierror as error:
        return _failed(question, error.errno, nothing=_NONAME, nodata=_NODATA)
    except (OSError, ValueError) as error:
        return Answer(type=question.type, trouble=f"the system's resolver failed: {error}")
    values = {normal(question.type, str(address[0]).partition("%")[0]) for *_, address in found}
    return Answer(type=question.type, rcode="NOERROR", values=tuple(sorted(values)))


def _pointer(question: Question) -> Answer:
    try:
        address = dns.reversename.to_address(dns.name.from_text(question.name))
    except (dns.exception.DNSException, ValueError):
        return Answer(type=question.type, trouble="the system's resolver knows names of addresses only")
    try:
        name, aliases, _ = socket.gethostbyaddr(address)
    except socket.herror as error:
        return _failed(question, error.errno, nothing=_HOST_NOT_FOUND, nodata=_NO_DATA)
    except (OSError, ValueError) as error:
        return Answer(type=question.type, trouble=f"the system's resolver failed: {error}")
    pointers = {normal("PTR", one) for one in (name, *aliases) if not one.endswith(".arpa")}
    return Answer(type=question.type, rcode="NOERROR", values=tuple(sorted(pointers)))


def _failed(question: Question, code: int | None, *, nothing: int, nodata: int) -> Answer:
    if code == nothing:
        return Answer(type=question.type, rcode="NXDOMAIN")
    if code == nodata:
        return Answer(type=question.type, rcode="NOERROR")
    why = "it could not ask anybody, try again" if code in {_AGAIN, 2} else f"error {code}"
    return Answer(type=question.type, trouble=f"the system's resolver gave no answer: {why}")
