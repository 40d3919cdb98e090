"""A load that did not land, or that the server only ever refused, is said to be one."""

from __future__ import annotations

import pytest

from leakscope.load.interface import Served
from leakscope.load.landing import lateness, no_success, too_few


def served(
    asked: int | None = 300,
    landed: int | None = 300,
    *failures: tuple[str, int],
    statuses: tuple[tuple[int, int], ...] = ((200, 300),),
    late: int = 0,
) -> Served:
    return Served(asked, landed, failures, statuses, seconds=1.0, late=late)


def test_when_enough_landed_there_is_nothing_to_say() -> None:
    assert too_few(served(300, 270, ("connection reset", 30))) is None


def test_too_few_that_landed_are_said_with_what_became_of_the_others() -> None:
    assert (
        too_few(served(300, 214, ("connection refused", 86)))
        == "214 of 300 requests landed; 86: connection refused"
    )


def test_many_kinds_of_failures_are_summed_up() -> None:
    kinds = [(f"kind {n}", 10 - n) for n in range(5)]

    assert (
        too_few(served(100, 60, *kinds))
        == "60 of 100 requests landed; 10: kind 0, 9: kind 1, 8: kind 2, 13: other"
    )


def test_none_that_landed_are_too_few_whatever_the_share() -> None:
    assert too_few(served(10, 0, ("connection refused", 10)), share=0.0) is not None


def test_a_load_that_can_not_tell_is_not_judged() -> None:
    assert too_few(served(None, None)) is None


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (((200, 1), (404, 299)), None),
        ((), None),
        (((404, 300),), "every one of 300 answers was 404 Not Found"),
        (((302, 1),), "the only answer was 302 Found"),
        (
            ((404, 100), (500, 200), (599, 3)),
            "none of 303 answers was a success; 200: 500 Internal Server Error, "
            "100: 404 Not Found, 3: 599",
        ),
    ],
)
def test_answers_without_a_success_are_said(
    statuses: tuple[tuple[int, int], ...], words: str | None
) -> None:
    assert no_success(served(statuses=statuses)) == words


def test_a_rate_that_was_not_kept_is_said() -> None:
    assert lateness(served(late=20)) is None
    assert lateness(served(late=0)) is None
    assert (
        lateness(served(late=200)) == "200 of 300 requests of a round went out late: "
        "the server does not keep up with the rate over these connections"
    )
