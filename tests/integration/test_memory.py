"""`leakscope memory` on real processes: layers that add up, and the right one grows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leakscope.model.memory import LayerKind, Ledger
from leakscope.watching.memory import ledger_from_process
from tests.attaching import every_python_in_time
from tests.integration.leakscope_runs import assert_refused, leakscope, report_of
from tests.integration.services import FIXTURES, service
from tests.pythons import Interpreter
from tests.storage.make_fixture import fixture
from tests.targets import read_line, spawn, tell

MIB = 1 << 20
MOST_NOT_TOLD = 0.03

PROGRAM = """
import ctypes, ctypes.util, gc, mmap, os, sys, tempfile, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
KEPT = []

class Node:
    pass

def live():
    KEPT.extend([str(number) * 4, [number], {"n": number}] for number in range(120_000))

def garbage():
    gc.disable()
    for number in range(150_000):
        node = Node()
        node.me = node
        node.text = str(number) * 3

def native():
    for _ in range(40_000):
        block = libc.malloc(1000)
        ctypes.memset(block, 1, 1000)

def large_native():
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)

def fragmented():
    blocks = [libc.malloc(2000) for _ in range(40_000)]
    for block in blocks:
        ctypes.memset(block, 1, 2000)
    for number, block in enumerate(blocks):
        if number % 16:
            libc.free(block)

def python_free():
    kept = [object() for _ in range(2_000_000)]
    KEPT.extend(kept[::400])

def mapped():
    file = tempfile.TemporaryFile()
    file.write(bytes(48 << 20))
    file.flush()
    KEPT.append(mmap.mmap(file.fileno(), 48 << 20, mmap.MAP_PRIVATE, mmap.PROT_READ))
    sum(KEPT[-1][::4096])

def threads():
    for _ in range(500):
        threading.Thread(target=threading.Event().wait, daemon=True).start()

print("ready", flush=True)
for line in sys.stdin:
    globals()[line.strip()]()
    print("done", flush=True)
