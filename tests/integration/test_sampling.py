"""Allocations sampled in real interpreters: what is told, and what is done to the target."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from leakscope.analysis.allocation import profile_of
from leakscope.capture.sampling import MEAN_BYTES, AllocationSampler, SamplingRefused
from leakscope.capture.wire import SessionLost
from tests.attaching import (
    agent_file,
    assert_no_traces,
    attached,
    every_python,
    every_python_in_time,
    has_agent_thread,
    newest,
    rss_kib,
    some_pythons,
    still_runs,
    traces,
)
from tests.frozen import built_from
from tests.pythons import Interpreter
from tests.sampling import ALLOCATORS, PROGRAM, ask, bytes_under, program, sampled
from tests.targets import eventually, spawn, tell

FLAT_KIB = 1024
LINES = PROGRAM.splitlines()
ROOT = Path(__file__).parents[2]


# ---- what is told


@every_python
def test_a_leak_of_a_kilobyte_is_told_to_its_line(python: Interpreter) -> None:
    with program(python) as target, sampled(target, MEAN_BYTES) as (_, sampler):
        ask(target, "leak(5000, 1024)")
        profile = profile_of(sampler.read(), pid=target.pid, taken_at=0.0)

    leading = profile.sites[0]
    assert leading.calls[0].function == "leak"
    assert leading.calls[0].line == LINES.index("        kept.append(bytearray(size))") + 1
    assert [call.function for call in leading.calls] == ["leak", "<module>", "<module>"]
    assert leading.in_use_bytes.low < 5000 * 1024 < leading.in_use_bytes.high


@every_python_in_time
def test_what_is_freed_is_no_sample_any_more(python: Interpreter) -> None:
    with program(python) as target, sampled(target, 1024) as (_, sampler):
        ask(target, "leak(2000, 100)")
        ask(target, "leak(200, 3000)")
        full = bytes_under(sampler.read(), "leak")
        ask(target, "kept.clear()")
        empty = bytes_under(sampler.read(), "leak")

    assert full > 700_000
    assert empty == 0


@every_python_in_time
def test_what_grows_and_moves_counts_with_its_last_size(python: Interpreter) -> None:
    with program(python) as target, sampled(target, 512) as (_, sampler):
        ask(target, "kept.append(bytearray()) or [kept[0].extend(b'x' * 100) for _ in range(3000)]")
        grown = sampler.read()
        ask(target, "kept.append([None] * 3) or [kept[1].append(None) for _ in range(50000)]")
        listed = sampler.read()

    assert 300_000 <= max(grown.size) < 400_000
    assert sum(size for size in grown.size.tolist() if size > 50_000) < 400_000
    assert any(400_000 <= size < 500_000 for size in listed.size.tolist())


@every_python_in_time
def test_a_thread_without_the_interpreters_lock_is_told_too(python: Interpreter) -> None:
    if python.version in ("3.9", "3.10"):
        pytest.skip("there zlib takes its memory from the C library")
    with program(python) as target, sampled(target, 4096) as (_, sampler):
        ask(target, "kept.extend(zlib.compressobj() for _ in range(20))")
        samples = sampler.read()
        ask(target, "kept.clear()")
        later = sampler.read()

    large = [size for size in samples.size.tolist() if size > 50_000]
    assert len(large) >= 20
    assert not [size for size in later.size.tolist() if size > 50_000]


@every_python_in_time
def test_a_stack_is_kept_to_its_depth(python: Interpreter) -> None:
    with program(python) as target, sampled(target, 512) as (_, sampler):
        ask(target, "sys.setrecursionlimit(5000)")
        ask(target, "deep(900)")
        ask(target, "deep(10)")
        stacks = [s for s in sampler.read().stacks if s.calls and s.calls[0].function == "deep"]

    depths = {(len(stack.calls), stack.cut) for stack in stacks}
    assert {(64, True), (13, False)} <= depths
    assert all(depth == 64 for depth, cut in depths if cut)


@every_python_in_time
def test_names_with_odd_characters_are_told(python: Interpreter) -> None:
    odd = r"compile('def f(): kept.append(bytearray(9000))\nf()', 'a\n\udcff\u20ac;b', 'exec')"
    with program(python) as target, sampled(target, 512) as (_, sampler):
        ask(target, f"exec({odd})")
        files = {call.file for stack in sampler.read().stacks for call in stack.calls}

    assert any(file.startswith("a\n") and "\u20ac;b" in file for file in files)


@some_pythons
def test_bounds_hold_what_is_in_use_about_as_often_as_they_say(python: Interpreter) -> None:
    """Ninety-five times of a hundred; fewer than 88 would come about once in a thousand sites."""
    runs, truth = 100, {"small": 400 * 89, "large": 30 * 3057, "huge": 30 * 40033}
    inside = dict.fromkeys(truth, 0)
    with program(python) as target, attached(target) as session:
        ask(target, "def small(): kept.extend(bytes(56) for _ in range(400))")
        ask(target, "def large(): kept.extend(bytes(3024) for _ in range(30))")
        ask(target, "def huge(): kept.extend(bytes(40000) for _ in range(30))")
        sampler = AllocationSampler(session)
        for seed in range(1, runs + 1):
            sampler.start(2048, seed)
            ask(target, "small() or large() or huge()")
            profile = profile_of(sampler.read(), pid=1, taken_at=0.0)
            ask(target, "kept.clear()")
            for name, size in truth.items():
                found = [s for s in profile.sites if name in {call.function for call in s.calls}]
                low = sum(site.in_use_bytes.low for site in found if site.calls[0].line)
                high = sum(site.in_use_bytes.high for site in found)
                inside[name] += low <= size <= high or not found

    assert min(inside.values()) >= 88, inside


# ---- what is done to the target


@every_python
def test_no_hook_is_left(python: Interpreter) -> None:
    with program(python) as target:
        ask(target, "start(churn, 2) or start(churn_raw, 2)")
        before, allocators = traces(target.pid), ask(target, ALLOCATORS)
        with sampled(target) as (_, sampler):
            hooked = ask(target, ALLOCATORS)
            assert sampler.stop()
            assert ask(target, ALLOCATORS) == allocators
            sampler.start()
            assert ask(target, ALLOCATORS) == hooked
        assert_no_traces(target.pid, before)
        assert ask(target, ALLOCATORS) == allocators

    assert isinstance(hooked, list)
    assert isinstance(allocators, list)
    assert all(one != other for one, other in zip(hooked, allocators, strict=True))


@every_python_in_time
def test_a_controller_that_is_killed_leaves_no_hook(python: Interpreter) -> None:
    controller = (
        "import sys; from tests.sampling import *; from leakscope.capture.process import identify\n"
        "from leakscope.capture.session import attach\n"
        "session = attach(identify(int(sys.argv[1])))\n"
        "AllocationSampler(session).start(4096)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with program(python) as target:
        ask(target, "start(churn, 2) or start(churn_raw, 1)")
        before, allocators = traces(target.pid), ask(target, ALLOCATORS)
        argv = ["-c", controller, str(target.pid)]
        with spawn(sys.executable, argv, env={"PYTHONPATH": str(ROOT)}) as session:
            assert ask(target, ALLOCATORS) != allocators
            session.kill()
            session.wait()
        eventually(lambda: ask(target, ALLOCATORS) == allocators, "the hooks are gone")
        threads = before.threads
        eventually(lambda: traces(target.pid).threads == threads, "the agent is gone")
        assert traces(target.pid).mapped_files == before.mapped_files


@some_pythons
@pytest.mark.parametrize("malloc", ["pymalloc", "malloc", "debug", "malloc_debug"])
def test_other_allocators_are_hooked_as_well(python: Interpreter, malloc: str) -> None:
    with program(python, {"PYTHONMALLOC": malloc}) as target:
        allocators = ask(target, ALLOCATORS)
        with sampled(target, 1024) as (_, sampler):
            ask(target, "leak(3000, 100)")
            full = bytes_under(sampler.read(), "leak")
            ask(target, "kept.clear()")
            assert bytes_under(sampler.read(), "leak") == 0
        assert ask(target, ALLOCATORS) == allocators
        ask(target, "leak(3000, 100)")

    assert full > 250_000


@every_python_in_time
def test_tracemalloc_that_was_there_before_stays(python: Interpreter) -> None:
    with program(python) as target:
        ask(target, "import tracemalloc; tracemalloc.start()")
        allocators = ask(target, ALLOCATORS)
        with sampled(target, 1024) as (_, sampler):
            ask(target, "leak(1000, 500)")
            assert bytes_under(sampler.read(), "leak") > 400_000
        assert ask(target, ALLOCATORS) == allocators
        traced = ask(target, "tracemalloc.get_traced_memory()[0]")
        assert isinstance(traced, int)
        assert traced > 500_000
        ask(target, "kept.clear() or tracemalloc.stop()")
        ask(target, "leak(1000, 500)")


@every_python_in_time
def test_tracemalloc_that_came_later_stays_and_our_hook_below_it_goes(python: Interpreter) -> None:
    with program(python) as target:
        before, allocators = traces(target.pid), ask(target, ALLOCATORS)
        with sampled(target, 1024) as (_, sampler):
            ask(target, "import tracemalloc; tracemalloc.start()")
            ask(target, "leak(1000, 500)")
            assert bytes_under(sampler.read(), "leak") > 400_000
            assert not sampler.read().displaced
            assert sampler.stop()
            ask(target, "leak(1000, 500)")
        ask(target, "leak(1000, 500)")
        ask(target, "tracemalloc.stop()")
        assert ask(target, ALLOCATORS) == allocators
        ask(target, "leak(1000, 500)")
        now = traces(target.pid)

    assert now.threads == before.threads
    assert not any("leakscope" in path or ".ls-" in path for path in now.mapped_files)


@every_python_in_time
def test_a_hook_that_is_taken_out_by_somebody_else_is_told(python: Interpreter) -> None:
    with program(python) as target:
        allocators = ask(target, ALLOCATORS)
        ask(target, "import tracemalloc; tracemalloc.start()")
        with sampled(target, 1024) as (session, sampler):
            ask(target, "tracemalloc.stop()")
            assert ask(target, ALLOCATORS) == allocators
            samples = sampler.read()
            assert still_runs(target, session)
            sampler.start(1024)
            ask(target, "leak(1000, 500)")
            assert bytes_under(sampler.read(), "leak") > 400_000
        assert ask(target, ALLOCATORS) == allocators

    assert samples.displaced
    assert (
        "changed the interpreter's allocators"
        in profile_of(samples, pid=1, taken_at=0.0).caveats[0]
    )


OPAQUE_HOOK = """
#include <stddef.h>
struct allocator { void *ctx; void *(*m)(void *, size_t); void *(*c)(void *, size_t, size_t);
                   void *(*r)(void *, void *, size_t); void (*f)(void *, void *); };
