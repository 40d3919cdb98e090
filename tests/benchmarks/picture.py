"""Draw the report of a recording as the terminal shows it: the picture in the README.

Run: `python -m tests.benchmarks.picture FILE.lscope docs/watch.svg`
"""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from leakscope.analysis.diagnose import diagnose
from leakscope.report.terminal import render_terminal
from leakscope.storage.files import load

WIDTH = 100


def main(recording: str, picture: str) -> None:
    """Write the report of `recording` to `picture`, an SVG file."""
    report = render_terminal(diagnose(load(Path(recording))), width=WIDTH, color=True)
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(report), soft_wrap=True)
    target = Path(picture)
    target.parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(str(target), title="leakscope watch")


if __name__ == "__main__":
    main(*sys.argv[1:])
