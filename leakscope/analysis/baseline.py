"""Leaks that are known already: which of them let a build pass, and which are gone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from leakscope.model.finding import Finding
from leakscope.model.gate import KnownLeak

_FASTER = 1.5
"""A known leak whose growth is for sure so many times what it was is not the known one."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known, on one day."""

    leaks: Mapping[str, KnownLeak]
    """By fingerprint."""
    today: date

    @classmethod
    def of(cls, known: Iterable[KnownLeak], today: date) -> Baseline:
        """Return the baseline with these entries."""
        return cls({leak.fingerprint: leak for leak in known}, today)

    def lets(self, finding: Finding) -> bool:
        """Return whether a finding is known, not expired, and no faster than it was."""
        leak = self.leaks.get(finding.fingerprint)
        if leak is None or self._is_expired(leak) or leak.unit != finding.growth.unit:
            return False
        return finding.growth.main.low <= _FASTER * leak.rate

    def note(self, finding: Finding) -> str:
        """Return why a finding that is known does not pass; empty if it is not known."""
        leak = self.leaks.get(finding.fingerprint)
        if leak is None:
            return ""
        if leak.expires is not None and self._is_expired(leak):
            return f"known, but only until {leak.expires.isoformat()}"
        return f"known, but at {leak.rate:.3g} per {leak.unit}"

    def fixed(self, confirmed: Sequence[Finding]) -> tuple[KnownLeak, ...]:
        """Return the entries whose leak is not among those that were found, by fingerprint."""
        there = {finding.fingerprint for finding in confirmed}
        return tuple(self.leaks[key] for key in sorted(self.leaks) if key not in there)

    def entries(self, findings: Iterable[Finding]) -> tuple[KnownLeak, ...]:
        """Return entries for findings, with the reasons and days that were given before.

        By fingerprint.
        """
        made = {finding.fingerprint: self._entry(finding) for finding in findings}
        return tuple(made[fingerprint] for fingerprint in sorted(made))

    def _entry(self, finding: Finding) -> KnownLeak:
        before = self.leaks.get(finding.fingerprint)
        return KnownLeak(
            fingerprint=finding.fingerprint,
            type=finding.type,
            holder=None if finding.holder is None else finding.holder.path,
            rate=finding.growth.main.estimate,
            unit=finding.growth.unit,
            reason="" if before is None else before.reason,
            expires=None if before is None else before.expires,
        )

    def _is_expired(self, leak: KnownLeak) -> bool:
        return leak.expires is not None and self.today > leak.expires
