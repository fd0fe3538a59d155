"""Every error that a user of the package can cause.

Each error says what was wrong, where (op, node, time step), and what to do about it, and carries those
facts as attributes, so that a tool can act on them without reading the sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar


class TinygradRNNError(Exception):
    """Base of all errors raised by this package.

    Attributes:
        what: the mistake, in one clause.
        op: name of the operation concerned, or None.
        node: label or formula of the node concerned, or None.
        time_step: time step of the node concerned, or the one in force; None if there is none.
        remedy: what to do about it, or None.
        created_at: where in the user's program the node was created, if that was traced, or None.
    """

    #: Returns the time step in force. `engine.recording` puts it here.
    time_step_in_force: ClassVar[Callable[..., int | None]] = staticmethod(lambda: None)

    def __init__(
        self,
        what: str,
        *,
        op: str | None = None,
        node: str | None = None,
        time_step: int | None = None,
        remedy: str | None = None,
        created_at: object = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.op = op
        self.node = node
        self.time_step = self.time_step_in_force() if time_step is None else time_step
        self.remedy = remedy
        self.created_at = created_at

    def __str__(self) -> str:
        places = (
            ("op", self.op),
            ("node", self.node),
            ("time step", self.time_step),
            ("created at", self.created_at),
        )
        where = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        sentence = f"{self.what} [{where}]" if where else self.what
        return f"{sentence}. {self.remedy}" if self.remedy else sentence


class GraphError(TinygradRNNError):
    """A graph cannot be recorded or walked in this way."""


class OperandError(GraphError, TypeError):
    """Something that is not a number was used where a number belongs."""


class DomainError(GraphError, ArithmeticError):
    """An operation has no real value, or its derivative no finite one, at its operands.

    A result that is merely too large for a double is no error: it is infinite, as in IEEE 754 and in PyTorch.
    """


class CompileError(TinygradRNNError):
    """A graph, or a time step, cannot be compiled."""


class AnomalyError(GraphError, ArithmeticError):
    """A gradient became NaN or infinite, or vanished exactly, while `detect_anomaly` was on.

    Attributes:
        step: the `Step` at which it happened; None if at none: a hook, or the start of the pass.
    """

    step: object = None


class TooManyPathsError(GraphError):
    """A graph has more paths than can be listed.

    Attributes:
        count: how many there are.
        limit: how many may be listed.
        edges: how many edges they run over.
    """

    def __init__(self, count: int, limit: int, edges: int) -> None:
        shown = str(count) if count < 10**9 else f"about 10^{int(math.log10(count))}"
        super().__init__(
            f"{shown} paths (over {edges} edges) are more than the limit of {limit}",
            remedy="backward() sums them all in one step per edge; list those of a shorter sequence or a later node",
        )
        self.count = count
        self.limit = limit
        self.edges = edges


class GradcheckError(TinygradRNNError):
    """A derivative disagrees with central differences."""


class ShapeError(TinygradRNNError, ValueError):
    """Sizes do not fit together."""


class ArgumentError(TinygradRNNError, ValueError):
    """An argument has a value that makes no sense."""


class OptionError(ArgumentError, TypeError):
    """A function was called with an argument that it does not take, such as an option of PyTorch's."""


class UnknownNameError(ArgumentError, AttributeError):
    """Nothing has this name; the remedy lists the names that there are."""


class TooLargeError(ArgumentError):
    """Something would not fit into memory, and was not begun.

    Attributes:
        needed: the bytes that it would take, about.
        available: the bytes that there are.
    """

    def __init__(self, what: str, *, remedy: str, needed: int, available: int) -> None:
        super().__init__(what, remedy=remedy)
        self.needed = needed
        self.available = available


class DataError(TinygradRNNError, ValueError):
    """Input data (a file, a column, a text) cannot be used."""


class DrawError(TinygradRNNError):
    """A picture cannot be made."""


class MissingDependencyError(TinygradRNNError, ImportError):
    """An optional package is needed; the remedy names the extra that installs it."""


class CheckpointError(DataError):
    """A checkpoint cannot be used: it is damaged, foreign, from a newer version, or belongs to another run."""


class SweepError(TinygradRNNError):
    """A sweep cannot continue: its file belongs to a different experiment, or its executor died.

    Attributes:
        records: of the runs that have finished.
    """

    records: Sequence[object] = ()
