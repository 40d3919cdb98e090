"""What watching costs a service: throughput and latency of the gateway under wrk.

    python -m tests.benchmarks.cost [--seconds 10] [--rounds 12] [--every 5] [--patience 120]

Rounds come in pairs on one gateway: alone, and with `leakscope watch` that has taken its first two
samples already, in changing order. Each pair waits for a moment when nobody else uses the machine.
What is told are the ratios within pairs. A pair in which others than the gateway, its upstream, wrk
and leakscope took more than a fiftieth of the processors is thrown away and made again, within
limits.

The price is smaller than what the speed of a shared machine varies by: `tests.benchmarks.aftermath`
tells it more closely. Needs wrk.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.attaching import has_agent_thread
from tests.benchmarks.pairs import MOST_TRIES, Estimate, estimate
from tests.benchmarks.processor import Witness, spent, spent_by_reaped, wait_for_calm
from tests.benchmarks.tables import machine, table
from tests.benchmarks.traffic import upstream_of, wrk_command
from tests.integration.leakscope_runs import command
from tests.integration.services import FIXTURES, Service, service
from tests.targets import eventually

DISTURBED = 0.02
"""Share of the processors that others may take in a round that counts."""
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_WARM_UP_S = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    seconds: int = 10
    """A round."""
    rounds: int = 12
    """Pairs."""
    every: float = 5.0
    """Seconds between censuses."""
    patience: float = 120.0
    """Seconds that a pair waits, at most, until nobody else uses the machine."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured in one round."""

    requests_per_second: float
    p99_ms: float
    gateway_us: float
    """Processor time of the gateway per request."""
    others: float
    """Share of the processors that others took."""


@dataclass(frozen=True, slots=True)
class Census:
    """What one census takes beside the round's work, in milliseconds of one processor."""

    copy_ms: float
    leakscope_ms: float
    pause_ms: float
    faults: float
    """Pages that the gateway touched first after a census."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is spent before the steady state, in seconds of one processor."""

    leakscope_s: float
    copies_s: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rounds, one soon after the other."""

    alone: Round
    watched: Round
    census: Census
    start: Start

    @property
    def disturbed(self) -> bool:
        return max(self.alone.others, self.watched.others) > DISTURBED


@dataclass(frozen=True, slots=True)
class Cost:
    """All pairs that count."""

    plan: Plan
    pairs: tuple[Pair, ...]
    made: int
    """Pairs that were made altogether."""
    rss: int
    """Of the gateway at the end."""

    def middle(self, value: Callable[[Pair], float]) -> float:
        return statistics.median(map(value, self.pairs))

    @property
    def throughput(self) -> Estimate:
        """Requests per second, watched to alone."""
        return estimate(
            [p.watched.requests_per_second / p.alone.requests_per_second for p in self.pairs]
        )

    @property
    def p99_longer_ms(self) -> Estimate:
        return estimate([p.watched.p99_ms - p.alone.p99_ms for p in self.pairs])

    @property
    def gateway_us_more(self) -> Estimate:
        return estimate([p.watched.gateway_us - p.alone.gateway_us for p in self.pairs])

    @property
    def processor_share(self) -> float:
        """Share of all processors that leakscope and its copies take in the steady state."""
        taken = self.middle(lambda p: p.census.copy_ms + p.census.leakscope_ms) / 1000
        return taken / self.plan.every / (psutil.cpu_count() or 1)


@dataclass(slots=True)
class Watch:
    """A running `leakscope watch`, and what it says on stderr."""

    process: subprocess.Popen[str]
    pauses: list[float] = field(default_factory=list)
    sampled: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found = re.match(r"sample \d+/.*pause ([\d.]+) ms", line)
            if found is not None:
                self.pauses.append(float(found[1]))
                self.sampled.release()


def measure(plan: Plan) -> Cost:
    """Measure pairs of rounds on one gateway."""
    made: list[Pair] = []
    kept: list[Pair] = []
    with service(FIXTURES / "gateway", "--port", "0", "--leak", "none") as gateway:
        drive(gateway, _WARM_UP_S)
        while len(kept) < plan.rounds and len(made) < MOST_TRIES * plan.rounds:
            wait_for_calm(2 * DISTURBED, plan.patience)
            made.append(_pair(gateway, plan, watched_first=len(made) % 2 == 1))
            kept += [] if made[-1].disturbed else made[-1:]
        rss = psutil.Process(gateway.pid).memory_info().rss
    enough = len(kept) * 2 >= plan.rounds
    return Cost(plan, tuple(kept if enough else made), len(made), rss)


def _pair(gateway: Service, plan: Plan, *, watched_first: bool) -> Pair:
    if watched_first:
        watched = _watched(gateway, plan)
        return Pair(drive(gateway, plan.seconds), *watched)
    alone = drive(gateway, plan.seconds)
    return Pair(alone, *_watched(gateway, plan))


def _watched(gateway: Service, plan: Plan) -> tuple[Round, Census, Start]:
    before_copies = spent_by_reaped(gateway.pid)
    with watching(gateway, plan) as watch:
        pid = watch.process.pid
        start = Start(spent(pid), spent_by_reaped(gateway.pid) - before_copies)
        copies, own = spent_by_reaped(gateway.pid), spent(pid)
        faults, first = _faults(gateway.pid), len(watch.pauses)
        driven = drive(gateway, plan.seconds, beside=[pid])
        pauses = watch.pauses[first:]
        count = max(1, len(pauses))
        census = Census(
            copy_ms=1000 * (spent_by_reaped(gateway.pid) - copies) / count,
            leakscope_ms=1000 * (spent(pid) - own) / count,
            pause_ms=statistics.median(pauses or [0.0]),
            faults=(_faults(gateway.pid) - faults) / count,
        )
    return driven, census, start


@contextmanager
def watching(gateway: Service, plan: Plan) -> Iterator[Watch]:
    """Run `leakscope watch` on the gateway; yield it when it has taken two samples."""
    long = f"{plan.seconds + 20 * plan.every + 60}s"
    argv = command("watch", str(gateway.pid), "--every", f"{plan.every}s", "--for", long)
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    watch = Watch(process)
    listening = threading.Thread(target=watch.listen, daemon=True)
    listening.start()
    try:
        for _ in range(2):
            assert watch.sampled.acquire(timeout=60), "leakscope took no samples"
        yield watch
    finally:
        process.kill()
        process.wait()
        listening.join()
        eventually(lambda: not has_agent_thread(gateway.pid), "the agent is gone")


def drive(gateway: Service, seconds: int, *, beside: Sequence[int] = ()) -> Round:
    """Drive the gateway; `beside` are processes that are no strangers either."""
    witness = Witness([gateway.pid, *upstream_of(gateway), *beside])
    own = spent(gateway.pid)
    done = subprocess.run(
        wrk_command(gateway, f"{seconds}s", "--latency"),
        capture_output=True,
        text=True,
        check=True,
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    requests = re.search(r"(\d+) requests in", done.stdout)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert rate is not None and requests is not None and tail is not None, done.stdout
    return Round(
        requests_per_second=float(rate[1]),
        p99_ms=float(tail[1]) * _UNITS[tail[2]],
        gateway_us=1e6 * (spent(gateway.pid) - own) / max(1, int(requests[1])),
        others=witness.others(),
    )


def _faults(pid: int) -> int:
    """Return how many page faults of a process needed no disk."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[7])


