"""Gradients to the last bit: the cases, and the script that stores what they give in `bits.json`.

A rewriting of the engine must change no bit of any gradient. Run this before one, and the test of it afterwards:

    python tests/golden/make_bits.py

Cases that only add, subtract, multiply, divide and take square roots and absolute values give the same bits on
every machine that has IEEE doubles. The others also depend on the C library (`fingerprint`).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tinygrad_rnn import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNCell,
    ScalarRNNCell,
    Value,
    anatomy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    dot,
    jacobian,
    mse_loss,
    paths,
    straight_path,
    total,
    truncated_bptt,
    unroll,
)
from tinygrad_rnn.compile import Number, Recurrence, Vector, compile
from tinygrad_rnn.nn import Linear

FILE = Path(__file__).with_name("bits.json")

EXACT_BINARY, EXACT_UNARY = ("add", "sub", "mul", "div", "maximum", "minimum"), ("neg", "abs", "sqrt", "relu")
OTHER_UNARY = ("tanh", "sigmoid", "exp", "log", "sin", "cos")

CONSTANTS: tuple[Callable[[Value], Value], ...] = (
    lambda a: 2.0 * a, lambda a: a - 1.5, lambda a: 1.0 - a, lambda a: a / 4
)  # fmt: skip

Case = tuple[str, bool, Callable[[], Sequence[float]]]  # a name, whether it is exact everywhere, and its numbers


def fingerprint() -> str:
    """Which results the C library's functions give on this machine."""
    numbers = [0.001 * n * n - 3.0 for n in range(80)]
    results = [f(x) for x in numbers for f in (math.exp, math.tanh, math.sin, math.cos)]
    results += [f(abs(x)) for x in numbers for f in (math.log1p, math.sqrt, lambda x: math.log(x + 0.01))]
    results += [math.pow(abs(x), e) for x in numbers for e in (0.5, 2.0, 3.0, 2.7)]
    return hashlib.sha256(struct.pack(f"{len(results)}d", *results)).hexdigest()[:16]


def random_graph(seed: int, exact: bool) -> list[Value]:
    """The nodes of a random graph, in order of creation."""
    rng = random.Random(seed)
    nodes = [Value(rng.uniform(-2.0, 2.0), label=f"x{i}") for i in range(rng.randint(1, 5))]
    unary = EXACT_UNARY if exact else EXACT_UNARY + OTHER_UNARY
    while len(nodes) < 35:
        a, b = (nodes[-1 - int(len(nodes) * rng.random() ** 2)] for _ in range(2))
        kind = rng.choice(EXACT_BINARY + unary + (() if exact else ("pow", "power")) + ("custom", "constant"))
        if kind == "custom" and seed % 4 == 3:  # these are compiled, and a derivative for one node only is not
            kind = "mul"
        if kind in EXACT_BINARY:
            if kind == "div":
                b = abs(b) + 0.5
                nodes.append(b)
            nodes.append(Value.apply(kind, a, b))
        elif kind in ("sqrt", "log"):
            nodes.append(abs(a) + 0.25)
            nodes.append(Value.apply(kind, nodes[-1]))
        elif kind == "exp":
            nodes.append(a.tanh())
            nodes.append(nodes[-1].exp())
        elif kind == "pow":
            nodes.append(abs(a).tanh() + 0.5)
            nodes.append(nodes[-1] ** b.tanh())
        elif kind == "power":
            nodes.append(a.tanh() ** rng.choice((2, 3, 1, 0)))
        elif kind == "custom":
            nodes.append(Value.custom(a.data - b.data, (a, b, a), (0.5, -1.0, 0.25)))
        elif kind == "constant":
            nodes.append(rng.choice(CONSTANTS)(a))
        else:
            nodes.append(Value.apply(kind, a))
        if not abs(nodes[-1].data) < 1e6:
            nodes.append(nodes[-1] * 1e-9)
    return nodes


