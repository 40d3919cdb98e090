"""The evidence of a recording as tables, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from leakscope.model.evidence import (
    EntryShare,
    Evidence,
    HolderEvidence,
    Site,
    SiteGrowth,
    Step,
    TypeEvidence,
    Unheld,
)
from leakscope.storage.stacks import decode_stacks, encode_stacks, stack_table
from leakscope.storage.tables import BadTable, Column, Kind, Table, TableSpec, grouped, owners

HOLDERS = TableSpec(
    "evidence_holders",
    "a container that grows, and where its leading entry was defined",
    (
        Column("address", Kind.ADDRESS),
        Column("type", Kind.TEXT),
        Column("entries_sampled", Kind.COUNT),
        Column("site_file", Kind.TEXT, nullable=True),
        Column("site_line", Kind.INTEGER, nullable=True),
        Column("site_function", Kind.TEXT, nullable=True),
    ),
)
SUSPECT_TYPES = TableSpec(
    "evidence_types",
    "a type that grows",
    (Column("type", Kind.TEXT), Column("objects", Kind.COUNT)),
)
STEPS = TableSpec(
    "evidence_steps",
    "one reference of a chain: `of` is `holder` or `type`, `row` its row in `evidence_holders` or "
    "`evidence_types`, `part` is `chain` or `entry`",
    (
        Column("of", Kind.TEXT),
        Column("row", Kind.COUNT),
        Column("part", Kind.TEXT),
        Column("position", Kind.COUNT),
        Column("edge", Kind.TEXT),
        Column("type", Kind.TEXT),
    ),
)
SHARES = TableSpec(
    "evidence_shares",
    "what an entry of a holder keeps alive of one type, on average; with 0 bytes, what it refers "
    "to and others hold as well",
    (
        Column("holder", Kind.COUNT),
        Column("type", Kind.TEXT),
        Column("objects", Kind.AMOUNT),
        Column("bytes", Kind.AMOUNT),
    ),
)
ALLOCATIONS = TableSpec(
    "evidence_allocations",
    "what one call stack allocated and has not freed",
    (Column("bytes", Kind.COUNT), Column("blocks", Kind.COUNT)),
)
FRAMES = stack_table(
    "evidence_frames",
    "one line of such a stack, innermost first; `allocation` is a row of `evidence_allocations`",
    "allocation",
)
EVIDENCE_TABLES = (HOLDERS, SUSPECT_TYPES, STEPS, SHARES, ALLOCATIONS, FRAMES)

_PARTS = (("holder", "chain"), ("holder", "entry"), ("type", "chain"))


def encode_evidence(evidence: Evidence) -> list[Table]:
    """Return the tables of `evidence`, in the order of `EVIDENCE_TABLES`."""
    sites = [holder.site for holder in evidence.holders]
    holders = Table(
        HOLDERS,
        {
            "address": [holder.address for holder in evidence.holders],
            "type": [holder.type for holder in evidence.holders],
            "entries_sampled": [holder.entries_sampled for holder in evidence.holders],
            "site_file": [None if site is None else site.file for site in sites],
            "site_line": [None if site is None else site.line for site in sites],
            "site_function": [None if site is None else site.function for site in sites],
        },
    )
    types = Table(
        SUSPECT_TYPES,
        {
            "type": [each.type for each in evidence.types],
            "objects": [each.objects for each in evidence.types],
        },
    )
    return [
        holders,
        types,
        _encode_steps(evidence),
        _encode_shares(evidence.holders),
        *_encode_allocations(evidence.sites),
    ]


def decode_evidence(
    tables: Mapping[str, Table],
    allocated_for: Sequence[tuple[int, str]] = (),
    unheld: Mapping[int, Unheld] | None = None,
) -> Evidence:
    """Return the evidence that `tables` (by name) hold. Raises `BadTable` on contradictions.

    `allocated_for`: holder and type of each allocation, or nothing. `unheld`: what nobody holds, by
    row of its type.
    """
    holders, types = tables[HOLDERS.name], tables[SUSPECT_TYPES.name]
    steps = _decode_steps(tables[STEPS.name], holders.rows, types.rows)
    lost = unheld or {}
    if any(row >= types.rows for row in lost):
        raise BadTable("the manifest tells of types that evidence_types does not have")
    suspects = zip(types.texts("type"), types.ints("objects"), strict=True)
    return Evidence(
        holders=_decode_holders(holders, steps, tables[SHARES.name]),
        types=tuple(
            TypeEvidence(name, objects, tuple(steps["type", "chain"][row]), lost.get(row))
            for row, (name, objects) in enumerate(suspects)
        ),
        sites=_decode_allocations(tables[ALLOCATIONS.name], tables[FRAMES.name], allocated_for),
    )


def _decode_holders(
    table: Table, steps: Mapping[tuple[str, str], list[list[Step]]], share_table: Table
) -> tuple[HolderEvidence, ...]:
    share_rows = zip(
        share_table.texts("type"),
        share_table.floats("objects"),
        share_table.floats("bytes"),
        strict=True,
    )
    shares = grouped(
        owners(share_table, "holder", table.rows),
        (EntryShare(*row) for row in share_rows),
        table.rows,
    )
    sites = _decode_sites(table)
    rows = zip(
        table.ints("address"), table.texts("type"), table.ints("entries_sampled"), strict=True
    )
    return tuple(
        HolderEvidence(
            address=address,
            type=name,
            chain=tuple(steps["holder", "chain"][row]),
            entry=tuple(steps["holder", "entry"][row]),
            shares=tuple(share for share in shares[row] if share.bytes),
            entries_sampled=sampled,
            site=sites[row],
            beside=tuple(share for share in shares[row] if not share.bytes),
        )
        for row, (address, name, sampled) in enumerate(rows)
    )


def _decode_sites(table: Table) -> list[Site | None]:
    sites: list[Site | None] = []
    for file, line, function in zip(
        table.maybe_texts("site_file"),
        table.maybe_ints("site_line"),
        table.maybe_texts("site_function"),
        strict=True,
    ):
        if file is None and line is None and function is None:
            sites.append(None)
        elif file is None or line is None or function is None:
            raise BadTable("evidence_holders has half a source line")
        else:
            sites.append(Site(file, line, function))
    return sites


def _encode_steps(evidence: Evidence) -> Table:
    rows = list(_step_rows(evidence))
    return Table(
        STEPS,
        {
            "of": [row[0] for row in rows],
            "row": [row[1] for row in rows],
            "part": [row[2] for row in rows],
            "position": [row[3] for row in rows],
            "edge": [row[4].edge for row in rows],
            "type": [row[4].type for row in rows],
        },
    )


def _step_rows(evidence: Evidence) -> Iterator[tuple[str, int, str, int, Step]]:
    for row, holder in enumerate(evidence.holders):
        for position, step in enumerate(holder.chain):
            yield "holder", row, "chain", position, step
        for position, step in enumerate(holder.entry):
            yield "holder", row, "entry", position, step
    for row, each in enumerate(evidence.types):
        for position, step in enumerate(each.chain):
            yield "type", row, "chain", position, step


def _decode_steps(
    table: Table, holders: int, types: int
) -> dict[tuple[str, str], list[list[Step]]]:
    """Return the steps of each owner by what it is and by the part they belong to."""
    counts = {"holder": holders, "type": types}
    decoded: dict[tuple[str, str], list[list[Step]]] = {
        part: [[] for _ in range(counts[part[0]])] for part in _PARTS
    }
    for of, row, part, position, edge, name in zip(
        table.texts("of"),
        table.ints("row"),
        table.texts("part"),
        table.ints("position"),
        table.texts("edge"),
        table.texts("type"),
        strict=True,
    ):
        chains = decoded.get((of, part))
        if chains is None or row >= len(chains):
            raise BadTable("evidence_steps belong to something that is not there")
        if position != len(chains[row]):
            raise BadTable("evidence_steps are not in order")
        chains[row].append(Step(edge, name))
    return decoded


def _encode_shares(holders: Sequence[HolderEvidence]) -> Table:
    shares = [
        (row, share)
        for row, holder in enumerate(holders)
        for share in (*holder.shares, *holder.beside)
    ]
    return Table(
        SHARES,
        {
            "holder": [row for row, _ in shares],
            "type": [share.type for _, share in shares],
            "objects": [share.objects for _, share in shares],
            "bytes": [share.bytes for _, share in shares],
        },
    )


def _encode_allocations(growths: Sequence[SiteGrowth]) -> list[Table]:
    return [
        Table.of(ALLOCATIONS, ((growth.bytes, growth.blocks) for growth in growths)),
        encode_stacks(FRAMES, [growth.stack for growth in growths]),
    ]


def _decode_allocations(
    table: Table, frames: Table, allocated_for: Sequence[tuple[int, str]]
) -> tuple[SiteGrowth, ...]:
    stacks = decode_stacks(frames, table.rows)
    growths = zip(stacks, table.ints("bytes"), table.ints("blocks"), strict=True)
    found = tuple(SiteGrowth(*growth) for growth in growths)
    if not allocated_for:
        return found
    if len(allocated_for) != len(found):
        raise BadTable("evidence_allocations are others than the manifest tells of")
    return tuple(
        replace(growth, holder=holder, type=name)
        for growth, (holder, name) in zip(found, allocated_for, strict=True)
    )
