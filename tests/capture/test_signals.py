"""Signals reach a child, whatever handlers their receiver has of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from queue import Queue

import pytest

from leakscope.capture.signals import held_back, passed_on, terminal_signals_group

DEADLINE_S = 30


@pytest.fixture(autouse=True)
def handlers_stay_as_they_were() -> Iterator[None]:
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in watched]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    yield
    assert [signal.getsignal(number) for number in watched] == before
    assert signal.set_wakeup_fd(wakeup) == wakeup


def test_a_signal_that_only_the_child_knows_is_passed_on_and_does_nothing_here() -> None:
    sent: Queue[signal.Signals] = Queue()
    with passed_on(sent.put):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGUSR1)

        received = {sent.get(timeout=DEADLINE_S), sent.get(timeout=DEADLINE_S)}

    assert received == {signal.SIGHUP, signal.SIGUSR1}


def test_an_ending_signal_is_passed_on_and_interrupts() -> None:
    sent: Queue[signal.Signals] = Queue()
    with pytest.raises(KeyboardInterrupt), passed_on(sent.put):
        signal.raise_signal(signal.SIGTERM)

    assert sent.get(timeout=DEADLINE_S) == signal.SIGTERM


def test_a_handler_that_the_caller_installs_later_is_run_too() -> None:
    sent: Queue[signal.Signals] = Queue()
    handled = []
    with passed_on(sent.put):
        previous = signal.signal(signal.SIGINT, lambda number, _frame: handled.append(number))
        signal.raise_signal(signal.SIGINT)
        signal.signal(signal.SIGINT, previous)

        assert sent.get(timeout=DEADLINE_S) == signal.SIGINT
    assert handled == [signal.SIGINT]


def test_other_signals_are_not_the_childs_business() -> None:
    sent: Queue[signal.Signals] = Queue()
    previous = signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    with passed_on(sent.put):
        signal.raise_signal(signal.SIGALRM)
        signal.raise_signal(signal.SIGHUP)

        assert sent.get(timeout=DEADLINE_S) == signal.SIGHUP
    signal.signal(signal.SIGALRM, previous)


def test_an_ignored_signal_stays_ignored() -> None:
    sent: Queue[signal.Signals] = Queue()
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with passed_on(sent.put):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGUSR1)

        assert sent.get(timeout=DEADLINE_S) == signal.SIGUSR1
    signal.signal(signal.SIGHUP, previous)


def test_an_ending_signal_is_held_back_until_the_work_is_done() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")

    assert done == ["all of it"]


def test_outside_the_main_thread_nothing_is_touched() -> None:
    entered = []

    def enter() -> None:
        with held_back(), passed_on(lambda _number: None):
            entered.append(signal.getsignal(signal.SIGHUP))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert entered == [signal.SIG_DFL]


def test_no_terminal_signals_a_group_that_is_not_in_its_foreground() -> None:
    assert not terminal_signals_group(2**22 + 1)
