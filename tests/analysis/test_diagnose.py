"""A recording becomes a verdict, with one finding per leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.analysis.suspects import MOST_SUSPECTS, suspects
from leakscope.model.cohorts import Cohort
from leakscope.model.evidence import (
    HolderEvidence,
    Opened,
    Site,
    SiteGrowth,
    Step,
    Suspects,
    TypeEvidence,
    Unheld,
)
from leakscope.model.finding import Diagnosis, Finding, Status, Verdict
from leakscope.model.recording import Ending, Recording
from leakscope.model.target import MemoryLimit
from leakscope.report.terminal import render_terminal
from tests.analysis.services import clean_service
from tests.builders import (
    Series,
    address_of,
    evidence_of,
    held_type,
    holder,
    recording_of,
    steps,
)
from tests.heaps import heap_of
from tests.views import ascending, image_of

SAMPLES = 13
WORK = [float(w) for w in np.cumsum([0, *np.random.default_rng(7).integers(480, 520, 12)])]

COMPANIONS = {f"web.request.Part{i}": 1.0 + i % 4 for i in range(20)} | {
    f"builtins.{name}": 1.0 + i
    for i, name in enumerate(
        ("dict", "list", "tuple", "cell", "function", "method", "set", "bytes", "str", "int")
    )
}
"""Thirty types of which each request has some objects."""


def growing(rate: float, *, level: float = 0.0, noise: int = 0) -> list[float]:
    """Return a series that grows by `rate` per unit of `WORK`, give or take what is in flight."""
    rng = np.random.default_rng([int(rate * 1000), int(level), noise])
    return [round(level + rate * w) + float(rng.poisson(noise)) for w in WORK]


def flat(level: float) -> list[float]:
    return [level] * SAMPLES


def filling(capacity: float, share: float) -> list[float]:
    return [float(round(capacity * min(1.0, w / (share * WORK[-1])))) for w in WORK]


def leaky(
    types: Mapping[str, Series],
    lengths: Mapping[str, Series] | None = None,
    *about: HolderEvidence | TypeEvidence,
    **more: object,
) -> Recording:
    evidence = evidence_of(*about)
    return recording_of(types, lengths=lengths, work=WORK, evidence=evidence, **more)  # type: ignore[arg-type]


def request_leak(path: str = "shop.audit.PENDING", **more: object) -> Recording:
    """Return the recording of a list of records that keep their requests, with all they hold."""
    kept = {"web.request.Request": 1.0, "shop.audit.Record": 1.0, **COMPANIONS}
    types = {name: growing(rate, level=50, noise=4) for name, rate in kept.items()}
    return leaky(
        types,
        {path: growing(1.0)},
        holder(
            path,
            entry="[*] : shop.audit.Record -> .request : web.request.Request",
            shares={name: (rate, 50 * rate) for name, rate in kept.items()},
        ),
        **more,
    )


def test_heap_snapshots_tell_whether_the_entries_of_a_holder_have_stayed() -> None:
    audit = "root:module -> PENDING:list"
    heaps = [
        heap_of(
            audit,
            *(f"PENDING -> r{i}:shop.audit.Record" for i in range(count)),
            addresses={"PENDING": address_of("shop.audit.PENDING")},
        )
        for count in (10, 30, 60)
    ]
    recording = replace(request_leak(), heaps=tuple(image_of(ascending(heap)) for heap in heaps))

    assert only_finding(recording).cohorts == (Cohort(20, 20), Cohort(30, 30))
    assert only_finding(request_leak()).cohorts == ()


def only_finding(recording: Recording) -> Finding:
    diagnosis = diagnose(recording)
    assert diagnosis.verdict is Verdict.LEAKING
    assert len(diagnosis.findings) == 1
    return diagnosis.findings[0]


def holders(diagnosis: Diagnosis) -> list[str | None]:
    return [f.holder.path if f.holder is not None else None for f in diagnosis.findings]


def test_a_leaked_request_and_its_thirty_companions_are_one_leak() -> None:
    finding = only_finding(request_leak())

    assert finding.id == "L1"
    assert finding.status is Status.CONFIRMED
    assert finding.type == "web.request.Request"
    assert finding.growth.unit == "request"
    assert finding.growth.objects.estimate == pytest.approx(1.0, abs=0.01)
    assert finding.holder is not None
    assert finding.holder.path == "shop.audit.PENDING"
    assert finding.holder.last_length == round(WORK[-1])
    assert {rate.type for rate in finding.types} >= {*COMPANIONS, "shop.audit.Record"}
    assert finding.types[0].type == "web.request.Request"
    assert [step.edge for step in finding.chain] == [
        "module shop.audit",
        ".PENDING",
        "[*]",
        ".request",
    ]


def test_bytes_are_what_the_entries_keep_alive() -> None:
    finding = only_finding(request_leak())
    per_entry = 50 * (2 + sum(COMPANIONS.values()))
    assert finding.growth.bytes is not None
    assert finding.growth.bytes.estimate == pytest.approx(per_entry, rel=0.01)
    assert finding.retained_bytes == pytest.approx(per_entry * WORK[-1], rel=0.01)


def test_rates_per_second_are_those_per_request_at_the_pace_of_the_watch() -> None:
    leading = only_finding(request_leak()).types[0]
    assert leading.objects_per_second == pytest.approx(WORK[-1] / 60, rel=0.02)


def test_the_reason_says_what_to_do_in_plain_words() -> None:
    why = only_finding(request_leak()).why
    assert "shop.audit.PENDING" in why
    assert "never removed" in why
    assert "Request alive through .request" in why


def two_leaks(first: float = 1.0, second: float = 1.0) -> Recording:
    return leaky(
        {
            "web.Request": growing(first, level=20, noise=3),
            "shop.Listener": growing(second, level=20, noise=3),
            "builtins.dict": growing(3 * first + second, level=4000, noise=20),
        },
        {"shop.audit.PENDING": growing(first), "shop.signals.RECEIVERS": growing(second)},
        holder(
            "shop.audit.PENDING",
            entry="[*] : web.Request",
            shares={"web.Request": (1, 900), "builtins.dict": (3, 600)},
        ),
        holder(
            "shop.signals.RECEIVERS",
            entry="[*] : shop.Listener",
            shares={"shop.Listener": (1, 100), "builtins.dict": (1, 200)},
        ),
    )


@pytest.mark.parametrize("second", [1.0, 0.2, 3.0], ids=["as fast", "slower", "faster"])
def test_two_independent_leaks_are_two_findings(second: float) -> None:
    diagnosis = diagnose(two_leaks(second=second))
    assert set(holders(diagnosis)) == {"shop.audit.PENDING", "shop.signals.RECEIVERS"}
    assert [finding.id for finding in diagnosis.findings] == ["L1", "L2"]


def test_what_grows_by_most_bytes_comes_first() -> None:
    assert holders(diagnose(two_leaks()))[0] == "shop.audit.PENDING"
    assert holders(diagnose(two_leaks(second=20.0)))[0] == "shop.signals.RECEIVERS"


def test_a_type_that_two_leaks_share_is_split_between_them() -> None:
    dicts = [
        rate.objects_per_work
        for finding in diagnose(two_leaks()).findings
        for rate in finding.types
        if rate.type == "builtins.dict"
    ]
    assert sorted(dicts) == pytest.approx([1.0, 3.0], rel=0.05)


def test_a_weak_register_of_what_leaks_is_no_leak_of_its_own() -> None:
    recording = leaky(
        {
            "_asyncio.Task": growing(1, level=9, noise=4),
            "builtins.coroutine": growing(1, level=9, noise=4),
            "_asyncio.Future": growing(1, level=9, noise=4),
            "weakref.ReferenceType": growing(1, level=900, noise=4),
        },
        {"shop.usage.waiters:deque": growing(1), "asyncio.tasks.all:set": growing(1, noise=4)},
        holder(
            "asyncio.tasks.all:set",
            chain="module asyncio.tasks : module -> ._all_tasks : WeakSet -> .data : set",
            entry="<element> : weakref.ReferenceType",
            shares={"weakref.ReferenceType": (1, 72)},
        ),
        holder(
            "shop.usage.waiters:deque",
            chain="module shop.usage : module -> .LEDGER : Ledger -> .outcomes : asyncio.Queue "
            "-> ._getters : deque",
            entry="[*] : _asyncio.Future -> .callbacks : _asyncio.Task",
            shares={"_asyncio.Task": (1, 300), "_asyncio.Future": (1, 100)},
            site=Site("shop/usage.py", 46, "Ledger.next_outcome"),
        ),
    )
    finding = only_finding(recording)
    assert finding.type == "_asyncio.Task"
    assert finding.holder is not None
    assert finding.holder.path == "shop.usage.LEDGER.outcomes._getters"
    assert "wait at shop/usage.py:46 in Ledger.next_outcome" in finding.why


def test_two_indexes_of_the_same_objects_are_one_leak() -> None:
    recording = leaky(
        {"shop.Session": growing(1, level=5, noise=2)},
        {"shop.BY_NAME:dict": growing(1), "shop.BY_NUMBER:dict": growing(1)},
        holder(
            "shop.BY_NAME:dict",
            entry="[*] : shop.Session",
            shares={"shop.Session": (1, 500), "builtins.str": (1, 60)},
        ),
        holder("shop.BY_NUMBER:dict", entry="[*] : shop.Session", shares={"builtins.int": (1, 28)}),
    )
    assert holders(diagnose(recording)) == ["shop.BY_NAME"]


def test_two_containers_with_objects_of_one_type_each_are_two_leaks() -> None:
    recording = leaky(
        {"shop.Job": growing(2, level=5, noise=2)},
        {"shop.WAITING": growing(1), "shop.FAILED": growing(1)},
        holder("shop.WAITING", entry="[*] : shop.Job", shares={"shop.Job": (1, 500)}),
        holder("shop.FAILED", entry="[*] : shop.Job", shares={"shop.Job": (1, 500)}),
    )
    assert sorted(map(str, holders(diagnose(recording)))) == ["shop.FAILED", "shop.WAITING"]


def test_a_container_inside_the_entries_of_another_is_no_leak_of_its_own() -> None:
    recording = leaky(
        {"shop.Event": growing(2, level=5, noise=2)},
        {"shop.LOG": growing(2), "shop.LOG.last.tags:dict": growing(1)},
        holder("shop.LOG", entry="[*] : shop.Event", shares={"shop.Event": (1, 500)}),
        holder(
            "shop.LOG.last.tags:dict",
            chain="module shop : module -> .LOG : list -> [7] : shop.Event -> .tags : dict",
            shares={"builtins.str": (1, 50)},
        ),
    )
    assert holders(diagnose(recording)) == ["shop.LOG"]


def test_containers_in_the_same_place_of_many_objects_add_up() -> None:
    paths = [f"shop.USERS.history{i}" for i in range(4)]
    recording = leaky(
        {"shop.Visit": growing(1, level=5, noise=2)},
        {path: growing(0.25) for path in paths},
        *[
            holder(
                path,
                chain=f"module shop : module -> .USERS : dict -> ['u{i}'] : U -> .visits : list",
                entry="[*] : shop.Visit",
                shares={"shop.Visit": (1, 80)},
            )
            for i, path in enumerate(paths)
        ],
    )
    finding = only_finding(recording)
    assert finding.growth.objects.estimate == pytest.approx(1.0, abs=0.01)
    assert finding.growth.bytes is not None
    assert finding.growth.bytes.estimate == pytest.approx(80, rel=0.01)


def test_a_dict_of_texts_leaks_although_no_type_seems_to_grow() -> None:
    # Neither str nor bytes is tracked by gc: a capture may not count them.
    recording = leaky(
        {"shop.Server": flat(1)},
        {"shop.BODIES:dict": growing(1.0)},
        holder(
            "shop.BODIES:dict",
            entry="[*] : builtins.bytes",
            shares={"builtins.bytes": (1, 4000), "builtins.str": (1, 80)},
        ),
    )
    finding = only_finding(recording)
    assert finding.type == "builtins.bytes"
    assert finding.holder is not None
    assert finding.holder.path == "shop.BODIES"
    assert finding.growth.bytes is not None
    assert finding.growth.bytes.estimate == pytest.approx(4080, rel=0.01)


def test_what_accumulates_is_where_the_chains_of_all_that_grows_part() -> None:
    # The few entries that were looked at were told to keep records; each keeps a whole request.
    chain = "module shop.audit : module -> .PENDING : list -> [7] : shop.audit.Record"
    request = f"{chain} -> .request : web.Request"
    parts = {"web.Headers": 2.0, "web.Url": 1.0, "web.Body": 1.0}
    recording = leaky(
        {n: growing(r, level=5, noise=2) for n, r in parts.items()}
        | {n: growing(1, level=5, noise=2) for n in ("shop.audit.Record", "web.Request")},
        {"shop.audit.PENDING": growing(1)},
        holder(
            "shop.audit.PENDING",
            entry="[*] : shop.audit.Record",
            shares={"shop.audit.Record": (1, 56), "web.Request": (0.5, 30)},
        ),
        held_type("shop.audit.Record", chain=chain),
        held_type("web.Request", chain=request),
        *[held_type(name, chain=f"{request} -> .{name} : {name}") for name in parts],
    )
    finding = only_finding(recording)
    assert finding.type == "web.Request"
    assert finding.growth.objects.estimate == pytest.approx(1.0, abs=0.02)
    assert [step.edge for step in finding.chain] == [
        "module shop.audit",
        ".PENDING",
        "[*]",
        ".request",
    ]
    assert finding.growth.bytes is not None
    assert finding.growth.bytes.estimate == pytest.approx(56 + 60 + 4 * 64, rel=0.03)


def test_a_type_in_step_with_a_holder_belongs_to_its_leak() -> None:
    # What is referred to from elsewhere as well is not seen to be kept by the entries alone.
    recording = leaky(
        {
            "shop.Order": growing(1, level=5, noise=2),
            "shop.Item": growing(3, level=5, noise=2),
            "shop.Receipt": growing(1, level=5, noise=2),
        },
        {"shop.ORDERS": growing(1)},
        holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 90)}),
        held_type("shop.Receipt", chain="task print_all at shop.py:7 : Task -> local r : list"),
    )
    finding = only_finding(recording)
    assert {rate.type for rate in finding.types} == {"shop.Order", "shop.Item", "shop.Receipt"}


def test_a_type_that_is_kept_elsewhere_is_a_leak_of_its_own() -> None:
    recording = leaky(
        {
            "shop.Order": growing(1, level=5, noise=2),
            "shop.Node": growing(1, level=5, noise=2),
            "shop.Rest": growing(0.37, level=5, noise=1),
        },
        {"shop.ORDERS": growing(1)},
        holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 90)}),
        held_type("shop.Node", chain="module shop : module -> .HEAD : shop.Node"),
    )
    findings = diagnose(recording).findings
    assert [finding.type for finding in findings] == ["shop.Order", "shop.Node"]
    assert "shop.Rest" in {rate.type for rate in findings[1].types}


def test_a_faster_weak_register_belongs_to_the_leak_whose_objects_it_lists() -> None:
    recording = leaky(
        {"shop.Order": growing(1, level=5, noise=2), "shop.Job": growing(0.3, level=5, noise=1)},
        {
            "shop.ORDERS": growing(1),
            "shop.JOBS": growing(0.3),
            "weak.ALL:set": growing(2),
        },
        holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 90)}),
        holder("shop.JOBS", entry="[*] : shop.Job", shares={"shop.Job": (1, 90)}),
        holder(
            "weak.ALL:set",
            entry="<element> : weakref.ReferenceType",
            shares={"weakref.ReferenceType": (1, 72)},
        ),
    )
    assert set(holders(diagnose(recording))) == {"shop.ORDERS", "shop.JOBS"}


def test_weak_references_that_pile_up_alone_are_a_leak() -> None:
    recording = leaky(
        {"weakref.ReferenceType": growing(1, level=500, noise=2)},
        {"shop.WATCHERS": growing(1)},
        holder(
            "shop.WATCHERS",
            entry="[*] : weakref.ReferenceType",
            shares={"weakref.ReferenceType": (1, 72)},
        ),
    )
    assert "Weak references are added to shop.WATCHERS" in only_finding(recording).why


def test_errors_that_are_kept_with_their_frames_are_told_as_such() -> None:
    recording = leaky(
        {"shop.Failure": growing(1, level=5, noise=2)},
        {"shop.ERRORS": growing(1)},
        holder(
            "shop.ERRORS",
            entry="[*] : shop.Failure -> .__traceback__ : builtins.traceback "
            "-> .tb_frame : builtins.frame -> local request of handle : web.Request",
            shares={"web.Request": (1, 900), "shop.Failure": (1, 90)},
        ),
    )
    why = only_finding(recording).why
    assert "kept in shop.ERRORS with their tracebacks" in why
    assert "a Request" in why


def test_a_dict_from_tuples_to_sessions_leaks_sessions() -> None:
    recording = leaky(
        {"builtins.tuple": growing(1, level=900, noise=2), "shop.Session": growing(1, noise=2)},
        {"shop.OPEN:dict": growing(1)},
        holder(
            "shop.OPEN:dict",
            entry="<key> : builtins.tuple",
            shares={"builtins.tuple": (1, 64), "shop.Session": (1, 64), "builtins.str": (1, 60)},
        ),
        held_type(
            "shop.Session",
            chain="module shop : module -> .OPEN : dict -> [<tuple len 2>] : shop.Session",
        ),
    )
    finding = only_finding(recording)
    assert finding.type == "shop.Session"
    assert finding.chain[-1].edge == "[<tuple len 2>]"


def test_a_dict_from_keys_to_large_texts_leaks_texts() -> None:
    recording = leaky(
        {"shop.Key": growing(1, noise=2)},
        {"shop.PAGES:dict": growing(1)},
        holder(
            "shop.PAGES:dict",
            entry="[*] : builtins.bytes",
            shares={"builtins.bytes": (1, 4000), "shop.Key": (1, 48)},
        ),
        held_type("shop.Key", chain="module shop : module -> .PAGES : dict -> <key> : shop.Key"),
    )
    assert only_finding(recording).type == "builtins.bytes"


def test_an_unbounded_function_cache_is_told_as_one() -> None:
    recording = leaky(
        {"shop.Policy": growing(1, level=3, noise=2)},
        {"shop.cache:dict": growing(1)},
        holder(
            "shop.cache:dict",
            chain="module shop : module -> .Policy : type -> .timeout : "
            "functools._lru_cache_wrapper -> <reference> : dict",
            entry="<key> : shop.Policy",
            shares={"shop.Policy": (1, 200)},
        ),
    )
    why = only_finding(recording).why
    assert "shop.Policy.timeout is a functools cache" in why
    assert "maxsize" in why


def test_functions_that_stay_registered_are_told_with_what_they_captured() -> None:
    recording = leaky(
        {"builtins.function": growing(1, level=9000, noise=3)},
        {"shop.RECEIVERS": growing(1)},
        holder(
            "shop.RECEIVERS",
            entry="[*] : builtins.function -> closure variable body of sign : builtins.bytes",
            shares={
                "builtins.bytes": (1, 9000),
                "builtins.function": (1, 160),
                "builtins.cell": (1, 40),
            },
        ),
    )
    why = only_finding(recording).why
    assert "registered in shop.RECEIVERS and never unregistered" in why
    assert "closure variable body of sign" in why


def test_a_leak_of_one_object_in_five_requests_is_found_at_its_rate() -> None:
    recording = leaky(
        {"shop.Sample": growing(0.2, level=3, noise=1)},
        {"shop.SAMPLES": growing(0.2)},
        holder("shop.SAMPLES", entry="[*] : shop.Sample", shares={"shop.Sample": (1, 120)}),
    )
    assert only_finding(recording).growth.objects.estimate == pytest.approx(0.2, abs=0.005)


def test_growth_that_no_holder_explains_is_told_with_the_chain_of_its_type() -> None:
    chain = "module shop : module -> .HEAD : shop.Node -> .next : shop.Node"
    recording = recording_of(
        {
            "shop.Node": growing(1, level=5, noise=2),
            "shop.Payload": growing(1, level=5, noise=2),
            "builtins.dict": growing(2, level=900, noise=9),
        },
        work=WORK,
        sizes={"shop.Node": 48, "shop.Payload": 52, "builtins.dict": 100},
        evidence=evidence_of(
            held_type("shop.Node", chain=chain),
            held_type("shop.Payload", chain=f"{chain} -> .payload : shop.Payload"),
        ),
    )
    finding = only_finding(recording)
    assert finding.type == "shop.Node"
    assert finding.holder is None
    assert finding.chain == steps(chain)
    assert {rate.type for rate in finding.types} == {"shop.Node", "shop.Payload", "builtins.dict"}
    assert finding.growth.bytes is not None
    assert finding.growth.bytes.estimate == pytest.approx(300, rel=0.05)


CACHE = (
    "module shop.prices : module -> .price : functools._lru_cache_wrapper "
    "-> lru_cache entries (at most {}) : builtins.dict"
)


def cached(bound: int, *, size: float = 200, beside: float = 0.0) -> Recording:
    """Return the recording of a function's cache; prices come into it, and lists beside."""
    return leaky(
        {
            "shop.Price": growing(1, level=5),
            "builtins.str": growing(2, level=900),
            "builtins.list": growing(beside, level=50),
        },
        {"shop.prices.price:builtins.dict": growing(1)},
        holder(
            "shop.prices.price:builtins.dict",
            chain=CACHE.format(bound),
            entry="<key> : builtins.str",
            shares={"builtins.str": (2, 100), "builtins.list": (1, 60), "shop.Price": (0.5, size)},
        ),
        held_type("shop.Price", chain=f"{CACHE.format(bound)} -> ['a'] : shop.Price"),
    )


