"""What the processes of a family have in common: one leak is told once, with all that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.verdict import subject_of
from leakscope.model.family import (
    FamilyDiagnosis,
    FamilyRecording,
    Member,
    Role,
    Share,
    SharedFinding,
)
from leakscope.model.finding import Finding, Status, Verdict


def diagnose_family(family: FamilyRecording) -> FamilyDiagnosis:
    """Return what the recordings of `family` say together; pure, and the same for the same.

    Findings of two processes are one if they have one fingerprint, or else one leading type and
    one holder. The verdict is `leaking` if that of any process is. A worker that came late or
    exited, and of which too little was seen, does not keep the others from being `clean`.
    """
    members = tuple(
        Member(each.role, each.came_after, each.exited, diagnose(each.recording))
        for each in family.members
    )
    findings = shared_findings(members)
    verdict, reason = _verdict(members, findings)
    censuses = [each.recording.censuses for each in family.members]
    return FamilyDiagnosis(
        verdict=verdict,
        reason=reason,
        master=family.master,
        unit=members[0].diagnosis.work.unit,
        seconds=max(c[-1].at for c in censuses) - min(c[0].at for c in censuses),
        members=members,
        findings=findings,
        unwatched=family.unwatched,
        caveats=(*family.caveats, *_caveats(members)),
    )


def shared_findings(members: Sequence[Member]) -> tuple[SharedFinding, ...]:
    """Return the findings of all members, each leak once; see `FamilyDiagnosis.findings`."""
    shares = [Share(member, each) for member in members for each in member.diagnosis.findings]
    groups: list[list[Share]] = []
    for share in sorted(shares, key=lambda share: share.finding.holder is None):
        group = _group_for(share, groups)
        if group is None:
            groups.append([share])
        else:
            group.append(share)
    shared = sorted((_shared(group, members) for group in groups), key=_order)
    return tuple(
        replace(each, finding=replace(each.finding, id=f"L{place}"))
        for place, each in enumerate(shared, 1)
    )


def _group_for(share: Share, groups: Sequence[list[Share]]) -> list[Share] | None:
    """Return the group that a finding belongs to; a process has one finding in each at most.

    A finding whose holder is not known belongs to the only one of its type, if there is only one.
    """
    free = [group for group in groups if all(s.member is not share.member for s in group)]
    for same in (_same_fingerprint, _same_holder):
        for group in free:
            if any(same(share.finding, other.finding) for other in group):
                return group
    alike = [group for group in free if group[0].finding.type == share.finding.type]
    return alike[0] if share.finding.holder is None and len(alike) == 1 else None


def _same_fingerprint(one: Finding, other: Finding) -> bool:
    return one.fingerprint == other.fingerprint


def _same_holder(one: Finding, other: Finding) -> bool:
    paths = [None if f.holder is None else f.holder.path for f in (one, other)]
    return one.type == other.type and paths[0] == paths[1]


def _shared(group: Sequence[Share], members: Sequence[Member]) -> SharedFinding:
    most = max(group, key=_extent)
    rest = [
        member
        for member in members
        if member.role is Role.WORKER and all(share.member is not member for share in group)
    ]
    return SharedFinding(
        finding=most.finding,
        member=most.member,
        shares=tuple(sorted(group, key=lambda share: members.index(share.member))),
        others=tuple(member for member in rest if member.is_told),
        untold=tuple(member for member in rest if not member.is_told),
        total=_total(group),
    )


def _total(group: Sequence[Share]) -> float:
    """Return the slopes of those that were there at the same time, at the moment of most.

    Workers that follow each other do not count as if all had been there together.
    """
    spans = [
        (m.came_after, m.came_after + m.diagnosis.seconds, s.finding.growth.main.estimate)
        for s in group
        for m in (s.member,)
    ]
    return max(
        sum(slope for first, last, slope in spans if first <= moment < last)
        for moment, _, _ in spans
    )


def _extent(share: Share) -> tuple[bool, float, int]:
    """Return how much a share weighs: confirmed ones more, then fast ones, then low pids."""
    finding = share.finding
    sure = finding.status is Status.CONFIRMED
    return sure, finding.growth.main.estimate, -share.member.pid


def _order(shared: SharedFinding) -> tuple[bool, float, float, str]:
    sizes = [share.finding.growth.bytes for share in shared.shares]
    return (
        shared.finding.status is not Status.CONFIRMED,
        -sum(size.estimate for size in sizes if size is not None),
        -shared.total,
        shared.finding.fingerprint,
    )


def _verdict(members: Sequence[Member], findings: Sequence[SharedFinding]) -> tuple[Verdict, str]:
    """Return the verdict and the reason for it, in one sentence without a full stop."""
    verdicts = [member.diagnosis.verdict for member in members]
    if Verdict.LEAKING in verdicts:
        return Verdict.LEAKING, _leaking(findings, members)
    if findings:
        return Verdict.INCONCLUSIVE, (
            f"{subject_of(findings[0].finding)} may be growing {_where(findings[0], members)}; "
            "a longer watch tells"
        )
    if all(verdict is Verdict.NOT_MEASURED for verdict in verdicts):
        return Verdict.NOT_MEASURED, members[0].diagnosis.reason
    workers = [member for member in members if member.role is Role.WORKER]
    passing = [member for member in workers if member.exited or member.came_after]
    for member in members:
        if not member.is_told and member not in passing:
            return Verdict.INCONCLUSIVE, f"pid {member.pid}: {member.diagnosis.reason}"
    told = sum(worker.is_told for worker in workers)
    if workers and not told:
        return Verdict.INCONCLUSIVE, "no worker lived long enough for a verdict"
    where = f"in {_count(told, len(workers))}" if workers else "in the master; no worker was seen"
    return Verdict.CLEAN, f"nothing went on growing {where}"


def _leaking(findings: Sequence[SharedFinding], members: Sequence[Member]) -> str:
    others = sum(each.finding.status is Status.CONFIRMED for each in findings) - 1
    more = f", and so {'does' if others == 1 else 'do'} {others} more" if others else ""
    where = _where(findings[0], members)
    return f"{subject_of(findings[0].finding)} grows steadily {where}{more}"


def _where(shared: SharedFinding, members: Sequence[Member]) -> str:
    workers = sum(member.role is Role.WORKER for member in members)
    if not shared.workers:
        return "in the master"
    return f"in {_count(len(shared.workers), workers)}"


def _count(some: int, all_of: int) -> str:
    return f"{some} of {all_of} worker{'' if all_of == 1 else 's'}"


def _caveats(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the caveats of the members, each once, with the pids it is about if not all."""
    texts = dict.fromkeys(text for member in members for text in member.diagnosis.caveats)
    told = []
    for text in texts:
        about = [member.pid for member in members if text in member.diagnosis.caveats]
        pids = "" if len(about) == len(members) else f"pid {', '.join(map(str, about))}: "
        told.append(pids + text)
    return tuple(told)
