"""A name server of the lab says the same again without working it out, and never what does not hold any more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import dns.message
import dns.rdatatype
import dns.rrset

from cockpit.lab import wire
from cockpit.lab.wire import DnsServer
from tests.probes.naming import free_port

NAME = "Www.Example.Test."


class Counting:
    """An answer that tells how many there were before, as the last octet of an address."""

    def __init__(self) -> None:
        self.count = 0
        self.version: Hashable | None = 1

    async def reply(self, message: dns.message.Message, tcp: bool) -> dns.message.Message:
        self.count += 1
        response = dns.message.make_response(message)
        response.answer.append(dns.rrset.from_text(message.question[0].name, 5, "IN", "A", f"192.0.2.{self.count}"))
        await asyncio.sleep(0)
        return response


@asynccontextmanager
async def serving(told: Counting) -> AsyncIterator[int]:
    port = free_port()
    server = DnsServer("counting", "127.0.0.1", port, told.reply, version=lambda _: told.version)
    await server.start()
    try:
        yield port
    finally:
        await server.stop()


async def said(port: int, name: str = NAME, **options: object) -> str:
    """The address; the question has to come back in the very letters."""
    query = dns.message.make_query(name, "A", **options)  # type: ignore[arg-type]
    answer = await wire.ask(query, "127.0.0.1", port)
    assert query.is_response(answer)
    assert answer.question[0].name.to_text() == name
    assert answer.answer[0].name.to_text().lower() == name.lower()
    return str(answer.answer[0][0])


async def test_the_same_question_in_any_letters_is_worked_out_once() -> None:
    told = Counting()
    async with serving(told) as port:
        for name in (NAME, NAME.lower(), NAME.upper(), "wWw.eXample.tESt."):
            assert await said(port, name) == "192.0.2.1"
        assert await said(port, "other.example.test.") == "192.0.2.2"
        assert await said(port, use_edns=0, payload=1232) == "192.0.2.3", "an answer to EDNS is another one"
        assert await said(port) == "192.0.2.1"


async def test_what_an_answer_depends_on_is_asked_each_time() -> None:
    told = Counting()
    async with serving(told) as port:
        assert [await said(port), await said(port)] == ["192.0.2.1", "192.0.2.1"]
        told.version = 2
        assert [await said(port), await said(port)] == ["192.0.2.2", "192.0.2.2"]
        told.version = None
        assert [await said(port), await said(port)] == ["192.0.2.3", "192.0.2.4"]


async def test_an_answer_during_which_something_changed_is_not_kept() -> None:
    told = Counting()

    async def reply(message: dns.message.Message, tcp: bool) -> dns.message.Message:
        response = await Counting.reply(told, message, tcp)
        told.version = told.count
        return response

    told.version = 0
    told.reply = reply  # type: ignore[method-assign]
    async with serving(told) as port:
        assert [await said(port) for _ in range(3)] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


async def test_a_type_whose_number_reads_as_a_letter_is_a_question_of_its_own() -> None:
    told = Counting()
    async with serving(told) as port:
        for type in (65, 97):
            query = dns.message.make_query(NAME, dns.rdatatype.RdataType.make(type))
            await wire.ask(query, "127.0.0.1", port)
    assert told.count == 2


async def test_what_has_come_while_the_server_was_busy_is_answered_at_once() -> None:
    told = Counting()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        async with serving(told) as port:
            await said(port)
            wanted = set(range(150))
            for id in wanted:
                query = dns.message.make_query(NAME, "A", id=id)
                asking.sendto(query.to_wire(), ("127.0.0.1", port))
            for _ in range(10):
                await asyncio.sleep(0)
        heard = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.add(dns.message.from_wire(asking.recv(512)).id)
    assert heard == wanted, "within ten turns of the loop"
