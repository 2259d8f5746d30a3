"""Asking the person who drives: passwords, passphrases, whether a host key is the right one. Answers stay in memory."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import sys
import termios
import threading
from collections.abc import Callable
from typing import Literal

from cockpit.conductor.sources import MOST, answer_name
from cockpit.conductor.vault import Vault
from cockpit.engine.ledger import Ledger
from cockpit.events import Answered, Asked, AskGivenUp, Who
from cockpit.text import harmless

WAIT = 900.0
"""Seconds for which a question waits for its answer."""

NOBODY = Who()
"""Of an answer at the conductor's own terminal, the account says it all."""

Person = Literal["screen", "terminal", "nobody"]
"""Who can be asked: whoever drives, whoever sits at the conductor's own terminal, or nobody."""
_FINGERPRINT = re.compile(r"(?:SHA256:|MD5:)([A-Za-z0-9+/=:]{8,})")


class NotAnswered(Exception):
    """There is no answer; the sentence says why, and what else could be done."""


class _Open:
    """A question that is open, and how many wait for it."""

    def __init__(self, exact: str, judge: Callable[[str], str]) -> None:
        self.exact = exact
        self.judge = judge
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self.leave: Callable[[], None] = lambda: None
        """Leaves the terminal as it was."""


class Asker:
    """Asks each thing once. `answer` takes what the person said."""

    def __init__(self, ledger: Ledger, vault: Vault, person: Person = "screen", wait: float = WAIT) -> None:
        self._ledger = ledger
        self._vault = vault
        self._person: Person = person
        self._wait = wait
        self._open: dict[str, _Open] = {}
        self._known: dict[str, str] = {}
        self._confirmed: set[str] = set()
        self._refused: dict[str, str] = {}
        self._terminal = threading.Lock()
        """Held by the question that is on the terminal: one at a time."""

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the questions that wait."""
        return tuple(self._open)

    async def ask(self, name: str, question: str, judge: Callable[[str], str] | None = None) -> str:
        """The answer to a question, from the person, once; later from memory. The environment may answer beforehand:
        `COCKPIT_SECRET_` and the name in capitals. `judge` says why an answer will not do, '' when it will.

        Raises NotAnswered when nobody can be asked, when it was refused, or when nobody answered in time."""
        if name not in self._known:
            given = os.environ.get(answer_name(name))
            if given is None:
                given = await self._asked(name, question, "", judge or _anything)
            self._keep(name, given)
        return self._known[name]

    async def confirm(self, name: str, question: str, exact: str = "") -> bool:
        """Whether the person says yes, by typing `exact`: without it, the last 8 characters of the fingerprint in the question,
        else the name. Whatever goes wrong is a no; only a yes and a spoken no are remembered."""
        if name not in self._confirmed:
            try:
                await self._asked(name, question, exact or to_type(name, question), _anything)
            except NotAnswered:
                return False
            self._confirmed.add(name)
        return True

    def forget(self, name: str) -> None:
        """An answer was wrong, or a refusal is over: the next one who needs it asks again."""
        self._known.pop(name, None)
        self._refused.pop(name, None)
        self._confirmed.discard(name)

    def answer(self, name: str, text: str | None, by: str, who: Who = NOBODY) -> str:
        """Take an answer, or None for a refusal to answer. `by` is who said it, in words; `who` is what is known of them. Returns
        '' when it was taken, otherwise the sentence why not."""
        found = self._open.get(name)
        if found is None or found.answer.done():
            return f"nothing asks for {name} any more"
        if text is None:
            self._refused[name] = f"{name}: {by} gives no answer"
            self._ledger.post(AskGivenUp(name=name, reason=f"{by} gives no answer", who=who), by)
            found.answer.set_exception(NotAnswered(self._refused[name]))
            return ""
        if found.exact:
            if text.strip() != found.exact:
                return f"a yes is {found.exact}, typed as it stands there"
        else:
            why = _unusable(text) or found.judge(text)
            if why:
                return f"{name}: {why}"
            self._keep(name, text)
        self._ledger.post(Answered(name=name, by=by, who=who), by)
        found.answer.set_result(text)
        return ""

    def _keep(self, name: str, value: str) -> None:
        """Remember an answer; from here on it is taken out of everything."""
        if self._known.get(name) == value:
            return
        self._known[name] = value
        why = self._vault.put(name, value)
        if why:
            self._ledger.trouble(f"the answer to {name} is not taken out of what is written down: {why}")

    async def _asked(self, name: str, question: str, exact: str, judge: Callable[[str], str]) -> str:
        if name in self._refused:
            raise NotAnswered(self._refused[name])
        if self._person == "nobody":
            raise NotAnswered(f"{name}: {headless(name)}")
        found = self._open.get(name)
        if found is None:
            found = self._open[name] = _Open(exact, judge)
            # Whoever waits may be gone when it comes.
            found.answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            question = harmless(question, 600)
            self._ledger.post(Asked(name=name, question=question, secret=not exact, exact=exact), "conductor")
            if self._person == "terminal":
                found.leave = _at_terminal(name, question, exact, self.answer, self._terminal)
        found.waiting += 1
        reason = "nobody needs it any more"
        try:
            async with asyncio.timeout(self._wait):
                return await asyncio.shield(found.answer)
        except TimeoutError:
            reason = f"nobody answered within {self._wait:.0f} s"
            raise NotAnswered(f"{name}: {reason}") from None
        finally:
            found.waiting -= 1
            if not found.waiting and self._open.get(name) is found:
                del self._open[name]
                found.leave()
                if not found.answer.done():
                    self._ledger.post(AskGivenUp(name=name, reason=reason), "conductor")


def headless(name: str) -> str:
    """Why a headless run has no answer, and what to do."""
    return (
        f"nobody can be asked in a headless run; set {answer_name(name)}, give another source, or run it on a terminal"
    )


def to_type(name: str, question: str) -> str:
    """What stands for a yes: the end of the fingerprint that is asked about."""
    found = _FINGERPRINT.search(question)
    return found[1].rstrip("=")[-8:] if found else name


def _anything(text: str) -> str:
    return ""


def _unusable(text: str) -> str:
    if not text:
        return "an empty answer is none"
    if "\0" in text or "\n" in text:
        return "it holds a sign that no password can hold"
    return f"it has more than {MOST} bytes" if len(text.encode()) > MOST else ""


def _at_terminal(
    name: str, question: str, exact: str, answer: Callable[[str, str | None, str], str], turn: threading.Lock
) -> Callable[[], None]:
    """Ask on the terminal, in a thread that ends with the program: nothing can take a person's next line away. What it returns
    shows again what is typed, should the question be left in the middle."""
    loop = asyncio.get_running_loop()
    before: list[object] = []
    with contextlib.suppress(termios.error, AttributeError, OSError, ValueError):
        before = termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]

    def leave() -> None:
        with contextlib.suppress(termios.error, AttributeError, OSError, ValueError):
            if before:
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, before)  # type: ignore[union-attr,arg-type]

    def asking() -> None:
        refusal = ""
        with turn, contextlib.suppress(RuntimeError):  # The run ended before the answer.
            while True:
                text = typed(f"{refusal}\n{question}" if refusal else question, exact)
                told = asyncio.run_coroutine_threadsafe(_later(answer, name, text, getpass.getuser()), loop)
                refusal = told.result()
                if not refusal or text is None:
                    return

    threading.Thread(target=asking, name=f"question {name}", daemon=True).start()
    return leave


def typed(question: str, exact: str = "") -> str | None:
    """What somebody types on the terminal, unseen where it is a secret; None for nothing."""
    try:
        if not exact:
            # Not through the redactor: it waits for whole lines.
            return getpass.getpass(f"{question}: ", sys.__stderr__) or None
        print(f"{question}\nType {exact} for yes: ", end="", file=sys.__stderr__, flush=True)
        return sys.stdin.readline().strip() or None
    except (EOFError, OSError):
        return None


async def _later(answer: Callable[[str, str | None, str], str], name: str, text: str | None, by: str) -> str:
    return answer(name, text, by)
