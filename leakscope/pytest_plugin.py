"""The pytest plugin: `@pytest.mark.leaks` and the fixture `leakscope_service`.

Loaded into every pytest run where leakscope is installed, so it imports what it needs when the
first test asks for it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from leakscope.testing.leak_tests import LeakTests
    from leakscope.testing.service import StartsServices

_MARK = "leaks"
_TESTS: pytest.StashKey[LeakTests] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switches and the settings."""
    group = parser.getgroup("leakscope", "memory leaks (leakscope)")
    group.addoption("--leaks-only", action="store_true", help="run only tests marked `leaks`")
    group.addoption(
        "--no-leaks",
        action="store_true",
        help="run tests marked `leaks` once, without measuring them",
    )
    parser.addini("leaks_rounds", "rounds that count in a test marked `leaks` (8)", default="")
    parser.addini("leaks_warm_up", "rounds before them (2)", default="")
    parser.addini("leaks_calls", "calls of the test's body in one round (10)", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "leaks(max_growth='0', rounds=8, warm_up=2, calls=10): call the test's body again and "
        "again, and fail if what is alive grows with every call.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse markers that make no sense, as errors of the file they are in."""
    report = yield
    marked = [
        node
        for node in report.result or ()
        if isinstance(node, pytest.Item) and node.get_closest_marker(_MARK) is not None
    ]
    if marked:
        problem = _leak_tests(collector.config).problem(marked)
        if problem is not None:
            report.outcome, report.longrepr, report.result = "failed", problem, []
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--leaks-only` does not want."""
    if not config.getoption("leaks_only"):
        return
    others = [item for item in items if item.get_closest_marker(_MARK) is None]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker(_MARK) is not None]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start what measures before the first test, so that no test is seen to start it."""
    tests = _tests_of(session.config)
    wanted = any(item.get_closest_marker(_MARK) is not None for item in session.items)
    if tests is not None and wanted and not session.config.option.collectonly:
        tests.begin()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure methods of `unittest.TestCase`, which call their bodies themselves."""
    tests = _tests_of(item.config) if item.get_closest_marker(_MARK) is not None else None
    if tests is None:
        return (yield)
    with tests.around(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Measure all other tests, where their plugins have made ready what is called."""
    marked = pyfuncitem.get_closest_marker(_MARK) is not None
    tests = _tests_of(pyfuncitem.config) if marked else None
    if tests is None:
        return (yield)
    with tests.repeated(pyfuncitem):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what services printed to the report of a failure."""
    from_item = getattr(item, "funcargs", None) or {}
    services: StartsServices | None = from_item.get("leakscope_service")
    if services is not None and call.excinfo is not None:
        for title, text in services.outputs():
            item.add_report_section(call.when, title, text)
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what measures."""
    tests = _tests_of(config)
    if tests is not None:
        tests.close()


@pytest.fixture
def leakscope_service(request: pytest.FixtureRequest) -> Iterator[StartsServices]:
    """Start services that are measured while a test drives them.

    `service = leakscope_service([sys.executable, "-m", "shop"], ready="/health")` gives `.port`,
    `.pid`, `.url`, and `service.check(drive, rounds=8, max_growth="0")`.
    """
    from leakscope.testing.service import StartsServices

    with StartsServices(measuring=not request.config.getoption("no_leaks")) as services:
        yield services


def _leak_tests(config: pytest.Config) -> LeakTests:
    """Return what measures the tests of a session, made at its first use."""
    found = _tests_of(config)
    if found is None:
        from leakscope.testing.leak_tests import LeakTests

        found = config.stash[_TESTS] = LeakTests(config)
    return found


def _tests_of(config: pytest.Config) -> LeakTests | None:
    return config.stash.get(_TESTS, None)
