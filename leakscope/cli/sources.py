"""Commands that are asked about a process or about a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from leakscope.cli.arguments import pid_or_file
from leakscope.cli.console import progress

if TYPE_CHECKING:
    from leakscope.watching.captures import CaptureChoice

_Told = Callable[[str], None]
_Answer = TypeVar("_Answer")


def asked_of(
    source: str,
    capture_kind: str,
    what: str,
    *,
    stages: int,
    process: Callable[[int, CaptureChoice, _Told], _Answer],
    file: Callable[[Path, _Told], _Answer],
) -> _Answer:
    """Return what the process or the file says that `source` names, with a bar as `progress` has.

    `what` is asked for, in words for where that needs code in the target and none is to run there.
    """
    from leakscope.watching.captures import CaptureChoice, require_code

    target = pid_or_file(source)
    with progress(stages) as told:
        if isinstance(target, int):
            choice = CaptureChoice(capture_kind)
            require_code(choice, what)
            return process(target, choice, told)
        return file(target, told)
