"""The table of keys as a JSON Schema for editors, and as the reference tables of docs/plan.md."""

from __future__ import annotations

from typing import Any

from cockpit.plan.keys import OBJECTS, Type

_DURATION = r"^(\d+(\.\d+)?|(?=.)(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?)$"
_SCALAR: list[str] = ["string", "number", "boolean"]


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the YAML as people write it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cutover plan",
        "$ref": "#/$defs/plan",
        "$defs": {name: _object(name) for name in OBJECTS},
    }


def _object(name: str) -> dict[str, Any]:
    keys = OBJECTS[name]
    shape: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: {**_type(key.type), "description": key.meaning} for key in keys},
    }
    required = [key.name for key in keys if key.required]
    if required:
        shape["required"] = required
    if name == "plan":
        shape["properties"]["cutover"] = {"const": 1, "description": keys[0].meaning}
    if name == "template":
        shape["type"] = ["object", "null"]
    return shape


def _type(kind: Type) -> dict[str, Any]:
    shape = _plain_type(kind)
    return {"anyOf": [_plain_type(kind.also), shape]} if kind.also is not None else shape


def _plain_type(kind: Type) -> dict[str, Any]:
    match kind.kind:
        case "object":
            return {"$ref": f"#/$defs/{kind.name}"}
        case "list":
            return {"type": "array", "items": _type(kind.of or Type("text"))}
        case "map":
            return {"type": "object", "additionalProperties": _type(kind.of or Type("text"))}
        case "choice":
            return {"enum": list(kind.choices)}
        case "bool":
            return {"type": "boolean"}
        case "int":
            return {"type": "integer", **({"minimum": kind.least} if kind.least else {})}
        case "duration":
            return {"type": ["string", "number"], "pattern": _DURATION, "minimum": 0}
        case "time":
            return {"type": "string"}
        case "id":
            return {"type": ["string", "number", "boolean"], "pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"}
        case "pattern":
            return {"type": _SCALAR, "format": "regex"}
        case _:
            return {"type": _SCALAR}


def words(kind: Type) -> str:
    """A type in words, as the reference says it."""
    said = {
        "text": "text", "plain": "text with `{variable}`", "pattern": "regular expression with `{variable}`", "id": "name",
        "duration": "duration", "int": "whole number", "bool": "true or false", "time": "time with offset",
        "choice": " or ".join(f"`{choice}`" for choice in kind.choices),
        "object": f"[{kind.name}](#{kind.name})",
        "list": f"list of {words(kind.of)}" if kind.of else "list",
        "map": f"map of names to {words(kind.of)}" if kind.of else "map",
    }[kind.kind]  # fmt: skip
    return f"{words(kind.also)}, or {said}" if kind.also is not None else said


def reference() -> str:
    """The reference tables in Markdown: one section an object, one row a key."""
    parts: list[str] = []
    for name, keys in OBJECTS.items():
        parts += [f"### {name}", "", "| key | type | meaning | example |", "| --- | --- | --- | --- |"]
        for key in keys:
            meaning = f"{key.meaning} (required)" if key.required else key.meaning
            cells = (f"`{key.name}`", words(key.type), meaning, f"`{key.example}`")
            parts.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
