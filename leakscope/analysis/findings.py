"""From leaks and the types that none explains to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from leakscope.analysis.attribution import attribute, filled, is_held_elsewhere, is_lost
from leakscope.analysis.cohorts import cohorts_of
from leakscope.analysis.explain import explain_holder, explain_type
from leakscope.analysis.fingerprint import fingerprint
from leakscope.analysis.follow import mean_size
from leakscope.analysis.growth import Growth as Grown
from leakscope.analysis.growth import Judged
from leakscope.analysis.holdings import (
    Holding,
    Leak,
    added,
    is_near,
    leaks_among,
    same_rate,
)
from leakscope.analysis.leading import leading_way, telling_way
from leakscope.analysis.names import anonymous, is_builtin, path_of, short_path
from leakscope.analysis.outside import seen_from_outside
from leakscope.analysis.sites import allocated_for
from leakscope.model.cohorts import Cohort
from leakscope.model.evidence import (
    HELD_BY,
    EntryShare,
    HolderEvidence,
    Step,
    TypeEvidence,
    Unheld,
    bound_of,
    is_garbage,
)
from leakscope.model.finding import Finding, Growth, Holder, NotLeak, Status, TypeRate
from leakscope.model.recording import CaptureKind, Recording
from leakscope.model.trend import Interval, Trend
from leakscope.model.typenames import bare, is_standard

_RARE = 0.05
"""Share of an entry below which a type is not told as growing along with it."""

_ANYTHING = "builtins.object"
"""Type of entries of which none is known."""

FAINT = 0.1
"""Share of all objects of a plain type that must be new for their growth to be a finding alone."""
FAINT_COUNT = 100
"""And how many: requests in flight alone make some dozens come and go."""


@dataclass(frozen=True, slots=True)
class Source:
    """What findings are made of."""

    recording: Recording
    growth: Grown
    status: Status

    def counts(self, item: Judged) -> bool:
        """Return whether a key takes part: confirmed ones, or serious ones for suspicions."""
        return item.grows if self.status is Status.CONFIRMED else item.grows or item.serious

    def size(self, holding: Holding, type_name: str) -> float:
        """Return the flat bytes of one object of a type, as a part of the entries if known."""
        share = holding.share(type_name)
        if share is not None and share.objects > 0:
            return share.bytes / share.objects
        return mean_size(self.recording.censuses[-1], type_name)


@dataclass(frozen=True, slots=True)
class Found:
    """What growth turned out to be."""

    findings: tuple[Finding, ...] = ()
    """Most bytes per unit of work first, then objects, then fingerprint; not numbered yet."""
    filling: tuple[NotLeak, ...] = ()
    """Caches that grow to a bound which they have not reached yet, by name."""


def findings_of(source: Source) -> Found:
    """Return the findings, and what only looks like one."""
    evidence = source.recording.evidence
    growing = [item for item in source.growth.types if source.counts(item)]
    containers = [item for item in source.growth.containers if source.counts(item)]
    about = {(holder.address, holder.type): holder for holder in evidence.holders}
    named, unnamed = _with_evidence(containers, about)
    rates = {item.trend.key: item.trend.slope.estimate for item in growing}
    holding = leaks_among(named, rates)
    caches = [leak for leak in holding if leak.is_filling]
    leaks = [leak for leak in holding if not leak.is_filling]
    chains = {item.type: item for item in evidence.types}
    taken = filled(caches, growing, chains)
    keys = {item.trend.key for item in taken}
    growing = [item for item in growing if item.trend.key not in keys]
    rest = [item for item in attribute(leaks, growing, chains) if not is_faint(item.trend)]
    found = [_from_leak(source, leak, chains) for leak in leaks]
    dead = _among(rest, chains, lambda about: is_garbage(about.chain))
    lost = _among(
        [item for item in rest if item not in dead], chains, lambda about: is_lost(about, chains)
    )
    alive = [item for item in rest if item not in dead and item not in lost]
    groups = [
        *_grouped(source, alive, chains),
        *_together(source, dead, chains),
        *_together(source, lost, chains),
    ]
    found += [_from_types(source, group, chains) for group in groups]
    found += _from_unnamed(source, unnamed, found)
    if source.recording.kind is CaptureKind.READONLY:
        pid = source.recording.target.pid
        found = [seen_from_outside(finding, unnamed, pid) for finding in found]
    return Found(tuple(sorted(found, key=_order)), _filling(caches, taken))


def _filling(caches: Sequence[Leak], taken: Sequence[Judged]) -> tuple[NotLeak, ...]:
    """Return the caches that fill, the types that grow with them told with each that holds them."""
    told = [
        NotLeak(
            key=cache.main.path,
            label="filling",
            reason=f"{cache.main.judged.trend.last:,.0f} of at most "
            f"{bound_of(cache.main.evidence.chain):,} entries",
            types=tuple(item.trend.key for item in taken),
        )
        for cache in caches
    ]
    return tuple(sorted(told, key=lambda cache: cache.key))


def is_faint(trend: Trend) -> bool:
    """Return whether a type's growth is too little to be told from cycles that await gc.

    Every program has many objects of the language's own types. Those in cyclic garbage count as
    alive until gc gets to them, which may take longer than a watch; so without a container that
    grows with them, they must have risen by a good part of what there was.
    """
    gained = trend.last - trend.first
    return is_builtin(trend.key) and gained < max(FAINT_COUNT, FAINT * trend.last)


def _order(finding: Finding) -> tuple[float, float, str, str]:
    size = finding.growth.bytes
    return (
        -(size.estimate if size is not None else 0.0),
        -finding.growth.objects.estimate,
        finding.fingerprint,
        finding.holder.path if finding.holder is not None else finding.type,
    )


def _with_evidence(
    containers: Sequence[Judged], about: Mapping[tuple[int, str], HolderEvidence]
) -> tuple[list[Holding], list[Judged]]:
    named: list[Holding] = []
    unnamed: list[Judged] = []
    for item in containers:
        evidence = about.get((int(item.trend.key, 16), item.followed.type))
        if evidence is None:
            unnamed.append(item)
        else:
            named.append(Holding(item, evidence))
    return named, unnamed


def _from_leak(source: Source, leak: Leak, chains: Mapping[str, TypeEvidence]) -> Finding:
    main, evidence = leak.main, leak.main.evidence
    if _adds_nothing(source, leak):
        return _from_container(source, main.judged, leak)
    sizes = {name: rate * source.size(main, name) for name, rate in leak.types.items()}
    entry = leading_way(evidence.chain, evidence.entry, chains, sizes)
    entry = telling_way(evidence.chain, entry, chains, {**_kept_bytes(leak), **sizes})
    leading = entry[-1].type if entry else main.leading
    objects = _objects(leak, leading)
    per_work = leak.bytes_per_work + _unseen_bytes(leak, sizes)
    size = per_work / leak.slope.estimate if leak.slope.estimate > 0 else 0.0
    kept = sum(holding.judged.trend.last for holding in (main, *leak.kin)) * size
    path = main.path or _unnamed(evidence.type)
    start = evidence.chain or (Step(HELD_BY, evidence.type),)
    return Finding(
        id="",
        fingerprint=fingerprint(evidence.chain, entry, leading, evidence.type),
        status=source.status,
        type=leading,
        types=_type_rates(
            source,
            leading,
            {**_uncounted(source, leak), **leak.types, leading: objects.estimate},
        ),
        growth=Growth(
            unit=source.recording.work_unit,
            objects=objects,
            bytes=leak.slope.scaled(size) if size > 0 else None,
        ),
        holder=Holder(
            path=path,
            type=evidence.type,
            first_length=int(main.judged.trend.first),
            last_length=int(main.judged.trend.last),
        ),
        chain=(*start, *entry),
        allocated_at=allocated_for(
            source.recording.evidence.sites, holder=evidence.address, type_name=leading
        ),
        retained_bytes=round(kept) if size > 0 else None,
        why=explain_holder(
            short_path(path), evidence.type, evidence.chain, entry, leading, evidence.site
        ),
        series=tuple(main.judged.followed.values.tolist()),
        cohorts=_cohorts(source, evidence),
    )


def _cohorts(source: Source, evidence: HolderEvidence) -> tuple[Cohort, ...]:
    snapshots = [image.snapshot for image in source.recording.heaps]
    if not evidence.entry:
        return ()
    return cohorts_of(snapshots, evidence.address, evidence.entry[0].type)


def _objects(leak: Leak, leading: str) -> Interval:
    """Return how fast leading objects accumulate: entries, times leading objects per entry.

    How many there are in an entry is told by the count of the type itself, as far as this leak
    makes it grow, else by the entries that were looked at. What is nearly a whole number is one:
    entries are alike, but some were looked at while they were still in use.
    """
    slope = leak.slope
    if slope.estimate <= 0:
        return slope
    share = leak.main.share(leading)
    per_entry = share.objects if share is not None and share.objects > 0 else 1.0
    if leading in leak.types:
        per_entry = leak.types[leading] / slope.estimate
    whole = round(per_entry)
    return slope.scaled(whole if whole and is_near(per_entry, whole) else per_entry)


def _kept_bytes(leak: Leak) -> dict[str, float]:
    """Return how fast bytes of each type accumulate, as the entries that were looked at tell."""
    slope = leak.main.slope.estimate
    return {share.type: slope * share.bytes for share in leak.main.evidence.shares}


def _unseen_bytes(leak: Leak, sizes: Mapping[str, float]) -> float:
    """Return the bytes per unit of work by which types grow beyond what sampled entries showed."""
    seen = {
        name: sum(
            holding.slope.estimate * share.bytes
            for holding in leak.holdings
            for share in [holding.share(name)]
            if share is not None
        )
        for name in sizes
    }
    return sum(max(0.0, size - seen[name]) for name, size in sizes.items())


def _uncounted(source: Source, leak: Leak) -> dict[str, float]:
    """Return the types that an entry keeps alive and whose own series does not contradict it."""
    return {
        share.type: claimed
        for share, claimed, fits in _claims(source, leak)
        if share.objects >= _RARE and claimed > 0 and fits
    }


def _adds_nothing(source: Source, leak: Leak) -> bool:
    """Return whether entries are objects that were there before: constants, the same few texts.

    No type grows with it then, and the counts of those in its entries say that they do not.
    """
    claims = list(_claims(source, leak))
    return not leak.types and bool(claims) and not any(fits for _, _, fits in claims)


def _claims(source: Source, leak: Leak) -> Iterator[tuple[EntryShare, float, bool]]:
    """Yield what an entry keeps alive, how fast that grows by it, and whether its count fits."""
    trends = {item.trend.key: item.trend for item in source.growth.types}
    for share in leak.main.evidence.shares:
        claimed = leak.main.claim(share.type)
        trend = trends.get(share.type)
        yield share, claimed, trend is None or trend.slope.high >= claimed / 2


def _grouped(
    source: Source, rest: Sequence[Judged], chains: Mapping[str, TypeEvidence]
) -> list[list[Judged]]:
    """Return the types that no holder explains, those of one cause together, the leading first.

    Types are of one cause when their chains begin alike; types without a telling chain join the
    group whose leader grows as fast, or the first. Plain types join as well, unless all are.
    """
    ordered = sorted(rest, key=lambda item: _prominence(source, item, chains))
    own = [item for item in ordered if not is_builtin(item.trend.key)] or ordered
    groups: dict[tuple[str, ...], list[Judged]] = {}
    joining: list[Judged] = []
    for item in own:
        evidence = chains.get(item.trend.key)
        if evidence is not None and is_held_elsewhere(evidence):
            groups.setdefault(_place(evidence.chain, set(chains)), []).append(item)
        else:
            joining.append(item)
    if not groups and joining:
        groups[()] = [joining.pop(0)]
    listed = list(groups.values())
    for item in joining:
        alike = (g for g in listed if same_rate(g[0].trend.slope, item.trend.slope))
        next(alike, listed[0]).append(item)
    if listed:
        listed[0].extend(item for item in ordered if item not in own)
    return listed


def _together(
    source: Source, types: Sequence[Judged], chains: Mapping[str, TypeEvidence]
) -> list[list[Judged]]:
    """Return all of `types` as one group, if there are any: they have one cause."""
    ordered = sorted(types, key=lambda item: _prominence(source, item, chains))
    return [ordered] if ordered else []


def _among(
    rest: Sequence[Judged],
    chains: Mapping[str, TypeEvidence],
    told: Callable[[TypeEvidence], bool],
) -> list[Judged]:
    """Return the types of which that is `told`, with the plain ones that nothing else explains."""
    found = [i for i in rest if i.trend.key in chains and told(chains[i.trend.key])]
    if not found:
        return []
    plain = [i for i in rest if is_builtin(i.trend.key) and i.trend.key not in chains]
    return [item for item in rest if item in found or item in plain]


def _place(chain: Sequence[Step], among: set[str]) -> tuple[str, ...]:
    """Return where a chain begins: up to the first object of a type that is asked about.

    Or up to a traceback: all that an error keeps with it has one cause.
    """
    shape: list[str] = []
    for step in chain:
        shape.append(anonymous(step.edge))
        asked = step.type in among and not is_builtin(step.type)
        if asked or bare(step.type) == "traceback":
            break
    return tuple(shape)


def _prominence(
    source: Source, item: Judged, chains: Mapping[str, TypeEvidence]
) -> tuple[bool, bool, float, float, str]:
    """Sort key: the program's own types first, then the outermost, then most bytes."""
    name = item.trend.key
    chain = chains[name].chain if name in chains else ()
    size = mean_size(source.recording.censuses[-1], name)
    grown = item.trend.slope.estimate * max(size, 1.0)
    return (is_builtin(name), is_standard(name), len(chain) or float("inf"), -grown, name)


