"""The op table: what every operation computes and what its local derivatives are, side by side.

A rule is plain arithmetic on its operands and its output. Given floats it yields floats; given anything else that does
arithmetic (a symbol of the compiler, say) it yields that. `arithmetic` has the functions that rules are written with.

A result too large for a double is infinite with its sign, as in IEEE 754 and in PyTorch, whatever the op, so that
an explosion can be watched. What has no real value at all (division by 0, ln 0, √-1, 0 ** -1) is an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType
from typing import Any, NoReturn

from ..errors import DomainError, GraphError
from ..support.text import count
from .arithmetic import Rule, cos, exp, log, log1p, maximum, pow_, select, sin, sqrt, tanh

Edges = Iterable[tuple[Any, Any]]  # pairs of a parent and ∂node/∂parent


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operation: a row of the table.

    Attributes:
        name: the op's name, such as ``"mul"``.
        symbol: what a drawing writes into the node, such as ``"*"``.
        arity: number of operands; -1 when the op does not fix it.
        forward: ``forward(*operands)`` is the output.
        local_gradients: ``local_gradients(out, *operands)`` is the tuple of ∂out/∂operand.
        formula: the forward formula, with ``{0}``, ``{1}`` for the operands.
        local_formulas: the formula of each local gradient, with ``{out}`` for the output.
        domain: what the operands must satisfy, where not every number will do.
        backward: None, or a zero-argument function that adds to the operands' gradients by itself.
        made_by: for an op outside the table, the function that made it and its arguments.
        edges: ``edges(node)`` are the pairs of a parent and ∂node/∂parent, for a node that this op computed. This is
            what the backward pass calls.
    """

    name: str
    symbol: str
    arity: int
    forward: Rule
    local_gradients: Rule
    formula: str
    local_formulas: tuple[str, ...]
    domain: str = ""
    backward: Callable[[], object] | None = None
    made_by: tuple[object, ...] = ()
    edges: Callable[[Any], Edges] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", _edges(self))

    @property
    def title(self) -> str:
        """The name in messages: as the user wrote it, ``**2``, where the name alone is ambiguous."""
        return self.symbol if self.name == "pow_constant" else self.name

    def __reduce__(self) -> tuple[object, ...]:
        if OPS.get(self.name) is self or self is LEAF:
            return lookup, (self.name,)
        if not self.made_by:
            self.refuse_copies()
        return self.made_by[0], self.made_by[1:]

    def call_closure(self, node: Any) -> None:
        """Let `backward` add to the gradients of the parents of a node.

        Raises:
            DomainError: it divides by 0, or the like.
        """
        assert self.backward is not None
        try:
            self.backward()
        except (ValueError, ArithmeticError) as error:
            raise _derivative_error(self, node, error) from error

    def refuse_copies(self) -> NoReturn:
        """A closure knows the operands of one node, so a copy of that node would add to the original's gradients.

        Raises:
            GraphError: always.
        """
        raise GraphError(
            "a node whose derivative is not in the op table cannot be copied or pickled",
            op=self.name,
            remedy="Give the op an entry in the table (ops.register) and record it with Value.apply",
        )


# ---- the rules of an op, applied to a node ----------------------------------------------------------------------


def _edges(op: Op) -> Callable[[Any], Edges]:
    """The function `Op.edges`. The first two are nearly all there are; a loop over operands would take twice their time."""
    rule = op.local_gradients

    def edges_of_two(node: Any) -> Edges:
        a, b = node.parents
        to_a, to_b = rule(node._data, a._data, b._data)
        return (a, to_a), (b, to_b)

    def edges_of_one(node: Any) -> Edges:
        (a,) = node.parents
        return ((a, *rule(node._data, a._data)),)

    def edges_of_many(node: Any) -> Edges:
        return tuple(zip(node.parents, rule(node._data, *[parent._data for parent in node.parents])))

    if op.backward is not None:
        return _edges_of_closure(op)
    edges = {1: edges_of_one, 2: edges_of_two}.get(op.arity, edges_of_many)
    return _checked(op, edges) if op.domain else edges


def _checked(op: Op, edges: Callable[[Any], Edges]) -> Callable[[Any], Edges]:
    """The same for rules that may fail, with an error that names the node."""

    def checked_edges(node: Any) -> Edges:
        try:
            return edges(node)
        except (ValueError, ArithmeticError) as error:
            raise _derivative_error(op, node, error) from error

    return checked_edges


def _derivative_error(op: Op, node: Any, error: Exception) -> DomainError:
    return DomainError(
        f"the derivative has no finite value: {error}",
        op=op.title,
        node=node.name,
        time_step=node.time_step,
        remedy=f"{op.title} needs {op.domain}" if op.domain else None,
        created_at=node.created_at,
    )


class _Nothing:
    """The contribution along the edges of a closure, which adds to the gradients by itself: no bit of them changes."""

    def __mul__(self, gradient: float) -> _Nothing:
        return self

    def __radd__(self, gradient: float) -> float:
        return gradient

    def __repr__(self) -> str:
        return "what its own _backward adds"


NOTHING: Any = _Nothing()


