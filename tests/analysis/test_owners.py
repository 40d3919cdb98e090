"""Well-known owners are explained; the program's own places never are taken for one."""

from __future__ import annotations

import linecache
import logging
import sys
import threading
import warnings
import weakref

import pytest

from leakscope.analysis.explain import explain_holder
from leakscope.analysis.owners import well_known
from leakscope.model.evidence import Step

KNOWN = [
    "linecache.cache",
    "sys.modules",
    "logging.root.manager.loggerDict",
    "concurrent.futures._base.LOGGER.manager.loggerDict",
    "warnings.filters",
    "weakref.finalize._registry",
    "threading._active",
    "shop.loop._scheduled",
    "shop.app.__warningregistry__",
    "gc.garbage",
]


@pytest.mark.parametrize("path", KNOWN)
def test_places_of_the_library_are_known(path: str) -> None:
    owner = well_known(path)

    assert owner is not None
    assert owner.cure.endswith(".")


@pytest.mark.parametrize(
    "path", ["shop.linecache.cache", "shop.sys.modules", "shop.cache", "shop.logging.root", "", "x"]
)
def test_a_programs_own_places_are_not(path: str) -> None:
    assert well_known(path) is None


def test_the_places_are_really_there() -> None:
    assert isinstance(linecache.cache, dict)
    assert isinstance(sys.modules, dict)
    assert isinstance(logging.root.manager.loggerDict, dict)
    assert isinstance(warnings.filters, list)
    assert hasattr(threading, "_active")
    assert hasattr(weakref.finalize, "_registry")


def test_a_known_owner_that_grows_is_explained_in_its_own_words() -> None:
    chain = (Step("module linecache", "module"), Step(".cache", "builtins.dict"))

    why = explain_holder("linecache.cache", "builtins.dict", chain, (), "builtins.tuple", None)

    assert why.startswith("linecache.cache is the cache of source lines")
    assert "same name every time" in why.replace("\n", " ")
