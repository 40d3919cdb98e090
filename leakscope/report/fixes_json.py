"""What became of the leaks of one run in another as JSON, schema `leakscope.compare/1`."""

from __future__ import annotations

from leakscope.model.finding import Forecast
from leakscope.model.fixes import Fixes, Row, Side
from leakscope.model.measurement import Measurement, Rate
from leakscope.report.documents import Json, dump, interval

SCHEMA = "leakscope.compare/1"
# 1: the first. Keys may be added; none is renamed, removed or given another meaning.


def render_fixes_json(fixes: Fixes) -> str:
    """Return all rows as JSON. Rates are per `unit`; what is not known is null.

    `verdict` is that of the worst row, null if nothing leaks in either run.
    """
    return dump(
        {
            "schema": SCHEMA,
            "verdict": None if fixes.fix is None else fixes.fix.value,
            "leaks": fixes.leaks,
            "unit": fixes.unit,
            "rows": [_row(row) for row in fixes.rows],
            "rss": {
                "verdict": None if fixes.rss.fix is None else fixes.rss.fix.value,
                "before": _rate(fixes.rss.before),
                "after": _rate(fixes.rss.after),
            },
            "before": _run(fixes.before),
            "after": _run(fixes.after),
            "notes": fixes.notes,
        }
    )


def _row(row: Row) -> Json:
    return {
        "type": row.type,
        "verdict": row.fix.value,
        "matched_by": None if row.match is None else row.match.value,
        "before": _side(row.before),
        "after": _side(row.after),
    }


def _side(side: Side) -> Json:
    return {
        "holder": side.holder,
        "fingerprint": side.fingerprint,
        "rate": _rate(side.rate),
        "measured": None if side.basis is None else side.basis.value,
        "doubt": side.doubt,
    }


def _rate(rate: Rate | None) -> Json:
    return None if rate is None else {"slope": interval(rate.slope), "rises": rate.rises.value}


def _run(run: Measurement) -> Json:
    return {
        "file": run.name,
        "verdict": run.verdict.value,
        "reason": run.reason,
        "capture": run.kind.value,
        "seconds": run.seconds,
        "work": run.work,
        "forecast": _forecast(run.forecast),
    }


def _forecast(forecast: Forecast | None) -> Json:
    if forecast is None:
        return None
    return {
        "earliest_seconds": forecast.earliest_seconds,
        "latest_seconds": forecast.latest_seconds,
        "limit": {"bytes": forecast.limit.limit_bytes, "source": forecast.limit.source},
    }
