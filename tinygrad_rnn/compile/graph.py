"""`compile`: any recorded graph as native code."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping
from typing import Any

from ..engine.backward import topological_order
from ..engine.making import compute
from ..engine.value import Value
from ..errors import ArgumentError, OperandError
from ..support.checks import one_of
from .boundary import Area, Doubles, Numbers, area, doubles, numbers, real
from .listing import listing
from .machine import Machine
from .memory import Sizes
from .plan import plan
from .replay import Inspection
from .symbol import Tape
from .trace import recorded, trace_graph
from .turns import OneAtATime
from .twins import Compiled

MODES = ("exact", "fast")


def check_mode(mode: str) -> None:
    """Check a mode.

    Raises:
        ArgumentError: it is unknown.
    """
    one_of("mode", mode, MODES)


def compile(root: Value, mode: str = "exact") -> Program:
    """Compile the graph below ``root`` to native code that repeats its computation with other numbers.

    Args:
        root: the node to compute and to differentiate.
        mode: ``"exact"``: the same numbers as the eager engine, bit for bit except the sign of a NaN. ``"fast"``:
            fused multiply-add, sums and products in any order, x·x for x², and polynomials for exp and tanh (their
            errors: `elementary.FAST_ULP`). The last places differ, and the sign of a zero. Where the eager engine comes
            near the largest or the smallest double on the way, another order may give NaN, infinity or 0 instead of a
            number: 0·1e200·1e200 is NaN where 1e200·1e200 comes first. You can skip fast mode when you read the code:
            nothing else needs it.

    Raises:
        CompileError: an op does not compile, or the platform is not supported.
        MissingDependencyError: llvmlite is not installed.
        OperandError: ``root`` is not a Value.
    """
    return Program(root, mode)


class Program(Compiled):
    """A compiled graph: a recurrence of one step without a state, with a slot for the number of each leaf.

    Threads may share it. They wait for each other, but `backward` belongs to the latest `forward` of any thread.

    The numbers may be any doubles, also NaN and infinities, as in leaves of the eager engine.

    Attributes:
        leaves: the leaves in order of creation: slot i is the number of ``leaves[i]``.
        mode: ``"exact"`` or ``"fast"``.
        ir: the LLVM assembly that was compiled.
    """

    def __init__(self, root: Value, mode: str = "exact") -> None:
        check_mode(mode)
        if not isinstance(root, Value):
            raise OperandError(f"{root!r:.40} is not a Value", remedy="Compile the node that is the result")
        self.root, self.mode = root, mode
        self._order = topological_order(root)[::-1]
        self.leaves = [node for node in self._order if not node.parents]
        self._slots = {leaf: slot for slot, leaf in enumerate(self.leaves)}
        size = len(self.leaves)
        trace = trace_graph(root, Tape(fast=mode == "fast"))
        self._nodes = trace.nodes
        self._machine = Machine([(trace, ())], 1, Sizes(size, y=1))
        self.ir = self._machine.text
        ((forward, back),) = self._machine.functions
        both = plan([0], self._machine.functions, 1, backward=True)
        cut = len(both.moves) // (len(forward) + len(back)) * len(forward)
        self._plans = {
            "forward": both._replace(moves=both.moves[:cut]),
            "backward": both._replace(moves=both.moves[cut:]),
            "both": both,
        }
        self._inputs, self._gradients, self._value, self._loss = map(doubles, (size, size, 1, 1))
        self._numbers = memoryview(self._inputs).cast("B").cast("d")
        self._areas = (
            area(self._inputs), *[Area()] * 5, area(self._gradients), area(self._loss), area(self._value),
        )  # fmt: skip  # there is no x, target or state
        self._lock = OneAtATime()  # held from reading the inputs until the results are copied
        self._seed: float | None = None  # of the latest run; None until one has finished

    def forward(self, inputs: Numbers | Mapping[Value, float] | None = None) -> float:
        """The value of the root.

        Args:
            inputs: a number per slot, or a mapping from some leaves to numbers. Other leaves keep the numbers that
                they hold.

        Raises:
            ArgumentError: a key of the mapping is not a leaf of the graph.
            ShapeError, OperandError: not one number per slot.
            DomainError: the eager engine would raise it.
        """
        with self._lock:
            self._take(inputs)
            self._run("forward", 1.0)
            return self._value[0]

    def backward(self, gradient: float = 1.0) -> memoryview[float]:
        """∂root/∂leaf for every slot, times ``gradient``, from the numbers of the latest `forward`.

        Raises:
            ArgumentError: there was no `forward`.
            DomainError: the eager engine would raise it.
        """
        with self._lock:
            if self._seed is None:
                raise ArgumentError("backward before forward", remedy="Call forward, or forward_backward")
            self._run("backward", gradient)
            return memoryview(bytearray(self._gradients)).cast("d")

    def forward_backward(
        self, inputs: Numbers | Mapping[Value, float] | None = None, gradient: float = 1.0
    ) -> tuple[float, memoryview[float]]:
        """The value of the root, and the gradient for every slot. A later run does not change them."""
        with self._lock:
            self._take(inputs)
            self._run("both", gradient)
            return self._value[0], memoryview(bytearray(self._gradients)).cast("d")

    def run_on_values(self, gradient: float = 1.0) -> float:
        """Do what ``root.backward()`` does: read the numbers that the leaves hold, and add to their gradients."""
        with self._lock:
            self._take(None)
            start = doubles(len(self.leaves))
            start[:] = [leaf.grad for leaf in self.leaves]
            self._run("both", gradient, start)
            for leaf, total in zip(self.leaves, self._gradients):
                leaf.grad = total
            return self._value[0]

    def _take(self, inputs: Numbers | Mapping[Value, float] | None) -> None:
        if inputs is None or isinstance(inputs, Mapping):
            for leaf in inputs or ():
                if leaf not in self._slots:
                    raise ArgumentError("not a leaf of the compiled graph", node=getattr(leaf, "name", repr(leaf)))
            given = {leaf: real(leaf.name, number) for leaf, number in (inputs or {}).items()}
            data: Any = array("d", [given.get(leaf, leaf.data) for leaf in self.leaves])
        else:
            data = numbers("the inputs", inputs, (len(self.leaves),)).view
        self._seed = None
        self._numbers[:] = data

    def _run(self, what: str, gradient: float, start: Doubles | None = None) -> None:
        gradient = real("gradient", gradient)
        self._seed = None
        ctypes.memset(self._gradients, 0, ctypes.sizeof(self._gradients))  # the run adds to it
        if self._machine.run(self._plans[what], 1, gradient, self._areas, start):
            recorded(
                self._eager, None if what == "forward" else gradient
            )  # raises the error, unless the alarm was false
        self._seed = gradient

    def _eager(self, gradient: float | None) -> Value:
        """Record the same graph with the numbers of the latest run, and return its root.

        Args:
            gradient: that of the root, for a backward pass; None to go forward only.
        """
        twins: dict[Value, Value] = {}
        for node in self._order:
            parents = tuple(twins[parent] for parent in node.parents)
            twins[node] = compute(node.operation, parents) if parents else Value(self._inputs[self._slots[node]])
            twins[node].label, twins[node].time_step = node.label, node.time_step
        if gradient is not None:
            twins[self.root].backward(gradient)
        return twins[self.root]

    # ---- looking ----------------------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The program in mathematics: a line per node, with its label, time step and derivatives."""
        return listing(self._nodes)

    def inspect(self) -> Inspection:
        """The value and the gradient, in the latest run, of every node that has a label.

        The eager engine computes them once more: exact mode is the very same computation.

        Raises:
            ArgumentError: there was no run.
        """
        with self._lock:
            if self._seed is None:
                raise ArgumentError("inspect before a run", remedy="Call forward_backward")
            return Inspection([recorded(self._eager, self._seed)])
