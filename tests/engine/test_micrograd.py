"""Code written for micrograd, or along with lectures on it, runs here when only the import is swapped.

Each program below is executed twice, once over micrograd from PyPI and once over this package, and must leave the
same numbers in ``results`` (to rounding: micrograd divides by multiplying by the inverse, and adds gradients up in
the order of a set). What the programs monkeypatch is undone afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import micrograd.engine
import micrograd.nn
import pytest

import tinygrad_rnn.engine
import tinygrad_rnn.nn
from tinygrad_rnn import Value, no_grad

PROGRAMS = {
    "an expression of everything": """
from PACKAGE.engine import Value

p, q = Value(-3.5), Value(1.25)
r = p + q
s = p * q + q**3
r += r + 2
r += 1 + r - p
s += s * 2 + (q + p).relu()
s += 3 * s + (q - p).relu()
t = r - s
u = t**2
v = u / 2.0
v += 10.0 / u
v.backward()
results = [v.data, p.grad, q.grad, r.grad, s.grad, t.grad, u.grad]
""",
    "operators with numbers on either side": """
from PACKAGE.engine import Value

x = Value(-4.0)
z = 2 * x + 2 + x
q = z.relu() + z * x
h = (z * z).relu()
y = h + q + q * x
y = y - 1 + (5 - x) / 4 + 3 / x + -x + x**-2 + x**0.0
y.backward()
results = [y.data, x.grad, z.grad, q.grad, h.grad]
""",
    "gradients by hand, node after node": """
import math
from PACKAGE.engine import Value

def tanh(self):
    t = (math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)
    out = Value(t, (self,), 'tanh')
    def _backward():
        self.grad += (1 - t**2) * out.grad
    out._backward = _backward
    return out
Value.tanh = tanh

x1, x2 = Value(2.0), Value(0.0)
w1, w2 = Value(-3.0), Value(1.0)
b = Value(6.8813735870195432)
x1w1 = x1 * w1; x1w1.label = 'x1*w1'
x2w2 = x2 * w2; x2w2.label = 'x2*w2'
both = x1w1 + x2w2; both.label = 'x1w1 + x2w2'
n = both + b; n.label = 'n'
o = n.tanh(); o.label = 'o'

o.grad = 1.0
o._backward()
n._backward()
b._backward()
both._backward()
x2w2._backward()
x1w1._backward()
results = [v.grad for v in (o, n, b, both, x1w1, x2w2, x1, w1, x2, w2)]
for v in (o, n, b, both, x1w1, x2w2, x1, w1, x2, w2):
    v.grad = 0.0
o.backward()
results += [v.grad for v in (o, n, b, both, x1w1, x2w2, x1, w1, x2, w2)]
assert o._op == 'tanh' and n._op == '+' and x1w1._op == '*' and set(n._prev) == {both, b} and not b._prev
""",
    "tanh taken apart": """
import math
from PACKAGE.engine import Value

def exp(self):
    x = self.data
    out = Value(math.exp(x), (self, ), 'exp')
    def _backward():
        self.grad += out.data * out.grad
    out._backward = _backward
    return out
Value.exp = exp

x1, x2, w1, w2, b = (Value(v) for v in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
n = x1*w1 + x2*w2 + b
e = (2*n).exp()
o = (e - 1) / (e + 1)
o.backward()
results = [o.data] + [v.grad for v in (e, n, x1, x2, w1, w2, b)]
""",
    "bumping inputs": """
from PACKAGE.engine import Value

def L(da=0.0, dc=0.0):
    a = Value(2.0 + da); b = Value(-3.0); c = Value(10.0 + dc); f = Value(-2.0)
    d = a*b + c
    return (a, c, d * f)

h = 0.0001
results = [(L(da=h)[2].data - L()[2].data) / h, (L(dc=h)[2].data - L()[2].data) / h]
a, c, loss = L()
loss.backward()
results += [a.grad, c.grad]
a.data += 0.01 * a.grad
c.data += 0.01 * c.grad
results += [a.data, c.data]
""",
    "a multilayer perceptron of one's own": """
import math, random
from PACKAGE.engine import Value

def tanh(self):
    t = math.tanh(self.data)
    out = Value(t, (self,), 'tanh')
    def _backward():
        self.grad += (1 - t * t) * out.grad
    out._backward = _backward
    return out
Value.tanh = tanh

random.seed(42)

class Neuron:
    def __init__(self, nin):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(random.uniform(-1, 1))
    def __call__(self, x):
        act = sum((wi*xi for wi, xi in zip(self.w, x)), self.b)
        return act.tanh()
    def parameters(self):
        return self.w + [self.b]

class Layer:
    def __init__(self, nin, nout):
        self.neurons = [Neuron(nin) for _ in range(nout)]
    def __call__(self, x):
        outs = [n(x) for n in self.neurons]
        return outs[0] if len(outs) == 1 else outs
    def parameters(self):
        return [p for neuron in self.neurons for p in neuron.parameters()]

class MLP:
    def __init__(self, nin, nouts):
        sz = [nin] + nouts
        self.layers = [Layer(sz[i], sz[i+1]) for i in range(len(nouts))]
    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]

