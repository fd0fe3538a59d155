"""The data for the page from Python: the words for the verdict on a gradient, and the proportions of the picture."""

from __future__ import annotations

import json
import math

from ..bptt.verdict import EXTREME, KEEPS, Verdict
from ..pictures import proportions

#: A number for each word, between the bounds.
_NUMBERS = {
    "nan": math.nan,
    "infinite": math.inf,
    "zero": 0.0,
    "vanishes": EXTREME[0] / 2.0,
    "shrinks": math.sqrt(EXTREME[0] * KEEPS[0]),
    "keeps": 1.0,
    "grows": math.sqrt(KEEPS[1] * EXTREME[1]),
    "explodes": EXTREME[1] * 2.0,
}


def verdict_script() -> str:
    """A constant of JavaScript: the words, and the bounds between them."""
    words = {name: Verdict(kept, 1).word for name, kept in _NUMBERS.items()}
    return f"const VERDICT = {json.dumps({'keeps': KEEPS, 'extreme': EXTREME, 'words': words})};"


def proportions_script() -> str:
    """A constant of JavaScript: the proportions of the picture of states, in sizes of text."""
    numbers = {name.lower(): number for name, number in vars(proportions).items() if isinstance(number, float)}
    return f"const PROPORTIONS = {json.dumps(numbers)};"
