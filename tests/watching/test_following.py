"""Which of the recordings of a target and its successors is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from leakscope.capture.process import ProcessIdentity, identify
from leakscope.capture.successor import Origins, origins_of, successor_of
from leakscope.errors import LeakscopeError
from leakscope.model.recording import Ending, Recording
from leakscope.watching.following import MOST_RESTARTS, Follower, Part
from leakscope.watching.recorder import FEWEST_SAMPLES, Plan
from tests.builders import TARGET, recording_of
from tests.integration.families import SERVICE
from tests.targets import read_line, spawn

MINUTE = Plan(every=5.0, duration=60.0)


def lived(pid: int, samples: int, *, leaks: bool, ending: Ending) -> Recording:
    return recording_of(
        {"shop.Order": [10.0 + 500 * i * leaks for i in range(samples)]},
        target=replace(TARGET, pid=pid),
        ending=ending,
    )


@dataclass
class Service:
    """A supervised service drawn for the test: what is recorded of each process in turn.

    This process stands for the one that is watched first, a real one for its successors.
    """

    lives: Sequence[Recording | LeakscopeError]
    plans: list[Plan] = field(default_factory=list)
    followed: list[ProcessIdentity] = field(default_factory=list)

    def record(self, identity: ProcessIdentity, plan: Plan) -> Part:
        self.plans.append(plan)
        self.followed.append(identity)
        life = self.lives[len(self.followed) - 1]
        if isinstance(life, LeakscopeError):
            raise life
        return Part(life, seen_alive=0.0)


def running(folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Start a service in a folder that no other test has, as its successor is known by that."""
    return spawn(sys.executable, ["-c", SERVICE, "sound"], wait_for="up", cwd=folder)


def follow(service: Service, folder: Path) -> tuple[Recording, int]:
    """Follow a process whose only twin is another one with the same command line."""
    with (
        running(folder) as one,
        running(folder) as other,
    ):
        successor = other.pid
        first = identify(one.pid)

        def record(identity: ProcessIdentity, plan: Plan) -> Part:
            part = service.record(identity, plan)
            if identity == first:
                one.kill()
                one.wait()
            return part

        follower = Follower(record, within=0.5, ours=0)
        return follower.follow(first, MINUTE), successor


EXITED, WHOLE = Ending.TARGET_EXITED, Ending.COMPLETE


def test_the_longer_of_two_that_show_nothing_is_told(tmp_path: Path) -> None:
    service = Service(
        [lived(1, 3, leaks=False, ending=EXITED), lived(2, 9, leaks=False, ending=WHOLE)]
    )

    told, successor = follow(service, tmp_path)

    assert told.target.pid == 2
    assert told.caveats == (
        f"Pid 1 exited when it had been watched for 10 s, and came back as pid {successor}, by the "
        "same command line and parent process.",
        "This report is of pid 2 alone.",
    )
    assert service.followed[1].pid == successor
    assert len(service.plans) == 2
    assert service.plans[1].duration < MINUTE.duration
    assert service.plans[1].samples >= FEWEST_SAMPLES


def test_the_first_is_told_if_its_successor_was_watched_for_less(tmp_path: Path) -> None:
    service = Service(
        [lived(1, 5, leaks=False, ending=EXITED), lived(2, 3, leaks=False, ending=WHOLE)]
    )

    told, successor = follow(service, tmp_path)

    assert told.target.pid == 1
    assert f"came back as pid {successor}" in told.caveats[-2]
    assert told.caveats[-1] == "This report is of pid 1 alone."


def test_one_that_leaked_is_told_and_its_successor_left_alone(tmp_path: Path) -> None:
    service = Service([lived(1, 13, leaks=True, ending=EXITED)])

    told, successor = follow(service, tmp_path)

    assert told.target.pid == 1
    assert f"came back as pid {successor}, by the same " in told.caveats[0]
    assert len(service.followed) == 1


def test_a_successor_that_cannot_be_watched_leaves_what_was_seen(tmp_path: Path) -> None:
    service = Service([lived(1, 3, leaks=False, ending=EXITED), LeakscopeError("not permitted")])

    told, _ = follow(service, tmp_path)

    assert told.target.pid == 1
    assert told.caveats[1].endswith("was not watched: not permitted.")


def test_a_service_that_comes_back_again_and_again_is_followed_a_few_times(tmp_path: Path) -> None:
    lives: list[Recording | LeakscopeError] = [
        lived(pid, 3, leaks=False, ending=EXITED) for pid in range(1, 20)
    ]
    service = Service(lives)

    told, _ = follow(service, tmp_path)

    assert len(service.followed) == MOST_RESTARTS + 1
    assert f"It exited more than {MOST_RESTARTS} times." in told.caveats


def test_one_that_leaks_is_told_even_if_another_was_watched_for_longer(tmp_path: Path) -> None:
    lives = [lived(1, 20, leaks=False, ending=EXITED), lived(2, 13, leaks=True, ending=WHOLE)]

    told, _ = follow(Service(lives), tmp_path)

    assert told.target.pid == 2


def test_nobody_is_looked_for_while_the_target_lives() -> None:
    service = Service([lived(1, 13, leaks=False, ending=WHOLE)])

    told = Follower(service.record).follow(identify(os.getpid()), MINUTE)

    assert told.caveats == ()


def origins(pid: int) -> Origins:
    found = origins_of(identify(pid))
    assert found is not None
    return found


def test_a_process_is_no_successor_of_one_that_it_did_not_come_after(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        me = identify(service.pid)
        of_it = origins(service.pid)

        assert successor_of(of_it, me.started).found == me
        assert successor_of(of_it, me.started + 1.0).found is None


@pytest.mark.parametrize(
    "other",
    [
        lambda o: replace(o, command=(*o.command, "--other")),
        lambda o: replace(o, owner=o.owner + 1),
        lambda o: replace(o, parent=None, folder="/elsewhere"),
        lambda o: replace(o, parent=None, forked=True),
    ],
    ids=["another command", "another user", "another folder and parent", "a worker of another"],
)
def test_what_differs_from_the_target_is_not_its_successor(
    other: Callable[[Origins], Origins], tmp_path: Path
) -> None:
    with running(tmp_path) as service:
        assert successor_of(other(origins(service.pid)), 0.0).found is None


def test_a_server_is_the_successor_and_not_the_workers_that_it_forks(tmp_path: Path) -> None:
    forks = "import os, time\nos.fork()\nprint('up', os.getpid(), flush=True)\ntime.sleep(60)"
    with spawn(sys.executable, forks, wait_for="up", cwd=tmp_path) as server:
        read_line(server)
        found = successor_of(replace(origins(server.pid), parent=None), 0.0)

        assert found.rivals == ()
        assert found.found == identify(server.pid)


def test_of_two_that_could_be_it_neither_is(tmp_path: Path) -> None:
    with (
        running(tmp_path) as one,
        running(tmp_path) as other,
    ):
        found = successor_of(origins(one.pid), 0.0)

    assert found.found is None
    assert found.rivals == tuple(sorted((one.pid, other.pid)))
