from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.evidence import Site, Step
from leakscope.model.finding import Diagnosis, Forecast, Holder, TypeRate, Work
from leakscope.model.target import MemoryLimit
from leakscope.model.trend import Interval
from leakscope.report.interface import Renderer
from leakscope.report.json import JsonRenderer, render_json
from leakscope.report.layout import cells
from leakscope.report.terminal import TerminalRenderer, render_terminal
from tests.goldens import assert_golden
from tests.report.hostile import NASTY, any_text, diagnosis_of, raw_in
from tests.report.samples import (
    CLEAN,
    DIAGNOSES,
    INCONCLUSIVE,
    LEAKING,
    NOT_MEASURED,
    PER_SECOND,
    QUEUED_REQUESTS,
)

SGR = re.compile(r"\x1b\[[0-9;]*m")


def fits(report: str, width: int) -> list[str]:
    """Return the lines wider than `width` although they could have been broken."""
    prefix = re.compile(r"^(?: |└─ |(?:RSS|not leaks|measured|pause|target|note) )*")
    return [
        line
        for line in report.splitlines()
        if cells(line) > width and " " in prefix.sub("", line).strip()
    ]


@pytest.mark.parametrize("name", DIAGNOSES)
@pytest.mark.parametrize("width", [100, 60])
def test_the_report_is_as_reviewed(name: str, width: int) -> None:
    assert_golden(f"report-{name}-{width}.txt", render_terminal(DIAGNOSES[name], width=width))


def test_the_first_line_is_the_verdict() -> None:
    first = {name: render_terminal(d).splitlines()[0] for name, d in DIAGNOSES.items()}

    assert first["leaking"].startswith("LEAKING: 1 leak confirmed")
    assert first["clean"].startswith("CLEAN: nothing grows")
    assert first["inconclusive"].startswith("INCONCLUSIVE: 6 samples")
    assert first["not-measured"].startswith("NOT MEASURED: no request")


def test_the_line_of_the_holder_says_that_it_accumulates_there() -> None:
    lines = render_terminal(LEAKING).splitlines()

    (marked,) = [line for line in lines if "accumulates here" in line]
    assert marked.strip().startswith("└─ .PENDING : dict")
    assert "97,412 entries" in marked
    assert "+1.00/request" in marked


@pytest.mark.parametrize(
    ("path", "root", "holder"),
    [
        ("shop.CACHE['eu']", "module shop", "['eu']"),
        ("shop.CACHE", "module shop", ".CACHE"),
        ("task 7 -> local orders of run", "task 7", "local orders of run"),
        ("a nameless dict", "held by", "held by"),
    ],
)
def test_the_holder_is_told_from_others_of_its_type(path: str, root: str, holder: str) -> None:
    edges = [root, ".CACHE", "['eu']", "['order 1']"]
    if root == "task 7":
        edges[1] = "local orders of run"
    first = "builtins.dict" if root == "held by" else "module"
    chain = tuple(Step(edge, "builtins.dict") for edge in edges)
    finding = replace(
        QUEUED_REQUESTS,
        holder=Holder(path, "builtins.dict", 1, 9),
        chain=(Step(root, first), *chain[1:]),
    )

    report = render_terminal(replace(LEAKING, findings=(finding,)))

    (marked,) = [line for line in report.splitlines() if "accumulates here" in line]
    assert marked.strip().removeprefix("└─ ").startswith(f"{holder} : dict")


def test_a_holder_that_is_not_on_the_chain_is_named_apart() -> None:
    elsewhere = replace(QUEUED_REQUESTS, holder=Holder("shop.X", "shop.Store", 1, 9), chain=())

    report = render_terminal(replace(LEAKING, findings=(elsewhere,)))

    assert "shop.X : shop.Store,   9 entries (at first 1)" in report


def test_the_middle_of_an_endless_chain_is_left_out_but_not_its_holder() -> None:
    links = [Step(f"[{i}]", "builtins.list") for i in range(1, 99)]
    chain = (Step("module shop", "module"), *links, Step(".order", "shop.Order"))
    links[49] = Step(".QUEUE", "shop.Queue")
    chain = (chain[0], *links, chain[-1])
    finding = replace(QUEUED_REQUESTS, chain=chain, holder=Holder("q", "shop.Queue", 1, 9))

    report = render_terminal(replace(LEAKING, findings=(finding,)))

    assert ".QUEUE : shop.Queue   ← accumulates here" in report
    assert ".order : shop.Order" in report
    assert "… 46 more …" in report
    assert len(report.splitlines()) < 45


def test_rare_leaks_are_given_per_thousand_and_per_hour() -> None:
    assert "= 3.20 per 1,000 requests, 1.2k per hour at 100 requests/s" in render_terminal(LEAKING)


def test_without_a_work_counter_growth_is_per_second_and_hour() -> None:
    report = render_terminal(PER_SECOND)

    assert "+0.20 aiohttp.web_request.Request per second [0.18, 0.22]" in report
    assert "= 720 per hour (14.1 MiB)" in report


