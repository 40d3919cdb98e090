"""The agent, built with address and undefined-behaviour sanitizers, inside real targets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from leakscope.capture.native import NativeCapture
from leakscope.capture.portable import PortableCapture
from leakscope.capture.process import identify
from leakscope.capture.session import attach
from leakscope.model.evidence import Evidence
from tests.pythons import Interpreter, interpreters
from tests.targets import spawn

SOURCES = Path(__file__).resolve().parents[2] / "leakscope" / "capture" / "agent"
TARGET = """
import threading
class Order:
    def __init__(self, number):
        self.number, self.lines = number, [{"sku": str(number)}, (number, b"x" * number)]
ORDERS = {str(number): Order(number) for number in range(2000)}
def work():
    while True:
        sum(range(100))
threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build with sanitizers"),
]


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the agent with sanitizers."""
    agent = tmp_path_factory.mktemp("sanitized") / "agent.so"
    subprocess.run(
        [
            *(
                "gcc",
                "-std=c11",
                "-shared",
                "-nostartfiles",
                "-fPIC",
                "-g",
                "-O1",
                "-fvisibility=hidden",
            ),
            *("-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"),
            *("-fno-sanitize-recover=all", "-o", str(agent)),
            *map(str, sorted(SOURCES.glob("*.c"))),
        ],
        check=True,
        timeout=120,
    )
    return agent


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_the_agent_runs_clean_under_sanitizers(python: Interpreter, sanitized: Path) -> None:
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    env = {
        "LD_PRELOAD": library,
        # The interpreter leaks on purpose at its end, and brings its own handlers.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    with spawn(python.path, TARGET, env=env, stderr=subprocess.PIPE) as target:
        for _ in range(3):
            with attach(identify(target.pid), agent=sanitized) as session:
                assert session.kind == "native-agent"
                native = NativeCapture(session, explain=lambda _heap, _suspects: Evidence())
                census = native.census()
                with native.snapshot() as heap:
                    assert len(heap.heap.snapshot.address) > 2000
                portable = PortableCapture(session).census()
            assert census.types["__main__.Order"].objects == 2000
            assert portable.types["__main__.Order"].objects == 2000
        assert target.poll() is None
        target.kill()
        assert target.stderr is not None
        said = target.stderr.read().decode(errors="replace")
    assert "Sanitizer" not in said
    assert "runtime error" not in said
