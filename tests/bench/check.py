"""`cockpit check` of a plan with 500 services, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.unit.test_plan import large_plan

TARGET = 2.0


def measure(rounds: int = 0) -> bool:
    """Print the median over some runs; whether it is within the target."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.yaml"
        plan.write_text(large_plan(500))
        took: list[float] = []
        for _ in range(rounds or 5):
            began = time.perf_counter()
            main = "import sys; from cockpit.cli.main import main; sys.exit(main())"
            ran = subprocess.run(
                [sys.executable, "-c", main, "check", str(plan)], capture_output=True, text=True, check=False
            )
            took.append(time.perf_counter() - began)
            if ran.returncode not in {0, 1}:
                raise RuntimeError(ran.stderr)
    median = sorted(took)[len(took) // 2]
    print(f"500 services: {median:.2f} s   target: under {TARGET:.0f} s")
    return median < TARGET
