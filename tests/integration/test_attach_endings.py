"""Sessions that end in other ways than by detaching: the target forks, exits, raises."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from leakscope.capture.literals import NotPlain
from leakscope.capture.session import AnswerTooLarge, TargetError
from leakscope.capture.wire import ProtocolError, SessionLost, Timeout
from tests.attaching import (
    AGENT_KINDS,
    assert_no_traces,
    attached,
    every_python,
    has_agent_thread,
    newest,
    some_pythons,
    still_runs,
    traces,
)
from tests.pythons import Interpreter
from tests.targets import eventually, read_line, spawn, tell

FORKS_WHEN_TOLD = """
import os, sys
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.write(1, b"%d\\n" % os.getpid())
        sys.stdin.readline()
        os._exit(0)
    os.write(1, b"parent\\n")
"""
EXITS_WHEN_TOLD = "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\nprint('bye')"
kinds = pytest.mark.parametrize("kind", AGENT_KINDS)


@every_python
def test_a_forked_child_has_no_agent_and_no_connection(python: Interpreter) -> None:
    with spawn(python.path, FORKS_WHEN_TOLD, env={"PYTHONWARNINGS": "ignore"}) as target:
        before = traces(target.pid)
        with attached(target) as session:
            tell(target, "fork")
            lines = {read_line(target), read_line(target)} - {"parent"}
            child = int(lines.pop())
            assert not has_agent_thread(child)
            assert traces(child).descriptors == before.descriptors
            assert still_runs(target, session)
        assert_no_traces(target.pid, before)
        assert Path(f"/proc/{child}").exists()


@every_python
@kinds
def test_a_target_exits_in_peace_while_it_is_watched(python: Interpreter, kind: str) -> None:
    with (
        spawn(python.path, EXITS_WHEN_TOLD, stderr=subprocess.PIPE) as target,
        attached(target, kind) as session,
    ):
        assert still_runs(target, session)
        tell(target, "")
        assert target.wait(timeout=20) == 0
        with pytest.raises(SessionLost, match=f"the target went away: process {target.pid}"):
            session.call("add", 1, 2)
        assert target.stderr is not None and target.stderr.read() == b""


@some_pythons
def test_a_target_that_is_killed_is_told_apart_from_an_agent_that_went(python: Interpreter) -> None:
    with spawn(python.path, EXITS_WHEN_TOLD) as target, attached(target) as session:
        session.execute("import time")
        target.send_signal(signal.SIGKILL)
        with pytest.raises(SessionLost, match="the target went away"):
            session.execute("time.sleep(30)")


@kinds
def test_signals_still_reach_the_main_thread(kind: str) -> None:
    source = """
import signal, sys, threading
def heard(number, frame):
    print("heard", threading.current_thread() is threading.main_thread(), flush=True)
signal.signal(signal.SIGUSR1, heard)
print("ready", flush=True)
while True:
    signal.pause()
"""
    with spawn(newest().path, source) as target, attached(target, kind):
        for _ in range(5):
            target.send_signal(signal.SIGUSR1)
            assert read_line(target) == "heard True"


@some_pythons
@kinds
def test_what_the_source_raises_is_told_with_its_type(python: Interpreter, kind: str) -> None:
    with spawn(python.path, EXITS_WHEN_TOLD) as target, attached(target, kind) as session:
        for source, type_name, text in [
            ("1/0", "ZeroDivisionError", "division"),
            ("raise SystemExit(3)", "SystemExit", "3"),
            ("def broken(:", "SyntaxError", ""),
            ("_reply = object()", "TypeError", ""),
        ]:
            with pytest.raises(TargetError) as caught:
                session.execute(source)
            assert caught.value.kind == type_name
            assert text in caught.value.text
        assert still_runs(target, session)


@kinds
def test_plain_values_survive_the_way_there_and_back(kind: str) -> None:
    values: tuple[object, ...] = (
        None, True, -7, 1 << 80, 2.5, "ünïcode \ud800 \0", b"\x00\xff", (), [1, (2,)], {"k": {3}},
        set(),
    )  # fmt: skip
    with spawn(newest().path, EXITS_WHEN_TOLD) as target, attached(target, kind) as session:
        session.execute("def same(*values):\n    return values")
        assert session.call("same", *values) == values
        with pytest.raises(NotPlain):
            session.call("same", object())
        with pytest.raises(NotPlain):
            session.call("same", float("nan"))
        with pytest.raises(NotPlain):
            session.call("import os; f")
        session.execute("def odd():\n    return object()")
        with pytest.raises(ProtocolError, match="not a plain value"):
            session.call("odd")


@kinds
def test_a_late_answer_is_not_taken_for_the_next_one(kind: str) -> None:
    with spawn(newest().path, EXITS_WHEN_TOLD) as target, attached(target, kind) as session:
        session.execute("import time\ndef slow(value):\n    time.sleep(0.5)\n    return value")
        with pytest.raises(Timeout):
            session.call("slow", "late", timeout=0.1)
        assert session.call("slow", "in time") == "in time"


@kinds
def test_an_answer_that_is_too_large_is_refused_and_the_session_goes_on(kind: str) -> None:
    with spawn(newest().path, EXITS_WHEN_TOLD) as target, attached(target, kind) as session:
        with pytest.raises(AnswerTooLarge):
            session.execute("_reply = bytes((64 << 20) + 1)")
        assert still_runs(target, session)


@some_pythons
@kinds
def test_the_namespace_is_private_and_dropped(python: Interpreter, kind: str) -> None:
    source = """
import gc, sys
print("ready", flush=True)
for line in sys.stdin:
    gc.collect()
    # On 3.15 the table of interned texts is seen by gc; it maps each text to itself.
    found = [o for o in gc.get_objects() if isinstance(o, dict) and o.get("leakscope_mark") == 1]
    print(len(found), "leakscope_session" in sys.modules, flush=True)
"""
    with spawn(python.path, source) as target:
        with attached(target, kind) as session:
            session.execute("leakscope_mark = 1\ndef uses():\n    return leakscope_mark")
            assert session.call("uses") == 1
            tell(target, "look")
            assert read_line(target) != "0 False"
        eventually(lambda: not has_agent_thread(target.pid), "the agent goes")
        tell(target, "look")
        assert read_line(target) == "0 False"


def test_closing_twice_is_once() -> None:
    with spawn(newest().path, EXITS_WHEN_TOLD) as target:
        session = attached(target)
        session.close()
        session.close()
        with pytest.raises(SessionLost, match="closed"):
            session.execute("pass")
