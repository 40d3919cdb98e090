"""Targets whose allocations are sampled, and what the tests of that ask them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from leakscope.analysis.allocation import profile_of
from leakscope.capture.sampling import AllocationSampler
from leakscope.capture.session import Session
from leakscope.model.allocation import Samples
from tests.attaching import attached
from tests.pythons import Interpreter
from tests.targets import read_line, spawn, tell

LEAKING = """
kept = []

class Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free")]

def allocators():
    found = []
    for domain in range(3):
        words = Allocator()
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(words))
        found.append(tuple(getattr(words, name) for name, _ in words._fields_))
    return found

def leak(count, size=1000):
    for _ in range(count):
        kept.append(bytearray(size))
"""
"""`leak` allocates what stays; `allocators` tells what the interpreter calls. Needs ctypes."""

ANSWERING = """
for line in sys.stdin:
    try:
        told = eval(line)
    except SyntaxError:
        told = exec(line)
    print(repr(told), flush=True)
"""
"""Does what it is told, line by line, and answers each with what came out. Needs sys."""

PROGRAM = f"""
import ctypes, gc, os, sys, threading, zlib
{LEAKING}
stop = threading.Event()

def churn():
    while not stop.is_set():
        [str(n) * 20 for n in range(50)]
        {{n: [n] for n in range(50)}}

def churn_raw():
    while not stop.is_set():
        zlib.decompress(zlib.compress(b"x" * 10000))

def start(function, count):
    for _ in range(count):
        threading.Thread(target=function, daemon=True).start()

def deep(depth):
    return deep(depth - 1) if depth else kept.append(bytearray(3000))

print("ready", flush=True)
{ANSWERING}"""

ALLOCATORS = "allocators()"


def ask(target: subprocess.Popen[bytes], line: str) -> object:
    """Have the program run one line; return what that gave."""
    tell(target, line)
    answer: object = ast.literal_eval(read_line(target, deadline=120))
    return answer


@contextmanager
def program(
    python: Interpreter, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program under an interpreter."""
    hushed = {"PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0", **(env or {})}
    with spawn(python.path, PROGRAM, env=hushed) as target:
        yield target


@contextmanager
def sampled(
    target: subprocess.Popen[bytes], mean_bytes: int = 4096, seed: int = 1
) -> Iterator[tuple[Session, AllocationSampler]]:
    """Sample a target until the block is left."""
    with attached(target) as session:
        sampler = AllocationSampler(session)
        sampler.start(mean_bytes, seed)
        yield session, sampler


def bytes_under(samples: Samples, function: str) -> float:
    """Return how many bytes in use were allocated in a function, as the samples have it."""
    profile = profile_of(samples, pid=1, taken_at=0.0)
    inside = [s for s in profile.sites if function in {call.function for call in s.calls}]
    return sum(site.in_use_bytes.estimate for site in inside)