def test_a_cache_below_its_bound_fills_and_is_no_leak_with_all_that_it_holds() -> None:
    recording = cached(2 * round(WORK[-1]))

    diagnosis = diagnose(recording)

    assert diagnosis.verdict is Verdict.CLEAN
    (told,) = diagnosis.not_leaks
    assert told.label == "filling"
    assert told.key.startswith("shop.prices.price -> lru_cache entries")
    assert told.reason == f"{WORK[-1]:,.0f} of at most {2 * round(WORK[-1]):,} entries"
    assert {"shop.Price", "builtins.str"} <= set(told.types)
    assert judge(diagnosis, recording).passed


def test_a_cache_that_is_to_take_more_than_the_memory_is_worth_is_a_leak() -> None:
    finding = only_finding(cached(10**9))
    assert finding.holder is not None
    assert "stays until there are 1,000,000,000 of them" in finding.why
    assert "Give it a smaller maxsize" in finding.why


def test_a_list_that_keeps_what_a_cache_keeps_as_well_is_a_leak() -> None:
    filling_cache = cached(2 * round(WORK[-1]))
    both = leaky(
        {"shop.Price": growing(1, level=5)},
        {"shop.prices.price:builtins.dict": growing(1), "shop.prices.SHOWN": growing(1)},
        *filling_cache.evidence.holders,
        holder("shop.prices.SHOWN", entry="[*] : shop.Price", shares={"shop.Price": (1, 200)}),
    )

    assert holders(diagnose(both)) == ["shop.prices.SHOWN"]


