"""The offsets that a read-only census uses are those of the native agent, version by version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from leakscope.capture.readonly.layout import HeapNotUnderstood, layout_of
from tests.frozen import AGENT, compiler

_TELLS = """
#include "heap_layout.c"
#include <stdio.h>
void ls_child_exit(int status) { (void)status; __builtin_trap(); }
int main(void) {
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        const struct ls_offsets *at = &versions[i];
        printf("%d %d %d %d %d %d %d %d %d\\n", at->minor, at->ht_qualname, at->ht_cached_keys,
               at->heap_type_size, at->str_ascii_size, at->str_compact_size,
               at->keys_usable, at->keys_nentries, at->keys_indices);
    }
    return 0;
}
"""


def test_the_offsets_are_those_of_the_agent(tmp_path: Path) -> None:
    source, program = tmp_path / "tells.c", tmp_path / "tells"
    source.write_text(_TELLS)
    built = subprocess.run(
        [compiler(), "-std=gnu11", "-w", f"-I{AGENT}", "-o", program, source, "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    told = subprocess.run([program], capture_output=True, text=True, check=True).stdout

    rows = [tuple(map(int, line.split())) for line in told.splitlines()]
    layouts = [layout_of((3, row[0])) for row in rows]
    assert [
        (
            layout.minor,
            layout.qualname,
            layout.cached_keys,
            layout.heap_type_size,
            layout.ascii_text,
            layout.other_text,
            layout.keys_usable,
            layout.keys_entries,
            layout.keys_indices,
        )
        for layout in layouts
    ] == rows
    assert [layout.minor for layout in layouts] == list(range(9, 16))


@pytest.mark.parametrize("version", [(3, 8), (3, 16), (4, 12)])
def test_other_versions_are_not_guessed_at(version: tuple[int, int]) -> None:
    with pytest.raises(HeapNotUnderstood):
        layout_of(version)
