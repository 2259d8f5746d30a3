"""The person at the terminal of `cockpit preflight`, asked for passwords, passphrases and host keys."""

from __future__ import annotations

import asyncio
import getpass
import sys


class Person:
    """Asks on the terminal; what is typed is not shown and not kept."""

    async def ask(self, name: str, question: str) -> str:
        """A secret, typed without echo."""
        return await asyncio.to_thread(getpass.getpass, f"{question}: ")

    async def confirm(self, name: str, question: str) -> bool:
        """A yes is the last 8 characters of the fingerprint, typed."""
        exact = question.partition("SHA256:")[2].split(". ")[0][-8:]
        print(
            f"{question}\nType its last 8 characters to let it in, anything else to refuse: ", end="", file=sys.stderr
        )
        sys.stderr.flush()
        said = await asyncio.to_thread(sys.stdin.readline)
        return bool(exact) and said.strip() == exact

    def forget(self, name: str) -> None:
        """Nothing is kept."""
