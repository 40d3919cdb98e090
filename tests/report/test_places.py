"""Where in a repository a finding is: measured, or not said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.model.evidence import ModuleFile, Site, module_of
from leakscope.report.places import Checkout, Line, file_of, line_of, place_of
from tests.report.samples import LEAKING, PER_SECOND, QUEUED_REQUESTS, SLOW_LEAK

CHECKOUT = Checkout(root="/home/ci/shop", start="/home/ci/shop/server")


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("/home/ci/shop/server/orders.py", "server/orders.py"),
        ("orders.py", "server/orders.py"),
        ("../lib/orders.py", "lib/orders.py"),
        ("/home/ci/shop/./server/../a.py", "a.py"),
        ("/usr/lib/python3.12/asyncio/tasks.py", None),
        ("/home/ci/shopping/a.py", None),
        ("../../elsewhere/a.py", None),
        ("/home/ci/shop/.venv/lib/python3.12/site-packages/aiohttp/web.py", None),
        ("<frozen importlib._bootstrap>", None),
        ("<string>", None),
        ("", None),
    ],
)
def test_a_file_is_called_what_the_repository_calls_it(file: str, path: str | None) -> None:
    assert CHECKOUT.path_of(Site(file, 7, "f")) == path


def test_a_line_that_is_no_line_is_no_place() -> None:
    assert CHECKOUT.path_of(Site("orders.py", 0, "f")) is None


def test_where_nothing_is_known_of_the_checkout_only_relative_paths_are_of_it() -> None:
    assert Checkout().path_of(Site("gateway/audit.py", 8, "f")) == "gateway/audit.py"
    assert Checkout().path_of(Site("/srv/gateway/audit.py", 8, "f")) is None


def test_the_innermost_line_of_the_repository_counts_not_that_of_a_library() -> None:
    stack = (
        Site("/usr/lib/python3.12/json/decoder.py", 353, "raw_decode"),
        Site("orders.py", 12, "parse"),
        Site("app.py", 3, "handle"),
    )

    found = line_of(replace(QUEUED_REQUESTS, allocated_at=stack), CHECKOUT)

    assert found == Line("server/orders.py", 12)


@pytest.mark.parametrize(
    "loop",
    [
        Site("/usr/lib/python3.12/asyncio/base_events.py", 1987, "BaseEventLoop._run_once"),
        Site("/usr/lib/python3.12/asyncio/runners.py", 118, "Runner.run"),
    ],
)
def test_who_runs_an_event_loop_does_not_allocate_what_it_calls(loop: Site) -> None:
    library = Site("/usr/lib/python3.12/site-packages/aiohttp/web_protocol.py", 446, "data")
    main = Site("server/app.py", 71, "main")
    served = Site("server/orders.py", 9, "serve")

    outside = replace(QUEUED_REQUESTS, allocated_at=(library, loop, main))
    inside = replace(QUEUED_REQUESTS, allocated_at=(library, served, loop, main))
    assert line_of(outside, CHECKOUT) is None
    assert line_of(inside, CHECKOUT) == Line("server/server/orders.py", 9)


def test_a_finding_that_was_not_traced_has_no_line_though_a_module_holds_it() -> None:
    untraced = replace(QUEUED_REQUESTS, allocated_at=())

    assert line_of(untraced, CHECKOUT) is None
    assert module_of(untraced.chain) == "gateway.audit"


def test_what_a_task_holds_or_nobody_knows_who_is_of_no_module() -> None:
    assert module_of(PER_SECOND.findings[0].chain) is None
    assert module_of(SLOW_LEAK.chain) is None


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("/home/ci/shop/server/gateway/audit.py", "server/gateway/audit.py"),
        ("gateway/audit.py", "server/gateway/audit.py"),
        ("/home/ci/shop/.venv/lib/python3.12/site-packages/gateway/audit.py", None),
        ("/home/ci/shop/server/gateway/audit.cpython-312-x86_64-linux-gnu.so", None),
        ("", None),
    ],
)
def test_the_module_that_holds_it_says_which_file_of_the_repository_it_is(
    file: str, path: str | None
) -> None:
    diagnosis = replace(LEAKING, modules=(ModuleFile("gateway.audit", file),))
    untraced = replace(QUEUED_REQUESTS, allocated_at=())

    assert file_of(untraced, diagnosis, CHECKOUT) == path
    shown = place_of(untraced, diagnosis, CHECKOUT)
    assert shown == (None if path is None else Line(path, 1))


def test_the_line_that_allocates_is_shown_before_the_file_of_the_module() -> None:
    diagnosis = replace(LEAKING, modules=(ModuleFile("gateway.audit", "gateway/audit.py"),))

    shown = place_of(QUEUED_REQUESTS, diagnosis, CHECKOUT)

    assert shown == line_of(QUEUED_REQUESTS, CHECKOUT)
    assert shown is not None


def test_another_module_s_file_says_nothing() -> None:
    diagnosis = replace(LEAKING, modules=(ModuleFile("gateway", "gateway/__init__.py"),))

    assert file_of(QUEUED_REQUESTS, diagnosis, CHECKOUT) is None
