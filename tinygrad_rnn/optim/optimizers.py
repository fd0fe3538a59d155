"""Optimizers: an update of all parameters from their gradients."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine.arithmetic import number
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError
from ..support.checks import check_set_to_none, whole_number
from .arguments import SMALLEST, State, each_once, settings_of, within
from .clipping import finite_gradients


class Optimizer(ABC):
    """Base class: parameters, a learning rate, and a row of numbers per slot (a momentum, say), one per parameter.

    A parameter that no backward pass has reached counts as one with gradient 0. A subclass keeps each of its own
    arguments as an attribute of the same name; its docstring describes those that are not described here.

    Args:
        parameters: what to update, such as ``model.parameters()``; one that is given twice is updated once.
        lr: learning rate.
        slots: names of the rows, whose numbers start from 0. Subclasses give it; it is no argument of theirs.
        weight_decay: this times the parameter is added to its gradient.

    Attributes:
        lr: learning rate of the next update; schedules change it.
        steps: number of updates so far.

    Raises:
        ArgumentError: there are no parameters, something else is among them, or a number is outside its range.
    """

    def __init__(
        self, parameters: Iterable[Value], lr: float, slots: Sequence[str] = (), weight_decay: float = 0.0
    ) -> None:
        self.parameters = each_once(parameters)
        if not self.parameters:
            raise ArgumentError("an optimizer without parameters", remedy="Give it model.parameters()")
        for parameter in self.parameters:
            if parameter.parents:
                raise ArgumentError(
                    f"{parameter.name:.40} is computed from other Values, so that an update of it would be lost",
                    remedy="Give the Values that it is computed from",
                )
        self.lr = within("lr", lr)
        self.weight_decay = within("weight_decay", weight_decay)
        self.steps = 0
        self._slots = {slot: [0.0] * len(self.parameters) for slot in slots}

    @abstractmethod
    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        """Change the parameters. `steps` counts this update already."""

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments other than the parameters and the learning rate, by name."""
        return settings_of(self, "parameters", "lr")

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set the gradient of every parameter to 0.

        Args:
            set_to_none: as in PyTorch, except that it cannot be True: a gradient here is always a number.

        Raises:
            ArgumentError: set_to_none is True.
        """
        check_set_to_none(set_to_none)
        for parameter in self.parameters:
            parameter.zero_grad()

    def step(self) -> None:
        """Update every parameter from its gradient.

        Raises:
            DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        """
        gradients = finite_gradients(self.parameters)
        self.steps += 1
        self._update(self.parameters, self._decayed(gradients) if self.weight_decay else gradients)

    def _decayed(self, gradients: list[float]) -> list[float]:
        """The gradients with weight decay."""
        return [g + self.weight_decay * p.data for g, p in zip(gradients, self.parameters)]

    def state_dict(self) -> State:
        """Everything but the parameters, as JSON."""
        return {"steps": self.steps, "lr": self.lr, "slots": {name: list(row) for name, row in self._slots.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned. Nothing changes if anything does not fit.

        Raises:
            ArgumentError: it is the state of another kind of optimizer.
            ShapeError: it is the state for another number of parameters.
            OperandError: an entry is not a number.
        """
        if {"steps", "lr", "slots"} != state.keys() or state["slots"].keys() != self._slots.keys():
            raise ArgumentError(f"this is not a state of {type(self).__name__}")
        rows = {name: [number(entry) for entry in row] for name, row in state["slots"].items()}
        for name, row in rows.items():
            if len(row) != len(self.parameters):
                raise ShapeError(f"{name} has {len(row)} entries for {len(self.parameters)} parameters")
        self.steps, self.lr, self._slots = whole_number("steps", state["steps"], 0), within("lr", state["lr"]), rows

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value}" for name, value in self.settings.items() if value)
        return f"{type(self).__name__}({len(self.parameters)} parameters, lr={self.lr:g}{settings})"


