"""Portable capture against the tools that it stands in for: objgraph's counts, pympler's sizes."""

import sys
from pathlib import Path
from typing import Any

import pytest

from leakscope.capture.portable import PortableCapture
from leakscope.model.evidence import Suspects
from tests.capture.local_session import LocalSession
from tests.capture.test_payload_census import OF_THE_COUNTING, PROGRAM

HERE = Path(sys.executable)


def test_counts_are_objgraphs() -> None:
    with LocalSession(HERE, "import objgraph" + PROGRAM) as session:
        capture = PortableCapture(session)
        capture.census()
        session.run("gc.collect()")
        counted = {name: t.objects for name, t in capture.census().types.items()}
        expected: Any = session.evaluate("objgraph.typestats(shortnames=False)")

        # objgraph leaves out the names of the classes and functions around a class.
        alike = {n for n in counted if "." not in n.rpartition(".")[0] or n in expected}
        compared = (alike & expected.keys()) - OF_THE_COUNTING
        assert len(compared) > 50
        assert {n: counted[n] for n in compared} == {n: expected[n] for n in compared}


def test_the_way_to_a_holder_has_the_objects_that_objgraph_finds() -> None:
    program = """
import objgraph
class Bus:
    def __init__(self):
        self.handlers = [object() for i in range(50)]
class App:
    def __init__(self):
        self.bus = Bus()
APP = App()
"""
    with LocalSession(HERE, program) as session:
        address: Any = session.evaluate("id(APP.bus.handlers)")
        found: Any = session.evaluate(
            "[type(x).__qualname__ for x in"
            " objgraph.find_backref_chain(APP.bus.handlers, objgraph.is_proper_module)]"
        )
        chain = PortableCapture(session).gather(Suspects((address,), ())).holders[0].chain

        parts = [name for name in found if name != "dict"]
        assert [s.type.rpartition(".")[2] for s in chain] == parts


def test_flat_sizes_are_pymplers() -> None:
    program = """
from pympler import asizeof
class Record:
    __slots__ = ("body", "lines", "fields", "tags")
    def __init__(self, i):
        self.body, self.lines = bytes(500 + i), [i] * 7
        self.fields, self.tags = {"a": "value %d" % i}, {"tag %d" % i, "other %d" % i}
RECORDS = [Record(i) for i in range(300)]
def flat(record):
    return {type(x).__name__: asizeof.flatsize(x)
            for x in (record.body, record.lines, record.fields, record.tags)}
SIZES = [flat(r) for r in RECORDS[150:]]
"""
    with LocalSession(HERE, program) as session:
        address: Any = session.evaluate("id(RECORDS)")
        capture = PortableCapture(session)
        shares = capture.gather(Suspects((address,), ())).holders[0].shares
        sizes: Any = session.evaluate("SIZES")

        for name in ("bytes", "list", "dict", "set"):
            expected = sum(s[name] for s in sizes) / len(sizes)
            found = next(s for s in shares if s.type == f"builtins.{name}")
            headers = 0 if name == "bytes" else 16
            assert found.bytes == pytest.approx(expected + headers, abs=17)
