"""Optimizers: an update of all parameters from their gradients."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine.arithmetic import number
from ..engine.value import Value
from ..errors import ArgumentError, ShapeError
from ..nn.trees import is_vector
from ..support.checks import check_set_to_none, in_short, truth, whole_number
from ..support.pytorch import refuses_options
from ..support.text import count
from .arguments import SMALLEST, State, each_once, settings_of, within
from .clipping import finite_gradients


class Optimizer(ABC):
    """Base class: parameters, a learning rate, and a row of numbers per slot (a momentum, say), one per parameter.

    A parameter that no backward pass has reached counts as one with gradient 0. A subclass keeps each of its own
    arguments as an attribute of the same name; its docstring describes those that are not described here.

    Args:
        parameters: what to update, such as ``model.parameters()``; duplicates are updated once.
        lr: learning rate.
        slots: names of the rows, whose numbers start from 0. Subclasses pass it; it is not one of their arguments.
        weight_decay: this times the parameter is added to its gradient.
        maximize: whether to go up the gradient instead of down.

    Attributes:
        steps: number of updates so far.

    Raises:
        ArgumentError: there are no parameters, something else is among them, or a number is outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float,
        *,
        slots: Sequence[str] = (),
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.parameters = tuple(each_once(parameters))
        if not self.parameters:
            raise ArgumentError("an optimizer without parameters", remedy="Give it model.parameters()")
        for parameter in self.parameters:
            if parameter.parents:
                raise ArgumentError(
                    f"{parameter.name:.40} is computed from other Values, so that an update of it would be lost",
                    remedy="Give the Values that it is computed from",
                )
        self.lr = lr
        self.weight_decay = within("weight_decay", weight_decay)
        self.maximize = truth("maximize", maximize)
        self.steps = 0
        self._slots = {slot: [0.0] * len(self.parameters) for slot in slots}

    @abstractmethod
    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        """Change the parameters. `steps` counts this update already."""

    @property
    def lr(self) -> float:
        """Learning rate of the next update; schedules change it."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = within("lr", lr)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments other than the parameters and the learning rate, by name."""
        return settings_of(self, "parameters", "lr")

    @refuses_options
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

    @refuses_options
    def step(self) -> None:
        """Update every parameter from its gradient.

        Raises:
            DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        """
        gradients = finite_gradients(self.parameters)
        if self.maximize:
            gradients = [-g for g in gradients]
        self.steps += 1
        self._update(self.parameters, self._decayed(gradients) if self.weight_decay else gradients)

    def _decayed(self, gradients: list[float]) -> list[float]:
        """The gradients with weight decay."""
        return [g + self.weight_decay * p.data for g, p in zip(gradients, self.parameters)]

    @refuses_options
    def state_dict(self) -> State:
        """Everything except the parameters, as JSON."""
        return {"steps": self.steps, "lr": self.lr, "slots": {name: list(row) for name, row in self._slots.items()}}

    @refuses_options
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
                raise ShapeError(
                    f"{name} has {count(len(row), 'entry', 'entries')} for {count(len(self.parameters), 'parameter')}"
                )
        steps, self.lr = whole_number("steps", state["steps"], 0), state["lr"]
        self.steps, self._slots = steps, rows

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value}" for name, value in self.settings.items() if value)
        return f"{type(self).__name__}({count(len(self.parameters), 'parameter')}, lr={self.lr:g}{settings})"


class SGD(Optimizer):
    """v ← momentum·v + (1 - dampening)·g, p ← p - lr·v; with nesterov, p ← p - lr·(g + momentum·v).

    At the first update v ← g, whatever the dampening is, as in PyTorch.

    Args:
        momentum: 0 for plain gradient descent.
        dampening: how much of each gradient is kept out of v.
        nesterov: Nesterov's momentum, in the form of Sutskever et al. 2013 that PyTorch uses.

    Raises:
        ArgumentError: a number is outside its range, or nesterov without momentum or with dampening.
    """

    @refuses_options
    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        self.momentum = within("momentum", momentum)
        slots = ("momentum",) if self.momentum else ()
        super().__init__(parameters, lr, slots=slots, weight_decay=weight_decay, maximize=maximize)
        self.dampening = within("dampening", dampening, most=1.0)
        self.nesterov = truth("nesterov", nesterov)
        if self.nesterov and (not self.momentum or self.dampening):
            raise ArgumentError(
                f"nesterov with {'dampening' if self.momentum else 'no momentum'}",
                remedy="Give momentum above 0, and no dampening",
            )

    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        if self.momentum:
            new = gradients
            if self.dampening and self.steps > 1:
                new = [(1.0 - self.dampening) * g for g in gradients]
            v = self._slots["momentum"] = [self.momentum * v + g for v, g in zip(self._slots["momentum"], new)]
            gradients = [g + self.momentum * v for g, v in zip(gradients, v)] if self.nesterov else v
        for p, g in zip(parameters, gradients):
            p.data -= self.lr * g