n = MLP(3, [4, 4, 1])
xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
ys = [1.0, -1.0, -1.0, 1.0]
results = []
for k in range(20):
    ypred = [n(x) for x in xs]
    loss = sum((yout - ygt)**2 for ygt, yout in zip(ys, ypred))
    for p in n.parameters():
        p.grad = 0.0
    loss.backward()
    for p in n.parameters():
        p.data += -0.05 * p.grad
    results.append(loss.data)
results += [p.data for p in n.parameters()]
assert len(n.parameters()) == 41
""",
    "the library's perceptron": """
import random
from PACKAGE.engine import Value
from PACKAGE.nn import MLP, Layer, Module, Neuron

random.seed(1337)
model = MLP(2, [8, 8, 1])
assert isinstance(model, Module) and len(model.parameters()) == 24 + 72 + 9
results = [p.data for p in model.parameters()]
xs = [[2.0, 3.0], [-1.0, 0.5], [0.5, -1.0], [1.0, 1.0]]
ys = [1.0, -1.0, -1.0, 1.0]
for k in range(10):
    loss = sum((model(x) - y)**2 for x, y in zip(xs, ys))
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= 0.01 * p.grad
    results.append(loss.data)
results += [p.grad for p in model.parameters()]
results += [Neuron(3, nonlin=False)([1.0, 2.0, 3.0]).data, *(v.data for v in Layer(2, 3)([1.0, -1.0]))]
shown = str(model)
""",
    "a max-margin loss over NumPy data": """
import random
import numpy as np
from PACKAGE.engine import Value
from PACKAGE.nn import MLP

rng = np.random.RandomState(1337)
random.seed(1337)
angle = rng.uniform(0, np.pi, 24)
y = np.arange(24) % 2 * 2 - 1
X = np.stack([np.cos(angle) * -y + (y > 0), np.sin(angle) * -y + 0.5 * (y > 0)], axis=1) + rng.normal(0, 0.1, (24, 2))
model = MLP(2, [6, 1])

