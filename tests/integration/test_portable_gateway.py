"""Portable capture through an attached agent: the real proxy, and targets of every version."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from leakscope.capture.portable import PortableCapture
from leakscope.capture.process import identify
from leakscope.capture.session import attach
from leakscope.model.evidence import Evidence, HolderEvidence, Suspects
from tests.attaching import AGENT_KINDS, assert_no_traces, attached, every_python, traces
from tests.integration.services import FIXTURES, Service, service
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn, tell

REQUESTS = 100
"""A multiple of what the gateway's audit log ships at once, so that only leaks are longer."""


@contextmanager
def gateway(leak: str) -> Iterator[Service]:
    with service(FIXTURES / "gateway", "--port", "0", "--leak", leak) as running:
        yield running


def grown(leak: str, each: float = 1) -> tuple[HolderEvidence, Evidence, int]:
    """Serve requests between two censuses; return the evidence on what grew by `each` request.

    With it comes by how much the type at the end of the holder's entry grew.
    """
    with gateway(leak) as running, attach(identify(running.pid)) as session:
        capture = PortableCapture(session)
        for _ in range(REQUESTS):
            running.ask("/orders/1", method="POST", body=b"x" * 3000)
        before = capture.census()
        for _ in range(REQUESTS):
            running.ask("/orders/1", method="POST", body=b"x" * 3000)
        after = capture.census()
        lengths = {c.address: c.length for c in before.containers}
        suspects = [
            c.address
            for c in after.containers
            if abs(c.length - lengths.get(c.address, c.length) - each * REQUESTS) <= 2
        ]
        types = [
            name
            for name, total in after.types.items()
            if name in before.types and total.objects > before.types[name].objects
        ]
        evidence = capture.gather(Suspects(tuple(suspects), tuple(types)))
        holder = max(evidence.holders, key=lambda h: sum(s.bytes for s in h.shares))
        name = holder.entry[-1].type
        return holder, evidence, after.types[name].objects - before.types[name].objects


@pytest.mark.parametrize(
    ("leak", "chain", "headline", "each"),
    [
        (
            "request-in-log-queue",
            ["module gateway.audit", ".PENDING"],
            "aiohttp.web_request.Request",
            1,
        ),
        ("task-blocked-on-queue", [".outcomes", "._getters"], "_asyncio.Task", 1),
        ("closure-captures-body", [".KEY_ROTATED", ".receivers"], "builtins.function", 1),
        (
            "lru-on-method",
            [".RequestPolicy", ".timeout", "lru_cache entries"],
            "gateway.policy.RequestPolicy",
            1,
        ),
        (
            "fractional",
            ["module gateway.sampling", ".SAMPLES"],
            "gateway.sampling.TraceSample",
            0.2,
        ),
    ],
)
def test_the_leak_of_a_real_proxy_is_named_with_its_holder(
    leak: str, chain: list[str], headline: str, each: float
) -> None:
    holder, _, growth = grown(leak, each)

    assert [s.edge for s in holder.chain][-len(chain) :] == chain
    assert holder.chain[0].edge.startswith(("module ", "thread MainThread frame main "))
    assert holder.entry[-1].type == headline
    assert growth == pytest.approx(each * REQUESTS, abs=2)


def test_a_blocked_task_is_told_by_where_it_waits() -> None:
    holder, _, _ = grown("task-blocked-on-queue")

    assert holder.site is not None
    assert holder.site.file.endswith("gateway/usage.py")
    assert holder.site.function.endswith("book_next_outcome")


def test_a_request_that_leaked_keeps_its_headers_and_url_alive() -> None:
    holder, evidence, _ = grown("request-in-log-queue")

    shares = {s.type: s.objects for s in holder.shares}
    assert shares["gateway.audit.AuditRecord"] == 1
    assert shares["aiohttp.web_request.Request"] == pytest.approx(1, abs=0.1)
    chains = {t.type: [s.edge for s in t.chain] for t in evidence.types}
    assert chains["aiohttp.web_request.Request"][:2] == ["module gateway.audit", ".PENDING"]
    assert chains["aiohttp.web_request.Request"][-1] == ".request"


TARGET = """
import gc, json, sys, threading
class Order:
    def __init__(self, i):
        self.lines = [i]
ORDERS = {i: Order(i) for i in range(500)}
def state():
    gc.collect()
    return [sorted(sys.modules), threading.active_count(), sorted(vars(sys.modules["__main__"])),
            sum(type(x) is Order for x in gc.get_objects())]
line, BEFORE = "", None
BEFORE = state()
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(state() == BEFORE) if "same" in line else id(ORDERS), flush=True)
"""


def asked(target: subprocess.Popen[bytes], question: str) -> str:
    tell(target, question)
    return read_line(target)


@pytest.mark.parametrize("kind", AGENT_KINDS)
@every_python
def test_a_target_is_as_it_was_when_the_capture_has_gone(python: Interpreter, kind: str) -> None:
    with spawn(python.path, TARGET) as target:
        before = traces(target.pid)
        address = int(asked(target, "where"))
        capture = PortableCapture(attached(target, kind))
        reading = capture.census()
        capture.trace_allocations(on=True)
        evidence = capture.gather(Suspects((address,), ("__main__.Order",)))
        capture.close()
        capture.close()

        assert reading.types["__main__.Order"].objects == 500
        assert [s.edge for s in evidence.holders[0].chain] == ["module __main__", ".ORDERS"]
        assert [s.edge for s in evidence.types[0].chain][:2] == ["module __main__", ".ORDERS"]
        assert_no_traces(target.pid, before)
        assert asked(target, "same") == "true"


def test_types_of_payload_and_agent_are_not_among_the_targets() -> None:
    with spawn(interpreters()[0].path, TARGET) as target, attached(target) as session:
        types = PortableCapture(session).census().types

        assert not any("leakscope" in name for name in types)
