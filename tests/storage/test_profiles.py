"""Heap profiles that are read: our own, those of others, and hostile ones."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.errors import ExitCode
from leakscope.model.allocation import ProfiledPlace
from leakscope.model.evidence import Site
from leakscope.report.pprof import encode, render_pprof
from leakscope.storage.errors import CorruptedFile, ForeignFile, NoSuchFile, UnreadableFile
from leakscope.storage.profiles import is_profile, load_profile
from tests.report.profiles import KEEP, LEAKING, MAIN, MIB, SERVE

OURS = render_pprof(LEAKING)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "profile.pb.gz"
    path.write_bytes(content)
    return path


def test_what_alloc_keeps_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, OURS)
    profile = load_profile(path)

    assert is_profile(path)
    assert profile.mean_bytes == 512 << 10
    assert profile.taken_at == pytest.approx(LEAKING.taken_at, abs=1)
    assert profile.places[0] == ProfiledPlace((KEEP, SERVE, MAIN), 6 * MIB, 49_000)
    assert [len(place.calls) for place in profile.places] == [3, 12]


def test_a_profile_that_is_not_gzipped_is_read_too(tmp_path: Path) -> None:
    assert load_profile(written(tmp_path, gzip.decompress(OURS))).places


def test_a_profile_of_other_things_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    cpu = encode(
        [((Site("a.py", 1, "f"),), (7,), "")],
        sample_types=[("cpu", "nanoseconds")],
        default="cpu",
        period=("cpu", "nanoseconds", 1),
        taken_at=0.0,
        seconds=1.0,
    )
    with pytest.raises(ForeignFile, match="memory in use"):
        load_profile(written(tmp_path, cpu))


@pytest.mark.parametrize(
    "content",
    [OURS[:-9], OURS[:40], b"\x1f\x8b", gzip.compress(b"\xff", mtime=0)],
    ids=["end cut", "beginning", "two bytes", "no messages"],
)
def test_a_damaged_profile_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CorruptedFile) as caught:
        load_profile(written(tmp_path, content))
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.NOT_MEASURED


def test_a_profile_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile):
        load_profile(tmp_path / "none.pb.gz")
    with pytest.raises(UnreadableFile):
        load_profile(tmp_path)
    assert not is_profile(tmp_path)


def test_a_profile_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(300 << 20), compresslevel=1)
    with pytest.raises(CorruptedFile):
        load_profile(written(tmp_path, bomb))


@given(st.data())
def test_no_bytes_do_harm(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    plain = bytearray(gzip.decompress(OURS))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(plain) - 1))
        plain[at] = data.draw(st.integers(0, 255))
    with suppress(UnreadableFile):
        load_profile(written(tmp_path_factory.mktemp("fuzz"), gzip.compress(bytes(plain))))
