"""Elementary functions over vectors: libm's own, number by number, in exact mode; polynomials in fast mode.

A reader may skip the polynomials (`_Formula` and everything below): exact mode, the default, does not use them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..engine.arithmetic import ELEMENTARY
from ..errors import CompileError
from .assembly import Assembly, intrinsic, splat, vector_type

#: What a processor computes by itself, exactly rounded, and LLVM's names for it.
EXACT = {"abs": "fabs", "sqrt": "sqrt"}

#: The functions of libm in use, and their number of operands. Python's `math` calls the same, so all bits agree.
LIBM = {**{name: 1 for name in ELEMENTARY if name not in EXACT}, "pow": 2}

#: The largest error of fast mode's own functions over all doubles, in units in the last place.
FAST_ULP = {"exp": 1.5, "tanh": 2.5, "sigmoid": 2.5}

#: (e^r - 1 - r) / r² on [-ln 2 / 2, ln 2 / 2], lowest power first: mpmath's chebyfit, error below 3e-18 (+ rounding).
COEFFICIENTS = (
    0.5,
    0.1666666666666667,
    0.04166666666666667,
    0.008333333333326136,
    0.0013888888888883748,
    0.00019841269874820627,
    2.4801587325547743e-05,
    2.7557255400206422e-06,
    2.75572736431103e-07,
    2.5105217004720745e-08,
    2.0914686968086876e-09,
)

#: ln 2 in two parts. The first has zeros at its end, so that its products with whole numbers up to 2^20 are exact.
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_ROUNDER = 1.5 * 2.0**52  # adding it rounds to a whole number, which then stands in the lowest bits


def function(op: str, width: int) -> str:
    """The name of the native function that applies an elementary function to ``width`` numbers.

    Raises:
        CompileError: there is no such function.
    """
    check_known(op)
    return intrinsic(EXACT[op], width) if op in EXACT else f"@{op}.{width}"


def check_known(op: str) -> None:
    """Check that there is code for an elementary function.

    Raises:
        CompileError: there is none.
    """
    if op not in EXACT and op not in LIBM:
        known = ", ".join([*EXACT, *LIBM])
        raise CompileError("no compiled code computes this function", op=op, remedy=f"Write the rule with {known}")


def definitions(calls: Iterable[tuple[str, int]], fast: bool) -> str:
    """The elementary functions that are called, each with its width, as LLVM assembly."""
    wanted = sorted((op, width) for op, width in calls if op in LIBM)
    by_libm = {op for op, _ in wanted if not (fast and op in _POLYNOMIALS)}
    texts = [_by_libm(op, width) if op in by_libm else _by_polynomial(op, width) for op, width in wanted]
    texts += [
        f"declare double {libm_name(op)}({', '.join(['double'] * LIBM[op])}) nounwind willreturn memory(none)"
        for op in sorted(by_libm)
    ]
    return "\n".join(texts)


def libm_name(op: str) -> str:
    """The name of a function of libm in compiled code. LLVM would replace one called ``pow`` by its own."""
    return f'@"libm {op}"'


def _by_libm(op: str, width: int) -> str:
    """A function that applies libm to one number after the other. All calls share it."""
    kind, names, code = vector_type(width), ["%a", "%b"][: LIBM[op]], Assembly()
    memories = [code.variable(name, kind) for name in names]
    with code.loop(width) as i:
        places = [code.address(memory, i) for memory in memories]
        arguments = ", ".join(f"double {code.load(place)}" for place in places)
        code.store(code.new(f"call double {libm_name(op)}({arguments})"), places[0])
    code.do(f"ret {kind} {code.load(memories[0], kind)}")
    operands = ", ".join(f"{kind} {name}" for name in names)
    return f"define internal {kind} {function(op, width)}({operands}) noinline {{\n{code.body()}\n}}\n"


class _Formula(Assembly):
    """A formula on vectors of some width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.kind, self.whole = width, vector_type(width), vector_type(width, "i64")

    def real(self, op: str, *operands: str | float) -> str:
        """An instruction on doubles, or one of LLVM's functions of them."""
        texts = [x if isinstance(x, str) else splat(self.width, x) for x in operands]
        if op.startswith("f") and op[1:] in ("add", "sub", "mul", "div"):
            return self.new(f"{op} {self.kind} {', '.join(texts)}")
        arguments = ", ".join(f"{self.kind} {text}" for text in texts)
        return self.new(f"call {self.kind} {intrinsic(op, self.width)}({arguments})")

    def integer(self, op: str, a: str, b: str | int) -> str:
        """An instruction on whole numbers."""
        return self.new(f"{op} {self.whole} {a}, {b if isinstance(b, str) else splat(self.width, b)}")

    def limit(self, a: str, test: str, limit: float) -> str:
        """a, or the limit where a lies beyond it; NaN stays NaN."""
        bound = splat(self.width, limit)
        beyond = self.new(f"fcmp {test} {self.kind} {a}, {bound}")
        return self.new(f"select {vector_type(self.width, 'i1')} {beyond}, {self.kind} {bound}, {self.kind} {a}")

    def power_of_two(self, n: str) -> str:
        """2^n, written straight into the exponent."""
        shifted = self.integer("shl", self.integer("add", n, 1023), 52)
        return self.new(f"bitcast {self.whole} {shifted} to {self.kind}")

    def reduced_expm1(self, x: str) -> tuple[str, str]:
        """n and e^r - 1 with x = n ln 2 + r, |r| ≤ ln 2 / 2."""
        rounded = self.real("fmuladd", x, 1.0 / math.log(2.0), _ROUNDER)
        minus_n = self.real("fsub", _ROUNDER, rounded)
        r = self.real("fmuladd", minus_n, _LN2_LOW, self.real("fmuladd", minus_n, _LN2_HIGH, x))
        square = self.real("fmul", r, r)
        terms: list[str | float] = [*COEFFICIENTS]
        step, power = r, square
        while len(terms) > 1:  # Estrin's scheme: pairs, then pairs of pairs
            pairs: list[str | float] = [self.real("fmuladd", b, step, a) for a, b in zip(terms[::2], terms[1::2])]
            terms = pairs + terms[2 * len(pairs) :]
            step, power = power, self.real("fmul", power, power)
        bits = self.new(f"bitcast {self.kind} {rounded} to {self.whole}")
        n = self.integer("sub", bits, 0x4338000000000000)  # the bits of _ROUNDER
        return n, self.real("fmuladd", square, terms[0], r)


