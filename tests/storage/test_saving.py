from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakscope.errors import ExitCode, LeakscopeError
from leakscope.model.census import ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.image import HeapImage, KeptNames
from leakscope.model.recording import Recording
from leakscope.model.roots import HeapRoots, ModuleRoot, ThreadRoot
from leakscope.storage.errors import CannotWrite, OutputExists, UnsavableRecording
from leakscope.storage.files import export, load, save
from leakscope.storage.output import refuse_unwritable, write_atomically
from tests.storage.make_fixture import SNAPSHOTS
from tests.storage.recordings import random_heap, sample_heaps, sample_recording

RECORDING = sample_recording()


def alone_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save(RECORDING, tmp_path / "a.lscope")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a.lscope").stat().st_mode) == 0o600
    assert alone_in(tmp_path) == ["a.lscope"]


def test_an_existing_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.lscope"
    path.write_text("precious")

    with pytest.raises(OutputExists) as caught:
        save(RECORDING, path)

    assert caught.value.exit_code == ExitCode.USAGE
    assert "--force" in caught.value.remedy
    assert path.read_text() == "precious"


def test_force_replaces_the_file_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.lscope"
    path.write_text("old")
    path.chmod(0o666)

    save(RECORDING, path, force=True)

    assert load(path) == RECORDING
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.lscope"
    refuse_unwritable(path)
    path.write_text("precious")

    with pytest.raises(OutputExists):
        write_atomically(path, b"late")

    assert path.read_text() == "precious"
    assert alone_in(tmp_path) == ["a.lscope"]


def test_a_dangling_link_counts_as_something_there(tmp_path: Path) -> None:
    (tmp_path / "a.lscope").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OutputExists):
        save(RECORDING, tmp_path / "a.lscope")

    assert alone_in(tmp_path) == ["a.lscope"]


def test_force_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "a.lscope").symlink_to(tmp_path / "precious")

    save(RECORDING, tmp_path / "a.lscope", force=True)

    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "a.lscope").is_symlink()


@pytest.mark.parametrize("force", [True, False])
def test_a_device_is_never_replaced(tmp_path: Path, *, force: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(LeakscopeError):
        save(RECORDING, pipe, force=force)

    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (lambda d: d / "missing" / "a.lscope", "there is no directory"),
        (lambda d: d / "file" / "a.lscope", "not a directory"),
        (lambda d: d, "is a directory"),
        (lambda d: d / ("x" * 300), "name too long"),
        (lambda d: d / "a\0b", "null"),
    ],
    ids=["no directory", "file as directory", "directory", "long name", "null byte"],
)
def test_a_place_that_cannot_be_written_is_named_with_the_reason(
    tmp_path: Path, place: Callable[[Path], Path], words: str
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotWrite, match=words) as caught:
        save(RECORDING, place(tmp_path))

    assert caught.value.remedy


