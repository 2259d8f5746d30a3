"""Copying trees from old to new: rsync straight from host to host or through the conductor, else a tar stream.

Pure: `rsync` (what to run, what it said), `guard` (whether a deletion may begin), `parts` (the scripts). Edges: `facts`, `carrier`
(how the bytes travel), `once` (the key for one copy), `copier` (the ops), `tarred` (hosts without rsync), `hands`.
"""

from cockpit.hosts.sync.hands import SyncHands

__all__ = ["SyncHands"]
