"""`Value`: a number that remembers how it was computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from itertools import count
from operator import attrgetter
from threading import Lock, local
from typing import Any, SupportsFloat, Union
from weakref import ref

from . import hooks, notation, ops
from .backward import backward, topological_order, walk
from .errors import DomainError, GraphError, OperandError
from .ops import LEAF, OPS, Op
from .stepping import BackwardSteps, ForwardSteps

# What every new node reads. It must be cheap: a million nodes read it a million times.
_next_id = count().__next__
_time_step: ContextVar[int | None] = ContextVar("time_step", default=None)  # two threads may unroll at once
_current_time_step = _time_step.get
_open_blocks = 0  # of no_grad and trace_creation, in all threads; only when there are any does a new node look closer
_counting = Lock()
_thread = local()


class _Block(ContextDecorator):
    """A context that holds for the thread that entered it, and may be entered again within itself."""

    def __enter__(self) -> None:
        self._count(1)

    def __exit__(self, *_: object) -> None:
        self._count(-1)

    def _count(self, entered: int) -> None:
        global _open_blocks
        with _counting:
            _open_blocks += entered
        name = type(self).__name__
        setattr(_thread, name, getattr(_thread, name, 0) + entered)


class no_grad(_Block):
    """Within this context, or in a function decorated with it, results are leaves: no graph is recorded.

    It holds for the thread that entered it, as in PyTorch.
    """


class trace_creation(_Block):
    """Within this context every new node notes which line of the user's program created it (`Value.created_at`).

    It holds for the thread that entered it. A traced node takes several times as long to make.
    """


def _recording() -> bool:
    """Whether this thread records graphs, that is, is not within `no_grad`."""
    return not (_open_blocks and getattr(_thread, "no_grad", 0))


@contextmanager
def time_step(t: int | None) -> Iterator[None]:
    """Nodes that this thread creates within this context belong to time step ``t``."""
    outer = _time_step.set(t)
    try:
        yield
    finally:
        _time_step.reset(outer)


# ---- operators, made from the op table ----------------------------------------------------------------------

Operand = Union["Value", SupportsFloat]


def _unary(name: str) -> Callable[[Value], Value]:
    rule = OPS[name]
    forward = rule.forward

    def operator(self: Value) -> Value:
        try:
            return _record(rule, forward(self._data), self, None)
        except (ValueError, ArithmeticError) as error:
            raise _outside_domain(rule, (self,), error) from error

    return _described(operator, name, rule.formula.format("self"))


def _binary(name: str) -> Callable[[Value, Operand], Value]:
    rule = OPS[name]
    forward = rule.forward

    def operator(self: Value, other: Any) -> Value:
        if other.__class__ is not Value:
            if not isinstance(other, Value) and not is_number(other):
                return NotImplemented  # type: ignore[no-any-return]
            other = as_value(other)
        try:
            return _record(rule, forward(self._data, other._data), self, other)
        except (ValueError, ArithmeticError) as error:
            raise _outside_domain(rule, (self, other), error) from error

    return _described(operator, f"__{name}__", rule.formula.format("self", "other"))


def _reflected(name: str) -> Callable[[Value, Operand], Value]:
    direct = _binary(name)

    def operator(self: Value, other: Operand) -> Value:
        return direct(as_value(other), self) if is_number(other) else NotImplemented

    return _described(operator, f"__r{name}__", OPS[name].formula.format("other", "self"))


def _described(operator: Callable[..., Value], name: str, formula: str) -> Callable[..., Value]:
    """The operator under the name by which it is found in `Value`, as tracebacks and pickle need it."""
    operator.__name__, operator.__qualname__ = name, f"Value.{name}"
    operator.__doc__ = f"Record {formula}."
    return operator


class Value:
    """A scalar, the operation that made it, and (after ``backward()``) its gradient.

    Args:
        data: a real number.
        _children: the operands it was computed from; empty for a leaf.
        _op: name or symbol of the operation that computed it; empty for a leaf.
        label: a name for people.

    Attributes:
        label: a name for people.
        time_step: the time step during which the node was created, or None.

    Raises:
        OperandError: ``data`` is not a real number, or an operand is not a Value.
    """

    __slots__ = ("__weakref__", "_data", "_extra", "_first", "_grad", "_id", "_rule", "_second", "label", "time_step")

    label: str
    time_step: int | None
    _data: float
    _rule: Op
    _first: Any  # the operands, None where there is none. A tuple of them would take a quarter more memory, and
    _second: Any  # be one more object for the garbage collector to look at; a third and so on is in _extra
    _grad: Any  # a float; None: not reached by any backward pass yet
    _id: int  # order of creation
    _extra: Any  # what hardly any node has

    def __init__(self, data: SupportsFloat, _children: Sequence[Value] = (), _op: str = "", label: str = "") -> None:
        self._data = _number(data)
        self.label = label
        self.time_step = _current_time_step()
        self._rule = LEAF
        self._first = self._second = None
        self._grad = None
        self._id = _next_id()
        self._extra = None
        if _children and _recording():
            self.parents = tuple(_children)
            self._rule = ops.called(_op, len(self.parents))
        if _open_blocks:
            _look_closer(self)

    # ---- reading ----------------------------------------------------------------------------------------

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands, in order; ``x * x`` has two."""
        if self._first is None:
            return ()
        if self._second is None:
            return (self._first,)
        others = () if self._extra is None else self._extra.operands
        return (self._first, self._second, *others)

    @parents.setter
    def parents(self, operands: tuple[Value, ...]) -> None:
        for operand in operands:
            if not isinstance(operand, Value):
                raise OperandError(
                    f"the operand {str(operand)[:40]!r} is a {type(operand).__name__}, not a Value",
                    remedy="Wrap it: Value(…)",
                )
        self._first, self._second, *_ = *operands, None, None
        if len(operands) > 2 or self._extra is not None:
            hooks.extra(self).operands = operands[2:]

    @property
    def data(self) -> float:
        """The number, always a float. Assigning another does not recompute the nodes that depend on it."""
        return self._data

    @data.setter
    def data(self, data: SupportsFloat) -> None:
        self._data = self._checked(data)

    @property
    def grad(self) -> float:
        """∂root/∂self, where root is what ``backward()`` was called on; 0.0 before any pass (see `has_grad`).

        A leaf adds up what every pass brings until ``zero_grad()``; the gradient of any other node belongs
        to the latest pass that reached it.
        """
        return 0.0 if self._grad is None else self._grad

    @grad.setter
    def grad(self, gradient: SupportsFloat) -> None:
        self._grad = self._checked(gradient)

    def _checked(self, number: SupportsFloat) -> float:
        """The number as a float; if it is none, the error says to which node it was assigned."""
        try:
            return _number(number)
        except OperandError as error:
            error.node, error.time_step = self.name, self.time_step
            raise

    @property
    def has_grad(self) -> bool:
        """Whether a backward pass, or an assignment, has given this node a gradient."""
        return self._grad is not None

    @property
    def op(self) -> str:
        """The name of the operation that computed this node, such as ``"mul"``; empty for a leaf."""
        return self._rule.name

    @property
    def name(self) -> str:
        """The label or, without one, the formula; a leaf without a label is its number."""
        if self.label:
            return self.label
        if not self.parents:
            return f"{self.data:.4g}"
        return self.formula(Value._name_within)

    def _name_within(self) -> str:
        """The name as part of a formula: what has neither a label nor operands that have one is left out."""
        if self.label or not self.parents:
            return self.name
        if any(parent.parents and not parent.label for parent in self.parents):
            return "(…)"
        return f"({self.name})"

    def formula(self, write: Callable[[Value], str]) -> str:
        """The formula that computed this node, with each operand written by ``write``."""
        return self._rule.formula.format(*map(write, self.parents))

    @property
    def created_at(self) -> hooks.CreationSite | None:
        """The line of the user's program that created this node, if `trace_creation` was on."""
        return None if self._extra is None else self._extra.created_at

    def item(self) -> float:
        """The data, as in PyTorch."""
        return self.data

    def __repr__(self) -> str:
        op = f", op={_short(self.op)}" if self.parents else ""
        label = f", label={_short(repr(self.label))}" if self.label else ""
        return f"Value(data={self.data:.8g}, grad={self.grad:.8g}{op}{label})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        """For notebooks: the text and, where the graph is small, a drawing of it."""
        from .draw.notebook import mimebundle  # above this module, and only notebooks ask

        return mimebundle(self)

    # ---- the backward pass ------------------------------------------------------------------------------

    def backward(self, gradient: SupportsFloat = 1.0) -> None:
        """Compute ∂self/∂v for every node v that self depends on, by one walk over the graph.

        Leaves add it to what they have; the gradients of all other nodes are set anew. Through an unrolled
        RNN this is backpropagation through time.

        Args:
            gradient: the gradient of self, 1 unless self is part of something larger.

        Raises:
            DomainError: a local gradient has no finite value.
            GraphError: a node was recorded without a derivative.
        """
        backward(self, _number(gradient))

    def backward_steps(self, gradient: SupportsFloat = 1.0, undo: bool = False) -> BackwardSteps:
        """`backward`, one application of the chain rule at a time: an iterator of `Step` records.

        Drained, it leaves the same gradients as ``backward()``, to the last bit. See `BackwardSteps` for what
        holds in between.

        Args:
            gradient: the gradient of self.
            undo: keep every step, so that ``back()`` can undo it; otherwise memory does not grow.
        """
        return BackwardSteps(self, _number(gradient), undo)

    def forward_steps(self) -> ForwardSteps:
        """How this number arose: every node that it depends on, in order of creation, to read in either direction."""
        return ForwardSteps(self)

    def register_hook(self, hook: hooks.Hook) -> hooks.Handle:
        """Call ``hook(gradient)`` in every pass once this node's gradient is complete, before it flows on.

        As in PyTorch, a number that the hook returns replaces the gradient, several hooks are called in order
        of registration, and the gradient of a leaf is that of the pass alone, without what it has accumulated.

        Returns:
            a handle whose ``remove()`` takes the hook back.
        """
        return hooks.add_hook(self, hook)

    def breakpoint(self) -> hooks.Handle:
        """Call Python's `breakpoint` in every pass whenever this node's gradient flows on to an operand.

        The debugger (whichever `sys.breakpointhook` starts) stops inside the walk, where ``node``, ``parent``,
        ``local_gradient`` and ``contribution`` are local variables. The gradient of a leaf flows no further: there
        it stops whenever a contribution arrives.

        Returns:
            a handle whose ``remove()`` takes the breakpoint back.
        """
        return hooks.add_breakpoint(self)

    def zero_grad(self) -> None:
        """Set the gradient to 0."""
        self._grad = 0.0

    def detach(self) -> Value:
        """A leaf with the same data, where gradients stop."""
        return Value(self.data, label=self.label)

    # ---- recording --------------------------------------------------------------------------------------

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("sub"), _reflected("sub")
    __mul__, __rmul__ = _binary("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _binary("div"), _reflected("div")
    __neg__, __abs__ = _unary("neg"), _unary("abs")
    tanh, sigmoid, relu = _unary("tanh"), _unary("sigmoid"), _unary("relu")
    exp, log, sqrt = _unary("exp"), _unary("log"), _unary("sqrt")
    sin, cos = _unary("sin"), _unary("cos")
    _power, __rpow__ = _binary("pow"), _reflected("pow")

    def __pow__(self, other: Operand) -> Value:
        """Record self ^ other. A plain number as exponent is part of the op, so that the base may be negative."""
        return _compute(ops.power(_number(other)), (self,)) if is_number(other) else self._power(other)

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
        rule = ops.lookup(op, len(operands))
        if rule.arity != len(operands):
            raise GraphError(f"{len(operands)} operands for an op that takes {rule.arity}", op=rule.name)
        return _compute(rule, tuple(map(as_value, operands)))

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
            OperandError: a parent is not a Value.
        """
        if len(parents) != len(local_gradients) or not parents:
            raise GraphError(
                f"{len(parents)} parents but {len(local_gradients)} local gradients",
                op=op,
                remedy="Give one local gradient per parent, and at least one parent",
            )
        node = _record_any(ops.fixed(op, tuple(map(_number, local_gradients))), _number(data), tuple(parents))
        node.label = label
        return node

    # ---- micrograd's names ------------------------------------------------------------------------------

    @property
    def _prev(self) -> tuple[Value, ...]:
        return self.parents

    @property
    def _op(self) -> str:
        return self._rule.symbol

    @property
    def _backward(self) -> Callable[[], None]:
        """Apply the chain rule to this node alone, as ``v._backward()``; assign a function to replace the rule."""
        return lambda: propagate(self)

    @_backward.setter
    def _backward(self, function: Callable[[], object]) -> None:
        if self.parents or _recording():  # what no_grad made a leaf stays one
            self._rule = ops.closure(self._rule.name, function, self._rule.symbol)

    # ---- copies: never node by node, since the nodes may be a million deep ---------------------------------

    def __copy__(self) -> Value:
        return _clone(self, self.parents)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        found, to_copy = {self}, [self]
        for node in to_copy:
            for parent in node.parents:
                if parent not in found and id(parent) not in memo:
                    found.add(parent)
                    to_copy.append(parent)
        for node in sorted(to_copy, key=attrgetter("_id")):
            memo[id(node)] = _clone(node, tuple([memo[id(parent)] for parent in node.parents]))
        twin: Value = memo[id(self)]
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        below = InCreationOrder(*self.parents) if self.parents and not _after_its_operands(self) else None
        return _restore, (below, self._rule, self._data, self._grad, self.label, self.time_step, *self.parents)