def test_a_closed_directory_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from leakscope.storage.output import refuse_unwritable\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: refuse_unwritable(Path('closed/a.lscope'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    tmp_path.chmod(0o755)

    done = _run_in(tmp_path, code)

    assert done.startswith("CannotWrite cannot write closed/a.lscope"), done


SAVING_WITH_LITTLE_ROOM = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from leakscope.storage.files import save
from tests.storage.recordings import random_heap, sample_recording
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recording = replace(sample_recording(), heaps=(random_heap(50_000, 100_000, 1),))
save(recording, Path("whole.lscope"))
size = Path("whole.lscope").stat().st_size
for room in [0, 1, *range(10, size, size // 40), size - 1]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        save(recording, Path("a.lscope"), force=True)
    except Exception as error:
        print(type(error).__name__, error, error.remedy, file=sys.stdout)
"""


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    (tmp_path / "a.lscope").write_text("precious")

    said = _run_in(tmp_path, SAVING_WITH_LITTLE_ROOM).splitlines()

    assert len(said) >= 40
    assert set(said) == {
        "CannotWrite cannot write a.lscope: file too large Make room there, or name a file on a "
        "disk that has some; nothing was left behind."
    }
    assert (tmp_path / "a.lscope").read_text() == "precious"
    assert alone_in(tmp_path) == ["a.lscope", "whole.lscope"]


@pytest.mark.needs_root
@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a file system")
def test_a_file_system_without_room_says_so(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        with pytest.raises(CannotWrite, match="no space left on device") as caught:
            save(with_a_large_heap(), tmp_path / "a.lscope")

        assert caught.value.remedy.startswith("Make room")
        assert alone_in(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def with_a_large_heap() -> Recording:
    return replace(RECORDING, heaps=(random_heap(50_000, 100_000, 1),))


def _run_in(directory: Path, code: str) -> str:
    """Return what a program prints that runs in a directory; it must not complain."""
    # The package may lie where only its owner may look: it is imported first.
    done = subprocess.run(
        [sys.executable, "-c", f"import leakscope.storage.output\n{code}"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(SNAPSHOTS.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "broken",
    [
        replace(RECORDING, censuses=()),
        replace(RECORDING, target=replace(RECORDING.target, started=float("nan"))),
        replace(RECORDING, target=replace(RECORDING.target, pid=-1)),
        *(
            replace(RECORDING, censuses=(replace(RECORDING.censuses[0], **change),))
            for change in (
                {"at": float("inf")},
                {"work": float("nan")},
                {"pause_ms": -1.0},
                {"types": {"a": TypeTotal(-1, 0)}},
                {"types": {"a": TypeTotal(2**63, 0)}},
                {"containers": (ContainerLength(-1, "a", 1),)},
                {"containers": (ContainerLength(2**64, "a", 1),)},
                {"metrics": ProcessMetrics(rss=-5)},
            )
        ),
    ],
)
def test_figures_that_would_not_load_are_not_saved(tmp_path: Path, broken: Recording) -> None:
    with pytest.raises(UnsavableRecording) as caught:
        save(broken, tmp_path / "a.lscope")

    assert str(caught.value).isprintable()
    assert alone_in(tmp_path) == []


HEAP = sample_heaps()[0]
GRAPH = HEAP.snapshot


def graph(**changed: object) -> HeapImage:
    return replace(HEAP, snapshot=replace(GRAPH, **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "broken",
    [
        graph(address=GRAPH.address[::-1]),
        graph(address=GRAPH.address.astype(np.int64)),
        graph(address=np.sort(GRAPH.address[[0, 1, 1, 2, 3]])),
        graph(type=GRAPH.type[:-1]),
        graph(type=GRAPH.type + np.int32(1)),
        graph(type=GRAPH.type - np.int32(1)),
        graph(type_names=()),
        graph(size=-GRAPH.size),
        graph(flags=GRAPH.flags.astype(np.int64)),
        graph(offsets=GRAPH.offsets[:-1]),
        graph(offsets=np.empty(0, np.int64)),
        graph(offsets=GRAPH.offsets[::-1]),
        graph(offsets=GRAPH.offsets + 1),
        graph(offsets=np.array([0, 0, 3, 1, 6, 6])),
        graph(targets=GRAPH.targets[:-1]),
        graph(targets=GRAPH.targets + np.int32(1)),
        graph(targets=GRAPH.targets - np.int32(1)),
        graph(targets=GRAPH.targets.reshape(2, 3)),
        replace(HEAP, at=float("nan")),
        replace(HEAP, pause_ms=-1.0),
        replace(HEAP, containers=(ContainerLength(-1, "a", 1),)),
        replace(HEAP, roots=HeapRoots(modules=(ModuleRoot(2**64, "a"),))),
        replace(HEAP, roots=HeapRoots(threads=(ThreadRoot(-1, "a", 0),))),
        replace(HEAP, names=KeptNames(edges={(-1, 0): ""})),
        replace(HEAP, names=KeptNames(labels={0: 7})),  # type: ignore[dict-item]
    ],
)
def test_a_heap_that_would_not_load_is_not_saved(tmp_path: Path, broken: HeapImage) -> None:
    with pytest.raises(UnsavableRecording) as caught:
        save(replace(RECORDING, heaps=(HEAP, broken)), tmp_path / "a.lscope")

    assert str(caught.value).isprintable()
    assert alone_in(tmp_path) == []


def test_an_export_overwrites_nothing_unasked(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    (directory / "census.parquet").write_text("precious")

    with pytest.raises(OutputExists):
        export(SNAPSHOTS / "v1.lscope", directory)

    assert alone_in(directory) == ["census.parquet"]
    files = export(SNAPSHOTS / "v1.lscope", directory, force=True)
    assert alone_in(directory) == sorted(file.name for file in files)


def test_an_export_needs_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for place in (tmp_path / "file", tmp_path / "missing" / "out"):
        with pytest.raises(CannotWrite):
            export(SNAPSHOTS / "v1.lscope", place)