def test_what_grows_faster_than_a_cache_fills_is_told_beside_it() -> None:
    diagnosis = diagnose(cached(2 * round(WORK[-1]), beside=3))

    (finding,) = diagnosis.findings
    assert finding.type == "builtins.list"
    assert [told.label for told in diagnosis.not_leaks] == ["filling"]


def test_what_a_slow_container_cannot_have_brought_goes_to_what_grows_as_fast() -> None:
    chain = "module shop : module -> .FAILURE : shop.Error -> .__traceback__ : builtins.traceback"
    recording = leaky(
        {
            "shop.Body": growing(3, level=5, noise=2),
            "shop.Reader": growing(1, level=5, noise=2),
            "builtins.frame": growing(6, level=90, noise=3),
            "builtins.dict": growing(9, level=900, noise=9),
        },
        {"shop.CLIENTS": growing(0.02, level=40)},
        holder("shop.CLIENTS", entry="[*] : builtins.dict", shares={"builtins.dict": (1, 200)}),
        held_type(
            "shop.Body",
            chain=f"{chain} -> .tb_frame : builtins.frame -> local body of parse : shop.Body",
        ),
        held_type(
            "shop.Reader",
            chain=f"{chain} -> .tb_next : builtins.traceback -> .tb_frame : builtins.frame "
            "-> local reader of read : shop.Reader",
        ),
    )
    failure, clients = diagnose(recording).findings
    assert failure.type == "shop.Body"
    plain = {"builtins.frame", "builtins.dict"}
    assert {rate.type for rate in failure.types} == {"shop.Body", "shop.Reader", *plain}
    assert failure.why.startswith("shop.FAILURE keeps its traceback")
    assert clients.holder is not None
    assert clients.holder.path == "shop.CLIENTS"
    (only,) = clients.types
    assert only.objects_per_work == pytest.approx(0.02, rel=0.1)


