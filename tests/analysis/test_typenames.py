"""What the names of types tell."""

from __future__ import annotations

import pytest

from leakscope.analysis.typenames import bare, is_code, is_plain


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