def _exp(code: _Formula) -> str:
    n, p = code.reduced_expm1(code.limit(code.limit("%a", "olt", -800.0), "ogt", 800.0))
    half = code.integer("ashr", n, 1)  # in two steps, since 2^n alone may overflow or vanish
    scaled = code.real("fmul", code.real("fadd", 1.0, p), code.power_of_two(half))
    return code.real("fmul", scaled, code.power_of_two(code.integer("sub", n, half)))


def _tanh(code: _Formula) -> str:
    """tanh x = E / (E + 2) with E = e^(2|x|) - 1, which loses no digits near 0."""
    y = code.limit(code.real("fabs", "%a"), "ogt", 20.0)
    n, p = code.reduced_expm1(code.real("fadd", y, y))
    power = code.power_of_two(n)
    e = code.real("fmuladd", power, p, code.real("fsub", power, 1.0))
    return code.real("copysign", code.real("fdiv", e, code.real("fadd", e, 2.0)), "%a")


_POLYNOMIALS = {"exp": _exp, "tanh": _tanh}


def _by_polynomial(op: str, width: int) -> str:
    code = _Formula(width)
    code.do(f"ret {code.kind} {_POLYNOMIALS[op](code)}")
    head = f"define internal {code.kind} {function(op, width)}({code.kind} %a) alwaysinline"
    return f"{head} {{\n{code.body()}\n}}\n"
