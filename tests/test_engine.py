"""The engine against independent arithmetic: every op, whole expressions, and what a backward pass leaves behind."""

from __future__ import annotations

import copy
import math
import pickle
import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from functools import partialmethod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

from tinygrad_rnn import Value, dot, gradcheck, no_grad, ops, total
from tinygrad_rnn.backward import topological_order
from tinygrad_rnn.errors import DomainError, GradcheckError, GraphError, OperandError, ShapeError

mp.dps = 40

# Operands within the domain of every op, away from the kinks.
POINTS: dict[str, list[tuple[float, ...]]] = {
    "pow": [(0.3, 2.5), (2.0, -1.5), (1.7, 0.0)],
    "log": [(0.2,), (3.0,)],
    "sqrt": [(0.2,), (3.0,)],
    "div": [(0.7, -1.3), (-2.0, 0.4)],
}
UNARY_POINTS = [(-1.9,), (-0.4,), (0.3,), (2.2,)]
BINARY_POINTS = [(0.7, -1.3), (-2.0, 0.4), (1.5, 2.5)]


def points(op: ops.Op) -> list[tuple[float, ...]]:
    return POINTS.get(op.name, UNARY_POINTS if op.arity == 1 else BINARY_POINTS)


@pytest.mark.parametrize("name", list(ops.OPS))
def test_every_rule_agrees_with_central_differences(name: str) -> None:
    for operands in points(ops.OPS[name]):
        assert gradcheck(lambda *x: Value.apply(name, *x), operands)


@pytest.mark.parametrize("name", list(ops.OPS))
def test_a_derivative_wrong_by_a_thousandth_is_caught(name: str) -> None:
    op = ops.OPS[name]

    def wrong(*operands: Value) -> Value:
        out = Value.apply(name, *operands)
        exact = op.local_gradients(out.data, *(operand.data for operand in operands))
        return Value.custom(out.data, operands, [1.001 * local for local in exact])

    for operands in points(op):
        out = Value.apply(name, *operands).data
        if any(op.local_gradients(out, *operands)):  # 1.001 · 0 is no mistake
            assert not gradcheck(wrong, operands, raise_exception=False)
            with pytest.raises(GradcheckError, match="central differences say"):
                gradcheck(wrong, operands)


class Symbol:
    """Something that is not a float and does arithmetic: what a compiler would put in place of operands."""

    def __init__(self, number: Any) -> None:
        self.number = number

    def __bool__(self) -> bool:
        raise TypeError("a rule asked a symbol to be true or false")

    def __float__(self) -> float:
        raise TypeError("a rule asked a symbol for a number")

    def select(self, if_true: Any, if_false: Any) -> Symbol:
        return Symbol(number(if_true) if self.number else number(if_false))


def number(x: Any) -> Any:
    return x.number if isinstance(x, Symbol) else x


def _elementary(symbol: Symbol, function: Callable[[float], float]) -> Symbol:
    return Symbol(function(symbol.number))


def _give_symbols_arithmetic() -> None:
    def binary(name: str) -> Callable[[Symbol, Any], Symbol]:
        return lambda self, other: Symbol(getattr(float(self.number), name)(float(number(other))))

    for name in ("add", "sub", "mul", "truediv", "pow", "radd", "rsub", "rmul", "rtruediv", "lt", "le", "gt", "ge"):
        setattr(Symbol, f"__{name}__", binary(f"__{name}__"))
    Symbol.__eq__ = binary("__eq__")  # type: ignore[assignment,method-assign]
    Symbol.__neg__ = lambda self: Symbol(-self.number)  # type: ignore[attr-defined]
    Symbol.__abs__ = lambda self: Symbol(abs(self.number))  # type: ignore[attr-defined]
    for name in ("exp", "log", "tanh", "sin", "cos", "sqrt"):
        setattr(Symbol, name, partialmethod(_elementary, getattr(math, name)))


_give_symbols_arithmetic()


