"""Nothing that comes in between lets native code leave its memory: no MemoryError, no other thread, no Ctrl-C.

What may crash the process is tried in a process of its own.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from tinygrad_rnn import Linear, RNNCell, ScalarRNNCell, Value, mse_loss
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector, compile, machine, native
from tinygrad_rnn.compile.boundary import Area
from tinygrad_rnn.errors import ArgumentError, CompileError, DataError, DomainError, ShapeError, TooLargeError
from tinygrad_rnn.support import memory


def output_of(code: str) -> str:
    """What a new process prints. It must end by itself."""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def small() -> Recurrence:
    return Recurrence(RNNCell(1, 2), Vector(1), mse_loss, Vector(1), Linear(2, 1))


X = [[[0.1]]]
RUNS = {compile: lambda p: p.forward_backward()[0], Recurrence: lambda p: p.forward_backward(X, X).loss}
USES = {
    compile: (
        *(lambda p: p.forward(), lambda p: p.forward_backward(), lambda p: p.backward()),
        *(lambda p: p.run_on_values(), lambda p: p.inspect()),
    ),
    Recurrence: (
        *(lambda p: p.forward(X, X), lambda p: p.forward_backward(X, X), lambda p: p.predict(X)),
        *(lambda p: p.read_parameters(), lambda p: p.inspect(X[0], X[0]), lambda p: p.ir),
    ),
}


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
@pytest.mark.parametrize(("kind", "use"), [(kind, use) for kind, uses in USES.items() for use in uses])
def test_a_signal_handler_cannot_wait_for_the_program_that_it_interrupts(kind, use, monkeypatch):
    program = compile(Value(0.5).tanh()) if kind is compile else small()
    expected, real, reached = RUNS[kind](program), machine.Machine.run, []

    def run(*args):
        signal.raise_signal(signal.SIGUSR1)
        return real(*args)

    before = signal.signal(signal.SIGUSR1, lambda *_: reached.append(use(program)))
    monkeypatch.setattr(machine.Machine, "run", run)
    try:
        with pytest.raises(CompileError, match="was used while this thread runs it"):
            RUNS[kind](program)
    finally:
        signal.signal(signal.SIGUSR1, before)
        monkeypatch.undo()
    assert not reached
    assert RUNS[kind](program) == expected


@pytest.mark.slow
def test_after_a_memory_error_a_program_runs_as_before():
    code = """
from tinygrad_rnn import Linear, mse_loss
from tinygrad_rnn.compile import Recurrence, Vector, boundary, machine
from tinygrad_rnn.nn import LSTMCell

def x(T):
    return [[[0.1]] * T]

real, left = boundary.doubles, 0

def doubles(count):
    global left
    left -= 1
    if left == 0:
        raise MemoryError
    return real(count)

program = Recurrence(LSTMCell(1, 4), Vector(1), mse_loss, Vector(1), Linear(4, 1))
machine.doubles = doubles
program.forward_backward(x(3), x(3))
expected = {T: list(program.forward_backward(x(T), x(T)).gradients) for T in (3, 3000)}
failed = 0
while True:
    program = Recurrence(LSTMCell(1, 4), Vector(1), mse_loss, Vector(1), Linear(4, 1))
    program.forward_backward(x(3), x(3))
    left = failed + 1
    try:
        program.forward_backward(x(3000), x(3000))
        break
    except MemoryError:
        failed += 1
    left = 0
    for T in (3, 3000):
        assert list(program.forward_backward(x(T), x(T)).gradients) == expected[T]
print(failed)
"""
    assert int(output_of(code)) >= 8  # as many as there are regions


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_where_llvm_would_run_out_of_memory_it_is_not_begun():
    """It would end the process."""
    code = """
import resource
from tinygrad_rnn import Linear, mse_loss
from tinygrad_rnn.compile import Recurrence, Vector
from tinygrad_rnn.errors import TooLargeError
from tinygrad_rnn.nn import LSTMCell

