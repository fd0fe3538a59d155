"""Learning-rate schedules: each multiplies the current rate, so that several can share one optimizer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from ..engine.arithmetic import number
from ..errors import ArgumentError
from ..support.checks import whole_number
from ..support.pytorch import refuses_options
from .arguments import State, settings_of, within
from .optimizers import Optimizer


class LRScheduler(ABC):
    """Base class of schedules: ``step()`` multiplies ``optimizer.lr``. A schedule keeps each of its arguments as an
    attribute of the same name.

    After n calls of `step` the rate is lowest + (initial_lr - lowest)·factor(n). If another schedule, or an assignment,
    has changed the rate in the meantime, initial_lr is first recomputed from the changed rate. So two schedules combine
    as in PyTorch, and a single one rounds only once, however often `step` was called.

    Attributes:
        optimizer: whose learning rate is set.
        initial_lr: its learning rate when the schedule was created, adjusted for later changes by others.
        lowest: the learning rate at a factor of 0.
        steps: number of calls of `step`, usually one after each update.
    """

    lowest = 0.0

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.initial_lr = optimizer.lr
        self.steps = 0
        self._factor = self.factor(0)
        optimizer.lr = self._rate(self._factor)

    @abstractmethod
    def factor(self, steps: int) -> float:
        """The factor on the initial learning rate after this many calls of `step`."""

    def lr_at(self, steps: int) -> float:
        """The learning rate after this many calls of `step`, if nothing else changes it."""
        return self._rate(self.factor(whole_number("steps", steps, least=0)))

    def _rate(self, factor: float) -> float:
        rate = self.lowest + (self.initial_lr - self.lowest) * factor
        return within("the learning rate of the schedule", rate)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments other than the optimizer, by name, as JSON."""
        return settings_of(self, "optimizer")

    @refuses_options
    def step(self) -> None:
        """Count the call and multiply the learning rate.

        Raises:
            ArgumentError: the learning rate would be negative, infinite or NaN.
        """
        before, after = self._factor, self.factor(self.steps + 1)
        if after != before:
            found = self.optimizer.lr
            if found != self._rate(before):
                self.initial_lr = self.lowest + (found - self.lowest) / before if before else found
            self.optimizer.lr = self._rate(after)
        self.steps, self._factor = self.steps + 1, after

    @refuses_options
    def state_dict(self) -> State:
        """The state for `load_state_dict`, as JSON; with the learning rate, if something else has changed it."""
        state = {"steps": self.steps, "initial_lr": self.initial_lr}
        return state if self.optimizer.lr == self._rate(self._factor) else {**state, "lr": self.optimizer.lr}

    @refuses_options
    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Load what `state_dict` returned, and set the learning rate.

        Raises:
            ArgumentError: it is not a state of this schedule.
        """
        if {"steps", "initial_lr"} != state.keys() - {"lr"}:
            raise ArgumentError("this is not the state of a schedule")
        steps, initial_lr = whole_number("steps", state["steps"], 0), within("initial_lr", state["initial_lr"])
        rate = within("lr", state["lr"]) if "lr" in state else None
        self.steps, self.initial_lr, self._factor = steps, initial_lr, self.factor(steps)
        self.optimizer.lr = self._rate(self._factor) if rate is None else rate


class LambdaLR(LRScheduler):
    """The initial learning rate times ``lr_lambda(steps)``: with ``lambda n: min(1, (n + 1) / 100)``, a warm-up.

    PyTorch's undoes what other schedules have done to the rate; this one multiplies, as all others do.
    """

    @refuses_options
    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing: a function is not JSON."""
        return {}

    def factor(self, steps: int) -> float:
        """The result of the function."""
        return number(self.lr_lambda(steps), "the factor of the schedule")


class StepLR(LRScheduler):
    """The learning rate times ``gamma`` every ``step_size`` calls of `step`.

    Raises:
        ArgumentError: step_size is not a whole number of at least 1, or gamma is negative.
    """

    @refuses_options
    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = whole_number("step_size", step_size), within("gamma", gamma)
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """A power of gamma."""
        try:
            return float(self.gamma ** (steps // self.step_size))
        except OverflowError:
            return math.inf


class ExponentialLR(StepLR):
    """The learning rate times ``gamma`` at every call of `step`."""

    @refuses_options
    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, 1, gamma)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial learning rate down to ``eta_min`` over ``T_max`` calls of `step`, then no more
    change (Loshchilov & Hutter 2017, equation 5, without restarts; PyTorch's goes up again after T_max).

    Raises:
        ArgumentError: T_max is not a whole number of at least 1, or eta_min is negative.
    """

    @refuses_options
    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = whole_number("T_max", T_max), within("eta_min", eta_min)
        self.lowest = self.eta_min
        super().__init__(optimizer)

    def factor(self, steps: int) -> float:
        """From 1 down to 0."""
        return (1.0 + math.cos(math.pi * (min(steps, self.T_max) / self.T_max))) / 2.0


SCHEDULES: dict[str, type[LRScheduler]] = {
    kind.__name__: kind for kind in (StepLR, ExponentialLR, CosineAnnealingLR)
}  # those that can be made again from their settings