class SGD(Optimizer):
    """v ← momentum·v + g, p ← p - lr·v; with nesterov, p ← p - lr·(g + momentum·v).

    Args:
        momentum: 0 for plain gradient descent.
        nesterov: Nesterov's momentum, in the form of Sutskever et al. 2013 that PyTorch uses.

    Raises:
        ArgumentError: a number is outside its range, or nesterov without momentum.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, ("momentum",) if momentum else (), weight_decay)
        self.momentum = within("momentum", momentum)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ArgumentError("nesterov without momentum", remedy="Give momentum above 0")

    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        if self.momentum:
            v = self._slots["momentum"] = [self.momentum * v + g for v, g in zip(self._slots["momentum"], gradients)]
            gradients = [g + self.momentum * v for g, v in zip(gradients, v)] if self.nesterov else v
        for p, g in zip(parameters, gradients):
            p.data -= self.lr * g


class RMSprop(Optimizer):
    """s ← alpha·s + (1 - alpha)·g², p ← p - lr·g / (√s + eps) (Tieleman & Hinton 2012).

    Args:
        alpha: how much of the mean square is kept at an update.
        eps: keeps the divisor above 0.
        momentum: v ← momentum·v + g / (√s + eps), p ← p - lr·v.

    Raises:
        ArgumentError: a number is outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ) -> None:
        slots = ("mean_square", "momentum") if momentum else ("mean_square",)
        super().__init__(parameters, lr, slots, weight_decay)
        self.alpha, self.eps = within("alpha", alpha, below=1.0), within("eps", eps, least=SMALLEST)
        self.momentum = within("momentum", momentum)

    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        keep, add = self.alpha, 1.0 - self.alpha
        squares = self._slots["mean_square"] = [
            keep * s + add * (g * g) for s, g in zip(self._slots["mean_square"], gradients)
        ]
        steps = [g / (math.sqrt(s) + self.eps) for g, s in zip(gradients, squares)]
        if self.momentum:
            steps = self._slots["momentum"] = [self.momentum * v + d for v, d in zip(self._slots["momentum"], steps)]
        for p, step in zip(parameters, steps):
            p.data -= self.lr * step


class Adam(Optimizer):
    """m ← β1·m + (1 - β1)·g, s ← β2·s + (1 - β2)·g², p ← p - lr·m̂ / (√ŝ + eps) (Kingma & Ba 2015).

    m̂ = m / (1 - β1ᵗ) and ŝ = s / (1 - β2ᵗ) at the t-th update.

    Args:
        betas: how much of the two means is kept at an update.
        eps: keeps the divisor above 0.

    Raises:
        ArgumentError: a number is outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, ("mean", "mean_square"), weight_decay)
        self.betas = within("betas[0]", betas[0], below=1.0), within("betas[1]", betas[1], below=1.0)
        self.eps = within("eps", eps, least=SMALLEST)

    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        (beta1, beta2), slots = self.betas, self._slots
        slots["mean"] = [beta1 * m + (1.0 - beta1) * g for m, g in zip(slots["mean"], gradients)]
        slots["mean_square"] = [beta2 * s + (1.0 - beta2) * (g * g) for s, g in zip(slots["mean_square"], gradients)]
        size = self.lr / (1.0 - beta1**self.steps)
        root = math.sqrt(1.0 - beta2**self.steps)
        for p, m, s in zip(parameters, slots["mean"], slots["mean_square"]):
            p.data -= size * (m / (math.sqrt(s) / root + self.eps))


class AdamW(Adam):
    """`Adam` with decoupled weight decay (Loshchilov & Hutter 2019): first p ← p·(1 - lr·weight_decay).

    Args:
        betas, eps: as of `Adam`.
        weight_decay: as above; it does not enter the gradient.

    Raises:
        ArgumentError: a number is outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _decayed(self, gradients: list[float]) -> list[float]:
        for p in self.parameters:
            p.data *= 1.0 - self.lr * self.weight_decay
        return gradients


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.__name__: kind for kind in (Adam, AdamW, RMSprop, SGD)}