def test_without_any_evidence_what_grows_together_is_one_finding_led_by_the_programs_own_type() -> (
    None
):
    kept = {"shop.Order": 1.0, **{f"builtins.{n}": 2.0 for n in ("dict", "list", "str")}}
    recording = leaky({n: growing(r, level=40, noise=3) for n, r in kept.items()})
    finding = only_finding(recording)
    assert finding.type == "shop.Order"
    assert {rate.type for rate in finding.types} == set(kept)


def test_a_growing_container_that_nothing_is_known_of_is_a_finding() -> None:
    finding = only_finding(leaky({"shop.Server": flat(1)}, {"shop.NUMBERS:dict": growing(1)}))
    assert finding.holder is not None
    assert finding.holder.path == "an unnamed dict"
    assert "0x" not in finding.why


def test_a_growing_container_without_evidence_is_explained_by_the_type_in_it() -> None:
    recording = leaky({"shop.Order": growing(1, noise=2)}, {"shop.ORDERS": growing(1)})
    assert only_finding(recording).type == "shop.Order"


def test_a_cache_that_fills_is_no_leak_and_is_told_by_its_name() -> None:
    recording = leaky(
        {"shop.Product": filling(2500, 0.5), "builtins.dict": filling(2500, 0.5)},
        {"shop.CACHE:dict": filling(2500, 0.5)},
        holder("shop.CACHE:dict", entry="[*] : shop.Product", shares={"shop.Product": (1, 400)}),
    )
    diagnosis = diagnose(recording)
    assert diagnosis.verdict is Verdict.CLEAN
    assert diagnosis.findings == ()
    told = [(item.key, item.label) for item in diagnosis.not_leaks]
    assert told == [("shop.CACHE", "filled"), ("shop.Product", "filled")]