def report(cost: Cost) -> str:
    """Return the tables."""
    alone = [cost.middle(value) for value in (_rate_alone, _p99_alone, _gateway_alone)]
    service_table = table(
        ("", "alone", f"watched, a census every {cost.plan.every:g} s", "within pairs [95 %]"),
        [
            (
                "requests/s",
                f"{alone[0]:,.0f}",
                f"{cost.middle(lambda p: p.watched.requests_per_second):,.0f}",
                f"{cost.throughput.text('.3f')} of it",
            ),
            (
                "p99, ms",
                f"{alone[1]:.2f}",
                f"{cost.middle(lambda p: p.watched.p99_ms):.2f}",
                f"{cost.p99_longer_ms.text('+.2f')}",
            ),
            (
                "processor time of the gateway per request, µs",
                f"{alone[2]:.1f}",
                f"{cost.middle(lambda p: p.watched.gateway_us):.1f}",
                f"{cost.gateway_us_more.text('+.1f')}",
            ),
        ],
    )
    census_table = table(
        ("one census", ""),
        [
            ("pause", f"{cost.middle(lambda p: p.census.pause_ms):.1f} ms"),
            ("processor time of the frozen copy", f"{cost.middle(_copy_ms):.0f} ms"),
            ("processor time of leakscope", f"{cost.middle(_leakscope_ms):.0f} ms"),
            (
                "both, of all processors in the steady state",
                f"{100 * cost.processor_share:.2f} %",
            ),
            (
                "page faults of the gateway: pages written first after it",
                f"{cost.middle(lambda p: p.census.faults):,.0f}",
            ),
            (
                "before the steady state, once: leakscope starts, attaches, looks twice",
                f"{cost.middle(lambda p: p.start.leakscope_s):.2f} s, "
                f"its copies {cost.middle(lambda p: p.start.copies_s):.2f} s",
            ),
        ],
    )
    others = 100 * cost.middle(lambda p: max(p.alone.others, p.watched.others))
    return (
        f"The gateway under wrk ({cost.rss / 1e6:.0f} MB): {len(cost.pairs)} of {cost.made} pairs "
        f"of {cost.plan.seconds} s; others took {others:.1f} % of the processors meanwhile\n\n"
        f"{service_table}\n{census_table}"
    )


def _rate_alone(pair: Pair) -> float:
    return pair.alone.requests_per_second


def _p99_alone(pair: Pair) -> float:
    return pair.alone.p99_ms


def _gateway_alone(pair: Pair) -> float:
    return pair.alone.gateway_us


def _copy_ms(pair: Pair) -> float:
    return pair.census.copy_ms


def _leakscope_ms(pair: Pair) -> float:
    return pair.census.leakscope_ms


def main() -> None:
    """Measure and print the tables."""
    usual = Plan()
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=usual.seconds)
    options.add_argument("--rounds", type=int, default=usual.rounds)
    options.add_argument("--every", type=float, default=usual.every)
    options.add_argument("--patience", type=float, default=usual.patience)
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed")
    print(machine(), end="\n\n")
    print(report(measure(Plan(chosen.seconds, chosen.rounds, chosen.every, chosen.patience))))


if __name__ == "__main__":
    main()
