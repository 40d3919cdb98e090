"""What the tests that attach to real processes share: agents, interpreters, traces."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from leakscope.capture.doors.pep768 import locate
from leakscope.capture.memory import Memory
from leakscope.capture.process import identify
from leakscope.capture.runtime import cpython_image
from leakscope.capture.session import Session, agent_path, attach
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, tell

PYTHON_AGENT = Path(__file__).parents[1] / "leakscope/capture/payload/agent.py"
AGENT_KINDS = ("native-agent", "python-agent")

every_python = pytest.mark.parametrize("python", interpreters(), ids=lambda i: str(i.version))
some_pythons = pytest.mark.parametrize(
    "python", (interpreters()[0], interpreters()[-1]), ids=lambda i: str(i.version)
)
"""The oldest and the newest that this machine has."""
every_python_in_time = pytest.mark.parametrize(
    "python",
    [
        pytest.param(
            i, marks=() if i in (interpreters()[0], interpreters()[-1]) else pytest.mark.slow
        )
        for i in interpreters()
    ],
    ids=lambda i: str(i.version),
)
"""Every one; those between the oldest and the newest only where there is time for slow tests."""

# Answers `ping` with `pong`, and `state` with what it is made of and the end of the connection.
ASYNCIO_SERVER = """
import asyncio, json, sys, threading

async def serve(reader, writer):
    while line := await reader.readline():
        answer = b"pong" if line == b"ping\\n" else json.dumps({
            "modules": sorted(sys.modules), "threads": threading.active_count(),
            "names": sorted(vars(sys.modules["__main__"])),
        }).encode()
        writer.write(answer + b"\\n")
        if line != b"ping\\n":
            break
    writer.close()

async def main():
    async def spin():
        while True:
            await asyncio.sleep(0)
            sum(range(300))
    spinning = asyncio.ensure_future(spin())
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await spinning

asyncio.run(main())
"""

# A client in a process of its own: the controller must not slow it down.
CLIENT = """
import select, socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
answers = connection.makefile("rb")
print("ready", flush=True)
sent = answered = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    connection.sendall(b"ping\\n")
    sent += 1
    answered += answers.readline() == b"pong\\n"
print(sent, answered, flush=True)
"""


def agent_file(kind: str) -> Path:
    """Return the agent of a kind; skips the test when the native one was not built."""
    if kind == "python-agent":
        return PYTHON_AGENT
    path = agent_path()
    if path is None:
        pytest.skip("the native agent was not built")
    return path


def attached(
    process: subprocess.Popen[bytes], kind: str = "native-agent", *, timeout: float = 30.0
) -> Session:
    """Attach to a target with an agent of the given kind."""
    return attach(identify(process.pid), agent=agent_file(kind), timeout=timeout)


@dataclass(frozen=True, slots=True)
class Traces:
    """What an attach could leave in a target, seen from outside."""

    threads: int
    descriptors: tuple[str, ...]
    mapped_files: frozenset[str]
    left_in_folders: tuple[str, ...]
    """Only what this process made: other tests run at the same time."""


def traces(pid: int) -> Traces:
    """Return what is there now."""
    proc = Path(f"/proc/{pid}")
    descriptors = []
    for entry in (proc / "fd").iterdir():
        with suppress(FileNotFoundError):
            descriptors.append(str(entry.readlink()))
    mapped = re.findall(r" (/\S.*)$", (proc / "maps").read_text(), re.MULTILINE)
    # The agent in Python needs this extension module, which CPython cannot unload.
    mapped = [path for path in mapped if not Path(path).name.startswith("_socket.")]
    left = [
        str(path)
        for base in ("tmp", "dev/shm", "var/tmp", "run")
        for path in (proc / "root" / base).glob(f".ls-{os.getpid()}-*")
    ]
    return Traces(
        threads=len(list((proc / "task").iterdir())),
        descriptors=tuple(sorted(descriptors)),
        mapped_files=frozenset(mapped),
        left_in_folders=tuple(left),
    )


def assert_no_traces(pid: int, before: Traces, *, deadline: float = 20.0) -> None:
    """Fail unless all traces are gone before the deadline; an agent takes a moment to go."""
    end = time.monotonic() + deadline
    while (now := traces(pid)) != before:
        if time.monotonic() > end:
            raise AssertionError(_difference(before, now))
        time.sleep(0.01)


def _difference(before: Traces, after: Traces) -> str:
    return "; ".join(
        f"{name}: {set(was) ^ set(now)}" if isinstance(was, (tuple, frozenset)) else f"{was} {now}"
        for name in ("threads", "descriptors", "mapped_files", "left_in_folders")
        if (was := getattr(before, name)) != (now := getattr(after, name))
    )


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def has_agent_thread(pid: int) -> bool:
    """Return whether an agent's thread is in a process, be it on its way out."""
    for comm in Path(f"/proc/{pid}/task").glob("*/comm"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if comm.read_text().startswith("lscope-"):
                return True
    return False


def still_runs(process: subprocess.Popen[bytes], session: Session) -> bool:
    """Return whether a session and its target both work."""
    session.execute("def add(a, b):\n    return a + b")
    return session.call("add", 20, 22) == 42 and process.poll() is None


class Load:
    """A client process that keeps a server busy and counts what is answered."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def finish(self) -> tuple[int, int]:
        """Stop it; return how many requests were sent and how many were answered well."""
        tell(self._process, "stop")
        sent, answered = read_line(self._process, deadline=60).split()
        return int(sent), int(answered)


def server_state(port: int) -> dict[str, object]:
    """Ask the server of `ASYNCIO_SERVER` what it is made of."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"state\n")
        with connection.makefile("rb") as answers:
            return cast("dict[str, object]", json.loads(answers.read()))  # until it has closed it


def newest() -> Interpreter:
    """Return the newest interpreter that this machine has."""
    return interpreters()[-1]


def minor_of(version: str) -> tuple[int, int]:
    """Return `(3, 15)` for `3.15`."""
    major, minor = map(int, version.split("."))
    return major, minor


def is_asked(pid: int, version: str) -> bool:
    """Return whether a request to run a file is pending in a process, read from its memory."""
    with Memory(pid) as memory:
        runtime = cpython_image(memory).symbol("_PyRuntime")
        return memory.u32(locate(memory, runtime, minor_of(version)).pending) == 1
