"""The gateway leaks exactly what it claims: per request of the kind that leaks, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CENSUS = Path(__file__).with_name("gateway_census.py")
REQUESTS = {"ordinary": 1000, "few": 200, "failing": 200, "aborted": 200, "new-clients": 200}
"""What gateway_census.py asks between its two censuses, by kind of traffic."""
WITHIN_NOISE = 150
"""Objects of one type that come and go by themselves: asyncio keeps 100 cancelled timers, for
instance. The slightest of the leaks adds 200."""
RECORD = 16 * 1024
"""Bytes of native memory that a request leaves, if it leaves any."""

Added = dict[str, dict[str, float]]
"""By part of the census, then by name."""


@dataclass(frozen=True, slots=True)
class Leak:
    """What a request of the kind that leaks adds."""

    added: Added
    traffic: str = "few"
    only: bool = field(default=False, kw_only=True)
    """Whether no other traffic leaks."""


LEAKS = {
    "request-in-log-queue": Leak(
        {"kept": {"aiohttp.web_request.Request": 1, "gateway.audit.AuditRecord": 1}}
    ),
    "request-in-contextvar": Leak({"kept": {"aiohttp.web_request.Request": 1, "builtins.hamt": 1}}),
    "task-blocked-on-queue": Leak({"kept": {"_asyncio.Task": 1}}),
    "task-ignores-cancel": Leak({"kept": {"_asyncio.Task": 1}}, "aborted", only=True),
    "closure-captures-body": Leak({"kept": {"builtins.function": 1, "builtins.cell": 1}}),
    "pool-grows": Leak({"lengths": {"gateway.inspection.POOL.free": 1}}),
    "upstream-not-closed": Leak(
        {"kept": {"aiohttp.client_proto.ResponseHandler": 1}, "process": {"fds": 1}},
        "failing",
        only=True,
    ),
    "exception-keeps-frame": Leak(
        {
            "kept": {
                "gateway.incidents.UpstreamFailed": 1,
                "builtins.traceback": 2,
                "builtins.frame": 2,
                "aiohttp.web_request.Request": 1,
            }
        },
        "failing",
        only=True,
    ),
    "metrics-label-explosion": Leak(
        {"kept": {"gateway.client_metrics.ClientTraffic": 1}}, "new-clients", only=True
    ),
    "lru-on-method": Leak({"kept": {"gateway.policy.RequestPolicy": 1}}),
    "cycle-with-finaliser": Leak(
        {"garbage": {"gateway.timeline.Timeline": 1, "gateway.timeline.LinkedPhase": 1}}
    ),
    "thread-per-request": Leak({"kept": {"threading.Thread": 1}, "process": {"threads": 1}}, "few"),
    "fractional": Leak({"kept": {"gateway.sampling.TraceSample": 0.2}}, "ordinary"),
}
"""All but the one that leaves no object, no container and no handle: see `native-buffer` below."""

ONLY = [leak for leak, claim in LEAKS.items() if claim.only]


@pytest.mark.parametrize("leak", LEAKS)
def test_each_leak_grows_at_exactly_its_rate(leak: str) -> None:
    claim = LEAKS[leak]

    added = _added(leak, traffic=claim.traffic)

    requests = REQUESTS[claim.traffic]
    assert {
        part: {name: added[part].get(name, 0) / requests for name in names}
        for part, names in claim.added.items()
    } == claim.added


@pytest.mark.parametrize("leak", LEAKS)
def test_nothing_grows_when_the_leak_is_mended(leak: str) -> None:
    assert _grown(_added(leak, "--fixed", traffic=LEAKS[leak].traffic)) == {}


@pytest.mark.parametrize("leak", ONLY)
def test_what_leaks_in_trouble_only_is_still_without_it(leak: str) -> None:
    assert _grown(_added(leak, traffic="few")) == {}


@pytest.mark.slow
@pytest.mark.parametrize("leak", ONLY)
@pytest.mark.parametrize("traffic", ["failing", "aborted", "new-clients"])
def test_what_leaks_in_one_trouble_is_still_in_another(leak: str, traffic: str) -> None:
    grows = traffic == LEAKS[leak].traffic

    assert bool(_grown(_added(leak, traffic=traffic))) == grows


@pytest.mark.parametrize("traffic", ["ordinary", "mixed", "rough"])
def test_nothing_grows_without_a_leak(traffic: str) -> None:
    assert _grown(_added("none", traffic=traffic)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("leak", [*LEAKS, "native-buffer"])
@pytest.mark.parametrize("traffic", ["mixed", "rough"])
def test_nothing_grows_under_any_traffic_when_the_leak_is_mended(leak: str, traffic: str) -> None:
    assert _grown(_added(leak, "--fixed", traffic=traffic)) == {}


def test_only_the_selected_leak_is_there() -> None:
    grown = _grown(_added("fractional", traffic="ordinary"))

    assert grown == {"gateway.sampling.TraceSample": 200, "gateway.sampling.SAMPLES": 200}


def test_native_memory_grows_and_no_object_with_it() -> None:
    added = _added("native-buffer", traffic="few")

    # Each block lies at the start of a page, with the allocator's own bytes on the page before it.
    assert RECORD <= added["process"]["rss"] / REQUESTS["few"] < 1.5 * RECORD
    assert _grown(added) == {}


def test_native_memory_is_still_when_it_is_freed() -> None:
    added = _added("native-buffer", "--fixed", traffic="ordinary")

    assert added["process"].get("rss", 0) / REQUESTS["ordinary"] < 0.1 * RECORD
    assert _grown(added) == {}


def _added(leak: str, *flags: str, traffic: str) -> dict[str, dict[str, int]]:
    done = subprocess.run(
        [sys.executable, CENSUS, leak, *flags, "--traffic", traffic],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    added: dict[str, dict[str, int]] = json.loads(done.stdout)
    return added


def _grown(added: dict[str, dict[str, int]]) -> dict[str, int]:
    """Return what grew: objects, the gateway's own garbage and containers, fds and threads."""
    objects = {name: n for name, n in added["kept"].items() if n > WITHIN_NOISE}
    garbage = {n: m for n, m in added["garbage"].items() if n.startswith("gateway.")}
    handles = {n: m for n, m in added["process"].items() if n != "rss" and m > 5}
    return {**objects, **garbage, **added["lengths"], **handles}