"""

CAUSES = {
    "live": (LayerKind.OBJECTS, 30 * MIB),
    "garbage": (LayerKind.GARBAGE, 20 * MIB),
    "native": (LayerKind.NATIVE, 36 * MIB),
    "large_native": (LayerKind.NATIVE, 60 * MIB),
    "fragmented": (LayerKind.MALLOC_FREE, 60 * MIB),
    "python_free": (LayerKind.PYTHON_FREE, 15 * MIB),
    "mapped": (LayerKind.FILES, 46 * MIB),
}
"""What is planted, the layer that has to grow, and by how much at least."""


def assert_adds_up(ledger: Ledger) -> None:
    assert abs(ledger.remainder) <= MOST_NOT_TOLD * ledger.resident
    assert sum(layer.bytes for layer in ledger.layers) + ledger.remainder == ledger.resident


@pytest.mark.parametrize("cause", CAUSES)
def test_the_layer_of_what_was_planted_grows(cause: str) -> None:
    layer, least = CAUSES[cause]
    with spawn(sys.executable, PROGRAM) as target:
        before = ledger_from_process(target.pid)
        tell(target, cause)
        read_line(target, deadline=60)
        after = ledger_from_process(target.pid)

    assert_adds_up(before)
    assert_adds_up(after)
    grown = {kind: after.of(kind) - before.of(kind) for kind in LayerKind}
    assert max(grown, key=lambda kind: grown[kind]) is layer, grown
    assert grown[layer] >= least, grown


@every_python_in_time
def test_layers_add_up_on_every_version(python: Interpreter) -> None:
    with spawn(python.path, PROGRAM) as target:
        tell(target, "live")
        read_line(target, deadline=60)
        ledger = ledger_from_process(target.pid)

    assert_adds_up(ledger)
    assert ledger.tells_free
    assert 0.5 * ledger.resident < ledger.of(LayerKind.OBJECTS) < ledger.resident


@pytest.mark.parametrize("cause", ["live", "garbage"])
def test_without_an_allocator_of_pythons_own_layers_are_the_same(cause: str) -> None:
    layer, least = CAUSES[cause]
    with spawn(sys.executable, PROGRAM, env={"PYTHONMALLOC": "malloc"}) as target:
        tell(target, cause)
        read_line(target, deadline=60)
        ledger = ledger_from_process(target.pid)

    assert_adds_up(ledger)
    assert ledger.of(layer) > least
    assert ledger.of(layer) > 0.4 * ledger.resident
    assert ledger.of(LayerKind.PYTHON_FREE) == 0


def test_five_hundred_threads_have_stacks() -> None:
    with spawn(sys.executable, PROGRAM) as target:
        tell(target, "threads")
        read_line(target, deadline=60)
        ledger = ledger_from_process(target.pid)

    assert_adds_up(ledger)
    assert ledger.threads >= 501
    assert ledger.of(LayerKind.STACKS) > 500 * 8192


def test_a_service_and_a_program_with_arrays_add_up() -> None:
    arrays = (
        "import numpy, sys\nkept = [numpy.ones(1_000_000) for _ in range(20)]\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with service(FIXTURES / "gateway", "--port", "0", "--leak", "none") as gateway:
        assert_adds_up(ledger_from_process(gateway.pid))
    with spawn(sys.executable, arrays) as target:
        ledger = ledger_from_process(target.pid)
    assert_adds_up(ledger)
    assert ledger.of(LayerKind.OBJECTS) > 140 * MIB


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gigabyte_of_objects_adds_up() -> None:
    many = "kept = [[n] for n in range(8_000_000)]; print('ready', flush=True); input()"
    with spawn(sys.executable, many, deadline=120) as target:
        ledger = ledger_from_process(target.pid)

    assert_adds_up(ledger)
    assert ledger.resident > 900 * MIB
    assert ledger.of(LayerKind.OBJECTS) > 0.9 * ledger.resident


def test_the_command_tells_the_layers_largest_first() -> None:
    with spawn(sys.executable, PROGRAM) as target:
        text = leakscope("memory", str(target.pid))
        run = report_of("memory", str(target.pid))

    assert text.returncode == 0, text.stderr
    assert text.stdout.startswith("RSS ")
    shares = [
        int(line.split("%")[0].split()[-1]) for line in text.stdout.splitlines() if "█" in line
    ]
    assert shares == sorted(shares, reverse=True)
    assert run.report["schema"] == "leakscope.memory/1"
    told = sum(run.report["layers"].values()) + run.report["remainder_bytes"]
    assert told == run.report["resident_bytes"]


def test_a_file_tells_where_memory_went(tmp_path: Path) -> None:
    file = tmp_path / "memory.lscope"
    with spawn(sys.executable, PROGRAM) as target:
        tell(target, "live")
        read_line(target, deadline=60)
        taken = leakscope("snapshot", str(target.pid), "-o", file)
        now = report_of("memory", str(target.pid))
    later = report_of("memory", file)
    old = leakscope("memory", fixture(2))

    assert taken.returncode == 0, taken.stderr
    assert later.code == 0, later.stderr
    live = now.report["layers"]["live_objects"]
    assert later.report["layers"]["live_objects"] == pytest.approx(live, rel=0.05)
    assert old.returncode == 3
    assert "does not tell where memory went" in old.stderr


def test_what_cannot_tell_layers_says_so_in_one_line() -> None:
    with spawn(sys.executable, PROGRAM) as target:
        portable = leakscope("memory", str(target.pid), "--capture", "portable")
        outside = leakscope("memory", str(target.pid), "--capture", "readonly")

    for done, code in ((portable, 3), (outside, 2)):
        assert_refused(done, code)


NATIVE_LEAK = """
import ctypes, time
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
print("ready", flush=True)
while True:
    for _ in range(20):
        block = libc.malloc(5000)
        ctypes.memset(block, 1, 5000)
    time.sleep(0.01)
"""


def test_watch_finds_native_memory_that_grows() -> None:
    with spawn(sys.executable, NATIVE_LEAK) as target:
        run = report_of("watch", str(target.pid), "--for", "8s", "--no-longer")

    assert run.code == 1, run.stderr
    (finding,) = run.report["findings"]
    assert finding["type"] == "native memory in use"
    layers = run.report["layers"]
    grown = {name: each["bytes_per_work"] for name, each in layers.items()}
    assert max(grown, key=lambda name: grown[name]) == "native_in_use"
