"""What is taken for a number, and the functions with which the rules of the op table are written."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_rnn import Value
from tinygrad_rnn.engine import arithmetic
from tinygrad_rnn.errors import OperandError
from tinygrad_rnn.support.numbers import is_not_real


class Foreign:
    """An entry of another library, as PyTorch has them: its dtype has no ``kind``."""

    ndim = 0

    def __init__(self, **dtype: bool) -> None:
        self.dtype = SimpleNamespace(**dtype)

    def __float__(self) -> float:
        return 2.0


def test_what_is_a_number_is_a_plain_yes_or_no() -> None:
    entries = (
        np.float32(1),
        np.int8(1),
        np.array(1.0),
        np.array(1, dtype=object),
        Foreign(is_complex=False),
        Foreign(),
    )
    for data in (1, 2.5, True, *entries):
        assert arithmetic.is_number(data) is True
        assert not is_not_real(data)
    for data in ("1", None, 1j, Value(1.0), np.array([1.0]), np.array([1.0])[:0], [1.0]):
        assert arithmetic.is_number(data) is False
    for data in (np.complex64(1), np.array("2020", dtype="M8[D]"), np.ma.masked, Foreign(is_complex=True)):
        assert arithmetic.is_number(data) is False
        assert is_not_real(data)


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (Value(1.0), "Use its .data, or .detach(), if you mean its number"),
        (np.ma.masked, "The entry is masked: leave it out, or fill it"),
        (np.ma.masked_array(1.0, mask=True), "The entry is masked: leave it out, or fill it"),
        ("1", None),
        (1j, None),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_is_no_number_is_refused_with_what_to_do(data: Any, remedy: str | None) -> None:
    with pytest.raises(OperandError, match=re.escape(type(data).__name__)) as caught:
        arithmetic.number(data)
    assert caught.value.remedy == remedy


def test_functions_of_plain_numbers() -> None:
    assert (arithmetic.refuted(True), arithmetic.refuted(False)) == (False, True)
    assert arithmetic.largest([1.0, 3.0, 2.0]) == 3.0
    assert (arithmetic.select(True, 1.0, 2.0), arithmetic.select(False, 1.0, 2.0)) == (1.0, 2.0)
    assert arithmetic.choose([1.0, 3.0], 1) == 3.0
    assert arithmetic.exp(1000.0) == math.inf
    assert [arithmetic.pow_(base, 1e3) for base in (-1e9, 1e9)] == [math.inf, math.inf]
    assert arithmetic.pow_(-1e200, 3.0) == -math.inf
    assert math.isnan(arithmetic.maximum(math.nan, 1.0))
    assert math.isnan(arithmetic.maximum(1.0, math.nan))


def test_functions_of_numbers_that_are_not_known_yet_ask_them() -> None:
    class Unknown(arithmetic.Symbolic):
        def __gt__(self, other: Any) -> Any:
            return self

        __le__ = __gt__

        def __add__(self, other: Any) -> Any:
            return "sum"

        __radd__ = __add__

        def select(self, if_true: Any, if_false: Any) -> Any:
            return ("select", if_true, if_false)

        def require(self) -> bool:
            return False

        def choose(self, options: Any) -> Any:
            return ("choose", options)

        def exp(self) -> Any:
            return "exp"

        def __pow__(self, exponent: Any) -> Any:
            return ("pow", exponent)

    unknown = Unknown()
    assert arithmetic.number(unknown) is unknown  # type: ignore[comparison-overlap]
    assert arithmetic.exp(unknown) == "exp"
    assert arithmetic.pow_(unknown, 2.0) == ("pow", 2.0)
    assert arithmetic.choose([1.0], unknown) == ("choose", [1.0])
    assert arithmetic.refuted(unknown) is False
    assert arithmetic.largest([unknown, 1.0]) == ("select", unknown, ("select", 1.0, "sum"))
    for method, arguments in (("select", (1.0, 2.0)), ("require", ()), ("choose", ([],))):
        with pytest.raises(NotImplementedError):
            getattr(arithmetic.Symbolic(), method)(*arguments)