void PyMem_GetAllocator(int, struct allocator *);
void PyMem_SetAllocator(int, struct allocator *);
static struct allocator old[3];
#define HOOKS(n) \\
  static void *m##n(void *x, size_t s) { return old[n].m(old[n].ctx, s); } \\
  static void *c##n(void *x, size_t k, size_t s) { return old[n].c(old[n].ctx, k, s); } \\
  static void *r##n(void *x, void *p, size_t s) { return old[n].r(old[n].ctx, p, s); } \\
  static void f##n(void *x, void *p) { old[n].f(old[n].ctx, p); }
HOOKS(0) HOOKS(1) HOOKS(2)
void begin(void) {
  static struct allocator new[3] = {{0, m0, c0, r0, f0}, {0, m1, c1, r1, f1}, {0, m2, c2, r2, f2}};
  for (int i = 0; i < 3; i++) { PyMem_GetAllocator(i, &old[i]); PyMem_SetAllocator(i, &new[i]); }
}
void end(void) { for (int i = 0; i < 3; i++) PyMem_SetAllocator(i, &old[i]); }
"""


@some_pythons
def test_below_a_hook_that_hides_us_our_hook_stays_and_passes_on(
    python: Interpreter, tmp_path: Path
) -> None:
    library = built_from(OPAQUE_HOOK, tmp_path / "hook.so")
    with program(python) as target:
        allocators = ask(target, ALLOCATORS)
        with sampled(target, 1024) as (_, sampler):
            ask(target, f"hook = ctypes.PyDLL({str(library)!r}); hook.begin()")
            ask(target, "leak(1000, 500)")
            assert bytes_under(sampler.read(), "leak") > 400_000
            assert not sampler.stop()
            with pytest.raises(SamplingRefused, match="in the way"):
                sampler.start()
            ask(target, "leak(1000, 500)")
        eventually(lambda: not has_agent_thread(target.pid), "the agent is gone")
        ask(target, "leak(1000, 500)")
        with sampled(target, 1024) as (_, sampler):
            ask(target, "leak(1000, 500)")
            assert bytes_under(sampler.read(), "leak") > 400_000
        ask(target, "hook.end()")
        hooked = ask(target, ALLOCATORS)
        ask(target, "leak(1000, 500)")
        assert hooked != allocators
        assert target.poll() is None


@every_python_in_time
def test_a_forked_child_runs_on_unsampled(python: Interpreter) -> None:
    child = (
        "[os.fork() or (kept.clear(), leak(3000, 700), kept.clear(), os._exit(7)) "
        "for _ in range(20)]"
    )
    with program(python) as target:
        allocators = ask(target, ALLOCATORS)
        with sampled(target, 1024) as (session, sampler):
            ask(target, "start(churn_raw, 3) or start(churn, 2)")
            ask(target, "leak(1000, 700)")
            children = ask(target, child)
            assert isinstance(children, list)
            ended = ask(target, f"[os.waitpid(p, 0)[1] >> 8 for p in {children}]")
            assert ended == [7] * 20
            assert bytes_under(sampler.read(), "leak") > 500_000
            assert still_runs(target, session)
        assert ask(target, ALLOCATORS) == allocators


@every_python_in_time
@pytest.mark.parametrize("end", ["sys.exit(3)", "os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_target_that_ends_while_it_is_sampled_ends_as_it_would(
    python: Interpreter, end: str
) -> None:
    with program(python) as target:
        ask(target, "start(churn, 2) or start(churn_raw, 2)")
        with attached(target) as session:
            sampler = AllocationSampler(session)
            sampler.start(1024)
            tell(target, end)
            code = target.wait(30)
            with pytest.raises(SessionLost):
                sampler.read()
    assert code == (-signal.SIGKILL if "kill" in end else 3)


@every_python_in_time
def test_sampling_comes_and_goes_under_threads(python: Interpreter) -> None:
    come_and_go(python, 200)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sampling_comes_and_goes_ten_thousand_times() -> None:
    come_and_go(newest(), 10_000)


def come_and_go(python: Interpreter, cycles: int) -> None:
    with program(python) as target:
        allocators = ask(target, ALLOCATORS)
        ask(target, "start(churn, 2) or start(churn_raw, 2)")
        with attached(target) as session:
            sampler = AllocationSampler(session)
            settled = 0
            for cycle in range(cycles):
                sampler.start(4096, cycle + 1)
                if cycle % 10 == 0:
                    sampler.read()
                assert sampler.stop()
                if cycle == cycles // 4:
                    settled = rss_kib(target.pid)
            assert rss_kib(target.pid) - settled < FLAT_KIB
        assert ask(target, ALLOCATORS) == allocators


@every_python_in_time
def test_subinterpreters_allocate_while_sampled(python: Interpreter) -> None:
    if python.version in ("3.9", "3.10", "3.11"):
        pytest.skip("there all interpreters share one lock")
    module = "_interpreters" if python.version not in ("3.12",) else "_xxsubinterpreters"
    script = "[str(n) * 50 for n in range(3000)]; {n: [n] for n in range(3000)}"
    with program(python) as target:
        with attached(target) as session:
            ask(target, f"import {module} as inside")
            ask(target, "ids = [inside.create() for _ in range(3)]")
            ask(target, f"script = {script!r}")
            ask(
                target,
                "exec('def inner(i):\\n while not stop.is_set(): inside.run_string(i, script)')",
            )
            ask(target, "[threading.Thread(target=inner, args=[i]).start() for i in ids]")
            sampler = AllocationSampler(session)
            for seed in range(1, 60):
                sampler.start(2048, seed)
                ask(target, "leak(200, 500) or kept.clear()")
                sampler.read()
                sampler.stop()
            ask(target, "stop.set() or [t.join() for t in threading.enumerate()[1:]]")
        assert ask(target, "len(kept)") == 0
        assert target.poll() is None


@some_pythons
def test_without_memory_sampling_is_refused(python: Interpreter) -> None:
    with program(python) as target:
        allocators = ask(target, ALLOCATORS)
        ask(target, "import resource")
        with attached(target) as session:
            used = int(Path(f"/proc/{target.pid}/statm").read_text().split()[0]) * 4096
            limit = f"resource.setrlimit(resource.RLIMIT_AS, ({used + (4 << 20)}, -1))"
            ask(target, limit)
            with pytest.raises(SamplingRefused, match="no memory"):
                AllocationSampler(session).start()
            assert still_runs(target, session)
        assert ask(target, ALLOCATORS) == allocators


def test_the_python_agent_cannot_sample() -> None:
    with program(newest()) as target, attached(target, "python-agent") as session:
        with pytest.raises(SamplingRefused, match="native agent"):
            AllocationSampler(session)
        assert agent_file("native-agent")


@some_pythons
def test_a_rate_that_is_none_is_refused(python: Interpreter) -> None:
    with program(python) as target, attached(target) as session:
        for rate in (0, (1 << 40) + 1):
            with pytest.raises(SamplingRefused, match="no such rate"):
                AllocationSampler(session).start(rate)
        with pytest.raises(SamplingRefused, match="not sampled"):
            AllocationSampler(session).read()
        assert still_runs(target, session)
