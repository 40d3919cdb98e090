"""What one census takes from the requests of a service, second by second.

    python -m tests.benchmarks.aftermath [--censuses 120]

How fast a shared machine is varies by more than watching costs. So the price is looked for where it
is paid: while `leakscope watch` runs on, the requests that are served from just before a census
until some time after it are held against those of the seconds before and behind, census by census.
A census near which others took a part of the processors does not count. Needs wrk.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.cost import Plan, Watch, watching
from tests.benchmarks.pairs import MOST_TRIES, Estimate, estimate
from tests.benchmarks.processor import Witness
from tests.benchmarks.tables import machine, table
from tests.benchmarks.traffic import DISTURBED, Traffic, driven
from tests.integration.services import FIXTURES, service

EVERY_S = 5.0
BEFORE_S = 0.5
"""Before leakscope tells of a census: it was taken in this time."""
AFTER_S = 1.0
"""After it: pages that are written first cost more, and leakscope has work to do. That was never
seen to take more than the first half second (watched for 2.5 s, with 220 censuses)."""
CALM_S = EVERY_S - BEFORE_S - AFTER_S
_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was served about censuses."""

    near: Estimate
    """Requests per second near a census, to those of the seconds before and behind."""
    all: Estimate
    """The same for the whole time: what is not near a census is as if there were none."""
    halves: tuple[Estimate, ...]
    """For each half second from `BEFORE_S` on, to the same."""
    censuses: int


@dataclass(slots=True)
class _Timeline:
    """Who used the processors, and how much was served until when."""

    rows: list[tuple[float, float, float, float]]

    def follow(self, traffic: Traffic, watch: Watch, stop: threading.Event) -> None:
        witness = Witness([traffic.gateway.pid, *traffic.known, watch.process.pid])
        while not stop.is_set():
            at, served = traffic.counted()
            self.rows.append((at, served, *witness.seconds()))
            stop.wait(_POLL_S)

    def columns(self) -> NDArray[np.float64]:
        return np.array(list(zip(*self.rows, strict=True)))


def measure(censuses: int) -> Aftermath:
    """Watch the gateway under wrk until there are so many censuses that count."""
    plan = Plan(seconds=round(MOST_TRIES * censuses * EVERY_S), every=EVERY_S)
    timeline, told, stop = _Timeline([]), [], threading.Event()
    with (
        service(FIXTURES / "gateway", "--port", "0", "--leak", "none") as gateway,
        driven(gateway) as traffic,
        watching(gateway, plan) as watch,
    ):
        follower = threading.Thread(target=timeline.follow, args=(traffic, watch, stop))
        follower.start()
        for _ in range(MOST_TRIES * censuses):
            assert watch.sampled.acquire(timeout=60), "leakscope took no samples"
            told.append(time.perf_counter())
            if len(periods(timeline.columns(), told)) >= censuses:
                break
        stop.set()
        follower.join()
    return _sum_up(periods(timeline.columns(), told))


def periods(columns: NDArray[np.float64], told: list[float]) -> list[list[float]]:
    """Return for each census the half seconds near it, each to the calm seconds about them."""
    at, served, others, everything = columns
    found = []
    for census in told:
        begin, near, end = census - BEFORE_S - CALM_S, census - BEFORE_S, census + AFTER_S + CALM_S
        if begin < at[0] or end > at[-1]:
            continue
        taken = np.diff(np.interp([begin, end], at, others))
        if taken[0] > DISTURBED * np.diff(np.interp([begin, end], at, everything))[0]:
            continue
        halves = np.arange(near, census + AFTER_S + 0.01, 0.5)
        edges = np.interp([begin, *halves, end], at, served)
        before, *inside, behind = np.diff(edges)
        calm = (before + behind) / (2 * CALM_S)
        found.append([half / 0.5 / calm for half in inside])
    return found


def _sum_up(found: list[list[float]]) -> Aftermath:
    if not found:
        sys.exit("others used the machine all the time")
    near = [sum(halves) / len(halves) for halves in found]
    share = (BEFORE_S + AFTER_S) / EVERY_S
    return Aftermath(
        near=estimate(near),
        all=estimate([1 - share * (1 - each) for each in near]),
        halves=tuple(estimate(half) for half in zip(*found, strict=True)),
        censuses=len(found),
    )


def report(measured: Aftermath) -> str:
    """Return the table."""
    begins = [0.5 * at - BEFORE_S for at in range(len(measured.halves))]
    return table(
        ("requests/s, to the seconds before and behind", f"{measured.censuses} censuses [95 %]"),
        [
            *(
                (f"{begin:+.1f} to {begin + 0.5:+.1f} s", each.text(".3f"))
                for begin, each in zip(begins, measured.halves, strict=True)
            ),
            (f"all {BEFORE_S + AFTER_S:g} s", measured.near.text(".4f")),
            (f"with a census every {EVERY_S:g} s", measured.all.text(".4f")),
        ],
    )


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.aftermath", description=__doc__.splitlines()[0]
    )
    options.add_argument("--censuses", type=int, default=120)
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed")
    print(machine(), end="\n\n", flush=True)
    print(report(measure(chosen.censuses)))


if __name__ == "__main__":
    main()
