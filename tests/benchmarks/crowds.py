"""How long it takes to tell what a process has many of, tasks or threads say, and what it costs.

    python -m tests.benchmarks.crowds

Each command is run as its users do, on a process of its own that has as many as it says. Greenlets
are left out where there is no `greenlet`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.tables import machine, table
from tests.pythons import Interpreter, folder_with
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
GREENLETS = """
import sys
sys.path.append(sys.argv[2])
from greenlet import greenlet
def wait(request): main.switch()
main = greenlet.getcurrent()
kept = [greenlet(wait) for _ in range(int(sys.argv[1]))]
for number, each in enumerate(kept):
    each.switch(str(number))
print("ready", flush=True)
sys.stdin.read()
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
    package: str | None = None
    """What the process imports besides the standard library."""

    @property
    def folder(self) -> Path | None:
        """A folder to import `package` from, None if there is none."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        python = Interpreter(version, Path(sys.executable))
        return None if self.package is None else folder_with(python, self.package)

    @property
    def is_possible(self) -> bool:
        """Whether this Python can import what the process needs."""
        return self.package is None or self.folder is not None


CROWDS = (
    Crowd("tasks", TASKS, 100_000, "tasks"),
    Crowd("tasks", GREENLETS, 100_000, "greenlets", "greenlet"),
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
    arguments = ["-c", crowd.source, str(crowd.number), str(crowd.folder)]
    with spawn(sys.executable, arguments, deadline=120) as target:
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
    print(report([measure(crowd) for crowd in CROWDS if crowd.is_possible]), flush=True)


if __name__ == "__main__":
    main()
