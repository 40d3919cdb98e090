"""What a process has open is told by where it leads, with the objects that it belongs to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leakscope.model.descriptors import DescriptorGroup, DescriptorPicture
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.descriptors import descriptors_from_process
from tests.integration.leakscope_runs import leakscope, report_of
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn

PROGRAM = """
import gc, io, json, mmap, os, select, socket, sys, tempfile
gc.disable()
folder = sys.argv[1]

class Upstream:
    def __init__(self, address):
        self.connections = [socket.create_connection(address) for _ in range(4)]

class Session:
    def __init__(self, address):
        self.raw = socket.create_connection(address)
        self.me = self

listener = socket.create_server(("127.0.0.1", 0))
upstream = Upstream(listener.getsockname())
accepted = [listener.accept()[0] for _ in range(4)]
for half_closed in upstream.connections[:2]:
    half_closed.shutdown(socket.SHUT_WR)
for one in accepted[:2]:
    assert one.recv(1) == b""
del half_closed, one
Session(listener.getsockname())
by_garbage = listener.accept()[0]
logs = {name: open(os.path.join(folder, name), "w") for name in ("a", "b", "c")}
raw = os.pipe()
wrapped = io.FileIO(os.pipe()[0])
poll = select.epoll()
with open(os.path.join(folder, "mapped"), "wb") as out:
    out.write(bytes(4096))
with open(os.path.join(folder, "mapped"), "r+b") as file:
    mapping = mmap.mmap(file.fileno(), 4096)
unix = socket.socketpair(socket.AF_UNIX)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
closed = open(os.path.join(folder, "closed"), "w"); closed.close()
print("ready", json.dumps({
    "port": listener.getsockname()[1], "listener": listener.fileno(),
    "to": [s.fileno() for s in upstream.connections], "from": [s.fileno() for s in accepted],
    "by garbage": by_garbage.fileno(), "logs": sorted(f.fileno() for f in logs.values()),
    "raw": raw, "wrapped": wrapped.fileno(), "epoll": poll.fileno(),
    "unix": [s.fileno() for s in unix], "udp": udp.fileno(),
}), flush=True)
sys.stdin.read()
"""


def said(process: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401
    return json.loads(read_line(process).removeprefix("ready "))


def with_numbers(picture: DescriptorPicture, *wanted: int) -> list[DescriptorGroup]:
    """Return the groups in which these numbers are."""
    return [group for group in picture.groups if set(group.numbers) & set(wanted)]


def paths(groups: list[DescriptorGroup]) -> list[str]:
    return ["".join(step.edge for step in group.chain) for group in groups]


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_what_is_open_is_told_with_its_owners(python: Interpreter, tmp_path: Path) -> None:
    with spawn(python.path, ["-c", PROGRAM, tmp_path], wait_for=None) as target:
        told = said(target)
        count = len(os.listdir(f"/proc/{target.pid}/fd"))  # noqa: PTH208
        picture = descriptors_from_process(target.pid)

    assert not picture.unseen
    assert (picture.descriptors, picture.passing) == (count, 0)
    assert picture.limit is not None and picture.limit >= count
    assert sum(len(group.numbers) for group in picture.groups) == count
    port = told["port"]

    (listener,) = with_numbers(picture, told["listener"])
    assert (listener.kind, listener.where) == ("TCP listener", f"at 127.0.0.1:{port}")
    outgoing = with_numbers(picture, *told["to"])
    assert {(g.kind, g.where) for g in outgoing} == {("TCP connection", f"to 127.0.0.1:{port}")}
    assert {g.state for g in outgoing} == {"ESTABLISHED", "FIN_WAIT2"}
    assert {path.rsplit("[")[0] for path in paths(outgoing)} == {
        "module __main__.upstream.connections"
    }
    incoming = with_numbers(picture, *told["from"])
    assert {g.where for g in incoming} == {f"from 127.0.0.1 at :{port}"}
    (half,) = [g for g in incoming if g.state == "CLOSE_WAIT"]
    assert (list(half.numbers), half.owned, half.owner) == (told["from"][:2], 2, "socket.socket")

    (lost,) = [g for g in outgoing if g.garbage]
    assert (lost.state, lost.garbage, lost.owned) == ("ESTABLISHED", 1, len(lost.numbers))

    (logs,) = with_numbers(picture, *told["logs"])
    assert (logs.kind, logs.owner, logs.owned) == ("file", "_io.FileIO", 4)  # the mapping as well
    assert logs.where == f"in {tmp_path}"
    assert paths([logs])[0].startswith("module __main__.logs[")
    (unowned,) = [g for g in with_numbers(picture, *told["raw"]) if g.owned != len(g.numbers)]
    assert unowned.kind == "pipe"
    (epoll,) = with_numbers(picture, told["epoll"])
    assert (epoll.kind, epoll.owner, epoll.owned) == ("epoll instance", "select.epoll", 1)
    (unix,) = with_numbers(picture, *told["unix"])
    assert (unix.kind, unix.owned) == ("UNIX socket", 2)
    (udp,) = with_numbers(picture, told["udp"])
    assert (udp.kind, udp.owned) == ("UDP socket", 1)


def test_only_the_mapping_is_left_of_a_mapped_file(tmp_path: Path) -> None:
    source = """
