"""The op table: every row of it, whichever rows there are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import pytest

from tinygrad_rnn import Value
from tinygrad_rnn.engine import ops
from tinygrad_rnn.engine.ops import OPS, Op
from tinygrad_rnn.errors import DomainError, GraphError, OperandError

POINTS = (-30.0, -3.0, -1.0, -0.7, -1e-3, 0.0, 1e-3, 0.5, 1.0, 2.0, 2.5, 7.0, 30.0)
EXPONENTS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 10.0)
ALL_OPS = {**OPS, **{f"power {exponent:g}": ops.power(exponent) for exponent in EXPONENTS}}
every_op = pytest.mark.parametrize("op", ALL_OPS.values(), ids=ALL_OPS.keys())

inf, nan = math.inf, math.nan


def points_of(op: Op) -> Iterator[tuple[float, ...]]:
    """All combinations of POINTS at which the op has a value and a derivative."""
    for operands in itertools.product(POINTS, repeat=op.arity):
        if op.name == "relu" and operands == (0.0,):
            continue  # the kink, where differences say 1/2 and the convention 0
        try:
            op.local_gradients(op.forward(*operands), *operands)
        except (ValueError, ArithmeticError):
            continue
        yield operands


def disagreements(op: Op) -> Iterator[str]:
    """Where the local gradients differ from central differences by more than 0.01 % and what rounding explains."""
    for operands in points_of(op):
        local_gradients = op.local_gradients(op.forward(*operands), *operands)
        for i, (x, exact) in enumerate(zip(operands, local_gradients)):
            h = 1e-6 * max(abs(x), 1e-3)
            try:
                high = op.forward(*operands[:i], x + h, *operands[i + 1 :])
                low = op.forward(*operands[:i], x - h, *operands[i + 1 :])
            except (ValueError, ArithmeticError):
                continue  # the point is at the edge of the domain
            numeric = (high - low) / ((x + h) - (x - h))
            rounding = 2e-15 * max(map(abs, (high, low, *operands))) / h + 1e-15
            if not abs(exact - numeric) <= 1e-4 * abs(numeric) + rounding:
                yield f"{op.name}{operands}, operand {i}: the table says {exact}, differences say {numeric}"


@every_op
def test_local_gradients_agree_with_central_differences(op: Op) -> None:
    assert sum(1 for _ in points_of(op)) >= 5
    assert list(disagreements(op)) == []


@every_op
def test_a_local_gradient_wrong_by_a_thousandth_is_caught(op: Op) -> None:
    for wrong in range(op.arity):

        def slightly_off(out: Any, *operands: Any, wrong: int = wrong) -> tuple[Any, ...]:
            right = op.local_gradients(out, *operands)
            return tuple(gradient * (1.001 if i == wrong else 1.0) for i, gradient in enumerate(right))

        if any(op.local_gradients(op.forward(*at), *at)[wrong] for at in points_of(op)):
            assert list(disagreements(replace(op, local_gradients=slightly_off)))
        else:
            assert op is ALL_OPS["power 0"]  # alone is flat everywhere


@every_op
def test_values_and_local_gradients_are_floats(op: Op) -> None:
    for operands in points_of(op):
        out = op.forward(*operands)
        assert type(out) is float
        assert [type(gradient) for gradient in op.local_gradients(out, *operands)] == [float] * op.arity


@every_op
def test_formulas_name_every_operand(op: Op) -> None:
    names = [f"<{i}>" for i in range(op.arity)]
    written = op.formula.format(*names)
    assert all(name in written for name in names)
    assert len(op.local_formulas) == op.arity
    for formula in op.local_formulas:
        assert formula.format(*names, out="<out>")


# ---- the rules are plain arithmetic, also on what is no float --------------------------------------------------


@dataclass(frozen=True, eq=False)
class Symbol:
    """An operand that only writes down what is done to it; `at` then does it to numbers."""

    at: Callable[[dict[str, float]], Any]

    def _then(self, function: Callable[..., Any], *others: Any) -> Symbol:
        return Symbol(lambda numbers: function(*(_at(term, numbers) for term in (self, *others))))

    def __add__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a + b, other)

    def __sub__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a - b, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: b - a, other)

    def __mul__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a * b, other)

    def __truediv__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a / b, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: b / a, other)

    def __pow__(self, other: Any) -> Symbol:
        return self._then(math.pow, other)

    def __neg__(self) -> Symbol:
        return self._then(lambda a: -a)

    def __abs__(self) -> Symbol:
        return self._then(abs)

    def __gt__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a > b, other)

    def __ge__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a >= b, other)

    def __lt__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a < b, other)

    def __le__(self, other: Any) -> Symbol:
        return self._then(lambda a, b: a <= b, other)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._then(lambda a, b: a == b, other)

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        raise AssertionError("a rule asked a symbol for its truth: it must use select")

    def __float__(self) -> float:
        raise AssertionError("a rule asked a symbol for its number")

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Symbol:
        return self._then(math.exp)

    def log(self) -> Symbol:
        return self._then(math.log)

    def log1p(self) -> Symbol:
        return self._then(math.log1p)

    def tanh(self) -> Symbol:
        return self._then(math.tanh)

    def sin(self) -> Symbol:
        return self._then(math.sin)

    def cos(self) -> Symbol:
        return self._then(math.cos)

    def sqrt(self) -> Symbol:
        return self._then(math.sqrt)

    def select(self, if_true: Any, if_false: Any) -> Symbol:
        return self._then(lambda condition, yes, no: yes if condition else no, if_true, if_false)


def _at(term: Any, numbers: dict[str, float]) -> Any:
    return term.at(numbers) if isinstance(term, Symbol) else term


@every_op
def test_rules_run_on_symbols_and_mean_the_same_to_the_last_bit(op: Op) -> None:
    names = [f"x{i}" for i in range(op.arity)]
    symbols = [Symbol(lambda numbers, name=name: numbers[name]) for name in names]  # type: ignore[misc]
    out = op.forward(*symbols)
    assert isinstance(out, Symbol)
    local_gradients = op.local_gradients(out, *symbols)
    for operands in points_of(op):
        numbers = dict(zip(names, operands))
        number = op.forward(*operands)
        assert _at(out, numbers).hex() == number.hex()
        for symbolic, exact in zip(local_gradients, op.local_gradients(number, *operands)):
            assert float(_at(symbolic, numbers)).hex() == exact.hex()


# ---- the edges -------------------------------------------------------------------------------------------------

NAN_FREE = {("pow", (1.0, nan)), ("power 0", (nan,))}  # 1, as C has it


@every_op
def test_nan_comes_out_where_nan_goes_in(op: Op) -> None:
    name = next(name for name, other in ALL_OPS.items() if other is op)
    for place in range(op.arity):
        for other in (1.0, 0.5, -2.0, inf):
            operands = [other] * op.arity
            operands[place] = nan
            excused = any(
                name == excused_name and all(a == b or (a != a and b != b) for a, b in zip(operands, at))
                for excused_name, at in NAN_FREE
            )
            assert excused or math.isnan(op.forward(*operands)), operands


@pytest.mark.parametrize(
    ("name", "operands", "out", "local_gradients"),
    [
        ("relu", (0.0,), 0.0, (0.0,)),
        ("relu", (-0.0,), 0.0, (0.0,)),
        ("relu", (inf,), inf, (1.0,)),
        ("relu", (-inf,), 0.0, (0.0,)),
        ("abs", (-0.0,), 0.0, (0.0,)),
        ("abs", (-inf,), inf, (-1.0,)),
        ("neg", (0.0,), -0.0, (-1.0,)),
        ("maximum", (2.0, 2.0), 2.0, (0.5, 0.5)),
        ("minimum", (2.0, 2.0), 2.0, (0.5, 0.5)),
        ("maximum", (inf, -inf), inf, (1.0, 0.0)),
        ("minimum", (inf, -inf), -inf, (0.0, 1.0)),
        ("tanh", (inf,), 1.0, (0.0,)),
        ("tanh", (-inf,), -1.0, (0.0,)),
        ("tanh", (800.0,), 1.0, (0.0,)),
        ("tanh", (-0.0,), -0.0, (1.0,)),
        ("sigmoid", (inf,), 1.0, (0.0,)),
        ("sigmoid", (-inf,), 0.0, (0.0,)),
        ("sigmoid", (-800.0,), 0.0, (0.0,)),
        ("sigmoid", (800.0,), 1.0, (0.0,)),
        ("sigmoid", (-0.0,), 0.5, (0.25,)),
        ("exp", (-inf,), 0.0, (0.0,)),
        ("exp", (-800.0,), 0.0, (0.0,)),
        ("exp", (inf,), inf, (inf,)),
        ("log", (inf,), inf, (0.0,)),
        ("log1p", (inf,), inf, (0.0,)),
        ("log1p", (-0.0,), -0.0, (1.0,)),
        ("log1p", (1e-300,), 1e-300, (1.0,)),
        ("sqrt", (inf,), inf, (0.0,)),
        ("div", (1.0, inf), 0.0, (0.0, -0.0)),
        ("div", (-0.0, 2.0), -0.0, (0.5, 0.0)),
        ("mul", (1e200, 1e200), inf, (1e200, 1e200)),
        ("add", (1e308, 1e308), inf, (1.0, 1.0)),
        ("pow", (0.0, 0.0), 1.0, (0.0, 0.0)),
        ("pow", (0.0, 2.0), 0.0, (0.0, 0.0)),
        ("pow", (1.0, -1.0), 1.0, (-1.0, 0.0)),
        ("power 0", (0.0,), 1.0, (0.0,)),
        ("power 1", (0.0,), 0.0, (1.0,)),
        ("power 2", (-3.0,), 9.0, (-6.0,)),
        ("power 3", (-2.0,), -8.0, (12.0,)),
        ("power -1", (inf,), 0.0, (-0.0,)),
        # Too large for a double is infinite, with its sign, whatever the op.
        ("div", (-1e200, 1e-200), -inf, (1e200, inf)),
        ("exp", (710.0,), inf, (inf,)),
        ("power 2", (-1e200,), inf, (-2e200,)),
        ("power 3", (-1e200,), -inf, (inf,)),
        ("power 3", (1e200,), inf, (inf,)),
        ("power -1", (5e-324,), inf, (-inf,)),
        ("pow", (10.0, 400.0), inf, (inf, inf)),
        ("pow", (0.1, -400.0), inf, (-inf, -inf)),
    ],
)
def test_edges(name: str, operands: tuple[float, ...], out: float, local_gradients: tuple[float, ...]) -> None:
    op = ALL_OPS[name]
    number = op.forward(*operands)
    assert number.hex() == out.hex()
    assert [gradient.hex() for gradient in op.local_gradients(number, *operands)] == [g.hex() for g in local_gradients]


def test_max_and_min_tell_the_zeros_apart_no_more_than_comparison_does() -> None:
    for a, b in itertools.product((0.0, -0.0), repeat=2):
        assert OPS["maximum"].forward(a, b) == 0.0
        assert OPS["minimum"].forward(a, b) == 0.0


@pytest.mark.parametrize(
    ("build", "op", "node", "says"),
    [
        (lambda: Value(1.0) / Value(0.0, label="d"), "div", "1 / d", "a divisor other than 0"),
        (lambda: Value(0.0) / 0, "div", "0 / 0", "a divisor other than 0"),
        (lambda: Value(0.0).log(), "log", "ln 0", "above 0"),
        (lambda: Value(-1.0).log(), "log", "ln (−1)", "above 0"),
        (lambda: Value(-1.0).log1p(), "log1p", "ln(1 − 1)", "above −1"),
        (lambda: Value(-1.0).sqrt(), "sqrt", "√(−1)", "at least 0"),
        (lambda: Value(inf).sin(), "sin", "sin(inf)", "finite"),
        (lambda: Value(-inf).cos(), "cos", "cos(−inf)", "finite"),
        (lambda: Value(-2.0) ** 0.5, "**0.5", "(−2)^0.5", "above 0"),
        (lambda: Value(0.0) ** -1, "**-1", "0^−1", "above 0"),
        (lambda: (Value(-3.0, label="h_12") - 1.0) ** 0.5, "**0.5", "(h_12 − 1)^0.5", "above 0"),
        (lambda: (Value(0.0, label="h_12") - Value(0.0, label="x")).log(), "log", "ln (h_12 − x)", "above 0"),
        (lambda: 1.0 / (Value(0.0, label="a") * Value(1.0, label="b")), "div", "1 / (a·b)", "other than 0"),
        (lambda: Value(0.0) ** Value(-1.0), "pow", "0^(−1)", "positive base"),
        (lambda: Value(-2.0) ** Value(0.5), "pow", "(−2)^0.5", "positive base"),
    ],
)
def test_outside_the_domain_is_an_error_that_says_where_and_what_to_do(
    build: Callable[[], Value], op: str, node: str, says: str
) -> None:
    with pytest.raises(DomainError) as caught:
        build()
    assert (caught.value.op, caught.value.node) == (op, node)
    assert says in (caught.value.remedy or "")
    assert isinstance(caught.value, ArithmeticError)
    assert isinstance(caught.value.__cause__, (ValueError, ArithmeticError))


@pytest.mark.parametrize(
    ("root", "op"),
    [
        (lambda: Value(0.0).sqrt(), "sqrt"),
        (lambda: Value(0.0) ** 0.5, "**0.5"),
        (lambda: Value(-2.0) ** Value(3.0), "pow"),
    ],
)
def test_a_value_without_a_derivative_is_an_error_of_the_backward_pass(root: Callable[[], Value], op: str) -> None:
    node = root()
    node.label, node.time_step = "r", 4
    with pytest.raises(DomainError) as caught:
        node.backward()
    assert (caught.value.op, caught.value.node, caught.value.time_step) == (op, "r", 4)


def test_powers() -> None:
    def slopes(build: Callable[..., Value], *numbers: float) -> tuple[float, ...]:
        leaves = [Value(number) for number in numbers]
        root = build(*leaves)
        root.backward()
        return (root.data, *(leaf.grad for leaf in leaves))

    assert slopes(lambda a: a**-1, 1.0) == (1.0, -1.0)
    assert slopes(lambda a, b: a**b, 1.0, -1.0) == (1.0, -1.0, 0.0)
    assert slopes(lambda a: a**0, 0.0) == (1.0, 0.0)
    assert slopes(lambda a: a**3, -2.0) == (-8.0, 12.0)
    assert slopes(lambda a: 2**a, 3.0) == (8.0, pytest.approx(8 * math.log(2), rel=1e-15))
    assert slopes(lambda a: a**0.5, 4.0) == (2.0, 0.25)
    assert slopes(lambda a, b: a**b, 2.0, 3.0) == (8.0, 12.0, pytest.approx(8 * math.log(2), rel=1e-15))


# ---- adding an op ----------------------------------------------------------------------------------------------

CUBE = Op("cube", "³", 1, lambda a: a * a * a, lambda out, a: (3.0 * a * a,), "{0}³", ("3·{0}²",))
BLEND = Op(
    "blend", "mix", 3,
    lambda a, b, s: a * s + b * (1.0 - s),
    lambda out, a, b, s: (s, 1.0 - s, a - b),
    "{0}·{2} + {1}·(1 − {2})", ("{2}", "1 − {2}", "{0} − {1}"),
)  # fmt: skip


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is put back in order after the test."""
    monkeypatch.setattr(ops, "OPS", OPS)
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("op", [CUBE, BLEND], ids=lambda op: op.name)
def test_a_registered_op_passes_the_tests_of_every_op(op: Op) -> None:
    ops.register(op)
    test_local_gradients_agree_with_central_differences(OPS[op.name])
    test_a_local_gradient_wrong_by_a_thousandth_is_caught(OPS[op.name])
    test_rules_run_on_symbols_and_mean_the_same_to_the_last_bit(OPS[op.name])
    test_formulas_name_every_operand(OPS[op.name])