@pytest.mark.parametrize(
    ("earliest", "latest", "words"),
    [
        (20_400.0, 22_200.0, "out of memory in 5h40m to 6h10m"),
        (20_400.0, 20_401.0, "out of memory in 5h40m "),
        (-5.0, 60.0, "out of memory in 0s to 1m"),
        (-5.0, -1.0, "out of memory any moment"),
        (90_000.0, None, "out of memory in 1d1h at the earliest"),
    ],
)
def test_the_end_of_memory_is_foretold_right_after_the_verdict(
    earliest: float, latest: float | None, words: str
) -> None:
    forecast = Forecast(earliest, latest, MemoryLimit(512 << 20, "cgroup memory.max"))

    second = render_terminal(replace(LEAKING, forecast=forecast)).splitlines()[1]

    assert second.startswith(words)
    assert "limit 512 MiB from cgroup memory.max, now 301 MiB" in second


def test_a_clean_report_says_what_was_measured_and_accuses_nobody() -> None:
    report = render_terminal(CLEAN, width=200)

    assert "13 native samples in 16m2s, 96,208 requests (100/s)" in report
    assert "12 ms median, 16 ms at most: how long a sample held the target up" in report
    assert "re.Pattern (warm-up: grew in the first quarter only)" in report
    assert "LEAK" not in report


def test_no_verdict_comes_with_what_would_settle_it() -> None:
    assert "leakscope watch 4242 --for 1m" in render_terminal(INCONCLUSIVE)
    assert "leakscope doctor 4242" in render_terminal(NOT_MEASURED)
    assert "next:" not in render_terminal(CLEAN)
    assert "next:" not in render_terminal(LEAKING)


def test_many_types_that_are_no_leak_do_not_bury_the_report() -> None:
    many = replace(CLEAN, not_leaks=CLEAN.not_leaks * 50)

    report = render_terminal(many)

    assert "94 more (--json has them all)" in report
    assert report.count("re.Pattern") == 3


def test_colour_adds_attributes_and_changes_no_word() -> None:
    for diagnosis in DIAGNOSES.values():
        plain = render_terminal(diagnosis)
        colored = TerminalRenderer(color=True).render(diagnosis)

        assert "\x1b" not in plain
        assert colored != plain
        assert SGR.sub("", colored) == plain


@pytest.mark.parametrize("diagnosis", DIAGNOSES.values(), ids=DIAGNOSES)
def test_every_width_gets_a_report_that_fits(diagnosis: Diagnosis) -> None:
    for width in range(20, 201):
        report = render_terminal(diagnosis, width=width)

        assert not fits(report, width), f"{width} columns"
        assert all(line == line.rstrip() for line in report.splitlines())


def test_a_terminal_of_no_width_gets_a_report_too() -> None:
    assert render_terminal(LEAKING, width=0) == render_terminal(LEAKING, width=20)


def test_a_hostile_target_writes_nothing_to_the_terminal() -> None:
    report = render_terminal(diagnosis_of(NASTY))

    assert not raw_in(report)
    assert "\\x1b]0;owned" in report


@given(any_text, st.integers(20, 200), st.booleans())
def test_no_text_of_a_target_reaches_the_terminal_raw(text: str, width: int, color: bool) -> None:
    report = render_terminal(diagnosis_of(text), width=width, color=color)

    assert not raw_in(SGR.sub("", report))
    assert report.encode("utf-8")


def test_long_lists_within_a_finding_are_cut_with_a_count() -> None:
    types = tuple(TypeRate(f"shop.T{i}", 1.0, 1.0) for i in range(20))
    sites = tuple(Site(f"f{i}.py", i, "f") for i in range(9))
    finding = replace(QUEUED_REQUESTS, type="shop.T0", types=types, allocated_at=sites)

    report = render_terminal(replace(LEAKING, findings=(finding,)), width=400)

    assert "+1.00 shop.T6 · 13 more types per request" in report
    assert "f4.py:4 in f ← …" in report
    assert "f5.py" not in report


def test_a_finding_over_no_measurable_time_claims_no_rate_per_hour() -> None:
    nothing = replace(LEAKING, seconds=0.0, work=Work("request", 0.0))
    report = render_terminal(nothing)

    assert "per hour" not in report
    assert "= 3.20 per 1,000 requests" in report
    assert "97,412 entries (at first 1,204)\n" in report


def test_a_finding_that_shrank_is_not_scaled_up() -> None:
    growth = replace(QUEUED_REQUESTS.growth, objects=Interval(0.0, -1.0, 1.0))
    finding = replace(QUEUED_REQUESTS, growth=growth, series=())

    assert "per hour" not in render_terminal(replace(LEAKING, findings=(finding,)))


def test_a_target_without_a_command_line_is_shown_as_such() -> None:
    kernel = replace(CLEAN, target=replace(CLEAN.target, cmdline=()), not_leaks=())

    assert render_terminal(kernel).splitlines()[-1].endswith("CPython 3.12.1:   ?")


def test_an_endless_command_line_is_cut() -> None:
    long = replace(CLEAN, target=replace(CLEAN.target, cmdline=("python", "x" * 5000)))

    assert max(map(len, render_terminal(long).splitlines())) < 350


def test_rss_is_shown_even_if_its_trend_is_not_known() -> None:
    untrended = replace(CLEAN, rss=None, rss_series=(98e6, 99e6))

    assert "RSS        93.5 MiB → 94.4 MiB\n" in render_terminal(untrended)


def test_both_renderers_are_renderers() -> None:
    renderers: tuple[Renderer, ...] = (TerminalRenderer(width=60), JsonRenderer())

    first, second = (renderer.render(LEAKING) for renderer in renderers)

    assert first == render_terminal(LEAKING, width=60)
    assert second == render_json(LEAKING)
