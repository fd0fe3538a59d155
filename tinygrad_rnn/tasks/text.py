"""The next character of a text."""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from ..data import alice, read_text
from ..errors import DataError
from ..support.checks import whole_number
from ..support.sums import add_up
from ..support.text import count as number_of
from .task import Example, Outputs, Task, too_short

HELD_OUT = 0.1


class Text(Task):
    """Predict the next character of a text.

    Training examples are pieces from random places of the first nine tenths, validation examples pieces evenly
    spaced over the last tenth.

    Args:
        path: a file in UTF-8; by default the text is *Alice's Adventures in Wonderland*.
        length: time steps of an example.
        simple: whether upper case becomes lower case and any white space a single space.
        text: the text itself, instead of a file.

    Attributes:
        alphabet: the characters of the text, in order; a character's place is its number.

    Raises:
        DataError: the text cannot be read, or is too short.
        ArgumentError: length is below 1.
    """

    name = "text"
    source = "character model as in Elman 1990 and Graves 2013; the built-in text is Lewis Carroll's, 1865"
    criterion = "fewer bits per character on the held-out tenth than the bigram model counted on the other nine"
    trivial = "knows how frequent each character is (order 0)"
    loss = "cross_entropy"
    metric = "bits per character"
    predicts_next = True
    validation_by = ("count",)

    def __init__(self, path: str | None = None, length: int = 25, simple: bool = True, text: str | None = None) -> None:
        self.path, self.simple, self.length = path, simple, _length(length)
        self.text = text
        raw = text if text is not None else alice() if path is None else read_text(path)
        self._all = " ".join(raw.split()).lower() if simple else raw
        self.alphabet = "".join(sorted(set(self._all)))
        half = next((sign for sign in self.alphabet if "\ud800" <= sign <= "\udfff"), None)
        if half is not None:
            raise DataError(
                f"the text has half a character, {half!r}, at position {self._all.index(half)}",
                remedy="Take it out: no file in UTF-8 has one",
            )
        self.digest = sha256(self._all.encode()).hexdigest()
        self.input_size = self.output_size = len(self.alphabet)
        numbers = self.encode(self._all)
        cut = len(numbers) - int(len(numbers) * HELD_OUT)
        self._training, self._held_out = numbers[:cut], numbers[cut:]
        if len(self._held_out) <= self.length:
            name = "the text" if path is None else os.path.basename(path)
            raise too_short(
                f"{name} has {number_of(len(self._all), 'character')}, of which a tenth is held out",
                f"at least {round((self.length + 1) / HELD_OUT)} characters",
                self.length,
                len(self._held_out) - 1,
            )
        self.baseline = _bits(self._training, self._held_out, len(self.alphabet), order=0)
        self.goal = _bits(self._training, self._held_out, len(self.alphabet), order=1)

    def encode(self, text: str) -> list[int]:
        """The characters as numbers.

        Raises:
            DataError: a character is not in the alphabet; the error names it and its position.
        """
        return encode(text, self.alphabet)

    @property
    def time_steps(self) -> int:
        """The length."""
        return self.length

    def example(self, rng: random.Random) -> Example:
        """A piece of the training text."""
        return self._piece(self._training, rng.randrange(len(self._training) - self.length))

    def validation(self, count: int, seed: int = 0) -> list[Example]:
        """``count`` pieces evenly spaced over the held-out text; the seed does not matter.

        Raises:
            ArgumentError: the count is not a whole number of at least 0.
            TooLargeError: they do not fit into memory.
        """
        count = self.check_size("the number of sequences", count)
        room = len(self._held_out) - self.length
        return [self._piece(self._held_out, k * room // count) for k in range(count)]

    def _piece(self, numbers: Sequence[int], start: int) -> Example:
        piece = numbers[start : start + self.length + 1]
        return Example(tuple(piece[:-1]), tuple(piece[1:]))

    def error(self, example: Example, outputs: Outputs) -> float:
        """Bits per character: the mean of -log2 softmax(output)[target]."""
        bits = 0.0
        for logits, target in zip(outputs, example.targets):
            highest = max(logits)
            spread = math.fsum(math.exp(logit - highest) for logit in logits)
            bits += (math.log(spread) + highest - logits[target]) / math.log(2.0)
        return bits / len(example.targets)


def encode(text: str, alphabet: str) -> list[int]:
    """The places of the characters in an alphabet.

    Raises:
        DataError: a character is not in it; the error names it and its position.
    """
    place = {character: number for number, character in enumerate(alphabet)}
    for position, character in enumerate(text):
        if character not in place:
            the = "Write it in lower case: the" if character.lower() in place else "The"
            raise DataError(
                f"{character!r} at position {position} is not in the alphabet",
                remedy=f"{the} alphabet is {alphabet!r}",
            )
    return [place[character] for character in text]


def _length(number: int) -> int:
    return whole_number("length", number, 1, "there must be something to read")


def _bits(training: Sequence[int], held_out: Sequence[int], size: int, order: int) -> float:
    """Bits per character of the model that counts (with 1 added to every count) what follows ``order`` characters."""
    grams = Counter(zip(*(training[shift:] for shift in range(order + 1))))
    contexts: Counter[tuple[int, ...]] = Counter()
    for gram, count in grams.items():
        contexts[gram[:-1]] += count
    seen = list(zip(*(held_out[shift:] for shift in range(order + 1))))
    return add_up(math.log2((contexts[gram[:-1]] + size) / (grams[gram] + 1)) for gram in seen) / len(seen)
