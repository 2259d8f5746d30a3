"""The example plans that come with the program: each is a folder, with the plan and its own recipes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A plan's text, and the texts of its own recipes by file name."""

    name: str
    text: str
    recipes: dict[str, str]

    def write(self, file: Path) -> tuple[Path, ...]:
        """Write the plan to `file` and its recipes beside it, nothing over what is there. What was written.

        Raises FileExistsError (with the file's name) before anything is written, OSError when the disk refuses."""
        texts = {file: self.text} | {file.parent / "recipes" / name: text for name, text in self.recipes.items()}
        for path in texts:
            if path.exists():
                raise FileExistsError(0, "is already there", str(path))
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as out:
                out.write(text)
        return tuple(texts)


def examples() -> dict[str, Example]:
    """The examples by name."""
    found: dict[str, Example] = {}
    for folder in resources.files("cockpit").joinpath("examples").iterdir():
        plan = folder.joinpath(f"{folder.name}.yaml")
        if plan.is_file():
            own = folder.joinpath("recipes")
            recipes = {
                entry.name: entry.read_text(encoding="utf-8")
                for entry in (own.iterdir() if own.is_dir() else ())
                if entry.name.endswith(".sh")
            }
            text = plan.read_text(encoding="utf-8")
            found[folder.name] = Example(name=folder.name, text=text, recipes=recipes)
    return dict(sorted(found.items()))
