"""Writes rnn.json: losses and gradients of PyTorch's nn.RNN with a linear read-out, in float64.

Each case is a training step as a person would write it: a sequence, a loss at every time step, backward().
Run with PyTorch installed: python tests/golden/make_rnn.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

CASES: list[dict[str, Any]] = [
    {"name": "regression", "D": 1, "H": 4, "O": 1, "T": 12, "loss": "mse"},
    {"name": "classes", "D": 3, "H": 5, "O": 3, "T": 10, "loss": "cross entropy"},
    {"name": "long", "D": 1, "H": 2, "O": 1, "T": 100, "loss": "mse"},
    {"name": "exploding", "D": 1, "H": 3, "O": 1, "T": 15, "loss": "mse", "nonlinearity": "relu", "scale": 3.0},
    {"name": "one step", "D": 2, "H": 2, "O": 2, "T": 1, "loss": "mse"},
    {"name": "without bias", "D": 2, "H": 3, "O": 1, "T": 6, "loss": "mse", "bias": False},
]


def run() -> list[dict[str, Any]]:
    """Every case, from seeded weights, inputs, targets and initial states."""
    torch.manual_seed(1)
    results = []
    for case in CASES:
        bias = case.get("bias", True)
        rnn = torch.nn.RNN(case["D"], case["H"], bias=bias, nonlinearity=case.get("nonlinearity", "tanh")).double()
        readout = torch.nn.Linear(case["H"], case["O"], bias=bias).double()
        with torch.no_grad():
            rnn.weight_hh_l0.mul_(case.get("scale", 1.0))
        x = torch.randn(case["T"], case["D"], dtype=torch.float64, requires_grad=True)
        h0 = torch.randn(1, case["H"], dtype=torch.float64, requires_grad=True)
        hs, _ = rnn(x, h0)
        y = readout(hs)
        if case["loss"] == "mse":
            target = torch.randn(case["T"], case["O"], dtype=torch.float64)
            loss = torch.nn.functional.mse_loss(y, target)
        else:
            target = torch.randint(case["O"], (case["T"],))
            loss = torch.nn.functional.cross_entropy(y, target)
        loss.backward()
        parameters = {"W": rnn.weight_hh_l0, "U": rnn.weight_ih_l0, "V": readout.weight}
        if bias:
            parameters |= {"b": rnn.bias_ih_l0, "c": readout.bias}
        state = {name: parameter.tolist() for name, parameter in parameters.items()}
        if bias:  # PyTorch has two biases where one is enough; their gradients are the same
            state["b"] = (rnn.bias_ih_l0 + rnn.bias_hh_l0).tolist()
        results.append(
            {
                **case,
                "state": state,
                "x": x.tolist(),
                "h0": h0[0].tolist(),
                "target": target.tolist(),
                "h": hs.tolist(),
                "value": loss.item(),
                "gradients": {name: parameter.grad.tolist() for name, parameter in parameters.items()},
                "x_gradients": x.grad.tolist(),
                "h0_gradient": h0.grad[0].tolist(),
            }
        )
    return results


if __name__ == "__main__":
    Path(__file__).with_name("rnn.json").write_text(json.dumps(run()) + "\n", encoding="utf-8")
