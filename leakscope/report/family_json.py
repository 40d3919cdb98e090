"""The diagnosis of a family as JSON, schema `leakscope.family/1`."""

from __future__ import annotations

from leakscope import __version__
from leakscope.model.family import FamilyDiagnosis, Member, SharedFinding
from leakscope.report.documents import Json, dump, interval
from leakscope.report.json import finding_document, report_document

SCHEMA = "leakscope.family/1"
# 1: the first. Keys may be added; none is renamed, removed or given another meaning.


def render_family_json(family: FamilyDiagnosis) -> str:
    """Return `family` as JSON: the findings that its processes share, and each one's own report."""
    return dump(
        {
            "schema": SCHEMA,
            "leakscope": __version__,
            "verdict": family.verdict.value,
            "reason": family.reason,
            "master": family.master,
            "unit": family.unit,
            "seconds": family.seconds,
            "findings": [_finding(shared) for shared in family.findings],
            "workers": [_member(member) for member in family.members],
            "unwatched": [{"pid": each.pid, "reason": each.reason} for each in family.unwatched],
            "caveats": family.caveats,
        }
    )


def _finding(shared: SharedFinding) -> Json:
    slowest, fastest = shared.slopes
    rates = {"slowest": slowest, "fastest": fastest, "total": shared.total}
    is_of_bytes = shared.finding.growth.is_of_bytes
    return {
        "finding": finding_document(shared.finding),
        "from_pid": shared.member.pid,
        "objects": dict.fromkeys(rates, 0.0) if is_of_bytes else rates,
        "bytes": rates if is_of_bytes else None,
        "found_in": [
            {
                "pid": share.member.pid,
                "role": share.member.role.value,
                "id": share.finding.id,
                "status": share.finding.status.value,
                "objects": interval(share.finding.growth.objects),
                "bytes": interval(share.finding.growth.bytes),
            }
            for share in shared.shares
        ],
        "not_in": [member.pid for member in shared.others],
        "cannot_tell": [member.pid for member in shared.untold],
    }


def _member(member: Member) -> Json:
    return {
        "pid": member.pid,
        "role": member.role.value,
        "came_after_seconds": member.came_after,
        "exited": member.exited,
        "report": report_document(member.diagnosis),
    }
