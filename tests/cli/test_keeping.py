"""A recording is kept, if need be without its heap snapshots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakscope.cli.diagnosing import keep_recording
from leakscope.cli.family import conclude_family, file_of
from leakscope.model.family import FamilyRecording, Role, Watched
from leakscope.storage.errors import OutputExists, UnsavableRecording
from leakscope.storage.files import load
from tests.builders import TARGET, recording_of
from tests.heaps import heap_of
from tests.views import ascending, image_of

HEAP = image_of(ascending(heap_of("root:list -> a:Order")))
RECORDING = recording_of({"shop.Order": [1, 2, 3]})


def test_what_fits_is_kept_whole(tmp_path: Path) -> None:
    keep_recording(replace(RECORDING, heaps=(HEAP,)), tmp_path / "a.lscope", force=False)

    assert len(load(tmp_path / "a.lscope").heaps) == 1


def test_heaps_that_cannot_be_kept_cost_no_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = replace(HEAP, snapshot=replace(HEAP.snapshot, size=-np.ones(2, np.int64)))

    keep_recording(replace(RECORDING, heaps=(broken,)), tmp_path / "a.lscope", force=False)

    kept = load(tmp_path / "a.lscope")
    assert (len(kept.censuses), kept.heaps) == (3, ())
    assert "left out" in capsys.readouterr().err


def test_a_recording_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsavableRecording):
        keep_recording(replace(RECORDING, censuses=()), tmp_path / "a.lscope", force=False)


def test_the_recording_of_a_worker_has_its_pid_before_the_suffix() -> None:
    assert file_of(Path("runs/shop.lscope"), 42) == Path("runs/shop.42.lscope")
    assert file_of(Path("shop"), 42) == Path("shop.42")


def test_one_worker_whose_recording_is_in_the_way_costs_only_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = FamilyRecording(
        1,
        tuple(
            Watched(Role.WORKER, 0.0, replace(RECORDING, target=replace(TARGET, pid=pid)))
            for pid in (1, 2, 3)
        ),
    )
    (tmp_path / "a.2.lscope").write_text("here already")

    with pytest.raises(OutputExists):
        conclude_family(family, output=tmp_path / "a.lscope")

    assert [load(tmp_path / f"a.{pid}.lscope").target.pid for pid in (1, 3)] == [1, 3]
    assert (tmp_path / "a.2.lscope").read_text() == "here already"
    captured = capsys.readouterr()
    assert captured.out.startswith("INCONCLUSIVE")
    assert "a.2.lscope was not written" in captured.err
