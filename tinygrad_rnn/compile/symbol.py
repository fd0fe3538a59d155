"""Symbols: numbers that are not known yet. Arithmetic on them is written down instead of carried out.

The rules of the op table, the cells, the losses and the backward walk do plain arithmetic on whatever they are
given. Given symbols, they leave behind the list of everything they would have computed: the `Tape`. So the
compiler has no derivative and no order of accumulation of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..errors import GraphError
from ..value import Value

#: Instructions that stop eager Python (division by zero, log of 0, ...) and what tells that they would.
GUARDED = frozenset({"div", "log", "sqrt", "pow", "sin", "cos", "require"})

INFINITY = math.inf


class Symbol:
    """One instruction of a tape, and the number that it will compute.

    Attributes:
        op: name of the instruction: ``"add"``, ``"tanh"``, ``"select"``, ``"load"``, ``"const"``, ...
        args: its operands, all symbols; for a load, region and slot; for a constant, the number.
        index: place on the tape.
        low, high: bounds on the number, unless it is NaN; they show which guards are needless.
    """

    __slots__ = ("args", "high", "index", "low", "op", "tape")
    is_symbolic = True
    __hash__ = object.__hash__

    def __init__(self, tape: Tape, op: str, args: tuple[Any, ...]) -> None:
        self.tape, self.op, self.args, self.index = tape, op, args, len(tape.symbols)
        self.low, self.high = _bounds(op, args)

    def select(self, if_true: Any, if_false: Any) -> Symbol:
        """What `ops.select` asks of a condition that is not known yet."""
        return self.tape.emit("select", self, if_true, if_false)

    def require(self) -> bool:
        """What `ops.refuted` asks of a condition that is not known yet."""
        self.tape.emit("require", self)
        return False

    def __bool__(self) -> bool:
        raise GraphError(
            "a decision was taken on a number that is only known when the compiled code runs",
            remedy="Use ops.select, Value.maximum or Value.relu instead of if, max or and",
        )

    def __repr__(self) -> str:
        return f"{self.op}#{self.index}"

    # Filled in below, from one list of Python's operators.
    __add__: Callable[..., Any]
    __radd__: Callable[..., Any]
    __mul__: Callable[..., Any]


def _install(python_name: str, op: str) -> None:
    def forward(self: Symbol, other: Any) -> Any:  # a Value records by itself what is done to it
        return NotImplemented if isinstance(other, Value) else self.tape.emit(op, self, other)

    def reflected(self: Symbol, other: Any) -> Any:
        return NotImplemented if isinstance(other, Value) else self.tape.emit(op, other, self)

    setattr(Symbol, f"__{python_name}__", forward)
    if op not in COMPARISONS:  # Python itself swaps a < b into b > a
        setattr(Symbol, f"__r{python_name}__", reflected)


def _install_unary(python_name: str, op: str) -> None:
    setattr(Symbol, python_name, lambda self: self.tape.emit(op, self))


COMPARISONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}  # LLVM's names
for _name in COMPARISONS:
    _install(_name, _name)
for _name, _op in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}.items():
    _install(_name, _op)
for _name, _op in {"__neg__": "neg", "__abs__": "abs"}.items():
    _install_unary(_name, _op)
for _name in ("exp", "log", "tanh", "sin", "cos", "sqrt"):
    _install_unary(_name, _name)


class Index(Symbol):
    """A whole number that will be given at run time: the row of an embedding, the index of the right class."""

    __slots__ = ("limit",)

    def __init__(self, tape: Tape, op: str, args: tuple[Any, ...]) -> None:
        super().__init__(tape, op, args)
        self.limit: int | None = None

    def choose(self, options: Sequence[Value]) -> Value:
        """What `ops.choose` asks of an index that is not known yet."""
        self.limit = len(options) if self.limit is None else min(self.limit, len(options))
        slots = [_parameter_slot(option) for option in options]
        if None not in slots and not any(option.parents for option in options):
            return self._look_up(options, [slot for slot in slots if slot is not None])
        return self._pick(options)

    def _look_up(self, options: Sequence[Value], slots: list[int]) -> Value:
        """One parameter out of a table: a load whose address depends on the index."""
        stride = slots[1] - slots[0] if len(slots) > 1 else 0
        if slots != [slots[0] + i * stride for i in range(len(slots))]:
            raise GraphError("the rows of a table that is looked up are not equally spaced among the parameters")
        # One leaf per entry, however often it is looked up, so that its contributions add up in one place.
        entry = self.tape.looked_up(self, stride, slots[0])
        if any(self.tape.looked_up_in.setdefault(option, entry) is not entry for option in options):
            raise GraphError("one table is looked up in two ways in the same time step", remedy="Use two tables")
        return entry

    def _pick(self, options: Sequence[Value]) -> Value:
        """One of several computed numbers. Only the chosen one receives a gradient."""
        hits = [self.tape.emit("eq", self, float(i)) for i in range(len(options))]
        data: Any = options[-1].data
        for hit, option in list(zip(hits, options))[-2::-1]:
            data = ops.select(hit, option.data, data)

        def backward() -> None:
            for hit, option in zip(hits, options):
                before = option._grad
                option._grad = hit.select(before + node._grad, 0.0 if before is FIRST else before)

        node = leaf(data)
        node.parents = tuple(options)
        node._rule = ops.closure("choose", backward)
        self.tape.picks.add(node)
        return node


def _parameter_slot(option: Value) -> int | None:
    symbol: Any = option.data
    is_parameter = isinstance(symbol, Symbol) and symbol.op == "load" and symbol.args[0] == "parameter"
    return symbol.args[1] if is_parameter else None


class Tape:
    """All instructions in order, each different one once."""

    def __init__(self, fast: bool = False) -> None:
        self.fast = fast
        self.symbols: list[Symbol] = []
        self.lookups: dict[tuple[str, int], Value] = {}
        self.looked_up_in: dict[Value, Value] = {}  # the parameters that may be meant by it
        self.picks: set[Value] = set()
        self._known: dict[tuple[Any, ...], Symbol] = {}

    def const(self, number: float) -> Symbol:
        """A number that is known already."""
        return self._symbol(Symbol, "const", (float(number),), (float(number).hex(),))  # hex tells -0.0 from 0.0

    def load(self, region: str, slot: int) -> Symbol:
        """The number that a region of memory holds in a slot when the instruction runs."""
        return self._symbol(Symbol, "load", (region, slot))

    def index(self, region: str) -> Index:
        """The whole number that a region of memory holds."""
        symbol = self._symbol(Index, "index", (region,))
        assert isinstance(symbol, Index)
        return symbol

    def looked_up(self, index: Index, stride: int, base: int) -> Value:
        """The leaf for the parameter in slot ``base + index * stride``."""
        region = f"table.{index.args[0]}.{stride}"
        if (region, base) not in self.lookups:
            self.lookups[region, base] = leaf(self.load(region, base))
        return self.lookups[region, base]

    def emit(self, op: str, *operands: Any) -> Symbol:
        """The symbol for one operation; one already on the tape if there is one that computes the same bits."""
        args = tuple(a if isinstance(a, Symbol) else self.const(a) for a in operands)
        simpler = self._simpler(op, args)
        return self._symbol(Symbol, op, args) if simpler is None else simpler

    def _simpler(self, op: str, args: tuple[Symbol, ...]) -> Symbol | None:
        """A shorter way to the same bits, for any operands."""
        if op == "mul":
            for a, b in (args, args[::-1]):
                if _is(a, 1.0):
                    return b
                if _is(a, -1.0):
                    return self.emit("neg", b)
        elif op == "neg" and args[0].op == "neg":
            return args[0].args[0]  # type: ignore[no-any-return]
        elif op == "pow" and _is(args[1], 1.0):
            return args[0]
        elif op == "pow" and _is(args[1], 2.0) and self.fast:  # libm's pow does not always round as x * x does
            return self.emit("mul", args[0], args[0])
        elif op == "select":
            condition, a, b = args
            if a is b:
                return a
            if a.op == b.op == "div" and a.args[1] is b.args[1]:
                return self.emit("div", self.emit("select", condition, a.args[0], b.args[0]), a.args[1])
        return None

    def _symbol(self, kind: type[Symbol], op: str, args: tuple[Any, ...], key: tuple[Any, ...] = ()) -> Symbol:
        identity = (op, *(key or (a.index if isinstance(a, Symbol) else a for a in args)))
        if identity not in self._known:
            self._known[identity] = symbol = kind(self, op, args)
            self.symbols.append(symbol)
        return self._known[identity]


class _First:
    """The gradient of a node that no contribution has reached yet.

    Eager gradients start from 0.0, and 0.0 + c is c in every bit unless c is -0.0. An addition per node is saved
    here at no loss: a gradient goes nowhere but into products and sums, where the sign of a zero changes nothing
    but signs of zeros, and what leaves compiled code is added to 0.0 first.
    """

    def __add__(self, contribution: Any) -> Any:
        return contribution


FIRST = _First()


def leaf(symbol: Any, label: str = "") -> Value:
    """A leaf Value that holds a symbol instead of a number."""
    return Value(symbol, label=label)


def is_guarded(symbol: Symbol) -> bool:
    """Whether eager Python could refuse this operation, as far as the bounds of its operands tell."""
    if symbol.op not in GUARDED:
        return False
    last = symbol.args[-1]
    if symbol.op in ("div", "log"):
        return not (last.low > 0.0 or (last.high < 0.0 and symbol.op == "div"))
    if symbol.op == "sqrt":
        return not last.low >= 0.0
    return not (symbol.op in ("sin", "cos") and last.low > -INFINITY and last.high < INFINITY)


def _is(symbol: Symbol, number: float) -> bool:
    return symbol.op == "const" and bool(symbol.args[0] == number)


def _bounds(op: str, args: tuple[Any, ...]) -> tuple[float, float]:
    """Bounds on the result of an instruction. Rounding is monotonic, so they hold for the rounded result too."""
    low, high = -INFINITY, INFINITY
    if op == "const":
        low = high = args[0]
    elif op == "neg":
        low, high = -args[0].high, -args[0].low
    elif op == "add":
        low, high = args[0].low + args[1].low, args[0].high + args[1].high
    elif op == "tanh":
        low, high = -1.0, 1.0
    elif op == "exp":
        low, high = 0.0, 1.0 if args[0].high <= 0.0 else INFINITY
    elif op in ("abs", "sqrt"):
        low = 0.0
    elif op == "select":
        low, high = min(args[1].low, args[2].low), max(args[1].high, args[2].high)
    return (low, high) if low <= high else (-INFINITY, INFINITY)