@pytest.mark.parametrize("name", list(ops.OPS))
def test_every_rule_runs_on_symbols_and_means_the_same(name: str) -> None:
    op = ops.OPS[name]
    for operands in points(op):
        out = op.forward(*operands)
        symbols = [Symbol(x) for x in operands]
        assert number(op.forward(*symbols)) == out
        assert [number(g) for g in op.local_gradients(Symbol(out), *symbols)] == list(
            op.local_gradients(out, *operands)
        )


# ---- whole expressions against arithmetic of forty digits -----------------------------------------------------

UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": mp.tanh,
    "sin": mp.sin,
    "cos": mp.cos,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "exp": mp.exp,
    "neg": lambda x: -x,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
}

# A program is a list of (op, operand, operand): an operand is a place among the inputs and earlier results.
programs = st.lists(
    st.tuples(st.sampled_from([*UNARY, *BINARY]), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=14
)
inputs = st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=4)


def run_program(program: list[tuple[str, int, int]], xs: list[Any], ours: bool) -> Any:
    values = list(xs)
    for op, i, j in program:
        a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
        if op == "div":
            b = b * b + 1  # never 0
        if op == "exp":
            a = a.tanh() if ours else mp.tanh(a)  # never large
        if ours:
            values.append(Value.apply(op, *([a] if op in UNARY else [a, b])))
        else:
            values.append(UNARY[op](a) if op in UNARY else BINARY[op](a, b))
    return values[-1]


@given(programs, inputs)
def test_expressions_agree_with_forty_digits(program: list[tuple[str, int, int]], numbers: list[float]) -> None:
    leaves = [Value(x) for x in numbers]
    root = run_program(program, leaves, ours=True)
    exact = run_program(program, [mp.mpf(x) for x in numbers], ours=False)
    if not abs(exact) < 1e6:
        return
    assert root.data == pytest.approx(float(exact), rel=1e-9, abs=1e-9)
    root.backward()
    for i, leaf in enumerate(leaves):

        def shifted(by: Any, i: int = i) -> Any:
            return run_program(program, [mp.mpf(x) + (by if n == i else 0) for n, x in enumerate(numbers)], ours=False)

        step = mp.mpf(10) ** -13
        derivative = (shifted(step) - shifted(-step)) / (2 * step)
        if abs(derivative) < 1e6:
            assert leaf.grad == pytest.approx(float(derivative), rel=1e-8, abs=1e-8)


# ---- edges of the domain ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "op"),
    [
        (lambda: Value(-1.0).log(), "log"),
        (lambda: Value(0.0).log(), "log"),
        (lambda: Value(1.0) / 0.0, "div"),
        (lambda: Value(1000.0).exp(), "exp"),
        (lambda: Value(-1.0).sqrt(), "sqrt"),
        (lambda: Value(-1.0) ** 0.5, "pow_constant"),
        (lambda: Value(-1.0) ** Value(0.5), "pow"),
        (lambda: Value(0.0) ** -1, "pow_constant"),
    ],
)
def test_outside_its_domain_an_op_says_so(make: Callable[[], Value], op: str) -> None:
    with pytest.raises(DomainError) as caught:
        make()
    assert caught.value.op == op
    assert caught.value.remedy


def test_a_derivative_that_is_infinite_names_the_node() -> None:
    with pytest.raises(DomainError, match=r"op sqrt, node √q"):
        Value(0.0, label="q").sqrt().backward()


def test_powers() -> None:
    x, y = Value(-2.0), Value(0.0)
    (x**3 + y**0 + y**1).backward()
    assert (x.grad, y.grad) == (12.0, 1.0)
    a, b = Value(2.0), Value(3.0)
    (a**b).backward()
    assert a.grad == 12.0
    assert b.grad == pytest.approx(8 * math.log(2))
    e = Value(3.0)
    (2**e).backward()
    assert e.grad == pytest.approx(8 * math.log(2))


def test_kinks_follow_pytorch() -> None:
    for x, relu, slope in ((0.0, 0.0, 0.0), (-0.0, 0.0, 0.0)):
        leaf = Value(x)
        out = leaf.relu()
        out.backward()
        assert (out.data, leaf.grad) == (relu, slope)
    assert math.isnan(Value(math.nan).relu().data)
    a, b = Value(1.0), Value(1.0)
    a.maximum(b).backward()
    assert (a.grad, b.grad) == (0.5, 0.5)
    assert abs(Value(0.0)).data == 0.0
    assert math.isnan(Value(math.nan).maximum(1.0).data)
    assert Value(-1000.0).sigmoid().data == 0.0
    assert Value(1000.0).sigmoid().data == 1.0


