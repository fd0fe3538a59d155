"""Random graphs for the tests of what steps through them."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tinygrad_rnn import Value

BINARY = ("add", "sub", "mul", "maximum", "minimum")
UNARY = ("neg", "tanh", "sigmoid", "relu", "sin", "cos", "abs")
SPECIAL = ("custom", "closure")


@dataclass
class Graph:
    """A graph, and every node of it in order of creation; the last one is the root."""

    nodes: list[Value]

    @property
    def root(self) -> Value:
        return self.nodes[-1]

    @property
    def gradients(self) -> list[str]:
        """Every gradient to the last bit, and that of what has none."""
        return [node.grad.hex() if node.has_grad else "none" for node in self.nodes]


def closure(a: Value, b: Value) -> Value:
    """a·b² whose derivative is a function that adds to the gradients by itself, as micrograd's are."""
    out = Value(a.data * b.data * b.data, (a, b), "closure")

    def backward() -> None:
        a.grad += b.data * b.data * out.grad
        b.grad += 2 * a.data * b.data * out.grad

    out._backward = backward
    return out


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[float], list[tuple[str, int, int]]]:
    """Numbers of the leaves, and ops on the nodes so far."""
    numbers = draw(st.lists(st.floats(-2, 2), min_size=1, max_size=4))
    ops = draw(
        st.lists(
            st.tuples(st.sampled_from(BINARY + UNARY + SPECIAL), st.integers(0, 100), st.integers(0, 100)),
            min_size=1,
            max_size=14,
        )
    )
    return numbers, ops


def build(program: tuple[list[float], list[tuple[str, int, int]]]) -> Graph:
    """The graph of a program; the same every time but for its identity."""
    numbers, ops = program
    nodes = [Value(number, label=f"x{i}") for i, number in enumerate(numbers)]
    for op, i, j in ops:
        a, b = nodes[-1 - i % len(nodes)], nodes[-1 - j % len(nodes)]
        if op == "custom":
            nodes.append(Value.custom(a.data - b.data + 1.0, (a, b, a), (0.5, -1.0, 0.25)))
        elif op == "closure":
            nodes.append(closure(a, b))
        else:
            nodes.append(Value.apply(op, *((a, b) if op in BINARY else (a,))))
    return Graph(nodes)
