"""`compile`: any recorded graph as native code."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from ..backward import backward, topological_order
from ..errors import ArgumentError
from ..value import Value, _compute
from .boundary import Numbers, numbers
from .elementary import definitions
from .emit import ARGUMENTS, REGIONS, Module
from .listing import listing
from .native import Native
from .schedule import Pass, Place, Store, schedule
from .symbol import Tape
from .trace import check_ops, differentiate, labels, symbol_of, symbolic_twin

MODES = ("exact", "fast")


def compile(root: Value, mode: str = "exact") -> Program:
    """The graph below ``root`` as native code that computes the same from other numbers.

    Args:
        root: the node to compute, and to differentiate.
        mode: ``"exact"``: bit for bit what the eager engine computes. ``"fast"``: fused multiply-add,
            reassociated sums, and polynomials for exp and tanh (their errors: `elementary.FAST_ULP`).

    Raises:
        CompileError: an op does not compile, or the platform is unsupported.
        MissingDependencyError: llvmlite is not installed.
    """
    return Program(root, mode)


class Program:
    """A compiled graph. Its leaves are slots for numbers. It has one memory for all runs, so that threads need a
    program each.

    Attributes:
        leaves: the leaves in order of creation: slot i is the number of ``leaves[i]``.
        mode: ``"exact"`` or ``"fast"``.
        ir: the LLVM assembly that was compiled.
    """

    def __init__(self, root: Value, mode: str = "exact", watch: bool = False) -> None:
        if mode not in MODES:
            raise ArgumentError(f"mode {mode!r}", remedy=f"Known ones: {', '.join(MODES)}")
        self.root, self.mode = root, mode
        self._order = topological_order(root)[::-1]
        self.leaves = [node for node in self._order if not node.parents]
        self._slots = {leaf: slot for slot, leaf in enumerate(self.leaves)}
        self._watch = watch
        self._watching: Program | None = None
        self._inputs = (ctypes.c_double * len(self.leaves))()
        self._gradients = (ctypes.c_double * len(self.leaves))()
        self._value, self._seed = (ctypes.c_double * 1)(), (ctypes.c_double * 1)(1.0)
        self._has_run = False
        self.ir = self._translate()
        self._native = Native(self.ir)
        self._run = self._native.function("run")
        self._bind()

    def _translate(self) -> str:
        check_ops(self._order)
        tape = Tape(self.mode == "fast")
        twins = symbolic_twin(self._order, {leaf: tape.load("parameter", slot) for leaf, slot in self._slots.items()})
        self._twins = list(twins.values())
        root, boundary = twins[self.root], len(tape.symbols)
        starts = {twins[leaf]: tape.load("gradient", slot) for leaf, slot in self._slots.items()}
        differentiate({root: tape.load("seed", 0)}, starts)
        forward = [Store(Place("loss", 0), symbol_of(tape, root.data))]
        back = [Store(Place("gradient", slot), twins[leaf]._grad) for leaf, slot in self._slots.items()]
        if self._watch:
            inner = [twin for twin in self._twins if twin.parents]
            forward += [Store(Place("watched", i), symbol_of(tape, twin.data)) for i, twin in enumerate(inner)]
            zero = tape.const(0.0)
            back += [
                Store(Place("watched", len(inner) + i), tape.emit("add", zero, twin._grad))
                for i, twin in enumerate(inner)
            ]
        module = Module(1, tape.fast, labels(self._twins))
        passes = schedule([
            Pass("forward", tape.symbols[:boundary], forward),
            Pass("backward", tape.symbols[boundary:], back),
        ])  # fmt: skip
        module.add(passes)
        self._saved = (ctypes.c_double * max(1, module.saved))()
        self._packed = (ctypes.c_double * max(1, module.packed_size))()
        self._watched = (ctypes.c_double * (2 * len(self._twins) if self._watch else 1))()
        return module_text(module, _driver(module, [[section.name for section in sections] for sections in passes]))

    def _bind(self) -> None:
        memory = {
            "parameter": self._inputs, "packed": self._packed, "saved": self._saved, "loss": self._value,
            "seed": self._seed, "gradient": self._gradients, "watched": self._watched,
        }  # fmt: skip
        self._call = (ctypes.c_int64 * (1 + len(REGIONS)))()
        for i, region in enumerate(REGIONS, start=1):
            self._call[i] = ctypes.addressof(memory[region]) if region in memory else 0

    # ---- running ----------------------------------------------------------------------------------------

    def forward(self, inputs: Numbers | Mapping[Value, float] | None = None) -> float:
        """The root's value.

        Args:
            inputs: a number per slot; or numbers for some leaves, the others keeping theirs; or None for the
                numbers that the leaves hold.

        Raises:
            ShapeError, OperandError: not one number per slot.
            DomainError: where the eager engine would raise it.
        """
        self._take(inputs)
        self._checked(1)
        return self._value[0]

    def backward(self, gradient: float = 1.0) -> memoryview[Any]:
        """∂root/∂leaf for every slot, times ``gradient``, from the numbers of the latest `forward`.

        Raises:
            ArgumentError: there was no `forward`.
            DomainError: where the eager engine would raise it.
        """
        if not self._has_run:
            raise ArgumentError("backward before forward", remedy="Call forward, or forward_backward")
        self._begin(gradient)
        self._checked(2)
        return memoryview(self._gradients).cast("B").cast("d")

    def forward_backward(
        self, inputs: Numbers | Mapping[Value, float] | None = None, gradient: float = 1.0
    ) -> tuple[float, memoryview[Any]]:
        """The root's value, and the gradient for every slot. The view shows the latest gradients."""
        self._take(inputs)
        self._begin(gradient)
        self._checked(3)
        return self._value[0], memoryview(self._gradients).cast("B").cast("d")

    def run_on_values(self, gradient: float = 1.0) -> float:
        """What ``root.backward()`` does: read the numbers that the leaves hold, and add to their gradients."""
        self._take(None)
        for slot, leaf in enumerate(self.leaves):
            self._gradients[slot] = leaf.grad
        self._seed[0] = gradient
        self._checked(3)
        for slot, leaf in enumerate(self.leaves):
            leaf._grad = self._gradients[slot]
        return self._value[0]

    def _take(self, inputs: Numbers | Mapping[Value, float] | None) -> None:
        if inputs is None or isinstance(inputs, Mapping):
            for slot, leaf in enumerate(self.leaves):
                self._inputs[slot] = leaf.data
            for leaf, number in (inputs or {}).items():
                if leaf not in self._slots:
                    raise ArgumentError("not a leaf of the compiled graph", node=leaf.name)
                self._inputs[self._slots[leaf]] = number
        else:
            buffer = numbers("the inputs", inputs, (len(self.leaves),))  # kept until it was read
            ctypes.memmove(self._inputs, buffer.address, ctypes.sizeof(self._inputs))

    def _begin(self, gradient: float) -> None:
        ctypes.memset(self._gradients, 0, ctypes.sizeof(self._gradients))
        self._seed[0] = gradient

    def _checked(self, what: int) -> None:
        self._call[0] = what
        alarm = self._run(ctypes.addressof(self._call))
        self._has_run = True
        if alarm:
            self._replay(backward_too=what > 1)

    def _replay(self, backward_too: bool) -> None:
        """The same with the eager engine, which raises the error, if it was no false alarm."""
        twins: dict[Value, Value] = {}
        for node in self._order:
            parents = tuple(twins[parent] for parent in node.parents)
            twins[node] = _compute(node._rule, parents) if parents else Value(self._inputs[self._slots[node]])
            twins[node].label, twins[node].time_step = node.label, node.time_step
        if backward_too:
            backward(twins[self.root], self._seed[0])

    # ---- looking ----------------------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The program in mathematics: a line per node, with its label, time step and derivatives."""
        return listing(self._order)

    def value(self, node: Value | str) -> float:
        """The number of any node, or of the node with this label, in the latest run.

        Raises:
            ArgumentError: no such node, or nothing was run.
        """
        return self._look(node, 0)

    def gradient(self, node: Value | str) -> float:
        """The gradient of any node, or of the node with this label, in the latest run."""
        return self._look(node, 1)

    def _look(self, node: Value | str, which: int) -> float:
        if not self._has_run:
            raise ArgumentError("nothing was run yet", remedy="Call forward_backward")
        found = [each for each in self._order if node in (each, each.label)]
        if not found:
            raise ArgumentError(f"the compiled graph has no node {node!r}")
        if self._watching is None:
            self._watching = Program(self.root, self.mode, watch=True)
        twin = self._watching
        twin.forward_backward(array("d", self._inputs), self._seed[0])
        if not found[0].parents:
            return (twin._inputs, twin._gradients)[which][self._slots[found[0]]]
        inner = [each for each in self._order if each.parents]
        return twin._watched[which * len(inner) + inner.index(found[0])]


