"""The record of a run in a checkpoint, in one place: every entry of its JSON, with its type and its range.

In a checkpoint, an update is called a step.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias

from ..nn.cells import NONLINEARITIES
from .entry import Entry, Plain
from .history import ENDINGS, History, Row
from .settings import Limits, Settings

RandomState: TypeAlias = "tuple[int, tuple[int, ...], float | None]"
WORDS = 624  # in the state of a Mersenne twister (Matsumoto & Nishimura 1998); the number of used words follows


@dataclass(frozen=True)
class TaskRecord:
    """A task, described so that `tasks.make_task` can make it again.

    Attributes:
        name, settings, digest: as in `Task`.
    """

    name: str
    settings: Mapping[str, Plain]
    digest: str

    @classmethod
    def read(cls, entry: Entry) -> TaskRecord:
        """Read it from JSON."""
        fields = entry.fields("name", "settings", "digest")
        return cls(fields["name"].text(), fields["settings"].plain_by_name(), fields["digest"].text())


@dataclass(frozen=True)
class Architecture:
    """The recurrent part of a model.

    Attributes:
        kind: name of its class.
        arguments: those of an `RNN`, `LSTM` or `GRU`; None for a cell that only its own program can make.
    """

    kind: str
    arguments: Arguments | None

    @classmethod
    def read(cls, entry: Entry) -> Architecture:
        """Read it from JSON."""
        fields = entry.fields("kind", optional=["arguments"])
        arguments = fields.get("arguments")
        return cls(fields["kind"].text(), None if arguments is None else Arguments.read(arguments))

    def as_json(self) -> dict[str, Plain]:
        """Return it as JSON."""
        return {"kind": self.kind, **({"arguments": self.arguments.as_json()} if self.arguments else {})}


@dataclass(frozen=True)
class Arguments:
    """The arguments of an `RNN`, `LSTM` or `GRU`.

    Attributes:
        nonlinearity: of an RNN; else None.
    """

    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    nonlinearity: str | None = None
    bidirectional: bool = False

    @classmethod
    def read(cls, entry: Entry) -> Arguments:
        """Read them from JSON."""
        fields = entry.fields(
            *("input_size", "hidden_size", "num_layers", "bias"), optional=["nonlinearity", "bidirectional"]
        )
        return cls(
            input_size=fields["input_size"].whole(1),
            hidden_size=fields["hidden_size"].whole(1),
            num_layers=fields["num_layers"].whole(1),
            bias=fields["bias"].flag(),
            nonlinearity=fields["nonlinearity"].text(*NONLINEARITIES) if "nonlinearity" in fields else None,
            bidirectional="bidirectional" in fields and fields["bidirectional"].flag(),
        )

    def as_json(self) -> dict[str, Plain]:
        """Return them as JSON, without those that have their defaults."""
        return {name: each for name, each in asdict(self).items() if name not in _LEFT_OUT or each}


_LEFT_OUT = ("nonlinearity", "bidirectional")


@dataclass(frozen=True)
class OptimizerRecord:
    """An optimizer as it was at the beginning.

    Attributes:
        kind: name of its class.
        lr: learning rate of the first update.
        settings: its other arguments.
    """

    kind: str
    lr: float
    settings: Mapping[str, Plain]


@dataclass(frozen=True)
class ScheduleRecord:
    """A schedule as it was at the beginning.

    Attributes:
        kind: name of its class.
        settings: its arguments.
    """

    kind: str
    settings: Mapping[str, Plain]


@dataclass(frozen=True)
class Description:
    """The part of a run that may not change when it is resumed."""

    task: TaskRecord
    architecture: Architecture
    settings: Settings
    optimizer: OptimizerRecord
    scheduler: ScheduleRecord | None

    def as_json(self) -> dict[str, Plain]:
        """Return the parts as JSON."""
        return {
            "task": asdict(self.task),
            "architecture": self.architecture.as_json(),
            "settings": {name: getattr(self.settings, name) for name in _SETTINGS},
            "optimizer": asdict(self.optimizer),
            "scheduler": None if self.scheduler is None else asdict(self.scheduler),
        }


@dataclass(frozen=True)
class Record:
    """Everything in a checkpoint except the tensors.

    Attributes:
        step: number of updates made.
        description: what may not change.
        limits: when to end, which may change.
        optimizer_state: of the optimizer after the last update, without its slots.
        schedule_state: of the schedule; None if there is none.
        random: the state of the generator.
        history: what happened.
        alphabet: the characters that the symbols stand for, if the task is a text.
    """

    step: int
    description: Description
    limits: Limits
    optimizer_state: Mapping[str, Plain]
    schedule_state: Mapping[str, Plain] | None
    random: RandomState
    history: History
    alphabet: str | None

    @classmethod
    def read(cls, value: object) -> Record:
        """Read it from JSON.

        Raises:
            CheckpointError: an entry is missing, unknown, of another type or out of its range; the error names it.
        """
        whole = Entry(value)
        fields = whole.fields(*_ENTRIES)
        optimizer = fields["optimizer"].fields("kind", "lr", "settings", "state")
        scheduler = fields["scheduler"].or_none(lambda entry: entry.fields("kind", "settings", "state"))
        step = fields["step"].whole()
        return cls(
            step,
            Description(
                TaskRecord.read(fields["task"]),
                Architecture.read(fields["architecture"]),
                _settings(fields["settings"]),
                OptimizerRecord(
                    optimizer["kind"].text(), optimizer["lr"].number(0.0), optimizer["settings"].plain_by_name()
                ),
                None
                if scheduler is None
                else ScheduleRecord(scheduler["kind"].text(), scheduler["settings"].plain_by_name()),
            ),
            _limits(fields["limits"]),
            optimizer["state"].plain_by_name(),
            None if scheduler is None else scheduler["state"].plain_by_name(),
            _random(fields["random"]),
            _history(fields["history"], step),
            fields["alphabet"].or_none(_alphabet),
        )

    def as_json(self) -> dict[str, Plain]:
        """Return it as JSON."""
        parts, scheduler = self.description.as_json(), self.description.scheduler
        return {
            "step": self.step,
            "architecture": parts["architecture"],
            "task": parts["task"],
            "settings": parts["settings"],
            "limits": {
                **{"steps": self.limits.updates, "patience": self.limits.patience},
                "stop_when_solved": self.limits.stop_when_solved,
            },
            "optimizer": {**asdict(self.description.optimizer), "state": dict(self.optimizer_state)},
            "scheduler": None if scheduler is None else {**asdict(scheduler), "state": dict(self.schedule_state or {})},
            "random": [self.random[0], list(self.random[1]), self.random[2]],
            "history": self.history.to_dict(),
            "alphabet": self.alphabet,
        }


_ENTRIES = (
    *("step", "architecture", "task", "settings", "limits"),
    *("optimizer", "scheduler", "random", "history", "alphabet"),
)


# Optimizer and schedule are described at greater length, and an engine may be changed at any time.
_SETTINGS = ("batch_size", "truncate", "max_norm", "seed", "validate_every", "validation_size", "keep_best")


def _settings(entry: Entry) -> Settings:
    fields = entry.fields(*_SETTINGS)
    max_norm = fields["max_norm"].or_none(Entry.number)
    if max_norm is not None and not max_norm > 0.0:
        raise fields["max_norm"].refuse("a number above 0")
    return Settings(
        batch_size=fields["batch_size"].whole(1),
        truncate=fields["truncate"].or_none(lambda each: each.whole(1)),
        max_norm=max_norm,
        seed=fields["seed"].whole(),
        validate_every=fields["validate_every"].whole(1),
        validation_size=fields["validation_size"].whole(1),
        keep_best=fields["keep_best"].flag(),
    )


def _limits(entry: Entry) -> Limits:
    fields = entry.fields("steps", "patience", "stop_when_solved")
    return Limits(
        fields["steps"].whole(1),
        fields["patience"].or_none(lambda each: each.whole(1)),
        fields["stop_when_solved"].flag(),
    )


def _random(entry: Entry) -> RandomState:
    parts = entry.entries()
    if len(parts) != 3 or len(words := parts[1].entries()) != WORDS + 1:
        raise entry.refuse("the state of a generator")
    numbers = (*(word.whole(0, 2**32 - 1) for word in words[:-1]), words[-1].whole(0, WORDS))
    if not any(numbers[1:WORDS]):
        raise entry.refuse("the state of a generator: this one would only ever draw 0")
    state = parts[0].whole(3, 3), numbers, parts[2].or_none(Entry.number)
    random.Random(0).setstate(state)
    return state


def _alphabet(entry: Entry) -> str:
    alphabet = entry.text()
    if not alphabet or len(set(alphabet)) < len(alphabet) or any("\ud800" <= sign <= "\udfff" for sign in alphabet):
        raise entry.refuse("an alphabet of whole characters, each once")
    return alphabet


def _history(entry: Entry, step: int) -> History:
    fields = entry.fields("task", "metric", "baseline", "goal", "rows", "ending")
    rows = fields["rows"].entries()
    if len(rows) != step:
        raise fields["rows"].refuse(f"a row for each of {step} updates: it has {len(rows)}")
    return History(
        fields["task"].text(),
        fields["metric"].text(),
        fields["baseline"].number(),
        fields["goal"].number(),
        [_row(row, number) for number, row in enumerate(rows, 1)],
        fields["ending"].text(*ENDINGS),
    )


def _row(entry: Entry, step: int) -> Row:
    fields = entry.fields(
        *("step", "sequences", "loss", "gradient_norm", "lr", "validation_loss", "validation_error", "seconds")
    )
    loss, error = (fields[name].or_none(Entry.number) for name in ("validation_loss", "validation_error"))
    if (loss is None) != (error is None):
        raise entry.refuse("a row with validation_loss and validation_error, or with neither")
    return Row(
        step=fields["step"].whole(step, step),
        sequences=fields["sequences"].whole(1),
        loss=fields["loss"].number(),
        gradient_norm=fields["gradient_norm"].number(),
        lr=fields["lr"].number(),
        validation_loss=loss,
        validation_error=error,
        seconds=fields["seconds"].number(0.0),
    )
