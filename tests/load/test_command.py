"""A load command is run to its end, once for each round."""

from __future__ import annotations

import shlex
import sys
import threading
from pathlib import Path

import pytest

from leakscope.load.command import CommandLoad, LoadNeverEnds, LoadNotFound
from leakscope.load.counted import Counting
from leakscope.load.interface import LoadFailed
from leakscope.load.loop import load_running


def python(source: str) -> str:
    return shlex.join([sys.executable, "-c", source])


def load(source: str, *, within: float = 60.0) -> CommandLoad:
    return CommandLoad(python(source), within=within)


def test_one_run_is_one_round_and_says_how_much_it_did() -> None:
    served = load("print('40 requests in 1s')").run_round(0)

    assert (served.asked, served.landed) == (40, 40)


def test_a_run_reads_the_number_of_its_round() -> None:
    served = load("import os; print(os.environ['LEAKSCOPE_ROUND'], 'requests in 1s')").run_round(3)

    assert served.landed == 3


def test_a_command_that_says_nothing_has_an_unknown_number_of_requests() -> None:
    served = load("").run_round(0)

    assert (served.asked, served.landed) == (None, None)


def test_a_count_may_be_found_by_a_pattern() -> None:
    command = python("print('delivered 7')")

    served = CommandLoad(command, within=60, counting=Counting.by(r"delivered (\d+)")).run_round(0)

    assert served.landed == 7


def test_a_command_that_fails_is_shown_with_its_last_words() -> None:
    with pytest.raises(LoadFailed, match=r"(?s)status 9.*no route") as failed:
        load("print('no route'); raise SystemExit(9)").run_round(0)

    assert "by itself" in failed.value.remedy


def test_a_command_without_an_end_is_ended_and_told(tmp_path: Path) -> None:
    flag = tmp_path / "ended"
    source = (
        "import signal, sys, pathlib, threading\n"
        f"def end(*_): pathlib.Path({str(flag)!r}).touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('still at it', flush=True)\n"
        "while True: signal.pause()\n"
    )

    with pytest.raises(LoadNeverEnds, match=r"(?s)still runs.*still at it") as failed:
        load(source, within=2.0).run_round(0)

    assert flag.exists()
    assert "--for" in failed.value.remedy


@pytest.mark.parametrize("command", ["", "   ", "no-such-load-command -x", "'unbalanced"])
def test_a_command_that_can_not_be_is_a_usage_error(command: str) -> None:
    with pytest.raises(LoadNotFound) as refused:
        CommandLoad(command, within=1)

    assert refused.value.exit_code == 2


def test_stopping_ends_the_round_and_those_that_follow(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"import signal\nopen({str(started)!r}, 'w').close()\nwhile True: signal.pause()\n"
    endless = load(source)
    rounds = threading.Thread(target=endless.run_round, args=(0,))
    rounds.start()
    while not started.exists():
        rounds.join(0.01)
    endless.stop()
    rounds.join(30)

    assert not rounds.is_alive()
    assert endless.run_round(1).landed is None


def test_a_loop_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    written = tmp_path / "rounds"
    source = f"open({str(written)!r}, 'a').write('x')"

    with load_running(load(source)) as loop:
        while not written.exists() or len(written.read_text()) < 3:
            assert loop.failure is None

    assert not loop.failed()


def test_a_loop_ends_with_the_round_that_fails() -> None:
    with load_running(load("raise SystemExit(3)")) as loop:
        while not loop.failed():
            pass

    assert isinstance(loop.failure, LoadFailed)
