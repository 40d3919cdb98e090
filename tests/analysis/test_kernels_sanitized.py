"""The ordinary tests of the kernels and what uses them, with every access and overflow checked."""

from __future__ import annotations

from pathlib import Path

from tests.sanitized import assert_clean, build, needed, run_tests, with_change

pytestmark = needed

TESTS = (
    "tests/analysis/test_accumulation.py",
    "tests/analysis/test_dominators.py",
    "tests/analysis/test_growth_map.py",
    "tests/analysis/test_heapgraph.py",
    "tests/analysis/test_kernels.py",
    "tests/analysis/test_kernels_library.py",
    "tests/analysis/test_retention.py",
)


def test_the_kernels_run_clean_under_sanitizers(tmp_path: Path) -> None:
    build(tmp_path)

    assert_clean(tmp_path, run_tests(tmp_path, *TESTS))


def test_sanitizers_would_find_an_array_that_is_too_short(tmp_path: Path) -> None:
    shorter = {"(size_t)outgoing->nodes + 1": "(size_t)outgoing->nodes"}
    (tmp_path / "sources").mkdir()
    sources = with_change(
        tmp_path / "sources", "leakscope/analysis/kernels/graph_dominators.c", shorter
    )
    build(tmp_path / "built", sources)

    outcome = run_tests(tmp_path / "built", TESTS[4], "-k", "linked_list", "-n", "0")

    assert outcome.code != 0
    assert any("heap-buffer-overflow" in report for report in outcome.reports)
