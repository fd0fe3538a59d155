"""Sequences to learn from: seeded generators, each with its source, criterion and trivial baseline.

Nothing here depends on Values or cells: an `Example` and the outputs of a model are plain numbers. `task` has the base
class; each task has a module of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ArgumentError
from ..support.checks import one_of
from .adding import Adding
from .copy_memory import CopyMemory
from .forecast import Forecast
from .latch import Latch
from .reber import Reber
from .task import Example, Task
from .temporal_order import TemporalOrder
from .text import Text

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (Reber, Adding, Latch, TemporalOrder, CopyMemory, Text, Forecast)
}

__all__ = [
    "TASKS",
    "Adding",
    "CopyMemory",
    "Example",
    "Forecast",
    "Latch",
    "Reber",
    "Task",
    "TemporalOrder",
    "Text",
    "make_task",
]


def make_task(name: str, settings: Mapping[str, object]) -> Task:
    """The task of this name with these settings, as `Task.settings` gives them.

    Raises:
        ArgumentError: there is no such task, or it has no such setting.
        DataError: its data cannot be used.
    """
    unknown = settings.keys() - TASKS[one_of("task", name, TASKS)].known_settings()
    if unknown:
        known = ", ".join(TASKS[name].known_settings()) or "none"
        raise ArgumentError(f"task {name} has no setting {', '.join(sorted(unknown))}", remedy=f"It has {known}")
    return TASKS[name](**settings)
