"""Run `leakscope check` as the inputs of the action say: `run.py LEAKSCOPE`.

Inputs come as environment variables `CHECK_…` and go on as words of a command line, never through a
shell. The exit status of the check is an output of the step; the step itself fails only if there
was nothing to run. Needs nothing but the standard library.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_SINGLE = ("load", "baseline", "rounds", "work", "every", "for")
_REPORTS = {"markdown": "summary.md", "junit": "junit.xml", "sarif": "leakscope.sarif"}
_REPORTS["json"] = "report.json"


def command(leakscope: str, inputs: Mapping[str, str], reports: Path) -> list[str]:
    """Return the words of the command line; reports go to files in `reports`."""
    words = [leakscope, "check"]
    for name in _SINGLE:
        value = _input(inputs, name)
        if value:
            words.append(f"--{name}={value}")
    for name in ("url", "max-growth"):
        words += [f"--{name}={line}" for line in _lines(inputs, name)]
    words += [f"--{name}={reports / file}" for name, file in _REPORTS.items()]
    words += _lines(inputs, "args")
    return [*words, "--", *shlex.split(_input(inputs, "server"))]


def main() -> int:
    """Run the check, add its summary to the job's, tell the exit status and the reports."""
    reports = Path(tempfile.mkdtemp(prefix="leakscope-", dir=os.environ.get("RUNNER_TEMP")))
    words = command(sys.argv[1], os.environ, reports)
    own = {name: value for name, value in os.environ.items() if not name.startswith("CHECK_")}
    status = subprocess.run(words, env=own, check=False).returncode
    summary = reports / _REPORTS["markdown"]
    if summary.exists():
        _append("GITHUB_STEP_SUMMARY", summary.read_text(encoding="utf-8"))
    else:
        _append(
            "GITHUB_STEP_SUMMARY",
            f"## leakscope: no report\n\nExit status {status}: see the log.\n",
        )
    told = {"exit-code": str(status), "reports": str(reports)}
    told |= {name: str(reports / file) for name, file in _REPORTS.items()}
    _append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in told.items()))
    return 0


def _input(inputs: Mapping[str, str], name: str) -> str:
    return inputs.get("CHECK_" + name.upper().replace("-", "_"), "").strip()


def _lines(inputs: Mapping[str, str], name: str) -> list[str]:
    return [line.strip() for line in _input(inputs, name).splitlines() if line.strip()]


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
