"""The services under fixtures/ and their like, as tests start and ask them."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.targets import read_line, spawn

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    pid: int

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to one request over a connection of its own.

        Raises what `http.client` raises, `IncompleteRead` and `OSError` for a broken answer.
        """
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def counted(self) -> dict[str, int]:
        """Return the samples of `http_requests_total` by label set, as `/metrics` spells it."""
        text = self.ask("/metrics").body.decode()
        samples = re.findall(r"(?m)^http_requests_total(\{.*\})? (\d+)$", text)
        return {labels: int(count) for labels, count in samples}


@contextmanager
def service(*arguments: str | Path, python: Path | str = sys.executable) -> Iterator[Service]:
    """Run `python` with these arguments until the context ends; it takes its port itself.

    The service has to print `listening PORT` and then `ready PID`, and nothing before.
    """
    with spawn(python, arguments, wait_for=None) as process:
        listening, port = read_line(process).split()
        ready, pid = read_line(process).split()
        assert (listening, ready) == ("listening", "ready")
        yield Service(process, int(port), int(pid))
