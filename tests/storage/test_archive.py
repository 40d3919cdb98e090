from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakscope.storage import archive
from leakscope.storage.archive import ArchiveTooLarge, Sink, packing, unpacking
from leakscope.storage.errors import CorruptedFile, UnsavableRecording
from leakscope.storage.files import save
from leakscope.storage.parquet import StoredTable, from_parquet, stream_parquet
from leakscope.storage.tables import BadTable, Column, Kind, Stream, TableSpec
from tests.storage.recordings import random_heap, sample_recording

NUMBERS = TableSpec("numbers", "a number", (Column("number", Kind.ROW),), most_rows=10)


class Full(io.BytesIO):
    """A file on a disk with room for `room` bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, content: object) -> int:
        written = super().write(content)  # type: ignore[arg-type]
        if self.tell() > self._room:
            raise OSError(28, "No space left on device")
        return written


def numbers(*pieces: int) -> Stream:
    return Stream(NUMBERS, [{"number": np.arange(count, dtype=np.int32)} for count in pieces])


def test_members_come_back_in_their_order(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("wb") as file, packing(file) as packer:
        for name in ("b", "a"):
            with packer.member(name) as sink:
                sink.write(name.encode() * 3)
                sink.write(b"!")

    with unpacking(tmp_path / "a.zip") as opened:
        assert opened.names == ("b", "a")
        assert opened.read("a") == b"aaa!"
        assert b"".join(opened.pieces("b")) == b"bbb!"
        assert (sink.size, sink.sha256) == (4, opened.digest("a"))


def test_a_sink_that_failed_says_so_once() -> None:
    sink = Sink(Full(5), 1 << 20)
    sink.write(b"1234")

    with pytest.raises(OSError, match="No space"):
        sink.write(b"56")
    assert sink.write(b"the library closes its file") == 27
    assert sink.size == 4


def test_a_failure_of_the_disk_gets_through_the_library() -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        stream_parquet(numbers(5, 5), Sink(Full(100), 1 << 20))

    assert caught.value.errno == 28


def test_more_than_a_zip_may_hold_is_refused_as_it_is_written() -> None:
    with pytest.raises(ArchiveTooLarge):
        Sink(io.BytesIO(), 5).write(b"123456")


def test_a_recording_larger_than_any_file_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 150_000)
    recording = replace(sample_recording(), heaps=(random_heap(20_000, 40_000, 1),))

    with pytest.raises(UnsavableRecording, match="larger than any file") as caught:
        save(recording, tmp_path / "a.lscope")
    assert "fewer heap snapshots" in caught.value.remedy

    assert not list(tmp_path.iterdir())


def test_more_rows_than_are_read_again_are_not_written() -> None:
    with pytest.raises(ArchiveTooLarge, match="more than 10 rows"):
        stream_parquet(numbers(5, 6), Sink(io.BytesIO(), 1 << 20))


def test_more_rows_than_a_table_may_have_are_not_read() -> None:
    file = io.BytesIO()
    large = replace(NUMBERS, most_rows=11)
    rows = stream_parquet(Stream(large, numbers(5, 6).pieces), Sink(file, 1 << 20))

    assert len(from_parquet(large, file.getvalue(), rows).ints("number")) == 11
    with pytest.raises(BadTable, match="11 rows, more than 10"):
        from_parquet(NUMBERS, file.getvalue(), rows)


@pytest.mark.parametrize(
    ("first", "stop", "expected"),
    [
        (0, 11, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5]),
        (4, 6, [4, 0]),
        (5, 11, [0, 1, 2, 3, 4, 5]),
        (10, 11, [5]),
        (3, 3, []),
        (11, 11, []),
    ],
)
def test_any_rows_of_a_table_can_be_read(first: int, stop: int, expected: list[int]) -> None:
    file = io.BytesIO()
    large = replace(NUMBERS, most_rows=11)
    stream_parquet(Stream(large, numbers(5, 6).pieces), Sink(file, 1 << 20))

    pieces = StoredTable(large, file.getvalue(), 11).pieces(first, stop)

    assert [int(n) for piece in pieces for n in piece["number"]] == expected  # type: ignore[arg-type]


def test_a_member_whose_checksum_is_wrong_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with path.open("wb") as file, packing(file) as packer, packer.member("a") as sink:
        sink.write(b"content")
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT"))

    with unpacking(path) as opened, pytest.raises(CorruptedFile, match="damaged"):
        opened.read("a")
