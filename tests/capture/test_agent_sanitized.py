"""The ordinary tests of agent and frozen copies, with every access and every overflow checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sanitized import assert_clean, build, needed, run_tests, with_change

pytestmark = needed

SESSIONS = ("tests/integration/test_attach_endings.py", "tests/integration/test_heap_unseen.py")
COPIES = (
    "tests/capture/test_heap_garbage.py",
    "tests/capture/test_heap_harmless.py",
    "tests/capture/test_heap_hostile.py",
    "tests/integration/test_heap_capture.py",
    "tests/integration/test_heap_grief.py",
)
READING = (
    "tests/capture/test_heap_names.py",
    "tests/capture/test_heap_questions.py",
    "tests/capture/test_heap_sizes.py",
    "tests/capture/test_heap_walk.py",
    "tests/integration/test_greenlets.py",
    "tests/integration/test_native_chains.py",
)
"""Those in which copies read much of a target's memory."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sanitized")
    build(folder)
    return folder


def test_sessions_and_copies_run_clean(built: Path) -> None:
    assert_clean(built, run_tests(built, *SESSIONS, *COPIES, *READING))


def test_sampling_runs_clean(built: Path) -> None:
    # What is freed under the sanitizer stays resident for a while.
    some = ("-k", "not killed and not comes_and_goes and (3.9 or 3.12 or 3.15)")
    assert_clean(built, run_tests(built, "tests/integration/test_sampling.py", *some))


def test_only_what_is_an_objects_own_is_read(built: Path) -> None:
    """Without CPython's own allocator each object is a block of memory that is known."""
    versions = ("-k", "3.9 or 3.12 or 3.15 or numpy")
    assert_clean(built, run_tests(built, *READING, *versions, env={"PYTHONMALLOC": "malloc"}))


def test_an_overflow_in_a_copy_would_be_found(tmp_path: Path) -> None:
    room = {
        "static char name[NAME_ROOM];": "static char name[8];",
        "name, sizeof name)": "name, NAME_ROOM)",
    }
    (tmp_path / "sources").mkdir()
    sources = with_change(tmp_path / "sources", "leakscope/capture/agent/heap_walk.c", room)
    build(tmp_path / "built", sources)

    one = ("tests/integration/test_heap_capture.py", "-k", "every_object and 3.12", "-n", "0")
    outcome = run_tests(tmp_path / "built", *one)

    assert outcome.code != 0
    assert any("global-buffer-overflow" in report for report in outcome.reports)
