"""Services of several processes: a pool of forked workers, and a supervisor that starts again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from tests.integration.leakscope_runs import DEADLINE, command

POOL = """
import os, signal, sys, time

class Order:
    pass

ORDERS = []

def work(leaks, told):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.write(told, b"x")
    while True:
        if leaks:
            ORDERS.append(Order())
        time.sleep(0.005)

def start(leaks):
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(0)
        work(leaks, told)
    os.read(heard, 1)
    os.close(heard)
    os.close(told)
    return pid

leaky, sound = int(sys.argv[1]), int(sys.argv[2])
workers = [start(True) for _ in range(leaky)] + [start(False) for _ in range(sound)]
print("ready", *workers, flush=True)
for line in sys.stdin:
    if line.strip() == "replace":
        gone = workers.pop(0)
        os.kill(gone, signal.SIGTERM)
        os.waitpid(gone, 0)
        workers.append(start(True))
        print("replaced", gone, workers[-1], flush=True)
    elif line.strip() == "start":
        workers.append(start(True))
        print("started", workers[-1], flush=True)
    elif line.strip() == "end":
        gone = workers.pop()
        os.kill(gone, signal.SIGTERM)
        os.waitpid(gone, 0)
        print("ended", gone, flush=True)
    elif line.strip() == "die":
        os._exit(7)
"""
"""Arguments: how many workers leak, how many do not. Takes `replace`, `start`, `end` (of the
youngest) and `die`."""

SERVICE = """
import os, sys, time

class Order:
    pass

ORDERS = []
leaks = sys.argv[1] == "leaks"
os.write(1, b"up %d\\n" % os.getpid())  # At once: two of them may share a pipe.
while True:
    if leaks:
        ORDERS.append(Order())
    time.sleep(0.005)
"""
"""Says `up` and its pid; its argument is whether it `leaks`."""

SUPERVISOR = """
import subprocess, sys

child = subprocess.Popen([sys.executable, *sys.argv[2:]])
for line in sys.stdin:
    child.kill()
    child.wait()
    times = int(sys.argv[1])
    for _ in range(times):
        child = subprocess.Popen([sys.executable, *sys.argv[2:]])
"""
"""At each line it kills its service and starts it again, as often as its first argument says."""


@dataclass
class Watching:
    """A run of `leakscope watch` that goes on while the test does something to its target."""

    process: subprocess.Popen[bytes]
    said: list[str] = field(default_factory=list)

    def until(self, words: str) -> str:
        """Return the next line of progress that has `words` in it; all lines are kept."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline().decode():
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"never said {words!r}: {''.join(self.said)}")

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it printed."""
        out, err = self.process.communicate(timeout=DEADLINE)
        self.said += err.decode().splitlines(keepends=True)
        return self.process.returncode, out.decode()


@contextmanager
def watching(*words: str | Path) -> Iterator[Watching]:
    """Start `leakscope watch`; it is killed at the end if it still runs."""
    with subprocess.Popen(
        command("watch", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        late = Timer(DEADLINE, process.kill)
        late.start()
        try:
            yield Watching(process)
        finally:
            late.cancel()
            process.kill()


WEB = """
import multiprocessing

VISITS = []
OWN = 0
SHARED = multiprocessing.Value("Q")

class Visit:
    pass

def app(environ, start_response):
    global OWN
    path = environ["PATH_INFO"]
    if path == "/":
        OWN += 1
        with SHARED.get_lock():
            SHARED.value += 1
        VISITS.append(Visit())
    count = OWN if path == "/own" else SHARED.value
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"http_requests_total %d\\n" % count]
"""
"""A WSGI application that keeps something of each request to `/`. It counts them at `/own`, by
worker, and at `/all`, together if it is loaded before workers are forked."""
