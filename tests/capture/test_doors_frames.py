"""Calls on a stopped thread leave all of its registers as they were, or are not made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leakscope.capture.doors.frames import Call, NoRoomOnStack, ThreadState, write_calls
from leakscope.capture.doors.gadgets import find_restorer
from leakscope.capture.doors.ptrace import StoppedThread
from leakscope.capture.doors.registers import Registers
from leakscope.capture.doors.tracer import as_passing_tracer
from leakscope.capture.memory import Mapping, Memory, mappings
from leakscope.capture.runtime import cpython_image
from tests.frozen import built_from
from tests.targets import ASLEEP, read_line, spawn, tell

ROUNDS = 50
TILE_DATA = bytes(8192)
"""What a debugger is shown, behind all else, of every thread where the processor has tiles."""

# Looks again and again at one register until told to stop; 0 at the start means that it cannot.
# Before that it uses much stack, once: a main thread's is mapped as far as it was ever used, and
# without room in what is mapped no call is made.
VECTORS = """
void use_stack(void) {
    volatile char room[1 << 18];
    for (unsigned long at = 0; at < sizeof room; at += 4096)
        room[at] = 1;
}

long changes(volatile int *running, volatile int *stop) {
    static const unsigned char pattern[32] = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,
                                              17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32};
    long found = 0;
    if (!__builtin_cpu_supports("avx2"))
        return -1;
    *running = 1;
    __asm__ volatile("0: vmovdqu %[pattern], %%ymm15\\n"
                     "1: cmpl $0, %[stop]\\n"
                     "jne 2f\\n"
                     "vpcmpeqb %[pattern], %%ymm15, %%ymm14\\n"
                     "vpmovmskb %%ymm14, %%eax\\n"
                     "cmpl $-1, %%eax\\n"
                     "je 1b\\n"
                     "incq %[found]\\n"
                     "jmp 0b\\n"
                     "2: vzeroupper\\n"
                     : [found] "+r"(found)
                     : [stop] "m"(*stop), [pattern] "m"(pattern)
                     : "eax", "xmm14", "xmm15", "cc", "memory");
    return found;
}
"""

LOOKS = """
import ctypes, sys, threading
library = ctypes.CDLL({library!r})
library.use_stack()
library.changes.restype = ctypes.c_long
running, stop = ctypes.c_int(0), ctypes.c_int(0)
def serve():
    while not running.value:
        pass
    print("looks", flush=True)
    sys.stdin.readline()
    stop.value = 1
threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
print(library.changes(ctypes.byref(running), ctypes.byref(stop)), flush=True)
"""


@pytest.mark.parametrize("shown", [b"", TILE_DATA], ids=["as it is", "with unused tiles"])
def test_vector_registers_come_back(tmp_path: Path, shown: bytes) -> None:
    library = built_from(VECTORS, tmp_path / "vectors.so", "-O2")
    with spawn(sys.executable, LOOKS.format(library=str(library))) as target:
        if (line := read_line(target)) == "-1":
            pytest.skip("the processor has no such vector registers")
        assert line == "looks"
        with Memory(target.pid, writable=True) as memory:
            for _ in range(ROUNDS):
                as_passing_tracer(lambda: call_something(target.pid, memory, shown))
        tell(target, "")
        assert read_line(target) == "0"


def call_something(pid: int, memory: Memory, shown: bytes) -> None:
    """Have the main thread call a function; `shown` is added to what its vector state is."""
    among = mappings(pid)
    call = Call(cpython_image(memory).require("Py_IsInitialized"))
    with StoppedThread(pid, pid) as thread:
        registers = Registers.unpack(thread.general_registers())
        extended = thread.extended_state()
        state = ThreadState(registers.resumed(), extended + shown, thread.signal_mask())
        restorer = find_restorer(memory, among)
        entry = write_calls(memory, among, state, [call], restorer=restorer, needs=16 << 10)
        thread.set_general_registers(entry.pack())


@pytest.mark.parametrize(
    "stack",
    [
        Mapping(0x10000, 0x20000, "rw-p", 0, "00:00", 0, ""),
        Mapping(0x1F000, 0x20000, "rw-p", 0, "00:00", 0, "[stack]"),
        Mapping(0x10000, 0x20000, "---p", 0, "00:00", 0, "[stack]"),
    ],
    ids=["too small for the call", "too small for the frames", "a guard page"],
)
def test_a_stack_without_room_is_not_written_to(stack: Mapping) -> None:
    state = ThreadState(Registers.unpack(bytes(216)).changed(rsp=0x1FF00), bytes(2696), bytes(8))
    with spawn(sys.executable, ASLEEP) as target, Memory(target.pid) as memory:
        with pytest.raises(NoRoomOnStack):
            write_calls(memory, [stack], state, [Call(1)], restorer=1, needs=192 << 10)
        with pytest.raises(NoRoomOnStack):
            write_calls(memory, [], state, [Call(1)], restorer=1, needs=0)
