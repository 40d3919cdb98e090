"""Threads put together by what they run."""

from __future__ import annotations

from leakscope.analysis.threads import KernelThread, picture_of
from leakscope.model.evidence import Site
from leakscope.model.roots import ThreadRoot

WAIT, SERVE = Site("queue.py", 171, "get"), Site("shop.py", 9, "serve")
IDLE = KernelThread("python", running=False, cpu_seconds=0.5)
BUSY = KernelThread("python", running=True, cpu_seconds=2.0)
POOL = KernelThread("pool", running=False, cpu_seconds=0.0)


def thread(name: str, native_id: int, *calls: Site) -> ThreadRoot:
    return ThreadRoot(native_id * 4096, name, 0, native_id=native_id, calls=calls)


def test_threads_that_run_the_same_are_one_group_most_first() -> None:
    picture = picture_of(
        [thread("a", 9, SERVE), thread("b", 7, WAIT, SERVE), thread("c", 5, WAIT, SERVE)],
        {5: IDLE, 7: BUSY, 9: IDLE},
        groups=9,
        pause_ms=1.0,
    )

    first, second = picture.groups
    assert (first.calls, first.names, first.native_ids) == ((SERVE, WAIT), ("c", "b"), (5, 7))
    assert (first.threads, first.running, first.cpu_seconds) == (2, 1, 2.5)
    assert second.names == ("a",)
    assert (picture.threads, picture.python, picture.tells_calls) == (3, 3, True)


def test_threads_that_python_does_not_know_are_told_by_name_after_the_others() -> None:
    picture = picture_of(
        [thread("a", 1, SERVE)], {1: IDLE, 2: POOL, 3: POOL, 4: BUSY}, groups=9, pause_ms=1.0
    )

    assert [(g.names, g.threads) for g in picture.groups] == [
        (("a",), 1),
        (("pool",), 2),
        (("python",), 1),
    ]
    assert (picture.threads, picture.python) == (4, 1)


def test_what_the_kernel_was_not_asked_is_not_known() -> None:
    picture = picture_of([thread("a", 0)], None, groups=9, pause_ms=1.0)

    assert (picture.groups[0].running, picture.groups[0].cpu_seconds) == (None, None)
    assert not picture.sees_all
    assert not picture.tells_calls
    assert picture.groups[0].native_ids == ()


def test_only_so_many_groups_are_told() -> None:
    threads = [thread(str(n), n, Site("a.py", n, "f")) for n in range(1, 6)]
    picture = picture_of(threads, None, groups=2, pause_ms=1.0)

    assert (len(picture.groups), picture.more_groups, picture.threads) == (2, 3, 5)