# ---- making nodes -------------------------------------------------------------------------------------------

_new = object.__new__


def _record(rule: Op, data: float, first: Value | None, second: Value | None) -> Value:
    """A new node with up to two operands. Going through ``__init__`` would double its cost."""
    node = _new(Value)
    node._data = data
    node.label = ""
    node.time_step = _current_time_step()
    node._grad = None
    node._id = _next_id()
    node._extra = None
    node._first = first
    node._second = second
    node._rule = rule
    if _open_blocks:
        _look_closer(node)
        if not _recording():
            node._first = node._second = None
            node._rule = LEAF
    return node


def _record_any(rule: Op, data: float, operands: tuple[Value, ...]) -> Value:
    """A new node with any number of operands."""
    node = _record(rule, data, None, None)
    if node._rule is rule:
        node.parents = operands
    return node


def _look_closer(node: Value) -> None:
    """Note where a new node was created, if this thread traces that."""
    if getattr(_thread, "trace_creation", 0):
        hooks.extra(node).created_at = hooks.users_line()


def _compute(rule: Op, operands: tuple[Value, ...]) -> Value:
    try:
        return _record_any(rule, _number(rule.forward(*[operand._data for operand in operands])), operands)
    except (ValueError, ArithmeticError) as error:
        raise _outside_domain(rule, operands, error) from error


