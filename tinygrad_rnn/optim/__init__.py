"""Optimizers, learning-rate schedules and gradient clipping, with PyTorch's names, arguments and formulas.

    optimizer = optim.Adam(model.parameters(), lr=0.01)
    optimizer.zero_grad()
    loss.backward()
    optim.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

To read it, follow a gradient:

1. `clipping`: gradients are made smaller before they are used, and refused where they are NaN or infinite.
2. `optimizers`: `Optimizer`, then SGD, RMSprop, Adam and AdamW, each the few lines of its formula.
3. `schedules`: the learning rate changes from update to update.

`arguments` is shared by all of them: it checks numbers, and returns the arguments by name for checkpoints.
"""

from .clipping import clip_grad_norm_, clip_grad_value_, finite_gradients, gradient_norm
from .optimizers import OPTIMIZERS, SGD, Adam, AdamW, Optimizer, RMSprop
from .schedules import SCHEDULES, CosineAnnealingLR, ExponentialLR, LambdaLR, LRScheduler, StepLR

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "Optimizer",
    "RMSprop",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "finite_gradients",
    "gradient_norm",
]
