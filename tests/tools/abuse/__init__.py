"""Attacks on the package: threads, Ctrl-C and the like, again and again, and a count of what it cost.

    python -m tests.tools.abuse                                 # all attacks, some seconds each
    python -m tests.tools.abuse engine_in_threads --seconds 600
    python -m tests.tools.abuse --python python3.13             # by another Python

Every module here is an attack, except those whose names begin with an underscore. Its docstring says what must hold,
and its function ``attack(seconds: float) -> Counts`` tries that until the time is up. Each attack runs in a process of
its own. If that process crashes or hangs, this is a failure of the attack.
"""

from __future__ import annotations

import pkgutil
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counts:
    """What an attack tried, and how often it did harm.

    Attributes:
        tried: how often each thing was tried, by its name.
        failed: how often it went wrong.
        first: what the first failure of each looked like.
    """

    tried: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Counts:
        """What ``vars`` of one gave, once it was stored as JSON."""
        return cls(Counter(stored["tried"]), Counter(stored["failed"]), stored["first"])

    def fail(self, name: str, what: str) -> None:
        """Count a failure."""
        self.failed[name] += 1
        self.first.setdefault(name, what)

    def __str__(self) -> str:
        lines = []
        for name in sorted({*self.tried, *self.failed}):
            lines.append(f"    {name}: tried {self.tried[name]:,}, failed {self.failed[name]:,}")
            if name in self.first:
                lines.append(f"        the first: {self.first[name]}")
        return "\n".join(lines)


def names() -> list[str]:
    """The names of all attacks."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
