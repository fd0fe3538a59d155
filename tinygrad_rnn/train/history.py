"""`History`: what happened during training."""

from __future__ import annotations

import csv
import io
import math
import os
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..support.files import json_text, write_whole


@dataclass
class Row:
    """One update. Its fields are the columns of a history, also in files.

    Attributes:
        step: number of the update, from 1.
        sequences: sequences trained on so far.
        loss: mean loss of the batch, before the update.
        gradient_norm: norm of the gradient, before clipping.
        lr: learning rate of the update.
        validation_loss: mean loss in the validation after the update; None if there was none.
        validation_error: the task's own measure in that validation; None if there was none.
        seconds: time since training began, pauses left out. All else is the same for the same seeds.
    """

    step: int
    sequences: int
    loss: float
    gradient_norm: float
    lr: float
    validation_loss: float | None
    validation_error: float | None
    seconds: float

    @property
    def validation(self) -> tuple[float, float]:
        """Error and loss of the validation, as a pair to compare: the smaller is better. Infinite if missing or NaN."""
        if self.validation_error is None or self.validation_loss is None:
            return math.inf, math.inf
        error, loss = (math.inf if math.isnan(n) else n for n in (self.validation_error, self.validation_loss))
        return error, loss


COLUMNS = tuple(column.name for column in fields(Row))


ENDINGS = ("", "steps", "solved", "patience", "interrupted")


@dataclass
class History:
    """The course of a training, one row per update.

    Attributes:
        task: name of the task.
        metric: what ``validation_error`` measures.
        baseline: the error of the trivial predictor.
        goal: the error at which the task counts as solved.
        rows: the rows.
        ending: why training ended: ``"steps"`` (all updates were made), ``"solved"``, ``"patience"`` or
            ``"interrupted"``; empty while it goes on.
    """

    task: str
    metric: str
    baseline: float
    goal: float
    rows: list[Row] = field(default_factory=list)
    ending: str = ""

    def validations(self) -> list[Row]:
        """Return the rows with a validation."""
        return [row for row in self.rows if row.validation_error is not None]

    @property
    def best_row(self) -> Row | None:
        """The row of the best validation: the smallest error, and among equal ones the smallest loss."""
        return min(self.validations(), key=lambda row: row.validation, default=None)

    @property
    def best_is_earlier(self) -> bool:
        """Whether training went on after the best validation and Ctrl-C did not end it: then its weights are kept."""
        row = self.best_row
        return self.ending != "interrupted" and row is not None and row is not self.rows[-1]

    @property
    def best(self) -> float:
        """The smallest validation error; infinite before the first."""
        row = self.best_row
        return math.inf if row is None else row.validation[0]

    @property
    def solved(self) -> bool:
        """Whether the last validation met the task's criterion, on the sequences that it looked at."""
        validations = self.validations()
        return bool(validations) and validations[-1].validation[0] <= self.goal

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as CSV, whole or not at all."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(vars, self.rows))
        write_whole(path, text.getvalue())

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything as JSON, whole or not at all."""
        write_whole(path, json_text(self.to_dict()) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON has it: the rows are dicts."""
        return {**vars(self), "rows": [dict(vars(row)) for row in self.rows]}

    def copy(self) -> History:
        """Return an independent copy, to which rows can be added."""
        return replace(self, rows=[replace(row) for row in self.rows])
