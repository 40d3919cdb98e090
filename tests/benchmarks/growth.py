"""What the growth engine calls each kind of series, and how long it takes.

Run: `python -m tests.benchmarks.growth [--series 1500] [--full] [--time-only]`

Prints as Markdown how often each row of `tests/analysis/series.py` is called a leak, with 13 and
with 23 samples, for what holders, counts of objects and memory look like; with `--full` every
label. The seeds are those on which nothing was tuned (`REPORTED`). Then the time for 10 000 keys of
60 samples, as processor time of this thread and as a ratio to `scipy.stats.theilslopes` called for
each of them.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import stats

from leakscope.analysis.chance import Floats
from leakscope.analysis.judging import judged
from leakscope.model.trend import Label
from tests.analysis.confusion import REPORTED, labels_given
from tests.analysis.series import BATCH, ROWS, Noise, Row, draw

LENGTHS = (13, 23)
KEYS, SAMPLES = 10_000, 60
FLOORS = np.full(KEYS, 100.0)
MOVING = 1_500
"""Of so many keys of a service so many move enough to be looked at."""


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--series", type=int, default=1500, help="series for each cell")
    options.add_argument("--full", action="store_true", help="every label, not only leaks")
    options.add_argument("--time-only", action="store_true")
    chosen = options.parse_args()
    if not chosen.time_only:
        seeds = REPORTED[: -(-chosen.series // BATCH)]
        given = {
            (row.name, noise, samples): labels_given(row, noise, samples, seeds)
            for row in ROWS
            for noise in Noise
            for samples in LENGTHS
        }
        print(leaks_table(given, len(seeds) * BATCH))
        if chosen.full:
            for noise in Noise:
                for samples in LENGTHS:
                    print(confusion_table(given, noise, samples))
    print(time_table())


Given = dict[tuple[str, Noise, int], Counter[Label]]


def leaks_table(given: Given, series: int) -> str:
    """Return the share called a leak: rows by what is measured and by length."""
    heads = [f"{noise.value}, {samples}" for noise in Noise for samples in LENGTHS]
    lines = [f"% called a leak, {series:,} series in each cell:", "", *_head("series", heads)]
    for row in ROWS:
        shares = [
            _share(given[row.name, noise, samples], Label.LINEAR)
            for noise in Noise
            for samples in LENGTHS
        ]
        lines.append(_line(_name(row), shares))
    return "\n".join([*lines, ""])


def confusion_table(given: Given, noise: Noise, samples: int) -> str:
    """Return the share of each label for each row."""
    labels = [label for label in Label if label is not Label.TOO_SHORT]
    title = f"% of each label, {noise.value}, {samples} samples:"
    lines = [title, "", *_head("series", [label.value for label in labels])]
    for row in ROWS:
        counts = given[row.name, noise, samples]
        lines.append(_line(_name(row), [_share(counts, label) for label in labels]))
    return "\n".join([*lines, ""])


def time_table() -> str:
    """Return how long it takes to judge many keys, and to work out their slopes one by one."""
    work = draw(ROWS[0], Noise.OBJECTS, 0, SAMPLES).work
    tables = {
        f"a service at work: {MOVING:,} of {KEYS:,} keys move": keys_of(MOVING),
        "every key moves, of all the rows above": keys_of(KEYS),
        "every key leaks": keys_of(KEYS, [row for row in ROWS if row.name == "LEAK linear"]),
    }
    one_by_one = seconds_of(partial(slopes_one_by_one, work, keys_of(KEYS)[-400:]), 1) * KEYS / 400
    lines = [f"{KEYS:,} keys of {SAMPLES} samples:", ""]
    lines += _head("keys", ["ms of processor time", "`theilslopes` for each key"])
    for name, table in tables.items():
        took = seconds_of(partial(judged, work, table, FLOORS))
        lines.append(_line(name, [f"{1000 * took:.0f}", f"{one_by_one / took:.0f} times as long"]))
    return "\n".join(lines)


def keys_of(moving: int, rows: Sequence[Row] = ROWS) -> Floats:
    """Return `KEYS` series of which so many are drawn from `rows`; the others never change.

    Those are at most as many as `moving`: some rows rarely move enough to be looked at.
    """
    batches = range(-(-moving // BATCH))
    drawn = [draw(rows[n % len(rows)], Noise.OBJECTS, n, SAMPLES).values for n in batches]
    still = np.random.default_rng(0).integers(1, 5000, (KEYS - moving, 1)).astype(float)
    return np.concatenate([np.repeat(still, SAMPLES, axis=1), np.concatenate(drawn)[:moving]])


def slopes_one_by_one(x: Floats, table: Floats) -> None:
    """Work out the slopes of the rows of `table` with SciPy."""
    for values in table:
        stats.theilslopes(values, x)


def seconds_of(run: Callable[[], object], times: int = 5) -> float:
    """Return the processor time of one run in this thread, the least of several.

    The threads that linear algebra keeps beside it spin for a while when their work is done.
    """
    took = []
    for _ in range(times):
        start = time.thread_time()
        run()
        took.append(time.thread_time() - start)
    return min(took)


def _name(row: Row) -> str:
    return row.name.replace("LEAK ", "**LEAK** ")


def _share(counts: Counter[Label], label: Label) -> str:
    share = 100 * counts[label] / max(1, counts.total())
    return "0" if not share else f"{share:.1f}"


def _head(first: str, others: Sequence[str]) -> list[str]:
    return [_line(first, others), "|---" * (len(others) + 1) + "|"]


def _line(first: str, cells: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
