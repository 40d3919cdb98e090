"""Looking at stacks leaves what runs there alone."""

from __future__ import annotations

import threading
import weakref

from leakscope.embed.stacks import stacks_now

DEADLINE_S = 30


class Job:
    pass


def test_a_call_that_was_looked_at_does_not_keep_what_it_has_let_go() -> None:
    taken, done, gone, end = (threading.Event() for _ in range(4))
    jobs: list[weakref.ref[Job]] = []

    def work() -> None:
        job = Job()
        jobs.append(weakref.ref(job))
        taken.set()
        done.wait(DEADLINE_S)
        del job
        gone.set()
        end.wait(DEADLINE_S)

    worker = threading.Thread(target=work)
    worker.start()
    assert taken.wait(DEADLINE_S)
    found = stacks_now()
    done.set()
    assert gone.wait(DEADLINE_S)

    assert any(call.function.endswith("work") for calls, _ in found for call in calls)
    assert jobs[0]() is None

    end.set()
    worker.join()
