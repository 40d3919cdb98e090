"""What watching costs a service: throughput and latency of the gateway under wrk.

Run: `python -m tests.benchmarks.cost [--seconds 10] [--rounds 3]`

Alternates rounds without and with `leakscope watch --every 5s` on the same gateway and prints both,
with their ratio, as a table. Needs wrk.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass

from tests.integration.leakscope_runs import command
from tests.integration.services import FIXTURES, Service, service

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Round:
    """What wrk measured in one round."""

    requests_per_second: float
    p99_ms: float


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed")
    with service(FIXTURES / "gateway", "--port", "0", "--leak", "none") as gateway:
        _drive(gateway, 3)
        alone: list[Round] = []
        watched: list[Round] = []
        for _ in range(chosen.rounds):
            alone.append(_drive(gateway, chosen.seconds))
            watched.append(_drive_watched(gateway, chosen.seconds))
    _print(alone, watched)


def _drive(gateway: Service, seconds: int) -> Round:
    done = subprocess.run(
        [
            *("wrk", "-t1", "-c8", f"-d{seconds}s", "--latency"),
            *("-s", str(FIXTURES / "gateway" / "load.lua")),
            f"http://127.0.0.1:{gateway.port}/",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert rate is not None, done.stdout
    assert tail is not None, done.stdout
    return Round(float(rate[1]), float(tail[1]) * _UNITS[tail[2]])


def _drive_watched(gateway: Service, seconds: int) -> Round:
    watching = subprocess.Popen(
        command("watch", str(gateway.pid), "--every", "5s", "--for", f"{seconds + 30}s"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stderr is not None
    next(line for line in watching.stderr if line.startswith("sample 1/"))
    try:
        return _drive(gateway, seconds)
    finally:
        watching.kill()
        watching.wait()


def _print(alone: list[Round], watched: list[Round]) -> None:
    rates = [statistics.median(r.requests_per_second for r in rows) for rows in (alone, watched)]
    tails = [statistics.median(r.p99_ms for r in rows) for rows in (alone, watched)]
    print("|  | alone | watched, a census every 5 s | ratio |")
    print("|---|---|---|---|")
    print(f"| requests/s | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[1] / rates[0]:.3f} |")
    print(f"| p99, ms | {tails[0]:.1f} | {tails[1]:.1f} | {tails[1] / tails[0]:.2f} |")


if __name__ == "__main__":
    main()