@pytest.mark.usefixtures("table")
def test_a_registered_op_is_recorded_by_name_and_by_symbol() -> None:
    ops.register(CUBE)
    ops.register(BLEND)
    x = Value(2.0)
    root = Value.apply("blend", Value.apply("³", x), x, x)  # x³·x + x·(1 - x)
    assert root.data == 14.0
    assert root.op == "blend"
    assert len(root.parents) == 3
    root.backward()
    assert x.grad == 4 * 2.0**3 + 1 - 2 * 2.0


@pytest.mark.usefixtures("table")
def test_a_name_goes_before_a_symbol() -> None:
    own = ops.register(Op("max", "M", 2, lambda a, b: a, lambda out, a, b: (1.0, 0.0), "{0},{1}", ("1", "0")))
    assert ops.lookup("max", 2) is own
    assert ops.lookup("max") is own
    assert Value.apply("max", 1.0, 2.0).data == 1.0


def test_a_symbol_of_two_ops_is_told_apart_by_the_number_of_operands() -> None:
    assert Value.apply("-", 3.0).op == "neg"
    assert Value.apply("-", 3.0, 1.0).op == "sub"
    assert ops.lookup("").arity == 0


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("op", "says"),
    [
        (replace(CUBE, name="add"), "exists already"),
        (replace(CUBE, name=""), "exists already"),
        (replace(CUBE, arity=0, local_formulas=()), "arity of at least 1"),
        (replace(CUBE, local_formulas=("a", "b")), "one local formula per operand"),
        (replace(CUBE, local_gradients=lambda out, a: 3.0 * a * a), "for 1 operand"),
        (replace(BLEND, local_gradients=lambda out, a, b, s: (s, s)), "for 3 operands"),
    ],
)
def test_an_op_that_does_not_fit_is_refused(op: Op, says: str) -> None:
    before = dict(OPS)
    with pytest.raises(GraphError, match=says):
        ops.register(op)
    assert before == OPS


def test_unknown_ops_and_wrong_numbers_of_operands_are_refused() -> None:
    with pytest.raises(GraphError, match=r"no such op .*softsign.*Known ops: add, sub"):
        Value.apply("softsign", 1.0)
    with pytest.raises(GraphError, match="1 operand for an op that takes 2"):
        Value.apply("mul", 1.0)
    with pytest.raises(OperandError):
        Value.apply("mul", 1.0, "2")


@pytest.mark.parametrize("z", [0.0, 1e-8, 0.3, -2.0, 5.0, 18.0, -18.0, 19.5, 20.0, 40.0, 300.0])
def test_tanh_exact_keeps_its_digits_where_tanh_saturates(z: float) -> None:
    with mpmath.workdps(60):
        exact = float(1 / mpmath.cosh(mpmath.mpf(z)) ** 2)
    x = Value(z)
    x.tanh_exact().backward()
    assert x.grad == pytest.approx(exact, rel=1e-15)
    assert x.tanh_exact().data == x.tanh().data
    plain = Value(z)
    plain.tanh().backward()
    assert plain.grad == 1.0 - math.tanh(z) ** 2  # as PyTorch has it
    if abs(z) > 19.1:
        assert plain.grad == 0.0 < x.grad
