"""The base classes of tasks: `Example` and `Task`."""

from __future__ import annotations

import inspect
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import DataError
from ..support.checks import whole_number
from ..support.memory import require_memory
from ..support.text import count

BYTES_OF_STEP = 160  # what a time step of an example takes, about
Outputs = Sequence[Sequence[float]]  # output_size numbers per time step


@dataclass(frozen=True)
class Example:
    """One sequence and its targets.

    Attributes:
        inputs: per time step, a symbol (a whole number, to be one-hot) or input_size numbers.
        targets: per time step, a class (a whole number), or output_size numbers; None where there is no target.
    """

    inputs: tuple[Any, ...]
    targets: tuple[Any, ...]

    @property
    def target_count(self) -> int:
        """The number of time steps with a target."""
        return sum(target is not None for target in self.targets)


class Task(ABC):
    """Base class of tasks. The arguments that make a task are whole numbers, booleans, strings or None, and are
    kept as attributes of the same name.

    Attributes:
        name: for the command line.
        source: where the task was published, or its data come from.
        criterion: when the task counts as solved, in a sentence.
        trivial: the trivial predictor that `baseline` is the error of, in a sentence.
        loss: ``"cross_entropy"``, ``"mse_loss"`` or ``"binary_cross_entropy_with_logits"``, of one time step.
        metric: what `error` measures, such as ``"sequences wrong"``.
        predicts_next: whether the target of a time step is the input of the next one.
        validation_by: which of the arguments of `validation` make a difference; without the seed, its examples are
            always from the same held-out part of the data.
        input_size: number of symbols, or of numbers per time step.
        output_size: number of classes, or of numbers per time step.
        goal: solved when the mean `error` over validation examples is at most this.
        baseline: the mean error of the trivial predictor.
        time_steps: of an example, as far as is known beforehand; at least 1.
        digest: tells apart the data of tasks that have some; else empty.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    criterion: ClassVar[str]
    trivial: ClassVar[str]
    loss: ClassVar[str]
    metric: ClassVar[str]
    predicts_next: ClassVar[bool] = False
    validation_by: ClassVar[tuple[str, ...]] = ("count", "seed")
    input_size: int
    output_size: int
    goal: float
    baseline: float
    digest: str = ""

    @property
    def time_steps(self) -> int:
        """1, for a task that does not override this."""
        return 1

    @abstractmethod
    def example(self, rng: random.Random) -> Example:
        """A sequence to learn from; it depends on ``rng`` alone."""

    @abstractmethod
    def error(self, example: Example, outputs: Outputs) -> float:
        """The error of a model's outputs about an example, by the task's own measure; 0 is right."""

    def validation(self, count: int, seed: int = 0) -> list[Example]:
        """Examples to validate on: always the same ones for the same seed, none of which was trained on if the
        data are finite.

        Raises:
            ArgumentError: the count or the seed is not a whole number of at least 0.
            TooLargeError: they do not fit into memory.
        """
        count = self.check_size("the number of sequences", count)
        seed = whole_number("seed", seed, 0)
        rng = random.Random(f"validation {seed}")  # a string, so that no int seed of training gives the same
        return [self.example(rng) for _ in range(count)]

    def check_size(self, name: str, count: int) -> int:
        """Return a number of examples as an int, if so many fit into memory.

        Args:
            name: what the count is called in the error.
            count: how many.

        Raises:
            ArgumentError: it is not a whole number of at least 0.
            TooLargeError: they do not; the error says how many would, or how long one may be.
        """
        count, steps = whole_number(name, count, 0), self.time_steps
        require_memory("the number of time steps", steps, lambda n: n * BYTES_OF_STEP)
        require_memory(name, count, lambda n: n * steps * BYTES_OF_STEP)
        return count

    @property
    def summary(self) -> str:
        """The aim of the task, in a sentence: the first line of the docstring, which ``python -OO`` leaves out."""
        return (type(self).__doc__ or "").partition("\n")[0]

    @classmethod
    def known_settings(cls) -> list[str]:
        """Names of the arguments that make a task."""
        return list(inspect.signature(cls).parameters)

    def settings(self) -> dict[str, Any]:
        """The arguments that make this task again."""
        return {name: getattr(self, name) for name in self.known_settings()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"


def too_short(what: str, wanted: str, length: int, longest: int) -> DataError:
    """Return the error for data that are too few for examples of ``length`` time steps.

    Args:
        what: the data that there are.
        wanted: the data that would be enough.
        length: the length that is too long.
        longest: the longest length for which the data are enough; below 1 if there is none.
    """
    shorter = f", or a length of at most {longest}" if longest >= 1 else ""
    return DataError(f"{what}: too few for examples of {count(length, 'time step')}", remedy=f"Give {wanted}{shorter}")


def largest(numbers: Sequence[float]) -> int:
    """The index of the largest number, the first of several."""
    return max(range(len(numbers)), key=numbers.__getitem__)


def last_only(target: object, T: int) -> tuple[object, ...]:
    """The targets of T time steps, of which only the last has one."""
    return (*[None] * (T - 1), target)
