"""Numbers that user code must not decide on, since they are only known when the compiled code runs.

Symbols refuse `bool`. But they can be looked up in a dict, and ``==`` of Values is identity, so ``t == 1.0`` would be
False for any target: another loss, without an error. Both are refused as long as user code runs. Afterwards the
compiler looks up and compares as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from ..engine.value import Value
from ..errors import CompileError
from .symbol import Symbol, Tape


def refusal(node: str, remedy: str) -> CompileError:
    """The error about a decision that depends on this node."""
    return CompileError(
        "a decision depends on a number that is only known when the compiled code runs", node=node, remedy=remedy
    )


class _Symbol(Symbol):
    """A symbol that cannot be looked up."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise refusal(
            self.tape.formula(self),
            "Compute with Values and engine.arithmetic.select instead of looking something up by a number",
        )


class _Target(Value):
    """A number of the target, which can neither be compared nor looked up. The eager engine may have a plain number."""

    __slots__ = ()

    def _compare(self, other: object) -> NoReturn:
        raise self._refusal

    def _look_up(self) -> NoReturn:
        raise self._refusal

    def _compute(self, *_: object) -> NoReturn:
        raise CompileError(
            "a plain number would be computed from one that is only known when the compiled code runs",
            node=self.label,
            remedy="Use +, -, *, /, ** and the functions of engine.arithmetic, or give what it computes as a further "
            "number of the target",
        )

    __float__ = __int__ = __round__ = __trunc__ = __floor__ = __ceil__ = __complex__ = _compute
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = _compute
    is_integer = as_integer_ratio = hex = property(_compute)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare
    __bool__ = __hash__ = _look_up

    @property
    def _refusal(self) -> CompileError:
        return refusal(
            self.label,
            "Give what is decided as a further number of the target, and compute with it: t[1] * (y - t[0]) ** 2",
        )


@contextmanager
def undecided(tape: Tape, target: Sequence[Value]) -> Iterator[None]:
    """A context in which the symbols of a tape, and the numbers of a target, refuse decisions."""
    tape.kind = _Symbol
    for symbol in tape.symbols:
        symbol.__class__ = _Symbol
    for number in target:
        number.__class__ = _Target
    try:
        yield
    finally:
        tape.kind = Symbol
        for symbol in tape.symbols:
            symbol.__class__ = Symbol
        for number in target:
            number.__class__ = Value