@pytest.mark.parametrize("counted", [True, False], ids=["per request", "per second"])
@pytest.mark.parametrize("samples", [9, 13, 25])
def test_a_proxy_at_work_is_clean(samples: int, counted: bool) -> None:
    verdicts = [
        diagnose(clean_service(seed, samples=samples, counted=counted)).verdict
        for seed in range(30_000, 30_040)
    ]
    assert set(verdicts) == {Verdict.CLEAN}


def test_a_leak_in_a_busy_proxy_is_found_and_nothing_else() -> None:
    for seed in range(31_000, 31_010):
        clean = clean_service(seed)
        work = [census.work or 0.0 for census in clean.censuses]
        leak = leak_into(clean, "shop.Order", "shop.ORDERS", work)
        assert holders(diagnose(leak)) == ["shop.ORDERS"]


def leak_into(clean: Recording, type_name: str, path: str, values: Sequence[float]) -> Recording:
    """Return `clean` with a type and a container on top that hold `values`."""
    added = recording_of({type_name: values}, lengths={path: values})
    censuses = tuple(
        replace(
            old,
            types={**old.types, **new.types},
            containers=(*old.containers, *new.containers),
        )
        for old, new in zip(clean.censuses, added.censuses, strict=True)
    )
    evidence = evidence_of(holder(path, entry=f"[*] : {type_name}", shares={type_name: (1, 64)}))
    return replace(clean, censuses=censuses, evidence=evidence)


def test_one_sample_alone_measures_nothing() -> None:
    diagnosis = diagnose(recording_of({"shop.Order": [5]}, work=[10.0]))
    assert diagnosis.verdict is Verdict.NOT_MEASURED
    assert diagnosis.reason == "one sample alone shows no growth"


def test_a_target_without_any_type_is_clean() -> None:
    assert diagnose(recording_of(samples=SAMPLES, work=500)).verdict is Verdict.CLEAN


def test_without_work_nothing_is_measured() -> None:
    diagnosis = diagnose(recording_of({"shop.Order": growing(1)}, work=[70.0] * SAMPLES))
    assert diagnosis.verdict is Verdict.NOT_MEASURED
    assert diagnosis.reason == "no work was done while the target was watched"
    assert diagnosis.findings == ()


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_samples_are_inconclusive_and_say_what_is_missing(n: int) -> None:
    diagnosis = diagnose(recording_of({"shop.Order": growing(1)[:n]}, work=WORK[:n]))
    assert diagnosis.verdict is Verdict.INCONCLUSIVE
    assert f"{n} samples are too few" in diagnosis.reason
    assert "needed" in diagnosis.reason


def test_a_target_that_exits_early_is_judged_by_what_was_seen() -> None:
    whole = request_leak()
    early = replace(whole, censuses=whole.censuses[:8], ending=Ending.TARGET_EXITED)
    diagnosis = diagnose(early)
    assert diagnosis.verdict is Verdict.LEAKING
    assert any("exited while it was watched" in caveat for caveat in diagnosis.caveats)


def test_what_rises_clearly_but_only_lately_is_told_as_a_suspicion() -> None:
    lately = [100.0] * 5 + [100.0 + 400 * 1.6**i for i in range(8)]
    diagnosis = diagnose(leaky({"shop.Order": lately}))
    assert diagnosis.verdict in (Verdict.INCONCLUSIVE, Verdict.CLEAN)
    assert all(finding.status is Status.SUSPECTED for finding in diagnosis.findings)


def test_memory_that_grows_alone_is_a_caveat_and_no_finding() -> None:
    diagnosis = diagnose(leaky({"shop.Server": flat(1)}, rss=[6e7 + 3000 * w for w in WORK]))
    assert diagnosis.verdict is Verdict.CLEAN
    assert any("No Python type grows, yet RSS rises by 3,000" in c for c in diagnosis.caveats)


def test_threads_and_descriptors_that_rise_alone_are_leaks_of_their_own() -> None:
    threads, files = ([float(round(9 + rate * w)) for w in WORK] for rate in (0.1, 1.0))
    diagnosis = diagnose(leaky({}, threads=threads, fds=files))
    assert diagnosis.verdict is Verdict.LEAKING
    assert [(f.id, f.type) for f in diagnosis.findings] == [
        ("L1", "threads"),
        ("L2", "open descriptors"),
    ]
    assert diagnosis.reason == "the number of threads grows steadily, and so does 1 more"
    first, second = diagnosis.findings
    assert first.growth.objects.low <= 0.1 <= first.growth.objects.high
    assert second.growth.objects.low <= 1.0 <= second.growth.objects.high
    assert first.fingerprint != second.fingerprint
    assert "leakscope threads PID" in first.why
    assert "leakscope fds PID" in second.why
    assert not any("rise by" in caveat for caveat in diagnosis.caveats)
    text = render_terminal(diagnosis, width=100)
    assert "+1.00 open descriptors per request" in text
    assert "not known" not in text
    opened = (Opened("TCP connection", "to 10.0.0.7:443", "CLOSE_WAIT", 500),)
    recording = leaky({}, fds=files)
    evidence = replace(recording.evidence, opened=opened, most_open=int(files[-1]) + 100)
    told = diagnose(replace(recording, evidence=evidence))
    (finding,) = told.findings
    assert (finding.opened, finding.exhausted and finding.exhausted.limit) == (
        opened,
        evidence.most_open,
    )
    text = render_terminal(told, width=100)
    assert "out of open descriptors any moment (limit" in text
    assert "500 TCP connections to 10.0.0.7:443 (CLOSE_WAIT)" in text
    quiet = diagnose(leaky({}, threads=flat(9), fds=flat(30)))
    assert (quiet.verdict, quiet.caveats) == (Verdict.CLEAN, ())


