"""Which growing containers are leaks of their own, and which are the same leak seen again.

One leak makes many containers grow: the list that is never emptied, the weak set that all such
objects are registered in, an index by name next to one by number. What an entry keeps alive, and
how many objects of each type there are in all, tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leakscope.analysis.growth import Judged
from leakscope.analysis.names import (
    anonymous,
    is_builtin,
    is_rooted_in_program,
    is_weak_reference,
    path_of,
    starts_with,
)
from leakscope.model.evidence import EntryShare, HolderEvidence, bound_of
from leakscope.model.trend import Interval
from leakscope.model.typenames import bare

SAME_RATE = 0.1
"""Rates that differ by no more than this share of the larger are the same rate."""

_MOST_TO_COME = 64 << 20
"""Bytes that a cache may be going to take before the memory for it is worth a finding."""

_SHORTFALL = 0.75
"""If a type grows by less than this share of what two containers claim of it, they share it."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A growing container and what its entries keep alive."""

    judged: Judged
    evidence: HolderEvidence

    @property
    def slope(self) -> Interval:
        """Entries per unit of work."""
        return self.judged.trend.slope

    @property
    def path(self) -> str:
        """Name of the container, empty when no way to it was found."""
        return path_of(self.evidence.chain)

    @property
    def leading(self) -> str:
        """The type that accounts for most of what an entry keeps alive."""
        if self.evidence.entry:
            return self.evidence.entry[-1].type
        return self.evidence.shares[0].type if self.evidence.shares else self.evidence.type

    @property
    def bytes_per_entry(self) -> float:
        """Bytes that each entry keeps alive."""
        return sum(share.bytes for share in self.evidence.shares)

    @property
    def is_filling(self) -> bool:
        """Whether it is a cache with a bound, which has not been reached and can be afforded."""
        bound, length = bound_of(self.evidence.chain), self.judged.trend.last
        if bound is None or length > bound:
            return False
        return (bound - length) * self.bytes_per_entry <= _MOST_TO_COME

    @property
    def keeps_nothing(self) -> bool:
        """Whether the entries keep nothing alive but weak references and the keys to them."""
        types = {bare(share.type) for share in self.evidence.shares}
        return all(is_weak_reference(name) for name in types - {"int"}) and types != {"int"}

    def share(self, type_name: str) -> EntryShare | None:
        """Return what an entry keeps alive of one type."""
        return next((s for s in self.evidence.shares if s.type == type_name), None)

    def claim(self, type_name: str) -> float:
        """Return how fast the container makes a type grow, objects per unit of work."""
        share = self.share(type_name)
        return self.slope.estimate * share.objects if share is not None else 0.0

    def claim_beside(self, type_name: str) -> float:
        """Return how fast its entries bring objects of a type that others hold as well."""
        found = (s.objects for s in self.evidence.beside if s.type == type_name)
        return self.slope.estimate * next(found, 0.0)


@dataclass(slots=True)
class Leak:
    """One leak in the making: the container that explains it best, and those it explains."""

    main: Holding
    kin: list[Holding] = field(default_factory=list)
    """Containers of the same kind, each with its own part of what leaks: they add up."""
    echoes: list[Holding] = field(default_factory=list)
    """Containers that grow because of it."""
    types: dict[str, float] = field(default_factory=dict)
    """The types that grow with it, objects per unit of work."""

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """All of its containers, the best first."""
        return (self.main, *self.kin, *self.echoes)

    @property
    def is_filling(self) -> bool:
        """Whether there is an end to it: a cache fills, and nothing else grows with it."""
        return self.main.is_filling and all(h.is_filling or h.keeps_nothing for h in self.holdings)

    @property
    def slope(self) -> Interval:
        """Entries per unit of work, over all containers of the kind."""
        return added([self.main.slope, *(other.slope for other in self.kin)])

    @property
    def bytes_per_work(self) -> float:
        """Bytes kept alive per unit of work."""
        return sum(h.slope.estimate * h.bytes_per_entry for h in (self.main, *self.kin))

    @property
    def tells_nothing(self) -> bool:
        """Whether its entries seem to refer to nothing, as those of C code may that do not tell."""
        leading = self.main.leading
        return not is_builtin(leading) and {s.type for s in self.main.evidence.shares} <= {leading}

    def claim(self, type_name: str) -> float:
        """Return how fast all containers together make a type grow."""
        return sum(holding.claim(type_name) for holding in self.holdings)


