"""Not one bit of any gradient changes unless somebody means it: `tests/golden/bits.json` remembers them all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import pytest

from ..golden.make_bits import FILE, cases, fingerprint

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))
SAME_LIBRARY = GOLDEN["fingerprint"] == fingerprint()
CASES = list(cases())


def test_every_case_is_stored_and_none_else() -> None:
    assert [name for name, _, _ in CASES] == list(GOLDEN["cases"])


@pytest.mark.parametrize(("name", "exact", "compute"), CASES, ids=[name for name, _, _ in CASES])
def test_the_gradients_are_those_stored(name: str, exact: bool, compute: Callable[[], Sequence[float]]) -> None:
    stored = list(map(float.fromhex, GOLDEN["cases"][name].split()))
    found = [float(number) for number in compute()]
    if exact or SAME_LIBRARY:
        assert [number.hex() for number in found] == [number.hex() for number in stored]
        return
    largest = max(abs(number) for number in stored if math.isfinite(number))
    for now, then in zip(found, stored, strict=True):
        assert now == pytest.approx(then, rel=0, abs=1e-13 * largest, nan_ok=True)
