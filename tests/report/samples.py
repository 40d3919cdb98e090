"""Diagnoses to render: what a leaking proxy, a healthy one and an unmeasured one look like."""

from __future__ import annotations

from dataclasses import replace

from leakscope.model.evidence import Site, Step
from leakscope.model.finding import (
    CaptureSummary,
    Diagnosis,
    Finding,
    Forecast,
    Growth,
    Holder,
    NotLeak,
    Status,
    TypeRate,
    Verdict,
    Work,
)
from leakscope.model.recording import CaptureKind
from leakscope.model.target import MemoryLimit, Target
from leakscope.model.trend import Interval, KeyKind, Label, Trend

REQUEST = "aiohttp.web_request.Request"

GATEWAY = Target(
    pid=4242,
    started=1_760_000_000.0,
    cmdline=("python", "-m", "gateway", "--port", "8080"),
    python="3.12.1",
    implementation="cpython",
)

QUEUED_REQUESTS = Finding(
    id="L1",
    fingerprint="5f0c9a41d2e7",
    status=Status.CONFIRMED,
    type=REQUEST,
    types=(
        TypeRate(REQUEST, 1.0, 100.0),
        TypeRate("builtins.dict", 2.0, 200.0),
        TypeRate("builtins.str", 3.0, 300.0),
        TypeRate("multidict._multidict.CIMultiDictProxy", 1.0, 100.0),
    ),
    growth=Growth("request", Interval(1.0, 0.99, 1.01), Interval(1945.6, 1900.0, 1990.0)),
    holder=Holder("gateway.audit.PENDING", "builtins.dict", 1204, 97412),
    chain=(
        Step("module gateway.audit", "module"),
        Step(".PENDING", "builtins.dict"),
        Step("['9f3c…']", "gateway.audit.AuditRecord"),
        Step(".request", REQUEST),
    ),
    allocated_at=(
        Site("gateway/audit.py", 88, "enqueue"),
        Site("gateway/proxy.py", 41, "handle"),
    ),
    retained_bytes=189_792_256,
    why="Every request adds an entry to gateway.audit.PENDING and none is ever removed.",
    series=(1204.0, 12000.0, 24100.0, 36300.0, 48500.0, 60400.0, 72600.0, 84900.0, 97412.0),
)

SLOW_LEAK = Finding(
    id="L2",
    fingerprint="0b7d3c55a901",
    status=Status.SUSPECTED,
    type="gateway.metrics.Label",
    types=(TypeRate("gateway.metrics.Label", 0.0032, 0.32),),
    growth=Growth("request", Interval(0.0032, 0.0019, 0.0044), None),
    holder=None,
    chain=(),
    allocated_at=(),
    retained_bytes=None,
    why="It grows, but no way from a module, thread or task to the objects was found.",
    series=(40.0, 41.0, 55.0, 70.0),
)

LEAKING = Diagnosis(
    verdict=Verdict.LEAKING,
    reason="1 leak confirmed on fresh samples, 1 suspected",
    target=GATEWAY,
    capture=CaptureSummary(CaptureKind.NATIVE, 13, 12.4, 15.9),
    work=Work("request", 96_208.0),
    seconds=962.0,
    findings=(QUEUED_REQUESTS, SLOW_LEAK),
    not_leaks=(
        NotLeak("functools._lru_cache_wrapper", "filled", "flat since the fourth sample"),
        NotLeak("re.Pattern", "warm-up", "grew in the first quarter only"),
    ),
    rss=Trend(
        KeyKind.RSS,
        "rss",
        Label.LINEAR,
        Interval(2365.0, 2301.0, 2420.0),
        98e6,
        315e6,
        "rises at every step",
    ),
    rss_series=(98e6, 125e6, 150e6, 180e6, 207e6, 234e6, 261e6, 288e6, 315_621_376.0),
    forecast=Forecast(20_400.0, 22_200.0, MemoryLimit(512 << 20, "cgroup memory.max")),
    caveats=("Sizes are of the objects themselves, buffers of C libraries aside.",),
)

CLEAN = replace(
    LEAKING,
    verdict=Verdict.CLEAN,
    reason="nothing grows; a leak of more than 0.004 objects per request would have been seen",
    findings=(),
    rss=replace(LEAKING.rss, label=Label.FLAT, slope=Interval(0.0, -12.0, 9.0))
    if LEAKING.rss
    else None,
    rss_series=(98e6, 98.1e6, 98e6, 98e6),
    forecast=None,
    caveats=(),
)

INCONCLUSIVE = replace(
    CLEAN,
    verdict=Verdict.INCONCLUSIVE,
    reason="6 samples are too few: a verdict takes 8",
    capture=CaptureSummary(CaptureKind.PORTABLE, 6, 480.0, 1910.0),
    work=Work("second", 30.0),
    seconds=30.0,
    not_leaks=(),
)

NOT_MEASURED = replace(
    INCONCLUSIVE,
    verdict=Verdict.NOT_MEASURED,
    reason="no request was served while watching",
    capture=CaptureSummary(CaptureKind.NATIVE, 1, 12.0, 12.0),
    work=Work("request", 0.0),
    seconds=0.0,
    rss=None,
    rss_series=(),
    caveats=("The target exited after 3 s.",),
)

PER_SECOND = replace(
    LEAKING,
    reason="1 leak confirmed on fresh samples",
    work=Work("second", 60.0),
    seconds=60.0,
    findings=(
        replace(
            QUEUED_REQUESTS,
            growth=Growth("second", Interval(0.2, 0.18, 0.22), Interval(4096.0, 4000.0, 4200.0)),
            chain=(
                Step("task gateway.flush()", "asyncio.Task"),
                Step(".coroutine", "builtins.coroutine"),
                Step("local queue of flush", "asyncio.queues.Queue"),
                Step("._queue", "collections.deque"),
                Step("[17]", REQUEST),
            ),
            holder=Holder(
                "task gateway.flush().coroutine.queue._queue", "collections.deque", 3, 15
            ),
        ),
    ),
    forecast=Forecast(90_000.0, None, MemoryLimit(8 << 30, "host memory")),
)

DIAGNOSES = {
    "leaking": LEAKING,
    "clean": CLEAN,
    "inconclusive": INCONCLUSIVE,
    "not-measured": NOT_MEASURED,
    "per-second": PER_SECOND,
}
