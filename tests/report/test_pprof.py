"""Profiles as pprof reads them, held against its format and its own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.evidence import Site
from leakscope.report.pprof import encode, render_pprof
from tests.report.pprof_format import read
from tests.report.profiles import LEAKING, MIB


def test_the_profile_is_what_the_format_says() -> None:
    message = read(render_pprof(LEAKING))
    text = message.string_table

    assert text[0] == ""
    types = [(text[each.type], text[each.unit]) for each in message.sample_type]
    assert types == [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ]
    assert text[message.default_sample_type] == "inuse_space"
    assert (text[message.period_type.type], message.period) == ("space", 512 << 10)
    assert message.duration_nanos == 30 * 10**9
    assert message.time_nanos == int((LEAKING.taken_at - 30) * 1e9)
    assert [text[comment] for comment in message.comment] == list(LEAKING.caveats)


def test_stacks_are_innermost_first_and_types_are_labels() -> None:
    message = read(render_pprof(LEAKING))
    text = message.string_table
    functions = {each.id: each for each in message.function}
    locations = {each.id: each for each in message.location}
    first, second = message.sample[:2]

    lines = [locations[each].line[0] for each in first.location_id]
    told = [
        (text[functions[line.function_id].name], text[functions[line.function_id].filename])
        for line in lines
    ]
    assert told == [
        ("Audit.keep", "/srv/shop/audit.py"),
        ("serve", "/srv/shop/app.py"),
        ("<module>", "/srv/shop/__main__.py"),
    ]
    assert [line.line for line in lines] == [88, 41, 9]
    assert list(first.value) == [62915, 6 * MIB, 40_000, 4 * MIB]
    assert [(text[each.key], text[each.str]) for each in first.label] == [
        ("type", "shop.audit.Record")
    ]
    assert list(second.value) == [0, 0, 9000, 2 * MIB]
    assert not second.label


def test_the_same_profile_gives_the_same_bytes() -> None:
    assert render_pprof(LEAKING) == render_pprof(LEAKING)


sites = st.builds(Site, st.text(max_size=5), st.integers(0, 1 << 31), st.text(max_size=5))
stacks = st.lists(sites, min_size=1, max_size=4)
values = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=1)


@given(st.lists(st.tuples(stacks, values, st.text(max_size=4)), max_size=6))
def test_whatever_is_written_is_read(samples: list[tuple[list[Site], list[int], str]]) -> None:
    message = read(
        encode(
            samples,
            sample_types=[("space", "bytes")],
            default="space",
            period=("space", "bytes", 1),
            taken_at=1.5,
            seconds=2.0,
        )
    )
    text = message.string_table
    functions = {each.id: each for each in message.function}
    locations = {each.id: each.line[0] for each in message.location}

    def call(number: int) -> Site:
        line = locations[number]
        function = functions[line.function_id]
        return Site(text[function.filename], line.line, text[function.name])

    def fit(value: str) -> str:
        return value.encode("utf-8", "replace").decode()

    assert [
        ([call(at) for at in sample.location_id], list(sample.value)) for sample in message.sample
    ] == [
        ([Site(fit(s.file), s.line, fit(s.function)) for s in stack], value)
        for stack, value, _ in samples
    ]
    assert len(set(text)) == len(text) or any("?" in each for each in text)


@pytest.mark.skipif(shutil.which("go") is None, reason="needs go for its pprof")
def test_go_tool_pprof_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "profile.pb.gz"
    file.write_bytes(render_pprof(LEAKING))

    def pprof(*options: str) -> str:
        command = ["go", "tool", "pprof", *options, str(file)]
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/go/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        return done.stdout

    top = pprof("-top", "-unit=MB")
    assert "Type: inuse_space" in top
    assert "6MB 85.71% 85.71%        6MB 85.71%  Audit.keep" in top
    assert "<module>" in top
    raw = pprof("-raw")
    assert "type:[shop.audit.Record]" in raw
    assert "Audit.keep /srv/shop/audit.py:88" in raw
    assert "serve" in pprof("-top", "-sample_index=alloc_space")
