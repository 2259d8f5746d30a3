"""Everything public says what it is: in its own docstring, or in that of the port or base class that it fills in."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import cockpit


def modules() -> list[ModuleType]:
    return [importlib.import_module(found.name) for found in pkgutil.walk_packages(cockpit.__path__, "cockpit.")]


def public(holder: Any, module: str) -> Iterator[tuple[str, Any]]:
    """What a module or class itself has under a public name, functions unwrapped."""
    for name, found in vars(holder).items():
        one = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        one = inspect.unwrap(one.fget) if isinstance(one, property) else one
        if (
            not name.startswith("_")
            and getattr(one, "__module__", "") == module
            and getattr(one, "__name__", "") == name
        ):
            yield name, one


def told(one: Any) -> bool:
    """Whether it has a docstring of its own; what a dataclass makes for itself is none."""
    text = getattr(one, "__doc__", None) or ""
    return bool(text) and not text.startswith(f"{one.__name__}(")


def test_everything_public_says_what_it_is() -> None:
    """What fills in a port, or overrides something documented, is told there; a handler of the screen's messages by its name."""
    found = modules()
    classes = [
        (module.__name__, one) for module in found for _, one in public(module, module.__name__) if inspect.isclass(one)
    ]
    ports = {name for at, one in classes if getattr(one, "_is_protocol", False) for name, _ in public(one, at)}
    bare = [
        f"{module.__name__}.{name}"
        for module in found
        for name, one in public(module, module.__name__)
        if (inspect.isclass(one) or isinstance(one, FunctionType)) and not told(one)
    ]
    for at, one in classes:
        port = getattr(one, "_is_protocol", False)
        for name, member in public(one, at):
            above = [base.__dict__[name] for base in one.__mro__[1:] if name in base.__dict__]
            known = told(member) or any(map(told, above)) or (name in ports and not port)
            if isinstance(member, FunctionType) and not known and not name.startswith("on_"):
                bare.append(f"{at}.{one.__name__}.{name}")
    assert len(classes) > 300
    assert bare == []
