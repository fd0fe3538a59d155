"""Compiled in exact mode, any recurrence has every loss, state and gradient of the eager engine, to the bit."""

from __future__ import annotations

import math
import random
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_rnn import Linear, Value, cross_entropy, mse_loss, total
from tinygrad_rnn.compile import Number, Recurrence, Symbols, Vector
from tinygrad_rnn.engine.arithmetic import choose
from tinygrad_rnn.errors import CompileError, DomainError, GraphError

from . import Counts

UNARY = ("tanh", "sigmoid", "relu", "exp", "sin", "neg", "abs")
BINARY = ("add", "sub", "mul", "maximum", "minimum")


class Drawn:
    """A recurrence drawn at random, as plain functions: the same instructions whenever they are called.

    Args:
        rng: where to draw from.
    """

    def __init__(self, rng: random.Random) -> None:
        self.x = rng.choice([Number(), Vector(2), Symbols(3)])
        self.size = rng.randint(1, 4)
        self.target = rng.choice([None, Number(), Vector(self.size), Symbols(self.size)])
        self.weights = [Value(rng.gauss(0.0, 1.0), label=f"w{i}") for i in range(rng.randint(1, 4))]
        self.table = [Value(rng.gauss(0.0, 1.0), label=f"E{i}") for i in range(3)]
        self.readout = Linear(self.size, self.size, seed=1) if rng.random() < 0.3 else None
        self.steps = [self._instruction(rng) for _ in range(rng.randint(1, 12))]
        self.results = rng.sample(range(8), self.size)
        self.loss_steps = [self._instruction(rng) for _ in range(rng.randint(1, 4))]
        self.seed = rng.random()

    def _instruction(self, rng: random.Random) -> tuple[str, list[int]]:
        kind = rng.choice(["unary", "binary", "binary", "binary", "choose", "look up"])
        name = {"unary": rng.choice(UNARY), "binary": rng.choice(BINARY)}.get(kind, kind)
        return name, [rng.randint(1, 20) for _ in range(3)]

    def _run(self, steps: Sequence[tuple[str, list[int]]], nodes: list[Value], index: Any) -> list[Value]:
        """Carry out the instructions, each on the nodes from the end that it names."""
        for name, places in steps:
            operands = [nodes[-1 - (place - 1) % len(nodes)] for place in places]
            if name in ("choose", "look up") and index is None:
                continue
            if name == "choose":
                nodes.append(choose(operands, index))
            elif name == "look up":
                nodes.append(choose(self.table, index))
            else:
                nodes.append(Value.apply(name, *operands[: 1 if name in UNARY else 2]))
        return nodes

    def cell(self, x: Any, h: list[Value]) -> list[Value]:
        """The time step."""
        is_symbol = isinstance(self.x, Symbols)
        inputs = [] if is_symbol else x if isinstance(x, list) else [x]
        nodes = self._run(self.steps, [*self.weights, *inputs, *h], x.hot if is_symbol else None)
        computed = nodes[len(self.weights) :]  # a state that is a parameter itself is refused
        return [computed[-1 - place % len(computed)] for place in self.results]

    def loss(self, prediction: list[Value], target: Any = None) -> Value:
        """The loss."""
        if isinstance(self.target, Symbols):
            return cross_entropy(prediction, target)
        if isinstance(self.target, Vector):
            return mse_loss(prediction, target)
        nodes = self._run(self.loss_steps, [*self.weights, *prediction], None)
        return total([nodes[-1] * 1.0, prediction[0] * (1.0 if target is None else target)])

    def program(self, loss_at: str) -> Recurrence:
        """The recurrence as native code."""
        loss: Callable[..., Value] = (lambda h: self.loss(h)) if self.target is None else self.loss
        h0 = [0.1 * (i + 1) for i in range(self.size)]
        return Recurrence(self.cell, self.x, loss, self.target, self.readout, h0, loss_at, lanes=2)


def bits(number: float) -> bytes:
    """The bits of a double; all NaN are one, and so are both zeros."""
    return b"NaN" if math.isnan(number) else struct.pack("<d", 0.0 + number)


def numbers(rng: random.Random, kind: Any, B: int, T: int) -> Any:
    """Inputs or targets of this kind."""

    def one() -> Any:
        if isinstance(kind, Symbols):
            return rng.randrange(kind.size)
        return [rng.gauss(0.0, 1.0) for _ in range(kind.size)] if isinstance(kind, Vector) else rng.gauss(0.0, 1.0)

    return None if kind is None else [[one() for _ in range(T)] for _ in range(B)]


def compare(program: Recurrence, x: Any, target: Any, mask: Any) -> str | None:
    """What of a run is not what the eager engine computes, or None."""
    try:
        run = program.forward_backward(x, target, mask=mask)
    except DomainError:
        run = None
    sums = [0.0] * len(program.parameters)
    for b in range(len(x)):
        for parameter in program.parameters:
            parameter.zero_grad()
        try:
            unrolled, loss = program.eager(x[b], target and target[b], mask=mask)
            if loss is not None:
                loss.backward()
        except DomainError:
            return None if run is None else "an error is missing"
        if run is None:
            continue
        if bits(run.losses[b]) != bits(0.0 if loss is None else loss.data):
            return "a loss"
        if [bits(h) for h in run.state.tolist()[b]] != [bits(node.data) for node in unrolled.state(unrolled.T)]:
            return "a state"
        if [bits(g) for g in run.state_gradients.tolist()[b]] != [bits(node.grad) for node in unrolled.state(0)]:
            return "a gradient of the state"
        sums = [a + parameter.grad for a, parameter in zip(sums, program.parameters)]
    if run is None:
        return "an error too many"
    return None if [bits(g) for g in run.gradients] == [bits(g) for g in sums] else "a gradient"


def attack(seconds: float) -> Counts:
    """Draw recurrences, and compare some runs of each."""
    counts, end, seed = Counts(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        seed += 1
        rng = random.Random(seed)
        loss_at = rng.choice(["every", "every", "last", "mask"])
        try:
            program = Drawn(rng).program(loss_at)
        except (CompileError, GraphError, DomainError):
            counts.tried["refused"] += 1
            continue
        for B, T in ((1, 1), (1, 4), (3, 3)):
            mask = [rng.random() < 0.7 for _ in range(T)] if loss_at == "mask" else None
            x, target = (numbers(rng, kind, B, T) for kind in (program.step.x, program.step.target))
            found = compare(program, x, target, mask)
            counts.tried["compared"] += 1
            if found is not None:
                counts.fail("compared", f"{found} (seed {seed}, B={B}, T={T})")
    return counts