def leaks_among(holdings: Sequence[Holding], rates: Mapping[str, float]) -> list[Leak]:
    """Return the leaks behind `holdings`, the strongest first.

    `rates` says how fast each growing type grows, per unit of work.
    """
    leaks: list[Leak] = []
    for holding in sorted(holdings, key=_strength):
        for leak in leaks:
            if _is_kin(leak.main, holding):
                leak.kin.append(holding)
                break
            if _is_echo(leak.main, holding, rates):
                leak.echoes.append(holding)
                break
        else:
            leaks.append(Leak(holding))
    return _without_registers(leaks)


def same_rate(a: Interval, b: Interval) -> bool:
    """Return whether two rates are the same as far as can be told."""
    overlap = a.low <= b.high and b.low <= a.high
    return overlap or is_near(a.estimate, b.estimate)


def is_near(a: float, b: float) -> bool:
    """Return whether two rates differ by no more than a tenth."""
    return abs(a - b) <= SAME_RATE * max(abs(a), abs(b))


def added(intervals: Sequence[Interval]) -> Interval:
    """Return the sum of independent growths; the bounds are added too, which is cautious."""
    return Interval(
        sum(i.estimate for i in intervals),
        sum(i.low for i in intervals),
        sum(i.high for i in intervals),
    )


def _strength(holding: Holding) -> tuple[bool, bool, bool, bool, float, float, int]:
    """Sort key: what keeps something alive and has no end, in the program itself, most bytes."""
    return (
        holding.keeps_nothing,
        holding.is_filling,
        not is_rooted_in_program(holding.evidence.chain),
        not holding.evidence.chain,
        -holding.slope.estimate * holding.bytes_per_entry,
        -holding.slope.estimate,
        holding.evidence.address,
    )


def _is_kin(main: Holding, other: Holding) -> bool:
    """Return whether two containers are in the same place of two objects of one kind."""
    if not main.evidence.chain or main.leading != other.leading:
        return False
    mine = [anonymous(step.edge) for step in main.evidence.chain]
    return mine == [anonymous(step.edge) for step in other.evidence.chain]


def _is_echo(main: Holding, other: Holding, rates: Mapping[str, float]) -> bool:
    alike = same_rate(main.slope, other.slope)
    if starts_with(other.evidence.chain, main.evidence.chain):
        lesser = other.slope.estimate * other.bytes_per_entry
        return alike or lesser <= main.slope.estimate * main.bytes_per_entry
    if not alike:
        return False
    if other.keeps_nothing:
        return True
    shared = other.leading
    if shared != main.leading and main.share(shared) is None:
        return False
    if other.share(shared) is None:
        return True
    claimed = main.claim(shared) + other.claim(shared)
    return shared in rates and rates[shared] < _SHORTFALL * claimed


def _without_registers(leaks: list[Leak]) -> list[Leak]:
    """Return the leaks without those that only register, weakly, what another keeps alive."""
    holding = [leak for leak in leaks if not leak.main.keeps_nothing]
    if not holding:
        return leaks
    for leak in leaks:
        if leak.main.keeps_nothing and leak.main.evidence.shares:
            _best_match(holding, leak).echoes.extend(leak.holdings)
        elif leak.main.keeps_nothing:
            holding.append(leak)
    return holding


def _best_match(leaks: list[Leak], register: Leak) -> Leak:
    target = register.main.leading
    return next((leak for leak in leaks if leak.main.share(target) is not None), leaks[0])
