"""Chains have names that do not depend on the run."""

from __future__ import annotations

import pytest

from leakscope.analysis.fingerprint import fingerprint
from leakscope.analysis.names import (
    anonymous,
    beyond,
    is_builtin,
    is_rooted_in_program,
    path_of,
    short_path,
    starts_with,
)
from tests.builders import steps


@pytest.mark.parametrize(
    ("chain", "path"),
    [
        ("module shop.audit : module -> .PENDING : list", "shop.audit.PENDING"),
        ("module shop : module -> .POOL : P -> ['free'] : list", "shop.POOL['free']"),
        ("module shop : module -> .F : F -> closure variable seen of f : list",
         "shop.F -> closure variable seen of f"),
        ("thread Main frame run : frame -> local queue : Q -> ._items : list",
         "thread Main frame run -> local queue._items"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_path_reads_as_one_would_write_it(chain: str, path: str) -> None:
    assert path_of(steps(chain)) == path


def test_of_a_long_path_a_sentence_has_the_end() -> None:
    assert short_path("shop.audit.PENDING") == "shop.audit.PENDING"
    long = "asyncio.events._policy._local -> <reference>[<weakref>]['_loop']._scheduled[4].client"
    assert short_path(f"{long}._cookie_jar._cookies").endswith(
        "_scheduled[4].client._cookie_jar._cookies"
    )
    assert short_path(f"{long}._cookie_jar._cookies").startswith("…")
    assert len(short_path(f"{long}._cookie_jar._cookies")) <= 61


@pytest.mark.parametrize(
    ("edge", "shape"),
    [
        ("[17]", "[]"),
        ("['alice']", "[]"),
        ("[<str len 36>]", "[]"),
        (".PENDING", ".PENDING"),
        ("closure variable body of sign", "closure variable body of sign"),
        ("task worker at shop.py:88", "task worker at shop.py:"),
        ("thread Worker-3 frame run", "thread Worker- frame run"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(edge: str, shape: str) -> None:
    assert anonymous(edge) == shape


def test_attributes_that_end_in_a_number_stay_different() -> None:
    assert anonymous(".queue1") != anonymous(".queue2")


@pytest.mark.parametrize("name", ["dict", "builtins.dict", "builtins.function", "weakref.KeyedRef"])
def test_the_languages_own_types_are_builtin(name: str) -> None:
    assert is_builtin(name)


@pytest.mark.parametrize("name", ["_asyncio.Task", "collections.OrderedDict", "shop.Order"])
def test_types_that_tell_something_are_not(name: str) -> None:
    assert not is_builtin(name)


def test_only_modules_of_the_program_root_a_chain_in_it() -> None:
    assert is_rooted_in_program(steps("module shop : module -> .A : list"))
    assert is_rooted_in_program(steps("module __main__ : module -> .A : list"))
    assert not is_rooted_in_program(steps("module asyncio.tasks : module -> .A : list"))
    assert not is_rooted_in_program(steps("thread Main frame f : frame -> local a : list"))
    assert not is_rooted_in_program(())


def test_a_chain_starts_with_another_only_step_by_step() -> None:
    chain = steps("module shop : module -> .A : dict -> ['k'] : list")
    assert starts_with(chain, chain[:2])
    assert not starts_with(chain[:2], chain)
    assert not starts_with(chain, steps("module shop : module -> .B : dict"))
    assert not starts_with(chain, ())


def test_fingerprints_tell_holders_types_and_entries_apart() -> None:
    chain = steps("module shop : module -> .A : dict")
    entry = steps("[*] : shop.Order")
    prints = {
        fingerprint(chain, entry, "shop.Order", "dict"),
        fingerprint(chain, entry, "shop.Other", "dict"),
        fingerprint(chain, entry, "shop.Order", "set"),
        fingerprint(chain, steps("<key> : shop.Order"), "shop.Order", "dict"),
        fingerprint(steps("module shop : module -> .B : dict"), entry, "shop.Order", "dict"),
    }
    assert len(prints) == 5


def test_a_chain_leads_through_a_container_whatever_the_indexes() -> None:
    jar = steps("module shop : module -> .USERS : dict -> ['a'] : U -> .jar : dict")
    chain = steps(
        "module shop : module -> .USERS : dict -> [9] : U -> .jar : dict -> ['k'] : shop.Cookie"
    )
    assert beyond(chain, jar) == steps("['k'] : shop.Cookie")


def test_a_chain_leads_through_a_container_by_another_way_to_its_owner() -> None:
    jar = steps("module shop : module -> .CLIENT : shop.Client -> .jar : shop.Jar -> .all : dict")
    chain = steps("task t : Task -> local jar : shop.Jar -> .all : dict -> ['k'] : shop.Cookie")
    assert beyond(chain, jar) == steps("['k'] : shop.Cookie")


def test_a_chain_through_another_container_leads_elsewhere() -> None:
    jar = steps("module shop : module -> .CLIENT : shop.Client -> .jar : dict")
    assert beyond(steps("module shop : module -> .OTHER : dict -> ['k'] : C"), jar) is None
    assert beyond(steps("module shop : module -> .X : shop.Client -> .log : list"), jar) is None
    assert (
        beyond(steps("module a : module -> .jar : dict"), steps("module b : m -> .jar : dict"))
        is None
    )
    assert beyond(jar, ()) is None
