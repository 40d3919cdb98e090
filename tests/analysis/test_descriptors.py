"""Where descriptors lead, in words."""

from __future__ import annotations

import pytest

from leakscope.analysis.descriptors import folder_of, place_of_connection, place_of_file

HERE, THERE = ("127.0.0.1", 8080), ("10.0.0.9", 40_123)


@pytest.mark.parametrize(
    ("local", "peer", "listening", "place"),
    [
        (HERE, THERE, {8080}, "from 10.0.0.9 at :8080"),
        (HERE, THERE, set(), "to 10.0.0.9:40123"),
        (("::1", 50_000), ("2001:db8::7", 443), {8080}, "to [2001:db8::7]:443"),
        (("0.0.0.0", 8080), None, {8080}, "at :8080"),
        (("::", 8080), None, {8080}, "at :8080"),
        (HERE, None, {8080}, "at 127.0.0.1:8080"),
        (None, None, {8080}, ""),
    ],
)
def test_connections_are_told_by_the_end_that_means_something(
    local: tuple[str, int] | None, peer: tuple[str, int] | None, listening: set[int], place: str
) -> None:
    assert place_of_connection(local, peer, listening) == place


def test_files_of_one_folder_are_told_together() -> None:
    assert place_of_file("/var/log/a", alone=True) == "/var/log/a"
    assert place_of_file("/var/log/a", alone=False) == "in /var/log"
    assert place_of_file("/tmp/x (deleted)", alone=False) == "in /tmp (deleted)"
    assert folder_of("/tmp/x (deleted)") != folder_of("/tmp/x")
    assert folder_of("@abstract") == "@abstract"
