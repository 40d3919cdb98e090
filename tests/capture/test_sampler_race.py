"""The sampler's hooks under threads, with every access watched by the thread sanitizer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.frozen import AGENT, compiler

HARNESS = Path(__file__).with_name("sampler_race.c")
PARTS = ("hooks", "install", "samples", "stacks", "chance", "threads")


def compile_with(program: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [compiler(), "-std=gnu11", "-g", "-O1", *options, "-o", str(program), "-lpthread"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def built(folder: Path, *flags: str) -> Path:
    program = folder / "race"
    sources = [HARNESS, *(AGENT / f"sampler_{part}.c" for part in PARTS)]
    done = compile_with(program, *flags, f"-I{AGENT}", *map(str, sources))
    if "cannot find" in done.stderr:
        pytest.skip("the runtime of the sanitizer is not installed")
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_hooks_come_and_go_under_threads_without_a_race(sanitizer: str, tmp_path: Path) -> None:
    program = built(tmp_path, f"-fsanitize={sanitizer}")
    steady = [shutil.which("setarch") or pytest.skip("needs setarch"), "-R"]
    done = subprocess.run([*steady, program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    samples, gone, as_before = map(int, done.stdout.split())
    assert samples > 1000
    assert gone
    assert as_before


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_race_would_be_found(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(AGENT, sources)
    text = (sources / "sampler_samples.c").read_text()
    unlocked = text.replace("pthread_mutex_lock(&ls_sampler_lock);", "", 1)
    assert unlocked != text
    lock = "pthread_mutex_unlock(&ls_sampler_lock);"
    (sources / "sampler_samples.c").write_text(unlocked.replace(lock, "", 1))
    program = tmp_path / "race"
    parts = [sources / f"sampler_{part}.c" for part in PARTS]
    made = compile_with(
        program, "-fsanitize=thread", f"-I{sources}", str(HARNESS), *map(str, parts)
    )
    assert made.returncode == 0, made.stderr
    done = subprocess.run(
        [shutil.which("setarch") or "setarch", "-R", program],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "data race" in done.stderr
