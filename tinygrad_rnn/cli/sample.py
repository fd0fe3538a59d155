"""``tinygrad-rnn sample``: let a network that was trained on a text write."""

from __future__ import annotations

import argparse
import math
import random
from typing import Any

from ..errors import ArgumentError
from .inputs import finite_number, whole_number


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "sample",
        help="let a trained network write",
        description="Let a network that `tinygrad-rnn train --task text` saved write, character by character.",
    )
    parser.add_argument("model", metavar="FILE", help="what train saved")
    parser.add_argument("--prompt", metavar="TEXT", help="how the text begins (a space)")
    parser.add_argument("--length", type=whole_number(0), default=300, metavar="N", help="characters to write (300)")
    parser.add_argument(
        "--temperature",
        type=finite_number,
        default=0.8,
        metavar="X",
        help="1 draws from the network's probabilities, less favours the likely, 0 takes the likeliest (0.8)",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="seed of the draws (0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write."""
    from ..tasks.text import encode
    from ..train import load_checkpoint

    if args.temperature < 0.0:
        raise ArgumentError(f"--temperature {args.temperature:g}", remedy="Give a number of at least 0")
    checkpoint = load_checkpoint(args.model)
    alphabet = checkpoint.alphabet
    if alphabet is None:
        raise ArgumentError(
            f"{args.model} was trained on {checkpoint.state['task']['name']}, which is no text",
            remedy="Train one with tinygrad-rnn train --task text",
        )
    model = checkpoint.make_model()
    prompt = (" " if " " in alphabet else alphabet[0]) if args.prompt is None else args.prompt
    if not prompt:
        raise ArgumentError("--prompt is empty", remedy="Give at least one character")
    rng = random.Random(args.seed)
    generator = model.generate(encode(prompt, alphabet))
    print(prompt, end="", flush=True)
    logits = next(generator)
    for _ in range(args.length):
        symbol = draw(logits, args.temperature, rng)
        print(alphabet[symbol], end="", flush=True)
        logits = generator.send(symbol)
    print()
    return 0


def draw(logits: list[float], temperature: float, rng: random.Random) -> int:
    """A symbol drawn from softmax(logits / temperature)."""
    highest = max(logits)
    if temperature == 0.0:
        return logits.index(highest)
    weights = [math.exp((logit - highest) / temperature) for logit in logits]
    return rng.choices(range(len(logits)), weights)[0]