def _outside_domain(rule: Op, operands: Sequence[Value], error: Exception) -> DomainError:
    numbers = ", ".join(f"{operand.data:.6g}" for operand in operands)
    return DomainError(
        f"{rule.title} has no finite real value at {numbers} ({error})",
        op=rule.title,
        node=notation.application(rule, operands),
        time_step=_current_time_step(),
        remedy=f"It needs {rule.domain}" if rule.domain else None,
    )


def is_number(data: object) -> bool:
    """Whether ``data`` can stand for one real number (a NumPy scalar can; a string, an array or a Value cannot)."""
    if hasattr(data, "is_symbolic"):  # a number that is not known yet: the compiler's
        return True
    return (hasattr(data, "__float__") or hasattr(data, "__index__")) and not getattr(data, "ndim", 0)


def as_value(data: Operand) -> Value:
    """``data`` itself if it is a Value, else a new leaf that holds it."""
    return data if isinstance(data, Value) else Value(data)


def _number(data: Any) -> float:
    if data.__class__ is float:
        return data
    if hasattr(data, "is_symbolic"):
        return data  # type: ignore[no-any-return]
    if is_number(data):
        try:
            return float(data)
        except (TypeError, ValueError, OverflowError) as error:
            raise OperandError(f"{str(data)[:40]!r} is not a real number that fits a double: {error}") from error
    raise OperandError(
        f"{str(data)[:40]!r} is a {type(data).__name__}, not a number",
        remedy="Use its .data, or .detach(), if you mean its number" if isinstance(data, Value) else None,
    )


