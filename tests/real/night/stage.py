"""A migration's plan on a rig: the example with this stage's addresses, keys and identities in place of its samples."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from cockpit.plan.examples import Example, examples
from tests.real.rig import Rig


def plant(rig: Rig, folder: Path, example: str | Example, samples: Mapping[str, str]) -> Path:
    """Write an example's plan and recipes into `folder` and give the plan's path.

    `samples` are texts of the plan (addresses, ids, durations) and what stands for each here; a sample stands alone, so
    `192.0.2.1` is not found in `192.0.2.10`, and it is replaced as well where it is escaped for a regular expression. Beside
    the plan lie `keys/operator` (the rig's login) and `keys/known_hosts` (all hosts of the rig). Raises AssertionError for
    a sample that the plan does not hold: it would be a fact that nobody uses any more."""
    chosen = examples()[example] if isinstance(example, str) else example
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in chosen.recipes.items():
        (folder / "recipes").mkdir(exist_ok=True)
        (folder / "recipes" / name).write_text(text)
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    shutil.copy(rig.key, keys / "operator")
    known_hosts(rig, keys / "known_hosts")
    plan = folder / f"{chosen.name or 'plan'}.yaml"
    plan.write_text(fitted(chosen.text, samples))
    return plan


def fitted(text: str, samples: Mapping[str, str]) -> str:
    """A plan's text with each sample replaced, all in one pass, so that no replacement is replaced again."""
    forms: dict[str, str] = {}
    for sample, mine in samples.items():
        forms[sample] = mine
        for dot in (r"\.", r"\\."):  # in a plain or single-quoted scalar, and in a double-quoted one
            forms[sample.replace(".", dot)] = mine.replace(".", dot)
    longest = sorted(forms, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, longest))})(?![\w])(?!\.\d)")
    used: set[str] = set()

    def replaced(match: re.Match[str]) -> str:
        used.add(match[0].replace("\\", ""))
        return forms[match[0]]

    fresh = pattern.sub(replaced, text)
    stale = [sample for sample in samples if sample.replace("\\", "") not in used]
    assert not stale, f"the plan holds no {', '.join(stale)}"
    return fresh


def known_hosts(rig: Rig, file: Path) -> Path:
    """Write the host keys of all hosts of a rig, by address and by name."""
    file.write_text("".join(f"{host.address},{host.name} {host.host_key}\n" for host in rig.hosts.values()))
    return file


def forget(rig: Rig) -> None:
    """Take away what a run that was left leaves on the hosts: its lock, its jobs, what it set aside."""
    for host in rig.hosts.values():
        host.run("rm -rf /var/tmp/cockpit.lock* /root/.cockpit /home/*/.cockpit")
