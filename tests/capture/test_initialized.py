"""The flag that an interpreter is up is found in the few instructions that load it."""

from __future__ import annotations

import struct

import pytest

from leakscope.capture.initialized import flag_address

AT = 0x7F00_0000_1000
GOT = {0x7F00_0000_3008: 0x7F00_0020_0000}


def read_pointer(address: int) -> int:
    return GOT[address]


def a64(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words).ljust(32, b"\0")


RIP_TO_GOT = (0x7F00_0000_3008 - AT - 7).to_bytes(4, "little")
RIP_TO_GOT_LATER = (0x7F00_0000_3008 - AT - 11).to_bytes(4, "little")
ADRP_X8_TWO_PAGES_ON = 0x90000008 | 2 % 4 << 29 | (2 >> 2) << 5
ADRP_X8_ONE_PAGE_BACK = 0x90000008 | 3 << 29 | 0x7FFFF << 5
RET = 0xD65F03C0


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(b"\x8b\x05\x00\x10\x00\x00\xc3", AT + 6 + 0x1000, id="static"),
        pytest.param(b"\x8b\x05\xf0\xff\xff\xff\xc3", AT + 6 - 16, id="static, before the code"),
        pytest.param(
            b"\xf3\x0f\x1e\xfa\x8b\x05\x00\x10\x00\x00\xc3", AT + 10 + 0x1000, id="endbr64"
        ),
        pytest.param(
            b"\x48\x8b\x05" + RIP_TO_GOT + b"\x8b\x40\x0c\xc3", 0x7F00_0020_000C, id="shared"
        ),
        pytest.param(
            b"\xf3\x0f\x1e\xfa\x48\x8b\x05" + RIP_TO_GOT_LATER + b"\x8b\x80\x88\x03\x00\x00\xc3",
            0x7F00_0020_0388,
            id="shared, far into the runtime",
        ),
    ],
)
def test_the_flag_is_found_on_x86_64(code: bytes, expected: int) -> None:
    assert flag_address(code.ljust(32, b"\x90"), AT, "x86_64", read_pointer) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(
            a64(ADRP_X8_TWO_PAGES_ON, 0xB9400100 | (0x2D0 // 4) << 10, RET),
            AT + 0x2000 + 0x2D0,
            id="static",
        ),
        pytest.param(
            a64(0xD503245F, ADRP_X8_ONE_PAGE_BACK, 0xB9400100, RET), AT - 0x1000, id="bti"
        ),
        pytest.param(
            a64(ADRP_X8_TWO_PAGES_ON, 0x91004108, 0xB9400900, RET),
            AT + 0x2000 + 16 + 8,
            id="static, address built first",
        ),
        pytest.param(
            a64(ADRP_X8_TWO_PAGES_ON, 0xF9400508, 0xB942D100, RET), 0x7F00_0020_02D0, id="shared"
        ),
    ],
)
def test_the_flag_is_found_on_aarch64(code: bytes, expected: int) -> None:
    assert flag_address(code, AT, "aarch64", read_pointer) == expected


@pytest.mark.parametrize(
    ("code", "machine"),
    [
        (b"\x55\x48\x89\xe5\x8b\x05\x00\x10\x00\x00\xc3".ljust(32), "x86_64"),
        (b"\x8b\x05\x00\x10\x00\x00\x90\xc3".ljust(32), "x86_64"),
        (b"", "x86_64"),
        (a64(RET), "aarch64"),
        (a64(0xA9BF7BFD, ADRP_X8_TWO_PAGES_ON, 0xB9400100, RET), "aarch64"),
        (b"", "aarch64"),
        (b"\x8b\x05\x00\x10\x00\x00\xc3", "riscv64"),
    ],
)
def test_other_code_is_not_guessed_at(code: bytes, machine: str) -> None:
    assert flag_address(code, AT, machine, read_pointer) is None
