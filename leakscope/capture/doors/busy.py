"""Why no door opened: who is busy, and since when."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from leakscope.capture.doors.waiting import describe_call
from leakscope.capture.threads import ThreadView, WaitingCall, threads, waiting_call
from leakscope.errors import LeakscopeError

_NOTICEABLE_S = 0.05
_BACK_WITHIN_S, _LOOK_EVERY_S = 0.5, 0.005


class BusyInC(LeakscopeError):
    """No thread of the target came to where the agent can be loaded."""

    hint = (
        "Try again when the call has ended, or count types by `--capture readonly`, which does not "
        "go in. Nothing was left in the target: what was queued there finds no file and does "
        "nothing."
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """The target's threads when we began to knock."""

    pid: int
    began: float
    """`time.monotonic`."""
    began_clock: float
    """`time.time`."""
    before: tuple[ThreadView, ...]

    @classmethod
    def begin(cls, pid: int) -> Watch:
        """Look at the threads now."""
        return cls(pid, time.monotonic(), time.time(), threads(pid))

    def verdict(self, closed: Sequence[str]) -> BusyInC:
        """Return the error that names the busiest thread since `begin`.

        `closed` are the reasons for which doors did not exist.
        """
        waited = time.monotonic() - self.began
        since = time.strftime("%H:%M:%S", time.localtime(self.began_clock))
        reasons = f" ({'; '.join(closed)})" if closed else ""
        return BusyInC(
            f"process {self.pid} is busy in C: {self._culprit()} since we asked at {since}, "
            f"{waited:.0f} s ago, and Python code has not run{reasons}"
        )

    def _culprit(self) -> str:
        used_before = {view.tid: view.cpu_s for view in self.before}
        now = threads(self.pid)
        used = {view: view.cpu_s - used_before.get(view.tid, view.cpu_s) for view in now}
        busiest = max(used, key=lambda view: used[view], default=None)
        if busiest is not None and used[busiest] >= _NOTICEABLE_S:
            return f"thread {busiest.tid} ({busiest.name}) has computed {used[busiest]:.1f} s"
        call = self._waits_in()
        where = f"waits in {describe_call(call)}" if call else "has not moved"
        name = now[0].name if now else "main"
        return f"thread {self.pid} ({name}) {where}"

    def _waits_in(self) -> WaitingCall | None:
        """Return what the first thread waits in, None if it does not wait for some time.

        One that a door has just looked into needs a processor to get back to its call.
        """
        end = time.monotonic() + _BACK_WITHIN_S
        while True:
            call = waiting_call(self.pid, self.pid)
            if call is not None or time.monotonic() >= end:
                return call
            time.sleep(_LOOK_EVERY_S)
