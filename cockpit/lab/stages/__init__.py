"""The demos: one stage for each migration, by name."""

from __future__ import annotations

from cockpit.lab.addresses import LabError
from cockpit.lab.stage import Stage


def stages() -> dict[str, type[Stage]]:
    """Every stage by its name, in the order of a list."""
    from cockpit.lab.stages.charon import Charon
    from cockpit.lab.stages.community import Community
    from cockpit.lab.stages.floating import Floating
    from cockpit.lab.stages.karl import Karl
    from cockpit.lab.stages.release import Release

    return {stage.name: stage for stage in (Karl, Release, Community, Floating, Charon)}


def stage(name: str) -> Stage:
    """The stage of that name, as it comes. Raises LabError."""
    known = stages()
    if name not in known:
        raise LabError(f"there is no demo {name}; there are {', '.join(known)}")
    return known[name]()
