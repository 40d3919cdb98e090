"""A leakscope as it would be on macOS, in a process of its own: one order a line, one answer each.

Run as `python -m tests.asking` by the interpreter that is to ask, so nothing here needs pytest.
"""

from __future__ import annotations

import json
import sys

# Before Linux's means are taken away: these libraries have code of their own for each system.
import numpy as np  # noqa: F401
import psutil  # noqa: F401
import scipy  # noqa: F401

from tests.darwin_here import DarwinHere, take_linux_away

take_linux_away()

from leakscope.analysis.diagnose import diagnose  # noqa: E402
from leakscope.capture.checks import run_checks  # noqa: E402
from leakscope.capture.portable import PortableCapture  # noqa: E402
from leakscope.capture.process import ProcessIdentity, identify  # noqa: E402
from leakscope.capture.session import Session, attach  # noqa: E402
from leakscope.capture.versions import from_hexversion  # noqa: E402
from leakscope.cli.diagnosing import record  # noqa: E402
from leakscope.errors import LeakscopeError  # noqa: E402
from leakscope.watching.opening import connect_to  # noqa: E402
from leakscope.watching.recorder import plan  # noqa: E402


class Asking:
    """Does what it is told, to one target at a time."""

    def __init__(self) -> None:
        self.session: Session | None = None

    def answer(self, order: str, pid: int, argument: str) -> object:
        """Return what the order brought, or what was refused, with its hint."""
        try:
            if self.session is not None:
                return self._in_session(self.session, order)
            return self._done(order, identify(pid, DarwinHere()), argument)
        except LeakscopeError as error:
            return {"refused": type(error).__name__, "line": str(error), "hint": error.remedy}

    def _in_session(self, session: Session, order: str) -> object:
        if order == "census":
            types = PortableCapture(session).census().types
            return {name: total.objects for name, total in types.items()}
        assert order == "detach", order
        session.close()
        self.session = None
        return "detached"

    def _done(self, order: str, identity: ProcessIdentity, argument: str) -> object:
        if order == "attach":
            self.session = attach(identity, timeout=float(argument))
            return [self.session.kind, self.session.door, from_hexversion(self.session.hexversion)]
        if order == "connect":
            with connect_to(identity) as connected:
                types = connected.capture.census().types
                return [connected.target.python, connected.target.implementation, sorted(types)]
        if order == "watch":
            every, seconds = map(float, argument.split("/"))
            recording = record(identity, plan(every, seconds))
            diagnosis = diagnose(recording)
            metrics = recording.censuses[-1].metrics
            return {
                "verdict": diagnosis.verdict.value,
                "holders": [f.holder.path for f in diagnosis.findings if f.holder is not None],
                "kind": recording.kind.value,
                "ending": recording.ending.value,
                "rss": metrics.rss,
                "limit": recording.limit.source if recording.limit else None,
            }
        assert order == "doctor", order
        return [
            [check.name, check.status, check.detail, check.remedy]
            for check in run_checks(identity.pid, identity.system)
        ]


def main() -> None:
    """Answer until stdin ends."""
    asking = Asking()
    print("ready", flush=True)
    for line in sys.stdin:
        order, pid, argument = line.split()
        print(json.dumps(asking.answer(order, int(pid), argument)), flush=True)


if __name__ == "__main__":
    main()
