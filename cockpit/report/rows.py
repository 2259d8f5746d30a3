"""Rows that are bounded: a journal of any size makes a report that can be opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

TEXT = 2000
"""Characters kept of one text."""


class Rows(Generic[T]):
    """The first rows of one sort, and how many came after them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: list[T] = []
        self.left_out = 0

    def add(self, row: T) -> None:
        """Keep a row, or count it."""
        if len(self._rows) < self._limit:
            self._rows.append(row)
        else:
            self.left_out += 1

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def short(text: str, limit: int = TEXT) -> str:
    """A text of at most so many characters, with the number left out in words."""
    return text if len(text) <= limit else f"{text[:limit]} … {len(text) - limit} more"
