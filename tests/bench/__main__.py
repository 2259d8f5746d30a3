"""`python -m tests.bench NAME`: measures, prints the figures beside those they are judged by, and says whether they hold.

first-frame      time to the first painted frame, beside a one-widget Textual program's
step-overhead    what engine and journal add to a step, beyond its remote command, with every intent and outcome on disk
tails            eight visible tails at 1,000 lines a second each: processor time, and how long a key waits
ssh-tails        a log of 100,000 lines a second over SSH, from the write to the journal, beside `ssh host tail -F`; needs root
check            `cockpit check` of a plan with 500 services
ssh              commands on real SSH servers, beside ssh, Fabric, pyinfra and Ansible on the same servers; needs root
redaction        log events through the journal's redactor and raw bytes through a stream, with 10 secrets beside none
http             HTTP and HTTPS probes beside ab and hey on the same nginx, and where the time goes
probes           400 health probes every 5 s against nginx: their share of a core, journal included; needs nginx
sync             first copy and no-change pass of 100,000 files between real hosts, beside bare rsync over ssh
cast             a recording of a million events as a cast: time, memory, size
dns              DNS questions a second on one core, beside dnsperf on the same core against the same server
replay           a recording of 1,000,000 events: first screen, seeks, steps, memory, beside asciinema's player on its cast
pair             Escape and keys in a session of two terminals, beside plain tmux that runs cat; needs tmux
"""

from __future__ import annotations

import argparse
import importlib
import sys

NAMES = (
    "first-frame", "step-overhead", "tails", "ssh-tails", "check", "ssh", "sync", "redaction", "http", "probes", "dns",
    "replay", "pair", "cast",
)  # fmt: skip


def main() -> int:
    """0 when the figure holds, 1 when it does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--rounds", type=int, default=0, help="how many rounds (default: the benchmark's own)")
    options = parser.parse_args()
    module = importlib.import_module(f"tests.bench.{options.name.replace('-', '_')}")
    return 0 if module.measure(options.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
