"""JSON that every parser takes: plain ASCII, no NaN, no infinities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from leakscope.model.evidence import Site, Step
from leakscope.model.trend import Interval

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def dump(document: Mapping[str, Json]) -> str:
    """Return `document` as indented JSON, keys in the order given, non-finite numbers as null."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=True, allow_nan=False)


def interval(value: Interval | None) -> Json:
    """Return an interval as an object, None as null."""
    if value is None:
        return None
    return {"estimate": value.estimate, "low": value.low, "high": value.high}


def chain(steps: Sequence[Step]) -> list[Json]:
    """Return a retention chain as a list of objects, from the root down."""
    return [{"edge": step.edge, "type": step.type} for step in steps]


def site(value: Site) -> Json:
    """Return a source line as an object."""
    return {"file": value.file, "line": value.line, "function": value.function}


def _finite(value: Json) -> Json:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_finite(item) for item in value]
    return value
