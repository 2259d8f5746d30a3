"""`cockpit check` of a plan with 500 services, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

TARGET = 2.0


def demo_of(services: int) -> str:
    """The demo's plan with so many clients, fourteen steps and more each."""
    text = resources.files("cockpit").joinpath("examples", "karl", "karl.yaml").read_text(encoding="utf-8")
    last = "  - {id: commons,"
    extra = "".join(
        f"  - {{id: c{n}, title: Client {n}, wave: 2, vars: {{client: c{n}}}}}\n" for n in range(services - 6)
    )
    before, found, after = text.partition(last)
    if not found:
        raise RuntimeError("the example has no commons any more")
    return f"{before}{extra}{found}{after}"


def measure(rounds: int = 0) -> bool:
    """Print the median over some runs; whether it is within the target."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.yaml"
        plan.write_text(demo_of(500))
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