def test_a_descriptor_for_each_reading_of_the_counter_is_no_leak() -> None:
    """As many as the connections that the readings may leave behind for a while."""
    files = [float(9 + 4 * sample) for sample in range(len(WORK))]
    diagnosis = diagnose(leaky({}, fds=files))
    assert (diagnosis.verdict, diagnosis.findings) == (Verdict.CLEAN, ())
    assert any(c.startswith("Open descriptors rise by") for c in diagnosis.caveats)


def test_what_no_type_grows_as_fast_as_is_a_leak_beside_that_of_objects() -> None:
    threads, files = ([float(round(9 + rate * w)) for w in WORK] for rate in (0.1, 1.0))
    diagnosis = diagnose(request_leak(threads=threads, fds=files))
    *objects, last = diagnosis.findings
    assert objects
    assert (last.id, last.type) == (f"L{len(objects) + 1}", "threads")
    (caveat,) = [c for c in diagnosis.caveats if "rise by" in c]
    assert caveat.startswith("Open descriptors rise by 1 per request, from 9 to")


def test_descriptors_that_rise_with_a_type_are_told_with_it() -> None:
    files = [float(round(9 + w)) for w in WORK]
    leak = request_leak(fds=files)
    opened = (Opened("file", "in /tmp", "", 500),)
    evidence = replace(leak.evidence, opened=opened, most_open=10_000)
    (finding,) = diagnose(replace(leak, evidence=evidence)).findings
    assert finding.opened == opened
    assert finding.exhausted is not None
    assert finding.exhausted.seconds > 0
    diagnosis = diagnose(replace(leak, evidence=evidence))
    assert not any("descriptors rise" in caveat for caveat in diagnosis.caveats)
    slower = replace(request_leak(fds=[float(round(9 + w / 3)) for w in WORK]), evidence=evidence)
    assert not diagnose(slower).findings[0].opened


def test_a_queue_that_was_worked_off_is_told_by_its_name() -> None:
    queue = [5.0, 5, 400, 900, 1400, 800, 300, *[5.0] * 6]
    recording = leaky({}, {"shop.QUEUE:deque": queue}, holder("shop.QUEUE:deque"))
    told = [(item.key, item.label, item.reason) for item in diagnose(recording).not_leaks]
    assert told == [("shop.QUEUE", "backlog", "piled up to 1,400 and was worked off")]


def test_memory_ends_when_its_peak_and_slope_say() -> None:
    limit = MemoryLimit(512 << 20, "cgroup memory.max")
    rss = [1e8 + 2000 * w for w in WORK]
    forecast = diagnose(request_leak(rss=rss, limit=limit)).forecast
    assert forecast is not None
    left = (512 << 20) - rss[-1]
    per_second = 2000 * WORK[-1] / 60
    assert forecast.earliest_seconds <= left / per_second
    assert forecast.latest_seconds is not None
    assert forecast.latest_seconds >= left / per_second * 0.99
    assert forecast.earliest_seconds >= left / per_second * 0.9


def test_no_end_of_memory_is_foretold_for_a_clean_service() -> None:
    limit = MemoryLimit(512 << 20, "cgroup memory.max")
    rss = [1e8 + 2000 * w for w in WORK]
    assert diagnose(leaky({"shop.Server": flat(1)}, rss=rss, limit=limit)).forecast is None


def test_no_end_of_memory_is_foretold_if_memory_does_not_grow() -> None:
    limit = MemoryLimit(512 << 20, "cgroup memory.max")
    one_step = [1e8] * 8 + [1.2e8] * 5
    for rss in (flat(1e8), one_step, [None, *flat(1e8)[1:]]):
        assert diagnose(request_leak(rss=rss, limit=limit)).forecast is None


def test_no_end_of_memory_is_foretold_without_a_limit() -> None:
    assert diagnose(request_leak(rss=[1e8 + 2000 * w for w in WORK])).forecast is None


def test_memory_that_rises_unsteadily_has_no_latest_end() -> None:
    limit = MemoryLimit(512 << 20, "cgroup memory.max")
    unsteady = [1e8 + 2000 * w + 9e6 * (i % 3) for i, w in enumerate(WORK)]
    forecast = diagnose(request_leak(rss=unsteady, limit=limit)).forecast
    assert forecast is not None
    assert forecast.latest_seconds is None


def test_allocation_sites_go_to_the_finding_whose_module_they_are_in() -> None:
    audit = SiteGrowth((Site("/srv/shop/audit.py", 88, "enqueue"),), 5_000, 100)
    signals = SiteGrowth((Site("/srv/shop/signals.py", 7, "connect"),), 90_000, 100)
    recording = two_leaks()
    recording = replace(recording, evidence=replace(recording.evidence, sites=(signals, audit)))
    sites = {f.holder.path: f.allocated_at for f in diagnose(recording).findings if f.holder}
    assert sites["shop.audit.PENDING"] == audit.stack
    assert sites["shop.signals.RECEIVERS"] == signals.stack


def test_a_site_that_no_module_claims_goes_to_the_only_finding() -> None:
    site = SiteGrowth((Site("/usr/lib/codec.py", 3, "decode"),), 9, 1)
    one, two = request_leak(), two_leaks()
    one = replace(one, evidence=replace(one.evidence, sites=(site,)))
    two = replace(two, evidence=replace(two.evidence, sites=(site,)))
    assert only_finding(one).allocated_at == site.stack
    assert [finding.allocated_at for finding in diagnose(two).findings] == [(), ()]


def test_samples_at_one_instant_measure_nothing() -> None:
    diagnosis = diagnose(recording_of({"shop.A": [1, 2]}, every=0.0))
    assert diagnosis.verdict is Verdict.NOT_MEASURED
    assert diagnosis.reason == "no time went by between the samples"


def test_caveats_of_the_recording_are_kept() -> None:
    assert "Said before." in diagnose(request_leak(caveats=("Said before.",))).caveats


