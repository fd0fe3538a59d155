"""`History`: what happened during training."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..support.files import json_text, write_whole

COLUMNS = ("step", "sequences", "loss", "gradient_norm", "lr", "validation_loss", "validation_error", "seconds")


@dataclass
class History:
    """One row per step, by column: see `COLUMNS`. ``validation_`` columns are None where there was no validation.

    Everything but ``seconds`` (since the beginning, pauses left out) is the same for the same seeds.

    Attributes:
        task: name of the task.
        metric: what ``validation_error`` measures.
        baseline: the trivial predictor's.
        goal: what solves the task.
        rows: the rows.
        ending: why training ended: ``"steps"``, ``"solved"``, ``"patience"`` or ``"interrupted"``.
    """

    task: str
    metric: str
    baseline: float
    goal: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    ending: str = ""

    def validations(self) -> list[dict[str, Any]]:
        """The rows with a validation."""
        return [row for row in self.rows if row["validation_error"] is not None]

    @property
    def best_row(self) -> dict[str, Any] | None:
        """The row of the best validation: that with the smallest error, of equal ones the smallest loss."""
        return min(self.validations(), key=lambda row: (row["validation_error"], row["validation_loss"]), default=None)

    @property
    def best_is_earlier(self) -> bool:
        """Whether training, not ended by Ctrl-C, went on after the best validation: then its weights are to be kept."""
        row = self.best_row
        return self.ending != "interrupted" and row is not None and row is not self.rows[-1]

    @property
    def best(self) -> float:
        """The smallest validation error; infinite before the first."""
        row = self.best_row
        return math.inf if row is None else float(row["validation_error"])

    @property
    def solved(self) -> bool:
        """Whether the last validation met the task's criterion, on the sequences that it looked at."""
        validations = self.validations()
        return bool(validations) and validations[-1]["validation_error"] <= self.goal

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as CSV, whole or not at all."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(path, text.getvalue())

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything as JSON, whole or not at all."""
        write_whole(path, json_text(vars(self)) + "\n")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """The history whose ``vars`` were ``data``."""
        return cls(**data)
