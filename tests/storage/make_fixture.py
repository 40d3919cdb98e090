"""Writes `fixtures/snapshots/v1.lscope`, once per format version; never rewrite a released one.

python -m tests.storage.make_fixture
"""

from __future__ import annotations

from pathlib import Path

from leakscope.storage.files import save
from leakscope.storage.manifest import FORMAT_VERSION, Host
from tests.storage.recordings import sample_recording

SNAPSHOTS = Path(__file__).resolve().parents[2] / "fixtures" / "snapshots"
HOST = Host(name="build-host", system="Linux", release="6.1.0", machine="x86_64")

if __name__ == "__main__":
    save(sample_recording(), SNAPSHOTS / f"v{FORMAT_VERSION}.lscope", host=HOST)
