"""A scalar autograd engine and the recurrent networks built on it, to see backpropagation through time.

>>> from tinygrad_rnn import ScalarRNNCell, unroll
>>> unrolled = unroll(ScalarRNNCell(w=0.5, u=1.0, nonlinearity="identity"), [1.0, 0.0, 0.0])
>>> unrolled.h[3].backward()
>>> unrolled.h[1].grad  # w²
0.25
"""

from typing import TYPE_CHECKING, Any

from .bptt import Unrolled, unroll
from .engine.anomaly import detect_anomaly
from .engine.gradcheck import gradcheck
from .engine.recording import no_grad, time_step, trace_creation
from .engine.sums import dot, total
from .engine.value import Value
from .nn import (
    GRU,
    LSTM,
    MLP,
    RNN,
    GRUCell,
    Layer,
    Linear,
    LSTMCell,
    Module,
    Neuron,
    RNNCell,
    ScalarRNNCell,
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
)

if TYPE_CHECKING:
    from .bptt.anatomy import anatomy
    from .bptt.decay import decay
    from .bptt.jacobian import jacobian
    from .bptt.paths import paths
    from .bptt.problem import problem
    from .bptt.straight import straight_path
    from .bptt.truncated import truncated_bptt
    from .debugger import debug
    from .page import explore
    from .pictures import Drawing, draw, draw_dot, trace

__version__ = "0.2.0"

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Drawing",
    "GRUCell",
    "LSTMCell",
    "Layer",
    "Linear",
    "Module",
    "Neuron",
    "RNNCell",
    "ScalarRNNCell",
    "Unrolled",
    "Value",
    "anatomy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "debug",
    "decay",
    "detect_anomaly",
    "dot",
    "draw",
    "draw_dot",
    "explore",
    "gradcheck",
    "jacobian",
    "mse_loss",
    "no_grad",
    "paths",
    "problem",
    "straight_path",
    "time_step",
    "total",
    "trace",
    "trace_creation",
    "truncated_bptt",
    "unroll",
]


# What is imported at its first use, and the module in which it lives.
_LAZY = {
    "Drawing": "pictures",
    "anatomy": "bptt.anatomy",
    "debug": "debugger",
    "decay": "bptt.decay",
    "draw": "pictures",
    "draw_dot": "pictures",
    "explore": "page",
    "jacobian": "bptt.jacobian",
    "paths": "bptt.paths",
    "problem": "bptt.problem",
    "straight_path": "bptt.straight",
    "trace": "pictures",
    "truncated_bptt": "bptt.truncated",
}


def _repr_mimebundle_(self: Value, include: object = None, exclude: object = None, **_: object) -> dict[str, str]:
    """For notebooks: the text and, where the graph is small, a drawing of it."""
    from .pictures.notebook import mimebundle

    return mimebundle(self)


# The engine knows nothing of pictures, so the notebook display of a Value is set from here.
Value._repr_mimebundle_ = _repr_mimebundle_  # type: ignore[attr-defined]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
