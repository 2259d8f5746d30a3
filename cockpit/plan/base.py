"""What all plan data shares."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["old", "new", "other"]
Side = Literal["old", "new"]
Vantage = Literal["old", "new", "world"]


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all plan data: immutable, compared by value, encoded without defaults."""
