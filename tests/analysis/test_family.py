"""A leak that several workers have is told once, and with all that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from leakscope.analysis.family import diagnose_family
from leakscope.model.family import FamilyDiagnosis, FamilyRecording, Member, Role, Share, Watched
from leakscope.model.finding import Verdict
from leakscope.model.recording import Ending, Recording
from tests.builders import TARGET, evidence_of, holder, recording_of

MASTER = 100
SAMPLES = 13


def worker(
    pid: int,
    *,
    per_request: float = 0.0,
    path: str = "shop.audit.PENDING",
    kind: str = "shop.Order",
    samples: int = SAMPLES,
    explained: bool = True,
    ending: Ending = Ending.COMPLETE,
) -> Recording:
    """Return the recording of a worker that keeps so many orders of each request."""
    orders = [10.0 + per_request * 500 * i for i in range(samples)]
    grows = per_request > 0
    return recording_of(
        {kind: orders, "shop.Server": [3.0] * samples},
        lengths={path: orders} if grows and explained else {},
        evidence=evidence_of(holder(path, shares={kind: (1.0, 64.0)}))
        if grows and explained
        else None,
        work=500,
        target=replace(TARGET, pid=pid),
        ending=ending,
    )


def family(*workers: Recording | Watched, master: Recording | None = None) -> FamilyDiagnosis:
    """Return the diagnosis of a master, clean unless given, and workers there from the start."""
    members = [
        each if isinstance(each, Watched) else Watched(Role.WORKER, 0.0, each) for each in workers
    ]
    first = Watched(Role.MASTER, 0.0, master or worker(MASTER))
    return diagnose_family(FamilyRecording(MASTER, (first, *members)))


def pids(those: Sequence[Member | Share]) -> list[int]:
    return [(each.member if isinstance(each, Share) else each).pid for each in those]


def test_one_leak_in_three_of_four_workers_is_one_finding() -> None:
    told = family(
        worker(1, per_request=1.0),
        worker(2, per_request=1.02),
        worker(3),
        worker(4, per_request=0.98),
    )

    assert told.verdict is Verdict.LEAKING
    assert told.reason == "shop.audit.PENDING (Order) grows steadily in 3 of 4 workers"
    (shared,) = told.findings
    assert pids(shared.shares) == [1, 2, 4]
    assert pids(shared.others) == [3]
    assert shared.untold == ()
    assert shared.slopes == pytest.approx((0.98, 1.02))
    assert shared.total == pytest.approx(3.0)


def test_it_is_shown_as_it_is_where_it_grows_most() -> None:
    told = family(worker(1, per_request=1.0), worker(2, per_request=2.0))

    assert told.findings[0].member.pid == 2
    assert told.findings[0].finding.growth.objects.estimate == pytest.approx(2.0)


def test_different_leaks_are_different_findings_and_the_greater_comes_first() -> None:
    told = family(
        worker(1, per_request=1.0),
        worker(2, per_request=3.0, path="shop.cache.PAGES", kind="shop.Page"),
    )

    assert [each.finding.type for each in told.findings] == ["shop.Page", "shop.Order"]
    assert [each.finding.id for each in told.findings] == ["L1", "L2"]
    assert told.reason.endswith("grows steadily in 1 of 2 workers, and so does 1 more")


def test_a_leak_whose_holder_one_worker_did_not_tell_is_still_the_same() -> None:
    told = family(
        worker(1, per_request=1.0, explained=False),
        worker(2, per_request=1.0),
    )

    (shared,) = told.findings
    assert pids(shared.shares) == [1, 2]


def test_a_leak_of_unknown_holder_that_may_be_one_of_two_stays_alone() -> None:
    told = family(
        worker(1, per_request=1.0, explained=False),
        worker(2, per_request=1.0),
        worker(3, per_request=1.0, path="shop.other.PENDING"),
    )

    assert len(told.findings) == 3


def test_a_leak_of_the_master_alone_is_told_as_its_own() -> None:
    told = family(worker(1), master=worker(MASTER, per_request=1.0))

    assert told.verdict is Verdict.LEAKING
    assert told.reason.endswith("grows steadily in the master")
    assert told.findings[0].workers == ()


def test_workers_without_growth_are_clean() -> None:
    told = family(worker(1), worker(2))

    assert told.verdict is Verdict.CLEAN
    assert told.reason == "nothing went on growing in 2 of 2 workers"


def test_a_worker_too_short_for_a_verdict_does_not_keep_the_others_from_theirs() -> None:
    gone = worker(1, samples=3, ending=Ending.TARGET_EXITED)
    late = Watched(Role.WORKER, 50.0, worker(3, samples=3))

    told = family(gone, worker(2), late)

    assert told.verdict is Verdict.CLEAN
    assert told.reason == "nothing went on growing in 1 of 3 workers"


def test_a_worker_that_was_there_all_along_and_cannot_be_told_makes_it_inconclusive() -> None:
    told = family(worker(1), worker(2, samples=3))

    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.reason.startswith("pid 2: 3 samples are too few")


def test_workers_that_all_lived_too_short_make_it_inconclusive() -> None:
    gone = [worker(pid, samples=3, ending=Ending.TARGET_EXITED) for pid in (1, 2)]

    told = family(*gone)

    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.reason == "no worker lived long enough for a verdict"


def test_one_leaking_worker_that_exited_makes_the_family_leak() -> None:
    told = family(worker(1, per_request=1.0, ending=Ending.TARGET_EXITED), worker(2))

    assert told.verdict is Verdict.LEAKING


def test_workers_that_follow_each_other_do_not_count_as_if_they_were_there_together() -> None:
    half = 7
    told = family(
        worker(1, per_request=1.0, samples=half, ending=Ending.TARGET_EXITED),
        worker(2, per_request=1.0, samples=half, ending=Ending.TARGET_EXITED),
        Watched(Role.WORKER, 31.0, worker(3, per_request=1.0, samples=half)),
    )

    assert len(told.findings[0].shares) == 3
    assert told.findings[0].total == pytest.approx(2.0)


def test_a_worker_too_short_for_a_verdict_is_neither_with_a_leak_nor_without() -> None:
    told = family(worker(1, per_request=1.0), worker(2), worker(3, samples=3))

    (shared,) = told.findings
    assert pids(shared.others) == [2]
    assert pids(shared.untold) == [3]


def test_what_is_said_of_some_workers_only_names_them() -> None:
    marked = replace(worker(2), caveats=("Drawn.",))

    assert family(worker(1), marked).caveats == ("pid 2: Drawn.",)
    both = replace(worker(MASTER), caveats=("Drawn.",))
    assert family(marked, master=both).caveats == ("Drawn.",)
