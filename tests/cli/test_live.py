"""While a watch runs, it says what each type looks like so far."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from rich.console import Console

from leakscope.analysis.growth import judge
from leakscope.analysis.leaders import leading_types, shared_leaders
from leakscope.cli.family_live import family_line, family_table
from leakscope.cli.live import line_of, table_of
from leakscope.model.recording import Recording
from tests.benchmarks.growth import seconds_of
from tests.builders import recording_of

PLANNED = 13


def watched(samples: int) -> Recording:
    """Return a watch after so many of 13 samples: one type leaks, one fills, one holds still."""
    work = np.arange(samples) * 500.0
    series = {
        "shop.Order": 100 + work,
        "shop.Cached": np.minimum(work / 2, 1250.0),
        "shop.Server": np.full(samples, 3.0),
    }
    types = {name: values.tolist() for name, values in series.items()}
    return recording_of(types, work=work.tolist(), rss=[6e7] * samples)


def shown(recording: Recording, *, width: int = 100) -> list[str]:
    """Return the rows of the table after the heads."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table_of(recording, len(recording.censuses), PLANNED))
    return [" ".join(line.replace("│", " ").split()) for line in captured.get().splitlines()]


def row_of(name: str, recording: Recording) -> str:
    return next(line for line in shown(recording) if line.startswith(name))


def test_at_the_end_a_leak_is_confirmed_and_a_cache_is_filled() -> None:
    recording = watched(13)

    assert row_of("shop.Order", recording).endswith("+1 confirmed linear")
    assert row_of("shop.Cached", recording).endswith("filled")
    assert not [line for line in shown(recording) if "shop.Server" in line]


@pytest.mark.parametrize(("samples", "words"), [(3, "3 more samples"), (5, "1 more sample")])
def test_before_that_it_says_how_many_samples_are_missing(samples: int, words: str) -> None:
    assert row_of("shop.Order", watched(samples)).endswith(f"needs {words}")


def test_the_plain_line_names_the_type_that_gained_most_and_what_it_looks_like() -> None:
    assert line_of(watched(3), 3, PLANNED).endswith("most: shop.Order +1000")
    assert line_of(watched(13), 13, PLANNED).endswith("most: shop.Order +6000 (confirmed linear)")


def test_the_first_sample_leads_nobody() -> None:
    assert "most" not in line_of(watched(1), 1, PLANNED)
    assert leading_types(watched(1), 10).types == ()


def test_those_that_gained_most_come_first() -> None:
    many = {f"shop.T{i:02}": [10.0, 10.0 + i] for i in range(30)}
    leaders = leading_types(recording_of(many, work=100), 4)
    assert [item.trend.key for item in leaders.types] == [
        "shop.T29",
        "shop.T28",
        "shop.T27",
        "shop.T26",
    ]


def test_only_what_is_shown_is_judged() -> None:
    rng = np.random.default_rng(1)
    types = {f"m.T{i}": (500 + rng.poisson(30, 100)).tolist() for i in range(4000)}
    recording = recording_of(types, work=500)
    few = seconds_of(partial(leading_types, recording, 10))
    everything = seconds_of(partial(judge, recording), times=2)
    assert few < everything / 4


def sound(samples: int) -> Recording:
    """Return a watch of a worker in which nothing changes."""
    types = {name: [3.0] * samples for name in ("shop.Order", "shop.Server")}
    return recording_of(types, work=500, rss=[6e7] * samples)


def test_the_line_of_a_family_tells_the_total_and_how_many_rise() -> None:
    family = [watched(13), watched(13), sound(13)]

    line = family_line(family, 13, PLANNED)

    assert line.startswith("sample 13/13: 3 processes, RSS 172 MiB in all, pause 10.0 ms at most")
    assert line.endswith("most: shop.Order +12,000 (rises in 2 of 3)")


def test_the_table_of_a_family_has_the_sum_of_its_counts() -> None:
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(family_table([watched(13), watched(7), sound(13)], 13, PLANNED))
    lines = [" ".join(line.replace("│", " ").split()) for line in captured.get().splitlines()]
    row = next(line for line in lines if line.startswith("shop.Order"))

    assert row.startswith("shop.Order 9,203 ")
    assert row.endswith("rises in 2 of 3")


def test_a_family_of_too_few_samples_says_how_many_are_missing() -> None:
    assert family_line([watched(3), watched(2)], 3, PLANNED).endswith("(needs 3 more samples)")


def test_the_types_of_a_family_that_gained_most_in_all_come_first() -> None:
    one = recording_of({"a.A": [0.0, 5.0], "b.B": [0.0, 3.0]}, work=100)
    other = recording_of({"b.B": [0.0, 3.0], "c.C": [9.0, 1.0]}, work=100)

    assert [each.type for each in shared_leaders([one, other], 5)] == ["b.B", "a.A"]
