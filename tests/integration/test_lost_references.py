"""References that C code took: objects that nobody holds, and counts that only rise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leakscope.model.evidence import HELD_BY
from leakscope.model.heapgrowth import HeapComparison
from leakscope.storage.files import load
from leakscope.watching.captures import FrozenCensusCapture, capture_for
from leakscope.watching.heap_compare import compare_heaps
from leakscope.watching.heap_keeping import kept
from leakscope.watching.heap_top import TopBy, top_of
from leakscope.watching.heap_view import HeapView
from tests.attaching import attached, every_python
from tests.integration.leakscope_runs import leakscope, report_of, watch
from tests.integration.services import FIXTURES, service
from tests.pythons import Interpreter
from tests.targets import read_line, spawn, tell

PROGRAM = """
import array, ctypes, datetime, sys
take, give_back = ctypes.pythonapi.Py_IncRef, ctypes.pythonapi.Py_DecRef
take.argtypes, take.restype = [ctypes.py_object], None
give_back.argtypes, give_back.restype = [ctypes.c_void_p], None
class Order:
    def __init__(self, i):
        self.name, self.lines = "order %d" % i, [[i + 10**6]]
class Tree:
    def __init__(self):
        self.leaf = Leaf(self)
class Leaf:
    def __init__(self, tree):
        self.tree = tree
class Settings: pass
class Buffer: pass
SETTINGS = Settings()
KEPT, DATES = array.array("Q"), []
ZONE = datetime.timezone(datetime.timedelta(hours=1))
def lose(i):
    take(Order(i))
    take(Tree())
    take([[i + 10**6]])
def count(i):
    take(Settings)
    take(SETTINGS)
def keep(i):
    buffer = Buffer()
    take(buffer)
    if len(KEPT) < 200:
        KEPT.append(id(buffer))
    else:
        give_back(KEPT[i % 200])
        KEPT[i % 200] = id(buffer)
def date(i):
    DATES.append(datetime.datetime(2000, 1, 1 + i % 28, tzinfo=ZONE))
made = 0
def do(kind, times):
    global made
    for i in range(made, made + times):
        globals()[kind](i)
    made += times
    del i
do("keep", 250)
do("lose", 50)
do("count", 50)
do("date", 50)
print("ready", flush=True)
for line in sys.stdin:
    do(line.strip(), 300)
    print("done", flush=True)
"""


def grown(python: Interpreter, *orders: str) -> tuple[HeapComparison, HeapView]:
    """Return what three heaps of one process tell, each order given before the later ones."""
    with spawn(python.path, PROGRAM) as target, attached(target) as session:
        capture = capture_for(session)
        assert isinstance(capture, FrozenCensusCapture)
        capture.census()
        views = []
        for round_ in range(3):
            for order in orders if round_ else ():
                tell(target, order)
                assert read_line(target).strip() == "done"
            with capture.view(at=float(round_)) as view:
                views.append(HeapView(kept(view)))
    return compare_heaps(views), views[-1]


@every_python
def test_objects_that_nobody_holds_are_told_with_what_they_look_like(python: Interpreter) -> None:
    found, last = grown(python, "lose")

    (place,) = found.places
    assert place.chain[0].edge == HELD_BY
    told = {each.type: each for each in place.unheld}
    lost = ("__main__.Order", "__main__.Tree", "builtins.list")
    assert [(told[name].objects, told[name].references) for name in lost] == [(600, 600)] * 3
    assert {step.edge for step in told["__main__.Order"].looks} == {".name", ".lines"}
    assert [step.edge for step in told["__main__.Tree"].looks] == [".leaf"]
    assert [step.edge for step in told["builtins.list"].looks] == ["[*]"]
    series = {each.type: each for each in found.unheld}
    for name in ("__main__.Order", "__main__.Tree"):
        assert series[name].objects == (50, 350, 650)
        slope = series[name].slope
        assert slope is not None
        assert slope.estimate == pytest.approx(300)
    assert "__main__.Leaf" not in series
    assert found.strays == ()
    table = {each.type: each for each in top_of(last, TopBy.UNHELD, 1000).unheld}
    assert (table["__main__.Order"].objects, table["__main__.Order"].references) == (650, 650)
    assert table["__main__.Order"].retained_bytes > 650 * 100


@every_python
def test_references_to_what_stays_are_told_apart_from_growth(python: Interpreter) -> None:
    found, _ = grown(python, "count")

    assert not any(place.unheld for place in found.places)
    assert {(each.path, each.references) for each in found.strays} == {
        ("__main__.Settings", (50, 350, 650)),
        ("__main__.SETTINGS", (50, 350, 650)),
    }
    assert [each.slope.estimate for each in found.strays if each.slope is not None] == [300, 300]


@every_python
def test_what_c_code_holds_and_replaces_is_no_growth(python: Interpreter) -> None:
    found, _ = grown(python, "keep")

    assert found.strays == ()
    assert "__main__.Buffer" not in {each.type for each in found.unheld}
    assert [place.unheld for place in found.places if place.unheld] == []


@every_python
def test_what_does_not_tell_what_it_holds_is_not_taken_for_c_code(python: Interpreter) -> None:
    found, _ = grown(python, "date")

    assert [place.path for place in found.places] == ["__main__.DATES"]
    assert found.strays == ()


def test_a_watch_says_what_was_lost_and_how_fast(tmp_path: Path) -> None:
    kept_in = tmp_path / "lost.lscope"
    with service(FIXTURES / "programs" / "lost_references.py", "--rate", "200") as program:
        run = report_of(
            *("watch", str(program.pid), "--for", "13s", "--every", "1s", "-o", kept_in),
            *("--work", f"http://127.0.0.1:{program.port}/metrics#http_requests_total"),
        )

    assert run.code == 1, run.report or run.stderr
    (finding,) = run.report["findings"]
    assert finding["type"] == "__main__.Reply"
    assert finding["growth"]["objects"]["estimate"] == pytest.approx(1.0, rel=0.05)
    assert finding["holder"] is None
    (unheld,) = finding["unheld"]
    assert unheld["type"] == "__main__.Reply"
    assert unheld["objects"] == unheld["references"] > 1000
    assert {step["edge"] for step in unheld["looks"]} == {".title", ".lines"}
    assert finding["retained_bytes"] == unheld["retained_bytes"]
    assert "nobody whom leakscope sees holds them" in finding["why"]
    again = {each.type: each.unheld for each in load(kept_in).evidence.types}
    lost = again["__main__.Reply"]
    assert lost is not None
    assert lost.objects == unheld["objects"]
    shown = leakscope("diff", kept_in)
    assert "nobody seen holds it" in shown.stdout
    assert "note: references" not in shown.stdout


def test_a_watch_notes_references_to_what_stays_per_request() -> None:
    with service(FIXTURES / "programs" / "lost_counts.py", "--rate", "200") as program:
        run = watch(program.pid, program.port, seconds=13, every=1)

    assert run.code == 0, run.report or run.stderr
    (note,) = [each for each in run.report["caveats"] if each.startswith("References to ")]
    rate = re.search(r"__main__.SETTINGS \(Settings\) .* rise by ([0-9.]+) per request", note)
    assert rate is not None, note
    assert float(rate[1]) == pytest.approx(1.0, rel=0.05)


@pytest.mark.slow
def test_what_c_code_keeps_up_to_a_number_is_no_leak() -> None:
    with service(FIXTURES / "programs" / "buffers_in_c.py", "--rate", "200") as program:
        run = watch(program.pid, program.port, seconds=20, every=1)

    assert run.code == 0, run.report or run.stderr
    assert run.report["findings"] == []
