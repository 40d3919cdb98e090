"""What heaps hang from as tables, and back. `heap` is a row of `heaps`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leakscope.model.evidence import Site
from leakscope.model.roots import HeapRoots, LocalRoot, ModuleRoot, ThreadRoot
from leakscope.storage.stacks import decode_stacks, encode_stacks, stack_table
from leakscope.storage.tables import Column, Kind, Table, TableSpec, grouped, owners

MODULES = TableSpec(
    "modules",
    "a module in `sys.modules`, in its order",
    (Column("heap", Kind.COUNT), Column("address", Kind.ADDRESS), Column("name", Kind.TEXT)),
)
THREADS = TableSpec(
    "threads",
    "a thread, with the addresses of the dict of its thread-local data and of its context, 0 if "
    "there is none",
    (
        Column("heap", Kind.COUNT),
        Column("ident", Kind.ADDRESS),
        Column("name", Kind.TEXT),
        Column("storage", Kind.ADDRESS),
        Column("context", Kind.ADDRESS),
    ),
)
LOCALS = TableSpec(
    "locals",
    "a local variable of a function that runs; `depth` is 0 for the innermost call of its thread",
    (
        Column("heap", Kind.COUNT),
        Column("address", Kind.ADDRESS),
        Column("variable", Kind.TEXT),
        Column("thread", Kind.TEXT),
        Column("depth", Kind.COUNT),
        Column("file", Kind.TEXT),
        Column("line", Kind.INTEGER),
        Column("function", Kind.TEXT),
    ),
)
THREAD_IDS = TableSpec(
    "thread_ids",
    "what the kernel calls a thread, where that is known; `thread` is a row of `threads`",
    (Column("thread", Kind.COUNT), Column("native_id", Kind.COUNT)),
)
THREAD_CALLS = stack_table(
    "thread_calls",
    "one line of what a thread runs, innermost first; `thread` is a row of `threads`",
    "thread",
)
ROOT_TABLES = (MODULES, THREADS, LOCALS, THREAD_IDS, THREAD_CALLS)


def encode_roots(roots: Sequence[HeapRoots]) -> list[Table]:
    """Return the tables of the roots of each heap, in the order of `ROOT_TABLES`."""
    of_heaps = list(enumerate(roots))
    threads = [thread for each in roots for thread in each.threads]
    return [
        Table.of(
            MODULES, ((i, each.address, each.name) for i, r in of_heaps for each in r.modules)
        ),
        Table.of(
            THREADS,
            (
                (i, each.ident, each.name, each.storage, each.context)
                for i, r in of_heaps
                for each in r.threads
            ),
        ),
        Table.of(LOCALS, (_local_row(i, each) for i, r in of_heaps for each in r.locals)),
        Table.of(THREAD_IDS, ((i, t.native_id) for i, t in enumerate(threads) if t.native_id)),
        encode_stacks(THREAD_CALLS, [thread.calls for thread in threads]),
    ]


def decode_roots(tables: Mapping[str, Table], heaps: int) -> list[HeapRoots]:
    """Return the roots of each heap. Raises `BadTable` on contradictions."""
    modules, threads, variables, ids, calls = (tables[spec.name] for spec in ROOT_TABLES)
    native = dict(zip(owners(ids, "thread", threads.rows), ids.ints("native_id"), strict=True))
    module_rows = zip(modules.ints("address"), modules.texts("name"), strict=True)
    thread_rows = zip(
        threads.ints("ident"),
        threads.texts("name"),
        threads.ints("storage"),
        threads.ints("context"),
        [native.get(row, 0) for row in range(threads.rows)],
        decode_stacks(calls, threads.rows),
        strict=True,
    )
    by_heap = zip(
        grouped(owners(modules, "heap", heaps), (ModuleRoot(*r) for r in module_rows), heaps),
        grouped(owners(threads, "heap", heaps), (ThreadRoot(*r) for r in thread_rows), heaps),
        grouped(owners(variables, "heap", heaps), _locals(variables), heaps),
        strict=True,
    )
    return [HeapRoots(tuple(m), tuple(t), tuple(v)) for m, t, v in by_heap]


def _local_row(heap: int, local: LocalRoot) -> tuple[int | str, ...]:
    site = local.site
    place = (site.file, site.line, site.function)
    return (heap, local.address, local.variable, local.thread, local.depth, *place)


def _locals(table: Table) -> list[LocalRoot]:
    sites = zip(table.texts("file"), table.ints("line"), table.texts("function"), strict=True)
    rows = zip(
        table.ints("address"),
        table.texts("variable"),
        table.texts("thread"),
        table.ints("depth"),
        strict=True,
    )
    return [LocalRoot(*row, Site(*site)) for row, site in zip(rows, sites, strict=True)]
