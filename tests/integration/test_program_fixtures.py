"""The small programs that leakscope is tried on grow, or do not grow, exactly as they say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.services import FIXTURES, service
from tests.pythons import Interpreter, interpreters
from tests.targets import eventually

PROGRAMS = FIXTURES / "programs"

LEAKY = {
    "bytes_in_dict": "len(p.THUMBNAILS)",
    "class_attribute": "len(p.Worker.done)",
    "closure_list": "len(p.record.__closure__[0].cell_contents)",
    "deque_backlog": "len(p.BACKLOG)",
    "dict_of_sessions": "len(p.SESSIONS)",
    "exception_tracebacks": "len(p.ERRORS)",
    "growing_buffers": "len(p.Audit.trail) // 500",
    "list_on_instance": "len(p.service.history)",
    "set_of_tuples": "len(p.SEEN)",
}
"""By program, the length of the container in which objects pile up."""

CLEAN = {
    "bursts": ("len(p.QUEUE)", [600 - 2, 600 - 2 * 200, 0, 0]),
    "cache_warmup": ("len(p.CACHE)", [270, 338, 500, 500]),
    "config_reload": ("len(p.current.rules)", [500, 500, 5000, 5000]),
    "connection_pool": ("len(p.FREE)", [80, 119, 400, 400]),
    "daily_cycle": ("len(p.VISITORS)", [232, 376, 699, 701]),
    "lru_filling": ("p.load.cache_info().currsize", [400, 599, 2000, 2000]),
    "sawtooth": ("sum(type(o) is p.Node for o in gc.get_objects())", [0, 0, 0, 0]),
    "ttl_sessions": ("len(p.SESSIONS)", [400, 599, 2000, 2000]),
}
"""By program, what it holds and how much of it after 400, 599, 9999 and 19999 units."""


HELD_BY_C = ("buffers_in_c", "lost_counts", "lost_references")
"""Programs that keep things where Python cannot see them; see `test_lost_references`."""


def test_every_program_is_known_here() -> None:
    files = {path.stem for path in PROGRAMS.glob("*.py")} - {"harness"}

    assert files == {*LEAKY, *CLEAN, *HELD_BY_C}


@pytest.mark.parametrize("name", LEAKY)
def test_a_leaky_program_keeps_one_more_per_unit(name: str) -> None:
    assert _held(name, LEAKY[name], after=[10, 1000, 3000]) == [10, 1000, 3000]


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_program_grows_only_for_a_while(name: str) -> None:
    expression, expected = CLEAN[name]

    assert _held(name, expression, after=[400, 599, 9999, 19999]) == expected


def test_the_bytes_leak_adds_nothing_that_gc_tracks() -> None:
    first, second = _held("bytes_in_dict", "len(gc.get_objects())", after=[1000, 5000])

    assert second - first < 10


def test_the_cycles_are_garbage_until_gc_comes() -> None:
    code = "gc.disable(); p.work(1); print(sum(type(o) is p.Node for o in gc.get_objects()))"

    assert _run("sawtooth", code) == "11"


def test_an_error_keeps_what_its_frames_held() -> None:
    assert _held(
        "exception_tracebacks",
        "sum(type(o) is p.Document for o in gc.get_objects())",
        after=[10, 1000],
    ) == [10, 1000]


@pytest.mark.parametrize("name", [*LEAKY, *CLEAN])
def test_a_program_works_by_itself_and_serves_its_count(name: str) -> None:
    with service(PROGRAMS / f"{name}.py", "--rate", "2000", "--units", "40") as running:
        eventually(lambda: running.counted() == {"": 40}, "40 units are counted")
        assert running.process.poll() is None


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_the_programs_run_on_every_python(interpreter: Interpreter) -> None:
    for name, expression in LEAKY.items():
        assert _held(name, expression, after=[20], python=interpreter.path) == [20]
    for name, (expression, _) in CLEAN.items():
        assert len(_held(name, expression, after=[20], python=interpreter.path)) == 1
    program = PROGRAMS / "dict_of_sessions.py"
    with service(program, "--units", "5", python=interpreter.path) as running:
        eventually(lambda: running.counted() == {"": 5}, "5 units are counted")


def _held(
    name: str, expression: str, *, after: Sequence[int], python: Path | str = sys.executable
) -> list[int]:
    """Return what `expression` says, gc done, when that many units of program `p` are done."""
    code = f"""
held = []
for unit in range(1, {after[-1] + 1}):
    p.work(unit)
    if unit in {list(after)}:
        gc.collect()
        held.append({expression})
print(json.dumps(held))
"""
    held: list[int] = json.loads(_run(name, code, python))
    return held


def _run(name: str, code: str, python: Path | str = sys.executable) -> str:
    """Return what `code` prints, with the program's module as `p` and its work not started."""
    prelude = f"import gc, json\nimport {name} as p\n"
    done = subprocess.run(
        [python, "-c", prelude + code],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
