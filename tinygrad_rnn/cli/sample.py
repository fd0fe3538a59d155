"""``tinygrad-rnn sample``: generate text from a network that was trained on one."""

from __future__ import annotations

import argparse
import math
import random
import sys
import unicodedata

from ..errors import ArgumentError
from ..support.progress import late_clock
from ..support.text import printable
from ..tasks.text import encode
from ..train import load_checkpoint
from .options import MODEL, Option, finite_number, seed_option, whole_number

DESCRIPTION = "Generate text, character by character, from a network that `tinygrad-rnn train --task text` saved."
OPTIONS = {
    "": (
        MODEL,
        Option("prompt", "beginning of the text", usual="a space", metavar="TEXT"),
        Option("length", "characters to generate", default=300, type=whole_number(0), metavar="N"),
        Option(
            "temperature",
            "randomness: 1 draws from the network's probabilities, less favours likely characters, 0 the likeliest",
            default=0.8,
            type=finite_number,
            metavar="X",
        ),
        seed_option("the draws"),
    )
}


def run(args: argparse.Namespace) -> int:
    """Generate text, and print every character at once."""
    if args.temperature < 0.0:
        raise ArgumentError(f"--temperature is {args.temperature:g}", remedy="Give a number of at least 0")
    with late_clock("network"):
        checkpoint = load_checkpoint(args.model)
        alphabet = checkpoint.alphabet
        if alphabet is None:
            raise ArgumentError(
                f"{args.model} was trained on {checkpoint.record.description.task.name}, which is not a text",
                remedy="Train one with tinygrad-rnn train --task text",
            )
        model = checkpoint.make_model()
        prompt = (" " if " " in alphabet else alphabet[0]) if args.prompt is None else args.prompt
        if not prompt:
            raise ArgumentError("--prompt is empty", remedy="Give at least one character")
        generator = model.generate(encode(prompt, alphabet))
        logits = next(generator)
    rng = random.Random(args.seed)
    shown = {sign: visible(sign) if sys.stdout.isatty() else sign for sign in alphabet}
    print("".join(shown[sign] for sign in prompt), end="", flush=True)
    for _ in range(args.length):
        symbol = draw(logits, args.temperature, rng)
        print(shown[alphabet[symbol]], end="", flush=True)
        logits = generator.send(symbol)
    print()
    return 0


def visible(sign: str) -> str:
    """A character as a terminal may get it: the text comes from a file, and so might orders to the terminal."""
    is_order = unicodedata.category(sign) == "Cc" and sign not in "\n\t"
    return printable(sign) if is_order else sign


def draw(logits: list[float], temperature: float, rng: random.Random) -> int:
    """Draw a symbol from softmax(logits / temperature)."""
    highest = max(logits)
    if temperature == 0.0:
        return logits.index(highest)
    weights = [math.exp((logit - highest) / temperature) for logit in logits]
    return rng.choices(range(len(logits)), weights)[0]