def _short(text: str) -> str:
    """Text cut to 14 characters, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= 14 else f"{text[:13]}…"


def propagate(node: Value) -> None:
    """Apply the chain rule to one node: its parents' gradients grow by what its own implies."""
    for reached in (node, *node.parents):
        if reached._grad is None:
            reached._grad = 0.0
    for _ in walk((node,), record=False):
        pass


# ---- copying whole graphs -----------------------------------------------------------------------------------


def _clone(node: Value, parents: tuple[Value, ...]) -> Value:
    if node._rule.backward is not None:
        node._rule.refuse_copies()
    twin = _new(Value)
    for slot in ("_data", "label", "time_step", "_grad", "_rule"):
        setattr(twin, slot, getattr(node, slot))
    twin._id = _next_id()
    twin._extra = None  # hooks and breakpoints stay with the node on which they were set, as in PyTorch
    twin.parents = parents
    return twin


class InCreationOrder:
    """All nodes that some roots reach, for `pickle` and `copy`: they come back as a list, oldest first.

    Whoever copies nodes in this order always has the operands of a node before the node, and so never goes
    deep; and the copies are created in the order of the originals, so that their ``backward()`` adds up
    gradients in the same order.
    """

    def __init__(self, *roots: Value) -> None:
        self.roots = roots

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = _OldestFirst(reversed(topological_order(*self.roots)))
        _thread.at_work = ref(nodes)
        return list, (), None, nodes


class _OldestFirst:
    """An iterator that knows all that it gives. It lives as long as `pickle` is at work on them."""

    def __init__(self, nodes: Iterable[Value]) -> None:
        self._given = dict.fromkeys(nodes)
        self._rest = iter(self._given)

    def __iter__(self) -> Iterator[Value]:
        return self

    def __next__(self) -> Value:
        return next(self._rest)

    def __contains__(self, node: Value) -> bool:
        return node in self._given


def _after_its_operands(node: Value) -> bool:
    """Whether the pickler at work in this thread meets the operands of this node before the node."""
    at_work: _OldestFirst | None = getattr(_thread, "at_work", lambda: None)()
    return at_work is not None and node in at_work


def _restore(
    _: object, rule: Op, data: float, grad: float | None, label: str, step: int | None, *parents: Value
) -> Value:
    node = _new(Value)
    node._data, node._grad, node.label, node.time_step = data, grad, label, step
    node._rule = rule
    node._id = _next_id()
    node._extra = None
    node.parents = parents
    return node
