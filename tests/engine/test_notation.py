"""How nodes, formulas and derivatives are written. What is written means, read as mathematics, what is computed."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Value, no_grad, time_step
from tinygrad_rnn.engine import notation, ops
from tinygrad_rnn.engine.arithmetic import cos, exp, log, maximum, sin, sqrt
from tinygrad_rnn.engine.backward import local_gradients
from tinygrad_rnn.engine.node import NO_GRADIENT
from tinygrad_rnn.engine.ops import OPS, Op

show_op = {"ids": lambda op: op.name}


def leaf(label: str, data: float = 0.5) -> Value:
    return Value(data, label=label)


def deep(levels: int) -> Value:
    """tanh(tanh(… x))."""
    node = leaf("x")
    for _ in range(levels):
        node = node.tanh()
    return node


# ---- read again -------------------------------------------------------------------------------------------------

NAMES: dict[str, Any] = {
    **{name: getattr(math, name) for name in ("tanh", "exp", "sin", "cos", "cosh", "sqrt", "log")},
    **{"max": max, "min": min, "abs": abs},
    "sigma": lambda a: 1.0 / (1.0 + math.exp(-a)),
    "relu": lambda a: max(a, 0.0),
    "sign": lambda a: float(a > 0.0) - float(a < 0.0),
}


def read(text: str, **leaves: float) -> float:
    """The value of a formula, by Python's precedence after no more than a change of signs.

    ``ln`` and ``√`` are taken to apply to the next name, call or parenthesis, bars to come in pairs.
    """
    for sign, python in (("·", "*"), ("−", "-"), ("cosh²", "cosh2"), ("²", "**2"), ("^", "**"), ("σ", "sigma")):
        text = text.replace(sign, python)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    text = text.replace("ln(", "log(")
    for sign, python in (("ln ", "log"), ("√", "sqrt")):
        while sign in text:
            before, _, rest = text.rpartition(sign)
            end = _end_of_operand(rest)
            text = f"{before}{python}({rest[:end]}){rest[end:]}"
    names = {**NAMES, "cosh2": lambda a: math.cosh(a) ** 2, **leaves}
    return float(eval(text.replace("[", "float(").replace("]", ")"), {"__builtins__": {}, "float": float}, names))


def _end_of_operand(text: str) -> int:
    """Where a name, a number, a call or a parenthesis ends with which the text begins."""
    end, depth = len(re.match(r"[\w.]*", text)[0]), 0  # type: ignore[index]
    for place in range(end, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth <= 0:
            return place + (text[place] == ")" and place > end)
    return len(text)


def inner(x: Value, y: Value) -> list[Value]:
    """What an operand may be: something of every way to bind, positive and negative."""
    return [x, x + y, x - y, x * y, x / y, -x, x**2.0, x**y, x.tanh(), x.log(), y.sqrt(), abs(x), x.maximum(y)]


@pytest.mark.parametrize("op", OPS.values(), **show_op)
def test_a_name_means_what_was_computed_whatever_the_operands_are(op: Op) -> None:
    x, y = leaf("x", 1.75), leaf("y", 0.625)
    tried = 0
    for operands in itertools.product(inner(x, y), repeat=op.arity):
        if op.name == "abs" and "|" in operands[0].name:
            continue  # bars within bars cannot be told apart
        if operands[0].data < {"log": 0.0, "sqrt": 0.0, "pow": 0.0, "log1p": -1.0}.get(op.name, -math.inf):
            continue
        node = Value.apply(op.name, *operands)
        assert read(node.name, x=1.75, y=0.625) == pytest.approx(node.data, rel=1e-12), node.name
        tried += 1
    assert tried > 9


@pytest.mark.parametrize("op", OPS.values(), **show_op)
def test_a_written_derivative_means_the_local_gradient(op: Op) -> None:
    x, y = leaf("x", 1.75), leaf("y", 0.625)
    for operands in itertools.product([x, x + y, x * y, y.sqrt(), x.tanh()], repeat=op.arity):
        node = Value.apply(op.name, *operands)
        if len({operand.data for operand in operands}) < op.arity:
            continue  # max and min share equal operands
        for position, local_gradient in enumerate(local_gradients(node)):
            text = notation.local_formula(node, position)
            assert read(text, x=1.75, y=0.625) == pytest.approx(local_gradient, rel=1e-12), (node.name, text)
            numbers = notation.local_formula_in_numbers(node, position)
            assert read(numbers) == pytest.approx(local_gradient, rel=2e-3, abs=2e-3), (node.name, numbers)
        assert read(notation.formula_in_numbers(node)) == pytest.approx(node.data, rel=2e-3, abs=2e-3)


@pytest.mark.usefixtures("ops_as_they_were")
@pytest.mark.parametrize(
    ("formula", "forward"),
    [
        ("√({0}² + {1}²)", lambda a, b: sqrt(a * a + b * b)),
        ("ln(exp({0}) + exp(2·{1}))", lambda a, b: log(exp(a) + exp(2.0 * b))),
        ("sin({0})·cos({1})", lambda a, b: sin(a) * cos(b)),
        ("{0}² + max({0}, {1})", lambda a, b: a * a + maximum(a, b)),
        ("|{0}|·|{1}|", lambda a, b: abs(a) * abs(b)),
    ],
)
def test_a_formula_of_a_registered_op_is_filled_in_with_parentheses(
    formula: str, forward: Callable[[Any, Any], Any]
) -> None:
    ops.register(ops.Op("new", "new", 2, forward, lambda out, a, b: (1.0, 1.0), formula, ("1", "1")))
    x, y = leaf("x", 1.75), leaf("y", 0.625)
    for operands in itertools.product([x, y, x - y, x * y, -x, x**y, Value(-2.0)], repeat=2):
        node = Value.apply("new", *operands)
        assert read(node.name, x=1.75, y=0.625) == pytest.approx(node.data, rel=1e-12), node.name
        twice = node * node
        assert read(twice.name, x=1.75, y=0.625) == pytest.approx(twice.data, rel=1e-12), twice.name


@given(st.floats(-4.0, 4.0), st.floats(-4.0, 4.0))
def test_numbers_keep_their_sign(a: float, b: float) -> None:
    x, y = Value(float(f"{a:.4g}")), Value(float(f"{b:.4g}"))
    for node in (x + y, x - y, x * y, -x, x**2, abs(x), x.maximum(y), (x - y) * x, -(x * y), x - (x - y)):
        assert read(node.name) == pytest.approx(node.data, rel=1e-9, abs=1e-12), node.name


# ---- names ------------------------------------------------------------------------------------------------------


def test_a_name_goes_down_to_labels_and_numbers() -> None:
    w, h, b = leaf("w", 0.5), leaf("h_2", 2.0), Value(1.0)
    z = w * h + b
    assert [notation.name(node) for node in (w, b, w * h, z, z.tanh())] == [
        "w", "1", "w·h_2", "w·h_2 + 1", "tanh(w·h_2 + 1)",
    ]  # fmt: skip
    z.label = "z_3"
    assert notation.name(z) == "z_3"
    assert notation.name(z.tanh()) == "tanh(z_3)"
    assert notation.formula(z) == "w·h_2 + 1"  # the formula of a node is not its label
    assert notation.formula(w) == ""


@pytest.mark.parametrize(
    ("label", "as_factor"),
    [
        ("h_3", "h_3·y"),
        ("W[0,1]", "W[0,1]·y"),
        ("W[0, :]", "W[0, :]·y"),
        ("x′", "x′·y"),
        ("é", "é·y"),
        ("a b", "(a b)·y"),
        ("-x", "(-x)·y"),
        ("w·h_1", "(w·h_1)·y"),
        ("∂L", "(∂L)·y"),
    ],
)
def test_a_label_that_is_no_plain_name_stands_in_parentheses(label: str, as_factor: str) -> None:
    assert notation.name(leaf(label) * leaf("y")) == as_factor
    assert notation.name(leaf(label)) == label


PARENTHESES = [
    (lambda x, y: x + (x + y), "x + (x + y)"),
    (lambda x, y: (x + y) + x, "x + y + x"),
    (lambda x, y: x - (x - y), "x − (x − y)"),
    (lambda x, y: (x + y) * (x - y), "(x + y)·(x − y)"),
    (lambda x, y: (x * y) * x, "x·y·x"),
    (lambda x, y: x * (x * y), "x·(x·y)"),
    (lambda x, y: x / (x / y), "x / (x / y)"),
    (lambda x, y: x / y * x, "x / y·x"),
    (lambda x, y: (x + y) ** 2, "(x + y)^2"),
    (lambda x, y: (x**2) ** 3, "(x^2)^3"),
    (lambda x, y: x ** (y**x), "x^(y^x)"),
    (lambda x, y: 2 * x**2, "2·x^2"),
    (lambda x, y: -(x + y), "−(x + y)"),
    (lambda x, y: -(x * y), "−x·y"),
    (lambda x, y: (-x).__neg__(), "−(−x)"),
    (lambda x, y: x * -y, "x·(−y)"),
    (lambda x, y: (x + y).tanh() * x, "tanh(x + y)·x"),
    (lambda x, y: (x + y).log(), "ln (x + y)"),
    (lambda x, y: x.log() * 2, "ln x·2"),
    (lambda x, y: (x * y).log1p() ** 2, "ln(1 + x·y)^2"),
    (lambda x, y: (x - y).log1p(), "ln(1 + (x − y))"),
    (lambda x, y: (-x).log1p(), "ln(1 + (−x))"),
    (lambda x, y: (x.log()) ** 2, "(ln x)^2"),
    (lambda x, y: (x * y).sqrt(), "√(x·y)"),
    (lambda x, y: abs(x - y), "|x − y|"),
    (lambda x, y: x.maximum(y - x), "max(x, y − x)"),
]


@pytest.mark.parametrize(("make", "written"), PARENTHESES, ids=[written for _, written in PARENTHESES])
def test_parentheses_stand_where_they_must_and_only_there(make: Any, written: str) -> None:
    assert notation.name(make(leaf("x"), leaf("y"))) == written


def test_parentheses_never_hurt_in_the_formula_of_an_op_of_your_own() -> None:
    own = Op("own", "own", 2, max, max, "{0} & {1}", ("1", "1"))
    x, y = leaf("x"), leaf("y")
    assert notation.application(own, (x + y, y)) == "(x + y) & y"


def test_a_name_is_cut_short_where_it_would_be_long() -> None:
    assert [notation.name(deep(levels)) for levels in range(5)] == [
        "x", "tanh(x)", "tanh(tanh(x))", "tanh(tanh(tanh(x)))", "tanh(tanh(tanh(…)))",
    ]  # fmt: skip
    node = deep(100_000) * leaf("w")
    assert notation.name(node) == "tanh(tanh(…))·w"
    assert notation.formula(node) == "tanh(tanh(…))·w"
    assert notation.gradient(node) == "(tanh(…)·w).grad"
    node.label = "h_9"
    assert notation.gradient(node) == "h_9.grad"


def test_an_op_without_a_formula_is_named() -> None:
    x, y = leaf("x"), leaf("y")
    node = Value.custom(3.0, [x, y], [1.5, -2.0], op="mine")
    assert notation.name(node) == "mine(…)"
    assert [notation.local_formula(node, i) for i in (0, 1)] == ["1.5", "-2"]
    closed = Value(1.0, (x, y), "mine")
    assert (notation.name(closed), notation.local_formula(closed, 1)) == ("mine(…)", "")


def test_what_no_grad_made_is_its_number() -> None:
    with no_grad():
        node = leaf("x") * 3
    assert (notation.name(node), notation.formula(node)) == ("1.5", "")


# ---- numbers ----------------------------------------------------------------------------------------------------


def test_a_number_has_four_digits() -> None:
    numbers = [0.25, -1.0, 1234567.0, 1e-7, -0.0, math.inf, -math.inf, math.nan]
    assert [notation.number(x) for x in numbers] == [
        "0.25", "-1", "1.235e+06", "1e-07", "0", "inf", "-inf", "nan",
    ]  # fmt: skip
    assert [notation.in_formula(x) for x in numbers] == [
        "0.25", "−1", "1.235e+06", "1e−07", "0", "inf", "−inf", "nan",
    ]  # fmt: skip


def test_a_negative_number_has_parentheses_where_a_sign_would_be_misread() -> None:
    x = leaf("x")
    assert [notation.name(node) for node in (x * -2, -2 * x, x - -2, x + -2, Value(-2) ** 2, -Value(-2))] == [
        "x·(−2)", "(−2)·x", "x + 2", "x − 2", "(−2)^2", "−(−2)",
    ]  # fmt: skip
    assert notation.name(Value(-2) + x) == "−2 + x"
    assert notation.name(Value(-2).tanh()) == "tanh(−2)"
    assert notation.name(x**-2) == "x^−2"
    assert notation.name(Value(1e-7) ** 2) == "(1e−07)^2"
    assert notation.product(0.7864, -0.5) == "0.7864·(−0.5)"
    assert notation.product(-1e-7, 2.0, 3.0) == "(−1e−07)·2·3"


def test_a_negative_number_is_not_subtracted_but_its_opposite_added() -> None:
    h = leaf("h_4", -0.5)
    error = h - -1
    assert [notation.name(error), notation.name(error**2), notation.formula(error)] == [
        "h_4 + 1",
        "(h_4 + 1)^2",
        "h_4 + 1",
    ]
    assert [notation.formula_in_numbers(node) for node in (h - -1, h + h, h + -1e-7)] == [
        "−0.5 + 1", "−0.5 − 0.5", "−0.5 − 1e−07",
    ]  # fmt: skip
    assert [notation.name(h - -math.inf), notation.name(h + -math.inf)] == ["h_4 + inf", "h_4 − inf"]
    assert notation.name((h + -0.25).log1p()) == "ln(1 + (h_4 − 0.25))"
    assert notation.name(Value(-0.25).log1p()) == "ln(1 − 0.25)"
    assert notation.name(h - -leaf("x")) == "h_4 − (−x)"  # two operations, both of them written
    assert notation.name(h - Value(-1.0, label="-1")) == "h_4 − (-1)"  # a name is a name
    assert notation.derivative(error, h) == "∂(h_4 + 1)/∂h_4"


def test_only_a_term_of_its_own_changes_its_sign() -> None:
    """In x − (−2)² it is the square that is subtracted."""
    x, two = leaf("x"), Value(-2.0)
    templates = (
        "{0} − {1}²",
        "{0} − {1}·{0}",
        "{0} + {1} / {0}",
        "{0} − ({1})",
        "f({0} − {1}, {1} + {1})",
        "{1} − {1} + {0}",
    )
    written = []
    for formula in templates:
        op = Op("trial", "trial", 2, lambda a, b: a, lambda out, a, b: (1.0, 0.0), formula, ("1", "0"))
        written.append(notation.application(op, [x, two]))
    assert written == [
        "x − (−2)²", "x − (−2)·x", "x + (−2) / x", "x − (−2)", "f(x + 2, (−2) − 2)", "(−2) + 2 + x",
    ]  # fmt: skip


def test_an_outline_stops_at_what_was_computed() -> None:
    w, h = leaf("w"), leaf("h_2")
    assert [notation.outline(node) for node in (w, w * h, w * h - -1, (w * h).tanh(), 2 - h)] == [
        "", "w·h_2", "… + 1", "tanh(…)", "2 − h_2",
    ]  # fmt: skip


def test_the_time_step_stands_before_a_line() -> None:
    with time_step(3):
        node = leaf("x") * 2
    assert (notation.time_step(node), notation.time_step(leaf("x"))) == ("t=3  ", "")


# ---- derivatives ------------------------------------------------------------------------------------------------


def test_a_derivative_is_written_by_names() -> None:
    w, h = leaf("w"), leaf("h_2")
    z = w * h + 1
    assert notation.derivative(z, z.parents[0]) == "∂(w·h_2 + 1)/∂(w·h_2)"
    assert notation.derivative(z.parents[0], w) == "∂(w·h_2)/∂w"
    out = z.tanh()
    z.label, out.label = "z_3", "h_3"
    assert notation.derivative(out, z) == "∂h_3/∂z_3"
    assert notation.gradient(out) == "h_3.grad"
    assert notation.local_formula(out, 0) == "1 − h_3²"
    assert notation.local_formula_in_numbers(out, 0) == "1 − 0.8483²"
    assert notation.formula_in_numbers(out) == "tanh(1.25)"


@pytest.mark.parametrize(
    ("op", "by_name", "by_number"),
    [
        ("add", ["1", "1"], ["1", "1"]),
        ("sub", ["1", "−1"], ["1", "−1"]),
        ("mul", ["y", "x"], ["0.25", "−0.5"]),
        ("div", ["1 / y", "−out / y"], ["1 / 0.25", "−(−2) / 0.25"]),
        ("neg", ["−1"], ["−1"]),
        ("tanh", ["1 − out²"], ["1 − (−0.4621)²"]),
        ("tanh_exact", ["1 / cosh²(x)"], ["1 / cosh²(−0.5)"]),
        ("sigmoid", ["out·(1 − out)"], ["0.3775·(1 − 0.3775)"]),
        ("relu", ["[x > 0]"], ["[(−0.5) > 0]"]),
        ("exp", ["out"], ["0.6065"]),
        ("sin", ["cos(x)"], ["cos(−0.5)"]),
        ("cos", ["−sin(x)"], ["−sin(−0.5)"]),
        ("abs", ["sign(x)"], ["sign(−0.5)"]),
        ("maximum", ["[x > y]", "[y > x]"], ["[(−0.5) > 0.25]", "[0.25 > (−0.5)]"]),
    ],
)
def test_local_formulas_by_name_and_by_number(op: str, by_name: list[str], by_number: list[str]) -> None:
    operands = (leaf("x", -0.5), leaf("y", 0.25))[: OPS[op].arity]
    node = Value.apply(op, *operands)
    node.label = "out"
    positions = range(len(operands))
    assert [notation.local_formula(node, position) for position in positions] == by_name
    assert [notation.local_formula_in_numbers(node, position) for position in positions] == by_number


def test_a_plain_number_as_exponent() -> None:
    x = leaf("x", 3.0)
    assert [notation.local_formula(x**n, 0) for n in (2, 3, 0.5, -1)] == ["2·x", "3·x^2", "0.5·x^−0.5", "−1·x^−2"]
    assert notation.local_formula_in_numbers(x**3, 0) == "3·3^2"


def test_parentheses_within_a_local_formula() -> None:
    x, y = leaf("x"), leaf("y")
    assert notation.local_formula(x ** (x - y), 0) == "(x − y)·x^((x − y) − 1)"
    assert notation.local_formula((x + y).sigmoid(), 0) == "σ(x + y)·(1 − σ(x + y))"
    assert notation.local_formula(deep(9) * x, 1) == "tanh(tanh(…))"


def test_an_application_needs_no_node() -> None:
    x, y = leaf("x", -1.0), leaf("y")
    assert notation.application(OPS["log"], [x]) == "ln x"  # which has no value there
    assert notation.application(OPS["div"], [x + y, x + y]) == "(x + y) / (x + y)"
    assert notation.application(OPS["tanh"], [deep(9)]) == "tanh(tanh(tanh(…)))"


# ---- descriptions -----------------------------------------------------------------------------------------------


def test_a_description_says_what_the_node_is_then_its_numbers() -> None:
    w, h = leaf("w", 0.5), leaf("h_2", 2.0)
    z = w * h
    assert notation.description(w) == "w: data 0.5, grad 0"
    assert notation.description(Value(-3.0)) == "leaf: data -3, grad 0"
    assert notation.description(z) == "w·h_2: data 1, grad not run"
    z.label = "z_3"
    z.backward()
    assert notation.description(z) == "z_3 = w·h_2: data 1, grad 1"
    assert notation.description(w) == "w: data 0.5, grad 2"


@pytest.mark.parametrize("op", OPS.values(), **show_op)
def test_a_description_is_one_short_line_on_any_console(op: Op) -> None:
    operands = [leaf("one\nlabel\twith\x1b[31mcolour" * 5, 0.1), leaf("∂" * 90, 0.3)][: op.arity]
    node = Value.apply(op.name, *operands)
    node.grad = -1.2345678901234567e-300
    for label in ("", "a" * 90, "two\nlines"):
        node.label = label
        text = notation.description(node)
        assert len(text) < 100
        assert text.isprintable()
        assert "−" not in text
    plain = Value.apply(op.name, *[leaf("x"), leaf("y")][: op.arity])
    notation.description(plain).encode("cp1252")


def test_a_label_and_a_formula_are_cut_to_their_room() -> None:
    x = leaf("x" * 24)
    assert notation.description(x).startswith("x" * 24 + ": ")
    x.label = "x" * 25
    assert notation.description(x).startswith("x" * 23 + "…: ")
    product = leaf("a" * 15) * leaf("b" * 15)  # 31 characters
    assert notation.description(product).startswith("a" * 15 + "·" + "b" * 15 + ": ")
    product = leaf("a" * 15) * leaf("b" * 16)
    assert notation.description(product).startswith("a" * 15 + "·" + "b" * 14 + "…: ")


def test_a_node_can_be_described_at_every_stage_of_its_making() -> None:
    node = object.__new__(Value)
    assert notation.description(node) == "leaf: being made"
    node._label = "h_3"
    assert notation.description(node) == "h_3: being made"
    node.operation = OPS["mul"]
    assert notation.description(node) == "h_3 = mul: being made"
    node.parents = ()
    node._data = 0.5
    assert notation.description(node) == "h_3 = mul: being made"
    node._grad = NO_GRADIENT
    assert notation.description(node) == "h_3 = mul: data 0.5, grad 0"
    node.parents = (leaf("w"), leaf("h_2"))
    assert notation.description(node) == "h_3 = w·h_2: data 0.5, grad not run"


def test_an_op_whose_formula_is_wrong_is_described_by_its_name() -> None:
    node = leaf("x") * 2
    node.operation = Op("wrong", "w", 2, max, max, "{7}", ("1", "1"))
    assert notation.description(node) == "wrong: data 1, grad not run"
