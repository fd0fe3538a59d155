"""Whether two texts say the same, with the same numbers."""

from __future__ import annotations

import re

import pytest

NUMBER = re.compile(r"[+-]?\d+\.?\d*(?:e[+-]?\d+)?")


def assert_same(printed: str, shown: str) -> None:
    """The same text with the same numbers: these may differ in the last digit, and what is zero but for
    rounding in any, since another platform's tanh may round differently.
    """
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    for ours, theirs in zip(NUMBER.findall(printed), NUMBER.findall(shown)):
        assert float(ours) == pytest.approx(float(theirs), rel=1e-4, abs=1e-12), (ours, theirs)