@pytest.mark.parametrize("bad", ["3", None, 1j, [1.0], Value(1.0), b"1", 10**400])
def test_what_is_not_a_number_is_refused(bad: Any) -> None:
    with pytest.raises(OperandError):
        Value(bad)
    leaf = Value(1.0, label="q")
    with pytest.raises(OperandError, match="q"):
        leaf.data = bad


def test_operands_that_are_not_numbers_are_type_errors() -> None:
    for bad in ("3", None, [1.0], 1j):
        with pytest.raises(TypeError):
            Value(1.0) + bad
        with pytest.raises(TypeError):
            bad * Value(1.0)


# ---- the pass --------------------------------------------------------------------------------------------------


def test_only_leaves_accumulate() -> None:
    w = Value(2.0)
    a = 3 * w
    b = a * a
    b.backward()
    b.backward()
    assert w.grad == 72.0  # twice 36, not 108
    assert a.grad == 12.0
    assert b.grad == 1.0


def test_the_root_is_set_and_not_added_to() -> None:
    x = Value(3.0)
    y = x * 2
    y.grad = 100.0
    y.backward()
    assert (y.grad, x.grad) == (1.0, 2.0)
    y.backward(gradient=10.0)
    assert (y.grad, x.grad) == (10.0, 22.0)
    x.zero_grad()
    assert x.grad == 0.0


def test_shapes_of_graphs() -> None:
    x = Value(3.0)
    (x * x).backward()
    assert x.grad == 6.0
    x = Value(3.0)
    left, right = x * 2, x * 5  # a diamond
    (left * right).backward()
    assert x.grad == 60.0
    leaf = Value(1.0)
    leaf.backward()
    assert leaf.grad == 1.0
    w = Value(0.5)
    h = Value(1.0)
    for _ in range(10):  # a tied weight
        h = w * h
    h.backward()
    assert w.grad == pytest.approx(10 * 0.5**9, rel=1e-15)


def test_before_a_pass_there_is_no_gradient() -> None:
    x = Value(1.0)
    y = x + 1
    assert (x.grad, x.has_grad) == (0.0, False)
    y.backward()
    assert (x.grad, x.has_grad) == (1.0, True)


def test_detach_item_and_no_grad() -> None:
    x = Value(2.0)
    assert (x * x.detach()).item() == 4.0
    (x * x.detach()).backward()
    assert x.grad == 2.0
    with no_grad():
        y = x * x
    assert (y.data, y.parents, y.op) == (4.0, (), "")

    @no_grad()
    def square(v: Value) -> Value:
        return v * v

    assert square(x).parents == ()
    assert (x * x).parents == (x, x)


def test_no_grad_holds_for_its_thread_alone() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with no_grad():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    x = Value(1.0)
    assert (x + x).parents == (x, x)
    leave.set()
    thread.join()


def test_closures_and_custom_ops() -> None:
    x = Value(0.5)
    out = Value(math.atan(x.data), (x,), "atan")

    def _backward() -> None:
        x.grad += out.grad / (1 + x.data**2)

    with pytest.raises(GraphError, match="no derivative"):
        out.backward()
    out._backward = _backward
    (2 * out).backward()
    assert x.grad == pytest.approx(2 / 1.25)

    y = Value(0.5)
    Value.custom(math.atan(0.5), [y], [1 / 1.25], op="atan").backward()
    assert y.grad == pytest.approx(1 / 1.25)
    three = [Value(float(i)) for i in (1, 2, 3)]
    Value.custom(6.0, three, [6.0, 3.0, 2.0]).backward()
    assert [v.grad for v in three] == [6.0, 3.0, 2.0]


def test_a_rule_can_be_applied_by_hand() -> None:
    a, b = Value(2.0), Value(-3.0)
    out = a * b
    out.grad = 1.0
    out._backward()
    out._backward()
    assert (a.grad, b.grad) == (-6.0, 4.0)


