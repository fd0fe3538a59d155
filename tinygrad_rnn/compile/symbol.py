"""Symbols: numbers that are not known yet. Arithmetic on them is written down instead of carried out.

The rules of the op table, the cells, the losses and the backward walk do plain arithmetic on any operands. On symbols,
they leave behind the list of everything they would have computed: the `Tape`. So the compiler has no derivative and no
order of accumulation of its own.

`NO_GRADIENT`, the gradient of a node before its first contribution, is 0.0, and 0.0 + c is c in every bit unless c is
-0.0. Therefore the first addition is left out. Gradients only enter products and sums, where the sign of a zero changes
only signs of zeros, and results of compiled code are added to 0.0 first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from ..engine.arithmetic import ELEMENTARY, Symbolic, is_number
from ..engine.node import NO_GRADIENT
from ..errors import CompileError, GraphError
from .memory import Place, Region

#: Comparisons, and LLVM's names for them.
COMPARISONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}

#: Instructions that compute a truth value instead of a number.
CONDITIONS = frozenset({*COMPARISONS, "not"})

#: Instructions that only read a number, and are written out wherever it is used.
SOURCES = frozenset({"const", "load", "index"})

#: Conditions under which eager Python might raise an error (for a division by zero, say). A false alarm only costs
#: time. Those of a sigmoid, 1 / (1 + e^(-|a|)), are left out: there are many, and none can come true.
ALARMS: dict[str, Callable[..., list[Any]]] = {
    "div": lambda out, a, b: [] if b.op == "add" and _is(b.args[0], 1.0) and b.args[1].op == "exp" else [b == 0.0],
    "log": lambda out, a: [a <= 0.0],
    "log1p": lambda out, a: [a <= -1.0],
    "sqrt": lambda out, a: [a < 0.0],
    "pow": lambda out, a, b: [abs(out) == math.inf, out != out],
    "sin": lambda out, a: [abs(a) == math.inf],
    "cos": lambda out, a: [abs(a) == math.inf],
}


#: How operations are written in a formula; others as functions.
_WRITTEN = {
    **{"add": "{} + {}", "sub": "{} − {}", "mul": "{}·{}", "div": "{} / {}", "pow": "{}^{}", "neg": "−{}"},
    **{"lt": "{} < {}", "le": "{} ≤ {}", "gt": "{} > {}", "ge": "{} ≥ {}", "eq": "{} = {}", "ne": "{} ≠ {}"},
}

#: A number that may not be known yet.
Computed: TypeAlias = "Symbol | float"


class Symbol(Symbolic):
    """One instruction of a tape, and the number that it will compute.

    Attributes:
        op: name of the instruction: ``"add"``, ``"tanh"``, ``"select"``, ``"load"``, ``"const"``, ...
        args: its operands, all symbols; for a load, region and slot; for an index, the region; for a constant, the
            number.
        index: place on the tape.
    """

    __slots__ = ("args", "index", "op", "tape")
    __hash__ = object.__hash__

    def __init__(self, tape: Tape, op: str, args: tuple[Any, ...]) -> None:
        self.tape, self.op, self.args, self.index = tape, op, args, len(tape.symbols)

    @property
    def place(self) -> Place:
        """The place of the number, of a load."""
        return Place(*self.args)

    def select(self, if_true: Computed, if_false: Computed) -> Symbol:
        """Called by `arithmetic.select` for a condition that is not known yet."""
        return self.tape.emit("select", self, if_true, if_false)

    def require(self) -> bool:
        """Called by `arithmetic.refuted` for a condition that is not known yet."""
        self.tape.alarms.append(self.tape.emit("not", self))
        return False

    def __bool__(self) -> bool:
        raise GraphError(
            "a decision depends on a number that is only known when the compiled code runs",
            op=_WRITTEN[self.op].format("", "").strip() if self.op in COMPARISONS else None,
            node=self.tape.formula(self),
            remedy="Use arithmetic.select, Value.maximum or Value.relu instead of if, max or and",
        )

    def _refuse_plain_number(self, *_: object) -> NoReturn:
        raise CompileError(
            "a plain number would be computed from one that is only known when the compiled code runs",
            node=self.tape.formula(self),
            remedy="Compute with Values, their methods and those of engine.arithmetic, not with math or float()",
        )

    __float__ = __int__ = __round__ = __trunc__ = __floor__ = __ceil__ = __complex__ = _refuse_plain_number

    def __repr__(self) -> str:
        return f"{self.op}#{self.index}"

    def __format__(self, spec: str) -> str:  # a node without a label is named after its formatted number
        return repr(self)

    # Filled in below, from one list of Python's operators.
    __add__: Callable[..., Any]


def _install(python_name: str, op: str) -> None:
    def forward(self: Symbol, *other: Any) -> Any:  # a Value records its own operations
        return self.tape.emit(op, self, *other) if all(map(is_number, other)) else NotImplemented

    def reflected(self: Symbol, other: Any) -> Any:
        return self if other is NO_GRADIENT else self.tape.emit(op, other, self)

    setattr(Symbol, python_name, forward)
    if op in ("add", "sub", "mul", "div", "pow"):  # comparisons are reflected by Python itself
        setattr(Symbol, python_name.replace("__", "__r", 1), reflected)


for _name in ("add", "sub", "mul", "truediv", "pow", "neg", "abs", *COMPARISONS):
    _install(f"__{_name}__", _name.removeprefix("true"))
for _name in ELEMENTARY:
    _install(_name, _name)


class Tape:
    """All instructions in order, without duplicates.

    Attributes:
        fast: whether rounding may differ from that of the eager engine.
        symbols: the instructions.
        alarms: conditions under which eager Python might raise an error.
        names: what symbols are called in errors, by their places.
        kind: the class of new symbols.
    """

    def __init__(self, fast: bool = False) -> None:
        self.fast = fast
        self.symbols: list[Symbol] = []
        self.alarms: list[Symbol] = []
        self.names: dict[int, str] = {}
        self.kind = Symbol
        self._known: dict[tuple[str, object], Symbol] = {}

    def const(self, number: float) -> Symbol:
        """A known number."""
        return self._symbol("const", (float(number),), float(number).hex())  # hex tells -0.0 from 0.0

    def load(self, region: Region, slot: int) -> Symbol:
        """The number that a region of memory holds in a slot when the instruction runs."""
        return self._symbol("load", (region, slot), (region, slot))

    def index(self, region: Region) -> Symbol:
        """The whole number that a region holds when the instruction runs."""
        return self._symbol("index", (region,), region)

    def symbol(self, number: Computed) -> Symbol:
        """The symbol for a number: a symbol itself, or a constant for a known number."""
        return number if isinstance(number, Symbol) else self.const(number)

    def number(self, number: Computed) -> Symbol:
        """The symbol for a number; a truth value counts as 1 or 0, as in Python's arithmetic."""
        symbol = self.symbol(number)
        return self.emit("select", symbol, 1.0, 0.0) if symbol.op in CONDITIONS else symbol

    def formula(self, symbol: Symbol, depth: int = 5) -> str:
        """The formula of a symbol, for errors; deeper parts are left out."""
        if symbol.index in self.names or symbol.op == "const":
            return self.names[symbol.index] if symbol.index in self.names else f"{symbol.args[0]:g}"
        if symbol.op in SOURCES or not depth:
            return "…"
        operands = [self.formula(arg, depth - 1) for arg in symbol.args]
        if symbol.op not in _WRITTEN:
            return f"{symbol.op}({', '.join(operands)})"
        if symbol.op in ("mul", "div", "pow", "neg"):
            operands = [f"({text})" if " " in text else text for text in operands]
        return _WRITTEN[symbol.op].format(*operands)

    def emit(self, op: str, *operands: Computed) -> Symbol:
        """The symbol for one operation. If the tape has one that computes the same bits, it is that one."""
        conditions = 1 if op in ("select", "not") else 0
        args = (*map(self.symbol, operands[:conditions]), *map(self.number, operands[conditions:]))
        simpler = self._simpler(op, args)
        if simpler is not None:
            return simpler
        length = len(self.symbols)
        symbol = self._symbol(op, args, tuple(arg.index for arg in args))
        if op in ALARMS and len(self.symbols) > length:
            self.alarms += ALARMS[op](symbol, *args)
        return symbol

    def _simpler(self, op: str, args: tuple[Symbol, ...]) -> Symbol | None:
        """A cheaper symbol with the same bits for all operands, or None."""
        if op == "mul":
            for a, b in (args, args[::-1]):
                if _is(a, 1.0):
                    return b
                if _is(a, -1.0):
                    return self.emit("neg", b)
        elif op == "pow" and _is(args[1], 1.0):
            return args[0]
        elif op == "pow" and _is(args[1], 2.0) and self.fast:  # libm's pow does not always round as x * x does
            return self.emit("mul", args[0], args[0])
        elif op == "select" and args[1] is args[2]:
            return args[1]
        elif op == "select" and args[1].op == args[2].op == "div" and args[1].args[1] is args[2].args[1]:
            condition, (a, divisor), (b, _) = args[0], args[1].args, args[2].args  # a sigmoid divides once
            return self.emit("div", self.emit("select", condition, a, b), divisor)
        return None

    def _symbol(self, op: str, args: tuple[object, ...], key: object) -> Symbol:
        if (op, key) not in self._known:
            self._known[op, key] = symbol = self.kind(self, op, args)
            self.symbols.append(symbol)
        return self._known[op, key]


def _is(symbol: Symbol, number: float) -> bool:
    return symbol.op == "const" and bool(symbol.args[0] == number)
