"""Keys are followed along a recording, and not mistaken for each other."""

from __future__ import annotations

from dataclasses import replace

from leakscope.analysis.follow import followed_containers, followed_rss, followed_types
from leakscope.model.census import ContainerLength
from leakscope.model.recording import Recording
from tests.builders import key_of, recording_of


def lengths_of(recording: Recording, path: str) -> list[float] | None:
    found = {item.key: item for item in followed_containers(recording)}
    item = found.get(key_of(path))
    return None if item is None else item.values.tolist()


def test_a_type_that_is_not_there_counts_zero() -> None:
    (only,) = followed_types(recording_of({"shop.Order": [None, 2, 3]}))
    assert only.values.tolist() == [0, 2, 3]


def test_a_container_that_grows_out_of_obscurity_is_followed_all_the_way() -> None:
    recording = recording_of(
        lengths={"shop.A": [None, None, 9, 20], "shop.LEAST": [8, 8, 8, 8]},
    )
    assert lengths_of(recording, "shop.A") == [8, 8, 9, 20]


def test_a_container_that_is_emptied_now_and_then_does_not_look_new_each_time() -> None:
    recording = recording_of(
        lengths={"shop.QUEUE": [20, 40, None, 20, 40], "shop.LEAST": [8, 8, 8, 8, 8]},
    )
    assert lengths_of(recording, "shop.QUEUE") == [20, 40, 8, 20, 40]


def test_a_container_that_is_gone_at_the_end_is_not_followed() -> None:
    assert lengths_of(recording_of(lengths={"shop.A": [10, 20, None]}), "shop.A") is None


def test_another_type_at_the_same_address_is_another_container() -> None:
    recording = recording_of(lengths={"shop.A:list": [10, 20, 30]})
    last = recording.censuses[-1]
    other = ContainerLength(last.containers[0].address, "builtins.dict", 99)
    recording = replace(
        recording,
        censuses=(*recording.censuses[:-1], replace(last, containers=(other,))),
    )
    (only,) = followed_containers(recording)
    assert (only.type, only.values.tolist(), only.first) == ("builtins.dict", [10, 20, 99], 2)


def test_rss_is_followed_only_if_it_was_always_read() -> None:
    known = followed_rss(recording_of(rss=[10, 20, 30]))
    assert known is not None
    assert known.values.tolist() == [10, 20, 30]
    assert followed_rss(recording_of(rss=[10, None, 30])) is None
