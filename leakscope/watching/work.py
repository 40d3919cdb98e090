"""From the `--work` option to something that counts."""

from __future__ import annotations

from leakscope.capture.work import PrometheusCounter, WorkMeter


def meter_for(option: str | None) -> WorkMeter | None:
    """Return a meter for `URL#NAME`, None for None; raises a `UsageError` on nonsense."""
    return None if option is None else WorkMeter(PrometheusCounter.from_option(option))
