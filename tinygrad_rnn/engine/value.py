"""`Value`: a number that remembers how it was computed."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn, SupportsFloat, Union

from ..errors import GraphError, OperandError
from ..support.numbers import is_not_real
from ..support.text import count
from . import copying, hooks, making, notation, ops, passes
from .arithmetic import cos, exp, is_number, log, log1p, number, sin, sqrt, tanh
from .backward import visit
from .making import compute, record
from .node import NO_GRADIENT, Node, next_id
from .ops import LEAF, OPS
from .recording import current, newest
from .steps import ForwardSteps

Operand = Union["Value", SupportsFloat]

ADD, SUB, MUL, DIV, NEG, ABS = (OPS[name] for name in ("add", "sub", "mul", "div", "neg", "abs"))
TANH, TANH_EXACT, SIGMOID, RELU = (OPS[name] for name in ("tanh", "tanh_exact", "sigmoid", "relu"))
EXP, LOG, LOG1P, SQRT, SIN, COS, POW = (OPS[name] for name in ("exp", "log", "log1p", "sqrt", "sin", "cos", "pow"))

#: What the variables pane of a debugger shows of a Value.
PANE = ("name", "data", "grad", "op", "parents", "time_step")


class Value(Node):
    """A number that remembers how it was computed and, after ``backward()``, how a result depends on it.

    Args:
        data: a real number.
        _children: the operands it was computed from; empty for a leaf.
        _op: name or symbol of the operation that computed it; empty for a leaf.
        label: a name for people.

    Raises:
        OperandError: ``data`` is not a real number, or an operand is not a Value.
    """

    __slots__ = ()
    parents: tuple[Value, ...]

    def __init__(self, data: SupportsFloat, _children: Sequence[Value] = (), _op: str = "", label: str = "") -> None:
        self._data, self._grad = data if type(data) is float else number(data), NO_GRADIENT
        self.operation, self.parents, self._label, self._id, self._extra = LEAF, (), str(label or ""), next_id(), None
        self.time_step = newest().time_step if newest().plain and not _children else _fill_in(self, _children, _op)

    # ---- recording: every operator is a row of the op table -----------------------------------------------------

    def __add__(self, other: Any) -> Value:
        if other.__class__ is not Value and (other := operand(other)) is NotImplemented:
            return NotImplemented
        return record(ADD, self._data + other._data, (self, other))

    def __radd__(self, other: object) -> Value:
        if (other := operand(other)) is NotImplemented:
            return NotImplemented
        return record(ADD, other._data + self._data, (other, self))  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> Value:
        if other.__class__ is not Value and (other := operand(other)) is NotImplemented:
            return NotImplemented
        return record(SUB, self._data - other._data, (self, other))

    def __rsub__(self, other: object) -> Value:
        if (other := operand(other)) is NotImplemented:
            return NotImplemented
        return record(SUB, other._data - self._data, (other, self))  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> Value:
        if other.__class__ is not Value and (other := operand(other)) is NotImplemented:
            return NotImplemented
        return record(MUL, self._data * other._data, (self, other))

    def __rmul__(self, other: object) -> Value:
        if (other := operand(other)) is NotImplemented:
            return NotImplemented
        return record(MUL, other._data * self._data, (other, self))  # type: ignore[no-any-return]

    def __truediv__(self, other: Any) -> Value:
        if other.__class__ is not Value or other._data.__class__ is not float or other._data == 0.0:
            return _divide(self, other)
        return record(DIV, self._data / other._data, (self, other))

    def __rtruediv__(self, other: object) -> Value:
        if (other := operand(other)) is NotImplemented:
            return NotImplemented
        return compute(DIV, (other, self))  # type: ignore[no-any-return]

    def __pow__(self, other: object) -> Value:
        """Record self ^ other. A plain number as exponent is part of the op, so that the base may be negative."""
        if isinstance(other, Value):
            return compute(POW, (self, other))
        if is_number(other) or is_not_real(other):
            return compute(ops.power(number(other)), (self,))
        return NotImplemented

    def __rpow__(self, other: object) -> Value:
        if (other := operand(other)) is NotImplemented:
            return NotImplemented
        return compute(POW, (other, self))  # type: ignore[no-any-return]

    def __neg__(self) -> Value:
        return record(NEG, -self._data, (self,))

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return record(ABS, abs(self._data), (self,))

    def tanh(self) -> Value:
        """Record tanh(self)."""
        return record(TANH, tanh(self._data), (self,))

    def tanh_exact(self) -> Value:
        """Record tanh(self), with a derivative that keeps its digits where tanh saturates."""
        return record(TANH_EXACT, tanh(self._data), (self,))

    def sigmoid(self) -> Value:
        """Record σ(self)."""
        return record(SIGMOID, SIGMOID.forward(self._data), (self,))

    def relu(self) -> Value:
        """Record max(self, 0)."""
        return record(RELU, RELU.forward(self._data), (self,))

    def exp(self) -> Value:
        """Record e ^ self."""
        return record(EXP, exp(self._data), (self,))

    def log(self) -> Value:
        """Record the natural logarithm of self."""
        try:
            return record(LOG, log(self._data), (self,))
        except ValueError:
            return compute(LOG, (self,))

    def log1p(self) -> Value:
        """Record ln(1 + self), which keeps its digits where self is small."""
        try:
            return record(LOG1P, log1p(self._data), (self,))
        except ValueError:
            return compute(LOG1P, (self,))

    def sqrt(self) -> Value:
        """Record the square root of self."""
        try:
            return record(SQRT, sqrt(self._data), (self,))
        except ValueError:
            return compute(SQRT, (self,))

    def sin(self) -> Value:
        """Record sin(self)."""
        try:
            return record(SIN, sin(self._data), (self,))
        except ValueError:
            return compute(SIN, (self,))

    def cos(self) -> Value:
        """Record cos(self)."""
        try:
            return record(COS, cos(self._data), (self,))
        except ValueError:
            return compute(COS, (self,))

    def maximum(self, other: Operand) -> Value:
        """Record max(self, other). Equal operands share the gradient."""
        return Value.apply("maximum", self, other)

    def minimum(self, other: Operand) -> Value:
        """Record min(self, other). Equal operands share the gradient."""
        return Value.apply("minimum", self, other)

    @staticmethod
    def apply(op: str, *operands: Operand) -> Value:
        """Record the op that has this name, or symbol, in the op table.

        Raises:
            GraphError: no such op, or the number of operands is not its arity.
        """
        row = ops.lookup(op, len(operands))
        if row.arity != len(operands):
            raise GraphError(f"{count(len(operands), 'operand')} for an op that takes {row.arity}", op=row.name)
        return compute(row, tuple(map(as_value, operands)))

    @staticmethod
    def custom(
        data: SupportsFloat,
        parents: Sequence[Value],
        local_gradients: Sequence[SupportsFloat],
        op: str = "custom",
        label: str = "",
    ) -> Value:
        """Record a number computed elsewhere, with its local gradient for each parent.

        Raises:
            GraphError: the numbers of parents and of local gradients differ, or are 0.
            OperandError: a parent is not a Value, or something is not a real number.
        """
        if len(parents) != len(local_gradients) or not parents:
            raise GraphError(
                f"{count(len(parents), 'parent')} but {count(len(local_gradients), 'local gradient')}",
                op=op,
                remedy="Give one local gradient per parent, and at least one parent",
            )
        row = ops.fixed(op, tuple(map(number, local_gradients)))
        node = record(row, number(data), _all_values(parents))
        node.label = label
        return node

    # ---- the backward pass --------------------------------------------------------------------------------------

    backward = passes.backward

    def backward_steps(self, gradient: SupportsFloat = 1.0) -> passes.BackwardSteps:
        """`backward`, one application of the chain rule at a time: an iterator of `Step` records.

        Drained, it leaves the same gradients as ``backward()``, to the last bit. See `BackwardSteps` for what
        holds in between.

        Args:
            gradient: the gradient of self.
        """
        return passes.BackwardSteps(self, number(gradient))

    def forward_steps(self) -> ForwardSteps:
        """The computation of this number: every node that it depends on, in order of creation, in either direction."""
        return ForwardSteps(self)

    def register_hook(self, hook: hooks.Hook) -> hooks.Handle:
        """Call ``hook(gradient)`` in every later pass once this node's gradient is complete, before it flows on.

        As in PyTorch, a number that the hook returns replaces the gradient, several hooks are called in order
        of registration, and the gradient of a leaf is that of the pass alone, without what it has accumulated.

        Returns:
            a handle whose ``remove()`` removes the hook.
        """
        return hooks.add_hook(self, hook)

    def breakpoint(self) -> hooks.Handle:
        """Call Python's `breakpoint` in every later pass whenever this node's gradient flows on to an operand.

        The debugger (whichever `sys.breakpointhook` starts) stops inside the walk, where ``node``, ``parent``,
        ``local_gradient`` and ``contribution`` are local variables, before the contribution is added. The gradient of
        a leaf flows no further: there it stops whenever a contribution arrives.

        Returns:
            a handle whose ``remove()`` removes the breakpoint.
        """
        return hooks.add_breakpoint(self)

    def zero_grad(self) -> None:
        """Set the gradient to 0."""
        self._grad = 0.0

    def detach(self) -> Value:
        """A leaf with the same data, where gradients stop."""
        return Value(self._data, label=self._label)

    # ---- reading ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The label or, without one, the formula; a leaf without a label is its number."""
        return notation.name(self)

    @property
    def created_at(self) -> hooks.CreationSite | None:
        """The line of the user's program that created this node, if `trace_creation` was on."""
        return None if self._extra is None else self._extra.created_at

    def item(self) -> float:
        """The data, as in PyTorch."""
        return self._data

    def __repr__(self) -> str:
        return notation.description(self)

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else repr(self)

    def __dir__(self) -> list[str]:
        """All names; for the variables pane of VS Code and PyCharm the six that describe this Value."""
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return list(PANE) if caller == "_pydevd_bundle.pydevd_resolver" else list(super().__dir__())

    def __array_ufunc__(self, ufunc: object, method: str, *inputs: object, **arguments: object) -> object:
        """Let NumPy apply Python's operators where it has an array or a scalar on the left.

        Raises:
            OperandError: it holds something other than real numbers, which NumPy would turn into integers.
        """
        for each in inputs:
            if is_not_real(each):
                number(each)  # raises
        numpy: Any = sys.modules["numpy"]
        plain = [number(each) if isinstance(each, numpy.generic) else each for each in inputs]
        as_objects = [numpy.asarray(each, dtype=object) for each in plain]
        return getattr(ufunc, method)(*as_objects, **arguments)

    # ---- comparing and deciding: by the number; == is identity --------------------------------------------------

    def __lt__(self, other: Any) -> bool:
        return _compare(operator.lt, self, other)

    def __le__(self, other: object) -> bool:
        return _compare(operator.le, self, other)

    def __gt__(self, other: object) -> bool:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: object) -> bool:
        return _compare(operator.ge, self, other)

    def __bool__(self) -> bool:
        return bool(self._data != 0.0)

    def _refuse_plain_number(self, *_: object) -> NoReturn:
        raise OperandError(
            "this would cut the number off its graph, and no gradient would flow",
            node=self.name,
            time_step=self.time_step,
            remedy="Take .data for the plain number, or record it: v.tanh(), v.exp(), abs(v), v ** 2, Value.apply",
        )

    __float__ = __int__ = __round__ = __trunc__ = __floor__ = __ceil__ = __complex__ = _refuse_plain_number

    # ---- micrograd's names, copies ------------------------------------------------------------------------------

    @property
    def _prev(self) -> tuple[Value, ...]:
        return self.parents

    @property
    def _op(self) -> str:
        return self.operation.symbol

    @property
    def _backward(self) -> Callable[[], None]:
        """Apply the chain rule to this node alone, as ``v._backward()``; assign a function to replace the rule."""
        return partial(visit, [self], self.operation.edges)  # as it is now: a function that is assigned may call it

    @_backward.setter
    def _backward(self, function: Callable[[], object]) -> None:
        if not callable(function):
            raise OperandError(
                f"_backward is a {type(function).__name__}",
                node=self.name,
                remedy="Assign a function without arguments",
            )
        if self.parents or current().records:  # what no_grad made a leaf stays one
            self.operation = ops.closure(self.operation.name, function, self.operation.symbol)

    def __copy__(self) -> Value:
        return copying.copy(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Value:
        return copying.deepcopy(self, memo)

    def __reduce__(self) -> tuple[object, ...]:
        return copying.reduce(self)


Value.results = Value  # also of subclasses, as in micrograd
Value.backward.__module__, Value.backward.__qualname__ = __name__, "Value.backward"  # as pickle looks for it


def _fill_in(value: Value, children: Sequence[Value], op: str) -> int | None:
    """Add the operands of a Value that is made by hand, and what the scope in force says.

    Returns:
        its time step.
    """
    if children:
        value.parents = _all_values(children)
        value.operation = ops.called(op, len(value.parents))
    making.apply_scope(value)
    return value.time_step


def operand(data: Any) -> Any:
    """``data`` itself if it is a Value; a new leaf if it is a number; else NotImplemented, as operators return it."""
    if isinstance(data, Value):
        return data
    if data.__class__ in (int, float) or is_number(data):
        return Value(data)
    if is_not_real(data):
        number(data)  # raises. Otherwise NumPy would try next, and make a number of it
    return NotImplemented


def as_value(data: Operand) -> Value:
    """``data`` itself if it is a Value, else a new leaf that holds it."""
    return data if isinstance(data, Value) else Value(data)


def _divide(value: Value, other: object) -> Value:
    """The quotient where the divisor is no Value yet, or 0, or a symbol."""
    if (divisor := operand(other)) is NotImplemented:
        return NotImplemented  # type: ignore[no-any-return]
    return compute(DIV, (value, divisor))  # type: ignore[no-any-return]


def _compare(compare: Callable[[Any, Any], object], value: Value, other: object) -> bool:
    if isinstance(other, Value):
        return bool(compare(value._data, other._data))
    if is_number(other) or is_not_real(other):
        return bool(compare(value._data, number(other)))
    return NotImplemented  # type: ignore[no-any-return]


def _all_values(operands: Sequence[Any]) -> tuple[Value, ...]:
    for each in operands:
        if not isinstance(each, Value):
            raise OperandError(
                f"the operand {str(each)[:40]!r} is a {type(each).__name__}, not a Value", remedy="Wrap it: Value(…)"
            )
    return tuple(operands)
