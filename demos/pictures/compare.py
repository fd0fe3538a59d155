"""The same RNN over the same six inputs, drawn by this package and by others; README.md shows the pictures.

    python demos/pictures/compare.py [FOLDER]

Needs ``pip install micrograd torch torchviz torchview`` and Graphviz; who is missing is left out. micrograd has no
picture in its package, but one in its notebook: records with data and grad, and a circle for every operation. Here it
is made from micrograd's own graph, to that description.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_rnn import ScalarRNNCell, Unrolled, Value, draw, draw_dot, mse_loss, unroll
from tinygrad_rnn.pictures import engine

HERE = Path(__file__).parent
INPUTS = [1.0, 0.0, -0.5, 0.25, 0.5, -1.0]
W, U, TARGET = 0.9, 0.5, 0.3


def problem() -> tuple[Unrolled, Value]:
    """The network, unrolled and with gradients, and its loss."""
    rnn = unroll(ScalarRNNCell(w=W, u=U), INPUTS)
    loss = mse_loss(rnn.h[len(INPUTS)], TARGET)
    loss.label = "L"
    loss.backward()
    return rnn, loss


def ours(folder: Path) -> None:
    """`draw` as it is by default, as an animation, with every Value; and `draw_dot`."""
    rnn, loss = problem()
    draw(rnn, loss).save(folder / "draw.svg")
    draw(rnn, loss, animate="backward").save(folder / "draw_animated.svg")
    draw(rnn, loss, detail="values").save(folder / "draw_values.svg")
    draw_dot(loss).save(folder / "draw_dot.svg")


def by_micrograd(folder: Path) -> None:
    """A record for every Value, a circle for every operation."""
    from micrograd.engine import Value as Theirs

    w, u, h = Theirs(W), Theirs(U), Theirs(0.0)
    for x in INPUTS:
        h = _tanh(w * h + u * x, Theirs)
    loss = (h - TARGET) ** 2
    loss.backward()
    dot = graphviz.Digraph(graph_attr={"rankdir": "LR"})
    names = {id(node): f"n{i}" for i, node in enumerate(_nodes(loss))}
    for node in _nodes(loss):
        name = names[id(node)]
        dot.node(name, f"{{ data {node.data:.4f} | grad {node.grad:.4f} }}", shape="record")
        if node._op:
            dot.node(f"{name}op", node._op)
            dot.edge(f"{name}op", name)
            for child in node._prev:
                dot.edge(names[id(child)], f"{name}op")
    _save(dot, folder / "micrograd.svg")


def _tanh(z: Any, kind: Any) -> Any:
    """micrograd has no tanh; one writes it as a closure."""
    out = kind(math.tanh(z.data), (z,), "tanh")

    def backward() -> None:
        z.grad += (1.0 - out.data**2) * out.grad

    out._backward = backward
    return out


def _nodes(root: Any) -> list[Any]:
    found: dict[int, Any] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) not in found:
            found[id(node)] = node
            stack.extend(sorted(node._prev, key=lambda child: child.data))
    return list(found.values())


def by_torchviz(folder: Path) -> None:
    """The backward functions of PyTorch, linked as autograd links them."""
    import torch  # pyright: ignore[reportMissingImports]
    from torchviz import make_dot  # pyright: ignore[reportMissingImports]

    w, u = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (W, U))
    h = torch.tensor(0.0, dtype=torch.float64)
    for x in INPUTS:
        h = torch.tanh(w * h + u * x)
    _save(make_dot((h - TARGET) ** 2, params={"w": w, "u": u}), folder / "torchviz.svg")


def by_torchview(folder: Path) -> None:
    """The calls of the modules of a PyTorch network, with the shapes of their tensors."""
    import torch  # pyright: ignore[reportMissingImports]
    from torchview import draw_graph  # pyright: ignore[reportMissingImports]

    class Net(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # its base is Any where PyTorch is missing
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.RNNCell(1, 1)

        def forward(self, x: Any) -> Any:
            h = torch.zeros(1, 1)
            for t in range(len(INPUTS)):
                h = self.cell(x[t], h)
            return (h - TARGET) ** 2

    drawn = draw_graph(Net(), input_data=torch.tensor(INPUTS).reshape(-1, 1, 1), roll=False, graph_dir="LR")
    _save(drawn.visual_graph, folder / "torchview.svg")


def _save(dot: Any, path: Path) -> None:
    path.write_bytes(engine.run(dot.source, "svg", 60.0))


MAKERS: dict[str, Callable[[Path], None]] = {
    "tinygrad_rnn": ours,
    "micrograd": by_micrograd,
    "torchviz": by_torchviz,
    "torchview": by_torchview,
}


def main(folder: Path = HERE) -> None:
    """Make all pictures whose makers are installed."""
    for name, make in MAKERS.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed", file=sys.stderr)
        else:
            make(folder)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
