"""Inputs that nobody thought of: seeds, changed at random."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Sequence
from typing import Any

NUMBERS = (b"0", b"-0", b"1", b"-1", b"2", b"1e308", b"-1e309", b"5e-324", b"nan", b"inf", b"1_0", b"0x1", b"1.", b".5",
           b"65536", b"4294967296", b"18446744073709551616", b"9" * 30, b"9" * 5000, "１".encode())  # fmt: skip
BYTES = (b"", b"\0", b"\n", b"\r", b"\r\n", b" ", b"\t", b'"', b"'", b",", b";", b"{", b"}", b"[", b"]", b"\\", b"%",
         b"\xff", b"\xef\xbb\xbf", b"\x80", "∂".encode(), "\u2028".encode(), b"-", b"--", b"=")  # fmt: skip


def mutated(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A seed with some pieces changed, taken out, repeated, or mixed with pieces of another."""
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        j = min(j, i + rng.choice((1, 2, 4, 16, 64)))
        change = rng.randrange(9)
        if change == 0 and data:
            data = data[:i] + bytes([rng.randrange(256)]) + data[i + 1 :]
        elif change == 1:
            data = data[:i] + data[j:]
        elif change == 2:
            data = data[:j] + data[i:j] * rng.choice((1, 2, 30)) + data[j:]
        elif change == 3:
            data = data[:i] + rng.choice(rng.choice((NUMBERS, BYTES, words or BYTES))) + data[j:]
        elif change == 4:
            other = rng.choice(seeds)
            data = data[:i] + other[rng.randrange(len(other) + 1) :]
        elif change == 5:
            data = data[:i]
        elif change == 6 and (found := list(re.finditer(rb"-?\d+(\.\d+)?", data))):
            place = rng.choice(found)
            data = data[: place.start()] + rng.choice(NUMBERS) + data[place.end() :]
        elif change == 7:
            lines = data.split(b"\n")
            rng.shuffle(lines)
            data = b"\n".join(lines)
        else:
            word = rng.choice(words or BYTES)
            data = data[:i] + word + data[i:]
    return data


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 10**9, 10**400, 0.5, float("nan"), float("inf"), -1e308),
    *("", "x", "nan", "\0", "∂" * 50, "../x", [], {}, [0], [[]], {"": 0}, [1e308] * 3),
)


def mutated_json(rng: random.Random, text: str) -> str:
    """JSON with some of its values replaced, taken out, or added."""
    document = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 4))):
        path = _anywhere(rng, document)
        if not path:
            continue
        holder, key = path[-1]
        change = rng.randrange(5)
        if change == 0 and isinstance(holder, dict):
            del holder[key]
        elif change == 1 and isinstance(holder, list):
            holder[key : key + rng.choice((0, 1))] = [copy.deepcopy(rng.choice(ODD))] * rng.choice((0, 1, 2))
        elif change == 2 and isinstance(holder, dict):
            holder[rng.choice(("", "x", *holder))] = copy.deepcopy(holder[key])
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD))
    return json.dumps(document)


def _anywhere(rng: random.Random, document: Any) -> list[tuple[Any, Any]]:
    """The way to a random place in nested lists and dicts; the shallow ones are as likely as the deep."""
    path = []
    while isinstance(document, (list, dict)) and document and (not path or rng.random() < 0.7):
        key = rng.choice(sorted(document)) if isinstance(document, dict) else rng.randrange(len(document))
        path.append((document, key))
        document = document[key]
    return path