def _from_types(
    source: Source, group: Sequence[Judged], chains: Mapping[str, TypeEvidence]
) -> Finding:
    lead = group[0]
    leading = lead.trend.key
    last = source.recording.censuses[-1]
    chain = chains[leading].chain if leading in chains else ()
    sizes = [item.trend.slope.scaled(mean_size(last, item.trend.key)) for item in group]
    size = added(sizes)
    allocated_at = allocated_for(source.recording.evidence.sites, type_name=leading)
    unheld = _unheld(group, chains)
    return Finding(
        id="",
        fingerprint=fingerprint(chain, (), leading, ""),
        status=source.status,
        type=leading,
        types=_type_rates(
            source, leading, {item.trend.key: item.trend.slope.estimate for item in group}
        ),
        growth=Growth(
            unit=source.recording.work_unit,
            objects=lead.trend.slope,
            bytes=size if size.estimate > 0 else None,
        ),
        holder=None,
        chain=chain,
        allocated_at=allocated_at,
        retained_bytes=sum(each.retained_bytes for each in unheld) if unheld else None,
        why=explain_type(leading, chain, unheld=bool(unheld), located=bool(allocated_at)),
        series=tuple(lead.followed.values.tolist()),
        unheld=unheld,
    )


def _unheld(group: Sequence[Judged], chains: Mapping[str, TypeEvidence]) -> tuple[Unheld, ...]:
    """Return what nobody seen holds of a group; nothing if somebody holds its leading type."""
    about = [chains.get(item.trend.key) for item in group]
    found = [None if each is None else each.unheld for each in about]
    return tuple(each for each in found if each is not None) if found[0] is not None else ()


