"""`python -m tests.soak NAME`: the exhaustive counts that CI only samples.

kill    SIGKILL of the conductor at every journal position of one client's cutover and undo on the lab, and at random ones of six
driver  SIGKILL of the driver's screen at 20 random moments of a cutover, with a watcher attached who claims and goes on
plans   the fuzzers over plan text, plan data and DNS messages, twenty thousand examples each
hosts   a plan of 30 steps on real hosts, two hundred times: killed, cut off, restarted, rebooted, out of room, paused; needs root
tails   tails on real hosts (OpenSSH and Python, OpenSSH and dash, Dropbear and busybox), rotated and cut off; needs root
agents  what CI samples of the tail agents: each kind of rotation under each shell while nobody looks, a million empty lines
sync    100,000 files with everything that a file system can hold, by each transport, killed 20 times on the way
horizon random schedules of TTLs, changes, undo and lags on real name servers, fifty of them by default; needs root
outages downtime of real servers, 0.1 to 10 s, closed, reset, 503, frozen, one address family: the truth inside the bounds
dns-race  writers that race for record sets on a real BIND, with answers lost over UDP and TCP (--count, 200)
demos   the demo of a whole server, taken back from its last safe point
recipes every recipe cut off after every command of its apply and undo, and under every shell all the way; needs root
report  the report in headless Chromium at three widths, in print, by keyboard and under axe; needs chromium and npm
engine  the random nights of the stateful property test, twenty thousand of them
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    """0 when nothing went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "name",
        choices=(
            "kill",
            "driver",
            "hosts",
            "plans",
            "tails",
            "agents",
            "sync",
            "dns-race",
            "horizon",
            "outages",
            "demos",
            "recipes",
            "report",
            "engine",
        ),
    )
    parser.add_argument("--workers", type=int, default=2, help="labs at the same time")
    parser.add_argument(
        "--count", type=int, default=0, help="driver, hosts, dns-race: how many; horizon: how many schedules"
    )
    parser.add_argument("--seed", type=int, default=0, help="driver, horizon: which ones; others each time by default")
    parser.add_argument("--longest", type=float, default=600.0, help="hosts: seconds of the longest cut")
    parser.add_argument(
        "--modules", default="", help="report: a folder with axe-core and puppeteer-core, not to fetch them"
    )
    options = parser.parse_args()
    if options.name == "kill":
        from tests.soak.kill import run

        return run(options.workers)
    if options.name == "driver":
        from tests.soak import driver

        return driver.run(options.count or 20, options.seed)
    if options.name == "hosts":
        from tests.soak.hosts import run as run_hosts

        return run_hosts(options.workers, options.count or 200, options.longest)
    if options.name == "tails":
        from tests.soak import tails

        return tails.run()
    if options.name == "sync":
        from tests.soak import sync

        return sync.run()
    if options.name == "horizon":
        from tests.soak import horizon

        return horizon.run(options.count or 50, options.seed)
    if options.name == "outages":
        from tests.soak import outages

        return outages.run()
    if options.name == "report":
        from tests.soak import report

        return report.run(options.modules)
    if options.name == "demos":
        from tests.soak import demos

        return demos.run()
    if options.name == "dns-race":
        from tests.soak import dns_race

        return dns_race.run(options.count or 200)
    import pytest

    if options.name == "plans":
        os.environ["COCKPIT_FUZZ"] = "20000"
        return int(pytest.main(["-q", "tests/unit/test_plan.py", "tests/unit/test_dns_wire.py"]))
    if options.name == "agents":
        os.environ |= {"COCKPIT_ROTATIONS": "all", "COCKPIT_LINES": "all"}
        return int(pytest.main(["-q", "tests/hosts/test_agent.py", "tests/hosts/test_tail.py"]))
    if options.name == "recipes":
        os.environ |= {"COCKPIT_CUTS": "all", "COCKPIT_SHELLS": "all"}
        here = Path(__file__).parents[1] / "real"
        return int(pytest.main(["-q", "-n", str(options.workers), *map(str, sorted(here.glob("test_recipes_*.py")))]))
    os.environ["COCKPIT_EXAMPLES"] = "20000"
    return int(pytest.main(["-q", "tests/engine/test_properties.py"]))


if __name__ == "__main__":
    sys.exit(main())
