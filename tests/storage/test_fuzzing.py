"""Mutations of a good file: it loads as it was, or is refused in one line."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leakscope.model.recording import Recording
from leakscope.storage.errors import UnreadableFile
from leakscope.storage.files import load
from tests.storage.forging import members, packed, with_digests
from tests.storage.make_fixture import CONTENTS, SNAPSHOTS, fixture
from tests.storage.recordings import same

GOOD = {version: fixture(version).read_bytes() for version in CONTENTS}
MEMBERS = members()

patches = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.binary(min_size=1, max_size=8), st.integers(0, 7).map(lambda b: 1 << b)),
    ),
    min_size=1,
    max_size=4,
)
"""Where (as a share of the file), and the bytes to put there or the bits to flip."""


def patched(content: bytes, changes: list[tuple[float, bytes | int]]) -> bytes:
    mutated = bytearray(content)
    for share, change in changes:
        position = int(share * len(mutated))
        if isinstance(change, int):
            mutated[position] ^= change
        else:
            mutated[position : position + len(change)] = change
    return bytes(mutated)


def outcome(content: bytes) -> Recording | None:
    """Return what is loaded from a file of `content`, None if it is refused as it should be."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "a.lscope"
        path.write_bytes(content)
        try:
            return load(path)
        except UnreadableFile as error:
            assert str(error).isprintable()
            assert error.remedy
            return None


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CONTENTS)), patches)
def test_damage_is_noticed_or_harmless(
    version: int, changes: list[tuple[float, bytes | int]]
) -> None:
    loaded = outcome(patched(GOOD[version], changes))

    assert loaded is None or same(loaded, CONTENTS[version])


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(MEMBERS)), patches)
def test_tampering_with_right_digests_never_gets_further_than_an_error(
    name: str, changes: list[tuple[float, bytes | int]]
) -> None:
    changed = {**MEMBERS, name: patched(MEMBERS[name], changes)}
    if name != "manifest.json":
        changed = with_digests(changed)

    loaded = outcome(packed(changed))

    assert loaded is None or loaded.censuses


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([b"", GOOD[2][:30], GOOD[2][-22:]]))
def test_arbitrary_bytes_are_refused(content: bytes, piece: bytes) -> None:
    for mixed in (content + piece, piece + content):
        assert outcome(mixed) is None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    find_spec("atheris") is None,
    reason="atheris is not installed: pip install 'leakscope-toolkit[fuzz]'",
)
def test_a_fuzzer_guided_by_coverage_finds_nothing(tmp_path: Path) -> None:
    runs = 2000
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.storage.fuzz_loader"),
            *(f"-runs={runs}", f"-artifact_prefix={tmp_path}/"),
        ],
        cwd=SNAPSHOTS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"Done {runs} runs" in done.stderr


def test_a_forged_footer_never_takes_the_process_along() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.footer_fuzz", "1", "10000"],
        cwd=SNAPSHOTS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    refused = re.fullmatch(r"10000 read, (\d+) refused\n", done.stdout)
    assert refused and int(refused[1]) > 5000