def gradients(nodes: Sequence[Value]) -> list[float]:
    """The gradients of all nodes; NaN for one that has none."""
    return [node.grad if node.has_grad else math.nan for node in nodes]


def stepped(nodes: Sequence[Value]) -> list[float]:
    """The same by a pass taken in steps, with the gradient that each step left behind."""
    for node in nodes:
        node.zero_grad()
    after = [step.gradient_after for step in nodes[-1].backward_steps()]
    return [*gradients(nodes), *after[::7]]


def hooked(nodes: Sequence[Value]) -> list[float]:
    """The same with hooks that replace gradients half-way."""
    for node in nodes:
        node.zero_grad()
    seen: list[float] = []
    handles = [node.register_hook(lambda g: seen.append(g)) for node in nodes[::5]]
    handles += [node.register_hook(lambda g: 0.5 * g) for node in nodes[3::9]]
    nodes[-1].backward()
    for handle in handles:
        handle.remove()
    return [*gradients(nodes), *seen]


def of_random_graph(seed: int, exact: bool) -> list[float]:
    """What a random graph gives: once, twice, in steps, with hooks, and compiled."""
    nodes = random_graph(seed, exact)
    root = nodes[-1]
    root.backward()
    found = gradients(nodes)
    if seed % 4 == 0:
        root.backward(0.5)
        nodes[len(nodes) // 2].backward()
        found += gradients(nodes)
    elif seed % 4 == 1:
        found += stepped(nodes)
    elif seed % 4 == 2:
        found += hooked(nodes)
    else:
        program = compile(root)
        value, compiled = program.forward_backward()
        found += [value, *compiled]
    return found


CELLS: dict[str, Callable[[], Any]] = {
    "scalar": lambda: ScalarRNNCell(0.9, 0.5, 0.1),
    "scalar identity": lambda: ScalarRNNCell(1.2, -0.5, 0.1, nonlinearity="identity"),
    "scalar relu": lambda: ScalarRNNCell(0.8, 0.7, 0.3, nonlinearity="relu"),
    "rnn": lambda: RNNCell(2, 3, seed=1),
    "rnn relu": lambda: RNNCell(2, 3, nonlinearity="relu", seed=2),
    "rnn without bias": lambda: RNNCell(2, 2, bias=False, seed=3),
    "lstm": lambda: LSTMCell(2, 3, seed=4),
    "gru": lambda: GRUCell(2, 3, seed=5),
    "stacked rnn": lambda: RNN(2, 3, num_layers=2, seed=6),
    "stacked lstm": lambda: LSTM(2, 2, num_layers=2, seed=7),
    "stacked gru": lambda: GRU(2, 2, num_layers=2, seed=8),
}


def make_cell(name: str) -> Any:
    """A cell with weights that need no function of the C library."""
    cell, rng = CELLS[name](), random.Random(name)
    for parameter in () if name.startswith("scalar") else cell.parameters():
        parameter.data = rng.uniform(-0.7, 0.7)
    return cell


def sequence(cell: Any, T: int, seed: int = 0) -> list[Any]:
    """Inputs that fit a cell."""
    rng = random.Random(seed)
    if isinstance(cell, ScalarRNNCell):
        return [rng.uniform(-1.0, 1.0) for _ in range(T)]
    return [[rng.uniform(-1.0, 1.0) for _ in range(2)] for _ in range(T)]


def entries(quantity: Any) -> list[Value]:
    """The Values of a number, vector or matrix."""
    return [quantity] if isinstance(quantity, Value) else [entry for part in quantity for entry in entries(part)]


def numbers_in(tree: Any) -> list[float]:
    """The numbers of nested lists."""
    return [number for part in tree for number in numbers_in(part)] if isinstance(tree, list) else [tree]


def squares(output: Any, target: Any = None) -> Value:
    """A loss of nothing but sums and products."""
    return total([(entry - 0.3) * (entry - 0.3) for entry in entries(output)])


def of_cell(name: str) -> list[float]:
    """Gradients of an unrolled cell, and everything that is read off its graph."""
    cell = make_cell(name)
    unrolled = unroll(cell, sequence(cell, 6))
    losses = {t: squares(unrolled.h[t]) for t in range(1, 7)}
    loss = total(losses.values())
    loss.backward()
    found = [parameter.grad for parameter in cell.parameters()]
    found += [entry.grad for t in range(7) for entry in unrolled.state(t)]
    for t in (1, 4, 6):
        found += [number for row in jacobian(unrolled, t) for number in row]
    weight = cell.parameters()[0]
    split = anatomy(unrolled, losses, weight)
    found += [number for _, _, contribution in split.terms() for number in numbers_in(contribution)]
    found += [*numbers_in(split.total()), *numbers_in(list(split.by_lag().values()))]
    for part in unrolled.state_names:
        straight = straight_path(unrolled, loss, part)
        found += [number for row in straight.factors.values() for number in row]
        found += [number for row in straight.gradients.values() for number in row]
        found += [number for row in straight.straight.values() for number in row]
    if name.startswith("scalar"):
        found += [path.product for path in paths(losses[3], unrolled.h[1])]
    return found


def of_truncation(name: str, k1: int, k2: int) -> list[float]:
    """The gradients of truncated backpropagation through time."""
    cell = make_cell(name)
    inputs = sequence(cell, 9, seed=1)
    value = truncated_bptt(cell, inputs, [0.0] * len(inputs), k1, k2, loss=squares)
    return [value, *(parameter.grad for parameter in cell.parameters())]


def of_losses() -> list[float]:
    """The losses of the package and their gradients."""
    logits = [Value(0.3), Value(-1.2), Value(2.0)]
    loss = cross_entropy(logits, 1) + mse_loss(logits, [0.1, 0.2, 0.3])
    loss = loss + binary_cross_entropy_with_logits(logits[0], 1.0) + dot(logits, [1.0, 2.0, 3.0])
    loss.backward()
    return [loss.data, *(logit.grad for logit in logits)]


def of_recurrence(name: str, window: int | None, asks: str) -> list[float]:
    """Losses and gradients of compiled code."""
    cell = make_cell(name)
    scalar = isinstance(cell, ScalarRNNCell)
    readout = None if scalar else Linear(3, 2, seed=9)
    kind = Number() if scalar else Vector(2)
    recurrence = Recurrence(cell, kind, mse_loss, kind, readout=readout, loss_at=asks)
    batch = [sequence(cell, 7, seed=seed) for seed in range(3)]
    run = recurrence.forward_backward(batch, batch, window=window)
    return [*run.losses, *run.gradients]


def cases() -> Iterator[Case]:
    """Every case."""
    for seed in range(200):
        exact = seed < 100
        yield f"graph {seed}", exact, lambda seed=seed, exact=exact: of_random_graph(seed, exact)
    for name in CELLS:
        exact = name in ("scalar identity", "scalar relu", "rnn relu")
        yield f"cell {name}", exact, lambda name=name: of_cell(name)
        for k1, k2 in ((1, 1), (2, 2), (2, 4), (3, 5), (9, 9)):
            yield f"truncated {name} {k1} {k2}", exact, lambda name=name, k1=k1, k2=k2: of_truncation(name, k1, k2)
    yield "losses", False, of_losses
    for name in ("scalar", "rnn", "lstm", "gru"):
        for window, asks in ((None, "every"), (None, "last"), (3, "every")):
            yield (
                f"compiled {name} {window} {asks}",
                False,
                lambda name=name, window=window, asks=asks: of_recurrence(name, window, asks),
            )


def main() -> None:
    stored = {name: " ".join(float(number).hex() for number in compute()) for name, _, compute in cases()}
    FILE.write_text(json.dumps({"fingerprint": fingerprint(), "cases": stored}, indent=0) + "\n", encoding="utf-8")
    print(f"{len(stored)} cases, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
