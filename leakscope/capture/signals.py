"""Passing signals on to a child while the caller goes on handling them in its own way.

Python's wakeup descriptor tells of every signal that has a Python handler, whichever that is. So a
caller may install handlers of its own in the meantime, and the child still gets every signal.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

KEYBOARD = frozenset({signal.SIGINT, signal.SIGQUIT})
"""The terminal sends these to the whole foreground process group by itself."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
_PASSING = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def held_back() -> Iterator[None]:
    """Deliver signals that would end this process only on leaving: nothing is left half done.

    Does nothing outside the main thread, which alone may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    previous = {
        number: signal.signal(number, lambda received, _frame: seen.append(received))
        for number in _ENDING
        if signal.getsignal(number) is not None
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for received in seen:
            signal.raise_signal(received)


@contextmanager
def passed_on(send: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `send` with every signal that asks this process to do something, until left.

    Ending signals that nobody handles raise `KeyboardInterrupt` in the caller besides; SIGHUP,
    SIGUSR1 and SIGUSR2 are passed on and nothing else. Signals ignored from the start (nohup) stay
    ignored. `send` runs in another thread. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=_forward, args=(reader, send), name="signals", daemon=True)
    thread.start()
    previous_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    installed = _install_handlers()
    try:
        yield
    finally:
        for number, handler in installed.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_fd)
        writer.close()
        thread.join()
        reader.close()


def _install_handlers() -> dict[signal.Signals, signal.Handlers]:
    """Handle the signals that have their default action; return what to restore."""
    installed: dict[signal.Signals, signal.Handlers] = {}
    for number in (*_ENDING, *_PASSING):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt if number in _ENDING else _nothing)
            installed[number] = signal.SIG_DFL
    return installed


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the wakeup descriptor tell of the signal; without a handler it would not."""


def _forward(reader: socket.socket, send: Callable[[signal.Signals], None]) -> None:
    while numbers := reader.recv(64):
        for number in numbers:
            if number in (*_ENDING, *_PASSING):
                send(signal.Signals(number))


def terminal_signals_group(group: int) -> bool:
    """Return whether our terminal, if any, sends its keyboard signals to this process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == group
    except OSError:
        return False
    finally:
        os.close(terminal)
