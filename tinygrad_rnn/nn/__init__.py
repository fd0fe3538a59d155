"""Modules, layers, cells and losses. Also stands in for ``micrograd.nn``."""

from .cells import Cell, RNNCell, ScalarRNNCell
from .linear import Linear
from .losses import cross_entropy, log_sum_exp, mse_loss
from .mlp import MLP, Layer, Neuron
from .module import Module

__all__ = [
    "MLP",
    "Cell",
    "Layer",
    "Linear",
    "Module",
    "Neuron",
    "RNNCell",
    "ScalarRNNCell",
    "cross_entropy",
    "log_sum_exp",
    "mse_loss",
]
