"""``tinygrad-rnn eval``: measure what a trained network has learned."""

from __future__ import annotations

import argparse

from ..engine.notation import number
from ..errors import ArgumentError
from ..support.text import count
from ..tasks import make_task
from ..train import load_checkpoint, validate
from .console import print_json, say
from .options import JSON, MODEL, Option, seed_option, whole_number

DESCRIPTION = (
    "Measure a network that `tinygrad-rnn train` saved, by its task's own criterion, on new sequences (text, series: "
    "on the part that was held out, the same as in training)."
)
OPTIONS = {
    "": (
        MODEL,
        Option("sequences", "number of sequences; not for series", usual="256", type=whole_number(1), metavar="N"),
        seed_option("the sequences; not for text, series", None, "1"),
        Option("T", "another number of time steps", usual="as in training", type=whole_number(1), metavar="T"),
        JSON,
    )
}
HELD_OUT = "They are from the held-out part of the data, on which training also validated and chose the best weights."


def run(args: argparse.Namespace) -> int:
    """Measure, and print the result."""
    checkpoint = load_checkpoint(args.model)
    trained_on = checkpoint.make_task()
    if args.T is not None and "T" not in trained_on.known_settings():
        raise ArgumentError(f"--T is not an option of task {trained_on.name}")
    for option, argument in (("sequences", "count"), ("seed", "seed")):
        if getattr(args, option) is not None and argument not in trained_on.validation_by:
            raise ArgumentError(
                f"--{option} makes no difference to task {trained_on.name}",
                remedy="Leave it out: it is measured on the part of the data that was held out",
            )
    checkpoint.check_data(trained_on)
    task = trained_on if args.T is None else make_task(trained_on.name, {**trained_on.settings(), "T": args.T})
    model = checkpoint.make_model()
    model.check_fits(task)
    examples = task.validation(args.sequences or 256, 1 if args.seed is None else args.seed)
    loss, error = validate(model, task, examples)
    if args.json:
        print_json(
            {
                "task": task.name,
                "settings": task.settings(),
                "step": checkpoint.step,
                "sequences": len(examples),
                "loss": loss,
                "metric": task.metric,
                "error": error,
                "goal": task.goal,
                "baseline": task.baseline,
                "solved": error <= task.goal,
            }
        )
    else:
        say(
            f"{model!r} with the weights of update {checkpoint.model_step} of {checkpoint.step} on {task!r}, "
            f"{count(len(examples), 'sequence')}:"
        )
        goal, baseline = number(task.goal), number(task.baseline)
        say(f"loss {loss:.4f}; {task.metric} {error:.4f}; criterion {goal}, trivial predictor {baseline}")
        if "seed" not in task.validation_by:
            say(HELD_OUT)
        say("Solved." if error <= task.goal else "Not solved.")
    return 0
