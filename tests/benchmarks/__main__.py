"""Everything that is measured, as Markdown tables on stdout.

    python -m tests.benchmarks [--quick]

Takes about a quarter of an hour; `--quick` takes a minute or two, with smaller heaps and fewer
rounds. What is not installed (guppy3, wrk) is said and left out.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass

from tests.benchmarks import cost, graph_analysis, heap_capture, heap_file
from tests.benchmarks.tables import machine


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    captured: tuple[heap_capture.Captured, ...]
    """By size, ascending."""
    analysed: tuple[graph_analysis.Analysed, ...]
    cost: cost.Cost | None
    """None without wrk."""


def run(*, quick: bool) -> Figures:
    """Measure everything and print it as it comes."""
    print(machine(), flush=True)
    rounds = 3 if quick else heap_capture.ROUNDS
    captured = [
        heap_capture.measure(size, rounds=rounds)
        for size in (heap_capture.QUICK_SIZES if quick else heap_capture.SIZES)
    ]
    print(f"\n## Capture\n\n{heap_capture.report(captured)}", flush=True)
    analysed = [
        graph_analysis.analyse(kind, size)
        for kind in graph_analysis.KINDS
        for size in (graph_analysis.QUICK_SIZES if quick else graph_analysis.SIZES)
    ]
    print(f"\n## Analysis\n\n{graph_analysis.report(analysed)}", flush=True)
    files = heap_file.report(heap_file.QUICK_SIZES if quick else heap_file.SIZES)
    print(f"\n## File\n\n{files}", flush=True)
    print("\n## Cost\n")
    if shutil.which("wrk") is None:
        print("wrk is not installed.")
        return Figures(tuple(captured), tuple(analysed), None)
    plan = cost.Plan(seconds=4, rounds=2, every=2.0, patience=0.0) if quick else cost.Plan()
    watched = cost.measure(plan)
    print(cost.report(watched), flush=True)
    return Figures(tuple(captured), tuple(analysed), watched)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--quick", action="store_true")
    run(quick=options.parse_args().quick)


if __name__ == "__main__":
    main()
