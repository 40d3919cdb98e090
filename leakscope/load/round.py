"""One round of requests while it runs: who sends what, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from leakscope.load.failures import STOPPED, RequestFailed, TimedOut, Unanswered
from leakscope.load.faults import Fault
from leakscope.load.placeholders import Turn
from leakscope.load.plan import ClientPlan
from leakscope.load.pool import Pool
from leakscope.load.rates import is_late
from leakscope.load.requests import Request, RequestTemplate
from leakscope.load.schedule import Job
from leakscope.load.tally import Tally

_PATIENCE = 3
"""A round ends early when so many times `concurrency` requests in a row timed out."""


@dataclass(slots=True)
class Round:
    """One round while it runs: workers, as many as connections, take one job after the other."""

    plan: ClientPlan
    turn: Callable[[Job], Turn]
    templates: Sequence[RequestTemplate]
    jobs: Iterator[Job]
    pool: Pool
    tally: Tally
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def work(self) -> None:
        """Send requests, each when it is due, until there are none left or no use in going on."""
        loop = asyncio.get_running_loop()
        for job in self.jobs:
            if self.tally.timeouts_in_a_row >= _PATIENCE * self.plan.concurrency:
                return
            wait = self.began + job.due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if is_late(job.due, loop.time() - self.began, self.plan.rate):
                self.tally.late += 1
            await self._settle(job)

    async def _settle(self, job: Job) -> None:
        """Do one job and count what became of it."""
        request = self.templates[job.template].request(self.turn(job))
        deadline = asyncio.get_running_loop().time() + self.plan.timeout
        try:
            if job.fault in (Fault.DISCONNECT, Fault.HALF):
                await self._leave(request, deadline, job)
                self.tally.leaving()
            elif job.fault is Fault.SLOW:
                self.tally.answer(await self._ask(request, deadline, fresh=True, crawls=True))
            else:
                self.tally.answer(await self._ask(request, deadline))
        except TimedOut:
            self.tally.failure(f"no answer within {self.plan.timeout:g} s", timed_out=True)
        except RequestFailed as failure:
            self.tally.failure(str(failure))
        except asyncio.CancelledError:
            self.tally.failure(STOPPED)
            raise

    async def _ask(
        self, request: Request, deadline: float, *, fresh: bool = False, crawls: bool = False
    ) -> int:
        """Return the status of the answer; `crawls` reads it slowly."""
        connection = await self.pool.take(request.origin, deadline, fresh=fresh, crawls=crawls)
        was_kept = connection.answers > 0
        try:
            return await connection.ask(request, deadline)
        except Unanswered:
            if not was_kept:
                raise
        finally:
            await self.pool.give(connection)
        return await self._ask(request, deadline, fresh=True)

    async def _leave(self, request: Request, deadline: float, job: Job) -> None:
        connection = await self.pool.take(request.origin, deadline, fresh=True)
        half = job.fault is Fault.HALF
        try:
            await connection.leave(request, deadline, turn=job.turn, half=half)
        finally:
            await self.pool.give(connection)
