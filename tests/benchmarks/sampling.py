"""What sampling allocations costs: a loop that does little else, and the gateway under wrk.

    python -m tests.benchmarks.sampling [--rounds 15] [--pairs 200] [--loop-only | --gateway-only]

The loop decodes JSON and builds objects from it. It is timed in processor time of its thread, alone
and with each tool in turn, within one process; what is told are the ratios to the times alone just
before and after. tracemalloc runs with one frame and with ten, memray (where the interpreter has
it) as it comes. The gateway has traffic all the time, and is sampled every other second, in
changing order; what is told is the ratio within each two seconds.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from leakscope.capture.process import identify
from leakscope.capture.sampling import MEAN_BYTES, MOST_BYTES, AllocationSampler
from leakscope.capture.session import attach
from tests.benchmarks.pairs import MOST_TRIES, Estimate, estimate
from tests.benchmarks.tables import machine, table
from tests.benchmarks.traffic import DISTURBED, Served, driven
from tests.integration.services import FIXTURES, service
from tests.pythons import interpreters
from tests.targets import read_line, spawn, tell

LOOP = """
import contextlib, json, os, sys, tempfile, time, tracemalloc

class Order:
    def __init__(self, number, customer, lines):
        self.number = number
        self.customer = customer
        self.lines = [Line(**line) for line in lines]

class Line:
    def __init__(self, article, amount, price):
        self.article = article
        self.amount = amount
        self.total = amount * price

lines = [{"article": f"article {n}", "amount": n, "price": 1.5 * n} for n in range(5)]
document = json.dumps(
    [{"number": n, "customer": f"customer {n}", "lines": lines} for n in range(100)]
)

def loop():
    for _ in range(120):
        [Order(**order) for order in json.loads(document)]

@contextlib.contextmanager
def traced(frames):
    tracemalloc.start(frames)
    yield
    tracemalloc.stop()

@contextlib.contextmanager
def recorded():
    import memray
    with tempfile.TemporaryDirectory() as folder:
        with memray.Tracker(os.path.join(folder, "memray.bin")):
            yield

TOOLS = {"alone": contextlib.nullcontext, "tracemalloc(1)": lambda: traced(1),
         "tracemalloc(10)": lambda: traced(10), "memray": recorded}

print("ready", flush=True)
for line in sys.stdin:
    try:
        with TOOLS[line.strip()]():
            begin = time.thread_time()
            loop()
            taken = time.thread_time() - begin
    except ImportError:
        taken = float("nan")
    print(taken, flush=True)
"""
PEERS = ("tracemalloc(1)", "tracemalloc(10)", "memray")
PEER_ROUNDS = 3
SETTLING_S = 0.5
"""Until the sampler has seen the usual stacks and has its memory."""


@dataclass(frozen=True, slots=True)
class Looped:
    """The loop under one interpreter."""

    version: str
    sampled: Estimate
    """Times as long as alone."""
    hooks: Estimate
    """The same where the hooks are there and take no sample."""
    peers: tuple[float, ...]
    """Times as long, of each of `PEERS`; not a number where it is not there."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway under wrk, sampled to alone."""

    throughput: Estimate
    price: Estimate
    """Processor time of the gateway per request."""
    samples: float
    """Per request."""
    pairs: int


def measure_loop(python: Path, version: str, rounds: int) -> Looped:
    """Time the loop under an interpreter, alone and with each tool."""
    with spawn(python, LOOP) as target, attach(identify(target.pid)) as session:
        sampler = AllocationSampler(session)

        def timed(tool: str = "alone") -> float:
            tell(target, tool)
            return float(read_line(target, deadline=300))

        @contextmanager
        def sampling(mean_bytes: int) -> Iterator[None]:
            sampler.start(mean_bytes)
            yield
            sampler.stop()

        def ratio(measured: Callable[[], float]) -> float:
            before = timed()
            with_tool = measured()
            return with_tool / ((before + timed()) / 2)

        def sampled(mean_bytes: int) -> float:
            with sampling(mean_bytes):
                return timed()

        timed()
        with_samples, with_hooks = (
            estimate([ratio(partial(sampled, mean_bytes)) for _ in range(rounds)])
            for mean_bytes in (MEAN_BYTES, MOST_BYTES)
        )
        peers = [
            statistics.median(ratio(partial(timed, tool)) for _ in range(PEER_ROUNDS))
            for tool in PEERS
        ]
    return Looped(version, with_samples, with_hooks, tuple(peers))


def measure_gateway(pairs: int) -> Gateway:
    """Sample the gateway in every other second of its traffic."""
    kept: list[tuple[Served, Served]] = []
    taken = 0
    with (
        service(FIXTURES / "gateway", "--port", "0", "--leak", "none") as gateway,
        driven(gateway) as traffic,
        attach(identify(gateway.pid)) as session,
    ):
        sampler = AllocationSampler(session)
        for number in range(MOST_TRIES * pairs):
            if len(kept) == pairs:
                break
            seconds = {}
            for is_sampled in (number % 2 == 0, number % 2 == 1):
                if is_sampled:
                    sampler.start()
                    traffic.serve(SETTLING_S)
                    before = sampler.read().taken
                seconds[is_sampled] = traffic.serve(1.0)
                if is_sampled:
                    found = sampler.read().taken - before
                    sampler.stop()
            alone, sampled = seconds[False], seconds[True]
            if max(alone.others, sampled.others) <= DISTURBED:
                kept.append((alone, sampled))
                taken += found
    return Gateway(
        throughput=estimate([sampled.rate / alone.rate for alone, sampled in kept]),
        price=estimate([sampled.price / alone.price for alone, sampled in kept]),
        samples=taken / sum(sampled.requests for _, sampled in kept),
        pairs=len(kept),
    )


def report_loop(rows: list[Looped]) -> str:
    """Return the table of the loop."""
    return table(
        ("CPython", "sampled, one of 512 KiB [95 %]", "hooks that take no sample", *PEERS),
        [
            (
                row.version,
                f"{row.sampled.text('.3f')} times as long",
                row.hooks.text(".3f"),
                *map(_times, row.peers),
            )
            for row in rows
        ],
    )


def report_gateway(measured: Gateway) -> str:
    """Return the table of the gateway."""
    return table(
        ("", f"sampled to alone, within {measured.pairs} times two seconds [95 %]"),
        [
            ("requests/s", f"{measured.throughput.text('.3f')} of it"),
            ("processor time per request", f"{measured.price.text('.3f')} times as long"),
            ("samples per request", f"{measured.samples:.2f}"),
        ],
    )


def _times(ratio: float) -> str:
    return "not there" if ratio != ratio else f"{ratio:.1f}"


def main() -> None:
    """Measure and print the tables."""
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.sampling", description=__doc__.splitlines()[0]
    )
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--pairs", type=int, default=200)
    only = options.add_mutually_exclusive_group()
    only.add_argument("--loop-only", action="store_true")
    only.add_argument("--gateway-only", action="store_true")
    chosen = options.parse_args()
    print(machine(), flush=True)
    if not chosen.gateway_only:
        here = (Path(sys.executable), f"{sys.version_info.major}.{sys.version_info.minor} (this)")
        others = [(python.path, python.version) for python in interpreters()]
        rows = [measure_loop(path, version, chosen.rounds) for path, version in (here, *others)]
        print(f"\n{report_loop(rows)}", flush=True)
    if chosen.loop_only:
        return
    if shutil.which("wrk") is None:
        print("wrk is not installed.")
        return
    print(report_gateway(measure_gateway(chosen.pairs)))


if __name__ == "__main__":
    main()
