"""A recording is kept, if need be without its heap snapshots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakscope.cli.diagnosing import keep_recording
from leakscope.storage.errors import UnsavableRecording
from leakscope.storage.files import load
from tests.builders import recording_of
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
