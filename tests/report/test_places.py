"""Where in a repository a finding is: measured, or not said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.model.evidence import Site
from leakscope.report.places import Checkout, Line, line_of, module_of
from tests.report.samples import PER_SECOND, QUEUED_REQUESTS, SLOW_LEAK

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


def test_a_finding_that_was_not_traced_has_no_line_though_a_module_holds_it() -> None:
    untraced = replace(QUEUED_REQUESTS, allocated_at=())

    assert line_of(untraced, CHECKOUT) is None
    assert module_of(untraced) == "gateway.audit"


def test_what_a_task_holds_or_nobody_knows_who_is_of_no_module() -> None:
    assert module_of(PER_SECOND.findings[0]) is None
    assert module_of(SLOW_LEAK) is None
