"""A diagnosis as JSON, schema `leakscope.report/1`: stable, for programs."""

from __future__ import annotations

from leakscope import __version__
from leakscope.model.finding import Diagnosis, Finding, Forecast
from leakscope.model.measurement import REPORT_SCHEMA
from leakscope.model.memory import LayerGrowth, LayerKind
from leakscope.model.trend import Trend
from leakscope.report.cohorts import cohorts_document
from leakscope.report.documents import Json, chain, dump, interval, site
from leakscope.report.memory import LAYER_NAMES
from leakscope.report.unheld import unheld_document

SCHEMA = REPORT_SCHEMA


class JsonRenderer:
    """Writes a diagnosis as JSON."""

    def render(self, diagnosis: Diagnosis) -> str:
        """Return the JSON document."""
        return render_json(diagnosis)


def render_json(diagnosis: Diagnosis) -> str:
    """Return `diagnosis` as JSON: the same facts as the terminal report, and all of them."""
    return dump(report_document(diagnosis))


def report_document(diagnosis: Diagnosis) -> dict[str, Json]:
    """Return the document that `render_json` writes.

    Rates are per unit of work (`work.unit`), sizes in bytes, times in seconds unless the key says
    otherwise; numbers that are not known are null.
    """
    target, capture, work = diagnosis.target, diagnosis.capture, diagnosis.work
    return {
        "schema": SCHEMA,
        "leakscope": __version__,
        "verdict": diagnosis.verdict.value,
        "reason": diagnosis.reason,
        "target": {
            "pid": target.pid,
            "started": target.started,
            "cmdline": target.cmdline,
            "python": target.python,
            "implementation": target.implementation,
        },
        "capture": {
            "kind": capture.kind.value,
            "samples": capture.samples,
            "pause_ms": {"median": capture.pause_median_ms, "max": capture.pause_max_ms},
        },
        "work": {"unit": work.unit, "total": work.total},
        "seconds": diagnosis.seconds,
        "findings": [finding_document(finding) for finding in diagnosis.findings],
        "not_leaks": [
            {"key": each.key, "label": each.label, "reason": each.reason}
            for each in diagnosis.not_leaks
        ],
        "layers": _layers(diagnosis.layers),
        "rss": _rss(diagnosis.rss, diagnosis.rss_series),
        "forecast": _forecast(diagnosis.forecast),
        "caveats": diagnosis.caveats,
    }


def _layers(growth: LayerGrowth | None) -> Json:
    """Return the layers of resident memory by name: bytes at first and at last, and per work."""
    if growth is None:
        return None
    return {
        LAYER_NAMES[kind]: {
            "first_bytes": growth.first.ledger.of(kind),
            "last_bytes": growth.last.ledger.of(kind),
            "bytes_per_work": growth.rate(kind),
        }
        for kind in LayerKind
    }


def finding_document(finding: Finding) -> Json:
    """Return one finding as an object."""
    holder, growth = finding.holder, finding.growth
    return {
        "id": finding.id,
        "fingerprint": finding.fingerprint,
        "status": finding.status.value,
        "type": finding.type,
        "types": [
            {
                "type": rate.type,
                "objects_per_work": rate.objects_per_work,
                "objects_per_second": rate.objects_per_second,
            }
            for rate in finding.types
        ],
        "growth": {
            "unit": growth.unit,
            "objects": interval(growth.objects),
            "bytes": interval(growth.bytes),
        },
        "holder": None
        if holder is None
        else {
            "path": holder.path,
            "type": holder.type,
            "first_length": holder.first_length,
            "last_length": holder.last_length,
        },
        "chain": chain(finding.chain),
        "allocated_at": [site(each) for each in finding.allocated_at],
        "retained_bytes": finding.retained_bytes,
        "why": finding.why,
        "series": finding.series,
        "cohorts": cohorts_document(finding.cohorts),
        "unheld": [unheld_document(each) for each in finding.unheld],
        "exhausted": None
        if finding.exhausted is None
        else {"limit": finding.exhausted.limit, "seconds": finding.exhausted.seconds},
        "opened": [
            {
                "kind": each.kind,
                "where": each.where or None,
                "state": each.state or None,
                "descriptors": each.descriptors,
            }
            for each in finding.opened
        ],
    }


def _rss(trend: Trend | None, series: tuple[float, ...]) -> Json:
    if trend is None and not series:
        return None
    return {
        "series": series,
        "label": None if trend is None else trend.label.value,
        "slope": None if trend is None else interval(trend.slope),
        "reason": None if trend is None else trend.reason,
    }


def _forecast(forecast: Forecast | None) -> Json:
    if forecast is None:
        return None
    return {
        "earliest_seconds": forecast.earliest_seconds,
        "latest_seconds": forecast.latest_seconds,
        "limit": {"bytes": forecast.limit.limit_bytes, "source": forecast.limit.source},
    }
