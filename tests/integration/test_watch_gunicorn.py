"""`leakscope watch --children` on gunicorn: rates per request, if the counter allows them."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.families import WEB, watching
from tests.targets import eventually, spawn

pytestmark = pytest.mark.slow
WORKERS = 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def visit(port: int, path: str = "/") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        connection.getresponse().read()
    connection.close()


@contextmanager
def load_on(port: int) -> Iterator[None]:
    """Send requests until the context ends."""
    done = threading.Event()

    def drive() -> None:
        while not done.wait(0.02):
            visit(port)

    threads = [threading.Thread(target=drive) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


@contextmanager
def gunicorn(folder: Path, *options: str) -> Iterator[tuple[int, int]]:
    """Serve WEB by a few workers under load; yield the master's pid and the port."""
    (folder / "web.py").write_text(WEB)
    port = free_port()
    words = ("-m", "gunicorn", "-w", str(WORKERS), "--preload", "-b", f"127.0.0.1:{port}")
    with spawn(sys.executable, [*words, *options, "web:app"], wait_for=None, cwd=folder) as master:
        me = psutil.Process(master.pid)
        eventually(lambda: len(me.children()) == WORKERS, "the workers are there")
        eventually(lambda: _serves(port), "it serves")
        with load_on(port):
            yield master.pid, port


def _serves(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def watched(folder: Path, pid: int, *options: str) -> tuple[int, dict[str, Any]]:
    file = folder / "report.json"
    brisk = ("--children", "--every", "700ms", "--for", "10s", "--json", file)
    with watching(str(pid), *brisk, *options) as watch:
        code, _ = watch.end()
    report: dict[str, Any] = json.loads(file.read_text())
    return code, report


def test_per_request_of_a_counter_of_all_one_object_is_left_in_all(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as (pid, port):
        code, report = watched(tmp_path, pid, "--work", f"http://127.0.0.1:{port}/all")

    assert code == 1, report
    assert report["unit"] == "request"
    (shared,) = report["findings"]
    assert len(shared["found_in"]) == WORKERS
    assert shared["objects"]["total"] == pytest.approx(1.0, rel=0.05)
    assert "the work of all workers together" in report["caveats"][0]


def test_counters_of_single_workers_give_rates_per_second_only(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as (pid, port):
        code, report = watched(tmp_path, pid, "--work", f"http://127.0.0.1:{port}/own")

    assert code == 1, report
    assert report["unit"] == "second"
    assert "Rates per unit of work cannot be told" in report["caveats"][0]


def test_workers_that_gunicorn_recycles_are_watched_one_after_the_other(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--max-requests", "350") as (pid, _):
        code, report = watched(tmp_path, pid)

    assert code == 1, report
    workers = [member for member in report["workers"] if member["role"] == "worker"]
    assert len(workers) > WORKERS
    assert any(worker["exited"] for worker in workers)
    assert any(worker["came_after_seconds"] > 0 for worker in workers)
    assert len(report["findings"]) == 1
