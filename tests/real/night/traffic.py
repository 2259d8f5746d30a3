"""People who use the services all night long: they browse, write, send mail, log in and sit in a game.

    with Crowd(world, Names(resolver.address)) as crowd:
        crowd.browse("osf", "http://osf.karl.test/")
        crowd.write("osf", "http://osf.karl.test/write")
        crowd.mail("osf", "list@osf.karl.test")
        ...the night...
        crowd.home()

Each kind at each service is one thread on the host `world`, with numbers of its own from 1 on. `home` ends it all, and waits
until the mail that could not be delivered so far has been taken: a mail server outside does not forget either.
"""

from __future__ import annotations

import asyncio
import http.client
import smtplib
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.real.night.ledger import Act, Kind, Ledger, Outcome
from tests.real.night.names import Names, NoAnswer
from tests.real.night.talk import Talker
from tests.real.rig import RealHost

Tried = tuple[Outcome, str, str]
"""What became of one act: outcome, who answered, what was said."""

SERVED_BY = "X-Served-By"
"""The header in which a web application says on which host it runs."""
PATIENCE = 30.0


class Crowd:
    """All people of a night, on one host. With the `ledger` of an earlier night they go on with its numbers."""

    def __init__(self, world: RealHost, names: Names, ledger: Ledger | None = None) -> None:
        self.ledger = ledger if ledger is not None else Ledger()
        self.names = names
        self.world = world
        self.broken: list[str] = []
        """What went wrong with the people themselves; must be empty."""
        self._going = threading.Event()
        self._going.set()
        self._threads: list[threading.Thread] = []

    # --- what people do -----------------------------------------------------------------------------------------------

    def browse(self, service: str, url: str, *, every: float = 0.25) -> None:
        """Somebody reads a page again and again, and goes where they are redirected. 200 is `taken`, any other answer `refused`, none at all `unknown`."""
        self._person("visit", service, every, lambda number: self._http("GET", f"{url}?visit={number}", ""))

    def write(self, service: str, url: str, *, every: float = 0.25) -> None:
        """Somebody writes through the web application: `n=NUMBER` is posted, once each. 2xx is an acknowledgement; a write
        that got no answer, or a bridge's 502 or 504, may have been taken or not: `unknown`."""
        self._person("write", service, every, lambda number: self._http("POST", url, f"n={number}"))

    def mail(self, service: str, to: str, *, every: float = 0.5, sender: str = "ann@outside.test") -> None:
        """Somebody writes mails, and their server delivers each: a 4xx or a lost connection is tried again until it is taken.
        `X-Night: SERVICE NUMBER` is in each. `unknown` is a try after which the message may be there, and comes again."""
        post = _Post(self, service, to, sender)
        self._person("message", service, every, post.send, post.rest)

    def login(
        self,
        service: str,
        user: str,
        name: str,
        key: Path,
        *,
        known_hosts: Path | None = None,
        command: str = "cat /etc/hostname",
        every: float = 1.0,
        kind: Kind = "login",
    ) -> None:
        """Somebody logs in over SSH with a key under the service's name and runs a command; `by` is what it printed. Without
        `known_hosts` any host key will do. With `kind` write the command leaves something of `$NUMBER` there, or fails."""
        check = (
            ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes"]
            if known_hosts is not None
            else ["-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"]
        )

        def act(number: int) -> Tried:
            at = self.names.address(name)
            text = f"NUMBER={number}; {command}"
            words = ["ssh", "-i", str(key), *check, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", f"{user}@{at}", text]  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            if done.returncode == 0:
                return "taken", done.stdout.strip(), ""
            return "refused", "", done.stderr.strip()[-200:]

        self._person(kind, service, every, act)

    def talk(self, service: str, name: str, port: int, talker: Talker, *, every: float = 0.3) -> None:
        """Somebody sits in a line-based session (a game, telnet) and says numbered lines; see `talk.Talker`. When the session
        drops they come back, and look the name up anew."""
        talker.where = lambda: (self.names.address(name), port)
        self._person("line", service, every, talker.say, talker.leave)

    # --- their life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._going.clear()
        if error is not None:
            return  # The threads are daemons: nothing waits for mail that will never be taken.
        self.home()

    def home(self, seconds: float = 60.0) -> Ledger:
        """No new acts; wait for what is under way. Raises AssertionError when somebody cannot finish."""
        self._going.clear()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.1, until - time.monotonic()))
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        self._threads.clear()
        assert not stuck, f"still under way after {seconds:g} s: {stuck}"
        assert not self.broken, self.broken
        return self.ledger

    async def see(
        self, kind: Kind, services: str | Iterable[str], count: int = 3, *, by: str = "", seconds: float = 120.0
    ) -> None:
        """Until so many more acts of a kind were taken (by a host), at one service or at each of several."""
        names = [services] if isinstance(services, str) else list(services)
        wanted = {service: len(self._taken(kind, service, by)) + count for service in names}
        until = time.monotonic() + seconds
        while lacking := [service for service in names if len(self._taken(kind, service, by)) < wanted[service]]:
            last = self.ledger.of(kind, lacking[0])[-3:]
            assert time.monotonic() < until, f"no {count} of kind {kind} at {lacking} {by}: {last}; {self.broken}"
            names = lacking
            await asyncio.sleep(0.05)

    def _taken(self, kind: Kind, service: str, by: str) -> list[Act]:
        return [act for act in self.ledger.of(kind, service, "taken") if not by or act.by == by]

    def _person(
        self,
        kind: Kind,
        service: str,
        every: float,
        act: Callable[[int], Tried | None],
        rest: Callable[[], object] = bool,
    ) -> None:
        """`act` is done once a number; None says that it writes its own acts down. `rest` ends what is under way."""

        def live() -> None:
            number = self.ledger.last(kind, service)
            with ExitStack() as stack:
                try:
                    stack.enter_context(self.world.standing())
                    while self._going.is_set():
                        number += 1
                        began = time.monotonic()
                        found = act(number)
                        if found is not None:
                            self.note(kind, service, number, found, began)
                        time.sleep(max(0.0, began + every - time.monotonic()))
                    rest()
                except Exception as error:
                    self.broken.append(f"{kind} at {service}: {type(error).__name__}: {error}")

        thread = threading.Thread(target=live, name=f"{kind} {service}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def note(self, kind: Kind, service: str, number: int, found: Tried, began: float) -> None:
        """Write an act down."""
        self.ledger.add(Act(kind, service, number, *found, began=began, ended=time.monotonic()))

    def _http(self, method: str, url: str, body: str, hops: int = 5) -> Tried:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port or 80
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        sent = False
        try:
            connection = http.client.HTTPConnection(self.names.address(name), port, timeout=PATIENCE)
            try:
                connection.connect()
                sent = True
                headers = {"Host": name, "Connection": "close", "User-Agent": "somebody"}
                if body:
                    headers["Content-Type"] = "application/x-www-form-urlencoded"
                connection.request(method, target, body or None, headers)
                answer = connection.getresponse()
                said = answer.read().decode(errors="replace")
            finally:
                connection.close()
        except NoAnswer as error:
            return "refused", "", str(error)
        except (OSError, http.client.HTTPException) as error:
            return ("unknown" if sent else "refused"), "", f"{type(error).__name__}: {error}"
        by = answer.getheader(SERVED_BY) or ""
        if 200 <= answer.status < 300:
            return "taken", by, str(answer.status)
        place = answer.getheader("Location") or ""
        if method == "GET" and answer.status in {301, 302, 307} and place and hops:
            return self._http(method, place, body, hops - 1)
        unsure = method != "GET" and answer.status in {500, 502, 504}
        return ("unknown" if unsure else "refused"), by, f"{answer.status} {said[:60]}"


class _Post:
    """A mail server outside, for one person."""

    def __init__(self, crowd: Crowd, service: str, to: str, sender: str) -> None:
        self._crowd = crowd
        self._service = service
        self._to = to
        self._sender = sender
        self._queue: list[int] = []
        self._again = 0.0

    def send(self, number: int) -> None:
        """Take one more message into the queue, and deliver what can be delivered."""
        self._queue.append(number)
        if time.monotonic() >= self._again:
            self._deliver()

    def rest(self) -> None:
        """Deliver the rest, however long it takes."""
        while self._queue:
            self._deliver()
            if self._queue:
                time.sleep(0.5)

    def _deliver(self) -> None:
        while self._queue:
            number, began = self._queue[0], time.monotonic()
            found = self._try(number)
            self._crowd.note("message", self._service, number, found, began)
            if found[0] != "taken":
                self._again = time.monotonic() + 0.5
                return
            self._queue.pop(0)

    def _try(self, number: int) -> Tried:
        text = (
            f"From: <{self._sender}>\r\nTo: <{self._to}>\r\nSubject: number {number}\r\n"
            f"Message-ID: <{self._service}.{number}@outside.test>\r\nX-Night: {self._service} {number}\r\n\r\n"
            f"This is message {number} of {self._service}.\r\n"
        )
        sent = False
        try:
            with smtplib.SMTP(self._crowd.names.exchange(self._to.partition("@")[2]), 25, "outside.test", 30) as server:
                by = server.ehlo()[1].decode(errors="replace").split()[0]
                code, said = server.mail(self._sender)
                if code < 400:
                    code, said = server.rcpt(self._to)
                if code >= 400:
                    return self._no(number, code, said, by)
                sent = True
                code, said = server.data(text.encode())
                if code >= 400:
                    return self._no(number, code, said, by)
                return "taken", by, said.decode(errors="replace")
        except smtplib.SMTPDataError as error:
            return self._no(number, error.smtp_code, error.smtp_error, "")
        except (OSError, smtplib.SMTPException) as error:
            return ("unknown" if sent else "refused"), "", f"{type(error).__name__}: {error}"

    def _no(self, number: int, code: int, said: bytes | str, by: str) -> Tried:
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        if code >= 500:
            # A real server would send it back: somebody's mail is lost, and that is no accident of the night.
            self._crowd.broken.append(f"message {number} of {self._service} was bounced: {code} {text}")
            return "taken", "bounced", text
        return "refused", by, f"{code} {text}"