def loss(batch_size=None):
    if batch_size is None:
        Xb, yb = X, y
    else:
        ri = rng.permutation(X.shape[0])[:batch_size]
        Xb, yb = X[ri], y[ri]
    inputs = [list(map(Value, xrow)) for xrow in Xb]
    scores = list(map(model, inputs))
    losses = [(1 + -yi*scorei).relu() for yi, scorei in zip(yb, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    alpha = 1e-4
    reg_loss = alpha * sum((p*p for p in model.parameters()))
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
    return data_loss + reg_loss, sum(accuracy) / len(accuracy)

results = []
for k in range(12):
    total_loss, acc = loss(batch_size=None if k % 2 else 10)
    model.zero_grad()
    total_loss.backward()
    learning_rate = 1.0 - 0.9*k/100
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    results += [total_loss.data, acc]
mesh = np.array([[-1.0, 0.5], [0.25, 0.75]])
results += [s.data for s in map(model, [list(map(Value, row)) for row in mesh])]
""",
    "NumPy scalars and arrays of Values": """
import numpy as np
from PACKAGE.engine import Value

a, b = Value(2.0), Value(-3.0)
c = np.float64(1.5) * a + b * np.float64(0.5) - np.int64(2) / a + np.float32(0.25) - b
row = np.array([a, b, c])
weights = np.array([0.5, -1.0, 2.0])
d = row @ weights + (row * weights).sum() + (weights * a).sum() + np.dot(row, row) + (row ** 2).sum()
d.backward()
results = [c.data, d.data, a.grad, b.grad, c.grad]
""",
    "a drawing of one's own": """
from graphviz import Digraph
from PACKAGE.engine import Value

def trace(root):
    nodes, edges = set(), set()
    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)
    build(root)
    return nodes, edges

def draw_dot(root, format='svg', rankdir='LR'):
    nodes, edges = trace(root)
    dot = Digraph(format=format, graph_attr={'rankdir': rankdir})
    for n in nodes:
        dot.node(name=str(id(n)), label="{ data %.4f | grad %.4f }" % (n.data, n.grad), shape='record')
        if n._op:
            dot.node(name=str(id(n)) + n._op, label=n._op)
            dot.edge(str(id(n)) + n._op, str(id(n)))
    for n1, n2 in edges:
        dot.edge(str(id(n1)), str(id(n2)) + n2._op)
    return dot

x = Value(1.0)
y = (x * 2 + 1).relu() + x**2 + x * x
y.backward()
nodes, edges = trace(y)
labels = sorted(line.partition('label=')[2] for line in draw_dot(y).source.splitlines() if 'label=' in line)
results = [len(nodes), len(edges), *labels]
""",
}


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """Both Value classes, put back in order after the program."""
    classes = (micrograd.engine.Value, Value)
    before = [dict(vars(cls)) for cls in classes]
    yield
    for cls, attributes in zip(classes, before):
        for name in set(vars(cls)) - set(attributes):
            delattr(cls, name)
        for name in ("tanh", "exp"):
            if name in attributes:
                setattr(cls, name, attributes[name])


def run(program: str, package: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "notebook"}
    exec(compile(program.replace("PACKAGE", package), f"<{package}>", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_gives_the_same_results_when_the_import_is_swapped(program: str) -> None:
    theirs, ours = run(program, "micrograd"), run(program, "tinygrad_rnn")
    assert len(ours["results"]) >= 4
    assert any(result != 0 for result in ours["results"])
    for a, b in zip(ours["results"], theirs["results"], strict=True):
        assert a == b if isinstance(b, str) else a == pytest.approx(b, rel=1e-11, abs=1e-13)
    assert ours.get("shown") == theirs.get("shown")


def test_the_modules_offer_what_micrograds_offer() -> None:
    for theirs, ours in ((micrograd.engine, tinygrad_rnn.engine), (micrograd.nn, tinygrad_rnn.nn)):
        public = {name for name in vars(theirs) if not name.startswith("_")} - {"random"}
        assert public <= set(dir(ours))


def test_the_constructor_takes_the_arguments_of_the_lectures() -> None:
    a, b = Value(2.0, label="a"), Value(-3.0, (), "", "b")
    c = Value(-6.0, (a, b), "*", label="c")
    assert (c.label, c._op, c._prev, a._prev, a._op) == ("c", "*", (a, b), (), "")
    assert Value(data=1.0, _children=(a,), _op="tanh").data == 1.0
    assert repr(Value(2.0, label="a")) == "a: data 2, grad 0"


def test_twice_backward_over_the_same_graph_is_where_we_differ_on_purpose() -> None:
    grads = {}
    for cls in (micrograd.engine.Value, Value):
        w = cls(2.0)
        a = 3 * w
        b = a * a
        b.backward()
        b.backward()
        grads[cls] = w.grad
    assert grads == {micrograd.engine.Value: 108.0, Value: 72.0}


def test_draw_dot_and_trace_are_here() -> None:
    from tinygrad_rnn import draw_dot, trace

    x = Value(2.0, label="x")
    y = (x * x).tanh()
    nodes, edges = trace(y)
    assert nodes == {x, *y.parents, y}
    assert edges == {(x, y.parents[0]), (y.parents[0], y)}
    y.backward()
    for arguments in ({}, {"format": "svg", "rankdir": "TB"}):
        source = draw_dot(y, **arguments).source
        assert "tanh" in source
        assert "digraph" in source


def test_a_rule_assigned_to_a_leaf_or_within_no_grad_is_the_nodes_rule():
    a, calls = Value(2.0), []
    leaf = Value(3.0)
    leaf._backward = lambda: calls.append("leaf")
    leaf.backward()
    node = Value(6.0, (a,), "mine")
    with no_grad():
        node._backward = lambda: calls.append("node")
    node.backward()
    assert calls == ["leaf", "node"]
