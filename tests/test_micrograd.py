"""Programs written for micrograd, run with nothing but the import swapped."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest

from tinygrad_rnn import Value, draw_dot, trace

# What notebooks do: an expression with every operator, an MLP trained on a max-margin loss with numpy data, and a
# look at the graph. Each leaves its results in `results`.

EXPRESSION = """
a = Value(-4.0)
b = Value(2.0)
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
g.backward()
results = [g.data, a.grad, b.grad]
"""

TRAINING = """
import importlib
import random
import numpy as np
random.seed(1337)
model = MLP(2, [4, 4, 1])
points = np.random.RandomState(0)
X = points.uniform(-1, 1, (12, 2))
y = np.where(X[:, 0] * X[:, 1] > 0, 1, -1)
results = []
for k in range(4):
    inputs = [list(map(Value, row)) for row in X]
    scores = list(map(model, inputs))
    losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    total_loss = data_loss + 1e-4 * sum((p * p for p in model.parameters()))
    model.zero_grad()
    total_loss.backward()
    for p in model.parameters():
        p.data -= 0.1 * p.grad
    results.append(total_loss.data)
results += [p.data for p in model.parameters()] + [repr(model), len(model.parameters())]
"""

GRAPH = """
def walk(root):
    nodes, edges = set(), set()
    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)
    build(root)
    return nodes, edges
x, y = Value(2.0), Value(3.0)
root = (x * y + x).relu()
nodes, edges = walk(root)
results = [len(nodes), len(edges), sorted(n._op for n in nodes), sorted(n.data for n in nodes)]
"""


def run(program: str, package: str) -> list[Any]:
    names: dict[str, Any] = {}
    exec(f"from {package}.engine import Value\nfrom {package}.nn import Neuron, Layer, MLP\n{program}", names)
    results: list[Any] = names["results"]
    return results


@pytest.mark.parametrize("program", [EXPRESSION, TRAINING, GRAPH], ids=["expression", "training", "graph"])
def test_only_the_import_changes(program: str) -> None:
    state = random.getstate()
    ours, theirs = run(program, "tinygrad_rnn"), run(program, "micrograd")
    random.setstate(state)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert a == (pytest.approx(b, rel=1e-12, abs=1e-14) if isinstance(b, float) else b)


def test_manual_backpropagation() -> None:
    """Gradients set by hand, node by node, as the lectures do before they have `backward`."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1, x2w2 = x1 * w1, x2 * w2
    both = x1w1 + x2w2
    n = both + b
    o = n.tanh()
    o.grad = 1.0
    for node in (o, n, b, both, x1w1, x2w2):
        node._backward()
    found = [v.grad for v in (x1, w1, x2, w2)]
    assert found == pytest.approx([-1.5, 1.0, 0.5, 0.0], abs=1e-9)

    e = (2 * n).exp()  # tanh again, out of exponentials
    again = (e - 1) / (e + 1)
    for v in (x1, w1, x2, w2, b):
        v.grad = 0.0
    again.backward()
    assert [v.grad for v in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1.0, 0.5, 0.0], abs=1e-9)


def test_a_closure_written_for_micrograd() -> None:
    import math

    def tanh(self: Value) -> Value:
        t = (math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)
        out = Value(t, (self,), "tanh")

        def _backward() -> None:
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    x = Value(0.7)
    (3 * tanh(x)).backward()
    assert x.grad == pytest.approx(3 * (1 - math.tanh(0.7) ** 2))


def test_a_neuron_class_of_ones_own() -> None:
    class Neuron:
        def __init__(self, nin: int) -> None:
            self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
            self.b = Value(random.uniform(-1, 1))

        def __call__(self, x: list[float]) -> Value:
            return sum((wi * xi for wi, xi in zip(self.w, x)), self.b).tanh()

    n = Neuron(3)
    xs, ys = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5]], [1.0, -1.0]
    losses = []
    for _ in range(20):
        loss = sum((n(x) - y) ** 2 for x, y in zip(xs, ys))
        for p in (*n.w, n.b):
            p.grad = 0.0
        loss.backward()
        for p in (*n.w, n.b):
            p.data += -0.05 * p.grad
        losses.append(loss.data)
    assert losses[-1] < losses[0]


def test_numpy_numbers_mix_with_values() -> None:
    np = pytest.importorskip("numpy")
    x = Value(2.0)
    for mixed in (np.float64(3.0) * x, x * np.float64(3.0), np.int64(3) * x, np.float32(3.0) * x):
        assert isinstance(mixed, Value)
        assert mixed.data == 6.0
    array = np.array([Value(1.0), Value(2.0)])
    assert [v.data for v in array * 2] == [2.0, 4.0]


def test_graphs_are_traced_and_drawn() -> None:
    x, y = Value(2.0, label="x"), Value(3.0, label="y")
    root = x * y + x
    nodes, edges = trace(root)
    assert isinstance(nodes, set)
    assert isinstance(edges, set)
    assert len(nodes) == 4
    assert (x, root) in edges
    for drawing in (draw_dot(root), draw_dot(root, format="svg", rankdir="TB")):
        assert "digraph" in drawing.source
        assert b"<svg" in drawing.pipe()


def test_the_stand_ins_export_what_micrograd_does() -> None:
    assert importlib.import_module("tinygrad_rnn.engine").Value is Value
    from tinygrad_rnn.nn import MLP, Layer, Module, Neuron

    assert all(issubclass(c, Module) for c in (MLP, Layer, Neuron))
