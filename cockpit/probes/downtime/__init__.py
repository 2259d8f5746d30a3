"""The open-loop downtime prober: in a process of its own, so that nothing else the conductor does can delay a sample.

`prober.py` is the conductor's side: it starts the process, starts it again when it dies, and tells. `__main__.py` is the
process: `meters.py` sends the samples, `asking.py` is one of them, `names.py` knows where they go. `wire.py` is what the two say
to each other. The process imports no screen, no SSH and no httpx.
"""

from cockpit.probes.downtime.prober import DowntimeProber

__all__ = ["DowntimeProber"]
