"""Lines are those that each interpreter's own tables give."""

from __future__ import annotations

import json
import subprocess

import pytest

from leakscope.capture.linetable import line_at
from tests.pythons import Interpreter, interpreters

DIS = """
import argparse, dis, json, sys, textwrap, types
def codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes(const)
rows = []
for module in (argparse, textwrap, dis):
    with open(module.__file__, encoding="utf-8") as file:
        top = compile(file.read(), "x", "exec")
    for code in codes(top):
        table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
        if sys.version_info >= (3, 10):
            lines = {o: line for s, e, line in code.co_lines() for o in range(s, e, 2) if line}
        else:
            starts, lines, line = dict(dis.findlinestarts(code)), {}, code.co_firstlineno
            for offset in range(0, len(code.co_code), 2):
                line = starts.get(offset, line)
                lines[offset] = line
        rows.append((code.co_firstlineno, table.hex(), sorted(lines.items())))
print(json.dumps([sys.hexversion, rows]))
"""


@pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
def test_every_instruction_has_the_line_that_the_interpreter_gives_it(python: Interpreter) -> None:
    told = subprocess.run([python.path, "-c", DIS], capture_output=True, check=True, timeout=60)
    version, rows = json.loads(told.stdout)

    wrong = [
        (first, offset, line)
        for first, table, lines in rows
        for offset, line in lines[::5]
        if line_at(version, first, bytes.fromhex(table), offset) != line
    ]

    assert len(rows) > 50
    assert wrong == []


@pytest.mark.parametrize("version", [0x03090000, 0x030A0000, 0x030B0000, 0x030F0000])
@pytest.mark.parametrize("table", [b"", b"\xff", b"\x80" * 7, bytes(range(256))])
def test_a_table_that_makes_no_sense_still_gives_a_line(version: int, table: bytes) -> None:
    assert isinstance(line_at(version, 10, table, 6), int)
