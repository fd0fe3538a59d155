"""`Settings`: what decides the numbers of a training run. `Limits`: when it ends."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.arithmetic import is_number, number
from ..errors import ArgumentError
from ..optim import LRScheduler, Optimizer
from ..support.checks import in_short, whole_number


@dataclass(frozen=True)
class Settings:
    """The settings that decide the numbers of a training run. To resume it, give the same again, except `engine`.

    Truncation cuts each sequence into chunks of `truncate` time steps: the state flows on from chunk to chunk, the
    gradient stops at the border, and memory is that of one chunk. The gradients of all chunks are added up before the
    one update per batch, so that truncation changes the gradient and nothing else, and can be compared with full BPTT.
    There is no update after every chunk, as is often done with one endless sequence: for that, give
    `bptt.truncated_bptt` an ``after_window`` that calls the optimizer's `step` and sets its gradients to zero.

    Attributes:
        optimizer: of the model's parameters (default: `Adam` with a learning rate of 0.01).
        scheduler: advances after each update; None for a constant learning rate.
        batch_size: sequences per update.
        max_norm: bound on the norm of the gradient; None for no clipping.
        truncate: time steps of a chunk in truncated BPTT, k1 = k2; None for full BPTT.
        seed: of the sequences that are drawn.
        validate_every: updates between two validations. There is also one at the end.
        validation_size: number of sequences to validate on, always the same.
        keep_best: whether the model ends with the weights of the best validation (the smallest error, of equal ones
            the smallest loss) instead of those of the last update, unless Ctrl-C ended training.
        engine: ``"eager"``; ``"compiled"``: native code, the same bits (needs the extra ``compile``); or
            ``"compiled fast"``, which rounds differently.

    Raises:
        ArgumentError: a number makes no sense.
    """

    optimizer: Optimizer | None = None
    scheduler: LRScheduler | None = None
    batch_size: int = 8
    max_norm: float | None = 1.0
    truncate: int | None = None
    seed: int = 0
    validate_every: int = 50
    validation_size: int = 64
    keep_best: bool = True
    engine: str = "eager"

    def __post_init__(self) -> None:
        _check_whole(self, "batch_size", "validate_every", "validation_size")
        if self.truncate is not None:
            _check_whole(self, "truncate")
        object.__setattr__(self, "seed", whole_number("seed", self.seed, 0))
        if self.max_norm is not None:
            max_norm = number(self.max_norm, "max_norm") if is_number(self.max_norm) else 0.0
            if not max_norm > 0.0:
                raise ArgumentError(f"max_norm is {in_short(self.max_norm)}", remedy="Give a number above 0, or None")
            object.__setattr__(self, "max_norm", max_norm)


@dataclass(frozen=True)
class Limits:
    """The limits at which training ends. It may also be ended by Ctrl-C, and the limits may change when it is resumed.

    Attributes:
        updates: number of updates in all, those before a resumed checkpoint included.
        patience: number of validations in a row without a smaller error after which training ends; None for no such
            end.
        stop_when_solved: whether to end when a validation meets the task's criterion. On few sequences that may be
            luck: measure the result with `validate` on others.

    Raises:
        ArgumentError: a number makes no sense.
    """

    updates: int = 1000
    patience: int | None = None
    stop_when_solved: bool = True

    def __post_init__(self) -> None:
        _check_whole(self, "updates")
        if self.patience is not None:
            _check_whole(self, "patience")


def _check_whole(instance: Settings | Limits, *names: str) -> None:
    """Check that these are whole numbers of at least 1, and convert NumPy's to ints, which a checkpoint can hold."""
    for name in names:
        object.__setattr__(instance, name, whole_number(name, getattr(instance, name)))
