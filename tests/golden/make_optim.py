"""Writes optim.json: ten steps of PyTorch's optimizers and schedules on fixed gradients, in float64.

Run with PyTorch installed: python tests/golden/make_optim.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch

STEPS, PARAMETERS = 10, 5

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "SGD nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "SGD dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    "SGD maximize": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "maximize": True}),
    "RMSprop": ("RMSprop", {"lr": 0.01}),
    "RMSprop momentum": ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "weight_decay": 0.02}),
    "RMSprop centered": ("RMSprop", {"lr": 0.01, "momentum": 0.8, "centered": True, "maximize": True}),
    "Adam": ("Adam", {"lr": 0.05}),
    "Adam amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True}),
    "Adam maximize": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    "Adam decay": ("Adam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.1}),
    "AdamW": ("AdamW", {"lr": 0.05, "weight_decay": 0.1}),
    "AdamW amsgrad": ("AdamW", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 10, "eta_min": 0.01},
}
#: Several schedules on one optimizer, which take a step one after the other.
TOGETHER: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "StepLR, ExponentialLR": [("StepLR", {"step_size": 1, "gamma": 0.5}), ("ExponentialLR", {"gamma": 0.9})],
    "StepLR, StepLR": [("StepLR", {"step_size": 3, "gamma": 0.5}), ("StepLR", {"step_size": 2, "gamma": 2.0})],
    "CosineAnnealingLR, StepLR": [
        ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.01}), ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ],
    "ExponentialLR, CosineAnnealingLR, StepLR": [
        ("ExponentialLR", {"gamma": 0.9}), ("CosineAnnealingLR", {"T_max": 11}), ("StepLR", {"step_size": 4}),
    ],
}  # fmt: skip


def rates_of(schedules: list[tuple[str, dict[str, Any]]]) -> list[float]:
    """The learning rates under schedules that take a step one after the other."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    made = [getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments) for name, arguments in schedules]
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(STEPS):
        optimizer.step()
        for schedule in made:
            schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def run() -> dict[str, Any]:
    """Every optimizer from the same start over the same gradients, and every schedule."""
    rng = random.Random(0)
    start = [rng.gauss(0.0, 1.0) for _ in range(PARAMETERS)]
    gradients = [[rng.gauss(0.0, 1.0) * 10.0 ** rng.randint(-3, 1) for _ in start] for _ in range(STEPS)]
    after: dict[str, list[list[float]]] = {}
    for name, (kind, arguments) in OPTIMIZERS.items():
        parameter = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer = getattr(torch.optim, kind)([parameter], **arguments)
        after[name] = []
        for gradient in gradients:
            parameter.grad = torch.tensor(gradient, dtype=torch.float64)
            optimizer.step()
            after[name].append(parameter.tolist())
    rates = {name: rates_of([(name, arguments)]) for name, arguments in SCHEDULERS.items()}
    clipped: dict[str, Any] = {}
    for norm_type in (2.0, 1.0, 3.0, float("inf")):
        parameter = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        parameter.grad = torch.tensor(gradients[0], dtype=torch.float64)
        norm = torch.nn.utils.clip_grad_norm_([parameter], 0.5, norm_type)
        clipped[str(norm_type)] = {"norm": norm.item(), "gradients": parameter.grad.tolist()}
    return {
        "start": start,
        "gradients": gradients,
        "optimizers": {name: list(entry) for name, entry in OPTIMIZERS.items()},
        "after": after,
        "schedulers": SCHEDULERS,
        "rates": rates,
        "together": {name: [schedules, rates_of(schedules)] for name, schedules in TOGETHER.items()},
        "clipped": clipped,
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("optim.json")
    path.write_text(json.dumps({"torch": torch.__version__, **run()}, indent=1) + "\n")
