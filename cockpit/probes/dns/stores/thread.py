"""Calling libraries that block: in a thread, within a time, with their errors as sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cockpit.probes.dns.stores import StoreError, StoreLost
from cockpit.text import harmless

T = TypeVar("T")


async def in_thread(call: Callable[[], T], timeout: float, *, writes: bool = False) -> T:
    """What the call returns. A thread cannot be killed: what does not end in time goes on unseen, and a write is lost.
    Raises StoreError."""
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.to_thread(call)
    except TimeoutError:
        why = f"the provider did not answer within {timeout:.0f} s"
        raise (StoreLost if writes else StoreError)(why) from None
    except StoreError:
        raise
    except Exception as error:
        raise (StoreLost if writes else StoreError)(said_of(error)) from None


def said_of(error: BaseException) -> str:
    """An error in a line."""
    return harmless(str(error).strip().replace("\n", " ") or type(error).__name__, 300)