def _from_unnamed(
    source: Source, containers: Sequence[Judged], found: Sequence[Finding]
) -> list[Finding]:
    """Return findings for growing containers that nothing is known of and nothing explains."""
    explained = [
        Interval(rate.objects_per_work, rate.objects_per_work, rate.objects_per_work)
        for finding in found
        for rate in finding.types
    ]
    explained += [finding.growth.objects for finding in found]
    additional: list[Finding] = []
    for item in sorted(containers, key=lambda c: (-c.trend.slope.estimate, c.trend.key)):
        if any(same_rate(item.trend.slope, rate) for rate in explained):
            continue
        explained.append(item.trend.slope)
        additional.append(_from_container(source, item))
    return additional


def _from_container(source: Source, item: Judged, leak: Leak | None = None) -> Finding:
    """Return the finding that a container grows, told by its entries and not by what they are.

    With those of the same kind, if it is known by a `leak`.
    """
    kind = item.followed.type
    chain = () if leak is None else leak.main.evidence.chain
    slope = item.trend.slope if leak is None else leak.slope
    path = path_of(chain) or _unnamed(kind)
    size = next((s.trend.slope for s in source.growth.sizes if s.trend.key == kind), None)
    return Finding(
        id="",
        fingerprint=fingerprint(chain, (), kind, kind),
        status=source.status,
        type=kind,
        types=(),
        growth=Growth(source.recording.work_unit, slope, size if chain else None),
        holder=Holder(path, kind, int(item.trend.first), int(item.trend.last)),
        chain=chain,
        allocated_at=allocated_for(source.recording.evidence.sites, holder=int(item.trend.key, 16)),
        retained_bytes=None,
        why=explain_holder(short_path(path), kind, chain, (), _ANYTHING, None)
        if chain
        else f"Entries are added to {path} and never removed; what it is called could not be found "
        "out. A longer watch, or `leakscope why`, may name it.",
        series=tuple(item.followed.values.tolist()),
    )


def _type_rates(source: Source, leading: str, rates: Mapping[str, float]) -> tuple[TypeRate, ...]:
    per_second = source.growth.axis.per_second if source.recording.counts_work else 1.0
    ordered = sorted(rates.items(), key=lambda rate: (rate[0] != leading, -rate[1], rate[0]))
    return tuple(TypeRate(name, rate, rate * per_second) for name, rate in ordered)


def _unnamed(container: str) -> str:
    return f"an unnamed {container.removeprefix('builtins.')}"
