"""A thread goes on as the kernel would have let it, and only harmless waits are touched."""

from __future__ import annotations

import errno
import os
import sys
import tempfile

import pytest

from leakscope.capture.doors.gadgets import find_restorer, find_store
from leakscope.capture.doors.registers import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    NO_SYSTEM_CALL,
    Registers,
)
from leakscope.capture.doors.waiting import is_harmless
from leakscope.capture.elf import Image
from leakscope.capture.memory import Memory, mapping_at, mappings
from leakscope.capture.runtime import cpython_image
from leakscope.capture.threads import WaitingCall
from tests.targets import ASLEEP, spawn

READ = 0
AT = 0x1000
IDLE = Registers.unpack(bytes(216)).changed(rip=AT, rsp=0x7000, orig_rax=NO_SYSTEM_CALL)


def in_call(number: int, error: int) -> Registers:
    return IDLE.changed(orig_rax=number, rax=-error)


def test_registers_survive_packing() -> None:
    packed = bytes(range(216))
    assert Registers.unpack(packed).pack() == packed


@pytest.mark.parametrize("error", [ERESTARTSYS, ERESTARTNOHAND, ERESTARTNOINTR])
def test_an_interrupted_call_is_made_again(error: int) -> None:
    resumed = in_call(READ, error).resumed()
    assert (resumed["rip"], resumed["rax"], resumed["orig_rax"]) == (AT - 2, READ, NO_SYSTEM_CALL)


@pytest.mark.parametrize(
    ("error", "forged"),
    [
        (ERESTARTSYS, True),
        (ERESTARTNOHAND, True),
        (ERESTART_RESTARTBLOCK, True),
        (ERESTART_RESTARTBLOCK, False),
        (errno.EINTR, False),
    ],
)
def test_an_interrupted_call_returns_eintr(error: int, forged: bool) -> None:
    resumed = in_call(READ, error).resumed(interrupted=forged)
    assert (resumed["rip"], resumed["rax"]) == (AT, (1 << 64) - errno.EINTR)
    assert resumed["orig_rax"] == NO_SYSTEM_CALL


def test_what_must_not_be_interrupted_is_made_again() -> None:
    assert in_call(READ, ERESTARTNOINTR).resumed(interrupted=True)["rip"] == AT - 2


def test_a_finished_call_keeps_its_result() -> None:
    assert in_call(READ, -17).resumed(interrupted=True)["rax"] == 17
    assert not in_call(READ, -17).waits
    assert not in_call(READ, errno.ENOENT).waits


def test_user_code_goes_on_where_it_was() -> None:
    assert IDLE.resumed(interrupted=True) == IDLE
    assert not IDLE.waits


def test_only_waits_from_outside_are_harmless() -> None:
    with spawn(sys.executable, ASLEEP) as target, Memory(target.pid) as memory:
        python = cpython_image(memory)

        def harmless(number: int, *arguments: int) -> bool:
            call = WaitingCall(number, (*arguments, *(0,) * (6 - len(arguments))))
            return is_harmless(call, target.pid, python)

        assert harmless(232)  # epoll_wait
        assert harmless(230)  # clock_nanosleep
        assert harmless(0, 0)  # read from a pipe
        assert not harmless(0, 999)  # read from no file
        assert not harmless(9)  # mmap
        assert not harmless(12)  # brk
        assert not harmless(56)  # clone
        assert not harmless(59)  # execve
        wait_bitset, private = 9, 128
        assert harmless(202, 0x1000, wait_bitset | private)
        assert not harmless(202, 0x1000, private)  # FUTEX_WAIT: perhaps malloc's lock
        assert not harmless(202, inside(python), wait_bitset | private)  # the interpreter's lock


def inside(python: Image) -> int:
    address = python.symbol("_PyRuntime")
    assert address is not None
    return address


def test_reading_a_file_on_disk_is_not_harmless() -> None:

    with tempfile.NamedTemporaryFile() as file, Memory(os.getpid()) as memory:
        call = WaitingCall(READ, (file.fileno(), 0, 0, 0, 0, 0))
        assert not is_harmless(call, os.getpid(), cpython_image(memory))


def test_the_gadgets_do_what_they_say() -> None:
    with spawn(sys.executable, ASLEEP) as target, Memory(target.pid) as memory:
        among = mappings(target.pid)
        restorer = find_restorer(memory, among)
        assert memory.read(restorer, 9).hex(" ") == "48 c7 c0 0f 00 00 00 0f 05"
        store = find_store(memory, among)
        code = mapping_at(store.address, among)
        assert code is not None and "x" in code.permissions
        assert store.register in ("rbx", "rbp", "r12", "r13", "r14", "r15")
        assert 0 <= store.pops <= 16
