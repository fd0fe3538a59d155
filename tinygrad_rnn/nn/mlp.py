"""micrograd's `Neuron`, `Layer` and `MLP`: with the same seed of `random`, the same numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..engine.sums import total
from ..engine.value import Operand, Value, as_value
from ..errors import ShapeError
from ..support.checks import whole_number
from ..support.memory import PARAMETER, require_memory
from .module import Module


class Neuron(Module):
    """relu(w·x + b), or w·x + b without ``nonlin``. Calling it with another number of inputs raises ShapeError."""

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        nin = whole_number("nin", nin, least=0)
        require_memory("nin", nin, lambda n: n * PARAMETER)
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Operand]) -> Value:
        if len(x) != len(self.w):
            raise ShapeError(f"{len(x)} inputs for {len(self.w)} weights", remedy="Give a neuron as many as its nin")
        act = total([self.b, *(wi * xi for wi, xi in zip(self.w, map(as_value, x)))])
        return act.relu() if self.nonlin else act

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """``nout`` neurons side by side; a single one returns a Value instead of a list."""

    def __init__(self, nin: int, nout: int, *, nonlin: bool = True) -> None:
        nin, nout = whole_number("nin", nin, least=0), whole_number("nout", nout, least=0)
        require_memory("nout", nout, lambda n: n * (nin + 1) * PARAMETER)
        self.neurons = [Neuron(nin, nonlin) for _ in range(nout)]

    def __call__(self, x: Sequence[Operand]) -> Value | list[Value]:
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after the other, all except the last with relu."""

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != len(nouts) - 1) for i in range(len(nouts))]

    def __call__(self, x: Sequence[Operand]) -> Value | list[Value]:
        out: Value | list[Value] = list(map(as_value, x))
        for layer in self.layers:
            out = layer([out] if isinstance(out, Value) else out)
        return out

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
