"""A command is started as it is, and the Python in it is found, whatever it hides behind."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from leakscope.capture.launch import (
    CommandNotRun,
    ExitedBeforeReady,
    NoInterpreterUp,
    launch,
)
from leakscope.capture.process import identify
from leakscope.capture.runtime import is_initialized
from leakscope.errors import ExitCode
from tests.pythons import Interpreter, interpreters
from tests.targets import eventually, read_line, spawn

PYTHON = sys.executable
FOREVER = "import threading; threading.Event().wait()"

SAY = """
import os
def say(*words):  # a line at once: two processes write to one pipe
    os.write(1, (' '.join(map(str, words)) + chr(10)).encode())
"""

SUPERVISOR = f"""{SAY}
import sys
sys.path[:0] = sys.argv.pop(1).split('|')
from leakscope.capture.launch import launch
with launch(sys.argv[2:], stop=sys.argv[1], stdout_to_stderr=False) as launched:
    news = ['ready', launched.identity.pid]
    while launched.returncode is None:
        try:
            if news:  # Who reads it may interrupt at once.
                told, news = news, []
                say(*told)
            launched.wait()
        except KeyboardInterrupt:
            say('interrupted')
say('status', launched.returncode)
"""

TELLS_ITS_SIGNALS = f"""{SAY}
import signal
def tell(number, frame):
    say('got', signal.Signals(number).name)
    if number == signal.SIGTERM:
        raise SystemExit(9)
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, tell)
say('listening')
while True:
    signal.pause()
"""


def supervisor(stop: str, *argv: str) -> list[str]:
    """Return arguments for a Python that launches `argv` and tells of it."""
    paths = "|".join(path for path in (*sys.path, str(Path.cwd())) if path)
    return ["-c", SUPERVISOR, paths, stop, *argv]


@contextmanager
def supervised(stop: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` launched by another process, once both have come up."""
    with spawn(PYTHON, supervisor(stop, *argv), wait_for=None) as process:
        wait_until_both_are_up(process)
        yield process


def wait_until_both_are_up(process: subprocess.Popen[bytes]) -> None:
    told = {read_line(process).split()[0] for _ in range(2)}
    assert told == {"ready", "listening"}


def is_gone(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_a_launched_interpreter_is_up(interpreter: Interpreter) -> None:
    with launch([str(interpreter.path), "-I", "-S", "-c", FOREVER]) as launched:
        assert launched.identity == identify(launched.popen.pid)
        assert is_initialized(launched.identity.pid) is True
        assert launched.returncode is None


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", 'exec "$0" "$@"', PYTHON, "-c", FOREVER],
        ["env", "LANG=C", "nice", PYTHON, "-c", FOREVER],
    ],
    ids=["sh exec", "env nice"],
)
def test_a_python_that_is_execed_is_the_command_itself(argv: Sequence[str]) -> None:
    with launch(argv) as launched:
        assert launched.identity.pid == launched.popen.pid
        assert is_initialized(launched.identity.pid) is True


def test_a_python_that_is_spawned_is_found_below_the_command() -> None:
    with launch(["sh", "-c", f'"{PYTHON}" -c "{FOREVER}"; exit 3']) as launched:
        assert launched.identity.pid != launched.popen.pid
        assert psutil.Process(launched.identity.pid).ppid() == launched.popen.pid
    assert is_gone(launched.identity.pid)


def test_a_python_that_only_answers_a_question_of_the_launcher_is_not_the_service() -> None:
    script = f'"{PYTHON}" -c "print(1)" >/dev/null; "{PYTHON}" -c "{FOREVER}"; true'
    with launch(["sh", "-c", script]) as launched:
        assert FOREVER in psutil.Process(launched.identity.pid).cmdline()


def test_the_workers_of_a_service_are_not_taken_for_it_and_end_with_it() -> None:
    with launch([PYTHON, "-c", f"import os; os.fork(); {FOREVER}"]) as launched:
        service = psutil.Process(launched.popen.pid)
        eventually(lambda: bool(service.children()), "it has forked")
        worker = service.children()[0]

        assert launched.identity.pid == launched.popen.pid
    eventually(lambda: is_gone(worker.pid), "the worker has ended")


def test_the_command_starts_just_as_it_would_without_us(tmp_path: Path) -> None:
    tell = (
        "import json, os, sys; json.dump([sys.argv, dict(os.environ), os.getcwd(), sys.path,"
        "sys.flags.isolated, os.getpgrp()], open(sys.argv[1], 'w')); open(sys.argv[2]).read()"
    )
    told, go = tmp_path / "told", tmp_path / "go"
    os.mkfifo(go)
    command = [PYTHON, "-c", tell, str(told), str(go), "a b", "--", "-x"]
    with subprocess.Popen(command):
        go.write_text("")
    expected = json.loads(told.read_text())
    told.unlink()

    with launch(command, stop="wait"):
        go.write_text("")

    assert json.loads(told.read_text()) == expected


