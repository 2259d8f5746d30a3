"""`python -m tests.seeds`: where each capability of docs/capabilities.md is cited, by a test or by a step of an example plan.

Ends with 1 when one is cited nowhere, or when a plan cites a number that there is not."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_ROW = re.compile(r"^\| S(\d+) \| (.+) \|$", re.MULTILINE)
_NUMBER = re.compile(r"\bS([1-9]\d?)\b")
_KEY = re.compile(r"\bseeds: *\[([^\]]*)\]")
_NAME = re.compile(r"_s([1-9]\d?)(?=_|$)")

Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def capabilities(root: Path = ROOT) -> dict[int, str]:
    """What the documents list."""
    return {int(number): text for number, text in _ROW.findall((root / "docs/capabilities.md").read_text())}


def _of_python(file: Path, shown: str) -> Iterator[tuple[int, str]]:
    """Citations in docstrings, comments and names of tests; each under the test that it stands in, or beside."""
    text = file.read_text()
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, Named)]

    def place(line: int) -> str:
        inside = [node for node in functions if node.lineno <= line <= (node.end_lineno or node.lineno)]
        return f"{shown}::{inside[-1].name}" if inside else shown

    for node in functions:
        for number in _NAME.findall(node.name):
            yield int(number), f"{shown}::{node.name}"
    quoted = {(node.body[0].lineno, node.body[0].end_lineno) for node in (tree, *functions) if ast.get_docstring(node)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        said = token.type == tokenize.COMMENT
        said = said or (token.type == tokenize.STRING and (token.start[0], token.end[0]) in quoted)
        if said:
            for number in _NUMBER.findall(token.string):
                yield int(number), place(token.start[0])


def _of_plan(file: Path, shown: str) -> Iterator[tuple[int, str]]:
    """Citations of steps (`seeds: […]`) and in comments, by line."""
    for line, text in enumerate(file.read_text().splitlines(), 1):
        listed = " ".join(_KEY.findall(text))
        before, sign, comment = text.partition("#")
        remark = comment if sign and (not before or before[-1].isspace()) else ""
        for number in _NUMBER.findall(f"{listed} {remark}"):
            yield int(number), f"{shown}:{line}"


def citations(root: Path = ROOT) -> dict[int, list[str]]:
    """Where each number is cited, each place once."""
    found: dict[int, dict[str, None]] = {}
    for file in sorted((root / "tests").rglob("test_*.py")):
        for number, where in _of_python(file, str(file.relative_to(root))):
            found.setdefault(number, {})[where] = None
    for file in sorted((root / "cockpit/examples").rglob("*.yaml")):
        for number, where in _of_plan(file, str(file.relative_to(root))):
            found.setdefault(number, {})[where] = None
    return {number: list(places) for number, places in found.items()}


def table(root: Path = ROOT) -> tuple[list[str], list[str]]:
    """The table as lines, and what is wrong with it as sentences."""
    known, cited = capabilities(root), citations(root)
    lines = []
    for number, text in known.items():
        places = cited.get(number, ["nowhere"])
        lines.append(f"S{number:<3} {text}")
        lines += [f"     {place}" for place in places]
    wrong = [f"S{number} is cited nowhere: {text}" for number, text in known.items() if number not in cited]
    wrong += [
        f"{place} cites S{number}, which is not there"
        for number, places in cited.items()
        if number not in known
        for place in places
    ]
    return lines, wrong


def main() -> int:
    lines, wrong = table()
    print("\n".join(lines))
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
