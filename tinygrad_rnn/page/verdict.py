"""The words for what became of a gradient, and their bounds, for the page: read off `bptt.verdict`."""

from __future__ import annotations

import json
import math

from ..bptt.verdict import EXTREME, KEEPS, Verdict

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
