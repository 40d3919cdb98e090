"""The object that speaks for an entry is the one that an engineer would name."""

from __future__ import annotations

import pytest

from leakscope.model.typenames import (
    bare,
    is_code,
    is_plain,
    is_standard,
    leading,
    package_of,
    telling,
)


@pytest.mark.parametrize(
    ("names", "sizes", "expected"),
    [
        (["shop.audit.Record", "web.Request"], [1000, 950], "web.Request"),
        (["shop.audit.Record", "dict", "web.Request"], [1000, 960, 940], "web.Request"),
        (["pool.Connection", "pool._locks.Lock"], [1000, 850], "pool.Connection"),
        (["shop.audit.Record", "shop.web.Request"], [1000, 970], "shop.web.Request"),
        (["_io.TextIOWrapper", "_io.BufferedWriter"], [9000, 8900], "_io.TextIOWrapper"),
        (["shop.Session", "collections.deque"], [900, 880], "shop.Session"),
        (["shop.Session", "decimal.Decimal"], [900, 890], "shop.Session"),
        (["_asyncio.Future", "method", "_asyncio.Task"], [900, 890, 880], "_asyncio.Task"),
        (["tuple", "builtins.function"], [900, 890], "builtins.function"),
        (["dict", "list"], [900, 890], "dict"),
        (["tree.Node", "tree.Node", "tree.Node"], [900, 899, 898], "tree.Node"),
    ],
)
def test_what_was_captured_speaks_and_a_part_does_not(
    names: list[str], sizes: list[float], expected: str
) -> None:
    assert names[leading(names, sizes)] == expected


def test_the_first_link_of_a_linked_list_speaks_for_it() -> None:
    assert leading(["tree.Node", "tree.Node"], [900, 890]) == 0


@pytest.mark.parametrize(
    ("names", "sizes", "expected"),
    [
        (["http.cookies.Cookie", "builtins.tuple"], [80, 170], "http.cookies.Cookie"),
        (["_thread.lock", "_io.TextIOWrapper"], [40, 9000], "_io.TextIOWrapper"),
        (["builtins.bytes", "builtins.str"], [500, 60], "builtins.bytes"),
        (["shop.Flag", "builtins.bytes"], [50, 5000], "builtins.bytes"),
    ],
)
def test_a_named_type_tells_more_than_a_heavier_plain_one(
    names: list[str], sizes: list[float], expected: str
) -> None:
    assert names[telling(names, sizes)] == expected


def test_private_modules_belong_to_their_package() -> None:
    assert package_of("_io.FileIO") == package_of("io.TextIOBase")
    assert is_standard("_io.FileIO")
    assert not is_standard("__main__.Order")


@pytest.mark.parametrize(
    "name", ["dict", "builtins.tuple", "collections.deque", "functools.partial"]
)
def test_building_blocks_say_nothing_of_their_meaning(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize("name", ["shop.Order", "collections.abc.Mapping", "aiohttp.web.Request"])
def test_types_of_applications_and_libraries_do(name: str) -> None:
    assert not is_plain(name)


@pytest.mark.parametrize("name", ["builtins.coroutine", "function", "_asyncio.Task"])
def test_what_can_be_called_or_resumed_is_code(name: str) -> None:
    assert is_code(name)
    assert not is_code(f"shop.{name}")


def test_builtin_types_are_the_same_with_and_without_their_module() -> None:
    assert bare("builtins.dict") == bare("dict") == "dict"
    assert bare("shop.builtins.dict") == "shop.builtins.dict"