def run():
    program = Recurrence(LSTMCell(1, 2), Vector(1), mse_loss, Vector(1), Linear(2, 1))
    return program.forward_backward([[[0.1]] * 3], [[[0.1]] * 3]).loss

expected = run()
pages = int(open("/proc/self/statm").read().split()[0])
for megabytes in (2, 8):
    most = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    try:
        run()
    except TooLargeError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert run() == expected
"""
    assert output_of(code).count("the length of the code = ") == 2


@pytest.mark.parametrize("kind", [Vector, Symbols])
def test_an_input_that_does_not_fit_into_memory_is_refused_before_it_is_traced(kind, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    with pytest.raises(TooLargeError, match=f"{kind.__name__} of size = 1,000,000,000 takes about 512 GB"):
        kind(10**9)


def test_memory_that_nobody_has_is_a_memory_error_with_a_remedy():
    from tinygrad_rnn.compile.boundary import doubles

    with pytest.raises(MemoryError, match="shorter window"):
        doubles(10**17)
    with pytest.raises(MemoryError, match="shorter window"):
        doubles(10**30)


def test_whole_numbers_that_another_thread_changes_after_their_check():
    code = """
import array
from tinygrad_rnn import RNNCell, mse_loss
from tinygrad_rnn.compile import Recurrence, Symbols, Vector, machine

program = Recurrence(RNNCell(4, 2), Symbols(4), mse_loss, Vector(2))
numbers = array.array("q", [1, 2, 3])
x, target = memoryview(numbers).cast("B").cast("q", (1, 3)), [[[0.1, 0.2]] * 3]
expected = list(program.forward_backward(x, target).gradients)
run = machine.Machine.run

def after_a_change(*arguments):
    numbers[:] = array.array("q", [10**12] * 3)
    return run(*arguments)

machine.Machine.run = after_a_change
print(list(program.forward_backward(x, target).gradients) == expected)
"""
    assert output_of(code) == "True\n"


@pytest.mark.slow
def test_the_process_may_end_while_a_thread_runs_compiled_code():
    code = """
import threading
from tinygrad_rnn import RNNCell, mse_loss
from tinygrad_rnn.compile import Recurrence, Vector

program = Recurrence(RNNCell(1, 2), Vector(1), mse_loss, Vector(2))
x, target, under_way = [[[0.1]] * 20_000], [[[0.1, 0.2]] * 20_000], threading.Event()

def for_ever():
    while True:
        program.forward_backward(x, target)
        under_way.set()