def test_samples_without_work_are_told() -> None:
    work = [0.0, 0.0, 0.0, *WORK]
    diagnosis = diagnose(recording_of({"shop.A": flat(9)[:1] * 16}, work=work))
    assert any("3 of 16 samples" in caveat for caveat in diagnosis.caveats)


def test_a_leak_has_the_same_fingerprint_in_another_run() -> None:
    def run(key: str, rate: float) -> str:
        path = f"shop.USERS.{key}"
        chain = f"module shop : module -> .USERS : dict -> [{key}] : shop.User -> .visits : list"
        return only_finding(
            leaky(
                {"shop.Visit": growing(rate, level=5, noise=2)},
                {path: growing(rate)},
                holder(path, chain=chain, entry="[*] : shop.Visit", shares={"shop.Visit": (1, 9)}),
            )
        ).fingerprint

    assert run("'alice'", 1.0) == run("<str len 36>", 2.0) == run("17", 0.5)


def test_another_leak_has_another_fingerprint() -> None:
    one, other = diagnose(two_leaks()).findings
    assert one.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 12


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 500), st.sampled_from([6, 13, 20]))
def test_the_same_recording_gives_the_same_diagnosis(seed: int, samples: int) -> None:
    recording = clean_service(seed, samples=samples)
    assert diagnose(recording) == diagnose(recording)


@settings(max_examples=15, deadline=None)
@given(st.permutations(["shop.audit.PENDING", "shop.signals.RECEIVERS"]), st.booleans())
def test_the_order_of_the_evidence_does_not_matter(order: list[str], reverse: bool) -> None:
    recording = two_leaks()
    by_path = {address_of(path): at for at, path in enumerate(order)}
    shuffled = tuple(sorted(recording.evidence.holders, key=lambda h: by_path[h.address]))
    censuses = tuple(
        replace(c, types=dict(sorted(c.types.items(), reverse=reverse))) for c in recording.censuses
    )
    other = replace(
        recording, censuses=censuses, evidence=replace(recording.evidence, holders=shuffled)
    )
    assert diagnose(other) == diagnose(recording)


def test_growing_containers_and_types_are_suspects_the_fastest_first() -> None:
    recording = leaky(
        {"shop.Slow": growing(0.2), "shop.Fast": growing(2), "shop.Still": flat(50)},
        {"shop.SLOW": growing(0.2), "shop.FAST": growing(2), "shop.STILL": flat(50)},
    )
    assert suspects(recording) == Suspects(
        containers=(address_of("shop.FAST"), address_of("shop.SLOW")),
        types=("shop.Fast", "shop.Slow"),
    )


def test_what_filled_is_asked_about_after_what_grows() -> None:
    recording = leaky({}, {"shop.CACHE": filling(5000, 0.5), "shop.LEAK": growing(0.2)})
    assert suspects(recording).containers == (address_of("shop.LEAK"), address_of("shop.CACHE"))


def test_after_a_few_samples_whatever_gained_is_suspect() -> None:
    recording = recording_of({"shop.Order": [0, 100, 200], "shop.Still": [5, 5, 5]}, work=100)
    assert suspects(recording).types == ("shop.Order",)


def test_suspects_are_limited_to_the_fastest() -> None:
    many = {f"shop.T{i:02}": growing(1 + i / 10) for i in range(40)}
    named = suspects(leaky(many)).types
    assert len(named) == MOST_SUSPECTS
    assert named[0] == "shop.T39"


def test_a_service_at_rest_has_no_suspects() -> None:
    assert not suspects(leaky({"shop.A": flat(10)}, {"shop.B": flat(10)}))


@pytest.mark.parametrize(("rate", "level"), [(0.04, 18_000), (0.02, 1_500)])
def test_a_faint_rise_of_a_plain_type_that_nothing_holds_is_told_and_not_called_a_leak(
    rate: float, level: int
) -> None:
    diagnosis = diagnose(leaky({"builtins.dict": growing(rate, level=level)}))

    assert diagnosis.verdict is Verdict.CLEAN
    assert any("awaits collection" in caveat for caveat in diagnosis.caveats)


@pytest.mark.parametrize(("name", "level"), [("builtins.dict", 500), ("shop.cache.Entry", 20_000)])
def test_a_strong_rise_or_one_of_the_programs_own_types_is_a_leak(name: str, level: int) -> None:
    diagnosis = diagnose(leaky({name: growing(0.04, level=level)}))

    assert diagnosis.verdict is Verdict.LEAKING
    assert diagnosis.findings[0].type == name


def test_garbage_that_piles_up_is_one_finding_that_says_so() -> None:
    steps = [100.0 * i for i in range(13)]
    recording = recording_of(
        {
            "shop.Phase": [2 * step for step in steps],
            "shop.Timeline": steps,
            "builtins.list": steps,
        },
        work=100.0,
        evidence=evidence_of(
            held_type(
                "shop.Phase", chain="uncollected garbage : shop.Phase -> .timeline : shop.Timeline"
            ),
            held_type("shop.Timeline", chain="uncollected garbage : shop.Timeline -> .p : list"),
        ),
    )

    diagnosis = diagnose(recording)

    assert [finding.type for finding in diagnosis.findings] == ["shop.Phase"]
    finding = diagnosis.findings[0]
    assert {rate.type for rate in finding.types} == {
        "shop.Phase",
        "shop.Timeline",
        "builtins.list",
    }
    assert finding.holder is None
    assert "only the cycle that they are part of holds them" in finding.why
    assert diagnosis.reason == "uncollected garbage (Phase) grows steadily"


def test_garbage_is_not_taken_for_a_part_of_a_leak_that_grows_as_fast() -> None:
    steps = [100.0 * i for i in range(13)]
    recording = recording_of(
        {"shop.Order": steps, "shop.Phase": steps},
        lengths={"shop.ORDERS": steps},
        work=100.0,
        evidence=evidence_of(
            holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 64)}),
            held_type("shop.Phase", chain="uncollected garbage : shop.Phase"),
        ),
    )

    assert {finding.type for finding in diagnose(recording).findings} == {
        "shop.Order",
        "shop.Phase",
    }


LOST = Unheld(
    "shop.Reply", 1_200, 1_200, 90_000, (Step(".title", "str"), Step(".lines", "list")), 1
)


def lost_replies(*about: HolderEvidence | TypeEvidence, **types: Series) -> Recording:
    """Return the recording of replies, each with a list, that nobody seen holds."""
    steps = [100.0 * i for i in range(13)]
    return recording_of(
        {"shop.Reply": steps, "builtins.list": steps, **types},
        lengths={"shop.ORDERS": steps} if about else None,
        work=100.0,
        evidence=evidence_of(
            held_type("shop.Reply", chain="held by : shop.Reply", unheld=LOST),
            held_type("builtins.list", chain="held by : shop.Reply -> .lines : list"),
            *about,
        ),
    )


