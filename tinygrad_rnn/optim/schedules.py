"""Learning-rate schedules: a number of steps gives a learning rate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from ..engine.arithmetic import number
from ..errors import ArgumentError
from ..support.checks import whole_number
from .arguments import State, settings_of, within
from .optimizers import Optimizer


class LRScheduler(ABC):
    """Base class of schedules: ``step()`` sets ``optimizer.lr``. A schedule keeps each of its arguments as an attribute
    of the same name.

    Attributes:
        optimizer: whose learning rate is set.
        initial_lr: its learning rate when the schedule was made.
        steps: number of steps taken.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.initial_lr = optimizer.lr
        self.steps = 0
        optimizer.lr = self.lr_at(0)

    @abstractmethod
    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments other than the optimizer, by name, as JSON."""
        return settings_of(self, "optimizer")

    def step(self) -> None:
        """Count a step and set the learning rate."""
        self.steps += 1
        self.optimizer.lr = self.lr_at(self.steps)

    def state_dict(self) -> State:
        """What `load_state_dict` needs, as JSON."""
        return {"steps": self.steps, "initial_lr": self.initial_lr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned.

        Raises:
            ArgumentError: it is the state of something else.
        """
        if {"steps", "initial_lr"} != state.keys():
            raise ArgumentError("this is not the state of a schedule")
        steps, initial_lr = whole_number("steps", state["steps"], 0), within("initial_lr", state["initial_lr"])
        self.steps, self.initial_lr = steps, initial_lr
        self.optimizer.lr = self.lr_at(self.steps)


class LambdaLR(LRScheduler):
    """The initial learning rate times ``lr_lambda(steps)``: with ``lambda n: min(1, (n + 1) / 100)``, a warm-up."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing: a function is not JSON."""
        return {}

    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""
        return within(
            "the learning rate of the schedule",
            self.initial_lr * number(self.lr_lambda(steps), "the factor of the schedule"),
        )


class StepLR(LRScheduler):
    """The learning rate times ``gamma`` every ``step_size`` steps.

    Raises:
        ArgumentError: step_size is not a whole number of at least 1, or gamma is negative.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = whole_number("step_size", step_size), within("gamma", gamma)
        super().__init__(optimizer)

    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""
        try:
            factor = self.gamma ** (steps // self.step_size)
        except OverflowError:
            factor = math.inf
        return within("the learning rate of the schedule", self.initial_lr * factor)


class ExponentialLR(StepLR):
    """The learning rate times ``gamma`` at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, 1, gamma)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial learning rate down to ``eta_min`` over ``T_max`` steps, then ``eta_min``
    (Loshchilov & Hutter 2017, equation 5, without restarts; PyTorch's goes up again after T_max).

    Raises:
        ArgumentError: T_max is not a whole number of at least 1, or eta_min is negative.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = whole_number("T_max", T_max), within("eta_min", eta_min)
        super().__init__(optimizer)

    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""
        done = min(steps, self.T_max) / self.T_max
        return self.eta_min + (self.initial_lr - self.eta_min) * (1.0 + math.cos(math.pi * done)) / 2.0


SCHEDULES: dict[str, type[LRScheduler]] = {
    kind.__name__: kind for kind in (StepLR, ExponentialLR, CosineAnnealingLR)
}  # those that their settings make again
