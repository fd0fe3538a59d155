"""Modules, layers, cells and losses. Also stands in for ``micrograd.nn``."""

from ..engine.value import Value
from . import init
from .cells import Cell, RNNCell, ScalarRNNCell
from .gate import Gate
from .gated import GRUCell, LSTMCell
from .linear import Linear
from .losses import binary_cross_entropy_with_logits, cross_entropy, log_sum_exp, mse_loss
from .mlp import MLP, Layer, Neuron
from .module import Module
from .one_hot import OneHot
from .stacked import GRU, LSTM, RNN, Recurrent, StackedCell

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Cell",
    "GRUCell",
    "Gate",
    "LSTMCell",
    "Layer",
    "Linear",
    "Module",
    "Neuron",
    "OneHot",
    "RNNCell",
    "Recurrent",
    "ScalarRNNCell",
    "StackedCell",
    "Value",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "init",
    "log_sum_exp",
    "mse_loss",
]
