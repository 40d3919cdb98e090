"""Output held against files under `fixtures/golden`, which are reviewed like code.

`LEAKSCOPE_UPDATE_GOLDENS=1` writes them anew; without it a missing or different file fails.
"""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "fixtures" / "golden"
UPDATE = "LEAKSCOPE_UPDATE_GOLDENS"


def assert_golden(name: str, text: str) -> None:
    """Fail unless `text` is what `fixtures/golden/<name>` holds, to the byte."""
    path = GOLDEN / name
    content = text.encode("utf-8") + b"\n"
    if os.environ.get(UPDATE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return
    assert path.exists(), f"{path} is missing; {UPDATE}=1 writes it"
    assert content.decode() == path.read_bytes().decode(), f"{path} differs; {UPDATE}=1 rewrites it"
