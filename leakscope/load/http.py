"""The built-in HTTP/1.1 client: rounds of requests over connections that are kept open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from leakscope.load.addresses import AddressBook
from leakscope.load.interface import LoadFailed, Served
from leakscope.load.placeholders import Turn
from leakscope.load.plan import BadPlan, ClientPlan
from leakscope.load.pool import Pool, tls_context
from leakscope.load.rates import due_at
from leakscope.load.requests import RequestTemplate, request_template
from leakscope.load.requests_file import read_requests
from leakscope.load.round import Round
from leakscope.load.schedule import Job, round_of
from leakscope.load.tally import Tally


class RoundTooLong(LoadFailed):
    """A round takes longer than it may."""

    hint = "Give fewer requests per round, a higher rate, or longer time with --round-timeout."


class HttpLoad:
    """Sends the requests of a plan, in rounds. A `Load`.

    `run_round` sends exactly as many requests as a round has, in the thread that calls it, and
    returns when each is settled and every connection is closed. Each round sends the same requests
    in the same order with the same faults; only placeholders draw new values, from the same
    distribution, and `{n}` goes on from round to round. A request that finds its kept connection
    just closed by the server is sent once more on a new one, and counts as one.

    A round always ends: no request takes longer than `plan.timeout`, connecting included, and when
    the server has stopped answering the rest is given up as `not sent`. Nor does a round take
    longer than `within` seconds: it fails then.
    """

    unit = "request"

    def __init__(
        self, plan: ClientPlan, *, base: str | None = None, within: float | None = None
    ) -> None:
        """Make ready to load; `base` is the server of URLs that start with `/`.

        Reads the file of requests. Raises a `UsageError` for what can not be sent, or not in time.
        """
        self._plan = plan
        self._templates = _templates(plan, base)
        count = plan.round_size(len(self._templates))
        self._within = within
        if within is not None and due_at(count - 1, plan.rate) >= within:
            raise BadPlan(
                f"{count} requests at {plan.rate:g} a second take longer than {within:g} seconds, "
                "which is all that a round may take",
                hint=RoundTooLong.hint,
            )
        self._jobs = round_of(count, len(self._templates), shares=plan.shares, rate=plan.rate)
        self._book = AddressBook()
        secure = any(template.origin.scheme == "https" for template in self._templates)
        self._tls = tls_context(insecure=plan.insecure) if secure else None
        self._sent = 0
        """Requests of the rounds before."""
        self._stopped = False
        self._end: Callable[[], object] | None = None
        """Ends the round that runs; may be called from anywhere."""

    @property
    def requests_per_round(self) -> int:
        """How many requests a round has."""
        return len(self._jobs)

    def run_round(self, number: int) -> Served:
        """Send one round of requests; see the class. After `stop` nothing is sent any more.

        Raises `RoundTooLong`, when everything is closed.
        """
        began = time.monotonic()
        tally = Tally(len(self._jobs))
        in_time = asyncio.run(self._run(number, tally))
        self._sent += len(self._jobs)
        served = tally.served(time.monotonic() - began)
        if not in_time:
            raise RoundTooLong(
                f"a round of {served.asked} requests was not over after {self._within:g} seconds; "
                f"{served.landed} had landed"
            )
        return served

    def stop(self) -> None:
        """Make the round that runs return within a second, and later ones at once.

        What was sent and not answered counts as a failure. May be called from any thread and from
        a signal handler; does not wait.
        """
        self._stopped = True
        end = self._end
        if end is not None:
            try:
                end()
            except RuntimeError:  # The round has just ended and its loop is closed.
                return

    async def _run(self, number: int, tally: Tally) -> bool:
        """Run a round, close what it opened, and return whether it was over in time."""
        loop = asyncio.get_running_loop()
        pool = Pool(self._plan.concurrency, self._book, self._tls)
        going = Round(
            plan=self._plan,
            turn=partial(self._turn, number),
            templates=self._templates,
            jobs=iter(self._jobs),
            pool=pool,
            tally=tally,
        )
        workers = [
            loop.create_task(going.work())
            for _ in range(min(self._plan.concurrency, len(self._jobs)))
        ]
        self._end = partial(loop.call_soon_threadsafe, _cancel, workers)
        try:
            if self._stopped:
                _cancel(workers)
            _, unfinished = await asyncio.wait(workers, timeout=self._within)
        finally:
            self._end = None
            if self._stopped or not all(worker.done() for worker in workers):
                _cancel(workers)
                pool.abort()
                await asyncio.wait(workers)
            await pool.close()
        for worker in workers:
            if not worker.cancelled():
                worker.result()
        return self._stopped or not unfinished

    def _turn(self, number: int, job: Job) -> Turn:
        return Turn(n=self._sent + job.index + 1, round=number, seed=self._plan.seed)


def _templates(plan: ClientPlan, base: str | None) -> tuple[RequestTemplate, ...]:
    """Return what a plan asks, in order."""
    lines = () if plan.requests is None else read_requests(plan.requests, base=base)
    return (*lines, *(request_template("GET", url, base=base) for url in plan.urls))


def _cancel(workers: Sequence[asyncio.Task[None]]) -> None:
    for worker in workers:
        worker.cancel()
