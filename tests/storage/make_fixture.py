"""Writes the fixture of this format version, `fixtures/snapshots/v….lscope`.

It does so once: a file that is there is never rewritten.

python -m tests.storage.make_fixture
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leakscope.storage.files import save
from leakscope.storage.manifest import FORMAT_VERSION, Host
from tests.storage.recordings import sample_heaps, sample_heaps_with_calls, sample_recording

SNAPSHOTS = Path(__file__).resolve().parents[2] / "fixtures" / "snapshots"
HOST = Host(name="build-host", system="Linux", release="6.1.0", machine="x86_64")

CONTENTS = {
    1: sample_recording(),
    2: replace(sample_recording(), heaps=sample_heaps()),
    3: replace(sample_recording(), heaps=sample_heaps_with_calls()),
}
"""What the file of each version holds."""


def fixture(version: int) -> Path:
    """Return the file of a version."""
    return SNAPSHOTS / f"v{version}.lscope"


if __name__ == "__main__":
    save(CONTENTS[FORMAT_VERSION], fixture(FORMAT_VERSION), host=HOST)
