"""Ctrl-C within scopes: afterwards new Values are recorded and belong to no time step, and all else is as before.

What is attacked is as small as can be, so that most interrupts fall where something begins or ends.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

from tinygrad_rnn import LSTM, RNNCell, ScalarRNNCell, Value, detect_anomaly, no_grad, problem, time_step, unroll
from tinygrad_rnn.engine import passes
from tinygrad_rnn.engine.backward import gradients
from tinygrad_rnn.support.collector import collector_paused
from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import RecurrentNetwork, validate

from . import Counts
from ._interrupts import interrupt

CELL, INPUTS = ScalarRNNCell(), [0.1] * 3
LAYERS, VECTORS = LSTM(1, 2), [[0.1]] * 2
TASK = Latch(T=4)
NETWORK = RecurrentNetwork.for_task(TASK, "rnn", 1)
EXAMPLES = TASK.validation(1)


def unrolling() -> None:
    """Forward and backward."""
    unroll(CELL, INPUTS).h[3].backward()


@no_grad()
def decorated() -> None:
    """A function that records nothing."""
    Value(1.0) * 2.0


@no_grad()
def decorated_generator() -> Iterator[Value]:
    """A generator that records nothing."""
    yield Value(1.0) * 2.0


def of_a_loss_at_every_step() -> None:
    """A problem and its gradients."""
    posed = problem(CELL, [0.1, 0.2], [0.3, 0.4], at="every")
    gradients(posed.loss, [CELL.w])


def generation() -> None:
    """A network writes."""
    writing = NETWORK.generate([0, 0])
    next(writing)
    writing.send(0)


def no_grad_statement() -> None:
    """A scope in the user's own code, around hardly anything."""
    with no_grad():
        Value(1.0) * 2.0


def time_step_statement() -> None:
    """Another one."""
    with time_step(3):
        Value(1.0) * 2.0


def anomaly_statement() -> None:
    """A scope that also watches backward passes."""
    with detect_anomaly():
        pass


def pause() -> None:
    """The garbage collector is off for a while."""
    with collector_paused():
        pass


JOBS: dict[str, Callable[[], object]] = {
    "unroll and backward": unrolling,
    "LSTM(…)(inputs)": lambda: LAYERS(VECTORS),
    "validate": lambda: validate(NETWORK, TASK, EXAMPLES),
    "generate": generation,
    "problem(at='every')": of_a_loss_at_every_step,
    "unroll of RNNCell, decorated with no_grad": lambda: no_grad()(unroll)(RNNCell(1, 2), VECTORS),
    "a function decorated with no_grad": decorated,
    "a generator decorated with no_grad": lambda: list(decorated_generator()),
    "with no_grad()": no_grad_statement,
    "with time_step(3)": time_step_statement,
    "with detect_anomaly()": anomaly_statement,
    "with collector_paused()": pause,
}


def attack(seconds: float) -> Counts:
    """Interrupt what the package does within scopes."""
    return interrupt(JOBS, harm, seconds)


def harm() -> str | None:
    """What an interrupt has left."""
    product = Value(1.0) * 2.0
    if not product.parents:
        return "nothing is recorded any more"
    if product.time_step is not None:
        return f"new Values belong to time step {product.time_step}"
    if passes.observers():
        return "backward passes are watched"
    if not gc.isenabled():
        gc.enable()
        return "the garbage collector is off"
    return None
