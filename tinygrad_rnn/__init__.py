"""A scalar autograd engine and the recurrent networks built on it, to see backpropagation through time.

>>> from tinygrad_rnn import ScalarRNNCell, unroll
>>> unrolled = unroll(ScalarRNNCell(w=0.5, u=1.0, nonlinearity="identity"), [1.0, 0.0, 0.0])
>>> unrolled.h[3].backward()
>>> unrolled.h[1].grad  # w²
0.25
"""

from typing import TYPE_CHECKING, Any

from .anomaly import detect_anomaly
from .bptt import Unrolled, unroll
from .gradcheck import gradcheck
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
from .sums import dot, total
from .value import Value, no_grad, time_step, trace_creation

if TYPE_CHECKING:
    from .debugger import debug
    from .draw import Drawing, draw_dot, trace

__version__ = "0.1.0"

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
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "debug",
    "detect_anomaly",
    "dot",
    "draw_dot",
    "gradcheck",
    "mse_loss",
    "no_grad",
    "time_step",
    "total",
    "trace",
    "trace_creation",
    "unroll",
]


def __getattr__(name: str) -> Any:
    if name in ("Drawing", "draw_dot", "trace"):
        from . import draw

        return getattr(draw, name)
    if name == "debug":
        from .debugger import debug

        return debug
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