import mmap, sys
with open(sys.argv[1], "wb") as out: out.write(bytes(4096))
with open(sys.argv[1], "r+b") as file: mapping = mmap.mmap(file.fileno(), 4096)
print("ready", flush=True); sys.stdin.read()
"""
    file = tmp_path / "mapped"
    for python in interpreters():
        with spawn(python.path, ["-c", source, file]) as target:
            picture = descriptors_from_process(target.pid)
        (group,) = [g for g in picture.groups if g.where == str(file)]
        assert (group.owner, group.owned) == ("mmap.mmap", 1)
        assert paths([group]) == ["module __main__.mapping"]


def test_the_text_and_the_report_say_the_same(tmp_path: Path) -> None:
    with spawn(sys.executable, ["-c", PROGRAM, tmp_path], wait_for=None) as target:
        told = said(target)
        text = leakscope("fds", str(target.pid))
        run = report_of("fds", str(target.pid))

    assert text.returncode == 0
    assert run.report["schema"] == "leakscope.fds/1"
    (waiting,) = [g for g in run.report["groups"] if g["state"] == "CLOSE_WAIT"]
    assert waiting["numbers"] == told["from"][:2]
    assert f"2 TCP connections from 127.0.0.1 at :{told['port']}   CLOSE_WAIT" in text.stdout
    assert "the other side has closed them; this process has not" in text.stdout
    assert "uncollected garbage" in text.stdout
    assert "no Python object that could be found" in text.stdout


def test_nothing_is_run_where_that_is_not_wanted(tmp_path: Path) -> None:
    with spawn(sys.executable, ["-c", PROGRAM, tmp_path], wait_for=None) as target:
        told = said(target)
        picture = descriptors_from_process(target.pid, CaptureChoice.READONLY)
        text = leakscope("fds", str(target.pid), "--capture", "readonly")

    assert picture.pause_ms is None
    assert {group.owned for group in picture.groups} == {None}
    (logs,) = with_numbers(picture, *told["logs"])
    assert len(logs.numbers) == 4
    assert "which objects they belong to is not known: nothing was to be run" in text.stdout


def test_what_is_open_is_told_of_a_process_that_cannot_be_entered() -> None:
    with spawn("/bin/sh", ["-c", "echo ready; read line"]) as target:
        picture = descriptors_from_process(target.pid)
    assert picture.unseen
    assert {number for group in picture.groups for number in group.numbers} >= {0, 1, 2}


def test_a_process_that_is_gone_is_one_line() -> None:
    with spawn(sys.executable, "print('ready', flush=True); import time; time.sleep(99)") as target:
        pid = target.pid
    run = leakscope("fds", str(pid))
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.count("\n") <= 2


LEAKY = """
import os, time
print("ready", flush=True)
while True:
    os.open("/dev/null", os.O_RDONLY)
    time.sleep(0.01)
"""


def test_descriptors_without_objects_that_grow_are_a_leak() -> None:
    with spawn(sys.executable, LEAKY) as target:
        run = report_of("watch", str(target.pid), "--for", "6s")

    assert (run.code, run.finding["type"]) == (1, "open descriptors")
    assert run.report["reason"] == "the number of open descriptors grows steadily"
    assert "leakscope fds" in run.finding["why"]
    left = run.finding["exhausted"]
    slope = run.finding["growth"]["objects"]["estimate"]
    assert left["seconds"] == pytest.approx((left["limit"] - run.finding["series"][-1]) / slope)
    (opened,) = run.finding["opened"]
    assert (opened["kind"], opened["where"], opened["state"]) == ("device", "/dev/null", None)
    assert opened["descriptors"] >= run.finding["series"][-1] - run.finding["series"][0]
