"""What cannot be measured in the way that was asked for is said in one line."""

from __future__ import annotations

import os

import pytest

from leakscope.capture.process import identify
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.opening import NotReadable, connect_to
from tests.darwin_here import DarwinHere


def test_where_no_memory_can_be_read_there_is_no_read_only_census() -> None:
    identity = identify(os.getpid(), DarwinHere())

    with (
        pytest.raises(NotReadable, match="read the memory of another one") as refused,
        connect_to(identity, CaptureChoice.READONLY),
    ):
        raise AssertionError("it was read")
    assert "--capture readonly" in refused.value.remedy
