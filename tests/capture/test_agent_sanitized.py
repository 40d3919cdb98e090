"""The native agent at work in a target, with every access and every overflow checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.capture.process import identify
from leakscope.capture.session import AnswerTooLarge, TargetError, attach
from tests.attaching import has_agent_thread, still_runs
from tests.targets import eventually, spawn

ROOT = Path(__file__).resolve().parents[2]
SERVES = """
import os, sys, threading
def work():
    while True:
        sum(range(300))
threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    print("forked", flush=True)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build with sanitizers"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake"),
]


def runtime(name: str) -> str:
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the agent with sanitizers."""
    folder = tmp_path_factory.mktemp("sanitized")
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-DLEAKSCOPE_SANITIZE=ON"]
    subprocess.run([*configure, "-DCMAKE_C_COMPILER=gcc"], check=True, capture_output=True)
    build = ["cmake", "--build", str(folder), "--target", "leakscope_agent"]
    subprocess.run(build, check=True, capture_output=True)
    return folder / "agent.so"


def test_nothing_is_reported(agent: Path, tmp_path: Path) -> None:
    environment = {
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}",
        # What the interpreter itself never frees is not what is looked for.
        "ASAN_OPTIONS": f"detect_leaks=0:log_path={tmp_path}/asan",
        "UBSAN_OPTIONS": f"log_path={tmp_path}/ubsan:print_stacktrace=1",
        "PYTHONWARNINGS": "ignore",
    }
    with spawn(sys.executable, SERVES, env=environment) as target:
        for _ in range(5):
            with attach(identify(target.pid), agent=agent) as session:
                assert session.kind == "native-agent"
                assert still_runs(target, session)
                session.execute("_reply = b'x' * (32 << 20)")
                for source in (
                    "1/0",
                    "raise SystemExit",
                    "(",
                    "_reply = 1",
                    "raise Exception('é')",
                ):
                    with pytest.raises(TargetError):
                        session.execute(source)
                with pytest.raises(AnswerTooLarge):
                    session.execute("_reply = bytes((64 << 20) + 1)")
                with pytest.raises(TargetError):
                    session.request(999, b"")
            eventually(lambda: not has_agent_thread(target.pid), "the agent goes")
        assert target.stdin is not None
        target.stdin.close()
        assert target.wait(timeout=30) == 0
    assert [path.read_text() for path in tmp_path.iterdir()] == []
