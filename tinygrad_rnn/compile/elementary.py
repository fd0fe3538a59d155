"""Elementary functions over vectors: libm's own, number by number, in exact mode; polynomials in fast mode."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .emit import function, number, vector_type

#: What libm is asked for. Python's `math` calls the same functions, so that results agree to the bit.
LIBM = {"tanh": 1, "exp": 1, "log": 1, "sin": 1, "cos": 1, "pow": 2}

#: Largest error of fast mode's own functions, in units in the last place, over all doubles.
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


def definitions(calls: Iterable[tuple[str, int]], fast: bool) -> str:
    """The functions that are called, as LLVM assembly."""
    texts: list[str] = []
    declared: set[str] = set()
    for op, width in sorted(calls):
        if op in ("abs", "sqrt"):
            kind = vector_type(width)
            declared.add(f"declare {kind} {function(op, width)}({kind})")
        elif op == "any":
            declared.add(f"declare i1 @llvm.vector.reduce.or.v{width}i1(<{width} x i1>)")
        elif fast and op in _POLYNOMIALS:
            text, needs = _polynomial(op, width)
            texts.append(text)
            declared |= needs
        else:
            texts.append(_by_libm(op, width))
            operands = ", ".join(["double"] * LIBM[op])
            declared.add(f"declare double {libm_name(op)}({operands}) nounwind willreturn memory(none)")
    return "\n".join((*texts, *sorted(declared)))


def libm_name(op: str) -> str:
    """The name under which compiled code knows a function of libm. LLVM would put its own idea of ``pow`` in
    place of a function of that name; of this one it has none."""
    return f'@"libm {op}"'


def _by_libm(op: str, width: int) -> str:
    arity, kind = LIBM[op], vector_type(width)
    names = ["%a", "%b"][:arity]
    head = f"define internal {kind} {function(op, width)}({', '.join(f'{kind} {name}' for name in names)})"
    if width == 1:
        arguments = ", ".join(f"double {name}" for name in names)
        return f"{head} alwaysinline {{\n  %r = call double {libm_name(op)}({arguments})\n  ret double %r\n}}"
    lines = [f"{head} noinline {{", "entry:"]
    for name in names:
        lines += [
            f"  {name}.memory = alloca {kind}, align 64",
            f"  store {kind} {name}, ptr {name}.memory, align 64",
        ]
    lines += ["  br label %next", "next:", "  %i = phi i64 [ 0, %entry ], [ %more, %next ]"]
    for name in names:
        lines += [
            f"  {name}.at = getelementptr inbounds double, ptr {name}.memory, i64 %i",
            f"  {name}.one = load double, ptr {name}.at",
        ]
    arguments = ", ".join(f"double {name}.one" for name in names)
    lines += [
        f"  %one = call double {libm_name(op)}({arguments})",
        "  store double %one, ptr %a.at",
        "  %more = add i64 %i, 1",
        f"  %done = icmp eq i64 %more, {width}",
        "  br i1 %done, label %end, label %next",
        "end:",
        f"  %r = load {kind}, ptr %a.memory, align 64",
        f"  ret {kind} %r",
        "}",
    ]
    return "\n".join(lines)


class _Lines:
    """Vector arithmetic as text."""

    def __init__(self, width: int) -> None:
        self.width, self.kind, self.whole = width, vector_type(width), vector_type(width, "i64")
        self.suffix = "f64" if width == 1 else f"v{width}f64"
        self.lines: list[str] = []
        self.declared: set[str] = set()

    def new(self, text: str) -> str:
        self.lines.append(f"  %t{len(self.lines)} = {text}")
        return f"%t{len(self.lines) - 1}"

    def real(self, value: float) -> str:
        one = f"double {number(value)}"
        return one.split()[1] if self.width == 1 else f"<{', '.join([one] * self.width)}>"

    def integer(self, value: int) -> str:
        return str(value) if self.width == 1 else f"<{', '.join([f'i64 {value}'] * self.width)}>"

    def do(self, op: str, a: str, b: str) -> str:
        return self.new(f"{op} {self.whole if op in ('add', 'sub', 'shl', 'ashr') else self.kind} {a}, {b}")

    def intrinsic(self, name: str, *operands: str) -> str:
        arguments = ", ".join(f"{self.kind} {operand}" for operand in operands)
        types = ", ".join([self.kind] * len(operands))
        self.declared.add(f"declare {self.kind} @llvm.{name}.{self.suffix}({types})")
        return self.new(f"call {self.kind} @llvm.{name}.{self.suffix}({arguments})")

    def multiply_add(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fmuladd", a, b, c)

    def at_most(self, a: str, limit: float) -> str:
        return self._limited("ogt", a, limit)

    def at_least(self, a: str, limit: float) -> str:
        return self._limited("olt", a, limit)

    def _limited(self, test: str, a: str, limit: float) -> str:  # NaN stays NaN
        beyond = self.new(f"fcmp {test} {self.kind} {a}, {self.real(limit)}")
        flags = vector_type(self.width, "i1")
        return self.new(f"select {flags} {beyond}, {self.kind} {self.real(limit)}, {self.kind} {a}")

    def power_of_two(self, n: str) -> str:
        shifted = self.do("shl", self.do("add", n, self.integer(1023)), self.integer(52))
        return self.new(f"bitcast {self.whole} {shifted} to {self.kind}")

    def reduced_expm1(self, x: str) -> tuple[str, str]:
        """n and e^r - 1 with x = n ln 2 + r, |r| ≤ ln 2 / 2."""
        rounded = self.multiply_add(x, self.real(1.0 / math.log(2.0)), self.real(_ROUNDER))
        n = self.do("fsub", rounded, self.real(_ROUNDER))
        minus_n = self.do("fsub", self.real(-0.0), n)
        r = self.multiply_add(minus_n, self.real(_LN2_HIGH), x)
        r = self.multiply_add(minus_n, self.real(_LN2_LOW), r)
        powers, terms = self.do("fmul", r, r), [self.real(c) for c in COEFFICIENTS]
        square, step = powers, r
        while len(terms) > 1:  # Estrin's scheme: pairs, then pairs of pairs
            pairs = [self.multiply_add(high, step, low) for low, high in zip(terms[::2], terms[1::2])]
            terms = pairs + terms[2 * len(pairs) :]
            step = powers
            powers = self.do("fmul", powers, powers)
        bits = self.new(f"bitcast {self.kind} {rounded} to {self.whole}")
        whole = self.do("sub", bits, self.integer(0x4338000000000000))
        return whole, self.multiply_add(square, terms[0], r)


def _exp(lines: _Lines) -> str:
    n, p = lines.reduced_expm1(lines.at_most(lines.at_least("%a", -800.0), 800.0))
    half = lines.do("ashr", n, lines.integer(1))  # in two steps, since 2^n alone may overflow or vanish
    rest = lines.do("sub", n, half)
    scaled = lines.do("fmul", lines.do("fadd", lines.real(1.0), p), lines.power_of_two(half))
    return lines.do("fmul", scaled, lines.power_of_two(rest))


def _tanh(lines: _Lines) -> str:
    """tanh x = E / (E + 2) with E = e^(2|x|) - 1, which loses no digits near 0."""
    y = lines.at_most(lines.intrinsic("fabs", "%a"), 20.0)
    n, p = lines.reduced_expm1(lines.do("fadd", y, y))
    power = lines.power_of_two(n)
    e = lines.multiply_add(power, p, lines.do("fsub", power, lines.real(1.0)))
    quotient = lines.do("fdiv", e, lines.do("fadd", e, lines.real(2.0)))
    return lines.intrinsic("copysign", quotient, "%a")


_POLYNOMIALS = {"exp": _exp, "tanh": _tanh}


def _polynomial(op: str, width: int) -> tuple[str, set[str]]:
    lines = _Lines(width)
    result = _POLYNOMIALS[op](lines)
    head = f"define internal {lines.kind} {function(op, width)}({lines.kind} %a) alwaysinline {{"
    return "\n".join((head, *lines.lines, f"  ret {lines.kind} {result}", "}")), lines.declared
