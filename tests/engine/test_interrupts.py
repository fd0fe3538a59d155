"""Ctrl-C at every single instruction, one after the other: nothing that was in force for a while stays in force."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from contextvars import copy_context
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tinygrad_rnn import (
    RNN,
    RNNCell,
    ScalarRNNCell,
    Value,
    anatomy,
    detect_anomaly,
    gradcheck,
    no_grad,
    paths,
    time_step,
    trace_creation,
    unroll,
)
from tinygrad_rnn.engine import passes
from tinygrad_rnn.engine.backward import gradients, topological_order
from tinygrad_rnn.engine.recording import Scope, call_at, current
from tinygrad_rnn.support.collector import collector_paused
from tinygrad_rnn.support.locks import lock, unlock
from tinygrad_rnn.sweep import ProcessPool, sweep
from tinygrad_rnn.train.listening import Listening
from tinygrad_rnn.train.loop import ENDING

#: The finalizer of a generator swallows an interrupt.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def interrupted_at(instruction: int, job: Callable[[], object]) -> tuple[bool, BaseException | None]:
    """Run a job until Python is about to carry out an instruction.

    Instructions of C code are not counted, since no interrupt falls there.

    Returns:
        whether it came so far, and the KeyboardInterrupt, unless a finalizer has swallowed it.
    """
    number = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal number
        frame.f_trace_opcodes = True
        if event in ("call", "opcode"):
            number += 1
            if number == instruction:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        job()
    except KeyboardInterrupt as error:
        return True, error
    finally:
        sys.settrace(before)
    return number >= instruction, None


def what_stayed() -> str | None:
    if current() != Scope():
        return str(current())
    if passes.observers():
        return str(passes.observers())
    return None if gc.isenabled() else "the collector is off"


CELL = ScalarRNNCell()
NETWORK = RNN(1, 1)
RECORDS_NOTHING, OF_STEP_7 = no_grad(), time_step(7)


def with_statement() -> None:
    with no_grad():
        Value(1.0) * 2.0


def several_at_once() -> None:
    with time_step(3), no_grad(), trace_creation():
        Value(1.0) * 2.0


def the_same_again_within_itself() -> None:
    with RECORDS_NOTHING:
        with RECORDS_NOTHING:
            pass


def an_error_inside() -> None:
    try:
        with time_step(3):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass


def an_exit_stack() -> None:
    with ExitStack() as stack:
        stack.enter_context(no_grad())


def a_generator() -> None:
    def numbers() -> Iterator[int]:
        with no_grad():
            yield 1
            yield 2

    list(numbers())


def a_pause() -> None:
    with collector_paused():
        pass


@OF_STEP_7
def decorated() -> None:
    Value(1.0) * 2.0


@no_grad()
def decorated_generator() -> Iterator[int]:
    yield 1
    yield 2


def of_a_bad_gradient() -> None:
    with detect_anomaly():
        (Value(1.0) * 2.0).backward()


JOBS: dict[str, Callable[[], object]] = {
    "a with statement": with_statement,
    "several at once": several_at_once,
    "the same again within itself": the_same_again_within_itself,
    "an error inside": an_error_inside,
    "an exit stack": an_exit_stack,
    "a generator": a_generator,
    "a decorated function": decorated,
    "a decorated generator": lambda: list(decorated_generator()),
    "a call at a time step": lambda: call_at(3, decorated),
    "unroll": lambda: unroll(CELL, [0.1, 0.2]),
    "unroll within no_grad": lambda: RECORDS_NOTHING(unroll)(CELL, [0.1]),
    "a network": lambda: NETWORK([[0.1]]),
    "detect_anomaly": of_a_bad_gradient,
    "the collector": a_pause,
}


#: Where a traceback that is kept keeps what is still within the context: an ExitStack, or a generator that waits.
DROPPED = {"an exit stack", "a generator"}


@pytest.mark.parametrize("name", JOBS)
def test_no_instruction_at_which_an_interrupt_leaves_anything_in_force(name: str) -> None:
    caught: BaseException | None = None  # keeps frames alive, as sys.last_traceback does

    def once(instruction: int) -> tuple[bool, str | None]:
        nonlocal caught
        came_so_far, caught = interrupted_at(instruction, JOBS[name])
        if caught is not None and name in DROPPED:
            caught.__traceback__ = None
            if what_stayed():
                gc.collect()
        return came_so_far, what_stayed()

    failures = {}
    came_so_far, instruction = True, 0
    while came_so_far:
        instruction += 1
        came_so_far, what = copy_context().run(once, instruction)
        if what is not None:
            failures[instruction] = what
    assert not failures
    assert instruction > 20
    assert what_stayed() is None


def test_no_instruction_at_which_an_interrupt_leaves_a_number_as_gradcheck_shifts_it() -> None:
    a, b = Value(0.5, label="a"), Value(0.25, label="b")
    came_so_far, instruction = True, 0
    while came_so_far:
        instruction += 1
        came_so_far, _ = interrupted_at(instruction, lambda: gradcheck(lambda a, b: a * b, [a, b]))
        assert (a.data, b.data) == (0.5, 0.25), instruction
    assert instruction > 300


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_no_instruction_at_which_an_interrupt_leaves_ctrl_c_blocked_in_a_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = ProcessPool(1)
    monkeypatch.setattr(pool._pool, "schedule", lambda *_: Future())
    monkeypatch.setattr("multiprocessing.resource_tracker.ensure_running", lambda: None)
    came_so_far, instruction = True, 0
    while came_so_far:
        instruction += 1
        came_so_far, _ = interrupted_at(instruction, lambda: pool.submit(abs, 1))
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ()), instruction
    assert instruction > 30
    pool.shutdown()


def test_no_instruction_at_which_an_interrupt_leaves_a_state_half_loaded() -> None:
    cell = RNNCell(2, 2)
    before, other = cell.state_dict(), RNNCell(2, 2, seed=1).state_dict()
    came_so_far, instruction, states = True, 0, []
    while came_so_far:
        instruction += 1
        cell.load_state_dict(before)
        came_so_far, _ = interrupted_at(instruction, lambda: cell.load_state_dict(other))
        states.append(cell.state_dict())
    assert all(state in (before, other) for state in states)
    assert states[0] == before
    assert states[-1] == other


def test_no_instruction_at_which_an_interrupt_leaves_signals_listened_for() -> None:
    def listen() -> None:
        with Listening(ENDING, [], False):
            assert [signal.getsignal(signum) for signum in ENDING] != before

    before = [signal.getsignal(signum) for signum in ENDING]
    came_so_far, instruction = True, 0
    while came_so_far:
        instruction += 1
        came_so_far, _ = interrupted_at(instruction, listen)
        assert [signal.getsignal(signum) for signum in ENDING] == before, instruction
    assert instruction > 30


def test_no_instruction_at_which_an_interrupt_leaves_the_file_of_a_sweep_locked(tmp_path: Path) -> None:
    """Also in a notebook, which keeps the traceback."""
    path, kept = tmp_path / "s", None
    came_so_far, instruction = True, 0
    while came_so_far:
        instruction += 7  # of some thousands
        path.unlink(missing_ok=True)
        came_so_far, kept = interrupted_at(instruction, lambda: sweep(nothing, [()], file=path, progress=False))
        with path.open("ab") as file:
            assert lock(file), instruction
            unlock(file)
    del kept
    assert instruction > 1000


def nothing(seed: int) -> dict[str, Any]:
    return {}


def test_an_error_of_a_submission_is_raised() -> None:
    pool = ProcessPool(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(abs, 1)


def borrowing() -> dict[str, Callable[[Value], object]]:
    return {
        "gradients": lambda loss: gradients(loss, [UNROLLED.h[0]]),
        "anatomy": lambda loss: anatomy(UNROLLED, loss, UNROLLED.h[0]),
        "paths": lambda loss: paths(loss, UNROLLED.h[0]),
    }


UNROLLED = unroll(lambda x, h: x * h, [Value(0.1)], Value(0.2))


@pytest.mark.parametrize("name", borrowing())
def test_no_instruction_at_which_an_interrupt_changes_gradients_that_are_borrowed(name: str) -> None:
    loss = UNROLLED.h[1] * 2.0
    loss.backward()
    nodes = topological_order(loss)
    before = [node.grad for node in nodes]
    came_so_far, instruction = True, 0
    while came_so_far:
        instruction += 1
        came_so_far, _ = interrupted_at(instruction, lambda: borrowing()[name](loss))
        assert [node.grad for node in nodes] == before, instruction
    assert instruction > 300
