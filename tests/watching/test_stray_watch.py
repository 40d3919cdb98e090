"""References that are found nowhere, followed from heap to heap while a process is measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.watching.heap_view import HeapView
from leakscope.watching.stray_watch import StrayWatch
from tests.builders import recording_of
from tests.heaps import heap_of
from tests.views import drawn_view

CENSUSES = recording_of({"dict": [1.0] * 5}, work=100.0).censuses
EVERY = CENSUSES[1].at - CENSUSES[0].at


def settings(references: int) -> HeapView:
    heap = heap_of(
        "root:dict -> shop:module -> part:dict -> SETTINGS:Settings, LIMITS:Limits",
        held={"SETTINGS": references, "LIMITS": references},
    )
    return drawn_view(heap, modules={"shop": "shop.app"})[1]


def followed(*counts: int) -> StrayWatch:
    watch = StrayWatch()
    for at, count in enumerate(counts):
        watch.see(settings(count), CENSUSES[at].at)
    return watch


def test_what_lacks_ever_more_is_told_by_name_and_per_request() -> None:
    (told,) = followed(10, 110, 210).caveats(CENSUSES, "request")

    assert told == (
        "References to shop.app.SETTINGS (Settings) and shop.app.LIMITS (Limits) that nobody seen "
        "holds rise by 1 per request, from 10 to 210, to each: C code has them, or objects that "
        "only C code holds and gc does not track."
    )


def test_without_work_it_is_told_per_second() -> None:
    idle = [replace(census, work=None) for census in CENSUSES]

    (told,) = followed(10, 110, 210).caveats(idle, "second")

    assert f"rise by {100 / EVERY:.3g} per second" in told


@pytest.mark.parametrize("counts", [(10, 110), (10, 110, 110), (210, 110, 10), (10, 11, 12)])
def test_what_does_not_go_on_is_not_told(counts: tuple[int, ...]) -> None:
    assert followed(*counts).caveats(CENSUSES, "request") == ()


def test_a_heap_that_comes_at_once_after_another_is_passed_over() -> None:
    watch = followed(10, 110, 210)

    watch.see(settings(210), CENSUSES[2].at + EVERY / 100)

    assert len(watch.caveats(CENSUSES, "request")) == 1


def test_what_stops_is_told_no_longer() -> None:
    assert followed(10, 110, 210, 210).caveats(CENSUSES, "request") == ()
