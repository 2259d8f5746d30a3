"""Questions over UDP: one socket carries many at the same time, and believes only what answers one of them.

An answer is matched on the socket, the server's address and port, the id, the question, and the case of the letters in its
name, which is random (RFC 5452 §4; draft-vixie-dnsext-dns0x20). Whatever else arrives is counted and dropped.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections import deque

from cockpit.probes.dns.wire import Question, answers, query

OUTSTANDING = 512
"""Questions on one socket; one more waits."""
TICK = 0.02
"""Seconds between looks at what is overdue."""
AGAIN = 0.4
"""Share of the time after which a question is sent once more."""
BATCH = 64
"""Datagrams taken before other tasks get their turn."""
ROOM = 4096
"""Bytes of a datagram that are read; answers of 1232 are asked for."""
BUFFER = 1 << 20
LOOKS = 8
"""Datagrams of strangers in a tick that are compared with every question, so that a server which answers from another of its
addresses is told."""
STRANGERS = 1024
"""Addresses of which it is counted what they send unasked."""
_POOL = 8192

Peer = tuple[str, int]
_RECVERR = ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))
"""IP_RECVERR and IPV6_RECVERR (linux/in.h, linux/in6.h): a closed port is told of with the question that found it."""


class NoAnswer(Exception):
    """No answer came; the text says what was seen instead."""


class Folded(Exception):
    """The server answers, and does not keep the case of the letters in the question."""


class _Waiting:
    """A question under way."""

    __slots__ = (
        "again",
        "before",
        "case",
        "deadline",
        "elsewhere",
        "error",
        "found",
        "ignored",
        "question",
        "to",
        "wire",
    )

    def __init__(
        self,
        to: Peer,
        question: Question,
        case: bytes,
        wire: bytes,
        found: asyncio.Future[bytes],
        began: float,
        timeout: float,
        before: int,
    ) -> None:
        self.to = to
        self.question = question
        self.case = case
        self.wire = wire
        self.found = found
        self.deadline = began + timeout
        self.again = began + timeout * AGAIN
        self.ignored = 0
        self.before = before
        self.error = ""
        self.elsewhere = ""
        """Who else answered it."""


class Datagrams:
    """A UDP socket of one address family. Raises OSError where the system gives none. Belongs to the loop it is made in."""

    def __init__(self, family: socket.AddressFamily) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        if sys.platform == "linux":
            self._socket.setsockopt(*_RECVERR[family == socket.AF_INET6], 1)
        self._socket.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
        self._loop.add_reader(self._socket, self._readable)
        self._waiting: dict[tuple[Peer, bytes], _Waiting] = {}
        self._queue: deque[asyncio.Future[None]] = deque()
        """Questions that wait for a place."""
        self._tick: asyncio.TimerHandle | None = None
        self._pool = b""
        self._at = 0
        self._looks = LOOKS
        self._strange: dict[Peer, int] = {}
        """Datagrams of a server that was asked, to no question that was under way: spoofed, or late."""
        self.ignored = 0
        """Datagrams that answered no question."""

    @property
    def outstanding(self) -> int:
        """Questions under way."""
        return len(self._waiting)

    @property
    def port(self) -> int:
        """Where answers come to."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Give the socket back; questions under way end without an answer."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for waiting in self._waiting.values():
            if not waiting.found.done():
                waiting.found.set_exception(NoAnswer("no answer: the questions have ended"))
        self._waiting.clear()

    async def ask(
        self, to: Peer, question: Question, flags: int, opt: bytes, timeout: float, *, cased: bool = True
    ) -> bytes:
        """The message that answers. Raises NoAnswer when there is none within `timeout` seconds, Folded for a server that
        changes the case of names, and OSError for an address that cannot be reached from here."""
        began = self._loop.time()
        if len(self._waiting) >= OUTSTANDING:
            timeout = await self._turn(began + timeout)
            began = self._loop.time()
        id = self._random(2)
        while (to, id) in self._waiting:
            id = self._random(2)
        case = question.cased(self._random(len(question.qname))) if cased else question.qname
        wire = query(id, flags, case, question.tail, opt)
        found: asyncio.Future[bytes] = self._loop.create_future()
        waiting = _Waiting(to, question, case, wire, found, began, timeout, self._strange.get(to, 0))
        key = (to, id)
        self._waiting[key] = waiting
        try:
            self._send(waiting)
            if self._tick is None:
                self._tick = self._loop.call_later(TICK, self._look)
            return await found
        finally:
            self._waiting.pop(key, None)
            if self._queue:
                self._next()

    async def _turn(self, until: float) -> float:
        """Wait for a place; the seconds that are left then."""
        while len(self._waiting) >= OUTSTANDING:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._queue.append(turn)
            mine = False
            try:
                async with asyncio.timeout_at(until):
                    await turn
                mine = True
            except TimeoutError:
                raise NoAnswer("too many questions are under way to ask this one in time") from None
            finally:
                # A place that came in the very moment of giving up goes to the next.
                if not mine and not turn.cancel():
                    self._next()
        return until - self._loop.time()

    def _next(self) -> None:
        """Give the place that came free to whoever has waited longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _random(self, size: int) -> bytes:
        at = self._at
        if at + size > len(self._pool):
            self._pool = os.urandom(_POOL)
            at = 0
        self._at = at + size
        return self._pool[at : at + size]

    def _send(self, waiting: _Waiting) -> None:
        for left in (2, 1, 0):
            try:
                self._socket.sendto(waiting.wire, waiting.to)
            except BlockingIOError:  # No room: it counts as lost, and is sent again.
                return
            except OSError:
                # What an earlier question met is told here first.
                if not left:
                    raise
            else:
                return

    def _readable(self) -> None:
        receive = self._socket.recvfrom
        for _ in range(BATCH):
            try:
                data, peer = receive(ROOM)
            except BlockingIOError:
                break
            except OSError:
                break
            key = (peer[:2], data[:2])
            waiting = self._waiting.get(key)
            if waiting is None:
                self._stranger(peer[:2], data)
            elif answers(data, waiting.case, waiting.question.tail):
                if not waiting.found.done():
                    waiting.found.set_result(data)
            else:
                self._unfit(waiting, data)
        else:
            return
        self._errors()

    def _stranger(self, peer: Peer, data: bytes) -> None:
        self.ignored += 1
        if peer in self._strange or len(self._strange) < STRANGERS:
            self._strange[peer] = self._strange.get(peer, 0) + 1
        if not self._looks:
            return
        self._looks -= 1
        for waiting in self._waiting.values():
            if waiting.wire[:2] == data[:2] and answers(data, waiting.case, waiting.question.tail):
                waiting.elsewhere = f"{peer[0]} port {peer[1]}"

    def _unfit(self, waiting: _Waiting, data: bytes) -> None:
        question = waiting.question
        size = len(question.qname)
        lower = data[:12] + data[12 : 12 + size].lower() + data[12 + size :]
        if answers(lower, question.qname, question.tail):
            if waiting.found.done():
                return
            if waiting.case == question.qname:  # Asked in plain letters: their case proves nothing.
                waiting.found.set_result(data)
            else:
                waiting.found.set_exception(Folded())
            return
        self.ignored += 1
        waiting.ignored += 1

    def _errors(self) -> None:
        """Take what the network says of questions that it could not deliver; left there, it would wake us for ever."""
        if sys.platform != "linux":
            return
        for _ in range(BATCH):
            try:
                data, about, _, peer = self._socket.recvmsg(ROOM, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            waiting = self._waiting.get((peer[:2], data[:2]))
            for _, _, told in about:
                if waiting is not None and len(told) >= 4:
                    first = not waiting.error
                    waiting.error = os.strerror(struct.unpack_from("=I", told)[0])
                    # Once may be a server that starts anew; it is asked again before this is believed.
                    if not first and not waiting.again:
                        self._give_up(waiting)

    def _look(self) -> None:
        """Send again what is due, and end what is overdue."""
        now = self._loop.time()
        self._looks = LOOKS
        for waiting in list(self._waiting.values()):
            if now >= waiting.deadline:
                self._give_up(waiting)
            elif waiting.again and now >= waiting.again:
                waiting.again = 0.0
                try:
                    self._send(waiting)
                except OSError as error:
                    waiting.error = error.strerror or str(error)
        if self._waiting:
            self._tick = self._loop.call_later(TICK, self._look)
        else:
            self._tick = None
            self._strange.clear()

    def _give_up(self, waiting: _Waiting) -> None:
        if waiting.found.done():
            return
        said = "no answer in time"
        if waiting.error:
            said = f"no answer: {waiting.error}"
        if waiting.elsewhere:
            said += f"; one came from {waiting.elsewhere}, which was not asked"
        ignored = waiting.ignored + self._strange.get(waiting.to, 0) - waiting.before
        if ignored > 0:
            said += f", and {ignored} that did not match the question were ignored"
        waiting.found.set_exception(NoAnswer(said))
