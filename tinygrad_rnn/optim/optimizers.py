"""Optimizers, learning-rate schedules and gradient clipping, with PyTorch's names, arguments and formulas."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .engine.value import Value
from .errors import ArgumentError, DomainError, OperandError, ShapeError

State = dict[str, Any]  # JSON: numbers, and lists of numbers
SMALLEST = math.ulp(0.0)  # the least number above 0


class Optimizer(ABC):
    """Base class: parameters, a learning rate, and a row of numbers per slot (a momentum, say), one per parameter.

    A parameter that no backward pass has reached counts as one with gradient 0.

    Args:
        parameters: what to update, such as ``model.parameters()``.
        lr: learning rate.
        slots: names of the rows; all numbers start from 0.
        weight_decay: this times the parameter is added to its gradient.

    Attributes:
        lr: learning rate of the next step; schedules change it.
        steps: number of steps taken.

    Raises:
        ArgumentError: there are no parameters, or a number is outside its range.
    """

    def __init__(
        self, parameters: Iterable[Value], lr: float, slots: Sequence[str] = (), weight_decay: float = 0.0
    ) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ArgumentError("an optimizer without parameters", remedy="Give it model.parameters()")
        self.lr = _within("lr", lr)
        self.weight_decay = _within("weight_decay", weight_decay)
        self.steps = 0
        self._slots = {slot: [0.0] * len(self.parameters) for slot in slots}

    @abstractmethod
    def _step(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        """Change the parameters, `steps` counting this step already."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the learning rate."""

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters:
            parameter.zero_grad()

    def step(self) -> None:
        """Update every parameter from its gradient.

        Raises:
            DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        """
        gradients = finite_gradients(self.parameters)
        self.steps += 1
        self._step(self.parameters, self._decayed(gradients) if self.weight_decay else gradients)

    def _decayed(self, gradients: list[float]) -> list[float]:
        """The gradients with weight decay."""
        return [g + self.weight_decay * p.data for g, p in zip(gradients, self.parameters)]

    def state_dict(self) -> State:
        """Everything but the parameters, as JSON."""
        return {"steps": self.steps, "lr": self.lr, "slots": {name: list(row) for name, row in self._slots.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. Nothing changes if anything does not fit.

        Raises:
            ArgumentError: it is the state of another kind of optimizer.
            ShapeError: it is the state for another number of parameters.
            OperandError: an entry is not a number.
        """
        if {"steps", "lr", "slots"} != state.keys() or state["slots"].keys() != self._slots.keys():
            raise ArgumentError(f"this is not a state of {type(self).__name__}")
        rows = {name: [_number(entry) for entry in row] for name, row in state["slots"].items()}
        for name, row in rows.items():
            if len(row) != len(self.parameters):
                raise ShapeError(f"{name} has {len(row)} entries for {len(self.parameters)} parameters")
        self.steps, self.lr, self._slots = _steps(state["steps"]), _within("lr", state["lr"]), rows

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value}" for name, value in self.settings.items() if value)
        return f"{type(self).__name__}({len(self.parameters)} parameters, lr={self.lr:g}{settings})"


class SGD(Optimizer):
    """v ← momentum·v + g, p ← p - lr·v; with nesterov, p ← p - lr·(g + momentum·v).

    Args:
        parameters: what to update.
        lr: learning rate.
        momentum: 0 for plain gradient descent.
        weight_decay: this times the parameter is added to its gradient.
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
        self.momentum = _within("momentum", momentum)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ArgumentError("nesterov without momentum", remedy="Give momentum above 0")

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the learning rate."""
        return {"momentum": self.momentum, "weight_decay": self.weight_decay, "nesterov": self.nesterov}

    def _step(self, parameters: Sequence[Value], gradients: list[float]) -> None:
        if self.momentum:
            v = self._slots["momentum"] = [self.momentum * v + g for v, g in zip(self._slots["momentum"], gradients)]
            gradients = [g + self.momentum * v for g, v in zip(gradients, v)] if self.nesterov else v
        for p, g in zip(parameters, gradients):
            p.data -= self.lr * g


class RMSprop(Optimizer):
    """s ← alpha·s + (1 - alpha)·g², p ← p - lr·g / (√s + eps) (Tieleman & Hinton 2012).

    Args:
        parameters: what to update.
        lr: learning rate.
        alpha: how much of the mean square is kept at a step.
        eps: keeps the divisor above 0.
        weight_decay: this times the parameter is added to its gradient.
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
        self.alpha, self.eps = _within("alpha", alpha, below=1.0), _within("eps", eps, least=SMALLEST)
        self.momentum = _within("momentum", momentum)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the learning rate."""
        return {
            "alpha": self.alpha,
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
        }

    def _step(self, parameters: Sequence[Value], gradients: list[float]) -> None:
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

    m̂ = m / (1 - β1ᵗ) and ŝ = s / (1 - β2ᵗ) at the t-th step.

    Args:
        parameters: what to update.
        lr: learning rate.
        betas: how much of the two means is kept at a step.
        eps: keeps the divisor above 0.
        weight_decay: this times the parameter is added to its gradient.

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
        self.betas = _within("betas[0]", betas[0], below=1.0), _within("betas[1]", betas[1], below=1.0)
        self.eps = _within("eps", eps, least=SMALLEST)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the learning rate."""
        return {"betas": self.betas, "eps": self.eps, "weight_decay": self.weight_decay}

    def _step(self, parameters: Sequence[Value], gradients: list[float]) -> None:
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
        parameters: what to update.
        lr: learning rate.
        betas: how much of the two means is kept at a step.
        eps: keeps the divisor above 0.
        weight_decay: see above; does not enter the gradient.

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


# ---- schedules ----------------------------------------------------------------------------------------------


class LRScheduler(ABC):
    """Base class of schedules: after each ``step()``, ``optimizer.lr`` is what the schedule says.

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
        """The arguments, by name, other than the optimizer, as JSON; none where they are no such thing."""
        return {}

    def step(self) -> None:
        """Count a step and set the learning rate."""
        self.steps += 1
        self.optimizer.lr = self.lr_at(self.steps)

    def state_dict(self) -> State:
        """What `load_state_dict` needs, as JSON."""
        return {"steps": self.steps, "initial_lr": self.initial_lr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            ArgumentError: it is the state of something else.
        """
        if {"steps", "initial_lr"} != state.keys():
            raise ArgumentError("this is not the state of a schedule")
        self.steps, self.initial_lr = _steps(state["steps"]), _within("initial_lr", state["initial_lr"])
        self.optimizer.lr = self.lr_at(self.steps)


class LambdaLR(LRScheduler):
    """The initial learning rate times ``lr_lambda(steps)``: with ``lambda n: min(1, (n + 1) / 100)``, a warm-up."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""
        return _within("the learning rate of the schedule", self.initial_lr * self.lr_lambda(steps))


class StepLR(LRScheduler):
    """The learning rate times ``gamma`` every ``step_size`` steps.

    Raises:
        ArgumentError: step_size is below 1, or gamma negative.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = int(_within("step_size", step_size, least=1)), _within("gamma", gamma)
        super().__init__(optimizer)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the optimizer."""
        return {"step_size": self.step_size, "gamma": self.gamma}

    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""
        try:
            factor = self.gamma ** (steps // self.step_size)
        except OverflowError:
            factor = math.inf
        return _within("the learning rate of the schedule", self.initial_lr * factor)


class ExponentialLR(StepLR):
    """The learning rate times ``gamma`` at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, 1, gamma)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the optimizer."""
        return {"gamma": self.gamma}


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial learning rate down to ``eta_min`` over ``T_max`` steps, then ``eta_min``
    (Loshchilov & Hutter 2017, equation 5, without restarts; PyTorch's goes up again after T_max).

    Raises:
        ArgumentError: T_max is below 1, or eta_min negative.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = int(_within("T_max", T_max, least=1)), _within("eta_min", eta_min)
        super().__init__(optimizer)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments, by name, other than the optimizer."""
        return {"T_max": self.T_max, "eta_min": self.eta_min}

    def lr_at(self, steps: int) -> float:
        """The learning rate after so many steps."""
        done = min(steps, self.T_max) / self.T_max
        return self.eta_min + (self.initial_lr - self.eta_min) * (1.0 + math.cos(math.pi * done)) / 2.0


SCHEDULES: dict[str, type[LRScheduler]] = {
    kind.__name__: kind for kind in (StepLR, ExponentialLR, CosineAnnealingLR)
}  # those that their settings make again


# ---- clipping -----------------------------------------------------------------------------------------------


def clip_grad_norm_(parameters: Iterable[Value], max_norm: float, norm_type: float = 2.0) -> float:
    """Shrink all gradients together so that their norm is at most ``max_norm`` (Pascanu, Mikolov & Bengio 2013).

    As in PyTorch, they are multiplied by max_norm / (norm + 1e-6) where that is below 1.

    Args:
        parameters: whose gradients to clip.
        max_norm: the bound.
        norm_type: p of the p-norm; ``math.inf`` for the largest absolute value.

    Returns:
        The norm before clipping; infinite where it is beyond the largest float, and the gradients are clipped all
        the same.

    Raises:
        DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        ArgumentError: max_norm is negative, or norm_type is not above 0.
    """
    clipped = list(parameters)
    _within("max_norm", max_norm, most=math.inf)
    _within("norm_type", norm_type, least=SMALLEST, most=math.inf)
    norm = gradient_norm(clipped, norm_type)
    if norm == math.inf > max_norm:  # of finite numbers: shrunk by the largest, they keep their direction
        largest = max(abs(parameter.grad) for parameter in clipped)
        for parameter in clipped:
            parameter.grad /= largest
        factor = max_norm / gradient_norm(clipped, norm_type)
    else:
        factor = min(1.0, max_norm / (norm + 1e-6))  # 1 of two infinities
    if factor != 1.0:
        for parameter in clipped:
            parameter.grad *= factor
    return norm


def gradient_norm(parameters: Sequence[Value], norm_type: float = 2.0) -> float:
    """The p-norm of all gradients together: infinite only where it is itself beyond the largest float.

    Raises:
        DomainError: a gradient is NaN or infinite; the error names the parameter.
    """
    sizes = [abs(gradient) for gradient in finite_gradients(parameters)]
    largest = max(sizes, default=0.0)
    if norm_type == 2.0:
        return math.hypot(*sizes)
    if norm_type == math.inf or not largest:
        return largest
    return float(largest * math.fsum((size / largest) ** norm_type for size in sizes) ** (1.0 / norm_type))


def clip_grad_value_(parameters: Iterable[Value], clip_value: float) -> None:
    """Move every gradient into [-clip_value, clip_value].

    Raises:
        DomainError: a gradient is NaN or infinite; the error names the parameter, and nothing has changed.
        ArgumentError: clip_value is negative.
    """
    clipped = list(parameters)
    _within("clip_value", clip_value, most=math.inf)
    for parameter, gradient in zip(clipped, finite_gradients(clipped)):
        parameter.grad = min(max(gradient, -clip_value), clip_value)


def finite_gradients(parameters: Sequence[Value]) -> list[float]:
    """The gradients.

    Raises:
        DomainError: one is NaN or infinite; the error names the parameter.
    """
    gradients = [parameter.grad for parameter in parameters]
    if not all(map(math.isfinite, gradients)):
        parameter = next(p for p in parameters if not math.isfinite(p.grad))
        raise DomainError(
            f"the gradient of {parameter.name} is {parameter.grad}",
            node=parameter.name,
            remedy="Look for what overflowed in the forward pass or on the way back; a smaller learning rate may help",
        )
    return gradients


def _within(name: str, data: Any, least: float = 0.0, below: float = math.inf, most: float | None = None) -> float:
    """``data`` as a float, if least <= data < below (or <= most).

    Raises:
        ArgumentError: it is outside.
    """
    number = _number(data)
    if not (least <= number and (number < below if most is None else number <= most)):
        above = "a number above 0" if least == SMALLEST else f"a number of at least {least:g}"
        bound = f" and below {below:g}" if below < math.inf else ""
        raise ArgumentError(f"{name} is {number!r}", remedy=f"Give {above}{bound}")
    return number


def _steps(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ArgumentError(f"steps is {number!r}", remedy="Give a whole number of at least 0")
    return number


def _number(data: Any) -> float:
    if isinstance(data, (int, float)):
        return float(data)
    raise OperandError(f"{str(data)[:40]!r} is not a number")