def _edges_of_closure(op: Op) -> Callable[[Any], Edges]:
    def edges(node: Any) -> Edges:
        for parent in dict.fromkeys(node.parents):  # the walk prepares each parent, ...
            yield parent, NOTHING
        op.call_closure(node)  # ... so that the closure finds them ready

    return edges


# ---- the table --------------------------------------------------------------------------------------------------


def _sigmoid(a: float) -> float:
    # exp of a negative number only, so that it cannot overflow.
    e = exp(-abs(a))
    return select(a >= 0.0, 1.0 / (1.0 + e), e / (1.0 + e))


def _sign(a: float) -> float:
    return select(a > 0.0, 1.0, select(a < 0.0, -1.0, 0.0))


def _tanh_slope(a: float) -> float:
    # 1 - out² has no digits left where tanh saturates: it is 4 % off at 18, and 0 from 19.1 on.
    e = exp(-2.0 * abs(a))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def _share(a: float, b: float) -> float:
    # The gradient of max(a, b) with respect to a; a tie is shared equally, as torch.maximum does.
    return select(a > b, 1.0, select(a == b, 0.5, 0.0))


def _pow_slope(a: float, b: float) -> float:
    # b·a^(b-1), where b = 0 must not ask for 0^(-1).
    return b * pow_(a, b - select(b == 0.0, 0.0, 1.0))


def _log_of_base(a: float) -> float:
    # 0 ** b is flat in b wherever it is finite, as 1 ** b is. A negative base has no real derivative: log refuses it.
    return log(select(a == 0.0, 1.0, a))


# fmt: off
_TABLE: tuple[Op, ...] = (
    #  name       symbol     forward                             local gradients                                              formula           their formulas                         domain
    Op("add",     "+",    2, operator.add,                       lambda out, a, b: (1.0, 1.0),                                "{0} + {1}",      ("1", "1")),
    Op("sub",     "-",    2, operator.sub,                       lambda out, a, b: (1.0, -1.0),                               "{0} − {1}",      ("1", "−1")),
    Op("mul",     "*",    2, operator.mul,                       lambda out, a, b: (b, a),                                    "{0}·{1}",        ("{1}", "{0}")),
    Op("div",     "/",    2, operator.truediv,                   lambda out, a, b: (1.0 / b, -out / b),                       "{0} / {1}",      ("1 / {1}", "−{out} / {1}"),           "a divisor other than 0"),
    Op("pow",     "**",   2, pow_,                               lambda out, a, b: (_pow_slope(a, b), out * _log_of_base(a)), "{0}^{1}",        ("{1}·{0}^({1} − 1)", "{out}·ln {0}"), "a positive base (any base has the plain whole powers)"),
    Op("maximum", "max",  2, maximum,                            lambda out, a, b: (_share(a, b), _share(b, a)),              "max({0}, {1})",  ("[{0} > {1}]", "[{1} > {0}]")),
    Op("minimum", "min",  2, lambda a, b: -maximum(-a, -b),     lambda out, a, b: (_share(b, a), _share(a, b)),              "min({0}, {1})",  ("[{0} < {1}]", "[{1} < {0}]")),
    Op("neg",     "-",    1, operator.neg,                       lambda out, a: (-1.0,),                                      "−{0}",           ("−1",)),
    Op("tanh",    "tanh", 1, tanh,                               lambda out, a: (1.0 - out * out,),                           "tanh({0})",      ("1 − {out}²",)),
    Op("tanh_exact", "tanh", 1, tanh,                            lambda out, a: (_tanh_slope(a),),                            "tanh({0})",      ("1 / cosh²({0})",)),
    Op("sigmoid", "σ",    1, _sigmoid,                           lambda out, a: (out * (1.0 - out),),                         "σ({0})",         ("{out}·(1 − {out})",)),
    Op("relu",    "ReLU", 1, lambda a: select(a <= 0.0, 0.0, a), lambda out, a: (select(a <= 0.0, 0.0, 1.0),),                "relu({0})",      ("[{0} > 0]",)),
    Op("exp",     "exp",  1, exp,                                lambda out, a: (out,),                                       "exp({0})",       ("{out}",)),
    Op("log",     "ln",   1, log,                                lambda out, a: (1.0 / a,),                                   "ln {0}",         ("1 / {0}",),                          "an operand above 0"),
    Op("log1p",   "log1p", 1, log1p,                             lambda out, a: (1.0 / (1.0 + a),),                           "ln(1 + {0})",    ("1 / (1 + {0})",),                    "an operand above −1"),
    Op("sqrt",    "√",    1, sqrt,                               lambda out, a: (0.5 / out,),                                 "√{0}",           ("1 / (2·{out})",),                    "an operand of at least 0, above 0 to have a derivative"),
    Op("sin",     "sin",  1, sin,                                lambda out, a: (cos(a),),                                    "sin({0})",       ("cos({0})",),                         "a finite operand"),
    Op("cos",     "cos",  1, cos,                                lambda out, a: (-sin(a),),                                   "cos({0})",       ("−sin({0})",),                        "a finite operand"),
    Op("abs",     "abs",  1, abs,                                lambda out, a: (_sign(a),),                                  "|{0}|",          ("sign({0})",)),
)
# fmt: on