def test_what_nobody_seen_holds_is_one_finding_with_all_that_it_keeps() -> None:
    (finding,) = diagnose(lost_replies()).findings

    assert finding.type == "shop.Reply"
    assert {rate.type for rate in finding.types} == {"shop.Reply", "builtins.list"}
    assert (finding.holder, finding.unheld, finding.retained_bytes) == (None, (LOST,), 90_000)
    assert "nobody whom leakscope sees holds them" in finding.why
    assert "`leakscope alloc PID` tells where they are allocated" in finding.why


def test_where_what_nobody_holds_is_allocated_is_not_asked_for_again() -> None:
    sampled = SiteGrowth((Site("shop.py", 7, "reply"),), 90_000, 1_200, type="shop.Reply")
    recording = lost_replies()

    (finding,) = diagnose(
        replace(recording, evidence=replace(recording.evidence, sites=(sampled,)))
    ).findings

    assert finding.allocated_at == sampled.stack
    assert "leakscope alloc" not in finding.why


def test_what_nobody_holds_is_not_taken_for_a_part_of_a_leak_that_grows_as_fast() -> None:
    steps = [100.0 * i for i in range(13)]
    about = holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 64)})

    found = diagnose(lost_replies(about, **{"shop.Order": steps})).findings

    assert {finding.type: bool(finding.unheld) for finding in found} == {
        "shop.Order": False,
        "shop.Reply": True,
    }


@pytest.mark.parametrize(("kept", "findings"), [({}, 1), ({"builtins.dict": (1, 64)}, 2)])
def test_what_entries_that_tell_nothing_may_hold_is_theirs(
    kept: dict[str, tuple[float, float]], findings: int
) -> None:
    steps = [100.0 * i for i in range(13)]
    lost = Unheld("builtins.method", 2_400, 2_400, 190_000, (Step(".__self__", "shop.Book"),), 1)
    recording = recording_of(
        {"shop.Tracer": steps, "builtins.method": [2 * step for step in steps]},
        lengths={"shop.TRACERS": steps},
        work=100.0,
        evidence=evidence_of(
            holder(
                "shop.TRACERS", entry="[*] : shop.Tracer", shares={"shop.Tracer": (1, 64), **kept}
            ),
            held_type("builtins.method", chain="held by : builtins.method", unheld=lost),
        ),
    )

    assert len(diagnose(recording).findings) == findings


TIMERS = (
    "module asyncio.events : module -> ._loop : asyncio.unix_events._UnixSelectorEventLoop"
    " -> ._scheduled : list -> [3] : asyncio.events.TimerHandle"
)


@pytest.mark.parametrize(("rate", "leaks"), [(0.03, 1), (1.0, 1), (9.5, 2)])
def test_timers_of_what_a_leak_keeps_are_a_part_of_it(rate: float, leaks: int) -> None:
    steps = [1000.0 * i for i in range(13)]
    recording = recording_of(
        {"shop.Order": steps, "asyncio.events.TimerHandle": [rate * step for step in steps]},
        lengths={"shop.ORDERS": steps},
        work=1000.0,
        evidence=evidence_of(
            holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 64)}),
            held_type("asyncio.events.TimerHandle", chain=TIMERS),
        ),
    )

    assert len(diagnose(recording).findings) == leaks


def same_entries(**counts: Series) -> Recording:
    """Return the recording of a list that gets the same text twice per request."""
    entries = [200.0 * i for i in range(13)]
    shares = {"builtins.str": (1 / 24, 50 / 24)}
    return recording_of(
        {"shop.Order": flat(50), **counts},
        lengths={"shop.STATUSES": entries},
        work=100.0,
        evidence=evidence_of(
            holder("shop.STATUSES", entry="[*] : builtins.str", shares=shares),
        ),
    )


def test_a_list_of_the_same_few_objects_is_told_by_its_entries() -> None:
    recording = same_entries(**{"builtins.str": flat(20_000)})

    finding = only_finding(recording)

    assert (finding.type, finding.types) == ("list", ())
    assert finding.growth.objects.estimate == pytest.approx(2.0)
    assert finding.holder is not None
    assert finding.holder.path == "shop.STATUSES"
    assert "Entries are added to shop.STATUSES (a list)" in finding.why
    assert "+2.00 entries of list per request" in render_terminal(diagnose(recording), width=120)


def test_where_objects_are_not_counted_entries_are_what_they_look_like() -> None:
    finding = only_finding(same_entries())

    assert finding.type == "builtins.str"


def test_what_c_code_holds_by_a_tuple_is_said_to_be_held_so() -> None:
    steps = [100.0 * i for i in range(13)]
    recording = recording_of(
        {"shop.Session": steps},
        work=100.0,
        evidence=evidence_of(
            held_type("shop.Session", chain="held by : builtins.tuple -> [0] : shop.Session")
        ),
    )

    finding = only_finding(recording)

    assert "Nothing that was seen refers to the tuple" in finding.why
    text = render_terminal(diagnose(recording), width=120)
    assert "held by : tuple   ← nobody seen holds it" in text


@pytest.mark.parametrize(
    ("beside", "rate", "findings"),
    [
        ({"re.Pattern": 1.0}, 1.0, 1),
        ({"re.Pattern": 1.0}, 0.25, 1),  # several entries have one together
        ({"re.Pattern": 1.0}, 3.0, 2),  # there are more than that
        ({}, 1.0, 2),
    ],
)
def test_what_entries_refer_to_is_theirs_though_a_cache_has_it_too(
    beside: dict[str, float], rate: float, findings: int
) -> None:
    steps = [100.0 * i for i in range(13)]
    recording = recording_of(
        {"web.Route": steps, "re.Pattern": [500 + rate * step for step in steps]},
        lengths={"shop.ROUTES": steps},
        work=100.0,
        evidence=evidence_of(
            holder(
                "shop.ROUTES",
                entry="[*] : web.Route",
                shares={"web.Route": (1, 64)},
                beside=beside,
            ),
            held_type("re.Pattern", chain="module re : module -> ._cache : dict -> ['a'] : p"),
        ),
    )

    found = diagnose(recording).findings

    assert len(found) == findings
    (route,) = (finding for finding in found if finding.type == "web.Route")
    assert ("re.Pattern" in {each.type for each in route.types}) == (findings == 1)