def module_text(module: Module, driver: str) -> str:
    """Everything that is compiled, as one text."""
    return "\n".join((
        *module.functions, driver, definitions(module.calls, module.fast), 'attributes #0 = { noinline }', "",
    ))  # fmt: skip


def gather_packed(module: Module) -> str:
    """A function that copies parameters that are used side by side to where they lie side by side."""
    slots = [slot for row in module.packed for slot in row]
    table = ", ".join(f"i32 {slot}" for slot in slots) or "i32 0"
    return f"""@packed.slots = private constant [{max(1, len(slots))} x i32] [{table}]
define internal void @pack(ptr noalias %parameter, ptr noalias %packed) {{
entry:
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %more, %body ]
  %going = icmp ult i64 %i, {len(slots)}
  br i1 %going, label %body, label %end
body:
  %at = getelementptr inbounds i32, ptr @packed.slots, i64 %i
  %slot = load i32, ptr %at
  %from = getelementptr inbounds double, ptr %parameter, i32 %slot
  %to = getelementptr inbounds double, ptr %packed, i64 %i
  %number = load double, ptr %from
  store double %number, ptr %to
  %more = add i64 %i, 1
  br label %test
end:
  ret void
}}
"""


def _driver(module: Module, passes: Sequence[Sequence[str]]) -> str:
    """The function that Python calls: its argument holds what to do (1 forward, 2 backward, 3 both) and addresses."""
    lines = [gather_packed(module), "define i64 @run(ptr %call) {", "entry:", "  %what = load i64, ptr %call"]
    for i, region in enumerate(REGIONS, start=1):
        lines += [
            f"  %{region}.at = getelementptr inbounds ptr, ptr %call, i64 {i}",
            f"  %{region} = load ptr, ptr %{region}.at",
        ]
    lines += ["  %x.stride = add i64 0, 0", "  %target.stride = add i64 0, 0"]
    alarm = "false"
    for bit, (name, sections) in enumerate(zip(("forward", "backward"), passes)):
        lines += [
            f"  %{name}.bit = and i64 %what, {1 << bit}",
            f"  %{name}.wanted = icmp ne i64 %{name}.bit, 0",
            f"  br i1 %{name}.wanted, label %{name}, label %{name}.end",
            f"{name}:",
        ]
        if name == "forward":
            lines.append("  call void @pack(ptr %parameter, ptr %packed)")
        inner = alarm
        for i, section in enumerate(sections):
            lines += [
                f"  %{name}.alarm{i} = call i1 @{section}({ARGUMENTS})",
                f"  %{name}.sum{i} = or i1 {inner}, %{name}.alarm{i}",
            ]
            inner = f"%{name}.sum{i}"
        before = "entry" if name == "forward" else "forward.end"
        lines += [
            f"  br label %{name}.end",
            f"{name}.end:",
            f"  %{name}.alarm = phi i1 [ {alarm}, %{before} ], [ {inner}, %{name} ]",
        ]
        alarm = f"%{name}.alarm"
    return "\n".join([*lines, f"  %result = zext i1 {alarm} to i64", "  ret i64 %result", "}", ""])