def test_an_op_added_to_the_table() -> None:
    square = ops.Op("test_square", "sq", 1, lambda a: a * a, lambda out, a: (2.0 * a,), "{0}²", ("2·{0}",))
    ops.register(square)
    try:
        assert gradcheck(lambda x: Value.apply("test_square", x), [1.5])
        assert Value.apply("sq", 3.0).data == 9.0
        with pytest.raises(GraphError, match="exists already"):
            ops.register(square)
    finally:
        del ops.OPS["test_square"]
    with pytest.raises(GraphError, match="no such op"):
        Value.apply("test_square", 1.0)


def test_sums_record_ordinary_nodes() -> None:
    values = [Value(float(i)) for i in range(1, 8)]
    for balanced in (False, True):
        root = total(values, balanced)
        assert root.data == 28.0
        assert {node.op for node in topological_order(root)} == {"", "add"}
        assert len(topological_order(root)) == 13
    assert total([]).data == 0.0
    x, y = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]
    product = dot(x, y)
    product.backward()
    assert product.data == 11.0
    assert [v.grad for v in x] == [3.0, 4.0]
    with pytest.raises(ShapeError, match="2 and 1"):
        dot(x, y[:1])


def test_gradcheck_restores_what_it_touched_and_notices_chance() -> None:
    w = Value(0.3, label="w")
    w.grad = 7.0
    assert gradcheck(lambda v: (v * v).tanh(), [w])
    assert (w.data, w.grad) == (0.3, 7.0)
    rng = random.Random(0)
    with pytest.raises(GradcheckError, match="for the same inputs"):
        gradcheck(lambda v: v * rng.random(), [1.0])


@pytest.mark.parametrize("label", ["", "h_3", "x" * 500, "\n\t", "∂L/∂h"])
def test_repr_is_one_short_line(label: str) -> None:
    for data in (0.0, -1.2345678901234567e-300, math.inf, math.nan, 1e308):
        value = Value(data, label=label) * Value(-1e-300)
        value.label = label
        value.grad = -1.2345678901234567e-300
        assert len(repr(value)) < 100
        assert "\n" not in repr(value)


# ---- a million nodes ---------------------------------------------------------------------------------------------


def chain(length: int, w: Value) -> Value:
    node = Value(1.0)
    for _ in range(length):
        node = node * w
    return node


def test_a_million_nodes() -> None:
    length, w = 10**6, Value(1.0 - 1e-6)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(120 + len(__import__("inspect").stack()))
    tracemalloc.start()
    try:
        root = chain(length, w)
        root.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        sys.setrecursionlimit(limit)
    assert peak / length <= 350
    assert w.grad == pytest.approx(length * (1 - 1e-6) ** (length - 1), rel=1e-9)
    assert repr(root)
    twin = copy.deepcopy(root)
    assert len(topological_order(twin)) == length + 2
    del twin
    restored = pickle.loads(pickle.dumps(root))
    assert restored.data == root.data
    assert len(topological_order(restored)) == length + 2
    del restored, root


def test_work_grows_linearly() -> None:
    def calls(length: int) -> int:
        count = 0

        def profile(frame: Any, event: str, arg: Any) -> None:
            nonlocal count
            count += 1

        root = chain(length, Value(0.999))
        sys.setprofile(profile)
        try:
            root.backward()
        finally:
            sys.setprofile(None)
        return count

    assert calls(20_000) <= 2.05 * calls(10_000)


PROGRAM = """
import random
from tinygrad_rnn import RNNCell, Linear, cross_entropy, unroll, total
cell, readout = RNNCell(3, 4, seed=1), Linear(4, 3, seed=2)
rng = random.Random(3)
unrolled = unroll(cell, [[rng.uniform(-1, 1) for _ in range(3)] for _ in range(6)], readout=readout)
total([cross_entropy(unrolled.y[t], t % 3) for t in unrolled.y]).backward()
print([p.grad.hex() for p in cell.parameters() + readout.parameters()])
"""


def test_every_process_finds_the_same_bits() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "31337")
    }
    assert len(outputs) == 1
    assert b"0x" in outputs.pop()
