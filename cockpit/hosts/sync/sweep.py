"""Clearing away what passes that were killed left on the target: rsync's half files (`.NAME.XXXXXX`) and private folders.

What is removed has such a name, was written since the first pass that was killed began, is not on the source, and stands beside a
name of the source that it could be half of.
"""

from __future__ import annotations

import re

from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import parts
from cockpit.hosts.sync.facts import Pair
from cockpit.hosts.sync.layers import nul

_FIND = r"""
cd || exit 1
case $1 in /*) aside=$1 ;; *) aside=$PWD/$1 ;; esac
rm -rf -- .cockpit/once/"$3".[0-9]*
for layer in "$aside"/[0-9]*; do [ -f "$layer/ended" ] || break; done
[ -f "$layer/began" ] && [ ! -f "$layer/ended" ] && cd -- "$2" || exit 0
find . -type f -name '.*.??????' -cnewer "$layer/began" -exec printf '%s\0' {} + 2>/dev/null ||
    find . -type f -name '.*.??????' -newer "$layer/began" -exec printf '%s\0' {} +
"""
_JUDGE = r"""
cd && cd -- "$1" || exit 1
xargs -0 sh -c 'for name do
    [ -e "$name" ] || [ -L "$name" ] && continue
    base=${name##*/}; base=${base#.}; base=${base%.*}; beside=
    for other in "${name%/*}/$base"*; do { [ -e "$other" ] || [ -L "$other" ]; } && beside=1 && break; done
    [ -z "$beside" ] || printf "%s\0" "$name"
done' cockpit-judge
"""

# A folder keeps the time that it has by now: it was copied already.
_REMOVE = r"""
cd || exit 1
case $2 in /*) ref=$2/time ;; *) ref=$PWD/$2/time ;; esac
cd -- "$1" && xargs -0 sh -c 'ref=$1; shift
for name do touch -r "${name%/*}" "$ref"; rm -f -- "$name"; touch -r "$ref" "${name%/*}"; done' cockpit-remove "$ref"
"""


async def sweep(pool: HostPool, source: str, target: str, pair: Pair, aside: str, job: str) -> int:
    """Returns how many half files were removed. Raises Unreachable."""
    step = re.sub(r"\.\d+\.[a-z_]+$", "", job)
    words = " ".join(quoted(word) for word in (aside, parts.here(pair.target), step))
    found = await pool[target].run(f"exec sh -c {quoted(_FIND)} cockpit-sweep {words}", b"", 600, 64 << 20)
    if found.exit != 0:
        raise Unreachable(f"{target}: half files could not be looked for: {found.text}")
    if not found.out:
        return 0
    judge = f"exec sh -c {quoted(_JUDGE)} cockpit-judge {quoted(parts.here(pair.source))}"
    judged = await pool[source].run(judge, found.out, 600, 64 << 20)
    asked = set(found.out.split(b"\0")) - {b""}
    halves = [name for name in judged.out.split(b"\0") if name in asked]
    if judged.exit != 0:
        raise Unreachable(f"{source}: half files could not be told from others: {judged.text}")
    if halves:
        gone = f"exec sh -c {quoted(_REMOVE)} cockpit-remove {quoted(parts.here(pair.target))} {quoted(aside)}"
        ran = await pool[target].run(gone, nul(name.decode("utf-8", "surrogateescape") for name in halves), 600)
        if ran.exit != 0:
            raise Unreachable(f"{target}: half files could not be removed: {ran.text}")
    return len(halves)
