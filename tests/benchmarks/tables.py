"""Figures as Markdown tables, and the machine that they were taken on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import psutil


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that ends with a newline."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def machine() -> str:
    """Return one line on where figures were taken."""
    model = re.search(r"^model name\s*: (.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    cores = os.cpu_count() or 1
    memory = psutil.virtual_memory().total / 2**30
    huge = re.search(r"\[(\w+)\]", _read("/sys/kernel/mm/transparent_hugepage/enabled"))
    return (
        f"{cores} cores ({model[1] if model else platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, transparent huge pages: "
        f"{huge[1] if huge else 'unknown'}, {platform.python_implementation()} "
        f"{platform.python_version()}, load average {os.getloadavg()[0]:.1f}"
    )


def count(number: float) -> str:
    """Return a number of objects in millions."""
    return f"{number / 1e6:.{1 if number >= 500_000 else 2}f} M"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