OPS: dict[str, Op] = {op.name: op for op in _TABLE}

for _op in _TABLE:  # A debugger, a traceback and a profiler show which rule they are in
    for _rule, _name in ((_op.forward, _op.name), (_op.local_gradients, f"{_op.name}_derivative")):
        if isinstance(_rule, FunctionType) and _rule.__name__ == "<lambda>":
            _rule.__name__ = _rule.__qualname__ = _name
            _rule.__code__ = _rule.__code__.replace(co_name=_name)

#: The op of a node that nothing computed: an input, a parameter, a constant.
LEAF = Op("", "", 0, lambda: 0.0, lambda out: (), "", ())


def lookup(name: str, arity: int | None = None) -> Op:
    """The op with this name or symbol; ``""`` is the leaf.

    Args:
        name: a name or a symbol.
        arity: distinguishes two ops with the same symbol, such as sub and neg.

    Raises:
        GraphError: no entry of the table has it.
    """
    if not name:
        return LEAF
    named = _named(name)
    if not named:
        raise GraphError("no such op", op=name, remedy=f"Known ops: {', '.join(OPS)}. Add your own with ops.register")
    return next((op for op in named if op.arity == arity), named[0])


def _named(name: str) -> list[Op]:
    """The ops that a name or symbol may mean, the one of that very name first."""
    return [op for op in (OPS.get(name), *OPS.values()) if op is not None and name in (op.name, op.symbol)]


def register(op: Op) -> Op:
    """Add an entry to the table, so that ``Value.apply(op.name, ...)`` records it.

    To be compiled, rules must do the same for a symbol as for a float: they are run once, on symbols. One that
    depends on the type of its operand (``isinstance(a, float)``, ``{0.5: 1.0}.get(a)``) compiles to the branch for symbols.

    Raises:
        GraphError: the name is taken, or the formulas or the local gradients do not match the arity.
    """
    if op.name in OPS or not op.name:
        raise _name_taken(op)
    if op.arity < 1 or len(op.local_formulas) != op.arity:
        raise GraphError("an op needs an arity of at least 1 and one local formula per operand", op=op.name)
    with suppress(ArithmeticError, ValueError):  # 0.5 may be outside its domain
        trial = op.local_gradients(0.5, *[0.5] * op.arity)
        if not isinstance(trial, (tuple, list)) or len(trial) != op.arity:
            raise GraphError(
                f"local_gradients returns {trial!r} for {count(op.arity, 'operand')}",
                op=op.name,
                remedy="It must return a tuple of one local gradient per operand",
            )
    object.__setattr__(op, "edges", _checked(op, op.edges))  # nobody knows yet where its rules fail
    if OPS.setdefault(op.name, op) is not op:  # another thread was faster
        raise _name_taken(op)
    return op


def _name_taken(op: Op) -> GraphError:
    return GraphError("an op of this name exists already", op=op.name or '""', remedy="Choose another name")


@lru_cache(maxsize=1024)
def power(exponent: float) -> Op:
    """The op ``x ** exponent`` for a fixed number: unlike ``pow`` it has no derivative with respect to its
    exponent, so that a negative base is no error.
    """
    shown, less = (f"{each:g}".replace("-", "−") for each in (exponent, exponent - 1.0))
    return Op(
        "pow_constant",
        f"**{exponent!r}".removesuffix(".0"),
        1,
        lambda a: pow_(a, exponent),
        lambda out, a: (_pow_slope(a, exponent),),
        f"{{0}}^{shown}",
        (f"{shown}·{{0}}" + ("" if exponent == 2.0 else f"^{less}"),),
        "a base above 0 (or of at least 0, or of any sign, where the exponent allows)",
        made_by=(power, exponent),
    )


def fixed(name: str, local_gradients: tuple[float, ...]) -> Op:
    """An op for one node whose local gradients are already known numbers."""
    return Op(
        name,
        name,
        len(local_gradients),
        lambda *operands: float("nan"),
        lambda out, *operands: local_gradients,
        f"{name}(…)",
        tuple(f"{g:.6g}" for g in local_gradients),
        made_by=(fixed, name, local_gradients),
    )


def closure(name: str, backward: Callable[[], object], symbol: str = "") -> Op:
    """An op for one node whose derivative is a function that adds to the operands' gradients by itself."""
    return Op(
        name,
        symbol or name,
        -1,
        lambda *operands: float("nan"),
        lambda out, *operands: (),
        f"{name}(…)",
        (),
        "",
        backward,
    )


def called(name: str, arity: int) -> Op:
    """The op of a node that was made by hand with this many operands and only a name for its op.

    A name that the table does not know, or not with this arity, is kept: someone may yet assign
    ``node._backward``. Walking backward through it before that is an error.
    """

    def refuse() -> None:
        raise GraphError(
            "this op has no derivative",
            op=name,
            remedy="Assign node._backward, or record it with Value.custom or ops.register",
        )

    return next((op for op in _named(name) if op.arity == arity), None) or closure(name, refuse)