threading.Thread(target=for_ever, daemon=True).start()
under_way.wait()
"""
    for _ in range(3):
        assert output_of(code) == ""


def test_an_area_that_is_too_small_never_reaches_native_code(monkeypatch):
    program = small()
    x = [[[0.1]] * 3]
    program.forward(x, x)
    machine = program._machine(1)
    monkeypatch.setattr(machine, "_run", lambda address: pytest.fail("native code was called"))
    (plan,) = program._plans.values()
    rooms = [len(program.parameters), 3, 3, 2, 2, 2, len(program.parameters), 1, 0]
    for missing in range(8):
        areas = [Area(1, room - (place == missing)) for place, room in enumerate(rooms)]
        with pytest.raises(ShapeError, match="room"):
            machine.run(plan, 1, 1.0, areas)
    with pytest.raises(ShapeError, match="functions"):
        machine.run(plan._replace(functions=[([0], [100])]), 1, 1.0, [Area(1, room) for room in rooms])


@pytest.mark.parametrize("lanes", [65, 70_000, 10**9])
def test_more_lanes_than_llvm_bears(lanes):
    with pytest.raises(ArgumentError, match="at most 64"):
        Recurrence(ScalarRNNCell(), Number(), mse_loss, Number(), lanes=lanes)


@pytest.mark.parametrize("truncation", [None, 10])
def test_what_does_not_fit_into_memory_is_refused_before_it_is_allocated(monkeypatch, truncation):
    program = Recurrence(ScalarRNNCell(), Number(), mse_loss, Number())
    expected = program.forward_backward([[1.0]], [[0.5]]).loss
    with monkeypatch.context() as patched:
        patched.setattr(memory, "available_memory", lambda: 20_000)
        patched.setattr(memory, "UNCHECKED", 0)
        xs = [[0.5] * 5000]
        with pytest.raises(TooLargeError, match=r"^T = 5,000 takes about .* kB of memory, and 20 kB are free. Up to"):
            program.forward_backward(xs, xs, window=truncation)
    assert program.forward_backward([[1.0]], [[0.5]]).loss == expected


def test_ctrl_c_never_falls_into_llvmlite(monkeypatch):
    binding, finished = native.llvm(), threading.Event()
    parse, handler = binding.parse_assembly, signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        module = parse(*arguments)
        finished.set()
        return module

    root = Value(0.5).tanh()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(binding, "parse_assembly", interrupted)
            with pytest.raises(KeyboardInterrupt):
                compile(root)
            assert finished.wait(30)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert compile(root).forward() == root.data


def test_ctrl_c_while_a_thread_starts_is_no_other_error(monkeypatch):
    def start(thread):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    root = Value(0.5).tanh()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            compile(root)
    assert compile(root).forward() == root.data


# ---- Ctrl-C in the middle of a run of a graph ----------------------------------------------------------------


def interrupt(program, monkeypatch, run):
    """Let Ctrl-C fall where native code would be called."""
    with monkeypatch.context() as patched:

        def interrupted(address):
            raise KeyboardInterrupt

        patched.setattr(program._machine, "_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run()


def test_an_interrupted_run_leaves_nothing_to_the_next_one(monkeypatch):
    a = Value(3.0)
    program = compile(a * a)
    a.grad = 100.0
    interrupt(program, monkeypatch, program.run_on_values)
    assert (a.data, a.grad) == (3.0, 100.0)
    assert list(program.forward_backward([2.0])[1]) == [4.0]


def test_backward_is_never_of_a_run_that_did_not_come_to_its_end(monkeypatch):
    program = compile(Value(4.0).sqrt())
    program.forward([9.0])
    interrupt(program, monkeypatch, lambda: program.forward([1.0]))
    with pytest.raises(ArgumentError, match="before forward"):
        program.backward()
    with pytest.raises(DomainError):
        program.forward([-1.0])
    with pytest.raises(ArgumentError, match="before forward"):
        program.backward()


def test_an_input_that_is_refused_leaves_the_run_before_as_it_was():
    program = compile(Value(3.0) * Value(5.0))
    program.forward([2.0, 7.0])
    with pytest.raises(ShapeError):
        program.forward([2.0])
    assert list(program.backward()) == [7.0, 2.0]


@pytest.mark.parametrize("h0", [5, [1.0], [1.0, 2.0, 3.0], [], [math.nan, 0.0]])
def test_the_eager_twin_takes_no_other_initial_state_than_the_program(h0: Any) -> None:
    """Entries too many went unnoticed."""
    program = Recurrence(RNNCell(1, 2), Vector(1), mse_loss, Vector(2))
    for run in (program.eager, program.inspect):
        with pytest.raises((ShapeError, DataError), match=r"h_?0"):
            run([[0.1]], [[0.2, 0.3]], h0)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"cell": 5, "h0": 0.0}, "cell is 5: cell must be a Cell"),
        ({"readout": "V"}, "readout is 'V': readout must be a function"),
        ({"loss": 5}, "loss is 5: loss must be a function"),
    ],
)
def test_what_is_no_function_is_named(arguments: dict[str, Any], what: str) -> None:
    whole: dict[str, Any] = {"cell": ScalarRNNCell(), "x": Number(), "loss": mse_loss, "target": Number(), **arguments}
    with pytest.raises(ArgumentError) as raised:
        Recurrence(**whole)
    assert f"{raised.value.what}: {raised.value.remedy}".startswith(what)
