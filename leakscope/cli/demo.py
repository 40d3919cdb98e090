"""`leakscope demo`: the whole way on a small leaky proxy that ships with leakscope."""

from __future__ import annotations

import click

from leakscope.cli.console import note
from leakscope.cli.options import force_option, json_option
from leakscope.errors import ExitCode

_RATE = 100.0
_SECONDS = 20.0
_EVERY_S = 1.0


@click.command("demo")
@click.option("--fixed", is_flag=True, help="Run the proxy with its leak mended.")
@json_option
@force_option
def command(fixed: bool, json_to: str | None, force: bool) -> None:
    """Start a small leaky proxy, drive it with requests, watch it, print the finding.

    Takes about half a minute. Exit status 0 when the verdict is the one that is true.
    """
    from leakscope.capture.process import identify
    from leakscope.cli.console import refuse_outputs
    from leakscope.cli.diagnosing import conclude, record
    from leakscope.demo.run import start_load, start_proxy
    from leakscope.model.finding import Verdict
    from leakscope.watching.recorder import Plan
    from leakscope.watching.work import meter_for

    refuse_outputs(None, json_to, force=force)
    with start_proxy(fixed=fixed) as (pid, port):
        work = f"http://127.0.0.1:{port}/metrics#http_requests_total"
        note(f"a {'mended' if fixed else 'leaky'} proxy serves on port {port} as pid {pid};")
        note(f"this is: leakscope watch {pid} --every 1s --for 20s --work {work}")
        with start_load(port, _RATE, _SECONDS * 3):
            plan = Plan(every=_EVERY_S, duration=_SECONDS)
            recording = record(identify(pid), plan, meter=meter_for(work))
    diagnosis = conclude(recording, json_to=json_to, force=force)
    expected = Verdict.CLEAN if fixed else Verdict.LEAKING
    raise SystemExit(ExitCode.CLEAN if diagnosis.verdict is expected else ExitCode.NOT_MEASURED)
