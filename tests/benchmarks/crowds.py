"""How long it takes to tell a process with many tasks, threads or descriptors, and what it costs.

    python -m tests.benchmarks.crowds

Each command is run as its users do, on a process of its own that has as many as it says.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.benchmarks.tables import machine, table
from tests.targets import spawn

ROUNDS = 3
TASKS = """
import asyncio, sys
async def wait(event): await event.wait()
async def main():
    event = asyncio.Event()
    kept = [asyncio.ensure_future(wait(event)) for _ in range(int(sys.argv[1]))]
    await asyncio.sleep(0)
    print("ready", flush=True)
    await event.wait()
asyncio.run(main())
"""
THREADS = """
import sys, threading
threading.stack_size(256 << 10)
event = threading.Event()
for _ in range(int(sys.argv[1])):
    threading.Thread(target=event.wait, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
DESCRIPTORS = """
import resource, socket, sys, tempfile
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
wanted = int(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
sockets = []
while len(sockets) < wanted // 2:
    sockets += [socket.create_connection(listener.getsockname()), listener.accept()[0]]
files = [tempfile.TemporaryFile() for _ in range(wanted - len(sockets))]
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What there is many of, and which command tells it."""

    command: str
    source: str
    number: int
    counted: str
    """Field of the report that says how many there are."""


CROWDS = (
    Crowd("tasks", TASKS, 100_000, "tasks"),
    Crowd("threads", THREADS, 5_000, "threads"),
    Crowd("fds", DESCRIPTORS, 19_900, "descriptors"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """How it was to tell one crowd, in the fastest of some rounds."""

    crowd: Crowd
    seconds: float
    """From the start of the command to its end."""
    pause_ms: float


def measure(crowd: Crowd, rounds: int = ROUNDS) -> Told:
    """Run a command on a process that has as many as `crowd` says."""
    runs = []
    with spawn(sys.executable, ["-c", crowd.source, str(crowd.number)], deadline=120) as target:
        for _ in range(rounds):
            began = time.perf_counter()
            words = [sys.executable, "-m", "leakscope", crowd.command, "--json", "-"]
            done = subprocess.run(
                [*words, str(target.pid)], capture_output=True, check=True, timeout=120
            )
            report = json.loads(done.stdout)
            assert report[crowd.counted] >= crowd.number, report
            runs.append((time.perf_counter() - began, float(report["pause_ms"])))
    seconds, pause_ms = min(runs)
    return Told(crowd, seconds, pause_ms)


def report(told: list[Told]) -> str:
    """Return what was measured, as a table."""
    headings = ("process with", "command", "seconds", "held up for")
    return table(
        headings,
        [
            (
                f"{each.crowd.number:,} {each.crowd.counted}",
                f"`leakscope {each.crowd.command}`",
                f"{each.seconds:.1f}",
                f"{each.pause_ms:.1f} ms",
            )
            for each in told
        ],
    )


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(
        prog="python -m tests.benchmarks.crowds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    print(machine(), end="\n\n", flush=True)
    print(report([measure(crowd) for crowd in CROWDS]), flush=True)


if __name__ == "__main__":
    main()