class RMSprop(Optimizer):
    """s ← alpha·s + (1 - alpha)·g², p ← p - lr·g / (√s + eps) (Tieleman & Hinton 2012).

    Args:
        alpha: how much of the mean square is kept at an update.
        eps: keeps the divisor above 0.
        momentum: v ← momentum·v + g / (√s + eps), p ← p - lr·v.
        centered: whether the square of the mean gradient, kept likewise, is subtracted from s.

    Raises:
        ArgumentError: a number is outside its range.
    """

    @refuses_options
    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        self.momentum, self.centered = within("momentum", momentum), truth("centered", centered)
        slots = ("mean_square", *["mean"] * self.centered, *["momentum"] * bool(self.momentum))
        super().__init__(parameters, lr, slots=slots, weight_decay=weight_decay, maximize=maximize)
        self.alpha, self.eps = within("alpha", alpha, below=1.0), within("eps", eps, least=SMALLEST)

    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        keep, add = self.alpha, 1.0 - self.alpha
        squares = self._slots["mean_square"] = [
            keep * s + add * (g * g) for s, g in zip(self._slots["mean_square"], gradients)
        ]
        if self.centered:
            means = self._slots["mean"] = [keep * m + add * g for m, g in zip(self._slots["mean"], gradients)]
            squares = [max(s - m * m, 0.0) for s, m in zip(squares, means)]  # rounding may lead below 0
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
        amsgrad: whether the largest s so far stands in the place of s (Reddi, Kale & Kumar 2018).

    Raises:
        ArgumentError: a number is outside its range.
    """

    @refuses_options
    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        self.amsgrad = truth("amsgrad", amsgrad)
        slots = ("mean", "mean_square", *["largest_mean_square"] * self.amsgrad)
        super().__init__(parameters, lr, slots=slots, weight_decay=weight_decay, maximize=maximize)
        if not is_vector(betas) or len(betas) != 2:
            raise ArgumentError(f"betas is {in_short(betas)}", remedy="Give two numbers, such as (0.9, 0.999)")
        self.betas = within("betas[0]", betas[0], below=1.0), within("betas[1]", betas[1], below=1.0)
        self.eps = within("eps", eps, least=SMALLEST)

    def _update(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        (beta1, beta2), slots = self.betas, self._slots
        slots["mean"] = [beta1 * m + (1.0 - beta1) * g for m, g in zip(slots["mean"], gradients)]
        slots["mean_square"] = [beta2 * s + (1.0 - beta2) * (g * g) for s, g in zip(slots["mean_square"], gradients)]
        squares = slots["mean_square"]
        if self.amsgrad:
            squares = slots["largest_mean_square"] = list(map(max, slots["largest_mean_square"], squares))
        size = self.lr / (1.0 - beta1**self.steps)
        root = math.sqrt(1.0 - beta2**self.steps)
        for p, m, s in zip(parameters, slots["mean"], squares):
            p.data -= size * (m / (math.sqrt(s) / root + self.eps))


class AdamW(Adam):
    """`Adam` with decoupled weight decay (Loshchilov & Hutter 2019): first p ← p·(1 - lr·weight_decay).

    Args:
        betas, eps, amsgrad: as for `Adam`.
        weight_decay: as above; it does not enter the gradient.

    Raises:
        ArgumentError: a number is outside its range.
    """

    @refuses_options
    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def _decayed(self, gradients: list[float]) -> list[float]:
        for p in self.parameters:
            p.data *= 1.0 - self.lr * self.weight_decay
        return gradients


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.__name__: kind for kind in (Adam, AdamW, RMSprop, SGD)}