def test_its_output_goes_to_stderr_and_not_into_the_report(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    code = "import sys; print('from the service', flush=True); open(sys.argv[1]).read()"
    with launch([PYTHON, "-c", code, str(tmp_path / "go")], stop="wait"):
        (tmp_path / "go").write_text("")

    out, err = capfd.readouterr()
    assert out == ""
    assert "from the service" in err


def test_a_command_that_may_finish_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    code = "import sys; open(sys.argv[1]).read(); raise SystemExit(7)"
    with launch([PYTHON, "-c", code, str(tmp_path / "go")], stop="wait") as launched:
        (tmp_path / "go").write_text("")

    assert launched.returncode == 7


def test_a_signal_that_ended_it_is_told_as_a_shell_does() -> None:
    with launch([PYTHON, "-c", FOREVER]) as launched:
        os.kill(launched.popen.pid, signal.SIGKILL)

        assert launched.wait(30) == 128 + signal.SIGKILL


def test_what_ignores_sigterm_is_killed_in_time() -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"
    with launch([PYTHON, "-c", stubborn], stop_within=0.2) as launched:
        eventually(lambda: ignores_sigterm(launched.popen.pid), "it ignores SIGTERM")

    assert launched.returncode == 128 + signal.SIGKILL


def ignores_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("SigIgn:\t")[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1)


def test_an_error_in_the_caller_ends_the_command_too() -> None:
    with pytest.raises(ZeroDivisionError), launch([PYTHON, "-c", FOREVER], stop="wait") as launched:
        raise ZeroDivisionError

    assert launched.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-command-anywhere"], "command not found: 'no-such-command-anywhere'"),
        (["/"], "not permitted to run '/'"),
        ([], "no command"),
        ([""], "no command"),
        (["a\0b"], "cannot run"),
    ],
)
def test_a_command_that_cannot_run_is_a_usage_error(argv: list[str], said: str) -> None:
    with pytest.raises(CommandNotRun, match=said) as refused, launch(argv):
        pass

    assert refused.value.exit_code == ExitCode.USAGE
    assert refused.value.remedy


def test_a_script_whose_interpreter_is_missing_says_so(tmp_path: Path) -> None:
    script = tmp_path / "serve"
    script.write_text("#!/no/such/python\n")
    script.chmod(0o755)

    with (
        pytest.raises(CommandNotRun, match="names an interpreter that is not there"),
        launch([str(script)]),
    ):
        pass


@pytest.mark.parametrize(("command", "status"), [("exit 5", 5), ("kill -9 $$", 137)])
def test_a_command_that_ends_before_python_is_up_tells_its_status(
    command: str, status: int
) -> None:
    with (
        pytest.raises(ExitedBeforeReady, match=f"ended with status {status}") as refused,
        launch(["sh", "-c", command]),
    ):
        pass

    assert refused.value.exit_code == ExitCode.NOT_MEASURED


def test_a_command_that_never_becomes_python_is_given_up_and_ended() -> None:
    cat = shutil.which("cat") or "cat"
    with (
        pytest.raises(NoInterpreterUp, match=r"no Python came up in `sh .*cat /dev/zero"),
        launch(["sh", "-c", f"exec {cat} /dev/zero >/dev/null"], ready_within=0.3),
    ):
        pass


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1"])
def test_a_signal_is_passed_on_and_the_measurement_goes_on(name: str) -> None:
    with supervised("wait", PYTHON, "-c", TELLS_ITS_SIGNALS) as process:
        process.send_signal(signal.Signals[name])
        assert read_line(process) == f"got {name}"
        process.send_signal(signal.Signals[name])
        assert read_line(process) == f"got {name}"


def test_sigint_is_passed_on_and_interrupts_the_caller() -> None:
    with supervised("wait", PYTHON, "-c", TELLS_ITS_SIGNALS) as process:
        process.send_signal(signal.SIGINT)

        assert {read_line(process), read_line(process)} == {"got SIGINT", "interrupted"}


def test_sigterm_is_passed_on_and_its_exit_status_comes_back() -> None:
    with supervised("wait", PYTHON, "-c", TELLS_ITS_SIGNALS) as process:
        process.send_signal(signal.SIGTERM)
        said = {read_line(process) for _ in range(3)}

    assert said == {"got SIGTERM", "interrupted", "status 9"}


def test_a_signal_that_was_ignored_from_the_start_stays_ignored() -> None:
    arguments = supervisor("wait", PYTHON, "-c", TELLS_ITS_SIGNALS)
    with spawn("nohup", [PYTHON, *arguments], wait_for=None) as process:
        wait_until_both_are_up(process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR1)

        assert read_line(process) == "got SIGUSR1"


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")
def test_ctrl_c_in_a_terminal_reaches_the_command_once() -> None:
    controller, terminal = os.openpty()
    arguments = ["setsid", "--ctty", "--wait", PYTHON]
    arguments += supervisor("wait", PYTHON, "-c", TELLS_ITS_SIGNALS)
    process = subprocess.Popen(arguments, stdin=terminal, stdout=terminal)
    os.close(terminal)
    try:
        told = until_screen_shows(controller, rb"ready \d+\s", b"listening")
        service = int(re.findall(rb"ready (\d+)", told)[0])
        os.write(controller, b"\x03")
        told = until_screen_shows(controller, b"got SIGINT", b"interrupted")
        os.kill(psutil.Process(service).ppid(), signal.SIGUSR1)
        told += until_screen_shows(controller, b"got SIGUSR1")
        os.kill(service, signal.SIGTERM)
        until_screen_shows(controller, b"status 9")
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()
        os.close(controller)

    assert told.count(b"got SIGINT") == 1


def until_screen_shows(terminal: int, *patterns: bytes) -> bytes:
    """Return what a terminal shows until all of `patterns` are there."""
    shown = b""
    while not all(re.search(pattern, shown) for pattern in patterns):
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, shown
        shown += os.read(terminal, 4096)
    return shown
