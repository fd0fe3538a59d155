"""Ctrl-C while a program is made and used: parameters keep their numbers, and the next run gives the right ones."""

from __future__ import annotations

from itertools import count

from tinygrad_rnn import Linear, Value, mse_loss
from tinygrad_rnn.compile import Number, Recurrence, Vector, compile
from tinygrad_rnn.errors import ArgumentError, DomainError
from tinygrad_rnn.nn import LSTMCell

from . import Counts
from ._interrupts import interrupt

CELL, READOUT = LSTMCell(2, 4, seed=0), Linear(4, 1, seed=1)
X, Y = [[[0.1, 0.2]] * 6], [[[0.1]] * 6]
A, B = Value(0.5, label="a"), Value(0.25, label="b")


def make() -> Recurrence:
    """A program of the one model."""
    return Recurrence(CELL, Vector(2), mse_loss, Vector(1), READOUT)


PROGRAM, GRAPH = make(), compile((A * B + A).tanh())
FAILING = Recurrence(lambda x, h: (B / x) + h, Number(), lambda h: h * h, h0=0.5)
GROWING, LENGTHS = make(), count(1)
PARAMETERS = [*PROGRAM.parameters, A, B]
NUMBERS = [parameter.data for parameter in PARAMETERS]


def make_and_use() -> None:
    """A program is made, compiled and run."""
    make().forward_backward(X, Y)


def run() -> None:
    """A program of which the code is there already, by itself and in lanes."""
    PROGRAM.forward_backward(X * 9, Y * 9)


def run_longer() -> None:
    """A program that needs more memory every time."""
    T = next(LENGTHS)
    GROWING.forward([X[0] * T], [Y[0] * T])


def run_graph() -> None:
    """A graph, onto its Values and beside them."""
    GRAPH.run_on_values()
    GRAPH.forward_backward([0.1, 0.2])
    GRAPH.forward({A: 0.7})
    GRAPH.backward()


def fail() -> None:
    """A run whose error the eager engine raises."""
    try:
        FAILING.forward_backward([[1.0, 0.0]])
    except DomainError:
        return
    raise AssertionError("no error")


def look() -> None:
    """A run once more, to look at it."""
    PROGRAM.inspect(X[0], Y[0])


def results() -> list[object]:
    """What never changes."""
    run, graph = PROGRAM.forward_backward(X, Y), GRAPH.forward_backward([0.1, 0.2])
    numbers = [(p.data, p.label, p.time_step) for p in PARAMETERS]
    longer = GROWING.forward(X, Y).loss
    return [run.loss, list(run.gradients), graph[0], list(graph[1]), longer, numbers]


def half_of_a_graph() -> str | None:
    """The harm to a backward pass of which the forward pass may have been interrupted."""
    try:
        found = list(GRAPH.backward())
    except ArgumentError:
        return None
    known = [list(GRAPH.forward_backward(inputs)[1]) for inputs in ([0.1, 0.2], [0.7, B.data], [A.data, B.data])]
    return None if found in known else f"gradients {found} of no forward pass"


EXPECTED = repr(results())


def harm() -> str | None:
    """What is not as it was."""
    found = half_of_a_graph()
    if found is not None:
        return found
    for parameter in (A, B):
        parameter.zero_grad()
    now = repr(results())
    for parameter, number in zip(PARAMETERS, NUMBERS):
        parameter.data = number  # so that the next interrupt finds things in order
    return None if now == EXPECTED else f"{now:.300}"


def attack(seconds: float) -> Counts:
    """Interrupt."""
    jobs = {
        "made": make,
        "made and used": make_and_use,
        "run": run,
        "run longer": run_longer,
        "run a graph": run_graph,
        "fail": fail,
        "look": look,
    }
    return interrupt(jobs, harm, seconds)
