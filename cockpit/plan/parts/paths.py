"""Paths that a plan names."""

from __future__ import annotations

from pathlib import Path


def beside(source: Path, text: str) -> str:
    """A path of the plan made absolute: relative to the plan's folder, `~` is the operator's home."""
    if not text:
        return ""
    path = Path(text)
    if text == "~" or text.startswith("~/"):
        return str(Path.home() / text[2:])
    return str(path if path.is_absolute() else source.parent / path)
