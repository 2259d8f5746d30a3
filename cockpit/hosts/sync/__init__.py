"""Copying trees from old to new: rsync straight from host to host or through the conductor, else a tar stream.

Pure: `rsync` (what to run, what it said), `guard` (whether a deletion may begin), `parts` (the scripts), `layers` (what undo
needs). Edges: `facts`, `carrier` (how the bytes travel), `once` (the key for one copy), `copier` and `undoing` (the ops),
`sweep`, `tarred` (hosts without rsync), `hands`.
"""

from cockpit.hosts.sync.hands import SyncHands

__all__ = ["SyncHands"]
