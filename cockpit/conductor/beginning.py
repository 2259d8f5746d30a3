"""Before a run begins: every secret is there, or nothing begins."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cockpit.conductor.asking import Asker, NotAnswered, headless, typed
from cockpit.conductor.sources import Gathered, SecretMissing, decoded, gather
from cockpit.conductor.vault import Vault
from cockpit.plan.model import Plan


async def filled(plan: Plan, run: str = "", key: str = "", given: Gathered | None = None) -> Vault:
    """A vault with every secret that needs no person; `vault.asked` are the others. `given` was got by another process of ours.

    Raises SecretMissing with a sentence for each secret that cannot be had or kept."""
    got = given or await gather(plan)
    vault = Vault(plan, run, key)
    problems = [f"secret {name}: {why}" for name, value in got.values.items() if (why := vault.put(name, value))]
    if problems:
        raise SecretMissing("\n".join(problems))
    vault.asked, vault.warnings = got.asked, got.warnings
    if plan.dns is not None and plan.dns.tsig is not None:
        # It signs updates here and goes to no host; a fault may quote it all the same.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = Path(plan.dns.tsig.file).read_text().rpartition(":")[2].strip()
            if not vault.unfit(text):
                vault.redactor.add(f"TSIG key {plan.dns.tsig.name}", text)
    return vault


async def ask_all(vault: Vault, plan: Plan, asker: Asker) -> str:
    """Ask the person who drives for what is missing, all at once. Returns why that failed, '' when everything is there."""
    missing = [name for name in vault.asked if name not in vault]
    answers = (asker.ask(name, plan.secrets[name].at, vault.unfit) for name in missing)
    told = await asyncio.gather(*answers, return_exceptions=True)
    for problem in told:
        if isinstance(problem, BaseException) and not isinstance(problem, NotAnswered):
            raise problem
    return _sentence(str(problem) for problem in told if isinstance(problem, NotAnswered))


def ask_at_terminal(plan: Plan, given: Gathered) -> Gathered:
    """Ask on this process's own terminal for what is missing, before anything else runs in it. Raises SecretMissing when there is
    no terminal, or no answer."""
    if given.asked and not has_terminal():
        raise SecretMissing(unanswerable(given.asked))
    values = dict(given.values)
    vault = Vault(plan, "", "")
    for name in given.asked:
        why, question = "", plan.secrets[name].at
        while name not in values:
            text = typed(f"{why}\n{question}" if why else question)
            if text is None:
                raise SecretMissing(f"secret {name}: it was not answered")
            try:
                value = decoded(text.encode())
                why = vault.unfit(value)
                if not why:
                    values[name] = value
            except ValueError as error:
                why = str(error)
    return msgspec.structs.replace(given, values=values, asked=())


def unanswerable(names: Iterable[str]) -> str:
    """Sentences for secrets that nobody is there to give."""
    return "\n".join(f"secret {name}: {headless(name)}" for name in names)


def has_terminal() -> bool:
    """Whether somebody may sit there."""
    return all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stderr__))


def _sentence(parts: Iterable[str]) -> str:
    text = "; ".join(parts)
    return f"{text}. Nothing has begun" if text else ""
