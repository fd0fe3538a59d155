"""Writes recurrent.json: outputs and gradients of PyTorch's recurrent modules, in float64.

Run with PyTorch installed: python tests/golden/make_recurrent.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "RNN": ("RNN", {}),
    "RNN relu": ("RNN", {"nonlinearity": "relu"}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "LSTM without bias": ("LSTM", {"bias": False}),
    "GRU without bias": ("GRU", {"bias": False}),
    "RNN of 3 layers": ("RNN", {"num_layers": 3}),
    "LSTM of 2 layers": ("LSTM", {"num_layers": 2}),
    "GRU of 2 layers": ("GRU", {"num_layers": 2}),
    "RNN both ways": ("RNN", {"bidirectional": True}),
    "LSTM of 2 layers both ways": ("LSTM", {"num_layers": 2, "bidirectional": True}),
    "GRU of 2 layers both ways": ("GRU", {"num_layers": 2, "bidirectional": True}),
}
INPUT_SIZE, HIDDEN_SIZE, T = 2, 3, 5


def run() -> list[dict[str, Any]]:
    """Every case, from seeded weights, inputs and initial states; the loss is a random weighting of all outputs."""
    torch.manual_seed(0)
    results = []
    for name, (kind, more) in CASES.items():
        arguments = {"input_size": INPUT_SIZE, "hidden_size": HIDDEN_SIZE, **more}
        module = getattr(torch.nn, kind)(**arguments).double()
        cells = more.get("num_layers", 1) * (2 if more.get("bidirectional") else 1)
        inputs = torch.randn(T, INPUT_SIZE, dtype=torch.float64, requires_grad=True)
        parts = [torch.randn(cells, HIDDEN_SIZE, dtype=torch.float64) for _ in range(2 if kind == "LSTM" else 1)]
        output, last = module(inputs, tuple(parts) if kind == "LSTM" else parts[0])
        weights = torch.randn(output.shape, dtype=torch.float64)
        (output * weights).sum().backward()
        results.append(
            {
                "name": name,
                "kind": kind,
                "arguments": arguments,
                "state_dict": {key: tensor.tolist() for key, tensor in module.state_dict().items()},
                "inputs": inputs.tolist(),
                "state": [part.tolist() for part in parts] if kind == "LSTM" else parts[0].tolist(),
                "weights": weights.flatten().tolist(),
                "output": output.tolist(),
                "last": [part.tolist() for part in (last if kind == "LSTM" else [last])],
                "input_gradients": inputs.grad.tolist(),
                "gradients": {key: parameter.grad.tolist() for key, parameter in module.named_parameters()},
            }
        )
    return results


if __name__ == "__main__":
    Path(__file__).with_name("recurrent.json").write_text(json.dumps(run(), indent=None) + "\n")
